import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.stats.explanation import faithfulness as faith
from ml.stats.explanation import localisation as where

numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
maps = st.tuples(
    hnp.arrays(float, (4, 5), elements=numbers), hnp.arrays(int, (4, 5), elements=st.integers(0, 1))
)
AGAINST_MASK = [
    where.pointing_game, where.relevance_mass, where.attribution_localisation,
    where.relevance_rank, where.iou_at_share_of_max, where.best_iou, where.localisation_auroc,
    where.localisation_ap,
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(maps)
def test_maps_against_masks(data):
    s, m = data
    if s.max() <= 0 or not 0 < m.sum() < m.size:
        assert all(measure(s, m).value is None for measure in AGAINST_MASK)
        return
    flat, truth = s.ravel(), m.ravel()
    assert where.localisation_auroc(s, m).value == pytest.approx(roc_auc_score(truth, flat))
    assert where.localisation_ap(s, m).value == pytest.approx(average_precision_score(truth, flat))
    ious = [((s >= t) & (m == 1)).sum() / ((s >= t) | (m == 1)).sum() for t in np.unique(s)]
    assert where.best_iou(s, m).value == pytest.approx(max(ious))
    for measure in AGAINST_MASK:
        assert measure(s, m).value == pytest.approx(measure(s.T, m.T).value)
        assert measure(s * 3, m).value == pytest.approx(measure(s, m).value)


def test_zero_map_has_no_positive_evidence():
    m = np.array([[0, 1]])
    assert "no positive evidence" in where.relevance_mass(np.zeros((1, 2)), m).reason
    assert "no positive evidence" in where.pointing_game(-np.ones((1, 2)), m).reason
    assert where.gini_sparseness(np.zeros(4)).value is None
    assert where.entropy_complexity(np.zeros(4)).value is None


def test_localisation_by_hand():
    s, m = np.array([[0.0, 4.0, 1.0, 3.0]]), np.array([[0, 0, 1, 1]])
    assert where.pointing_game(s, m).value == 0
    assert where.pointing_game(s, m, tolerance=1).value == 1
    assert where.relevance_mass(s, m).value == 0.5
    assert where.attribution_localisation(s, m).value == 1
    assert where.relevance_rank(s, m).value == 0.5
    assert where.iou_at_share_of_max(s, m).value == pytest.approx(1 / 3)
    assert where.best_iou(s, m).value == pytest.approx(2 / 3)


def test_the_tolerance_is_a_distance_as_the_crow_flies():
    s = np.zeros((4, 4))
    s[2, 2] = 1.0
    m = np.zeros((4, 4), int)
    m[1, 1] = 1
    assert where.pointing_game(s, m, tolerance=1.4).value == 0
    assert where.pointing_game(s, m, tolerance=1.42).value == 1


def test_negative_relevance_has_no_mass():
    s, m = np.array([[1.0, 3.0, -9.0]]), np.array([[0, 1, 0]])
    assert where.relevance_mass(s, m).value == 0.75


def test_gini_and_entropy():
    x = np.array([1.0, -2, 3, 6])
    size = np.abs(x)
    naive = np.abs(size[:, None] - size).sum() / (2 * size.size * size.sum())
    assert where.gini_sparseness(x).value == pytest.approx(naive)
    assert where.gini_sparseness(np.ones(5)).value == pytest.approx(0)
    assert where.entropy_complexity(x).value == pytest.approx(stats.entropy(size))


def test_ssim_naive():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 9, 10))
    local = []
    for i in range(9 - 6):
        for j in range(10 - 6):
            x, y = a[i : i + 7, j : j + 7].ravel(), b[i : i + 7, j : j + 7].ravel()
            (vx, cov), (_, vy) = np.cov(x, y)
            top = (2 * x.mean() * y.mean() + 1e-4) * (2 * cov + 9e-4)
            local.append(top / ((x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (vx + vy + 9e-4)))
    assert where.ssim(a, b, 1.0).value == pytest.approx(np.mean(local))
    assert where.rank_similarity(a, -a).value == pytest.approx(-1)


vectors = hnp.arrays(float, 6, elements=st.floats(-3, 3))


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors)
def test_linear_truth_is_complete_and_its_order_is_best(w, x, base):
    truth = faith.linear_truth(w, x, base)
    assert truth.completeness_gap.value == pytest.approx(0, abs=1e-9)
    assert truth.deletion[-1] == pytest.approx(w @ base, abs=1e-9)
    assert truth.insertion[-1] == pytest.approx(w @ x, abs=1e-9)
    other = faith.linear_truth(w, x, base, np.arange(6.0))
    best, random = faith.curve_auc(truth.deletion).value, faith.curve_auc(other.deletion).value
    assert best <= random + 1e-9
    assert faith.curve_auc(truth.insertion).value >= faith.curve_auc(other.insertion).value - 1e-9
    drop = [w @ x - w @ np.where(np.arange(6) == i, base, x) for i in range(6)]
    r = faith.faithfulness(truth.attribution, np.array(drop))
    assert r.value is None or r.value <= 1


