import numpy as np
import pytest
from scipy import special

from ml.stats.clusters import Clusters
from ml.stats.discrimination.predictive_values import predictive_value


def answers_of(table):
    called = np.repeat([True, False, True, False], [table[k] for k in ("tp", "fn", "fp", "tn")])
    positive = np.repeat([True, True, False, False], [table[k] for k in ("tp", "fn", "fp", "tn")])
    return called, positive


@pytest.mark.parametrize("case", ["discr-2x2-liver-scan", "discr-2x2-zero-fp"])
@pytest.mark.parametrize("answer", ["ppv", "npv"])
def test_at_a_prevalence(reference, case, answer):
    known = reference(case)
    called, positive = answers_of(known.input)

    estimate = predictive_value(answer, called, positive, 0.1)

    assert estimate.value == pytest.approx(
        known.value(f"{answer}_at_prevalence", prevalence=0.1), abs=1e-9
    )


def test_at_the_cohorts_prevalence_it_is_the_plain_share():
    called, positive = answers_of({"tp": 231, "fn": 27, "fp": 32, "tn": 54})

    assert predictive_value("ppv", called, positive, 258 / 344).value == pytest.approx(231 / 263)
    assert predictive_value("npv", called, positive, 258 / 344).value == pytest.approx(54 / 81)


def test_it_rests_on_the_cases_called_so():
    called, positive = answers_of({"tp": 231, "fn": 27, "fp": 32, "tn": 54})
    ppv = predictive_value("ppv", called, positive, 258 / 344)
    npv = predictive_value("npv", called, positive, 258 / 344)

    assert (ppv.n, ppv.n_events, npv.n, npv.n_events) == (263, 231, 81, 27)
    assert (ppv.extra["numerator"], ppv.extra["denominator"]) == (231, 263)
    assert (npv.extra["numerator"], npv.extra["denominator"]) == (54, 81)
    assert (ppv.extra["rows"], npv.extra["rows"]) == ("called present", "called absent")


def test_at_another_prevalence_it_is_no_share_of_cases():
    called, positive = answers_of({"tp": 231, "fn": 27, "fp": 32, "tn": 54})
    estimate = predictive_value("ppv", called, positive, 0.1)

    assert estimate.n == 263
    assert "numerator" not in estimate.extra


def test_interval_by_hand():
    """sens 0.8 of 50, spec 0.9 of 100, prevalence 0.2: logit variance 0.2/40 + 0.9/10."""
    called, positive = answers_of({"tp": 40, "fn": 10, "fp": 10, "tn": 90})
    estimate = predictive_value("ppv", called, positive, 0.2)

    value = 0.8 * 0.2 / (0.8 * 0.2 + 0.1 * 0.8)
    half = 1.959964 * (0.2 / 40 + 0.9 / 10) ** 0.5
    expected = special.expit(special.logit(value) + np.array([-half, half]))
    assert estimate.value == pytest.approx(value)
    assert [estimate.low, estimate.high] == pytest.approx(expected, abs=1e-6)


def test_no_false_alarm_is_no_certainty():
    called, positive = answers_of({"tp": 20, "fn": 5, "fp": 0, "tn": 30})
    estimate = predictive_value("ppv", called, positive, 0.1)

    assert estimate.value == 1.0
    assert estimate.high == 1.0
    assert 0 < estimate.low < 0.95
    assert "adjusted" in estimate.method


def test_copies_inside_clusters_do_not_narrow_it(rng):
    called, positive = rng.random(60) < 0.5, np.arange(60) % 2 == 1
    once = predictive_value("ppv", called, positive, 0.3)
    patients = Clusters.of(np.repeat(np.arange(60), 4), "patient")
    copied = predictive_value("ppv", np.repeat(called, 4), np.repeat(positive, 4), 0.3, patients)

    assert copied.value == pytest.approx(once.value)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.02)


def test_hits_and_false_alarms_of_a_patient_are_seen_together():
    """Each patient has a case of either kind; where one is called, the other never is.

    Per patient the linearised logit is ±(1/sens or 1/(1-spec))/20, so its variance is
    20/19 · 20 · (2/20)² = 0.2105 instead of the 0.05 of two independent halves each.
    """
    positive = np.tile([True, False], 20)
    called = np.r_[np.tile([True, False], 10), np.tile([False, True], 10)]
    patients = Clusters.of(np.arange(40) // 2, "patient")

    estimate = predictive_value("ppv", called, positive, 0.5, patients)

    assert estimate.value == 0.5
    half = 1.959964 * (20 / 19 * 20 * (2 / 20) ** 2) ** 0.5
    assert estimate.high == pytest.approx(special.expit(half), abs=1e-6)


@pytest.mark.parametrize(
    ("table", "answer", "why"),
    [
        ({"tp": 0, "fn": 5, "fp": 0, "tn": 5}, "ppv", "no case is called present"),
        ({"tp": 5, "fn": 0, "fp": 5, "tn": 0}, "npv", "no case is called absent"),
        ({"tp": 5, "fn": 1, "fp": 0, "tn": 0}, "ppv", "with and without"),
    ],
)
def test_undefined(table, answer, why):
    estimate = predictive_value(answer, *answers_of(table), 0.1)

    assert estimate.value is None
    assert why in estimate.reason


def test_refuses_a_prevalence_outside():
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictive_value("ppv", np.array([True]), np.array([True]), 1.0)


@pytest.mark.parametrize("answer", ["ppv", "npv"])
@pytest.mark.parametrize("dtype", [int, np.uint8, float])
def test_calls_of_0_and_1_are_no_row_numbers(answer, dtype):
    called, positive = answers_of({"tp": 40, "fn": 10, "fp": 24, "tn": 126})
    found = predictive_value(answer, called.astype(dtype), positive.astype(dtype), 0.1)

    assert found == predictive_value(answer, called, positive, 0.1)


def test_another_answer_or_a_missing_call_is_refused():
    called, positive = answers_of({"tp": 4, "fn": 1, "fp": 2, "tn": 9})

    with pytest.raises(ValueError, match="ppv or npv"):
        predictive_value("PPV", called, positive, 0.1)
    with pytest.raises(ValueError, match="leave missing ones out"):
        predictive_value("ppv", np.where(called, np.nan, 0), positive, 0.1)
