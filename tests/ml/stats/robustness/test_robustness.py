import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.robustness import corruption_error as ce
from ml.stats.robustness import degradation as dg

FEW = Settings(draws=100)
OWN, BASE = {"a": [0.1, 0.3], "b": [0.2, 0.4]}, {"a": [0.2, 0.6], "b": [0.3, 0.3]}


def test_corruption_errors_by_hand():
    got = ce.corruption_error(OWN, BASE)
    assert [got.each[k].value for k in "ab"] == pytest.approx([0.5, 1.0])
    assert got.mean.value == pytest.approx(0.75)
    relative = ce.relative_corruption_error(OWN, BASE, 0.1, 0.2)
    assert [relative.each[k].value for k in "ab"] == pytest.approx([0.2 / 0.4, 0.4 / 0.2])
    assert ce.mean_corruption_error(OWN).value == pytest.approx(0.25)


def test_denominator_near_zero_is_undefined():
    got = ce.relative_corruption_error(OWN, BASE, 0.1, 0.3)
    assert got.each["b"].value is None
    assert got.mean.value is None
    assert "b" in got.mean.reason
    assert ce.corruption_error({"a": [0.1]}, {"a": [0.0]}).each["a"].value is None
    with pytest.raises(ValueError, match=r"in 0\.\.1"):
        ce.corruption_error({"a": [10.0]}, {"a": [0.5]})
    with pytest.raises(ValueError, match="corruptions"):
        ce.corruption_error(OWN, {"a": [0.1, 0.2]})


def test_robustness_auc():
    assert ce.relative_robustness_auc([0.2, 0.2], 0.2).value == pytest.approx(1)
    assert ce.relative_robustness_auc([0.2, 0.4], 0.0).value == pytest.approx((0.9 + 0.7) / 2)
    assert ce.relative_robustness_auc([1.0], 1.0).value is None


def test_degradation_is_the_paired_difference():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), 2)
    clean = rng.uniform(size=40)
    corrupt = clean - rng.uniform(0, 0.2, size=40)
    got = dg.degradation(clean, corrupt, Clusters.of(codes), FEW)
    draws = np.concatenate(list(draw_counts(20, FEW)))[:, codes]
    means = draws @ (clean - corrupt) / draws.sum(axis=1)
    assert got.value == pytest.approx((clean - corrupt).mean())
    assert got.value > 0
    assert [got.low, got.high] == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_first_breakdown_needs_the_whole_interval():
    ones, at = np.ones(100), np.arange(100)
    rows = np.stack([ones * (at >= lost) for lost in (0, 12, 40)])
    got = dg.first_breakdown(ones, rows, 0.1, settings=FEW)
    assert got.first == 3
    assert got.losses[1].low < 0.1 < got.losses[1].value
    none = dg.first_breakdown(ones, rows[:1], 0.1, settings=FEW)
    assert none.first is None
    assert "without an interval" in none.reason


def test_a_breakdown_is_one_of_whole_patients():
    """Cases alone would show the loss; of four patients nothing is shown."""
    ones, row = np.ones(100), (np.arange(100) % 5 > 2).astype(float)
    assert dg.first_breakdown(ones, row[None], 0.1, settings=FEW).first == 1
    few = dg.first_breakdown(ones, row[None], 0.1, Clusters.of(np.arange(100) // 25), FEW)
    assert few.first is None
    assert "1 without an interval" in few.reason


def test_a_loss_that_may_be_nothing_does_not_cross_a_margin_of_nothing():
    """One case of twenty lost: a third of the draws leave it out."""
    got = dg.first_breakdown(np.ones(20), np.r_[0.0, np.ones(19)][None], 0.0, settings=FEW)
    assert got.losses[0].low == 0.0
    assert got.first is None
    with pytest.raises(ValueError, match="margin"):
        dg.first_breakdown(np.ones(20), np.ones((1, 20)), -0.1)


def test_flips_mdg_and_monotone():
    assert dg.flip_rate(np.array([0, 1, 2]), np.array([0, 2, 1])).value == pytest.approx(2 / 3)
    corrupt = {"x": np.array([[0.5, 0.5]]), "y": np.array([[1.0, 1.0], [0.8, 0.6]])}
    assert dg.mean_degradation(np.ones(2), corrupt).value == pytest.approx((0.5 + 0.15) / 2)
    assert dg.monotone_distortion([[0.1], [0.2]]).grows
    # The severities of MedMNIST-C's black corner, not in order.
    assert dg.monotone_distortion([[1.1], [1.05], [1.0], [0.9], [0.95]]).offending == (2, 3, 4)
    assert dg.monotone_distortion([[0.1], [0.1]]).spearman is None


def test_intervals_of_flips_and_mdg_draw_clusters():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(14), 3)
    clusters = Clusters.of(codes)
    draws = np.concatenate(list(draw_counts(14, FEW)))[:, codes]
    before, after = rng.integers(0, 2, size=(2, 42, 4))
    loss = rng.uniform(size=42)
    for got, each in (
        (dg.flip_rate(before, after, clusters, FEW), (before != after).mean(axis=1)),
        (dg.mean_degradation(np.ones(42), {"x": 1 - loss[None]}, clusters, FEW), loss),
    ):
        assert got.value == pytest.approx(each.mean())
        means = draws @ each / draws.sum(axis=1)
        assert [got.low, got.high] == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_spearman_of_distortion_has_its_sign():
    assert dg.monotone_distortion([[1.0], [2.0], [4.0]]).spearman == pytest.approx(1)
    assert dg.monotone_distortion([[4.0], [2.0], [1.0]]).spearman == pytest.approx(-1)
    assert dg.monotone_distortion([[1.0], [1.0], [2.0]]).offending == (2,)
    # The mean grows, .5 to .55, though the worst image gets better.
    several = dg.monotone_distortion([[0.1, 0.9], [0.5, 0.6]])
    assert several.steps == pytest.approx([0.05])
    assert several.spearman == pytest.approx(1)


def test_one_undefined_corruption_leaves_the_mean_undefined_and_the_others_not():
    got = ce.corruption_error({"a": [0.1], "b": [0.2]}, {"a": [0.0], "b": [0.4]})
    assert got.mean.value is None
    assert got.each["b"].value == 0.5
    assert ce.relative_robustness_auc([0.6, 0.8], 0.5).value == pytest.approx(
        (0.45 + 0.3) / 2 / 0.5
    )


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, np.nan])] * 2), max_size=15),
    st.randoms(use_true_random=False),
)
def test_losses_never_raise_and_do_not_know_the_order_of_cases(pairs, random):
    clean, corrupt = np.array(pairs).reshape(-1, 2).T
    got = dg.degradation(clean, corrupt, settings=FEW)
    assert (got.value is None) == bool(np.isnan(clean - corrupt).all())
    mixed = np.array(random.sample(pairs, len(pairs))).reshape(-1, 2).T
    again = dg.degradation(*mixed, settings=FEW)
    assert got.value is None or got.value == pytest.approx(again.value)
    assert got.has_interval or got.reason


def test_a_missing_decision_is_no_flip():
    before, after = np.array([0.0, 1, np.nan, 1]), np.array([0.0, 0, np.nan, np.nan])
    got = dg.flip_rate(before, after)
    assert (got.value, got.n, got.extra["n_undefined"]) == (0.5, 2, 2)
    frames = dg.flip_rate(np.array([[0.0, np.nan], [1, 1]]), np.array([[1.0, 1], [1, 0]]))
    assert frames.value == 0.75
