"""Weights with the name of their network, from the folder to the stored file and its scores."""

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from ml.engine.session import open_session
from ml.intake.model_manifest import ModelManifest
from tests.ml.intake.build import MANIFEST, codes, merged, model_folder
from tests.ml.intake.test_bundle import ARGUMENTS, module, weights
from tests.ml.intake.test_model import read, refused

NAMED = merged(
    MANIFEST,
    {
        "format": "safetensors", "file": "model.safetensors",
        "architecture": {"name": "monai.DenseNet", "arguments": ARGUMENTS},
        "input": {"size": [32, 40]}, "output": {"kind": "logits"},
    },
)  # fmt: skip


def folder_of(folder, **changes):
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((weights() / "model.safetensors").read_bytes())
    (folder / "model.yaml").write_text(yaml.safe_dump(merged(NAMED, changes)))
    return folder


def test_a_folder_gives_manifest_card_and_the_modules_own_scores(tmp_path):
    result = read(folder_of(tmp_path / "m"), tmp_path)

    card = result["card"]
    assert (card["format"], card["architecture"]) == ("safetensors", "monai.DenseNet")
    assert card["parameters"] >= sum(one.numel() for one in module().parameters())
    assert (card["notes"], card["has_dropout"], card["smoke"]["finite"]) == ([], False, True)
    assert card["inputs"][0]["shape"] == [None, 1, 32, 40]
    stored = tmp_path / "out" / "files" / result["sha256"]
    assert stored.read_bytes() == (weights() / "model.safetensors").read_bytes()
    session = open_session(stored, ModelManifest.model_validate(result["manifest"]))
    cases = np.random.default_rng(2).random((3, 1, 32, 40), dtype=np.float32)
    with torch.no_grad():
        expected = module()(torch.from_numpy(cases)).numpy()
    assert np.abs(session.run(cases) - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_lone_file_without_manifest_has_a_card_of_its_weights(tmp_path):
    result = read(weights() / "model.safetensors", tmp_path)

    assert result["manifest"] is None
    assert result["card"]["format"] == "safetensors"
    assert read(weights() / "model.safetensors", tmp_path, NAMED)["card"]["smoke"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"architecture": None}, "manifest_invalid"),
        ({"format": "pt2"}, "manifest_invalid"),
        ({"format": "pt2", "architecture": None}, "manifest_invalid"),
        ({"format": "monai-bundle"}, "bundle_invalid"),
        ({"architecture": {"name": "os.system"}}, "architecture_unknown"),
        ({"architecture": {"code": "x"}}, "manifest_invalid"),
        ({"architecture": {"axes": "zyx"}}, "manifest_invalid"),
        ({"architecture": {"arguments": {"out_channels": 10**12}}}, "architecture_invalid"),
        ({"architecture": {"arguments": {**ARGUMENTS, "growth_rate": 5}}}, "weights_mismatch"),
        ({"architecture": {"arguments": {**ARGUMENTS, "norm": "instance"}}}, "weights_mismatch"),
        ({"input": {"layout": "NHWC"}}, "manifest_invalid"),
        ({"input": {"colour": "rgb"}}, "model_shape"),
        ({"output": {"classes": ["a", "b", "bright"]}}, "model_shape"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, code, tmp_path):
    assert codes(refused(folder_of(tmp_path / "m", **changes), tmp_path)) == [code]


def test_a_header_whose_length_begins_like_a_pickle_is_safetensors(tmp_path):
    """640 bytes of header: the file begins with 0x80 0x02, as pickles of protocol 2 do."""
    path = tmp_path / "model.safetensors"
    for length in range(400, 640):
        save_file({"a": torch.zeros(2)}, path, metadata={"x": "x" * length})
        if path.read_bytes()[:2] == b"\x80\x02":
            break

    assert path.read_bytes()[:2] == b"\x80\x02"
    assert read(path, tmp_path)["card"]["parameters"] == 2


def test_manifests_of_other_formats_keep_their_hash(tmp_path):
    assert "architecture" not in read(model_folder(tmp_path / "m"), tmp_path)["manifest"]
