"""Slices beyond their mix: what strata change in the search and in the effect."""

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import newcombe
from ml.stats.subgroups.slices import slice_effect, worst_slices

FEW = Settings(draws=199)


def hard_and_easy(rng, n=400, gap=0.6):
    """A column that is nothing but the mix: nine in ten of its level "x" are hard."""
    x = rng.random(n) < 0.3
    hard = rng.random(n) < np.where(x, 0.9, 0.1)
    wrong = rng.random(n) < np.where(hard, 0.05 + gap, 0.05)
    return wrong, {"x": Groups.of(["x" if one else "y" for one in x])}, Groups(
        hard.astype(np.int64), ("easy", "hard")
    )  # fmt: skip


def test_the_effect_is_that_of_others_with_the_same_mix(rng):
    wrong, columns, strata = hard_and_easy(rng)
    inside, hard = columns["x"].codes == columns["x"].names.index("x"), strata.codes == 1
    found = slice_effect(wrong, inside, strata=strata)
    share = hard[inside].mean()
    p = {(a, b): wrong[(inside == a) & (hard == b)].mean() for a in (0, 1) for b in (0, 1)}
    n = {(a, b): ((inside == a) & (hard == b)).sum() for a in (0, 1) for b in (0, 1)}
    expected = share * p[0, 1] + (1 - share) * p[0, 0]

    assert found.extra["expected"] == pytest.approx(expected)
    assert found.value == pytest.approx(wrong[inside].mean() - expected)
    below = above = 0.0
    for at, weight in ((1, share), (0, 1 - share)):
        low, high = newcombe(p[1, at], n[1, at], p[0, at], n[0, at], 0.95)
        below += (weight * (p[1, at] - p[0, at] - low)) ** 2
        above += (weight * (high - p[1, at] + p[0, at])) ** 2
    assert found.low == pytest.approx(found.value - below**0.5)
    assert found.high == pytest.approx(found.value + above**0.5)
    assert found.convention.endswith(
        "minus outside, the outside weighted to the strata of the slice"
    )


def test_one_stratum_changes_nothing(rng):
    wrong, columns, _ = hard_and_easy(rng)
    inside = columns["x"].codes == 0
    one = Groups(np.zeros(wrong.size, dtype=np.int64), ("all",))
    plain, same = slice_effect(wrong, inside), slice_effect(wrong, inside, strata=one)

    assert (same.value, same.low, same.high) == pytest.approx((plain.value, plain.low, plain.high))
    searched = [
        worst_slices(wrong, columns, settings=FEW, strata=strata).slices[0]
        for strata in (None, one)
    ]
    assert searched[0].p == searched[1].p
    assert searched[0].statistic == searched[1].statistic


def test_nothing_but_mix_beats_chance_at_the_stated_rate(rng):
    """Without strata the same column is found every time."""
    by_mix = beyond = 0
    for _ in range(100):
        wrong, columns, strata = hard_and_easy(rng)
        settings = Settings(draws=99)
        plain = worst_slices(wrong, columns, settings=settings, confirm=False)
        fair = worst_slices(wrong, columns, settings=settings, confirm=False, strata=strata)
        by_mix += plain.slices[0].p <= 0.05
        beyond += bool(fair.slices) and fair.slices[0].p <= 0.05
    assert by_mix == 100
    assert beyond <= 12  # 5 expected


def test_the_score_is_observed_minus_expected_over_its_spread(rng):
    wrong, columns, strata = hard_and_easy(rng)
    found = worst_slices(wrong, columns, settings=FEW, strata=strata, keep=9)
    for one in found.slices:
        inside = np.isin(np.arange(wrong.size), one.rows)
        beyond = variance = 0.0
        for at in (0, 1):
            rows = strata.codes == at
            big, m = rows.sum(), (rows & inside).sum()
            beyond += wrong[rows & inside].sum() - m * wrong[rows].mean()
            variance += wrong[rows].var(ddof=1) * m * (big - m) / big
        assert one.statistic == pytest.approx(beyond / variance**0.5, abs=1e-4)


def test_clusters_are_dealt_among_those_of_equal_composition(rng):
    """Every cluster of one class only: dealing must not mix them."""
    wrong, columns, strata = hard_and_easy(rng)
    clusters = Clusters.of(np.arange(wrong.size), "case")
    pairs = Clusters.of(np.arange(wrong.size) // 2, "patient")
    alone = worst_slices(wrong, columns, clusters, FEW, strata=strata)
    paired = worst_slices(wrong, columns, pairs, FEW, strata=strata)

    assert alone.slices[0].p == worst_slices(wrong, columns, None, FEW, strata=strata).slices[0].p
    assert "200 patients" in paired.method


def test_other_losses_are_weighted_too(rng):
    _, columns, strata = hard_and_easy(rng)
    inside, hard = columns["x"].codes == 0, strata.codes == 1
    loss = np.where(hard, 2.0, 0.5) + 0.1 * rng.random(hard.size)
    found = slice_effect(loss, inside, settings=FEW, strata=strata)

    assert abs(found.value) < 0.05 < abs(loss[inside].mean() - loss[~inside].mean())
    assert found.low < found.value < found.high


def test_a_slice_that_holds_a_whole_stratum_is_not_compared():
    x = np.arange(100) < 40
    strata = Groups((np.arange(100) < 30).astype(np.int64), ("easy", "hard"))
    wrong = np.arange(100) % 3 == 0

    assert "no case outside" in slice_effect(wrong, x, strata=strata).reason
    column = {"x": Groups.of(["x" if one else "y" for one in x])}
    found = worst_slices(wrong, column, settings=FEW, strata=strata)
    assert all(one.conditions != (("x", "x"),) for one in found.slices)


def test_strata_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="strata"):
        slice_effect(np.zeros(4), np.array([1, 1, 0, 0]), strata=Groups.of(["a"]))
    with pytest.raises(ValueError, match="strata"):
        worst_slices(np.arange(4) % 2, {}, strata=Groups.of(["a", "a", None, "b"]))


def test_the_interval_of_other_losses_weighs_the_strata(rng):
    inside, hard = np.arange(600) % 3 == 0, np.arange(600) < 450
    loss = np.where(hard, 2.0, 0.5) + rng.random(600)
    strata = Groups(hard.astype(np.int64), ("easy", "hard"))
    found = slice_effect(loss, inside, settings=Settings(draws=999), strata=strata)

    variance = 0.0
    for stratum in (hard, ~hard):
        weight = (stratum & inside).sum() / inside.sum()
        for side in (stratum & inside, stratum & ~inside):
            variance += weight**2 * loss[side].var() / side.sum()
    assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.15)


@pytest.mark.parametrize("loss", [np.zeros(3), np.array([0.0, 1.0, np.nan, 0.0])])
def test_losses_of_other_rows_and_none_at_all_are_refused(loss):
    with pytest.raises(ValueError, match="finite"):
        slice_effect(loss, np.array([1, 1, 0, 0]))
