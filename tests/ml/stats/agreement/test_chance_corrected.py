import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.chance_corrected import IDS, chance_corrected, deviations, frame
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.weights import FAMILIES, agreement_weights
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from tests.ml.stats.agreement.test_krippendorff import FEW, rating_tables

NAN = np.nan
# Krippendorff (2011), table of four observers and twelve units.
CANONICAL = (
    np.array(
        [
            [1, 1, NAN, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
            [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NAN, 5, 5, 5], [NAN, NAN, 1, 1],
            [NAN, NAN, 3, NAN],
        ]
    )
    - 1
)  # fmt: skip
NEEDS_TWO = ("conger", "krippendorff", "fleiss", "gwet_ac", "brennan_prediger")


@pytest.mark.parametrize(
    ("coefficient", "value"),
    [
        ("percent_agreement", 0.818),
        ("brennan_prediger", 0.7727),
        ("gwet_ac", 0.7754),
        ("fleiss", 0.7612),
        ("conger", 0.7628),
        ("krippendorff", 0.7434),
    ],
)
def test_published_with_answers_missing(coefficient, value):
    """Gwet (2014), table 2.12 and following, the data of Krippendorff (2011)."""
    assert chance_corrected(CANONICAL, coefficient, 5).value == pytest.approx(value, abs=6e-4)


def by_definition(ratings, coefficient, size, weights):
    """Pairs of readers one by one."""
    w = agreement_weights(size, weights).table
    cases = [row[~np.isnan(row)].astype(int) for row in ratings]
    many = [row for row in cases if row.size > 1]
    observed = np.mean([np.mean([w[a, b] for a, b in itertools.permutations(r, 2)]) for r in many])
    shares = np.mean([np.bincount(row, minlength=size) / row.size for row in cases if row.size], 0)
    if coefficient == "percent_agreement":
        chance = 0.0
    elif coefficient == "brennan_prediger":
        chance = w.mean()
    elif coefficient == "gwet_ac":
        chance = w.sum() * sum(s * (1 - s) for s in shares) / (size * (size - 1))
    elif coefficient == "fleiss":
        chance = sum(shares[a] * shares[b] * w[a, b] for a in range(size) for b in range(size))
    else:
        given = [col[~np.isnan(col)].astype(int) for col in ratings.T]
        own = [np.bincount(col, minlength=size) / col.size for col in given if col.size]
        chance = np.mean([a @ w @ b for a, b in itertools.permutations(own, 2)])
    return (observed - chance) / (1 - chance) if 1 - chance > 1e-9 else None


@pytest.mark.parametrize("coefficient", [name for name in IDS if name != "krippendorff"])
@given(ratings=rating_tables, weights=st.sampled_from(FAMILIES))
@settings(max_examples=30, deadline=None)
def test_equals_its_definition(coefficient, ratings, weights):
    estimate = chance_corrected(ratings, coefficient, 4, weights)

    if not ((~np.isnan(ratings)).sum(axis=1) > 1).any():
        assert estimate.value is None
        assert "two readers" in estimate.reason
        return
    expected = by_definition(ratings, coefficient, 4, weights)
    assert (estimate.value is None) == (expected is None)
    if expected is not None:
        assert estimate.value == pytest.approx(expected, abs=1e-9)


@given(rating_tables)
@settings(max_examples=30, deadline=None)
def test_krippendorff_equals_alpha(ratings):
    for weights, scale in (("identity", "nominal"), ("quadratic", "interval")):
        here = chance_corrected(ratings, "krippendorff", 4, weights).value
        there = alpha(ratings, scale, categories=4, settings=Settings(draws=2)).value

        assert (here is None) == (there is None)
        if here is not None:
            assert here == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize("coefficient", IDS)
@pytest.mark.parametrize("weights", ["identity", "ordinal"])
def test_deviations_are_the_slopes_of_the_value(coefficient, weights, rng):
    """Linearisation: weigh one case a little more, and see how far the value moves."""
    truth = rng.integers(0, 3, 300)
    ratings = np.where(rng.random((300, 4)) < 0.6, truth[:, None], rng.integers(0, 3, (300, 4)))
    found = frame(ratings.astype(float), coefficient, 3, weights)
    sums, n = found.per_case.sum(axis=0), 300
    step = 1e-4
    moved = found.values(sums + step * found.per_case) - found.values(sums - step * found.per_case)
    slopes = moved / (2 * step)
    slopes -= slopes.mean()

    scale = np.abs(slopes).max()
    # Alpha's published linearisation leaves out the correction for the finite pool of answers.
    assert deviations(found) == pytest.approx(
        slopes, abs=(5 / n if "kripp" in coefficient else 1e-5) * scale
    )
    assert deviations(found).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("coefficient", IDS)
def test_interval_and_p_are_of_the_t_distribution(coefficient, rng):
    ratings = rng.integers(0, 3, (40, 3)).astype(float)
    estimate = chance_corrected(ratings, coefficient, 3)
    spread = deviations(frame(ratings, coefficient, 3, "identity"))
    se = np.sqrt(40 / 39 * (spread**2).sum())

    assert estimate.extra["se"] == pytest.approx(se)
    assert estimate.low == pytest.approx(estimate.value - stats.t.ppf(0.975, 39) * se)
    assert estimate.extra["p"] == pytest.approx(2 * stats.t.sf(abs(estimate.value) / se, 39))


def test_interval_is_cut_at_one_and_shrinks_with_a_finite_population():
    ratings = np.array([[0, 0.0]] * 10 + [[1, 1]] * 9 + [[0, 1]])
    open_ended = chance_corrected(ratings, "gwet_ac", 2)
    finite = chance_corrected(ratings, "gwet_ac", 2, population=80)

    assert open_ended.high == 1
    assert finite.extra["se"] == pytest.approx(open_ended.extra["se"] * np.sqrt(0.75))
    assert "population of 80" in finite.method
    with pytest.raises(ValueError, match="population of 5"):
        chance_corrected(ratings, "gwet_ac", 2, population=5)


def test_divisor_of_tables():
    ratings = np.array([[0, 0.0]] * 10 + [[1, 1]] * 9 + [[0, 1]])
    whole, less = (chance_corrected(ratings, "fleiss", 2, divisor=d) for d in ("n", "n-1"))

    assert whole.extra["se"] == pytest.approx(less.extra["se"] * np.sqrt(19 / 20))


@pytest.mark.parametrize("coefficient", NEEDS_TWO)
def test_bootstrap_and_linearised_agree_in_large_samples(coefficient, rng):
    truth = rng.integers(0, 3, 500)
    ratings = np.where(rng.random((500, 4)) < 0.6, truth[:, None], rng.integers(0, 3, (500, 4)))
    ratings = np.where(rng.random((500, 4)) < 0.1, NAN, ratings)
    one = chance_corrected(ratings, coefficient, 3)
    other = chance_corrected(ratings, coefficient, 3, interval="bootstrap")

    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)
    assert other.low == pytest.approx(one.low, abs=0.01)


