"""Selective prediction: claims that hold or not, workload, sets, and what cannot be said."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.selective_prediction import selective_prediction
from ml.evidence.tables import Prediction, Samples
from ml.protocol import Protocol
from ml.stats.uncertainty.selective import coverage_at_risk, risk_coverage

ID = "selective-prediction"


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def fair(rng, n=1200, spread=4.0):
    """Logits and labels of a model whose probabilities are the chances."""
    logits = rng.normal(0, spread, n)
    return logits, (rng.random(n) < sigmoid(logits)).astype(int)


@pytest.fixture
def kinds(make_evidence):
    """Evidence of a model of three kinds that are the cohort's own."""

    def made(probabilities, label, **more):
        names = ("none", "benign", "malignant")
        label = np.asarray(label)
        evidence = make_evidence(1 - probabilities[:, 0], (label > 0).astype(int), **more)
        return replace(
            evidence,
            classes=names, positive=names[1:], label=tuple(names[at] for at in label),
            prediction=Prediction(
                names, names[1:], "probabilities", probabilities, 1 - probabilities[:, 0]
            ),
        )  # fmt: skip

    return made


def test_an_overconfident_model_is_flagged_and_its_fair_twin_is_not(make_evidence, quick, rng):
    logits, present = fair(rng)

    honest = selective_prediction(make_evidence(sigmoid(logits), present), quick)
    boaster = selective_prediction(make_evidence(sigmoid(logits / 0.3), present), quick)

    assert findings(honest)["error_when_sure"].state is State.PASS
    assert honest.state is State.PASS
    found = findings(boaster)["error_when_sure"]
    assert found.state is boaster.state is State.FAIL
    assert "claims to be at least 95.0 % sure" in found.claim
    sure = sigmoid(np.abs(logits) / 0.3) >= 0.95
    wrong = (logits > 0) != (present == 1)
    estimate = values(boaster)["error_when_sure"]
    assert estimate.value == pytest.approx(wrong[sure].mean())
    assert values(boaster)["share_sure"].value == pytest.approx(sure.mean())
    assert set(found.cases) == {f"case-{at:03d}" for at in np.flatnonzero(sure & wrong)}
    # The order of the cases is the same, and so are the sets, which are cut by labels.
    for name in ("aurc", "deferred_at_target", "conformal_coverage:lac"):
        assert values(boaster)[name].value == pytest.approx(values(honest)[name].value)


def test_a_confidence_without_order_is_flagged(make_evidence, quick, rng):
    """Wrong answers as sure as right ones, or surer: its order is worth less than chance."""
    present = rng.integers(0, 2, 400)
    wrong = rng.random(400) < 0.3
    confidence = np.where(wrong, rng.uniform(0.8, 1, 400), rng.uniform(0.55, 0.85, 400))
    score = np.where((present == 1) ^ wrong, confidence, 1 - confidence)

    found = findings(selective_prediction(make_evidence(score, present), quick))["aurc_gain"]

    assert found.state is State.FAIL
    assert set(found.cases) <= {f"case-{at:03d}" for at in np.flatnonzero(wrong)}


def test_the_workload_is_where_the_curve_meets_the_target(make_evidence, quick, rng):
    logits, present = fair(rng, spread=2.0)
    score = sigmoid(logits)

    result = selective_prediction(make_evidence(score, present), quick)

    wrong = ((score >= 0.5) != (present == 1)).astype(int)
    curve = risk_coverage(np.maximum(score, 1 - score), wrong)
    kept = curve.coverage[curve.risk <= 0.05].max()
    found = values(result)["deferred_at_target"]
    assert found.value == pytest.approx(1 - kept)
    assert found.low < found.value < found.high
    assert f"{100 * found.value:.0f} of 100 cases must go to a reader" in (
        findings(result)["deferred_at_target"].claim
    )
    chosen = np.argsort(-np.maximum(score, 1 - score))[: round(kept * 1200)]
    listed = findings(result)["deferred_at_target"].cases
    assert set(listed) == {f"case-{at:03d}" for at in chosen if wrong[at]}
    assert len(listed) <= 0.05 * chosen.size


