"""Numbers read from a ROC curve: partial areas, operating points, average precision."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.average_precision import (
    auprc_trapezoid,
    average_precision,
    boyd_logit,
)
from ml.stats.discrimination.mann_whitney import mann_whitney
from ml.stats.discrimination.operating_point import (
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    youden_threshold,
)
from ml.stats.discrimination.partial_auc import partial_auc, two_way_partial_auc
from ml.stats.discrimination.weighted_curve import _left_out_values
from tests.ml.stats.discrimination.test_placements import two_classes

FEW = Settings(draws=100)
MEASURES = {
    "specificity": lambda s, y, c=None, i="percentile": partial_auc(
        s, y, "specificity", 0.7, 0.95, c, FEW, interval=i
    ),
    "sensitivity": lambda s, y, c=None, i="percentile": partial_auc(
        s, y, "sensitivity", 0.6, 1.0, c, FEW, corrected=True, interval=i
    ),
    "two_way": lambda s, y, c=None, i="percentile": two_way_partial_auc(
        s, y, 0.3, 0.4, c, FEW, interval=i
    ),
    "sens_at": lambda s, y, c=None, i="percentile": sensitivity_at_specificity(
        s, y, 0.8, c, FEW, interval=i
    ),
    "sens_attainable": lambda s, y, c=None, i="percentile": sensitivity_at_specificity(
        s, y, 0.8, c, FEW, between="attainable", interval=i
    ),
    "spec_at": lambda s, y, c=None, i="percentile": specificity_at_sensitivity(
        s, y, 0.8, c, FEW, interval=i
    ),
    "ap": lambda s, y, c=None, i="percentile": average_precision(s, y, c, FEW, interval=i),
    "trapezoid": lambda s, y, c=None, i="percentile": auprc_trapezoid(s, y, c, FEW, interval=i),
}
BY_CALLED = [
    *MEASURES.items(),
    ("agresti", partial(sensitivity_at_specificity, specificity=0.9, settings=FEW,
                        interval="agresti_coull")),
    ("agresti_spec", partial(specificity_at_sensitivity, sensitivity=0.9, settings=FEW,
                             interval="agresti_coull")),
    ("youden", youden_threshold),
]  # fmt: skip


def made(seed=1, n=120, spread=1.3):
    rng = np.random.default_rng(seed)
    present = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    return (present + rng.normal(0, spread, n)).round(1), present


def polygon(scores, present):
    x, y, _ = metrics.roc_curve(present, scores, drop_intermediate=False)
    return x, y


def fine(x, y, low, high, height=lambda y: y):
    """Area under a polygon by a fine grid that contains its corners."""
    grid = np.unique(np.r_[np.linspace(low, high, 20_001), x[(x > low) & (x < high)]])
    edges = np.r_[grid, grid + 1e-12, grid - 1e-12].clip(low, high)
    edges.sort()
    return np.trapezoid(height(np.interp(edges, x, y)), edges)


@pytest.mark.parametrize("seed", range(4))
def test_partial_areas_by_a_fine_grid(seed):
    scores, present = made(seed)
    x, y = polygon(scores, present)
    by_spec = partial_auc(scores, present, "specificity", 0.7, 0.95, settings=FEW)
    by_sens = partial_auc(scores, present, "sensitivity", 0.6, 0.9, settings=FEW)
    two = two_way_partial_auc(scores, present, 0.55, 0.4, settings=FEW)

    assert by_spec.value == pytest.approx(fine(x, y, 0.05, 0.3), abs=1e-6)
    assert by_sens.value == pytest.approx(fine(y, 1 - x, 0.6, 0.9), abs=1e-6)
    assert two.value == pytest.approx(
        fine(x, y, 0.0, 0.6, lambda h: np.maximum(h - 0.55, 0)), abs=1e-6
    )


@limits(max_examples=30, deadline=None)
@given(two_classes)
def test_whole_range_is_the_auroc_and_scikit_learns_correction(data):
    scores, present = data
    whole = auroc(scores, present, settings=FEW).value
    for focus in ("specificity", "sensitivity"):
        assert partial_auc(scores, present, focus, 0, 1, settings=FEW).value == pytest.approx(whole)
    assert two_way_partial_auc(scores, present, 0, 0, settings=FEW).value == pytest.approx(whole)
    assert partial_auc(
        scores, present, "specificity", 0.7, 1, settings=FEW, corrected=True
    ).value == pytest.approx(metrics.roc_auc_score(present, scores, max_fpr=0.3))


def test_correction_is_half_on_the_diagonal_and_one_when_perfect():
    present = np.arange(40) % 2
    for focus, low, high in (("specificity", 0.8, 0.9), ("sensitivity", 0.3, 0.9)):
        found = partial(partial_auc, focus=focus, low=low, high=high, settings=FEW, corrected=True)
        assert found(np.zeros(40), present).value == pytest.approx(0.5)
        assert found(present.astype(float), present).value == pytest.approx(1)


@limits(max_examples=30, deadline=None)
@given(two_classes, st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_operating_points_by_hand(data, rate):
    """Attainable: the best of all thresholds that keep the stated rate."""
    scores, present = data
    points = []
    for threshold in [*np.unique(scores), np.inf]:
        called = scores >= threshold
        points.append((called[present == 1].mean(), 1 - called[present == 0].mean()))
    sens = sensitivity_at_specificity(
        scores, present, rate, settings=FEW, between="attainable"
    ).value
    spec = specificity_at_sensitivity(
        scores, present, rate, settings=FEW, between="attainable"
    ).value
    x, y = polygon(scores, present)
    line = sensitivity_at_specificity(scores, present, rate, settings=FEW).value

    assert sens == pytest.approx(max(a for a, b in points if b >= rate - 1e-12))
    assert spec == pytest.approx(max(b for a, b in points if a >= rate - 1e-12))
    assert line == pytest.approx(np.interp(1 - rate + 1e-13, x, y), abs=1e-9)
    assert line >= sens - 1e-12


def test_specificity_is_sensitivity_of_the_other_class():
    scores, present = made(3)
    for between in ("linear", "attainable"):
        assert specificity_at_sensitivity(
            scores, present, 0.83, settings=FEW, between=between
        ).value == pytest.approx(
            sensitivity_at_specificity(
                -scores, 1 - present, 0.83, settings=FEW, between=between
            ).value
        )


@limits(max_examples=30, deadline=None)
@given(two_classes)
def test_precision_recall_equals_scikit_learn(data):
    scores, present = data
    precision, recall, _ = metrics.precision_recall_curve(present, scores)
    found = average_precision(scores, present)

    assert found.value == pytest.approx(metrics.average_precision_score(present, scores))
    assert found.extra["chance"] == present.mean()
    assert auprc_trapezoid(scores, present, settings=FEW).value == pytest.approx(
        metrics.auc(recall, precision)
    )


def test_boyds_interval_by_hand():
    """AP 0.8 with 50 events: logit 1.3863 ± 1.96 / sqrt(50 x 0.16) = ± 0.69296."""
    low, high = boyd_logit(0.8, 50, 0.95)

    assert np.log([low / (1 - low), high / (1 - high)]) == pytest.approx(
        [np.log(4) - 0.692951, np.log(4) + 0.692951], abs=1e-5
    )


def test_average_precision_of_one_class():
    assert average_precision(np.arange(5.0), np.zeros(5, int)).value is None
    whole = average_precision(np.arange(5.0), np.ones(5, int))
    assert whole.value == 1.0
    assert not whole.has_interval


@pytest.mark.parametrize("name", [*MEASURES])
def test_intervals_are_those_of_cases_drawn_one_by_one(name):
    scores, present = made(7, 60)
    clusters = Clusters.of(np.arange(60) // 2, "patient")
    found = MEASURES[name](scores, present, clusters)
    values = []
    for drawn in np.concatenate(list(draw_counts(30, FEW))):
        rows = np.repeat(np.arange(60), drawn[clusters.codes].astype(int))
        values.append(MEASURES[name](scores[rows], present[rows], Clusters.of(np.zeros(rows.size))))

    numbers = [one.value for one in values if one.value is not None]
    assert [found.low, found.high] == pytest.approx(np.quantile(numbers, [0.025, 0.975]))
    assert "30 patients" in found.method
    assert found.n == 60


@pytest.mark.parametrize(("name", "measure"), BY_CALLED)
def test_edges_are_answered(name, measure):
    rng = np.random.default_rng(3)
    many = rng.integers(0, 2, 30)
    for scores, present in (
        (np.zeros(0), np.zeros(0, int)),
        (np.zeros(1), np.ones(1, int)),
        (np.arange(20.0), np.ones(20, int)),
        (np.arange(20.0), np.zeros(20, int)),
        (np.zeros(30), many),
        (many.astype(float), many),
        (-many.astype(float), many),
        (np.arange(12.0), np.eye(12, dtype=int)[5]),
    ):
        found = measure(scores, present)
        assert found.value is not None or found.reason
        if found.has_interval:
            assert found.low < found.high
        else:
            assert found.reason


@pytest.mark.parametrize(("name", "measure"), BY_CALLED)
def test_order_and_scale_do_not_matter(name, measure):
    scores, present = made(5)
    order = np.random.default_rng(1).permutation(scores.size)

    assert measure(np.exp(scores)[order], present[order]).value == pytest.approx(
        measure(scores, present).value, abs=1e-12
    )


@pytest.mark.parametrize("name", ["specificity", "sens_at", "ap"])
def test_bca_is_near_the_percentiles(name):
    scores, present = made(2, 300)
    bca, plain = (MEASURES[name](scores, present, None, kind) for kind in ("bca", "percentile"))

    assert "BCa" in bca.method
    assert [bca.low, bca.high] == pytest.approx([plain.low, plain.high], abs=0.06)
    assert bca.low != plain.low


def test_agresti_coull_bootstrap_stays_open_near_one():
    """29 of 30 called: the centre moves to the middle by z²/2 in each cell, not to 1."""
    present = np.repeat([0, 1], 30)
    scores = np.r_[np.linspace(0, 1, 30), np.linspace(2, 3, 30)]
    scores[-1] = 0.5
    found = sensitivity_at_specificity(
        scores, present, 0.95, settings=FEW, interval="agresti_coull"
    )

    assert found.value == pytest.approx(29 / 30)
    assert (found.low + found.high) / 2 < 29 / 30
    assert "BTII" in found.method
    z2 = stats.norm.ppf(0.975) ** 2
    adjusted = []
    for drawn in np.concatenate(list(draw_counts(60, FEW))):
        rows = np.repeat(np.arange(60), drawn.astype(int))
        size = present[rows].sum()
        plain = sensitivity_at_specificity(
            scores[rows], present[rows], 0.95, Clusters.of(np.zeros(60))
        ).value
        adjusted.append((plain * size + z2 / 2) / (size + z2))
    reach = z2**0.5 * np.std(adjusted, ddof=1)
    assert found.low == pytest.approx(np.mean(adjusted) - reach)
    assert found.high == pytest.approx(min(1, np.mean(adjusted) + reach))


@pytest.mark.parametrize("held", [1_000_000, 7])
def test_left_out_values_leave_one_unit_out(monkeypatch, held):
    monkeypatch.setattr("ml.stats.discrimination.weighted_curve._HELD", held)
    values = np.array([1.0, 2, 4, 8])

    assert _left_out_values(lambda counts: counts @ values, 4).tolist() == [14, 13, 11, 7]


def test_youden_by_looking_at_every_threshold():
    scores, present = made(9)
    found = youden_threshold(scores, present)
    merits = {
        t: (scores[present == 1] >= t).mean() - (scores[present == 0] >= t).mean() for t in scores
    }
    called = scores > found.extra["threshold"]

    assert found.value == pytest.approx(max(merits.values()))
    assert found.extra["sensitivity"] == pytest.approx(called[present == 1].mean())
    assert found.extra["specificity"] == pytest.approx(1 - called[present == 0].mean())
    assert "optimistic" in found.convention
    assert not found.has_interval


def test_youden_of_a_useless_score_has_no_threshold():
    found = youden_threshold(np.zeros(10), np.arange(10) % 2)

    assert found.value == 0
    assert found.extra["threshold"] is None


@limits(max_examples=30, deadline=None)
@given(two_classes, st.booleans())
def test_mann_whitney_equals_scipy(data, continuity):
    scores, present = data
    found = mann_whitney(scores, present, continuity=continuity)
    if np.ptp(scores) == 0:
        assert found.p == 1.0
        return
    theirs = stats.mannwhitneyu(
        scores[present == 1], scores[present == 0], use_continuity=continuity, method="asymptotic"
    )

    assert found.u == theirs.statistic
    assert found.p == pytest.approx(theirs.pvalue)


def test_mann_whitney_of_one_class_has_no_number():
    found = mann_whitney(np.arange(3.0), np.ones(3, int))

    assert (found.u, found.p) == (None, None)
    assert found.reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, y: partial_auc(s, y, "fpr", 0, 1), "focus"),
        (lambda s, y: partial_auc(s, y, "specificity", 0.5, 0.5), "range"),
        (lambda s, y: partial_auc(s, y, "specificity", 0, 1, interval="basic"), "percentile"),
        (lambda s, y: two_way_partial_auc(s, y, 1.0, 0), "bounds"),
        (lambda s, y: sensitivity_at_specificity(s, y, 1.2), "0..1"),
        (lambda s, y: specificity_at_sensitivity(s, y, 0.5, between="step"), "attainable"),
        (lambda s, y: average_precision(s, y, Clusters.of(np.zeros(2)), interval="logit"), "knows"),
        (lambda s, y: average_precision(s * np.nan, y), "finite"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([0.1, 0.2]), np.array([0, 1]))


@pytest.mark.parametrize("measure", [sensitivity_at_specificity, specificity_at_sensitivity])
def test_agresti_coull_holds_the_value_or_is_none(measure):
    present = np.arange(60) % 2
    perfect = measure(present + np.arange(60) / 99, present, 0.9, interval="agresti_coull")
    nearly = present + np.arange(60) / 99
    nearly[[1, 2, 4]] = 0.0, 1.9, 1.95
    high = measure(nearly, present, 0.6, settings=Settings(draws=300), interval="agresti_coull")

    assert perfect.value == 1
    assert perfect.low is None
    assert "no spread" in perfect.reason
    assert high.low <= high.value <= high.high
