import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.bland_altman import bland_altman
from ml.stats.agreement.bland_altman_replicates import bland_altman_replicates, within_subject_sd
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


def naive_constant(a, b):
    """Bland and Altman (1999), equations of section 5.2, case by case."""
    away = np.array([np.nanmean(x) - np.nanmean(y) for x, y in zip(a, b, strict=True)])
    variance = away.var(ddof=1)
    for values in (a, b):
        kept = [row[~np.isnan(row)] for row in values]
        df = sum(row.size - 1 for row in kept)
        within = sum(((row - row.mean()) ** 2).sum() for row in kept) / max(df, 1)
        variance += (1 - np.mean([1 / row.size for row in kept])) * within
    return away.mean(), np.sqrt(variance)


def naive_linked(a, b):
    """Bland and Altman (2007), section 3: one-way analysis of variance of the differences."""
    kept = [row[~np.isnan(row)] for row in a - b]
    every = np.concatenate(kept)
    n, m = len(kept), np.array([row.size for row in kept])
    between = sum(row.size * (row.mean() - every.mean()) ** 2 for row in kept) / (n - 1)
    within = sum(((row - row.mean()) ** 2).sum() for row in kept) / (every.size - n)
    m0 = (m.sum() ** 2 - (m**2).sum()) / ((n - 1) * m.sum())
    return every.mean(), np.sqrt(within + (between - within) / m0)


@pytest.fixture
def replicates(rng):
    true = rng.normal(size=(24, 1)) * 3
    a = true + rng.normal(size=(24, 3)) * 0.5
    b = true + 1 + rng.normal(size=(24, 3)) + 0.4 * rng.normal(size=(24, 1))
    a[3, 2] = a[4, 1] = b[5, 0] = np.nan
    return a, b


def test_blood_pressure_of_bland_and_altman(reference):
    """Section 5.1: observer J and machine S, bias -15.62, SD 20.95, limits -56.68 and 25.44."""
    known = reference("agree-bland-altman1999-sbp-JS")
    found = bland_altman_replicates(
        np.array(known.input["a"], float), np.array(known.input["b"], float), "constant"
    )

    assert found.bias.value == pytest.approx(-15.62, abs=0.005)
    assert found.sd.value == pytest.approx(20.95, abs=0.005)
    assert [found.lower.value, found.upper.value] == pytest.approx([-56.68, 25.44], abs=0.005)
    # the paper: within-subject SDs of the square roots of 37.408 and 83.141
    assert found.within_a.value == pytest.approx(37.408**0.5, abs=0.005)
    assert found.within_b.value == pytest.approx(83.141**0.5, abs=0.005)


@pytest.mark.parametrize(
    ("design", "naive"), [("constant", naive_constant), ("linked", naive_linked)]
)
def test_against_the_formulas(replicates, design, naive):
    found = bland_altman_replicates(*replicates, design)
    bias, sd = naive(*replicates)

    assert found.bias.value == pytest.approx(bias)
    assert found.sd.value == pytest.approx(sd)
    assert found.upper.value == pytest.approx(bias + 1.96 * sd)
    assert found.lower.value == pytest.approx(bias - 1.96 * sd)


@pytest.mark.parametrize("design", ["constant", "linked"])
def test_one_replicate_is_the_plain_analysis(replicates, design):
    a, b = replicates[0][:, :1], replicates[1][:, 1:2]
    found, plain = bland_altman_replicates(a, b, design), bland_altman(a[:, 0], b[:, 0])

    assert found.sd.value == pytest.approx(plain.sd.value)
    assert [found.bias.low, found.bias.high] == pytest.approx([plain.bias.low, plain.bias.high])
    assert [found.sd.low, found.sd.high] == pytest.approx([plain.sd.low, plain.sd.high])
    assert found.within_a.value is None


@pytest.mark.parametrize("design", ["constant", "linked"])
def test_mover_is_near_the_exact_interval_of_one_replicate(replicates, design):
    a, b = replicates[0][:, :1], replicates[1][:, 1:2]
    found, exact = bland_altman_replicates(a, b, design).upper, bland_altman(a[:, 0], b[:, 0]).upper

    assert [found.low, found.high] == pytest.approx([exact.low, exact.high], abs=0.1)