def test_a_target_that_no_coverage_reaches_is_undefined_and_said(make_evidence, quick):
    present = np.tile([0, 1], 60)
    score = np.where(present, np.linspace(0.6, 0.9, 120), 0.2)
    score[np.argsort(score)[-5:]] = 0.99
    score = np.where(np.arange(120) < 60, 1 - score, score)
    top = int(np.argmax(np.maximum(score, 1 - score)))
    present[top] = int(score[top] < 0.5)
    for at in np.flatnonzero(np.maximum(score, 1 - score) >= 0.95):
        present[at] = int(score[at] < 0.5)

    result = selective_prediction(make_evidence(score, present), quick)

    found = findings(result)["deferred_at_target"]
    assert values(result)["deferred_at_target"].value is None
    assert found.state is State.NOT_ASSESSED
    assert "however few cases it keeps" in found.claim


def test_a_model_that_is_always_right_keeps_everything(make_evidence, quick):
    present = np.tile([0, 1], 60)
    score = np.where(present, np.linspace(0.6, 0.99, 120), np.linspace(0.01, 0.4, 120))
    result = selective_prediction(make_evidence(score, present), quick)
    assert values(result)["deferred_at_target"].value == 0
    assert "keep every case" in findings(result)["deferred_at_target"].claim


def test_the_target_of_the_protocol_moves_claim_workload_and_limit(make_evidence, rng):
    logits, present = fair(rng)
    protocol = Protocol.parse({"draws": 200, "target_error": 0.02})

    result = selective_prediction(make_evidence(sigmoid(logits), present), protocol)

    found = findings(result)["error_when_sure"]
    assert "at least 98.0 % sure" in found.claim
    assert (found.limit.value, found.limit.origin) == (0.02, "pre-registered")
    score = sigmoid(logits)
    wrong = ((score >= 0.5) != (present == 1)).astype(int)
    kept = coverage_at_risk(np.maximum(score, 1 - score), wrong, 0.02).value
    assert values(result)["deferred_at_target"].value == pytest.approx(1 - kept)


def test_a_limit_of_the_team_stays_as_it_was_set(make_evidence, rng):
    logits, present = fair(rng)
    limit = {
        "check": ID, "measure": "error_when_sure", "value": 0.5, "direction": "max",
        "origin": "literature",
    }  # fmt: skip
    protocol = Protocol.parse({"draws": 200, "target_error": 0.02, "limits": [limit]})
    found = findings(selective_prediction(make_evidence(sigmoid(logits), present), protocol))
    assert found["error_when_sure"].limit.value == 0.5
    assert found["aurc_gain"].state is State.INFO


def test_answers_are_ordered_by_their_distance_from_the_operating_point(make_evidence, rng):
    """Far below 0.5 the larger probability says how sure it is of absent, not of its call."""
    logits, present = fair(rng, spread=2.0)
    score = sigmoid(logits)
    protocol = Protocol.parse({"draws": 200, "operating_point": 0.1})

    result = selective_prediction(make_evidence(score, present), protocol)

    wrong = ((score >= 0.1) != (present == 1)).astype(int)
    curve = risk_coverage(np.abs(logits - np.log(0.1 / 0.9)), wrong)
    assert values(result)["aurc"].value == pytest.approx(curve.risk.mean())
    assert values(result)["error_rate"].value == pytest.approx(wrong.mean())


def test_a_model_of_the_cohorts_kinds_is_asked_for_its_kind(kinds, quick, rng):
    probabilities = rng.dirichlet(np.full(3, 0.4), 600)
    label = np.array([rng.choice(3, p=row) for row in probabilities])

    result = selective_prediction(kinds(probabilities, label), quick)

    wrong = (probabilities.argmax(axis=1) != label).astype(int)
    found = values(result)
    assert found["error_rate"].value == pytest.approx(wrong.mean())
    curve = risk_coverage(probabilities.max(axis=1), wrong)
    assert found["aurc"].value == pytest.approx(curve.risk.mean())
    assert found["conformal_coverage:aps"].value == pytest.approx(0.9, abs=0.04)
    assert {"conformal_coverage:lac, malignant in truth"} <= set(found)
    assert "of 3 classes" in findings(result)["conformal_coverage:lac"].why


