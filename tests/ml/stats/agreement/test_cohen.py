import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from ml.stats.agreement.cohen import (
    cohen_kappa,
    cohen_kappa_clustered,
    cohen_kappa_of_ratings,
    two_reader_indices,
)
from ml.stats.agreement.ratings import ratings_of_table
from ml.stats.agreement.weights import custom_weights
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

COHEN_1968 = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
COHEN_1968_APART = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])
FCE_1969 = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
FCE_1969_ALIKE = np.array([[1, 0, 0.4444], [0, 1, 0.6667], [0.4444, 0.6667, 1]])
PARADOX = np.array([[80, 10], [5, 5]])
tables = hnp.arrays(np.int64, st.integers(2, 4).map(lambda k: (k, k)), elements=st.integers(0, 6))


def test_cohen_1968():
    weighted = cohen_kappa(COHEN_1968, custom_weights(disagreement=COHEN_1968_APART))

    assert cohen_kappa(COHEN_1968).kappa.value == pytest.approx(0.492, abs=5e-4)
    assert weighted.kappa.value == pytest.approx(0.348, abs=5e-4)
    # A popular package answers -0.34 to 1.00 here.
    assert (weighted.kappa.low, weighted.kappa.high) == pytest.approx((0.200, 0.496), abs=5e-4)


def test_fleiss_cohen_everitt_1969():
    """Their worked example: kappa .429 (.054, null .060), weighted .507 (.057)."""
    plain = cohen_kappa(FCE_1969)
    weighted = cohen_kappa(FCE_1969, custom_weights(agreement=FCE_1969_ALIKE))

    assert plain.kappa.value == pytest.approx(0.429, abs=5e-4)
    assert plain.se == pytest.approx(0.0537, abs=5e-5)
    assert weighted.kappa.value == pytest.approx(0.507, abs=5e-4)
    assert weighted.se == pytest.approx(0.0570, abs=5e-5)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_value_and_both_errors(table):
    """Value as scikit-learn; the errors by slopes of kappa in each cell, taken numerically."""
    n = table.sum()
    for weights in ("identity", "linear", "quadratic"):
        found = cohen_kappa(table, weights)
        if found.kappa.value is None:
            assert found.kappa.reason
            continue
        first, second = ratings_of_table(table).astype(int).T
        name = None if weights == "identity" else weights
        assert found.kappa.value == pytest.approx(
            cohen_kappa_score(first, second, labels=range(len(table)), weights=name), abs=1e-9
        )
        if found.se is None:
            assert not found.kappa.has_interval
            continue
        assert found.se == pytest.approx(by_slopes(table / n, weights) / np.sqrt(n), abs=1e-5)
        if found.se_null > 1e-6:
            product = np.outer(table.sum(axis=1), table.sum(axis=0)) / n**2
            assert found.se_null == pytest.approx(
                by_slopes(product, weights) / np.sqrt(n), abs=1e-5
            )
            assert found.z == pytest.approx(found.kappa.value / found.se_null)
            assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.z)))


def by_slopes(cells, weights):
    size = len(cells)
    at = np.arange(size) / (size - 1)
    apart = np.abs(at[:, None] - at)
    w = {"identity": apart == 0, "linear": 1 - apart, "quadratic": 1 - apart**2}[weights] * 1.0

    def kappa(p):
        p = p / p.sum()
        chance = p.sum(axis=1) @ w @ p.sum(axis=0)
        return ((w * p).sum() - chance) / (1 - chance)

    slope, step = np.zeros(cells.shape), 1e-6
    for cell in np.ndindex(cells.shape):
        moved = np.zeros(cells.shape)
        moved[cell] = step
        slope[cell] = (kappa(cells + moved) - kappa(cells - moved)) / (2 * step)
    return np.sqrt(max((cells * slope**2).sum() - (cells * slope).sum() ** 2, 0))


def test_interval_and_test_do_not_share_an_error():
    found = cohen_kappa(COHEN_1968)

    assert found.se == pytest.approx(0.0510, abs=5e-5)
    assert found.se_null == pytest.approx(0.0520, abs=5e-5)
    assert found.kappa.high - found.kappa.value == pytest.approx(1.959964 * found.se)


def test_ratings_and_tables_say_the_same():
    ratings = np.vstack([ratings_of_table(COHEN_1968), [[np.nan, 1], [0, np.nan]]])

    assert cohen_kappa_of_ratings(ratings, 3).kappa == cohen_kappa(COHEN_1968).kappa


