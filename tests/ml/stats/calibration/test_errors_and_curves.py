"""Families of calibration errors, smooth curves, recalibrators, several classes."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import brier_score_loss

from ml.stats.bootstrap import Settings
from ml.stats.calibration import multiclass, recalibrators
from ml.stats.calibration.binned_error import (
    binned_error,
    mass_bins,
    null_distribution,
    sweep_error,
)
from ml.stats.calibration.calibration_error import ece, ece_debiased
from ml.stats.calibration.curve import SMOOTHERS, calibration_curve, lowess
from ml.stats.calibration.smooth_error import smooth_error
from ml.stats.clusters import Clusters

QUICK = Settings(draws=40)


def sample(n=200, seed=5, slope=0.6):
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.02, 0.98, n)
    return p, (generator.random(n) < special.expit(slope * special.logit(p))).astype(int)


@pytest.mark.parametrize("scheme", ["equal width", "equal mass"])
@pytest.mark.parametrize("norm", ["l1", "l2", "max", "l2 debiased squared"])
def test_norms_by_a_loop(scheme, norm):
    p, y = sample()
    n, bins = p.size, 7
    rank = np.empty(n, int)
    rank[np.argsort(p)] = np.arange(1, n + 1)
    at = np.ceil(p * bins) if scheme == "equal width" else np.ceil(rank * bins / n)
    total = biggest = 0.0
    for k in np.unique(at):
        inside = at == k
        gap, size = abs(y[inside].mean() - p[inside].mean()), inside.sum()
        biggest = max(biggest, gap)
        a = y[inside].mean()
        noise = a * (1 - a) / (size - 1) if norm.endswith("squared") else 0
        total += size / n * ((gap if norm == "l1" else gap**2) - noise)
    expected = {"max": biggest, "l2": max(total, 0) ** 0.5}.get(norm, total)
    result = binned_error(p, y, settings=QUICK, bins=bins, scheme=scheme, norm=norm)
    assert result.value == pytest.approx(expected)


def test_family_agrees_with_the_two_conventions_of_the_audit():
    p, y = sample()
    assert binned_error(p, y, settings=QUICK).value == pytest.approx(ece(p, y).value)
    squared = binned_error(p, y, settings=QUICK, norm="l2 debiased squared").value
    assert squared == pytest.approx(ece_debiased(p, y).extra["squared"])


def test_probabilities_of_0_and_1_are_counted():
    result = binned_error(np.array([0.0, 1.0]), np.array([1, 0]), bins=10)
    assert result.value == 1.0


def test_equal_mass_bins_hold_equal_numbers():
    assert np.bincount(mass_bins(np.random.default_rng(0).random(20), 5)).tolist() == [4] * 5


def test_sweep_stops_before_the_first_fall():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    # three bins rise (0, 0, 1/2); four give 0, 0, 1, 0
    assert sweep_error(p, np.array([0, 0, 1, 0]), settings=QUICK).extra["bins"] == 3


def test_null_p_is_small_only_for_wrong_probabilities():
    generator = np.random.default_rng(1)
    p = generator.uniform(0.1, 0.9, 400)
    right = (generator.random(400) < p).astype(int)
    assert null_distribution(p, right, settings=Settings(draws=300)).value > 0.05
    wrong = (generator.random(400) < p**3).astype(int)
    assert null_distribution(p, wrong, settings=Settings(draws=300)).value == 1 / 301


def test_null_of_one_cluster_is_wider():
    p, y = sample(100)
    alone = null_distribution(p, y, settings=QUICK).extra["null_mean"]
    pairs = Clusters.of(np.arange(100) % 5)
    assert null_distribution(p, y, pairs, QUICK).extra["null_mean"] > alone


def test_smooth_error_by_direct_integration():
    p, y = sample(60)
    value = smooth_error(p, y, settings=QUICK).value
    t = (np.arange(4000) + 0.5) / 4000
    kernel = sum(
        stats.norm.pdf(t[:, None], 2 * k + sign * p, value)
        for k in range(-3, 4)
        for sign in (1, -1)
    )
    assert np.abs(kernel @ (y - p) / 60).mean() == pytest.approx(value, abs=5e-4)


def test_direct_loess_by_weighted_least_squares():
    p, y = sample(80)
    curve = calibration_curve(p, y, smoother="loess direct")
    for i in (0, 17, 79):
        distance = np.abs(p - p[i])
        weight = (1 - np.minimum(distance / np.sort(distance)[59], 1) ** 3) ** 3
        fit = np.polyfit(p - p[i], y, 2, w=weight**0.5)
        assert curve.observed[i] == pytest.approx(fit[-1], abs=1e-8)
    gap = np.abs(curve.observed - p)
    assert curve.ici.value == pytest.approx(gap.mean())
    assert curve.e50.value == pytest.approx(np.median(gap))
    assert curve.e90.value == pytest.approx(np.quantile(gap, 0.9))
    assert curve.emax.value == pytest.approx(gap.max())
    assert curve.eci.value == pytest.approx(100 * (gap**2).mean())


def test_interpolated_loess_is_near_the_direct_one_and_has_an_interval():
    p, y = sample(300)
    direct = calibration_curve(p, y, smoother="loess direct")
    tree = calibration_curve(p, y, settings=QUICK)
    assert np.abs(direct.observed - tree.observed).max() < 0.02
    assert tree.ici.low < tree.ici.value < tree.ici.high


@pytest.mark.parametrize("smoother", ["loess direct", "loess interpolate", "lowess"])
def test_local_lines_reproduce_a_line(smoother):
    p = np.linspace(0.02, 0.98, 60)
    assert lowess(p, 0.1 + 0.5 * p) == pytest.approx(0.1 + 0.5 * p)
    curve = calibration_curve(p, np.ones(60, int), settings=QUICK, smoother=smoother)
    assert curve.observed == pytest.approx(np.ones(60))


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_curves_do_not_depend_on_the_order_of_cases(smoother):
    p, y = sample(50)
    p = 0.9 * p.round(1) + np.arange(50) % 2 * 0.01  # ties
    back = np.arange(50)[::-1]
    one = calibration_curve(p, y, settings=QUICK, smoother=smoother).ici.value
    two = calibration_curve(p[back], y[back], settings=QUICK, smoother=smoother).ici.value
    assert one == pytest.approx(two, abs=1e-9)


def test_temperature_is_where_the_likelihood_is_flat():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(200, 3)) * 3
    label = (special.softmax(logits / 2, axis=1).cumsum(axis=1) < generator.random((200, 1))).sum(1)
    found = recalibrators.temperature(logits, label).parameters[0]

    def loss(t):
        return -special.log_softmax(logits / t, axis=1)[np.arange(200), label].mean()

    assert loss(found) < min(loss(found * 1.001), loss(found / 1.001))
    with pytest.raises(ValueError, match="no finite temperature"):
        recalibrators.temperature(logits, logits.argmax(axis=1))


@pytest.mark.parametrize("fit", [recalibrators.platt, recalibrators.beta, recalibrators.isotonic])
def test_recalibration_helps_and_keeps_the_order(fit):
    p, y = sample(400, slope=0.4)
    repaired = fit(p, y).apply(p)
    assert brier_score_loss(y, repaired) < brier_score_loss(y, p)
    assert (np.diff(repaired[np.argsort(p)]) >= -1e-12).all()
    assert repaired.mean() == pytest.approx(y.mean(), abs=1e-4)


def test_platt_of_certain_scores_is_fitted_and_applied_at_the_clip():
    """Two scores only, 0 and 1, right 3 times in 4: the fit passes through both shares."""
    p, y = np.repeat([0.0, 1.0], 4), np.array([0, 0, 1, 0, 1, 1, 0, 1])
    far = np.log((1 - 1e-6) / 1e-6)
    found = recalibrators.platt(p, y)
    assert found.parameters == pytest.approx((0, np.log(3) / far), abs=1e-9)
    given = np.array([0.0, 1e-9, 1e-6, 1e-5, 1 - 1e-5, 1 - 1e-6, 1 - 1e-9, 1.0])
    share = special.logit(found.apply(given)) * far / np.log(3)
    inner = special.logit(1 - 1e-5)
    assert share == pytest.approx([-far, -far, -far, -inner, inner, far, far, far])
    # The same of one sure score among those that are not.
    alone = recalibrators.platt(np.array([0.5, 0.5, 1.0, 1.0, 1.0, 1.0]), y[[0, 2, 3, 4, 5, 7]])
    assert alone.parameters == pytest.approx((0, np.log(3) / far), abs=1e-9)


def test_beta_is_applied_at_the_clip():
    p, y = sample(200, slope=0.6)
    found = recalibrators.beta(p, y)
    a, b, c = found.parameters
    low, high = np.log(1e-6), np.log1p(-1e-6)
    given = np.array([0.0, 1e-9, 1.0, 1 - 1e-9, 1e-5, 1 - 1e-5])
    assert special.logit(found.apply(given)) == pytest.approx(
        [c + a * low - b * high] * 2
        + [c + a * high - b * low] * 2
        + [c + a * np.log(1e-5) - b * np.log1p(-1e-5), c + a * np.log1p(-1e-5) - b * np.log(1e-5)]
    )
    assert min(a, b) > 0.1


def test_beta_of_certain_scores_is_fitted_at_the_clip():
    """Two scores only, 0 and 1, right 3 times in 4: the map passes through both shares."""
    p, y = np.repeat([0.0, 1.0], 4), np.array([0, 0, 1, 0, 1, 1, 0, 1])
    found = recalibrators.beta(p, y)
    assert found.apply(np.array([0.0, 1.0])) == pytest.approx([0.25, 0.75], abs=1e-4)
    # Both weights in balance, so that the far ends are those of the clip.
    assert sum(found.parameters[:2]) * np.log(1e-6) == pytest.approx(-2 * np.log(3), rel=1e-3)


def test_vector_scaling_lowers_the_loss():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(200, 3)) * 4
    label = generator.integers(0, 3, 200)
    repaired = recalibrators.vector_scaling(logits, label).apply(logits)
    before = multiclass.nll(special.softmax(logits, axis=1), label, settings=QUICK).value
    assert multiclass.nll(repaired, label, settings=QUICK).value < before


def test_cross_fitting_never_shows_a_cluster_its_own_label():
    seen = []

    def fit(p, y):
        seen.append(set(y.tolist()))
        return recalibrators.Recalibrator("none", (), lambda values: values)

    label = np.repeat(np.arange(10), 3)  # the label names the cluster
    recalibrators.cross_fitted(fit, np.ones(30), label, Clusters.of(label), folds=5)
    assert all(len(group) == 8 for group in seen)


def test_prevalence_is_found_again():
    before, after = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    generator = np.random.default_rng(0)
    truth = generator.random(5000) > 0.8
    x = generator.normal(np.where(truth, 1.5, -1.5))
    p = special.expit(3 * x)
    both = np.stack([1 - p, p], axis=1)
    assert recalibrators.estimated_prevalence(both, before) == pytest.approx(after, abs=0.02)
    moved = recalibrators.shifted_prevalence(both, before, after)[:, 1]
    assert special.logit(moved) == pytest.approx(3 * x - np.log(4), abs=1e-6)


def test_multiclass_by_hand():
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]])
    y = np.array([0, 2])
    assert multiclass.nll(p, y).value == pytest.approx(-np.log([0.7, 0.3]).mean())
    expected = (0.09 + 0.04 + 0.01 + 0.04 + 0.25 + 0.49) / 2
    assert multiclass.brier_multiclass(p, y).value == pytest.approx(expected)
    assert multiclass.top_label_error(p, y, bins=10).value == pytest.approx((0.3 + 0.5) / 2)
    # class 0: .3, .2; class 1: .2, .5; class 2: .1, .7
    assert multiclass.classwise_error(p, y, bins=10).value == pytest.approx(2.0 / 6)


def test_malformed_input_is_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        multiclass.nll(np.array([[0.5, 0.2]]), np.array([0]))
    with pytest.raises(ValueError, match="scheme must be"):
        binned_error(np.array([0.5]), np.array([1]), scheme="odd")
    assert binned_error(np.zeros(0), np.zeros(0, int)).value is None
    assert smooth_error(np.zeros(0), np.zeros(0, int)).value is None


def test_equal_probabilities_in_several_bins_of_equal_mass_have_no_order(rng):
    p, y = rng.integers(1, 6, 60) / 6, (rng.random(60) < 0.5).astype(int)
    order = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)])

    for measure in (
        lambda p, y: binned_error(p, y, scheme="equal mass", bins=7),
        lambda p, y: binned_error(p, y, scheme="equal mass", bins=7, norm="l2 debiased squared"),
        sweep_error,
    ):
        assert measure(p[order], y[order]).value == pytest.approx(measure(p, y).value)
