"""A check that asks for every pass gets their evidence from an audit at the command line."""

import importlib
import json

import numpy as np
import pytest
import yaml

from ml.checks import registry
from ml.checks.registry import CheckResult, State, audit_check
from ml.cli import audit as command
from ml.cli import shards
from ml.cli.main import main
from ml.estimate import Estimate
from ml.sandbox.child import JOBS
from ml.sandbox.messages import Outcome
from ml.sandbox.warm import WarmChild
from tests.ml.engine.small import small
from tests.ml.intake.build import MANIFEST, QUIET, cohort_folder, merged, model_folder

NEEDS = ("features", "attributions", "perturbations", "corruptions", "randomisations")


@pytest.fixture
def check(monkeypatch):
    """A check of the tests' own, that counts what it is given."""
    monkeypatch.setattr(registry, "_checks", dict(registry._checks))
    given = []

    @audit_check("test-passes", title="Passes", question="What is there?", needs=NEEDS)
    def run(evidence, protocol):
        given.append(evidence)
        kept = len(evidence.features["penultimate"])
        return CheckResult(
            State.INFO, "What is there?", "All of it.", estimates=(Estimate("kept", kept, n=kept),)
        )

    return given


def folders(tmp_path, checks="test-passes"):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pt2").write_bytes(small("tiny").path.read_bytes())
    manifest = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    cohort_folder(tmp_path / "cohort", n=3)
    (tmp_path / "protocol.yaml").write_text(f"checks: [{checks}]\nlimits: []\ndraws: 200\n")


def audit(tmp_path):
    return main(
        ["audit", "--model", str(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"),
         "--protocol", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "out")]
    )  # fmt: skip


class Here(WarmChild):
    """Does the jobs in this process: starting five children would take most of the test."""

    def run(self, job, **_):
        module, _, name = JOBS[job.kind].partition(":")
        sent = json.loads(json.dumps(job.inputs))
        result = getattr(importlib.import_module(module), name)(sent, job.out_dir, QUIET)
        return Outcome("done", result=json.loads(json.dumps(result, allow_nan=False)))


@pytest.mark.parametrize("child", [Here, pytest.param(WarmChild, marks=pytest.mark.slow)])
def test_every_pass_is_run_and_reaches_the_check(child, check, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", child)
    folders(tmp_path)

    assert audit(tmp_path) == 0

    (found,) = check
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert document["checks"][0]["measures"][0]["value"] == 3
    assert {name: rows.shape for name, rows in found.features.items()} == {
        "penultimate": (3, 6),
        "early": (3, 8),
    }
    assert found.attributions.maps.shape == (3, 1, 8, 8)
    assert found.perturbations.outputs.shape == (3, 2 * 2 * 17, 2)
    assert found.corruptions.outputs.shape == (3, 30, 2)
    assert found.randomisations.maps.shape == (3, 14, 8, 8)
    assert np.isfinite(found.corruptions.outputs).all()
    # Features and outputs are of one forward: there is one table for both.
    assert np.isfinite(found.prediction.score).all()
    assert len(list((tmp_path / "out" / "evidence").glob("*.parquet"))) == 5
    # The perturbed curves begin at what the model says of the whole picture.
    (whole,) = found.perturbations.version(baseline="mean", order="morf", step=0)
    assert found.perturbations.outputs[:, whole, 1] == pytest.approx(
        found.prediction.probabilities[:, 1], abs=1e-6
    )


def test_a_black_box_is_not_asked_for_what_it_cannot_give(check, tmp_path, monkeypatch):
    folders(tmp_path)
    model_folder(tmp_path / "onnx")
    monkeypatch.setattr(shards, "WarmChild", Here)
    monkeypatch.setattr(command._Inputs, "walks", property(lambda self: False))
    code = main(
        ["audit", "--model", str(tmp_path / "onnx"), "--cohort", str(tmp_path / "cohort"),
         "--protocol", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "out")]
    )  # fmt: skip

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert code == 0
    assert not check
    (result,) = document["checks"]
    assert result["state"] == "not assessed"
    for word in ("features", "maps", "randomised"):
        assert word in result["reason"]
    assert "corrupted" not in result["reason"], "outputs alone are enough for these"
