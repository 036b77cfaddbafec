"""Scores, joint fit and decompositions against naive recomputation and other implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss as sk_log_loss

from ml.stats.bootstrap import Settings
from ml.stats.calibration import scores
from ml.stats.calibration.decomposition import corp, murphy, pav
from ml.stats.calibration.joint_fit import joint_fit
from ml.stats.clusters import Clusters

QUICK = Settings(draws=60)


def sample(n=300, seed=3):
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.02, 0.98, n)
    return p, (generator.random(n) < special.expit(0.3 + 0.7 * special.logit(p))).astype(int)


def test_log_loss_is_that_of_scikit_learn():
    p, y = sample()
    assert scores.log_loss(p, y, settings=QUICK).value == pytest.approx(sk_log_loss(y, p))


def test_log_loss_of_a_certain_mistake_is_undefined_with_the_reason():
    result = scores.log_loss(np.array([1.0, 0.5]), np.array([0, 1]))
    assert result.value is None
    assert "infinite, 1 case got" in result.reason


def test_scaled_brier_by_hand():
    p, y = sample()
    expected = 1 - ((p - y) ** 2).mean() / (y.mean() * (1 - y.mean()))
    assert scores.scaled_brier(p, y, settings=QUICK).value == pytest.approx(expected)
    assert scores.scaled_brier(p, np.ones(y.size, int)).value is None


def test_observed_expected_interval_by_hand():
    result = scores.observed_expected(np.full(100, 0.25), np.arange(100) % 5 == 0)
    assert result.value == pytest.approx(0.8)
    assert result.low == pytest.approx(0.8 * np.exp(-1.959963985 * (0.8 / 20) ** 0.5))
    assert scores.observed_expected(np.full(3, 0.2), np.zeros(3, int)).low is None


def test_observed_expected_of_clusters_is_a_bootstrap():
    p, y = sample(60)
    twice = Clusters.of(np.repeat(np.arange(30), 2))
    assert "30 cases" in scores.observed_expected(p, y, twice, QUICK).method


def test_spiegelhalter_by_its_definition():
    p, y = sample()
    expectation = (p * (1 - p)).sum()
    variance = ((1 - 2 * p) ** 2 * p * (1 - p)).sum()
    z = (((y - p) ** 2).sum() - expectation) / variance**0.5
    result = scores.spiegelhalter(p, y)
    assert result.value == pytest.approx(z)
    assert result.extra["p"] == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert scores.spiegelhalter(np.full(4, 0.5), np.array([0, 1, 0, 1])).value is None


def test_hosmer_lemeshow_by_a_loop():
    p, y = sample(200)
    cuts = np.quantile(p, np.arange(11) / 10)
    chi2 = 0.0
    for k in range(10):
        inside = (p > cuts[k]) & (p <= cuts[k + 1]) if k else p <= cuts[1]
        for outcome, expected in ((y, p), (1 - y, 1 - p)):
            chi2 += (outcome[inside].sum() - expected[inside].sum()) ** 2 / expected[inside].sum()
    result = scores.hosmer_lemeshow(p, y)
    assert result.value == pytest.approx(chi2)
    assert result.extra["p"] == pytest.approx(stats.chi2.sf(chi2, 8))
    assert scores.hosmer_lemeshow(np.full(9, 0.5), np.arange(9) % 2).value is None


def test_joint_fit_maximises_the_likelihood_and_inverts_its_information():
    p, y = sample()
    x = special.logit(p)

    def loss(line):
        linear = line[0] + line[1] * x
        return -special.log_expit(np.where(y == 1, linear, -linear)).sum()

    best = optimize.minimize(loss, [0.0, 1.0], method="BFGS", options={"gtol": 1e-7})
    result = joint_fit(p, y)
    assert [result.intercept_joint.value, result.slope.value] == pytest.approx(best.x, abs=1e-5)
    step = 1e-4 * np.eye(2)
    hessian = [
        [loss(best.x + i + j) - loss(best.x + i) - loss(best.x + j) + loss(best.x) for j in step]
        for i in step
    ]
    error = np.linalg.inv(np.array(hessian) / 1e-8)[1, 1] ** 0.5
    assert result.slope.extra["standard_error"] == pytest.approx(error, rel=1e-3)
    lr = 2 * (loss([0.0, 1.0]) - best.fun)
    assert result.unreliability.value == pytest.approx((lr - 2) / 300)
    assert result.unreliability.extra["p"] == pytest.approx(stats.chi2.sf(lr, 2), rel=1e-6)
    assert result.nagelkerke.value < result.nagelkerke_recalibrated.value
    empty = optimize.minimize_scalar(lambda a: loss([a, 0.0])).fun
    share = [1 - np.exp(-2 * (empty - at) / 300) for at in (best.fun, 0.0)]
    assert result.nagelkerke_recalibrated.value == pytest.approx(share[0] / share[1])


def test_profile_ends_lie_where_the_likelihood_has_fallen():
    p, y = sample()
    x = special.logit(p)
    result = joint_fit(p, y, interval="profile")

    def height(a, b):
        return special.log_expit(np.where(y == 1, a + b * x, -(a + b * x))).sum()

    def best_given_slope(b):
        return -optimize.minimize_scalar(lambda a: -height(a, b)).fun

    def best_given_intercept(a):
        return -optimize.minimize_scalar(lambda b: -height(a, b)).fun

    fall = stats.chi2.ppf(0.95, 1) / 2
    top = height(result.intercept_joint.value, result.slope.value)
    for end in (result.slope.low, result.slope.high):
        assert top - best_given_slope(end) == pytest.approx(fall, abs=1e-5)
    for end in (result.intercept_joint.low, result.intercept_joint.high):
        assert top - best_given_intercept(end) == pytest.approx(fall, abs=1e-5)
    for end in (result.intercept.low, result.intercept.high):
        assert height(result.intercept.value, 1) - height(end, 1) == pytest.approx(fall, abs=1e-5)


@pytest.mark.parametrize("y", [[0, 0, 0, 0], [0, 0, 1, 1]])
def test_one_class_and_separation_have_no_slope(y):
    result = joint_fit(np.array([0.2, 0.4, 0.6, 0.8]), np.array(y))
    assert result.slope.value is None
    assert result.unreliability.value is None


def test_pav_is_that_of_scikit_learn():
    p, y = sample()
    p = p.round(1)  # ties
    theirs = IsotonicRegression().fit(p, y).predict(p)
    assert pav(p, y.astype(float)) == pytest.approx(theirs)


@given(st.integers(0, 10_000), st.sampled_from(["brier", "log"]))
@settings(max_examples=25, deadline=None)
def test_corp_is_exact_and_never_negative(seed, score):
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.05, 0.95, 40).round(2)
    y = generator.integers(0, 2, 40)
    parts = corp(p, y, settings=Settings(draws=1), score=score)
    values = [e.value for e in (parts.miscalibration, parts.discrimination, parts.uncertainty)]
    assert values[0] - values[1] + values[2] == pytest.approx(parts.score)
    assert min(values) >= -1e-12


def test_corp_interval_holds_the_value():
    parts = corp(*sample(80), settings=QUICK)
    assert parts.discrimination.low < parts.discrimination.value < parts.discrimination.high


def test_murphy_terms_by_hand_and_residual_closes_the_sum():
    p = np.array([0.1, 0.1, 0.8, 0.8])
    y = np.array([0, 1, 1, 1])
    parts = {name: part.value for name, part in murphy(p, y).items()}
    assert parts["reliability"] == pytest.approx((0.4**2 + 0.2**2) / 2)
    assert parts["resolution"] == pytest.approx(0.25**2)
    assert parts["uncertainty"] == pytest.approx(0.75 * 0.25)
    assert parts["residual"] == pytest.approx(0, abs=1e-12)


def test_errors_of_the_last_step_come_close_to_those_at_the_maximum(rng):
    x = rng.normal(size=300)
    p, y = special.expit(x), (rng.random(300) < special.expit(1.3 * x + 0.2)).astype(int)
    best, last = (joint_fit(p, y, information=at).slope for at in ("maximum", "last step"))
    assert best.value == last.value
    assert best.extra["standard_error"] != last.extra["standard_error"]
    assert best.extra["standard_error"] == pytest.approx(last.extra["standard_error"], rel=1e-3)


def test_unknown_information_is_refused():
    with pytest.raises(ValueError, match='"last step"'):
        joint_fit(np.array([0.2, 0.8]), np.array([1, 0]), information="first")
