"""Folders become zips without being read into memory, the same bytes every time."""

import os
import zipfile
from pathlib import Path

import pytest
from plumb import PlumbError
from plumb.archive import sendable


def test_a_folder_becomes_a_zip_with_its_files_at_the_top(model_folder: Path) -> None:
    with sendable(model_folder) as (file, name):
        assert name == "shade-net.zip"
        with zipfile.ZipFile(file) as archive:
            assert archive.namelist() == ["docs/card.md", "model.onnx", "model.yaml"]
            assert archive.read("model.yaml") == b"name: Shade net\n"
        first = file.read_bytes()
    assert not file.exists()
    os.utime(model_folder / "model.yaml", (0, 0))
    with sendable(model_folder) as (file, _):
        assert file.read_bytes() == first


def test_a_file_goes_as_it_is_or_with_its_manifest(model_folder: Path) -> None:
    weights = model_folder / "model.onnx"
    with sendable(weights) as (file, name):
        assert (file, name) == (weights, "model.onnx")
    with sendable(weights, {"model.yaml": model_folder / "model.yaml"}) as (file, _):
        assert zipfile.ZipFile(file).namelist() == ["model.onnx", "model.yaml"]


def test_what_cannot_be_sent(tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(PlumbError, match="There is no"), sendable(tmp_path / "nowhere"):
        pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlumbError, match="is empty"), sendable(tmp_path / "empty"):
        pass
    (model_folder / "images").symlink_to(tmp_path / "empty")
    with pytest.raises(PlumbError, match="link to a folder"), sendable(model_folder):
        pass
