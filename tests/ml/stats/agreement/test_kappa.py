import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import cohen_kappa_score

from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss, pairwise_kappa
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from tests.ml.stats.agreement.test_krippendorff import FEW, rating_tables

TABLES = ("agree-cohen1968", "agree-fce1969", "agree-ms-winnipeg", "agree-ms-neworleans")


def ratings_of(table):
    """Two readers from their contingency table."""
    rows = [
        (a, b) for a, row in enumerate(table) for b, number in enumerate(row) for _ in range(number)
    ]
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("case", ["agree-fleiss1971-diagnoses", "agree-irr-video"])
def test_fleiss_conger_and_light_as_published(reference, case):
    known = reference(case)
    ratings = known.ratings - 1

    assert kappa_fleiss(ratings, 5, settings=FEW).value == pytest.approx(
        known.value("fleiss_kappa"), abs=1e-9
    )
    assert kappa_conger(ratings, 5, settings=FEW).value == pytest.approx(
        known.value("conger_kappa_exact"), abs=1e-9
    )
    assert pairwise_kappa(ratings, 5, "identity", settings=FEW).mean.value == pytest.approx(
        known.value("light_kappa"), abs=1e-9
    )


def test_with_answers_missing_as_in_gwet(reference):
    known = reference("agree-krippendorff-canonical")
    ratings = known.ratings - 1

    assert kappa_fleiss(ratings, 5).value == pytest.approx(
        known.value("fleiss_kappa_gwet", weights="unweighted"), abs=1e-9
    )
    assert kappa_conger(ratings, 5).value == pytest.approx(
        known.value("conger_kappa", weights="unweighted"), abs=1e-9
    )


@pytest.mark.parametrize("case", TABLES)
def test_cohen_of_published_tables(reference, case):
    known = reference(case)
    ratings = ratings_of(known.input["table"])
    size = len(known.input["table"])

    pairs = pairwise_kappa(ratings, size, "identity", settings=FEW)

    expected = known.value("cohen_kappa", weights="unweighted")
    assert pairs.mean.value == pytest.approx(expected, abs=1e-9)
    assert kappa_conger(ratings, size, settings=FEW).value == pytest.approx(expected, abs=1e-9)
    assert pairs.n[0, 1] == len(ratings)


@pytest.mark.parametrize("case", TABLES[2:])
@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_cohen_of_published_tables(reference, case, weights):
    known = reference(case)
    ratings = ratings_of(known.input["table"])

    assert pairwise_kappa(ratings, 4, weights, settings=FEW).mean.value == pytest.approx(
        known.value("cohen_kappa", weights=weights), abs=1e-9
    )


@pytest.mark.parametrize("weights", ["identity", "linear", "quadratic"])
@given(ratings=rating_tables)
def test_pairs_equal_scikit_learn(weights, ratings):
    pairs = pairwise_kappa(ratings, 4, weights, settings=FEW)

    for a, b, estimate in pairs.pairs:
        both = ~np.isnan(ratings[:, a]) & ~np.isnan(ratings[:, b])
        first, second = ratings[both, a].astype(int), ratings[both, b].astype(int)
        if estimate.value is None:
            assert np.unique(np.concatenate([first, second])).size <= 1
            continue
        assert estimate.value == pytest.approx(
            cohen_kappa_score(
                first, second, labels=range(4), weights=None if weights == "identity" else weights
            )
        )


@given(rating_tables)
def test_fleiss_does_not_know_readers(ratings):
    turned = np.array([np.roll(row, at) for at, row in enumerate(ratings)])
    once, again = (kappa_fleiss(table, 4, settings=FEW).value for table in (ratings, turned))

    assert (once is None) == (again is None)
    if once is not None:
        assert again == pytest.approx(once)


def test_replicates_are_kappas_of_the_drawn_clusters(rng):
    """Through the interval: percentiles of the kappas of cases drawn one by one."""
    ratings = rng.integers(0, 3, (60, 3)).astype(float)
    clusters, settings = Clusters.of(rng.integers(0, 20, 60), "patient"), Settings(draws=200)
    counts = np.concatenate(list(draw_counts(clusters.count, settings)))
    drawn = [np.repeat(np.arange(60), row[clusters.codes].astype(int)) for row in counts]

    for measure in (kappa_fleiss, kappa_conger):
        estimate = measure(ratings, 3, clusters, settings)
        values = [measure(ratings[rows], 3, settings=Settings(draws=1)).value for rows in drawn]
        low, high = np.quantile(values, (0.025, 0.975))
        assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_reader_who_never_answered_is_not_counted(rng):
    ratings = rng.integers(0, 3, (30, 2)).astype(float)
    silent = np.column_stack([ratings, np.full(30, np.nan)])

    assert kappa_conger(silent, 3).value == pytest.approx(kappa_conger(ratings, 3).value)


@pytest.mark.parametrize("measure", [kappa_fleiss, kappa_conger])
def test_equal_answers_are_undefined(measure):
    estimate = measure(np.ones((20, 3)), 3)

    assert estimate.value is None
    assert "all answers are equal" in estimate.reason


@pytest.mark.parametrize("measure", [kappa_fleiss, kappa_conger])
def test_one_case_gives_no_interval(measure):
    estimate = measure(np.array([[0, 1.0]]), 2)

    assert not estimate.has_interval


def test_pair_without_a_common_case():
    ratings = np.array([[0, 0, np.nan], [1, np.nan, 1], [np.nan, 1, 1], [1, 1, np.nan]])
    ratings[1, 2] = np.nan
    pairs = pairwise_kappa(ratings, 2, "identity")

    apart = next(one for a, b, one in pairs.pairs if (a, b) == (0, 2))
    assert apart.value is None
    assert "share no case" in apart.reason
    assert np.isnan(pairs.values[0, 2])


def test_perfect_agreement_has_no_interval():
    ratings = np.repeat([0.0, 1, 2] * 5, 2).reshape(15, 2)
    pairs = pairwise_kappa(ratings, 3, "linear")

    for estimate in (pairs.mean, pairs.pairs[0][2], kappa_fleiss(ratings, 3)):
        assert estimate.value == 1
        assert not estimate.has_interval
        assert estimate.reason.startswith("No interval")


def test_each_kappa_has_its_own_chance_term():
    """Two readers of unequal habits: Conger is Cohen's kappa, Fleiss is Scott's pi."""
    ratings = ratings_of([[20, 15], [2, 13]])
    first, second = ratings.T.astype(int)
    share = (35 + 22) / 100

    assert kappa_conger(ratings, 2, settings=FEW).value == pytest.approx(
        cohen_kappa_score(first, second)
    )
    chance = share**2 + (1 - share) ** 2
    assert kappa_fleiss(ratings, 2, settings=FEW).value == pytest.approx(
        (33 / 50 - chance) / (1 - chance)
    )


@pytest.mark.parametrize("wrong", [4, -1, 0.5, np.inf])
def test_pairwise_kappa_refuses_answers_that_are_not_declared(wrong):
    ratings = np.array([[0.0, 1], [1, 1], [2, 0], [wrong, 0]])
    with pytest.raises(ValueError, match="codes"):
        pairwise_kappa(ratings, 3)


@pytest.mark.parametrize("pairs", [((0, 2),), ((-1, 0),), ((1, 1),)])
def test_pairwise_kappa_refuses_pairs_that_are_not_two_columns(pairs):
    with pytest.raises(ValueError, match="pairs"):
        pairwise_kappa(np.zeros((4, 2)), 3, chosen=pairs)
