"""The network with random weights: exported in a process of its own, read by intake, marked."""

import pytest

from demo import untrained
from ml.intake.model import read_model
from tests.ml.intake.build import QUIET


def test_it_is_accepted_and_says_that_nobody_trained_it(tmp_path):
    folder = untrained.build(tmp_path / "densenet", say=lambda _: None)
    (tmp_path / "out").mkdir()

    read = read_model(folder, tmp_path / "out", QUIET)

    assert "untrained" in read["manifest"]["name"]
    assert "nobody trained them" in read["manifest"]["intended_use"]
    assert read["card"]["dropout_sites"] == 20
    assert read["card"]["smoke"]["deterministic"]
    assert read["card"]["measured"]["map_layer"]["places"] == [8, 8]


def test_without_torch_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(untrained.sys, "executable", "/bin/false")

    with pytest.raises(untrained.NoTorch, match="it said nothing"):
        untrained.build(tmp_path / "densenet", say=lambda _: None)
    assert not (tmp_path / "densenet").exists()