@pytest.mark.parametrize("coefficient", IDS)
def test_replicates_are_coefficients_of_the_drawn_clusters(coefficient, rng):
    ratings = rng.integers(0, 3, (60, 3)).astype(float)
    clusters, few = Clusters.of(rng.integers(0, 20, 60), "patient"), Settings(draws=100)
    counts = np.concatenate(list(draw_counts(clusters.count, few)))
    drawn = [np.repeat(np.arange(60), row[clusters.codes].astype(int)) for row in counts]
    values = [chance_corrected(ratings[rows], coefficient, 3, "linear").value for rows in drawn]
    estimate = chance_corrected(
        ratings, coefficient, 3, "linear", clusters, few, interval="bootstrap"
    )

    assert (estimate.low, estimate.high) == pytest.approx(
        tuple(np.quantile(values, (0.025, 0.975)))
    )


@pytest.mark.parametrize("coefficient", IDS)
@pytest.mark.parametrize("interval", ["linearised", "bootstrap"])
def test_copies_within_a_cluster_add_nothing(coefficient, interval, rng):
    once = rng.integers(0, 3, (50, 3)).astype(float)
    patients = Clusters.of(np.repeat(np.arange(50), 4), "patient")
    copied = chance_corrected(
        np.repeat(once, 4, axis=0), coefficient, 3, "identity", patients, FEW, interval=interval
    )
    alone = chance_corrected(once, coefficient, 3, interval="linearised")

    assert copied.high - copied.low == pytest.approx(
        alone.high - alone.low, rel=0.02 if interval == "linearised" else 0.3
    )
    assert "50 patients" in copied.method