def test_faithfulness_against_scipy():
    rng = np.random.default_rng(0)
    a, d = rng.normal(size=(2, 20))
    assert faith.faithfulness(a, d).value == pytest.approx(stats.pearsonr(a, d).statistic)
    got = faith.faithfulness(a, d, how="spearman").value
    assert got == pytest.approx(stats.spearmanr(a, d).statistic)
    assert faith.faithfulness(np.zeros(3), np.arange(3.0)).value is None


def test_small_measures_by_hand():
    assert faith.completeness_gap(np.array([1.0, 1.0]), 5.0, 2.0).value == 1.0
    assert faith.infidelity(np.eye(2), np.ones(2), np.array([1.0, 3.0])).value == 2.0
    assert faith.curve_auc(np.array([4.0, 2.0, 0.0])).value == 2.0
    assert faith.order_gap(np.array([4.0, 4, 0]), np.array([4.0, 0, 0])).value == 2.0
    got = faith.max_sensitivity(np.array([3.0, 4.0]), np.array([[3.0, 4.0], [3.0, 9.0]]))
    assert (got.value, got.extra["mean"]) == (1.0, 0.5)
    assert faith.max_sensitivity(np.zeros(2), np.ones((1, 2))).value is None
    assert faith.removal_order(np.array([1.0, 3, 1]), least_first=True).tolist() == [0, 2, 1]
    assert faith.comprehensiveness(1.0, [0.2, 0.4]).value == pytest.approx(0.7)
    assert faith.sufficiency(1.0, [0.9, 0.5]).value == pytest.approx(0.3)
    assert faith.sufficiency(1.0, []).value is None


def test_ties_share_and_thresholds_include_their_end():
    s, m = np.array([3.0, 2.0, 2.0, 2.0, 0.0]), np.array([0, 1, 1, 0, 1])
    # K = 3: the value 3 takes a place, the other two are shared by three 2s, two of them hits.
    assert where.relevance_rank(s, m).value == pytest.approx((2 * 2 / 3) / 3)
    tied = np.array([5.0, 5.0, 0.0])
    assert where.pointing_game(tied, np.array([1, 0, 0])).value == 0.5
    assert where.iou_at_share_of_max(np.array([2.0, 1.0]), np.array([0, 1])).value == 0.5


def test_attributions_count_from_their_baseline():
    truth = faith.linear_truth(np.array([2.0, 1.0]), np.array([3.0, 1.0]), np.array([1.0, 4.0]))
    assert truth.attribution.tolist() == [4.0, -3.0]
    assert faith.completeness_gap(truth.attribution, 7.0, 6.0).value == 0
    assert faith.infidelity(np.eye(2), np.array([1.0, 2.0]), np.array([1.0, 2.0])).value == 0
    moved = faith.max_sensitivity(np.array([0.0, 2.0]), np.array([[0.0, 3.0]]))
    assert moved.value == 0.5


@settings(max_examples=30, deadline=None)
@given(maps, st.permutations(range(20)))
def test_maps_do_not_know_the_order_of_pixels(data, order):
    s, m = (x.ravel() for x in data)
    for measure in AGAINST_MASK:
        one, two = measure(s, m), measure(s[list(order)], m[list(order)])
        assert (one.value is None) == (two.value is None)
        assert one.value is None or one.value == pytest.approx(two.value)
    for shape in (where.gini_sparseness, where.entropy_complexity):
        assert shape(s).value == (pytest.approx(shape(-s[list(order)]).value) if s.any() else None)


@settings(max_examples=30, deadline=None)
@given(vectors, vectors)
def test_a_monotone_change_keeps_the_rank_correlation(a, d):
    a, d = a.round(1), d.round(1)
    one = faith.faithfulness(a, d, how="spearman")
    two = faith.faithfulness(np.exp(a), d**3, how="spearman")
    assert one.value == (None if two.value is None else pytest.approx(two.value))
    assert one.value is not None or one.reason


def test_maps_and_scores_that_are_none_are_refused():
    with pytest.raises(ValueError, match="perturbations"):
        faith.infidelity(np.array([[np.nan, 1.0]]), np.ones(2), np.ones(1))
    with pytest.raises(ValueError, match="disturbed maps"):
        faith.max_sensitivity(np.ones(2), np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match="finite map"):
        where.gini_sparseness(np.array([np.nan, 1.0]))
    with pytest.raises(ValueError, match="finite map"):
        where.entropy_complexity(np.array([np.inf, 1.0]))
    with pytest.raises(ValueError, match="share must be"):
        where.iou_at_share_of_max(np.array([0.6, 1.0]), np.array([0, 1]), -1.0)
    with pytest.raises(ValueError, match="tolerance"):
        where.pointing_game(np.array([0.6, 1.0]), np.array([0, 1]), float("nan"))
