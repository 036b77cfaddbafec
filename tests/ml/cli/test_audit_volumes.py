"""`stress` and `shift-consistency` of a model of volumes at the command line, from folders."""

import json

import pytest

from ml.checks.capability import OF_VOLUMES
from ml.cli import shards
from ml.cli.main import main
from ml.corruptions import corruptions_for
from ml.verdict import met_by
from ml.zoo import nodules
from tests.ml.cli.test_audit_passes import Here

CHOSEN = ["gaussian-noise", "slice-thickness", "gamma"]
PROTOCOL = f"""
checks: [stress, shift-consistency]
corruptions: [{", ".join([*CHOSEN, "mr-motion"])}]
legal_flips: [left-right]
draws: 200
"""


def audited(tmp_path, *, skips):
    nodules.cohort_folder(tmp_path / "cohort", n=40)
    nodules.model_folder(tmp_path / "model", skips=skips)
    (tmp_path / "protocol.yaml").write_text(PROTOCOL)
    main(
        ["audit", "--model", str(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"),
         "--protocol", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "out")]
    )  # fmt: skip
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    return {one["id"]: one for one in document["checks"]}


def value(check, name):
    return next(one for one in check["measures"] if one["id"] == name)


def finding(check, name):
    return next(one for one in check["findings"] if one["id"] == f"{check['id']}.{name}")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)


def test_a_network_that_finds_a_ball_anywhere_stands_firm_and_loses_it_in_thick_slices(tmp_path):
    checks = audited(tmp_path, skips=False)
    stress, shift = checks["stress"], checks["shift-consistency"]

    assert value(stress, "accuracy")["value"] == 1
    borne = value(stress, "severity_borne:slice-thickness")
    assert 2 <= borne["value"] <= 4, "of a ball of 7 mm"
    said = finding(stress, "severity_borne:slice-thickness")
    assert said["claim"].startswith("Slice thickness is too much for it from severity ")
    assert "thickness of a slice, in mm: " in said["claim"]
    assert "3 of 22 corruptions, chosen by the protocol" in json.dumps(stress)
    assert value(shift, "flip_rate")["value"] == 0
    said = finding(shift, "flip_rate")
    assert said["claim"] == "In none of 40 cases does a small move of the volume change the answer."
    assert "shifts by up to 2 voxels of the model's input" in said["why"]
    assert "map_agreement" not in {one["id"] for one in shift["measures"]}
    mirror = finding(shift, "flip_rate:mirror-left-right")
    assert mirror["claim"].startswith("Mirror, left to right: the answer stays in all 40 cases")


def test_one_that_skips_voxels_does_not(tmp_path):
    shift = audited(tmp_path, skips=True)["shift-consistency"]

    assert finding(shift, "flip_rate")["state"] == "fail"
    said = finding(shift, "flip_rate")
    assert "when the volume is" in said["claim"]
    assert "voxel" in said["claim"] or "volume is turned" in said["claim"]
    assert said["cases"]


def test_the_models_page_says_that_both_can_follow():
    of_volumes = {"input": {"dims": 3}, "output": {}, "format": "onnx"}

    met = met_by({}, of_volumes)
    assert {"corruptions", "moves"} <= met
    assert not met & {"attributions", "attacks"}
    assert met_by({"gradients": True}, of_volumes) >= OF_VOLUMES - {"corrupted-samples"}
    assert not met_by({"gradients": True}, of_volumes) & {"attributions", "attacks"}
    assert len(corruptions_for("CT", volumes=True)) == 22