@pytest.mark.parametrize("table", [np.zeros((2, 2)), np.array([[9, 0], [0, 0]])])
def test_undefined(table):
    found = cohen_kappa(table)

    assert found.kappa.value is None
    assert (found.se, found.se_null, found.z, found.p) == (None, None, None, None)


def test_perfect_agreement_has_a_test_and_no_interval():
    found = cohen_kappa(np.diag([5, 6]))

    assert found.kappa.value == 1
    assert not found.kappa.has_interval
    assert found.p < 0.01


def test_the_paradox_of_feinstein_and_cicchetti():
    """The same 85 % agreement, kappa .70 and .32 (Feinstein, Cicchetti 1990)."""
    balanced, skewed = (two_reader_indices(t) for t in (np.array([[40, 9], [6, 45]]), PARADOX))

    assert balanced.observed.value == skewed.observed.value == 0.85
    assert cohen_kappa(PARADOX).kappa.value == pytest.approx(0.3182, abs=5e-5)
    assert balanced.prevalence_index == pytest.approx(-0.05)
    assert skewed.prevalence_index == pytest.approx(0.75)
    assert skewed.bias_index == pytest.approx(0.05)
    assert skewed.pabak.value == pytest.approx(0.7)
    assert skewed.gwet_ac1.value == pytest.approx(0.8080, abs=5e-5)
    # Kappa from prevalence and bias index and PABAK (Byrt, Bishop, Carlin 1993).
    pi2, bi2 = skewed.prevalence_index**2, skewed.bias_index**2
    assert cohen_kappa(PARADOX).kappa.value == pytest.approx((0.7 - pi2 + bi2) / (1 - pi2 + bi2))
    assert skewed.kappa_max.value == pytest.approx((0.95 - 0.78) / (1 - 0.78))


def test_indices_of_more_answers_and_of_nothing():
    three = two_reader_indices(COHEN_1968)

    assert three.prevalence_index is None
    assert three.pabak.value == pytest.approx(0.55)
    assert three.pabak.low == pytest.approx((3 * three.observed.low - 1) / 2)
    assert three.kappa_max.value == pytest.approx(0.8305, abs=5e-5)
    nothing = two_reader_indices(np.zeros((2, 2)))
    assert nothing.observed.value is nothing.pabak.value is nothing.kappa_max.value is None
    assert two_reader_indices(np.array([[9, 0], [0, 0]])).kappa_max.value is None


def test_clustered_equals_independent_when_every_case_is_alone():
    """Without clusters Yang and Zhou's variance is Fleiss, Cohen and Everitt's, n / (n - 1)."""
    ratings = ratings_of_table(COHEN_1968)
    n = len(ratings)
    for weights in ("identity", "quadratic"):
        alone = cohen_kappa_clustered(ratings, 3, Clusters.singles(n), weights)
        table = cohen_kappa(COHEN_1968, weights)
        assert alone.value == pytest.approx(table.kappa.value)
        assert alone.extra["se"] == pytest.approx(table.se * np.sqrt(n / (n - 1)))
        assert alone.high == pytest.approx(alone.value + 1.959964 * alone.extra["se"])


def test_copies_in_a_cluster_add_nothing(rng):
    once = ratings_of_table(FCE_1969)
    patients = Clusters.of(np.repeat(np.arange(len(once)), 3), "patient")
    copied = np.repeat(once, 3, axis=0)
    closed = cohen_kappa_clustered(copied, 3, patients)
    drawn = cohen_kappa_clustered(
        copied, 3, patients, settings=Settings(draws=400), interval="bootstrap"
    )
    alone = cohen_kappa_clustered(once, 3, Clusters.singles(len(once)))

    assert closed.high - closed.low == pytest.approx(alone.high - alone.low)
    assert drawn.high - drawn.low == pytest.approx(closed.high - closed.low, rel=0.2)
    assert "Yang and Zhou" in closed.method
    with pytest.raises(ValueError, match="interval must be"):
        cohen_kappa_clustered(once, 3, patients, interval="exact")


@pytest.mark.parametrize("rows", [39, 41])
def test_clusters_of_other_rows_are_refused(rows):
    answers = np.tile([[0.0, 0], [1, 1], [0, 1], [1, 1]], (10, 1))
    with pytest.raises(ValueError, match="cluster"):
        cohen_kappa_clustered(answers, 2, Clusters.singles(rows))
