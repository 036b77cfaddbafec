import numpy as np
import pytest

from ml.checks.operating_point import operating_point_check
from ml.checks.registry import State
from ml.protocol import Protocol


def estimates(result):
    return {estimate.id: estimate for estimate in result.estimates}


@pytest.fixture
def ten_cases(make_evidence):
    """Six with the finding, of which two are called; four without, one called."""
    scores = [0.9, 0.5, 0.4, 0.3, 0.2, 0.004, 0.8, 0.1, 0.2, 0.49]
    return make_evidence(scores, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0])


def test_counts_by_hand(ten_cases, quick):
    result = operating_point_check(ten_cases, quick)
    found = estimates(result)

    assert found["sensitivity"].value == pytest.approx(2 / 6)
    assert found["specificity"].value == pytest.approx(3 / 4)
    assert found["ppv"].value == pytest.approx(2 / 3)
    assert found["npv"].value == pytest.approx(3 / 7)
    assert found["sensitivity"].method == "Wilson"
    assert result.findings[0].claim == (
        "It misses 4 of 6 cases with the finding at its threshold of 0.5."
    )
    assert result.findings[1].claim == (
        "It raises a false alarm in 1 of 4 cases without the finding at its threshold of 0.5."
    )


def test_misses_lead_to_their_cases_most_confident_first(ten_cases, quick):
    result = operating_point_check(ten_cases, quick)

    assert result.findings[0].cases == ("case-005", "case-004", "case-003", "case-002")
    assert result.findings[1].cases == ("case-006",)


def test_confident_errors_are_counted_with_their_cases(ten_cases, quick):
    """Case 5 holds the finding at 0.004: wrong, with a confidence of 0.996."""
    finding = operating_point_check(ten_cases, quick).findings[2]

    assert finding.id == "operating-point.confident-errors"
    assert finding.cases == ("case-005",)
    assert finding.claim == "It is sure in 1 of its 5 wrong answers: confidence above 0.99."


def test_confident_means_above_0_99(make_evidence, quick):
    """All wrong: 0.995 and 0.005 are sure; 0.99, 0.95 and 0.01 are not."""
    result = operating_point_check(
        make_evidence([0.995, 0.99, 0.95, 0.005, 0.01], [0, 0, 0, 1, 1]), quick
    )

    found = next(f for f in result.findings if f.id.endswith("confident-errors"))
    assert set(found.cases) == {"case-000", "case-003"}


@pytest.mark.parametrize("wrong", [0, 1, 4, 40])
def test_confident_errors_inform_since_nobody_set_a_limit(make_evidence, quick, wrong):
    present = np.arange(200) % 2
    scores = np.where(present == 1, 0.999, 0.001)
    scores[:wrong] = 1 - scores[:wrong]
    result = operating_point_check(make_evidence(scores, present), quick)

    found = [f for f in result.findings if f.id.endswith("confident-errors")]
    assert [(f.state, len(f.cases), f.action) for f in found] == (
        [(State.INFO, wrong, "")] if wrong else []
    )


def test_confident_errors_come_with_the_interval_of_their_rate(make_evidence, quick):
    """Wilson of 4 in 200 is 0.78 % to 5.03 %."""
    present = np.arange(200) % 2
    scores = np.where(present == 1, 0.999, 0.001)
    scores[:4] = 1 - scores[:4]
    why = operating_point_check(make_evidence(scores, present), quick).findings[2].why

    assert why.startswith(
        "4 of 200 answers with a confidence above 0.99 are wrong (2.0 % [0.8, 5.0], Wilson); "
        "no limit set."
    )


def test_confident_errors_are_of_scored_cases(make_evidence, quick):
    scores = [0.995, 0.9, np.nan, 0.8, 0.1]
    result = operating_point_check(make_evidence(scores, [0, 0, 1, 1, 0]), quick)

    found = next(f for f in result.findings if f.id.endswith("confident-errors"))
    assert found.claim == (
        "It is sure in 1 of its 2 wrong answers on scored cases: confidence above 0.99."
    )
    assert "1 case has no score (inference failed) and is not among these answers." in found.why


def test_score_at_the_threshold_is_called_present(make_evidence, quick):
    result = operating_point_check(make_evidence([0.5, 0.4], [1, 0]), quick)

    assert estimates(result)["sensitivity"].value == 1
    assert "score ≥ 0.5" in estimates(result)["sensitivity"].convention


def test_failed_cases_count_as_wrong(make_evidence, quick):
    """Three with the finding, one failed; three without, one failed: 2 of 3 each."""
    scores = [0.9, 0.8, np.nan, 0.1, 0.2, np.nan]
    result = operating_point_check(make_evidence(scores, [1, 1, 1, 0, 0, 0]), quick)
    found = estimates(result)

    assert found["sensitivity"].extra["numerator"] == found["specificity"].extra["numerator"] == 2
    assert found["sensitivity"].n == 3
    assert "2 cases without a score count as wrong" in found["sensitivity"].convention
    assert result.findings[0].cases == ("case-002",)
    assert result.findings[-1].id == "operating-point.failed-cases"


