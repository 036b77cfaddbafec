import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.proportion import wilson
from ml.stats.utility.workload import (
    deferral_curve,
    number_needed_to_evaluate,
    number_needed_to_screen,
    rule_out_curve,
    share_called,
)

CALLED = np.arange(100) < 20
PRESENT = np.arange(100) % 4 == 0  # 5 of the called, 20 of the others


def test_numbers_of_a_table():
    evaluate = number_needed_to_evaluate(CALLED, PRESENT)
    screen = number_needed_to_screen(CALLED, PRESENT)
    low, high = wilson(0.25, 20, 0.95)

    assert share_called(CALLED).value == 0.2
    assert (evaluate.value, evaluate.n, evaluate.n_events) == (4, 20, 5)
    assert (evaluate.low, evaluate.high) == pytest.approx((1 / high, 1 / low))
    assert (screen.value, screen.n) == (20, 100)
    assert "inverted" in screen.method


def test_infinite_and_empty():
    assert "infinite" in number_needed_to_evaluate(CALLED, CALLED & ~CALLED).reason
    assert number_needed_to_evaluate(CALLED & ~CALLED, PRESENT).value is None
    assert number_needed_to_screen(np.zeros(0), np.zeros(0)).value is None
    with pytest.raises(ValueError, match="two"):
        number_needed_to_evaluate(CALLED, PRESENT[:5])


def test_clusters_widen():
    clusters = Clusters.of(np.arange(100) // 4, "patient")
    present = (np.arange(25) % 2 == 0)[clusters.codes]
    called = np.ones(100, bool)
    alone = number_needed_to_evaluate(called, present)
    whole = number_needed_to_evaluate(called, present, clusters)

    assert whole.high > alone.high
    few = Clusters.of(np.arange(100) // 25, "patient")
    assert "only 4 patients" in number_needed_to_evaluate(called, present, few).reason


def test_rule_out_by_counting(rng):
    scores, present = rng.random(80).round(1), np.arange(80) % 2
    levels = np.array([0.0, 0.3, 0.5, 1.1])
    curve = rule_out_curve(scores, present, levels)

    for at, t in enumerate(levels):
        below = scores < t
        assert curve.share_not_read[at] == below.mean()
        assert curve.missed[at] == present[below].sum()
        assert curve.sensitivity[at] == pytest.approx(1 - present[below].sum() / 40)
        if below.any():
            assert curve.npv[at] == pytest.approx(1 - present[below].mean())
    assert np.isnan(curve.npv[0])
    assert (curve.sensitivity_low <= curve.sensitivity).all()
    with pytest.raises(ValueError, match="needs cases with the finding"):
        rule_out_curve(scores, np.zeros(80, int), levels)


def test_the_least_sure_are_deferred_first():
    scores = np.array([0.05, 0.35, 0.45, 0.6, 0.95])
    present = np.array([0, 0, 1, 0, 1])
    curve = deferral_curve(scores, present, 0.5, np.array([0, 0.2, 0.5, 1.0]))

    assert curve.kept.tolist() == [5, 4, 3, 0]
    assert curve.error_rate[:3] == pytest.approx([0.4, 0.25, 0.0])
    assert np.isnan(curve.error_rate[3])
    assert curve.share_deferred == pytest.approx([0, 0.2, 0.4, 1.0])


def test_sides_of_a_low_threshold_are_scaled():
    """0.05 is half way from 0.1 to certainty of absence; 0.4 a third of the way to 1."""
    scores, present = np.array([0.05, 0.4]), np.array([1, 1])
    curve = deferral_curve(scores, present, 0.1, np.array([0.5]))

    assert curve.error_rate.tolist() == [1.0]  # the call at 0.4 went, the miss stayed


def test_ties_go_together_or_stay():
    scores, present = np.full(10, 0.5), np.arange(10) % 2
    curve = deferral_curve(scores, present, 0.5, np.array([0.0, 0.5, 1.0]))

    assert curve.kept.tolist() == [10, 10, 0]


@pytest.mark.parametrize(
    ("scores", "threshold", "share"), [([1.5], 0.5, 0.1), ([0.5], 1.0, 0.1), ([0.5], 0.5, 1.2)]
)
def test_malformed(scores, threshold, share):
    with pytest.raises(ValueError, match="must lie in"):
        deferral_curve(np.array(scores), np.array([1]), threshold, np.array([share]))


def test_a_missing_call_is_not_a_call_of_absent():
    lost = np.where(np.arange(100) == 3, np.nan, CALLED)

    for measure in (share_called, lambda c: number_needed_to_evaluate(c, PRESENT),
                    lambda c: number_needed_to_screen(c, PRESENT),
                    lambda c: number_needed_to_screen(PRESENT, c)):  # fmt: skip
        with pytest.raises(ValueError, match="must be 0 or 1"):
            measure(lost)
