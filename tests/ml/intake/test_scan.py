"""Everything in an upload is named, and what is not needed is not opened."""

import pickle

import pytest
import yaml

from ml.intake.left import scan_left
from ml.intake.model import read_model
from ml.intake.refusal import Refused
from ml.intake.scan import kind_of
from ml.sandbox.messages import Reporter
from tests.ml.intake.build import MANIFEST, QUIET, model_folder, zipped


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (pickle.dumps({"a": 1}), "model.onnx", "pickle"),
        (pickle.dumps({"a": 1}, protocol=2), "readme.md", "pickle"),
        ((2).to_bytes(8, "little") + b"{}", "m.bin", "safetensors"),
        (b"PK\x03\x04", "model.pt", "zip"),
        (b"import os", "export.py", "program text"),
        (b"#!/bin/sh", "readme.txt", "program text"),
        (b"\x7fELF", "model.onnx", "program for a machine"),
        (b"\x08\x07", "model.onnx", "ONNX"),
        (b"?", "model", "unknown"),
        (b"", "model.onnx", "empty"),
    ],
)
def test_bytes_say_more_than_names(head, name, kind):
    assert kind_of(head, name) == kind


def test_a_card_lists_every_file_and_what_it_was_read_as(tmp_path):
    folder = model_folder(tmp_path / "model")
    (folder / "old.pkl").write_bytes(pickle.dumps([1]))
    (folder / "train.py").write_text("raise SystemExit")
    (tmp_path / "out").mkdir()

    card = read_model(zipped(folder, tmp_path / "m.zip"), tmp_path / "out", QUIET)["card"]

    found = {row["name"]: (row["kind"], row["use"]) for row in card["scan"]["files"]}
    assert found == {
        "model.onnx": ("ONNX", "weights, read as data"),
        "model.yaml": ("YAML", "manifest"),
        "old.pkl": ("pickle", ""),
        "train.py": ("program text", ""),
    }
    assert card["scan"]["n_files"] == 4
    assert card["scan"]["n_bytes"] == sum(path.stat().st_size for path in folder.iterdir())


def test_what_is_refused_was_named_in_the_log_before(tmp_path):
    (tmp_path / "m" / "weights").mkdir(parents=True)
    (tmp_path / "m" / "weights" / "model.pt").write_bytes(pickle.dumps([1]))
    (tmp_path / "m" / "model.yaml").write_text(
        yaml.safe_dump(MANIFEST | {"file": "weights/model.pt"})
    )
    (tmp_path / "out").mkdir()
    said = []

    with pytest.raises(Refused):
        read_model(tmp_path / "m", tmp_path / "out", Reporter(said.append, lambda *_: None))

    size = (tmp_path / "m" / "weights" / "model.pt").stat().st_size
    assert f"weights/model.pt: pickle, {size} bytes" in said


def test_a_refusal_lists_everything_and_what_each_file_is_refused_for(tmp_path):
    folder = model_folder(tmp_path / "model")
    (folder / "model.onnx").write_bytes(pickle.dumps([1]))
    (folder / "train.py").write_text("raise SystemExit")
    (tmp_path / "out").mkdir()

    with pytest.raises(Refused) as refused:
        read_model(folder, tmp_path / "out", QUIET)

    scan = scan_left(refused.value.scan)
    assert {row["name"]: (row["kind"], row["use"]) for row in scan["files"]} == {
        "model.onnx": ("pickle", "pickle_refused"),
        "model.yaml": ("YAML", ""),
        "train.py": ("program text", ""),
    }
    assert scan["n_bytes"] == sum(path.stat().st_size for path in folder.iterdir())


def test_a_list_that_is_none_is_left_out():
    rows = [{"name": "a", "bytes": 1, "kind": "zip", "use": ""}]
    whole = {"files": rows, "n_files": 1, "n_bytes": 1}
    assert scan_left(whole) == whole
    for changed in (
        whole | {"n_files": -1},
        whole | {"files": rows * 201},
        whole | {"files": [rows[0] | {"kind": 7}]},
        whole | {"more": ""},
        {},
    ):
        assert scan_left(changed) == {}
