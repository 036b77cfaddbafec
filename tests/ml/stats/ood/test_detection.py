import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.stats.bootstrap import Clusters, Settings, draw_counts
from ml.stats.ood.conformal import alarm_threshold, conformal_p_values, flagged
from ml.stats.ood.detection import detection

FEW = Settings(draws=60)
sample = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), min_size=1, max_size=25).map(np.array)


def naive(own, ood):
    cuts = np.unique(np.r_[own, ood])
    accept = min(t for t in cuts if (own <= t).mean() >= 0.95)
    flag = max(t for t in cuts if (ood >= t).mean() >= 0.95)
    error = [(ood < t).mean() / 2 + (own >= t).mean() / 2 for t in [*cuts, np.inf]]
    return (ood <= accept).mean(), (own >= flag).mean(), min(error)


@settings(max_examples=40, deadline=None)
@given(sample, sample)
def test_against_scikit_learn_and_naive(own, ood):
    got = detection(own, ood, settings=FEW)
    truth, scores = np.r_[np.zeros(own.size), np.ones(ood.size)], np.r_[own, ood]
    assert got.auroc.value == pytest.approx(roc_auc_score(truth, scores))
    assert got.aupr_out.value == pytest.approx(average_precision_score(truth, scores))
    assert got.aupr_in.value == pytest.approx(average_precision_score(1 - truth, -scores))
    found = (got.fpr95_id_positive, got.fpr95_ood_positive, got.detection_error)
    assert [e.value for e in found] == pytest.approx(naive(own, ood))
    for estimate in vars(got).values():
        assert estimate.has_interval or estimate.reason
        assert (estimate.low, estimate.high) not in ((0.0, 0.0), (1.0, 1.0))


def test_the_two_fpr95_differ_and_say_so():
    """20 ID at 0..19, 20 OOD at 10.5..29.5: accept <= 18 lets 8 OOD in; flag >= 11.5 hits 8 ID."""
    got = detection(np.arange(20.0), np.r_[-5.0, np.arange(11.5, 30.5)], settings=FEW)
    assert got.fpr95_id_positive.value == 8 / 20
    assert got.fpr95_ood_positive.value == 8 / 20
    lopsided = detection(np.r_[np.zeros(19), 50.0], np.arange(1.0, 21), settings=FEW)
    assert lopsided.fpr95_id_positive.value == 0.0
    assert lopsided.fpr95_ood_positive.value == 0.05
    assert "ODIN" in got.fpr95_id_positive.convention


def test_interval_draws_clusters_within_id_and_ood():
    rng = np.random.default_rng(1)
    own, ood = rng.normal(size=36), rng.normal(1, 1, size=30)
    got = detection(
        own, ood, Clusters.of(np.repeat(np.arange(12), 3)), Clusters.of(np.arange(30) // 3),
        FEW,
    )  # fmt: skip
    strata = (np.arange(22) >= 12).astype(int)
    values = []
    for counts in np.concatenate(list(draw_counts(22, FEW, strata=strata))).astype(int):
        assert counts[:12].sum() == 12
        a, b = np.repeat(own, np.repeat(counts[:12], 3)), np.repeat(ood, np.repeat(counts[12:], 3))
        values.append(roc_auc_score(np.r_[np.zeros(a.size), np.ones(b.size)], np.r_[a, b]))
    assert [got.auroc.low, got.auroc.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))


def test_perfect_and_empty():
    perfect = detection(np.zeros(20), np.ones(20), settings=FEW)
    assert perfect.auroc.value == 1.0
    assert perfect.auroc.low < 1.0
    assert not perfect.fpr95_id_positive.has_interval
    assert detection(np.array([]), np.ones(3)).auroc.value is None
    with pytest.raises(ValueError, match="finite"):
        detection(np.array([np.nan]), np.ones(3))


def test_conformal_p_values_and_threshold_agree():
    rng = np.random.default_rng(2)
    calibration, scores = rng.normal(size=99), rng.normal(size=500)
    p = conformal_p_values(scores, calibration)
    assert p == pytest.approx([(1 + (calibration >= s).sum()) / 100 for s in scores])
    limit = alarm_threshold(calibration, 0.05)
    assert ((scores > limit.threshold) == (p <= 0.05 + 1e-12)).all()
    assert limit.low < 0.05 < limit.high
    assert alarm_threshold(calibration[:18], 0.05).threshold is None
    assert alarm_threshold(calibration[:19], 0.05).threshold == calibration[:19].max()
    assert flagged(np.array([9.0, 0.0]), calibration).tolist() == [True, False]
