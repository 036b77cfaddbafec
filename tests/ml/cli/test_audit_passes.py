"""A check that asks for every pass gets their evidence from an audit at the command line."""

import importlib
import json
import shutil

import numpy as np
import pytest
import yaml

from ml.checks import registry
from ml.checks.registry import CheckResult, State, audit_check
from ml.cli import audit as command
from ml.cli import shards
from ml.cli.errors import LIMIT_FAILED
from ml.cli.main import main
from ml.corruptions import corruptions_for
from ml.estimate import Estimate
from ml.sandbox.child import JOBS
from ml.sandbox.messages import Outcome
from ml.sandbox.warm import WarmChild
from ml.zoo import weave
from tests.ml.engine.small import small
from tests.ml.intake.build import MANIFEST, QUIET, cohort_folder, merged, model_folder

NEEDS = (
    *("features", "attributions", "perturbations", "corruptions", "moves", "randomisations"),
    "attacks",
)


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
    # Three replacements of eight orders in eleven steps, and four rankings of three sizes of 16.
    assert found.perturbations.outputs.shape == (3, 3 * 8 * 11 + 4 * 3 * 16, 2)
    assert found.corruptions.outputs.shape == (3, 5 * len(corruptions_for("", "gray")), 2)
    assert found.moves.outputs.shape == (3, 20, 2)
    assert found.moves.distortions["crop"].said[1] == "cropped by 4 %"
    assert np.isfinite(found.moves.score).all()
    assert found.randomisations.maps.shape == (3, 22, 8, 8)
    assert np.isfinite(found.corruptions.outputs).all()
    assert found.attacks.outputs.shape == (3, 16, 2)
    assert (found.attacks.slope > 0).all()
    assert found.attacks.score[:, 0] == pytest.approx(found.prediction.score, abs=1e-6)
    # Features and outputs are of one forward: there is one table for both.
    assert np.isfinite(found.prediction.score).all()
    assert len(list((tmp_path / "out" / "evidence").glob("*.parquet"))) == 7
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
    for word in ("corrupted", "moved"):
        assert word not in result["reason"], "outputs alone are enough for these"


def test_stress_is_run_on_the_cases_that_its_protocol_draws(tmp_path, monkeypatch):
    """Logits of the pass mean to the check what those of the predict pass do."""
    monkeypatch.setattr(shards, "WarmChild", Here)
    folders(tmp_path)
    shutil.rmtree(tmp_path / "cohort")
    cohort_folder(tmp_path / "cohort", n=14)
    (tmp_path / "protocol.yaml").write_text(
        "checks: [stress]\nlimits: []\ndraws: 200\nstress_cases: 10\n"
    )

    assert audit(tmp_path) == 0

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    (result,) = document["checks"]
    measures = {one["id"]: one for one in result["measures"]}
    assert measures["accuracy"]["n"] == 10
    assert measures["severity_borne:gamma"]["value"] is None, "no limit is set"
    assert "10 of 14 cases, drawn by the seed" in result["series"][0]["subtitle"]
    panel = next(one for one in result["series"][0]["panels"] if one["corruption"] == "gamma")
    assert (panel["parameter"], panel["rows"][0]["value"]) == ("exponent", 1.2)
    assert [row["n"] for row in panel["rows"]] == [10] * 5
    assert all(0 <= row["brier"] <= 1 for row in panel["rows"])
    assert "; 13 corruptions. Severity" in result["series"][0]["subtitle"]


def test_a_network_that_skips_pixels_fails_by_the_platforms_own_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    weave.model_folder(tmp_path / "model", skips=True)
    weave.cohort_folder(tmp_path / "cohort", n=24)
    # Which way a weave is mirrored does not matter to anybody.
    (tmp_path / "protocol.yaml").write_text(
        "checks: [shift-consistency]\ndraws: 200\nlegal_flips: [left-right]\nshift_cases: 20\n"
    )

    assert audit(tmp_path) == LIMIT_FAILED

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    (result,) = document["checks"]
    measures = {one["id"]: one for one in result["measures"]}
    assert document["verdict"] == result["state"] == "fail"
    assert measures["flip_rate"]["n"] == 20
    assert measures["flip_rate"]["low"] > 0.05
    assert "20 of 24 cases, drawn by the seed" in result["series"][0]["subtitle"]
    assert measures["flip_rate:mirror-left-right"]["n"] == 20
    assert measures["map_agreement"]["n"] == 20
    limits = [one for one in document["protocol"]["limits"] if one["check"] == result["id"]]
    assert [one["measure"] for one in limits] == ["flip_rate", "mask_agreement"]
    assert {one["origin"] for one in limits} == {"platform-default"}
    assert "mask_agreement" not in measures, "nor is what is asked of masks missed"
    assert not [one for one in result["findings"] if one["state"] == "not assessed"]


def test_attacks_are_run_on_the_cases_that_its_protocol_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    folders(tmp_path)
    shutil.rmtree(tmp_path / "cohort")
    cohort_folder(tmp_path / "cohort", n=14)
    (tmp_path / "protocol.yaml").write_text(
        "checks: [adversarial-lite]\nlimits: []\ndraws: 200\nattack_cases: 10\n"
    )

    assert audit(tmp_path) == 0

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    (result,) = document["checks"]
    assert (result["id"], result["state"]) == ("adversarial-lite", "info")
    measures = {one["id"]: one for one in result["measures"]}
    for method in ("noise", "fgsm", "pgd"):
        assert measures[f"flip_rate:{method}, eps 0.25/255"]["n"] == 10
    assert measures["zero_gradient"]["value"] == 0
    assert measures["accuracy"]["n"] == 10
    (series,) = result["series"]
    assert "10 of 14 cases, drawn by the seed" in series["subtitle"]
    assert [line["method"] for line in series["lines"]] == ["noise", "fgsm", "pgd"]
    assert document["protocol"]["attack_cases"] == 10


def test_stress_is_run_with_the_corruptions_that_its_protocol_chooses(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    folders(tmp_path)
    shutil.rmtree(tmp_path / "cohort")
    cohort_folder(tmp_path / "cohort", n=14)
    (tmp_path / "protocol.yaml").write_text(
        "checks: [stress]\nlimits: []\ndraws: 200\nstress_cases: 10\n"
        "corruptions: [dicom-inverted, gamma, mr-motion]\n"
    )

    assert audit(tmp_path) == 0

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    (series,) = document["checks"][0]["series"]
    assert [one["corruption"] for one in series["panels"]] == ["gamma", "dicom-inverted"]
    assert "2 of 13 corruptions, chosen by the protocol" in series["subtitle"]
    shown = series["panels"][1]["shown"]
    assert f"\n{shown['case']}," in (tmp_path / "cohort" / "cases.csv").read_text()
    assert len(shown["scores"]) == len(shown["right"]) == 6