def test_a_kind_whose_sets_fail_is_named_with_its_cases(kinds, quick, rng):
    """One kind is taken for another in a quarter of its cases; nothing else is wrong."""
    label = rng.integers(0, 3, 900)
    taken = (label == 2) & (rng.random(900) < 0.25)

    def of(seen):
        weights = 27 * np.eye(3)[seen] + 1 + rng.uniform(0, 0.03, (900, 3))
        return kinds(weights / weights.sum(axis=1, keepdims=True), label)

    result = selective_prediction(of(np.where(taken, 1, label)), quick)
    clean = selective_prediction(of(label), quick)

    found = findings(result)["conformal_coverage:lac, malignant in truth"]
    assert found.state is State.CAUTION
    assert "where the truth is malignant" in found.claim
    missed = 1 - values(result)["conformal_coverage:lac, malignant in truth"].value
    listed = [int(name.removeprefix("case-")) for name in found.cases]
    assert (label[listed] == 2).all()
    assert len(listed) == round(missed * (label == 2).sum()) >= taken.sum()
    assert not [name for name in findings(clean) if name.endswith("in truth")]


def test_a_site_whose_sets_fail_is_named_and_an_even_cohort_has_none(make_evidence, quick, rng):
    logits, present = fair(rng, spread=3.0)
    site = np.where(np.arange(1200) % 6 == 0, "B", "A")
    worse = np.where((site == "B") & (rng.random(1200) < 0.5), -logits, logits)

    uneven = selective_prediction(
        make_evidence(sigmoid(worse), present, covariates={"site": site}), quick
    )
    even = selective_prediction(
        make_evidence(sigmoid(logits), present, covariates={"site": site}), quick
    )

    found = findings(uneven)["conformal_coverage:lac, site = B"]
    assert found.state is State.CAUTION
    assert "site = B" in found.claim
    assert "In no class or group" in findings(even)["coverage-of-groups"].claim
    rows = next(one for one in uneven.series if one["kind"] == "forest")["rows"]
    assert {row["label"]: row["state"] for row in rows}["site = B"] == "caution"


def test_samples_give_further_orders(make_evidence, quick, rng):
    logits, present = fair(rng, n=300)
    samples = sigmoid(logits + rng.normal(0, 1, (20, 300)))
    evidence = replace(
        make_evidence(samples.mean(axis=0), present),
        samples=Samples("dropout", ("absent", "present"),
                        np.stack([1 - samples, samples], axis=2), samples),
    )  # fmt: skip

    result = selective_prediction(evidence, quick)

    assert {"aurc:total", "aurc:epistemic"} <= set(values(result))
    # The entropy of a mean of two classes orders as its larger probability does.
    assert values(result)["aurc:total"].value == pytest.approx(values(result)["aurc"].value)
    assert "by epistemic uncertainty" in findings(result)["aurc_gain"].why
    kinds = [curve["kind"] for curve in result.series[0]["curves"]]
    assert kinds == ["confidence", "by-total", "by-epistemic"]


def test_hard_answers_are_not_ordered_by_guesswork(make_evidence, quick):
    present = np.tile([0, 1], 30)
    result = selective_prediction(make_evidence((present ^ (np.arange(60) < 6)) * 1.0, present),
                                  quick)  # fmt: skip
    assert result.state is State.NOT_ASSESSED
    assert "answers without probabilities" in result.reason


def test_no_probabilities_is_said(make_evidence, quick):
    evidence = make_evidence(np.linspace(0, 1, 30), np.tile([0, 1], 15))
    bare = replace(evidence, prediction=replace(evidence.prediction, probabilities=None))
    result = selective_prediction(bare, quick)
    assert result.state is State.NOT_ASSESSED
    assert "no class probabilities" in result.reason


def test_too_few_patients_cut_no_sets(make_evidence, quick, rng):
    logits, present = fair(rng, n=190)
    evidence = make_evidence(
        sigmoid(logits), present, cluster=np.arange(190) // 10, cluster_kind="patient"
    )
    found = values(selective_prediction(evidence, quick))
    assert found["conformal_coverage:lac"].value is None
    assert "19 patients are too few" in found["conformal_coverage:lac"].reason
    assert found["guaranteed_coverage"].value is None
    assert found["aurc"].low is not None


def test_cases_without_a_score_go_to_a_reader(make_evidence, quick, rng):
    logits, present = fair(rng, n=200)
    score = sigmoid(logits)
    score[:3] = np.nan
    result = selective_prediction(
        make_evidence(score, present, failures={f"case-{at:03d}": "unreadable" for at in range(3)}),
        quick,
    )
    found = findings(result)["failed-cases"]
    assert found.state is State.CAUTION
    assert "a reader has to see them" in found.why
    assert values(result)["error_rate"].n == 197
