"""Decomposition, Gaussian scores, selective prediction and conformal sets, recomputed naively."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.uncertainty import conformal, decomposition, gaussian, selective

QUICK = Settings(draws=40)


def members(t=6, n=15, k=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), (t, n))


def test_entropy_parts_by_scipy_and_in_bits():
    p = members()
    parts = decomposition.entropy_parts(p, unit="bits")
    assert parts.total == pytest.approx(stats.entropy(p.mean(0), axis=1, base=2))
    assert parts.aleatoric == pytest.approx(stats.entropy(p, axis=2, base=2).mean(0))
    divergence = stats.entropy(p, p.mean(0)[None], axis=2, base=2).mean(0)
    assert parts.epistemic == pytest.approx(divergence)
    assert parts.normalised == pytest.approx(parts.total / np.log2(3))


def test_variance_adds_up():
    p = members()
    parts = decomposition.variance_parts(p)
    assert parts.total == pytest.approx(parts.aleatoric + parts.epistemic)
    assert parts.epistemic == pytest.approx(p.var(axis=0, ddof=0))


def test_equal_members_have_no_epistemic_part():
    p = np.repeat(members(1), 8, axis=0)
    assert decomposition.entropy_parts(p).epistemic == pytest.approx(0, abs=1e-12)
    assert decomposition.split_half_error(p) == pytest.approx(0, abs=1e-12)
    assert decomposition.convergence(p) == pytest.approx(0, abs=1e-12)


def test_convergence_ends_at_the_value_of_all_members():
    p = members()
    last = decomposition.convergence(p)[-1]
    assert last == pytest.approx(decomposition.entropy_parts(p).epistemic.mean())


def test_split_half_error_is_near_the_spread_over_repetitions():
    p = members(40, 300, seed=1)
    values = [decomposition.entropy_parts(members(40, 300, seed=s)).epistemic for s in range(2, 22)]
    spread = np.std(values, axis=0, ddof=1).mean()
    assert decomposition.split_half_error(p).mean() == pytest.approx(spread, rel=0.25)


def test_correlation_is_pearson():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    theirs = stats.pearsonr(a, b)
    result = decomposition.correlation(a, b)
    assert result.value == pytest.approx(theirs.statistic)
    assert result.low == pytest.approx(theirs.confidence_interval().low)
    assert decomposition.correlation(np.ones(3), np.arange(3.0)).value is None


def prediction(n=50, seed=0):
    generator = np.random.default_rng(seed)
    mean, sd = generator.normal(size=n), generator.uniform(0.5, 2, n)
    return gaussian.Gaussian(mean, sd, mean + 1.3 * sd * generator.normal(size=n))


def test_crps_by_integration():
    g = prediction(3)
    expected = [
        integrate.quad(lambda x, m=m, s=s, y=y: (stats.norm.cdf(x, m, s) - (x >= y)) ** 2,
                       -20, 20, points=[y], limit=200)[0]
        for m, s, y in zip(g.mean, g.sd, g.truth, strict=True)
    ]  # fmt: skip
    assert gaussian.crps(g).value == pytest.approx(np.mean(expected), abs=1e-6)


def test_nll_pit_and_coverage_by_scipy():
    g = prediction()
    assert gaussian.gaussian_nll(g, settings=QUICK).value == pytest.approx(
        -stats.norm.logpdf(g.truth, g.mean, g.sd).mean()
    )
    assert gaussian.pit(g) == pytest.approx(stats.norm.cdf(g.truth, g.mean, g.sd))
    low, high = stats.norm.interval(0.8, g.mean, g.sd)
    inside = ((g.truth >= low) & (g.truth <= high)).mean()
    assert gaussian.interval_coverage(g, 0.8, settings=QUICK).value == pytest.approx(inside)


def test_check_score_is_near_half_the_crps():
    g = prediction()
    check = gaussian.check_score(g, settings=QUICK).value
    assert 2 * check == pytest.approx(gaussian.crps(g, settings=QUICK).value, rel=0.03)


def test_interval_score_by_its_definition():
    g = prediction()
    values = []
    for p in np.linspace(0.01, 0.99, 99):
        low, high = stats.norm.interval(p, g.mean, g.sd)
        outside = np.maximum(low - g.truth, 0) + np.maximum(g.truth - high, 0)
        values.append(high - low + 2 / (1 - p) * outside)
    result = gaussian.interval_score(g, settings=QUICK).value
    assert result == pytest.approx(np.mean(values))


def test_area_crosses_the_diagonal_exactly():
    g = prediction()
    share = gaussian.PROPORTIONS
    half = stats.norm.ppf((1 + share) / 2)
    gap = (np.abs(g.z)[:, None] <= half).mean(axis=0) - share
    fine = np.linspace(0, 1, 200_001)
    expected = np.abs(np.interp(fine, share, gap)).mean()
    area = gaussian.miscalibration(g, settings=QUICK, form="area").value
    assert area == pytest.approx(expected, abs=1e-5)
    root = gaussian.miscalibration(g, settings=QUICK, form="rmsce").value
    assert root == pytest.approx((gap**2).mean() ** 0.5)


def test_ence_by_a_loop_and_ause_by_hand():
    g = prediction()
    parts = np.array_split(np.argsort(g.sd), 5)
    expected = np.mean([
        abs((g.sd[i] ** 2).mean() ** 0.5 - ((g.truth - g.mean)[i] ** 2).mean() ** 0.5)
        / (g.sd[i] ** 2).mean() ** 0.5
        for i in parts
    ])  # fmt: skip
    assert gaussian.ence(g, settings=QUICK, bins=5).value == pytest.approx(expected)
    assert gaussian.ence(g, bins=51).value is None
    # kept 1 and 2 cases: by uncertainty 2, 1.5; oracle 1, 1.5; mean error 1.5
    reverse = gaussian.ause(np.array([1.0, 2.0]), np.array([0.2, 0.1])).value
    assert reverse == pytest.approx(0.5 / 1.5)


def naive_risks(order, error):
    return np.cumsum(error[list(order)]) / np.arange(1, error.size + 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_ties_are_the_expectation_over_their_orders(rows):
    confidence = np.array([float(c) for c, _ in rows])
    error = np.array([int(e) for _, e in rows])
    n = error.size
    orders = [o for o in permutations(range(n)) if (np.diff(confidence[list(o)]) <= 0).all()]
    risks = np.mean([naive_risks(o, error) for o in orders], axis=0)
    k = np.arange(1, n + 1)
    value = {
        form: selective.area(confidence, error, settings=Settings(draws=1), form=form).value
        for form in selective.FORMS
    }
    best = naive_risks(np.argsort(error, kind="stable"), error).mean()
    assert selective.risk_coverage(confidence, error).risk == pytest.approx(risks)
    assert value["aurc"] == pytest.approx(risks.mean())
    assert value["e_aurc"] == pytest.approx(risks.mean() - best, abs=1e-12)
    assert value["augrc"] == pytest.approx((risks * k / n).mean())
    assert value["aurc_trapezoid"] == pytest.approx(
        np.trapezoid(risks, k / n) / (1 - 1 / n), abs=1e-12
    )
    for share in (0.3, 0.7, 1.0):
        at = int(np.ceil(share * n - 1e-9))
        found = selective.risk_at_coverage(confidence, error, share, settings=QUICK).value
        assert found == pytest.approx(risks[at - 1])
    for limit in (0.1, 0.25, 0.5):
        reached = k[risks <= limit + 1e-12].max(initial=0) / n
        found = selective.coverage_at_risk(confidence, error, limit, settings=QUICK).value
        assert found == pytest.approx(reached)


def test_interval_is_that_of_repeated_cases():
    generator = np.random.default_rng(0)
    confidence, error = generator.random(30).round(1), generator.integers(0, 2, 30)
    from ml.stats.bootstrap import draw_counts

    values = []
    for counts in draw_counts(30, QUICK, width=30):
        for row in counts.astype(int):
            drawn = np.repeat(np.arange(30), row)
            values.append(selective.risk_coverage(confidence[drawn], error[drawn]).risk.mean())
    result = selective.area(confidence, error, settings=QUICK)
    assert [result.low, result.high] == pytest.approx(np.quantile(values, (0.025, 0.975)))


def test_no_error_at_all_gives_no_empty_interval():
    result = selective.area(np.linspace(0, 1, 20), np.zeros(20, int), settings=QUICK)
    assert result.value == 0
    assert result.low is None
    assert "no spread" in result.reason
    assert selective.failure_auroc(np.ones(3), np.zeros(3, int)).value is None


def test_guaranteed_coverage_keeps_its_bound_and_refuses_clusters():
    generator = np.random.default_rng(0)
    confidence = generator.random(1000)
    error = (generator.random(1000) < (1 - confidence) ** 2).astype(int)
    result = selective.guaranteed_coverage(confidence, error, 0.1)
    accepted = confidence >= result.extra["threshold"]
    assert result.value == pytest.approx(accepted.mean())
    looks = 10
    # the bound is where so few errors have probability delta / looks
    chance = stats.binom.cdf(error[accepted].sum(), accepted.sum(), result.extra["bound"])
    assert chance == pytest.approx(0.001 / looks)
    assert result.extra["bound"] < 0.1
    pairs = Clusters.of(np.arange(1000) // 2)
    assert selective.guaranteed_coverage(confidence, error, 0.1, pairs).value is None


def test_deferral_ends_at_the_readers_errors():
    error, reader = np.array([0, 1, 1, 0]), np.array([1, 0, 0, 0])
    curve = selective.deferral(np.array([0.9, 0.1, 0.1, 0.5]), error, reader)
    assert curve.error.tolist() == [0.5, 0.25, 0.0, 0.0, 0.25]


def test_order_statistic_of_the_threshold():
    assert conformal.conformal_quantile(np.arange(1.0, 20), 0.1) == 18
    assert conformal.conformal_quantile(np.arange(1.0, 9), 0.1) == np.inf


def test_scores_by_a_loop():
    p = np.array([[0.4, 0.4, 0.2], [0.1, 0.3, 0.6]])
    naive = np.array([[row[row >= q].sum() for q in row] for row in p])
    assert conformal.class_scores(p, "aps") == pytest.approx(naive)
    penalty = conformal.class_scores(p, "raps", penalty=0.5, allowed=1) - naive
    assert penalty == pytest.approx(np.array([[0, 0.5, 1], [1, 0.5, 0]]))
    half = conformal.class_scores(p, "aps", uniform=np.array([0.5, 0.5]))
    assert half == pytest.approx(naive - p / 2)


@pytest.mark.parametrize("score", conformal.SCORES)
def test_sets_cover_as_promised(score):
    generator = np.random.default_rng(4)
    p = generator.dirichlet(np.ones(4), 4000)
    y = (p.cumsum(axis=1) < generator.random((4000, 1))).sum(axis=1)
    cut = conformal.fit(p[:2000], y[:2000], 0.2, score=score, seed=1)
    found = conformal.coverage(
        conformal.sets(cut, p[2000:], seed=2), y[2000:], n_calibration=2000, alpha=0.2
    )
    assert found.extra["expected_low"] < 0.8 < found.extra["expected_high"]
    assert found.value == pytest.approx(0.8, abs=0.03)


def test_classes_and_groups_have_thresholds_of_their_own():
    p = np.tile([[0.8, 0.2], [0.3, 0.7]], (10, 1))
    y = np.tile([0, 1], 10)
    by_class = conformal.fit(p, y, 0.2, by="class").values
    assert by_class == pytest.approx([0.2, 0.3])
    cut = conformal.fit(p, y, 0.2, by="group", group=y)
    sets = conformal.sets(cut, np.array([[0.75, 0.25]] * 3), group=np.array([0, 1, 7]))
    assert sets.tolist() == [[False, False], [True, False], [True, True]]
    held = conformal.coverage_by(conformal.sets(cut, p, group=y), y, y)
    assert [e.value for e in held.values()] == [1.0, 1.0]


def test_coverage_interval_is_exact():
    inside = np.zeros((10, 2), bool)
    inside[:9, 0] = True
    result = conformal.coverage(inside, np.zeros(10, int))
    exact = stats.binomtest(9, 10).proportion_ci(method="exact")
    assert [result.low, result.high] == pytest.approx([exact.low, exact.high])


def test_risk_control_uses_the_finite_sample_term():
    losses = np.tile([1.0, 0.04], (20, 1))  # (0.8 + 1) / 21 = 0.086
    assert conformal.risk_controlled_threshold(losses, np.array([0.2, 0.8]), 0.09) == 0.8
    assert conformal.risk_controlled_threshold(losses, np.array([0.2, 0.8]), 0.08) is None


def test_malformed_input_is_refused():
    with pytest.raises(ValueError, match="members x cases"):
        decomposition.entropy_parts(np.ones((2, 2)))
    with pytest.raises(ValueError, match="above 0"):
        gaussian.Gaussian(np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="form must be"):
        selective.area(np.ones(1), np.ones(1, int), form="odd")