@pytest.mark.parametrize(
    ("source", "lacking"),
    [("uploaded", "no prediction"), ("model", "no score (inference failed)")],
)
def test_cases_without_a_score_do_not_read_as_errors_of_the_model(
    make_evidence, quick, source, lacking
):
    """Twenty with the finding: 2 missed, 5 without a score. Ten without it: 1 without a score."""
    scores = [0.9] * 13 + [0.1] * 2 + [np.nan] * 5 + [0.1] * 9 + [np.nan]
    evidence = make_evidence(scores, [1] * 20 + [0] * 10, source=source)
    missed, alarms = operating_point_check(evidence, quick).findings[:2]

    assert missed.claim == (
        "It misses 7 of 20 cases with the finding at its threshold of 0.5; "
        f"5 of them have {lacking} and count as missed."
    )
    assert missed.why.startswith(
        "Of scored cases with the finding, 13 of 15 are answered rightly (86.7 %); "
        "with the 5 without a score, 13 of 20 (65.0 %)."
    )
    assert alarms.claim == (
        "It raises a false alarm in 1 of 10 cases without the finding at its threshold of 0.5; "
        f"1 of them has {lacking} and counts as a false alarm."
    )
    assert "9 of 9 are answered rightly (100 %)" in alarms.why


def test_no_case_of_a_kind_has_a_score(make_evidence, quick):
    evidence = make_evidence([np.nan, np.nan, 0.1, 0.2], [1, 1, 0, 0])
    missed = operating_point_check(evidence, quick).findings[0]

    assert "No case with the finding has a score." in missed.why


@pytest.mark.parametrize(
    ("wanted", "points", "threshold", "origin"),
    [
        (0.3, (("triage", 0.2),), 0.3, "set by the protocol"),
        ("triage", (("rule-out", 0.1), ("triage", 0.2)), 0.2, "triage, declared by the model"),
        (None, (("rule-out", 0.1), ("triage", 0.2)), 0.1, "rule-out, declared by the model"),
        (None, (), 0.5, "platform default"),
    ],
)
def test_whose_threshold(make_evidence, wanted, points, threshold, origin, rng):
    protocol = Protocol.parse({"operating_point": wanted, "draws": 200})
    evidence = make_evidence(rng.random(40), np.arange(40) % 2, points=points)
    result = operating_point_check(evidence, protocol)

    assert f"score ≥ {threshold} is called present ({origin}" in result.estimates[0].convention
    assert result.series[1]["threshold"] == threshold


def test_operating_point_that_nobody_declared(make_evidence, rng):
    protocol = Protocol.parse({"operating_point": "triage"})
    result = operating_point_check(make_evidence(rng.random(40), np.arange(40) % 2), protocol)

    assert result.state is State.NOT_ASSESSED
    assert "'triage'" in result.reason


def test_prevalence_of_the_protocol(ten_cases):
    protocol = Protocol.parse({"prevalence": 0.05})
    found = estimates(operating_point_check(ten_cases, protocol))

    sens, spec = 2 / 6, 3 / 4
    expected = sens * 0.05 / (sens * 0.05 + (1 - spec) * 0.95)
    assert found["ppv"].value == pytest.approx(expected)
    assert "prevalence 5.0 % (set by the protocol)" in found["ppv"].convention
    assert (found["ppv"].n, found["npv"].n) == (3, 7)
    assert "numerator" not in found["ppv"].extra


def test_predictive_values_say_what_they_rest_on(ten_cases, quick):
    """Three are called present, 2 of them rightly; seven absent, 3 of them rightly."""
    found = estimates(operating_point_check(ten_cases, quick))

    for measure, right, called in (("ppv", 2, 3), ("npv", 3, 7)):
        extra = found[measure].extra
        assert (extra["numerator"], extra["denominator"], found[measure].n) == (
            right, called, called,
        )  # fmt: skip
        assert "from the answers to 10 cases" in found[measure].convention


def test_clusters_widen_the_intervals(make_evidence, quick, rng):
    present = np.repeat(np.arange(40) % 2, 5)
    scores = np.repeat(rng.random(40), 5)
    alone = operating_point_check(make_evidence(scores, present), quick)
    grouped = operating_point_check(
        make_evidence(scores, present, cluster=np.repeat(np.arange(40), 5), cluster_kind="group"),
        quick,
    )

    for one, other in zip(alone.estimates, grouped.estimates, strict=True):
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low > 1.5 * (one.high - one.low)
    assert "design effect" in grouped.estimates[0].method
    assert "20 groups" in grouped.estimates[0].method


def test_one_class_still_measures_what_it_can(make_evidence, quick, rng):
    found = estimates(operating_point_check(make_evidence(rng.random(30), np.ones(30)), quick))

    assert found["sensitivity"].value is not None
    assert found["specificity"].value is None
    assert "no cases without the finding" in found["specificity"].reason


def test_curve_ends_where_it_must(ten_cases, quick):
    curve = operating_point_check(ten_cases, quick).series[1]
    first = curve["rows"][0]

    assert first == {"threshold": 0.0, "sensitivity": 1.0, "specificity": 0.0, "flagged": 10}
    at_half = next(row for row in curve["rows"] if row["threshold"] == 0.5)
    assert at_half["sensitivity"] == pytest.approx(2 / 6, abs=1e-6)
    assert at_half["flagged"] == 3


def test_the_chart_is_titled_by_what_it_shows(make_evidence, quick):
    """Three of four with the finding and all six without: it draws no accuracy of 9 in 10."""
    scores = [0.9, 0.8, 0.7, 0.1, *[0.2] * 6]
    result = operating_point_check(make_evidence(scores, [1] * 4 + [0] * 6), quick)
    forest = result.series[0]

    assert forest["title"] == "Sensitivity 75.0 %, specificity 100 %"
    assert [row["label"] for row in forest["rows"]][:2] == ["Sensitivity", "Specificity"]


def test_one_class_alone_titles_its_own_rate(make_evidence, quick):
    result = operating_point_check(make_evidence([0.9, 0.2], [1, 1]), quick)

    assert result.series[0]["title"] == "Sensitivity 50.0 %"
