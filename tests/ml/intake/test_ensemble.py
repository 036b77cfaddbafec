"""Several files of weights as one model, from the folder to the index that stands for them."""

import json

import numpy as np
import pytest

from ml.checks.capability import capabilities
from ml.cli.intake import _lines
from ml.engine.ensemble import open_model
from ml.engine.session import ModelError, open_session
from ml.intake.ensemble import Member, index_of, members_in
from ml.intake.model_manifest import ModelManifest
from tests.ml.intake.build import MANIFEST, brightness, merged, zipped
from tests.ml.intake.ensembles import STEEPER, ensemble_folder
from tests.ml.intake.test_bundle import ARGUMENTS, weights
from tests.ml.intake.test_model import read, refused


def test_a_folder_gives_one_card_and_an_index_of_the_members(tmp_path):
    folder = ensemble_folder(tmp_path / "m")

    result = read(zipped(folder, tmp_path / "m.zip", top="inside/"), tmp_path)

    card, files = result["card"], tmp_path / "out" / "files"
    assert card["format"] == "ensemble"
    assert [one["name"] for one in card["members"]] == ["a.onnx", "b.onnx", "c.pt2"]
    assert [one["format"] for one in card["members"]] == ["onnx", "onnx", "pt2"]
    assert (card["parameters"], card["operations"]["Gemm"], card["operations"]["linear"]) == (
        12, 2, 1,
    )  # fmt: skip
    assert (card["smoke"]["deterministic"], card["gradients"]) == (True, False)
    named = members_in((files / result["sha256"]).read_bytes())
    for member, name in zip(named, ("a.onnx", "b.onnx", "c.pt2"), strict=True):
        assert (files / member.sha256).read_bytes() == (folder / name).read_bytes()
    assert [one["path"] for one in result["files"]] == [
        f"files/{sha}" for sha in (result["sha256"], *(one.sha256 for one in named))
    ]
    assert card["size_bytes"] == sum((folder / n).stat().st_size for n in folder_names(result))
    assert "ensemble of 3 (a.onnx: ONNX opset 17" in "\n".join(_lines({"kind": "model", **result}))
    json.dumps(result)
    can = {point.id: point for point in capabilities(card)}
    assert "dropout" not in can  # of its members' dropout nothing is asked
    assert "hand in a member by itself" in can["gradients"].says
    assert can["gradients"].action == ""


def folder_names(result):
    return [one["name"] for one in result["card"]["members"]]


def test_the_sha256_covers_members_and_their_order(tmp_path):
    first = read(ensemble_folder(tmp_path / "a"), tmp_path)["sha256"]
    turned = ensemble_folder(tmp_path / "b", members=["b.onnx", "a.onnx", "c.pt2"])
    fewer = ensemble_folder(tmp_path / "c", members=["a.onnx", "b.onnx"])
    again = read(ensemble_folder(tmp_path / "d"), tmp_path)["sha256"]

    assert len({first, read(turned, tmp_path)["sha256"], read(fewer, tmp_path)["sha256"]}) == 3
    assert first == again


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_its_answer_is_the_mean_of_the_members_probabilities(kind, tmp_path):
    changes = {"output": {"kind": kind}}
    result = read(ensemble_folder(tmp_path / "m", **changes), tmp_path)
    manifest = ModelManifest.model_validate(result["manifest"])
    files = tmp_path / "out" / "files"
    cases = np.random.default_rng(1).random((5, 1, 8, 8), dtype=np.float32)

    session = open_model(files / result["sha256"], manifest)
    found = session.run(cases)

    each = [
        open_session(files / one.sha256, manifest.of_member(one.format)).run(cases)
        for one in members_in((files / result["sha256"]).read_bytes())
    ]
    if kind == "logits":  # a softmax of what the files give already, once more
        each = [np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True) for raw in each]
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    assert np.abs(each[0] - each[1]).max() > 0.01
    assert found == pytest.approx(np.mean(each, axis=0), abs=1e-12)
    assert session.runtime_json["members"] == 3
    assert session.runtime_json["device"] == "cpu"
    assert {"onnxruntime", "torch"} <= session.runtime_json.keys()


