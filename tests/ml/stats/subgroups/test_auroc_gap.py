import numpy as np
import pytest
from scipy import stats

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.interval import NO_SPREAD
from ml.stats.subgroups.auroc_gap import max_auroc_gap
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import auroc_difference

FEW = Settings(draws=400)


@pytest.fixture
def data(rng):
    present = np.arange(240) % 2
    group = np.arange(240) // 80
    lift = np.array([0.7, 0.0, -0.1])[group]
    return rng.random(240) + present * lift, present, Groups.of([f"g{k}" for k in group])


def test_of_three_groups(data):
    scores, present, groups = data
    values = [auroc(scores[groups.rows(k)], present[groups.rows(k)]).value for k in range(3)]
    found = max_auroc_gap(*data, settings=FEW)

    assert found.value == pytest.approx(max(values) - min(values))
    assert (found.extra["highest"], found.extra["lowest"]) == ("g0", "g2")
    assert found.low < found.value < found.high


def test_two_groups_agree_with_the_pairwise_test(data):
    scores, present, groups = data
    two = groups.where(np.arange(160))
    two = Groups(two.codes, two.names[:2])
    found = max_auroc_gap(scores[:160], present[:160], two, settings=Settings(draws=4000))
    pair = auroc_difference(scores[:160], present[:160], two, "g0", "g1")

    assert found.value == pytest.approx(pair.value)
    assert found.extra["p"] == pytest.approx(pair.extra["p"])  # Q with 1 df is z squared
    assert found.extra["q"] == pytest.approx(pair.extra["z"] ** 2)
    assert (found.low, found.high) == pytest.approx((pair.low, pair.high), abs=0.02)


def test_copies_of_a_case_add_nothing(data):
    scores, present, groups = data
    alone = max_auroc_gap(*data, settings=Settings(draws=3000))
    copies = max_auroc_gap(
        np.repeat(scores, 3), np.repeat(present, 3),
        Groups(np.repeat(groups.codes, 3), groups.names),
        Clusters.of(np.repeat(np.arange(240), 3), "patient"), Settings(draws=3000),
    )  # fmt: skip

    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high), abs=1e-9)
    assert copies.extra["q"] == pytest.approx(alone.extra["q"], rel=0.15)
    assert copies.extra["p"] == pytest.approx(stats.chi2.sf(copies.extra["q"], 2))


def test_patients_in_several_groups_share_their_replicates(rng):
    scores, present = rng.random(60), np.arange(60) % 2
    found = max_auroc_gap(
        np.tile(scores, 2), np.tile(present, 2), Groups.of(["a"] * 60 + ["b"] * 60),
        Clusters.of(np.tile(np.arange(60), 2), "patient"), FEW,
    )  # fmt: skip

    assert found.value == 0
    assert not found.has_interval
    assert found.reason == NO_SPREAD


def test_rows_without_a_group(data):
    scores, present, groups = data
    codes = groups.codes.copy()
    codes[::5] = -1
    some = Groups(codes, groups.names)
    kept = np.flatnonzero(codes >= 0)
    plain = max_auroc_gap(scores[kept], present[kept], some.where(kept), settings=FEW)

    assert max_auroc_gap(scores, present, some, settings=FEW) == plain
    assert plain.n == 192


def test_undefined(data):
    scores, present, groups = data
    one_class = np.where(groups.codes == 1, 1, present)
    one_group = Groups(np.zeros(240, dtype=np.int64), ("all",))
    perfect = np.where(groups.codes == 0, present, scores)

    assert "in g1" in max_auroc_gap(scores, one_class, groups, settings=FEW).reason
    assert "two groups" in max_auroc_gap(scores, present, one_group, settings=FEW).reason
    assert max_auroc_gap(perfect, present, groups, settings=FEW).extra["p"] is None


def test_interval_is_that_of_replicates_made_by_hand(rng):
    """30 patients with three cases in two groups; each replicate repeats whole patients."""
    scores, present = rng.random(90), (rng.random(90) < 0.5).astype(int)
    codes = (rng.random(90) < 0.4).astype(int)
    clusters = Clusters.of(np.arange(90) // 3, "patient")
    settings = Settings(draws=200)
    gaps = []
    for counts in np.concatenate(list(draw_counts(30, settings))).astype(int):
        rows = np.repeat(np.arange(90), counts[clusters.codes])
        two = [rows[codes[rows] == group] for group in (0, 1)]
        values = [auroc(scores[chosen], present[chosen]).value for chosen in two]
        gaps.append(abs(values[0] - values[1]))
    found = max_auroc_gap(
        scores, present, Groups(codes.astype(np.int64), ("a", "b")), clusters, settings
    )
    low, high = np.quantile(np.array(gaps) - np.mean(gaps) + found.value, (0.025, 0.975))

    assert (found.low, found.high) == pytest.approx((max(low, 0), high))
    assert found.extra["bootstrap_bias"] == pytest.approx(np.mean(gaps) - found.value)