@pytest.mark.parametrize("design", ["constant", "linked"])
def test_mover_covers(design):
    """300 samples of 20 cases with two replicates each."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        true = rng.normal(size=(20, 1)) * 3
        a = true + rng.normal(size=(20, 2))
        b = true + rng.normal(size=(20, 1)) + rng.normal(size=(20, 2))
        upper = bland_altman_replicates(a, b, design).upper
        covered.append(upper.low < 1.96 * 3**0.5 < upper.high)

    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize(
    ("design", "naive"), [("constant", naive_constant), ("linked", naive_linked)]
)
def test_the_interval_of_clusters_is_a_jackknife(replicates, design, naive):
    a, b = replicates
    found = bland_altman_replicates(a, b, design, Clusters.of(np.arange(24) // 2), FEW)
    rows = [np.delete(np.arange(24), [2 * unit, 2 * unit + 1]) for unit in range(12)]
    left = np.array([naive(a[r], b[r]) for r in rows])

    def half(numbers):
        return stats.t.ppf(0.975, 11) * np.sqrt(11 * np.var(numbers))

    for found_one, numbers in (
        (found.bias, left[:, 0]),
        (found.upper, left @ [1, 1.96]),
        (found.lower, left @ [1, -1.96]),
    ):
        ends = [found_one.value - half(numbers), found_one.value + half(numbers)]
        assert [found_one.low, found_one.high] == pytest.approx(ends)
    factor = np.exp(half(np.log(left[:, 1])))
    assert [found.sd.low, found.sd.high] == pytest.approx(
        [found.sd.value / factor, found.sd.value * factor]
    )


def test_within_subject_sd(rng):
    values = rng.normal(size=(20, 2))
    found = within_subject_sd(values)
    pooled = np.sqrt(((values[:, 0] - values[:, 1]) ** 2 / 2).mean())

    assert found.value == pytest.approx(pooled)
    assert [found.low, found.high] == pytest.approx(
        pooled * np.sqrt(20 / stats.chi2.ppf([0.975, 0.025], 20))
    )
    assert found.extra["repeatability"] == pytest.approx(1.96 * 2**0.5 * pooled)
    assert "10 cases" in within_subject_sd(values, Clusters.of(np.arange(20) // 2), FEW).method
    assert within_subject_sd(np.ones((5, 2))).reason.startswith("No interval")
    assert within_subject_sd(np.ones((5, 1))).reason.startswith("Not estimated")


def test_a_pair_with_one_number_missing_is_no_pair(replicates):
    a, b = (x.copy() for x in replicates)
    b[3, 2] = b[4, 1] = a[5, 0] = np.nan

    assert (bland_altman_replicates(a, b, "linked").sd.value
            == bland_altman_replicates(*replicates, "linked").sd.value)  # fmt: skip
    # the half that is left belongs to no pair, and not to the replicates of its method either
    assert bland_altman_replicates(*replicates, "linked").within_a.value == pytest.approx(
        within_subject_sd(np.where(np.isnan(b), np.nan, a)).value
    )
    assert bland_altman_replicates(a, b, "constant").sd.value != pytest.approx(
        bland_altman_replicates(*replicates, "constant").sd.value, rel=1e-9
    )


def test_equal_replicates_and_few_cases():
    same = bland_altman_replicates(np.ones((12, 2)), np.zeros((12, 2)), "linked")

    assert (same.bias.value, same.sd.value) == (1, 0)
    assert not same.upper.has_interval
    one = bland_altman_replicates(np.ones((1, 2)), np.zeros((1, 2)), "constant")
    assert one.upper.value is None


def test_refusals(replicates):
    a, b = replicates
    with pytest.raises(ValueError, match="design must be"):
        bland_altman_replicates(a, b, "paired")
    with pytest.raises(ValueError, match="same cases"):
        bland_altman_replicates(a, b[:3], "constant")
    with pytest.raises(ValueError, match="same cases"):
        bland_altman_replicates(a, b[:, :2], "linked")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.sampled_from(["constant", "linked"]))
def test_never_nan_and_mirrored_when_swapped(seed, n, design):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 3, size=(2, n, 3)).astype(float)
    a[rng.random(a.shape) < 0.3] = np.nan
    one, other = (bland_altman_replicates(*pair, design) for pair in ((a, b), (b, a)))
    if one.bias.value is None:
        assert one.bias.reason
    else:
        assert one.upper.value == pytest.approx(-other.lower.value)
        if one.upper.has_interval:
            assert one.upper.high == pytest.approx(-other.lower.low)
        else:
            assert one.upper.reason
