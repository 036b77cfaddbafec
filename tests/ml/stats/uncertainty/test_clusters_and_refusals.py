"""Intervals over whole clusters, and what is refused, where neither was before."""

import numpy as np
import pytest

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.conformal import (
    Thresholds,
    class_scores,
    coverage,
    coverage_by,
    risk_controlled_threshold,
    sets,
)
from ml.stats.uncertainty.decomposition import correlation
from ml.stats.uncertainty.gaussian import (
    Gaussian,
    ause,
    check_score,
    crps,
    ence,
    interval_coverage,
    interval_score,
    sharpness,
)
from ml.stats.uncertainty.selective import deferral

MANY = Settings(draws=1500)


def copied(n, times=4):
    rows = np.repeat(np.arange(n), times)
    return rows, Clusters.of(rows, "patient")


def width(estimate):
    return estimate.high - estimate.low


def test_copies_are_no_evidence_of_a_correlation(rng):
    a = rng.normal(size=80)
    b = a + rng.normal(size=80)
    rows, clusters = copied(80)
    alone, copies = correlation(a, b), correlation(a[rows], b[rows], clusters, MANY)

    assert copies.value == pytest.approx(alone.value)
    assert width(copies) == pytest.approx(width(alone), rel=0.2)
    assert width(correlation(a[rows], b[rows])) < 0.6 * width(copies)
    assert width(correlation(a, b, settings=Settings(level=0.5))) < 0.5 * width(alone)
    assert correlation(1e200 * a, 1e-200 * b).value == pytest.approx(alone.value)
    with pytest.raises(ValueError, match="must be finite"):
        correlation(np.where(a > 1, np.nan, a), b)


def test_copies_are_no_evidence_of_sparsification(rng):
    error = np.abs(rng.normal(size=60))
    doubt = error + rng.normal(size=60)
    rows, clusters = copied(60, 3)
    alone, copies = (
        ause(error, doubt, settings=MANY),
        ause(error[rows], doubt[rows], clusters, MANY),
    )

    assert alone.low < alone.value < alone.high
    assert width(copies) == pytest.approx(width(alone), rel=0.1)
    assert copies.value == pytest.approx(alone.value, abs=0.02)


def test_sparsification_of_a_replicate_is_that_of_the_cases_drawn(rng):
    """Weights in place of repeated rows: the smallest and largest of three draws by hand."""
    error, doubt = np.abs(rng.normal(size=12)), rng.integers(0, 4, 12).astype(float)
    expected = []
    for counts in draw_counts(12, Settings(draws=40)):
        for row in counts:
            at = np.repeat(np.arange(12), row.astype(int))
            expected.append(ause(error[at], doubt[at], settings=Settings(draws=1)).value)
    found = ause(error, doubt, settings=Settings(draws=40))

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(expected, (0.025, 0.975))))


def test_coverage_of_copies_has_the_interval_of_the_cases(rng):
    held = rng.random((90, 1)) < 0.8
    members, label = np.hstack([held, ~held]), np.zeros(90, int)
    rows, clusters = copied(90)
    alone = coverage(members, label, n_calibration=99, alpha=0.1)
    copies = coverage(members[rows], label[rows], clusters, n_calibration=99, alpha=0.1)

    assert width(copies) == pytest.approx(width(alone), rel=0.02)
    assert "expected_low" in alone.extra
    assert "expected_low" not in copies.extra
    by = coverage_by(members[rows], label[rows], rows % 2, clusters)
    assert [one.id for one in by.values()] == ["conformal_coverage:0", "conformal_coverage:1"]
    assert by[0].extra["n_clusters"] == 45


def test_ence_does_not_depend_on_the_order_of_tied_cases(rng):
    sd = rng.integers(1, 4, 50).astype(float)
    truth = sd * rng.normal(size=50)
    order = rng.permutation(50)
    one = ence(Gaussian(np.zeros(50), sd, truth), settings=MANY, bins=7)
    other = ence(Gaussian(np.zeros(50), sd[order], truth[order]), settings=MANY, bins=7)

    assert one.value == pytest.approx(other.value, rel=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, float("nan")])
def test_no_interval_holds_a_share_of_the_cases_that_is_none(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval_coverage(Gaussian(np.zeros(2), np.ones(2), np.zeros(2)), share)


def test_conformal_refusals():
    cut = Thresholds(np.array([0.5, 0.5, 0.5]), "lac", 0.1, "class")

    with pytest.raises(ValueError, match="finite"):
        sets(cut, np.array([[np.nan, 0.5, 0.5]]))
    with pytest.raises(ValueError, match="sum to 1"):
        class_scores(np.array([[3.0, -1.0]]) ** 2, "aps")
    with pytest.raises(ValueError, match="do not cut 2 classes"):
        sets(cut, np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="0 and 1"):
        coverage(np.array([[0.2, 0.8]]), np.array([0]))
    with pytest.raises(ValueError, match="finite"):
        risk_controlled_threshold(np.array([[np.nan, 0.0]]), np.array([0.2, 0.8]), 0.5)


def test_errors_of_a_reader_may_be_booleans():
    confidence, error = np.array([0.9, 0.4, 0.2]), np.array([0, 1, 1])
    reader = np.array([True, False, True])

    found = deferral(confidence, error, reader)

    assert found.error.tolist() == deferral(confidence, error, reader.astype(int)).error.tolist()


def test_the_unit_of_the_target_decides_no_interval(rng):
    mean, sd, truth = rng.normal(size=30), rng.random(30) + 0.5, rng.normal(size=30)
    for measure in (crps, sharpness, check_score, interval_score):
        one = measure(Gaussian(mean, sd, truth), settings=MANY)
        other = measure(Gaussian(1e-15 * mean, 1e-15 * sd, 1e-15 * truth), settings=MANY)
        assert width(other) == pytest.approx(1e-15 * width(one), rel=1e-6)
