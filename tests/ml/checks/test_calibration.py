import numpy as np
import pytest

from ml.checks.calibration import calibration
from ml.checks.registry import State
from ml.protocol import Protocol


def test_measures_are_those_of_the_interface(make_evidence, quick, rng):
    result = calibration(make_evidence(rng.random(100), np.arange(100) % 2), quick)

    assert {estimate.id for estimate in result.estimates} == {
        "ece", "ece_top_label", "ece_debiased", "intercept", "slope", "brier",
        "oe_ratio", "brier_scaled", "log_loss",
    }  # fmt: skip
    assert all(estimate.convention for estimate in result.estimates)


def test_overconfident_model_fails(make_evidence, quick, rng):
    present = np.arange(600) % 2
    scores = np.where(rng.random(600) < 0.7, present, 1 - present) * 0.98 + 0.01
    result = calibration(make_evidence(scores, present), quick)

    assert result.state is State.FAIL
    finding = result.findings[0]
    assert finding.measure == "ece_top_label"
    assert "points apart" in finding.claim
    assert finding.cases
    slope = next(e for e in result.estimates if e.id == "slope")
    assert slope.high < 1


def test_calibrated_model_passes_a_fair_limit(make_evidence, rng):
    limit = {"check": "calibration", "measure": "slope", "value": 0.7, "direction": "min",
             "origin": "pre-registered", "reference": ""}  # fmt: skip
    scores = rng.random(3000)
    present = (rng.random(3000) < scores).astype(int)
    protocol = Protocol.parse(
        {"draws": 200, "limits": [limit, limit | {"direction": "max", "value": 1.3}]}
    )
    result = calibration(make_evidence(scores, present), protocol)

    assert [f.state for f in result.findings if f.measure == "slope"] == [State.PASS, State.PASS]
    assert result.state is State.PASS


def test_series_and_measure_use_the_same_bins(make_evidence, quick, rng):
    scores, present = rng.random(200), rng.integers(0, 2, 200)
    result = calibration(make_evidence(scores, present), quick)
    series = result.series[0]

    gaps = [row["n"] * abs(row["observed"] - row["mean"]) for row in series["bins"]]
    ece = next(e.value for e in result.estimates if e.id == "ece")
    assert sum(gaps) / 200 == pytest.approx(ece, abs=1e-5)
    assert len(series["band"]) == len(series["bins"])
    assert len(series["histogram"]["edges"]) == 16
    assert sum(series["histogram"]["present"]) == present.sum()
    assert sum(row["n"] for row in series["bins"]) == 200


def test_title_is_the_bin_that_counts_most(make_evidence, quick):
    scores = np.r_[np.full(100, 0.01), np.full(20, 0.9)]
    present = np.r_[np.arange(100) < 37, np.ones(20)].astype(int)
    result = calibration(make_evidence(scores, present), quick)

    assert result.series[0]["title"] == "A score of 0.010 means the finding in 37.0 % of cases"
    assert len(result.findings[0].cases) == 100


def test_failed_cases_are_left_out_and_said(make_evidence, quick, rng):
    scores = rng.random(50)
    scores[3] = np.nan
    result = calibration(make_evidence(scores, np.arange(50) % 2), quick)

    assert {estimate.n for estimate in result.estimates} == {49}
    assert result.findings[-1].cases == ("case-003",)


def test_one_case_is_measured_without_intervals(make_evidence, quick):
    result = calibration(make_evidence([0.8], [1]), quick)
    found = {estimate.id: estimate for estimate in result.estimates}

    assert found["brier"].value == pytest.approx(0.04)
    assert "only 1 case" in found["brier"].reason
    assert found["slope"].value is None


def test_observed_over_expected_and_scores_are_those_of_the_definition(make_evidence, quick, rng):
    scores = rng.uniform(0.05, 0.95, 100)
    present = np.arange(100) % 2
    found = {e.id: e for e in calibration(make_evidence(scores, present), quick).estimates}

    assert found["oe_ratio"].value == pytest.approx(50 / scores.sum())
    assert found["brier_scaled"].value == pytest.approx(1 - np.mean((scores - present) ** 2) / 0.25)
    right = np.where(present == 1, scores, 1 - scores)
    assert found["log_loss"].value == pytest.approx(-np.log(right).mean())
    assert all(found[name].has_interval for name in ("oe_ratio", "brier_scaled", "log_loss"))
