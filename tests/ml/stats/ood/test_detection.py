import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
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
    # (1 - 0.7) * 10 is 3 and a little more in binary.
    assert alarm_threshold(np.arange(9.0), 0.7).threshold == 2.0


@pytest.mark.parametrize(("alpha", "needed"), [(0.05, 19), (0.1, 9), (0.3, 3), (0.01, 99)])
def test_the_number_of_calibration_cases_asked_for_is_enough(alpha, needed):
    refused = alarm_threshold(np.arange(needed - 1.0), alpha)
    assert refused.threshold is None
    assert f"at least {needed} are needed" in refused.reason
    assert alarm_threshold(np.arange(float(needed)), alpha).threshold == needed - 1


def test_conformal_ties_count_and_the_range_is_that_of_beta():
    assert conformal_p_values(np.array([2.0]), np.array([1.0, 2.0, 2.0])).tolist() == [0.75]
    limit = alarm_threshold(np.arange(99.0), 0.05)
    assert limit.threshold == 94.0
    assert (limit.low, limit.high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 5, 95))


def test_flagged_is_benjamini_hochberg_at_the_rate_itself():
    """Two p-values of 1/20: BH at 0.05 keeps both, at just less neither."""
    scores, calibration = np.array([50.0, 60.0]), np.arange(19.0)
    assert flagged(scores, calibration, 0.05).tolist() == [True, True]
    assert flagged(scores, calibration, 0.049).tolist() == [False, False]


def test_a_single_foreign_cluster_has_no_interval():
    got = detection(np.arange(20.0), np.array([5.5, 30.0]), None, Clusters.of(np.zeros(2)), FEW)
    assert got.aupr_out.reason == (
        "No interval: one of the samples is a single cluster, so no spread."
    )


def test_a_patient_on_both_sides_is_drawn_whole():
    rng = np.random.default_rng(5)
    own, ood = rng.normal(size=24), rng.normal(1, 1, size=18)
    patient = np.r_[np.arange(24) // 2, np.arange(18) // 2 + 8]  # 8..11 are on both sides
    clusters = Clusters.of(patient, "patient")
    got = detection(own, ood, settings=FEW, clusters=clusters)
    strata = np.repeat([1, 3, 2], [8, 4, 5])
    values = []
    for counts in np.concatenate(list(draw_counts(17, FEW, strata=strata))).astype(int):
        assert counts[8:12].sum() == 4
        a, b = np.repeat(own, counts[patient[:24]]), np.repeat(ood, counts[patient[24:]])
        values.append(roc_auc_score(np.r_[np.zeros(a.size), np.ones(b.size)], np.r_[a, b]))
    assert [got.auroc.low, got.auroc.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert (got.auroc.extra["n_id_clusters"], got.auroc.extra["n_ood_clusters"]) == (12, 9)
    apart = np.r_[np.arange(24), np.arange(18) + 24]
    same = detection(own, ood, settings=FEW, clusters=Clusters.of(apart)).auroc
    assert (same.low, same.high) == (lambda e: (e.low, e.high))(
        detection(own, ood, settings=FEW).auroc
    )
    with pytest.raises(ValueError, match="not both"):
        detection(own, ood, Clusters.singles(24), clusters=clusters)


@settings(max_examples=30, deadline=None)
@given(sample, sample, st.randoms(use_true_random=False))
def test_order_of_cases_and_monotone_transforms_change_no_value(own, ood, random):
    mixed = np.array(random.sample(list(own), own.size))
    given_, moved = detection(own, ood, settings=FEW), detection(
        np.exp(3 * mixed), np.exp(3 * ood[::-1]), settings=FEW
    )  # fmt: skip
    for one, two in zip(vars(given_).values(), vars(moved).values(), strict=True):
        assert one.value == pytest.approx(two.value)


@settings(max_examples=20, deadline=None)
@given(sample, sample)
def test_copies_of_every_case_in_its_cluster_change_nothing(own, ood):
    plain = detection(own, ood, settings=FEW)
    twice = detection(
        np.repeat(own, 2), np.repeat(ood, 2), Clusters.of(np.repeat(np.arange(own.size), 2)),
        Clusters.of(np.repeat(np.arange(ood.size), 2)), FEW,
    )  # fmt: skip
    for one, two in zip(vars(plain).values(), vars(twice).values(), strict=True):
        assert one.value == pytest.approx(two.value)
        if one.id != "ood_auroc" or one.value not in (0, 1):
            assert (one.low, one.high) == (pytest.approx(two.low), pytest.approx(two.high))
