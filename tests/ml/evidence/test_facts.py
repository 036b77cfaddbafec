"""What files say of a case, from the catalogue alone."""

from ml.evidence.facts import facts_of, is_number


def image(**more):
    return {"sha256": "0" * 64, "media_type": "image/png", "mode": "L", "bits": 8, "width": 3,
            "height": 4, "frames": 1} | more  # fmt: skip


def catalogue(*cases, modality="MR", columns=()):
    rows = [
        {"images": images, "covariates": dict(zip(columns, cells, strict=True))}
        for images, cells in cases
    ]
    return {"cases": rows, "modality": modality, "covariates": list(columns)}


def test_facts_of_each_case():
    found = facts_of(
        catalogue(
            ([image(width=5), image(mode="RGB", width=9)], ("CT", "CHEST")),
            ([image()], (None, "")),
            columns=("Modality", "body_part"),
        )
    )
    assert found == {
        "modality": ("CT", "MR"),  # the cohort's own where the case says none
        "body part": ("CHEST", None),
        "file type": ("image/png", "image/png"),
        "colour mode": ("L, RGB", "L"),
        "bits": (8.0, 8.0),
        "width": (9.0, 3.0),
        "height": (4.0, 4.0),
        "images": (2.0, 1.0),
        "frames": (1.0, 1.0),
    }
    assert is_number(found["width"])
    assert not is_number(found["colour mode"])


def test_headers_are_facts_of_their_own():
    ct = image(header={"Modality": "CT", "BodyPartExamined": "HEAD"})
    mr = image(header={"Modality": "MR"})
    found = facts_of(catalogue(([ct, mr], ()), ([image()], ()), modality="MR"))

    assert found["header Modality"] == ("CT, MR", None)
    assert found["header BodyPartExamined"] == ("HEAD", None)
    assert found["modality"] == ("MR", "MR")  # what the cohort says of itself


def test_without_images_nothing_is_said():
    assert facts_of(catalogue(([], ()))) == {}
    assert "modality" not in facts_of(catalogue(([image()], ()), modality=" "))
