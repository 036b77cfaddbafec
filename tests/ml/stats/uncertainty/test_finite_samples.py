"""Shares and changes of uncertainty over a cohort."""

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.finite_samples import epistemic_share, sampling_change

FEW = Settings(draws=300)


def test_a_share_is_one_of_sums_and_not_a_mean_of_shares():
    epistemic, total = np.array([0.0, 0.3, 0.1]), np.array([1.0, 0.3, 0.2])

    assert epistemic_share(epistemic, total).value == pytest.approx(0.4 / 1.5)
    assert epistemic_share(epistemic * 1e-200, total * 1e-200).value == pytest.approx(0.4 / 1.5)
    assert epistemic_share(np.zeros(3), np.zeros(3)).value is None


@pytest.mark.parametrize(
    ("epistemic", "total"),
    [([0.1], [0.1, 0.2]), ([np.nan], [1.0]), ([-0.1], [1.0]), ([0.3], [0.2]), ([[0.1]], [[0.2]])],
)
def test_what_is_no_part_of_a_whole_is_refused(epistemic, total):
    with pytest.raises(ValueError, match=r"expected|finite|more than"):
        epistemic_share(np.array(epistemic), np.array(total))


def draws(t, n=8000, seed=0):
    """Samples of cases between which the model wavers: every draw is exact."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 2, (t, n))
    return np.stack([p, 1 - p], axis=2)


@pytest.mark.parametrize("t", [10, 30])
def test_exact_draws_change_by_about_one_over_what_is_left(t):
    found = sampling_change(draws(t), settings=FEW)

    assert found.value == pytest.approx(1 / (t - 1), rel=0.15)
    assert found.low < found.value < found.high


def test_samples_that_drift_are_seen_and_too_few_are_said():
    moved = draws(30)
    moved[15:] = moved[15:, :, ::-1] * 0.2 + np.array([0.8, 0.0])

    assert sampling_change(moved, settings=FEW).value > 0.2
    assert sampling_change(draws(9)).value is None
    assert "9 answers" in sampling_change(draws(9)).reason
    assert sampling_change(np.full((12, 5, 2), 0.5)).value is None


def test_clusters_are_drawn_whole():
    p = np.repeat(draws(12, 40), 5, axis=1)
    whole = sampling_change(p, Clusters.of(np.repeat(np.arange(40), 5), "patient"), FEW)
    alone = sampling_change(p, settings=FEW)

    assert whole.value == pytest.approx(alone.value)
    assert whole.high - whole.low > 1.4 * (alone.high - alone.low)
