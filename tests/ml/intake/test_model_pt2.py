"""A model handed in as an archive of torch.export, from the folder to the stored weights."""

import json

import pytest

from tests.ml.intake.build import MANIFEST, codes, merged, zipped
from tests.ml.intake.exported import archive, exported_folder
from tests.ml.intake.test_model import read, refused


def test_a_folder_gives_manifest_card_and_stored_weights(tmp_path):
    folder = exported_folder(tmp_path / "model")

    result = read(folder, tmp_path)

    card = result["card"]
    assert card["format"] == "pt2"
    assert card["operations"] == {"dropout": 1, "linear": 1, "mean.dim": 1, "softmax.int": 1}
    assert (card["parameters"], card["layers"], card["has_dropout"]) == (4, 1, True)
    assert (card["dropout_sites"], card["dropout_rates"]) == (1, [0.25])
    assert card["inputs"] == [{"name": "image", "dtype": "float32", "shape": [None, 1, 8, 8]}]
    assert card["producer"].startswith("torch 2.")
    assert card["smoke"]["deterministic"] is True
    assert set(card["runtime"]["seconds_per_case"]) == {"program", "fused program", "onnxruntime"}
    assert card["runtime"]["chosen"] in card["runtime"]["seconds_per_case"]
    assert card["smoke"]["runtime"]["device"] == "cpu"
    stored = tmp_path / "out" / "files" / result["sha256"]
    assert stored.read_bytes() == archive().read_bytes()
    json.dumps(result)


def test_a_zip_of_the_folder_and_the_lone_file_are_known_too(tmp_path):
    folder = exported_folder(tmp_path / "model")
    whole = read(folder, tmp_path)

    assert (
        read(zipped(folder, tmp_path / "m.zip", top="inside/"), tmp_path)["sha256"]
        == (whole["sha256"])
    )
    lone = read(archive(), tmp_path)
    assert (lone["manifest"], lone["sha256"]) == (None, whole["sha256"])
    assert "smoke" not in lone["card"]
    given = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})
    assert read(archive(), tmp_path, given)["card"]["smoke"]["finite"] is True


def test_the_declared_format_must_be_the_files(tmp_path):
    caught = refused(exported_folder(tmp_path / "m", format="onnx"), tmp_path)

    assert codes(caught) == ["manifest_invalid"]
    assert "format pt2" in caught.value.refusals[0].message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"input": {"size": [9, 8], "colour": "gray", "intensity": {"scale": 255}}}, "model_shape"),
        ({"output": {**MANIFEST["output"], "classes": ["a", "b", "bright"]}}, "model_shape"),
        ({"output": {**MANIFEST["output"], "name": "nowhere"}}, "model_shape"),
    ],
)
def test_what_is_declared_must_be_what_the_graph_takes_and_gives(changes, code, tmp_path):
    assert codes(refused(exported_folder(tmp_path / "m", **changes), tmp_path)) == [code]
