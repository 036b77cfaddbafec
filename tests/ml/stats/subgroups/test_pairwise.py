import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.interval import NO_SPREAD
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import (
    auroc_difference,
    newcombe,
    rate_difference,
    share_difference,
)


@pytest.mark.parametrize(
    ("a", "b", "ends"),
    [  # Newcombe 1998, table II, method 10, contrasts (a) to (e)
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_published_intervals(a, b, ends):
    assert newcombe(a[0] / a[1], a[1], b[0] / b[1], b[1], 0.95) == pytest.approx(ends, abs=5e-5)


def test_pooled_z_is_the_root_of_chi_squared(compas):
    found = rate_difference(compas, "tpr", "Black", "White")
    chi2 = stats.chi2_contingency([[1369, 532], [505, 461]], correction=False)

    assert found.value == pytest.approx(1369 / 1901 - 505 / 966)
    assert found.extra["z_pooled"] ** 2 == pytest.approx(chi2.statistic)
    assert found.extra["p"] == pytest.approx(chi2.pvalue)
    back = rate_difference(compas, "tpr", "White", "Black")
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert back.extra["z_pooled"] == -found.extra["z_pooled"]


_counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(_counts, _counts)
def test_the_difference_lies_inside(a, b):
    found = share_difference("d", np.arange(a[1]) < a[0], np.arange(b[1]) < b[0])

    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.extra["p"] is None or 0 <= found.extra["p"] <= 1


def test_copies_in_a_cluster_add_nothing():
    alone = share_difference("d", np.arange(40) < 30, np.arange(40) < 10)
    clusters = Clusters.of(np.repeat(np.arange(40), 5), "patient")
    copies = share_difference(
        "d", np.repeat(np.arange(40) < 30, 5), np.repeat(np.arange(40) < 10, 5), clusters, clusters
    )

    assert copies.value == alone.value
    # 40 · (m - 1) / m: the cluster variance has m - 1 degrees of freedom
    expected = newcombe(0.75, 39, 0.25, 39, 0.95)
    assert (copies.low, copies.high) == pytest.approx(expected)


def test_an_empty_side_and_few_clusters():
    empty = share_difference("d", np.zeros(0, bool), np.ones(3, bool))
    few = Clusters.of(np.arange(40) // 20, "patient")
    refused = share_difference("d", np.arange(40) < 30, np.arange(40) < 10, few, few)

    assert empty.value is None
    assert refused.value == 0.5
    assert "only 2 patients" in refused.reason


def test_unknown_group(compas):
    with pytest.raises(ValueError, match="there are Black, White"):
        rate_difference(compas, "tpr", "Black", "Green")


def _data(rng, n=160):
    present = np.arange(n) % 2
    groups = Groups.of(["a"] * (n // 2) + ["b"] * (n // 2))
    scores = rng.random(n) + present * np.where(np.arange(n) < n // 2, 0.6, 0.2)
    return scores, present, groups


def _naive_variance(scores, present):
    """DeLong's variance by comparing every pair."""
    pairs = scores[present == 1][:, None] > scores[present == 0][None, :]
    a, b = pairs.mean(axis=1), pairs.mean(axis=0)
    return a.var(ddof=1) / a.size + b.var(ddof=1) / b.size


def test_auroc_gap_is_unpaired_delong(rng):
    scores, present, groups = _data(rng)
    found = auroc_difference(scores, present, groups, "a", "b")
    first, second = slice(0, 80), slice(80, 160)
    error = (
        _naive_variance(scores[first], present[first])
        + _naive_variance(scores[second], present[second])
    ) ** 0.5

    assert found.value == pytest.approx(
        auroc(scores[first], present[first]).value - auroc(scores[second], present[second]).value
    )
    assert found.high - found.value == pytest.approx(1.959964 * error, abs=1e-6)
    assert found.extra["z"] == pytest.approx(found.value / error)
    assert found.extra["p"] == pytest.approx(2 * stats.norm.sf(found.value / error))


def test_auroc_gap_with_clusters_across_groups_is_paired(rng):
    """Each patient has a case in both groups with the same score: no replicate has a gap."""
    scores, present = rng.random(60), np.arange(60) % 2
    found = auroc_difference(
        np.tile(scores, 2), np.tile(present, 2), Groups.of(["a"] * 60 + ["b"] * 60), "a", "b",
        Clusters.of(np.tile(np.arange(60), 2), "patient"), Settings(draws=200),
    )  # fmt: skip

    assert found.value == 0
    assert not found.has_interval
    assert found.reason == NO_SPREAD
    assert found.extra["n_clusters"] == 60
    assert found.extra["p"] is None


def test_auroc_gap_without_a_pair_or_a_spread(rng):
    scores, present, groups = _data(rng)
    one_class = np.where(np.arange(160) < 80, present, 0)
    perfect = np.where(np.arange(160) < 80, present, scores)

    assert "b has no pair" in auroc_difference(scores, one_class, groups, "a", "b").reason
    assert "without an error" in auroc_difference(perfect, present, groups, "a", "b").reason


def test_a_group_against_itself_is_refused(random_calls):
    calls = random_calls()
    groups, scores = calls.groups, np.arange(calls.called.size) * 0.1

    with pytest.raises(ValueError, match="name two groups"):
        auroc_difference(scores, calls.present, groups, "g1", "g1")
    with pytest.raises(ValueError, match="name two groups"):
        rate_difference(calls, "tpr", "g1", "g1")


def test_shares_of_0_and_1_are_those_of_booleans_and_of_nothing_else():
    a, b = np.arange(40) < 30, np.arange(40) < 20

    for dtype in (int, np.uint8, float):
        found = share_difference("d", a.astype(dtype), b.astype(dtype))
        assert found == share_difference("d", a, b)
    with pytest.raises(ValueError, match="0 or 1"):
        share_difference("d", np.where(a, np.nan, 0), b)
