"""Up to which severity a loss is borne, and a loss that nothing moves."""

import numpy as np
import pytest

from ml.estimate import Estimate, undefined
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.proportion import wilson
from ml.stats.robustness.degradation import degradation
from ml.stats.robustness.severity import accuracy_loss, dice_loss, severity_borne

QUICK = Settings(draws=200)


def losses(*rows):
    return [Estimate("loss", value, low, high) for value, low, high in rows]


@pytest.mark.parametrize(
    ("rows", "low", "value", "high"),
    [
        ([(0.0, -0.01, 0.02), (0.2, 0.1, 0.3), (0.0, -0.01, 0.01)], 1, 1, 1),
        ([(0.04, 0.0, 0.08), (0.04, 0.0, 0.08)], 0, 2, 2),
        ([(0.06, 0.01, 0.1), (0.2, 0.1, 0.3)], 0, 0, 1),
        ([(0.3, 0.2, 0.4)], 0, 0, 0),
        ([(0.05, 0.05, 0.05)], 1, 1, 1),
    ],
)
def test_no_severity_is_jumped_over(rows, low, value, high):
    found = severity_borne(losses(*rows), 0.05)
    assert (found.low, found.value, found.high) == (low, value, high)


def test_a_loss_without_an_interval_shows_nothing():
    steps = [*losses((0.0, -0.01, 0.01)), Estimate("loss", 0.0, reason="No interval."),
             *losses((0.0, -0.01, 0.01))]  # fmt: skip
    found = severity_borne(steps, 0.05)
    assert (found.low, found.value, found.high) == (1, 3, 3)
    alone = severity_borne(steps[1:2], 0.05)
    assert (alone.low, alone.value, alone.high) == (None, 1, None)


def test_undefined_and_refused():
    assert severity_borne([undefined("loss", "No cases.")], 0.05).reason == "No cases."
    assert severity_borne([*losses((0, -0.1, 0.01)), undefined("loss", "No.")], 0.05).value == 1
    with pytest.raises(ValueError, match="margin"):
        severity_borne(losses((0, 0, 0)), -0.1)
    with pytest.raises(ValueError, match="losses"):
        severity_borne([], 0.1)


def test_nothing_that_changes_is_as_wide_as_no_case_in_n():
    right = np.r_[np.ones(50), np.zeros(10), np.nan]
    found = accuracy_loss(right, right, settings=QUICK)
    _, end = wilson(0.0, 60, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -end, end))
    few = accuracy_loss(np.ones(40), np.ones(40), Clusters.of(np.arange(40) // 10), QUICK)
    assert few.low is None
    assert few.reason


def test_what_changes_is_as_degradation_has_it(rng):
    clean, corrupt = (rng.random(80) < 0.9).astype(float), (rng.random(80) < 0.7).astype(float)
    one = accuracy_loss(clean, corrupt, settings=QUICK)
    two = degradation(clean, corrupt, settings=QUICK)
    assert (one.value, one.low, one.high) == (two.value, two.low, two.high)
    # As many get better as get worse: the loss is 0, and its interval the bootstrap's.
    turned = accuracy_loss(np.tile([0.0, 1], 40), np.tile([1.0, 0], 40), settings=QUICK)
    assert turned.value == 0
    assert turned.high > 0.1


def test_dice_is_lost_as_accuracy_is_and_a_pair_without_one_is_left_out(rng):
    clean = np.r_[rng.uniform(0.6, 0.9, 40), np.nan, 0.7]
    corrupt = np.r_[rng.uniform(0.3, 0.9, 40), 0.0, np.nan]
    found, expected = dice_loss(clean, corrupt, settings=QUICK), degradation(clean, corrupt)
    assert (found.id, found.value, found.n) == ("dice_loss", expected.value, 40)
    same = dice_loss(clean, clean, settings=QUICK)
    assert (same.value, same.n) == (0.0, 41)
    assert same.high == pytest.approx(wilson(0.0, 41, 0.95)[1])