def test_weights_alone_share_the_architecture_of_the_manifest(tmp_path):
    folder = ensemble_folder(
        tmp_path / "m",
        members=["a.safetensors", "b.safetensors"],
        architecture={"name": "monai.DenseNet", "arguments": ARGUMENTS},
        input={"size": [32, 40]},
        output={"kind": "logits"},
    )
    data = bytearray((weights() / "model.safetensors").read_bytes())
    (folder / "a.safetensors").write_bytes(data)
    data[-1] ^= 1  # another last number
    (folder / "b.safetensors").write_bytes(data)

    result = read(folder, tmp_path)

    assert [one["architecture"] for one in result["card"]["members"]] == ["monai.DenseNet"] * 2
    manifest = ModelManifest.model_validate(result["manifest"])
    session = open_model(tmp_path / "out" / "files" / result["sha256"], manifest)
    assert session.run(np.zeros((1, 1, 32, 40), np.float32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("changes", "code", "file"),
    [
        ({"members": ["a.onnx"]}, "members_too_few", "model.yaml"),
        ({"members": []}, "members_too_few", "model.yaml"),
        ({"members": ["a.onnx", "a.onnx"]}, "member_twice", "a.onnx"),
        ({"members": ["a.onnx", "same.onnx"]}, "member_twice", "same.onnx"),
        ({"members": ["a.onnx", "gone.onnx"]}, "file_missing", "gone.onnx"),
        ({"members": ["a.onnx", "code.pkl"]}, "pickle_refused", "code.pkl"),
        ({"members": ["a.onnx", "three.onnx"]}, "members_differ", "three.onnx"),
        ({"members": ["three.onnx", "wide.onnx"]}, "model_shape", "three.onnx"),
        ({"members": None}, "manifest_invalid", "model.yaml"),
        ({"file": "a.onnx"}, "manifest_invalid", "model.yaml"),
        ({"dropout": "allowed"}, "manifest_invalid", "model.yaml"),
        ({"format": "onnx", "file": "a.onnx"}, "manifest_invalid", "model.yaml"),
        ({"members": [f"{n}.onnx" for n in range(21)]}, "manifest_invalid", "model.yaml"),
        (
            {"architecture": {"name": "monai.DenseNet", "arguments": ARGUMENTS}},
            "manifest_invalid", "model.yaml",
        ),
        ({"members": ["a.onnx", "w.safetensors"]}, "manifest_invalid", "w.safetensors"),
    ],
)  # fmt: skip
def test_what_is_no_ensemble_is_refused_and_says_which_file(changes, code, file, tmp_path):
    folder = ensemble_folder(tmp_path / "m", **changes)
    (folder / "same.onnx").write_bytes((folder / "a.onnx").read_bytes())
    (folder / "code.pkl").write_bytes(b"\x80\x04K\x01.")
    three = brightness(weights=((-1.0, 0.0, 1.0),), softmax=False, ir=8)
    three.graph.initializer[1].CopyFrom(brightness(weights=((0.0, 0.0, 0.0),)).graph.initializer[0])
    three.graph.initializer[1].name = "bias"
    (folder / "three.onnx").write_bytes(three.SerializeToString())
    wide = brightness(shape=("batch", 1, 8, 9), weights=STEEPER)
    (folder / "wide.onnx").write_bytes(wide.SerializeToString())
    (folder / "w.safetensors").write_bytes((weights() / "model.safetensors").read_bytes())

    found = refused(folder, tmp_path).value.refusals[0]

    assert (found.code, found.file) == (code, file), found.message


def test_every_member_that_cannot_be_read_is_named_at_once(tmp_path):
    folder = ensemble_folder(tmp_path / "m")
    (folder / "a.onnx").write_bytes(b"\x80\x04K\x01.")
    (folder / "c.pt2").write_bytes(b"\x89HDF")

    caught = refused(folder, tmp_path)

    assert [(one.code, one.file) for one in caught.value.refusals] == [
        ("pickle_refused", "a.onnx"),
        ("format_unsupported", "c.pt2"),
    ]


@pytest.mark.parametrize(
    "index",
    [
        b"", b"[]", b'{"members": [1]}', b'{"members": [{"format": "onnx"}]}',
        index_of([Member("onnx", "../../etc/passwd")]), index_of([Member("pickle", "0" * 64)]),
        index_of([Member("onnx", "0" * 64 + "/../x")]),
        index_of([Member("onnx", "0" * 64 + "\n")]),
    ],
)  # fmt: skip
def test_an_index_names_nothing_but_files_of_weights(index, tmp_path):
    with pytest.raises(ValueError, match="the index of the members"):
        members_in(index)
    path = tmp_path / "index"
    path.write_bytes(index)
    manifest = ModelManifest.model_validate(
        merged(MANIFEST, {"format": "ensemble", "file": None, "members": ["a", "b"]})
    )
    with pytest.raises(ModelError) as caught:
        open_model(path, manifest)
    assert caught.value.code == "model_unloadable"


def test_a_manifest_without_members_keeps_its_hash():
    assert "members" not in ModelManifest.model_validate(MANIFEST).model_dump(mode="json")
