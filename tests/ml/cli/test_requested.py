"""What a protocol asks for by fields of its own is run by an audit and reaches its checks."""

import json

import numpy as np
import pytest
from PIL import Image

from ml.cli import shards
from ml.cli.main import main
from tests.ml.cli.test_audit_passes import Here
from tests.ml.intake.build import cohort_folder, model_folder
from tests.ml.intake.ensembles import ensemble_folder
from tests.ml.intake.exported import doubtful_folder

STRESS = (
    "checks: [stress]\nlimits: []\ndraws: 200\nstress_cases: 10\nstress_samples: 5\n"
    "corruptions: [gamma, gaussian-noise]\n"
)
FOREIGN = "checks: [ood-detection]\nlimits: []\ndraws: 200\ngradient_scores: true\n"


@pytest.fixture
def audited(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    cohort_folder(tmp_path / "cohort", n=14)

    def run(make, protocol, *more):
        make(tmp_path / "model")
        (tmp_path / "protocol.yaml").write_text(protocol)
        code = main(
            ["audit", "--model", str(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"),
             "--protocol", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "out"),
             *map(str, more)]
        )  # fmt: skip
        assert code == 0
        (result,) = json.loads((tmp_path / "out" / "audit.json").read_text())["checks"]
        return (
            {one["id"]: one for one in result["measures"]},
            {one["id"]: one for one in result["findings"]},
            result,
        )

    return run


@pytest.mark.parametrize(
    ("make", "said"),
    [(doubtful_folder, "5 samples of its dropout"), (ensemble_folder, "3 members")],
)
def test_corrupted_copies_are_answered_several_times(make, said, audited):
    measures, findings, result = audited(make, STRESS)

    for kind in ("total", "epistemic"):
        assert measures[f"{kind}_rise:gamma"]["n"] == 10
        assert measures[f"{kind}_rise"]["value"] is not None
    assert said in measures["epistemic_rise"]["convention"]
    assert "stress.doubled" in findings
    row = result["series"][0]["panels"][0]["rows"][0]
    assert row["total_bits"] >= row["epistemic_bits"] > 0


def test_of_one_answer_the_report_says_why_it_is_one(audited):
    measures, findings, _ = audited(model_folder, STRESS)

    assert "epistemic_rise" not in measures
    found = findings["stress.not-sampled"]
    assert found["state"] == "not assessed"
    assert "has lost its dropout" in found["why"]


def test_scores_by_gradients_of_foreign_cases_stand_beside_the_others(audited, tmp_path):
    cohort_folder(tmp_path / "ct", n=5)
    for at, path in enumerate(sorted((tmp_path / "ct" / "images").iterdir())):
        _darker(path, at)

    measures, findings, result = audited(
        doubtful_folder, FOREIGN, "--ood", f"far={tmp_path / 'ct'}"
    )  # fmt: skip

    names = {one.partition("/")[2] for one in measures if one.startswith("ood_auroc:")}
    assert {"msp", "odin", "gradnorm"} <= names
    assert "ODIN" not in findings.get("ood-detection.not-computed", {}).get("claim", "")
    labels = {row["label"].partition(": ")[2] for row in result["series"][0]["rows"]}
    assert {"ODIN", "GradNorm"} <= labels


def _darker(path, at):
    """Another picture than the cohort's own, which would be left out."""
    noise = np.random.default_rng(at).integers(0, 90, (8, 8), dtype=np.uint8)
    Image.fromarray(noise).save(path)
