import numpy as np
import pytest

from ml.checks.discrimination import discrimination
from ml.checks.registry import State
from ml.protocol import Protocol


def kinds(result):
    return [series["kind"] for series in result.series]


def test_fails_when_it_does_not_rank(make_evidence, quick, rng):
    result = discrimination(make_evidence(rng.random(400), np.arange(400) % 2), quick)

    assert result.state is State.FAIL
    finding = result.findings[0]
    assert finding.id == "discrimination.auroc"
    # A number from 0 to 1, as the limit that it is held against; never per cent.
    auroc = result.estimates[0].value
    assert finding.claim.startswith(f"Its AUROC is {auroc:.3f}: ")
    assert result.series[0]["title"] == f"The AUROC is {auroc:.3f}"
    assert "%" not in finding.claim + finding.why.replace("95 %", "")
    assert "at least 0.85 (platform default)" in finding.why
    assert finding.cases
    assert result.estimates[0].method == "logit-DeLong"
    assert kinds(result) == ["roc", "score-histogram", "points"]


def test_passes_and_names_the_clusters(make_evidence, quick, rng):
    present = np.repeat(np.arange(100) % 2, 3)
    scores = (present * 0.5 + rng.random(300) * 0.7).clip(0, 1)
    result = discrimination(
        make_evidence(
            scores, present, cluster=np.repeat(np.arange(100), 3), cluster_kind="patient"
        ),
        quick,
    )

    assert result.state is State.PASS
    assert "100 patients" in result.estimates[0].method
    assert "in 100 patients" in result.findings[0].why


def test_failed_cases_are_left_out_and_said(make_evidence, quick, rng):
    present = np.arange(100) % 2
    scores = rng.random(100)
    scores[[4, 9]] = np.nan
    result = discrimination(
        make_evidence(scores, present, failures={"case-004": "unreadable"}), quick
    )

    assert result.estimates[0].n == 98
    failed = result.findings[-1]
    assert (failed.id, failed.state) == ("discrimination.failed-cases", State.CAUTION)
    assert failed.cases == ("case-004", "case-009")
    assert "unknown: 1, unreadable: 1" in failed.why


def test_unlabelled_cases_are_left_out_and_said(make_evidence, quick, rng):
    present = np.arange(60) % 2
    present[:3] = -1
    result = discrimination(make_evidence(rng.random(60), present), quick)

    assert result.estimates[0].n == 57
    assert "3 cases without a label left out" in result.findings[0].why


def test_one_class_is_not_assessed(make_evidence, quick, rng):
    result = discrimination(make_evidence(rng.random(30), np.ones(30)), quick)

    assert result.state is State.NOT_ASSESSED
    assert "no pair" in result.reason
    assert kinds(result) == ["score-histogram", "points"]


def test_every_case_failed(make_evidence, quick):
    result = discrimination(make_evidence(np.full(4, np.nan), [0, 1, 0, 1]), quick)

    assert result.state is State.NOT_ASSESSED
    assert "no score for any of the 4 cases" in result.reason
    assert result.findings[0].cases


def test_failed_cases_of_an_uploaded_table_lack_a_prediction(make_evidence, quick):
    scores = [0.1, 0.9, np.nan, 0.8]
    some = discrimination(make_evidence(scores, [0, 1, 0, 1], source="uploaded"), quick)
    none = discrimination(make_evidence([np.nan] * 4, [0, 1, 0, 1], source="uploaded"), quick)

    assert some.findings[-1].claim == "There is no prediction for 1 of 4 cases."
    assert "Add these cases to the table" in some.findings[-1].action
    assert none.reason == "The table has no prediction for any of the 4 cases with a label."


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["ghost1"], "1 row for a case this cohort does not have: ghost1."),
        (
            ["ghost1", "ghost2", "C0001"],
            "3 rows for cases this cohort does not have: ghost1, ghost2, C0001.",
        ),
        (
            list("abcdefg"),
            "7 rows for cases this cohort does not have: a, b, c, d, e and 2 more.",
        ),
    ],
)
@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.2, 0.8], [np.nan] * 4])
def test_predictions_for_unknown_cases_do_not_vanish(make_evidence, quick, ids, said, scores):
    evidence = make_evidence(
        scores, [0, 1, 0, 1], source="uploaded", failures=dict.fromkeys(ids, "unknown_case")
    )
    found = discrimination(evidence, quick).findings[-1]

    assert (found.id, found.state) == ("discrimination.unknown-cases", State.CAUTION)
    assert found.claim == f"The table has {said}"
    assert "Compare the case ids" in found.action
    assert found.cases == ()


def test_without_limit_it_informs(make_evidence, rng):
    protocol = Protocol.parse({"limits": [], "draws": 200})
    result = discrimination(make_evidence(rng.random(60), np.arange(60) % 2), protocol)

    assert result.state is State.INFO


def test_series_hold_every_case(make_evidence, quick):
    scores = np.array([0.1, 0.6, np.nan, 0.9] * 10)
    present = np.array([0, 1, 1, -1] * 10)
    result = discrimination(make_evidence(scores, present, cluster=np.arange(40)), quick)
    roc, histogram, points = result.series

    assert points["rows"][2] == ["case-002", None, 1, 2]
    assert points["rows"][3] == ["case-003", 0.9, None, 3]
    assert len(points["rows"]) == 40
    assert sum(histogram["present"]) == sum(histogram["absent"]) == 10
    assert roc["operating"] == {"threshold": 0.5, "fpr": 0.0, "tpr": 1.0}
    assert roc["points"] == [[0, 0], [0, 1], [1, 1]]
    assert roc["auc"]["value"] == 1.0
    assert roc["band"] is None  # a perfect ranking has no spread to draw one from


def test_band_of_the_curve(make_evidence, quick, rng):
    roc = discrimination(make_evidence(rng.random(60), np.arange(60) % 2), quick).series[0]

    assert [row[0] for row in roc["band"]] == pytest.approx(np.linspace(0, 1, 101))


def test_different_classes_are_said(make_evidence, quick, rng):
    evidence = make_evidence(rng.random(40), np.arange(40) % 2)
    from dataclasses import replace

    four = replace(
        evidence.prediction, classes=("a", "b", "c", "d"), positive=("a", "b"), probabilities=None
    )
    result = discrimination(replace(evidence, prediction=four), quick)

    assert "Present means a, b for the model and present in the cohort." in result.findings[0].why
