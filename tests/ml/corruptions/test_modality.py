"""Which packs a declared modality asks for."""

import pytest

from ml.corruptions import corruptions_for, pack, packs_for
from ml.engine.passes import CORRUPT, PASSES, asked_for, corrupt_params


@pytest.mark.parametrize(
    ("modality", "between"),
    [
        ("CT", ["ct"]),
        ("ct", ["ct"]),
        ("chest CT, portal venous", ["ct"]),
        ("MR", ["mr"]),
        ("Brain MRI", ["mr"]),
        ("DX", ["xray"]),
        ("Chest X-ray", ["xray"]),
        ("MG", ["xray"]),
        ("mammography", ["xray"]),
        ("US", ["ultrasound"]),
        ("echocardiography", ["ultrasound"]),
        ("fundus photography", ["photo"]),
        ("SM", ["photo"]),
        ("CT and MR", ["ct", "mr"]),
        ("", []),
        ("none", []),
        ("PT", []),
        ("direct", []),
        ("usual care", []),
    ],
)
def test_the_declared_modality_chooses_and_nothing_is_guessed(modality, between):
    assert packs_for(modality) == ("generic", *between, "dicom-path")


def test_corruptions_of_colour_and_of_grey_pictures():
    grey = {one.id for one in corruptions_for("SM", "gray")}
    colour = {one.id for one in corruptions_for("SM", "rgb")}

    assert grey - colour == {"dicom-inverted", "dicom-byte-order", "dicom-slope", "dicom-intercept"}
    assert {one.id for one in pack("photo")} <= colour


def test_the_pass_takes_the_packs_of_a_modality_where_one_is_given():
    usual = PASSES[CORRUPT].params
    of_mr = corrupt_params("MR")

    assert of_mr["corruptions"] == [one.id for one in corruptions_for("MR")]
    assert {**of_mr, "corruptions": usual["corruptions"]} == usual
    assert asked_for(["corruptions"], walks=False) == [(CORRUPT, usual)]
    assert asked_for(["corruptions"], walks=False, modality="MR") == [(CORRUPT, of_mr)]
    assert asked_for(["corruptions"], walks=False, modality="MR", running={"batch": 4}) == [
        (CORRUPT, {**of_mr, "batch": 4})
    ]


def test_of_what_a_protocol_chose_those_that_fit_are_run():
    only = ["mr-motion", "gamma", "ct-metal"]
    (found,) = asked_for(["corruptions"], walks=False, modality="MR", only=only)

    assert found == (CORRUPT, corrupt_params("MR") | {"corruptions": ["gamma", "mr-motion"]})
    assert asked_for(["corruptions"], walks=False, modality="MR", only=["ct-metal"]) == []
    assert asked_for(["corruptions"], walks=False, only=["gamma"])[0][1]["corruptions"] == ["gamma"]
    rgb = asked_for(["corruptions"], walks=False, modality="MR", colour="rgb", only=["dicom-slope"])
    assert rgb == [], "a colour picture cannot suffer it"