@pytest.mark.parametrize("coefficient", IDS)
@given(ratings=rating_tables, order=st.permutations(range(4)))
@settings(max_examples=30, deadline=None)
def test_neither_names_of_answers_nor_order_of_readers_matter(coefficient, ratings, order):
    named = np.where(
        np.isnan(ratings), NAN, np.array(order, float)[np.nan_to_num(ratings).astype(int)]
    )
    once = chance_corrected(ratings, coefficient, 4)
    again = chance_corrected(named[::-1, ::-1], coefficient, 4)

    assert (once.value is None) == (again.value is None)
    if once.value is not None:
        assert again.value == pytest.approx(once.value, abs=1e-9)
        assert once.has_interval == again.has_interval
        if once.has_interval:
            assert again.low == pytest.approx(once.low, abs=1e-7)


@pytest.mark.parametrize("coefficient", IDS)
@pytest.mark.parametrize("interval", ["linearised", "bootstrap"])
def test_perfect_agreement_has_a_value_and_no_interval(coefficient, interval):
    ratings = np.repeat([0.0, 1, 2] * 5, 2).reshape(15, 2)
    estimate = chance_corrected(ratings, coefficient, 3, interval=interval)

    assert estimate.value == pytest.approx(1)
    assert not estimate.has_interval
    assert estimate.reason.startswith("No interval")


def test_equal_answers():
    ratings = np.zeros((20, 3))

    for coefficient in ("fleiss", "conger", "krippendorff"):
        assert "all answers are equal" in chance_corrected(ratings, coefficient, 3).reason
    for coefficient in ("gwet_ac", "brennan_prediger", "percent_agreement"):
        assert chance_corrected(ratings, coefficient, 3).value == 1


@pytest.mark.parametrize("coefficient", IDS)
def test_nothing_to_estimate_from(coefficient):
    for ratings in (np.zeros((0, 3)), np.full((4, 3), NAN), np.zeros((4, 1))):
        estimate = chance_corrected(ratings, coefficient, 2)
        assert estimate.value is None
        assert estimate.reason.startswith("Not estimated")


def test_one_declared_answer():
    assert "two answers" in chance_corrected(np.zeros((5, 2)), "gwet_ac", 1).reason


def test_the_number_of_declared_answers_belongs_to_ac1():
    ratings = np.array([[0, 0.0], [1, 1], [0, 1], [1, 1]])

    assert (
        chance_corrected(ratings, "gwet_ac", 2).value
        < chance_corrected(ratings, "gwet_ac", 5).value
    )
    assert (
        chance_corrected(ratings, "fleiss", 2).value == chance_corrected(ratings, "fleiss", 5).value
    )


def test_few_clusters_give_no_interval():
    ratings, few = (
        np.tile([[0.0, 0], [0, 1]], (10, 1)),
        Clusters.of(np.repeat(np.arange(4), 5), "patient"),
    )

    for interval in ("linearised", "bootstrap"):
        estimate = chance_corrected(ratings, "gwet_ac", 2, clusters=few, interval=interval)
        assert "only 4 patients" in estimate.reason


@pytest.mark.parametrize("wrong", [{"interval": "exact"}, {"divisor": "n+1"}])
def test_unknown_options_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        chance_corrected(np.zeros((4, 2)), "fleiss", 2, **wrong)
    with pytest.raises(ValueError, match="coefficient must be"):
        chance_corrected(np.zeros((4, 2)), "kappa", 2)
