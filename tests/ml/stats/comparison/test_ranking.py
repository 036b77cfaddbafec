import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.comparison.ranking import friedman, rank_stability

FEW = Settings(draws=100)
matrices = hnp.arrays(
    float,
    st.tuples(st.integers(1, 12), st.integers(3, 5)),
    elements=st.sampled_from([0.0, 1, 2, 3]),
)


@settings(max_examples=40, deadline=None)
@given(matrices)
def test_friedman_equals_scipy(matrix):
    got = friedman(matrix)
    assert got.mean_ranks.sum() == pytest.approx(sum(range(1, matrix.shape[1] + 1)))
    assert (got.df, got.n) == (matrix.shape[1] - 1, matrix.shape[0])
    if got.chi2 is None:
        assert got.reason
        assert (np.ptp(matrix, axis=1) == 0).all()
        return
    expected = stats.friedmanchisquare(*matrix.T)
    assert (got.chi2, got.p) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_rank_shares_by_hand():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(36, 3)) + np.array([0, 0.2, 0.4])
    codes = np.repeat(np.arange(12), 3)
    got = rank_stability(scores, Clusters.of(codes), FEW)
    counts = np.concatenate(list(draw_counts(12, FEW)))
    drawn = np.array([
        stats.rankdata(-np.repeat(scores, c[codes].astype(int), axis=0).mean(axis=0))
        for c in counts
    ])  # fmt: skip
    ranks = stats.rankdata(-scores.mean(axis=0))
    tau = [stats.kendalltau(ranks, row).statistic for row in drawn]
    assert got.kendall_tau.value == pytest.approx(np.mean(tau))
    assert [got.kendall_tau.low, got.kendall_tau.high] == pytest.approx(
        np.quantile(tau, [0.025, 0.975])
    )
    assert got.kendall_tau.n == 36
    assert got.kendall_tau.extra["n_clusters"] == got.winner_share.extra["n_clusters"] == 12
    assert (got.winner_share.n, got.winner_share.has_interval) == (100, False)
    assert "describes the simulation" in got.winner_share.reason
    assert "over 12 cases, percentile, 100 draws" in got.kendall_tau.method
    assert got.rank_shares[0, 2] == pytest.approx((drawn[:, 0] == 3).mean())
    assert got.winner_share.value == pytest.approx((drawn[:, ranks.argmin()] == 1).mean())
    assert got.rank_shares.sum(axis=1) == pytest.approx(1)


def test_orientation_and_ties():
    scores = np.column_stack([np.zeros(20), np.ones(20)])
    assert rank_stability(scores, settings=FEW).ranks.tolist() == [2, 1]
    assert rank_stability(scores, settings=FEW, higher_is_better=False).ranks.tolist() == [1, 2]
    tied = rank_stability(np.zeros((20, 2)), settings=FEW)
    assert tied.kendall_tau.reason == "Not estimated: the methods tie."
    assert tied.kendall_tau.n == 20
    untied = rank_stability(scores, settings=FEW)
    for found in (tied, untied):
        assert found.kendall_tau.convention.startswith("tau-b of a replicate's ranks")
        assert found.winner_share.convention == "share of bootstrap replicates"


@pytest.mark.parametrize("measure", [friedman, rank_stability])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), "expected"),
        (np.zeros((3, 1)), "expected"),
        (np.zeros(3), "expected"),
        (np.zeros((3, 2, 2)), "expected"),
        (np.array([[0.0, 1.0], [2.0, np.nan]]), "finite"),
        (np.array([[0.0, 1.0], [2.0, np.inf]]), "finite"),
    ],
)
def test_what_is_no_table_of_methods_is_refused(measure, bad, message):
    with pytest.raises(ValueError, match=message):
        measure(bad)


def test_rounding_breaks_no_tie():
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last digit, as cases and as patients."""
    scores = np.tile([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]], (12, 1))
    patients = Clusters.of(np.arange(36) // 3, "patient")
    assert len(set(patients.sums(scores)[0].tolist())) == 2
    got = rank_stability(scores, patients, FEW)
    assert rank_stability(scores[:3], settings=FEW).ranks.tolist() == [1.5, 1.5]
    assert got.ranks.tolist() == [1.5, 1.5]
    assert got.rank_shares[:, 0].tolist() == [1.0, 1.0]
    assert got.kendall_tau.reason == "Not estimated: the methods tie."


def test_two_methods_that_sometimes_tie():
    """Each wins some cases: a replicate's tau is the sign of its difference, no tau where it ties,
    and where it ties both are first."""
    d = np.repeat([1.0, -1.0, 0.0], [5, 3, 6])
    counts = np.concatenate(list(draw_counts(14, FEW)))
    sign = np.sign(counts @ d)
    assert set(sign.tolist()) == {-1.0, 0.0, 1.0}

    got = rank_stability(np.column_stack([d, np.zeros(14)]), settings=FEW)

    assert got.kendall_tau.value == pytest.approx(sign[sign != 0].mean())
    assert got.winner_share.value == pytest.approx((sign >= 0).mean())
    assert got.rank_shares[0, 0] == pytest.approx((sign >= 0).mean())


def test_methods_that_tie_in_every_replicate_have_no_tau():
    """One draw, and the only case that tells the methods apart is not in it."""
    one = Settings(draws=1)
    missed = int(np.flatnonzero(next(draw_counts(20, one))[0] == 0)[0])
    scores = np.zeros((20, 2))
    scores[missed, 0] = 1.0

    got = rank_stability(scores, settings=one)

    assert got.ranks.tolist() == [1, 2]
    assert got.kendall_tau.reason == "Not estimated: the methods tie in every replicate."
    assert got.kendall_tau.convention.startswith("tau-b of a replicate's ranks")
    assert got.kendall_tau.n == 20


def test_few_units_show_no_range_of_orders():
    got = rank_stability(np.random.default_rng(1).normal(size=(9, 3)), settings=FEW)
    assert got.kendall_tau.value is not None
    assert "only 9 cases" in got.kendall_tau.reason


def test_a_winner_may_share_its_place_and_order_of_methods_is_free():
    scores = np.tile([[1.0, 1.0, 0.0]], (20, 1))
    got = rank_stability(scores, settings=FEW)
    assert got.winner_share.value == 1.0
    assert got.ranks.tolist() == [1.5, 1.5, 3.0]
    assert got.rank_shares[:, 0].tolist() == [1.0, 1.0, 0.0]
    assert got.kendall_tau.value == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(matrices, st.randoms(use_true_random=False))
def test_relabelled_methods_keep_their_ranks(matrix, random):
    order = random.sample(range(matrix.shape[1]), matrix.shape[1])
    one, two = (rank_stability(m, settings=FEW) for m in (matrix, matrix[:, order]))
    assert two.ranks.tolist() == one.ranks[order].tolist()
    assert two.rank_shares == pytest.approx(one.rank_shares[order])
    first, second = friedman(matrix), friedman(np.exp(matrix)[::-1, order])
    assert (first.chi2 is None) == (second.chi2 is None)
    assert first.chi2 is None or first.chi2 == pytest.approx(second.chi2)


def test_ranks_do_not_depend_on_the_unit():
    scores = np.random.default_rng(4).normal(size=(30, 3))
    found = [rank_stability(scores * unit, settings=Settings(draws=50)) for unit in (1, 1e-20)]
    assert found[0].ranks.tolist() == found[1].ranks.tolist()
    assert (found[0].rank_shares == found[1].rank_shares).all()
    with pytest.raises(ValueError, match="draws"):
        rank_stability(scores, settings=Settings(draws=0))
