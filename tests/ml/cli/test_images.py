"""A table of predictions is held against plain numbers of its images at the command line."""

import json

import pytest

from ml.cli import shards
from ml.cli.main import main
from ml.sandbox.warm import WarmChild
from ml.zoo import stripes
from tests.ml.cli.test_audit_passes import Here

PROTOCOL = "checks: [handcrafted-baseline]\ndraws: 200\n"


def audit(home, planted):
    stripes.cohort_folder(home / "cohort", n=52, planted=planted)
    stripes.predictions_folder(home / "predictions", n=52, planted=planted)
    (home / "protocol.yaml").write_text(PROTOCOL)
    return run(home)


def run(home):
    code = main(
        ["audit", "--predictions", str(home / "predictions"), "--cohort", str(home / "cohort"),
         "--protocol", str(home / "protocol.yaml"), "--out", str(home / "out")]
    )  # fmt: skip
    (check,) = json.loads((home / "out" / "audit.json").read_text())["checks"]
    return code, check


@pytest.mark.parametrize("child", [Here, pytest.param(WarmChild, marks=pytest.mark.slow)])
def test_a_black_box_is_compared_and_the_measured_images_are_kept(
    child, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(shards, "WarmChild", child)
    code, check = audit(tmp_path, "")
    assert (code, check["state"]) == (0, "pass")
    assert check["measures"][0]["n"] == 52
    assert check["measures"][0]["low"] > 0.2
    capsys.readouterr()

    again, other = run(tmp_path)
    assert capsys.readouterr().err.count("reused") == 2
    assert (again, other["measures"]) == (code, check["measures"])


def test_files_that_give_the_label_away_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    code, check = audit(tmp_path, "file")
    assert (code, check["state"]) == (1, "fail")
    assert "colour mode" in check["findings"][1]["why"]
