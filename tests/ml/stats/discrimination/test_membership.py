"""What losses give away, by definition and by simulation."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination import membership
from ml.stats.discrimination.membership import membership_auroc, membership_gap

QUICK = Settings(draws=300)


def drawn(n=60, m=50, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.exponential(1, n),
        rng.exponential(1.5, m),
        rng.integers(0, 2, n),
        rng.integers(0, 2, m),
    )


def test_of_one_class_it_is_the_auroc_of_the_loss():
    a, b, _, _ = drawn()
    found = membership_auroc(a, b, settings=QUICK)
    expected = roc_auc_score(np.r_[np.ones(60), np.zeros(50)], -np.r_[a, b])
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert (found.n, found.n_events) == (110, 60)


def test_classes_are_weighted_as_among_the_others():
    a, b, ka, kb = drawn()
    found = membership_auroc(a, b, ka, kb, settings=QUICK)
    each = [
        roc_auc_score(
            np.r_[np.ones((ka == k).sum()), np.zeros((kb == k).sum())],
            -np.r_[a[ka == k], b[kb == k]],
        )
        for k in (0, 1)
    ]
    assert found.value == pytest.approx(each[0] * np.mean(kb == 0) + each[1] * np.mean(kb == 1))
    gap = membership_gap("gap", a, b, ka, kb, settings=QUICK)
    assert gap.value == pytest.approx(
        sum(np.mean(kb == k) * (a[ka == k].mean() - b[kb == k].mean()) for k in (0, 1))
    )


def test_a_class_that_one_side_lacks_is_left_out_and_counted():
    a, b, ka, kb = drawn()
    found = membership_auroc(a, b, np.where(ka == 1, 2, 0), kb, settings=QUICK)
    assert found.extra["n_left_out"] == (ka == 1).sum() + (kb == 1).sum()
    expected = roc_auc_score(
        np.r_[np.ones((ka == 0).sum()), np.zeros((kb == 0).sum())], -np.r_[a[ka == 0], b[kb == 0]]
    )
    assert found.value == pytest.approx(expected)
    none = membership_auroc(a, b, ka, kb + 5, settings=QUICK)
    assert none.value is None
    assert "same class" in none.reason


def test_a_perfect_order_has_a_lower_bound():
    found = membership_auroc(np.arange(30.0), np.arange(30.0) + 100, settings=QUICK)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.8 < found.low < 0.95
    turned = membership_auroc(np.arange(30.0) + 100, np.arange(30.0), settings=QUICK)
    assert (turned.value, turned.low) == (0.0, 0.0)
    assert 0.05 < turned.high < 0.2


def test_intervals_cover_chance_as_often_as_they_say():
    covered = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        patients = Clusters.of(np.repeat(np.arange(20), 3), "patient")
        mine, theirs = (
            np.repeat(rng.normal(size=20), 3) + rng.normal(0, 0.3, 60) for _ in range(2)
        )
        one = membership_auroc(
            mine, theirs, None, None, patients, patients, Settings(draws=200, seed=seed)
        )
        covered.append(one.low <= 0.5 <= one.high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_patients_make_intervals_wider():
    a, b, _, _ = drawn()
    alone = membership_gap("g", a, b, settings=QUICK)
    rows = np.repeat(np.arange(20), 3)
    many = membership_gap(
        "g", np.repeat(a[:20], 3), np.repeat(b[:20], 3), None, None,
        Clusters.of(rows, "patient"), Clusters.of(rows, "patient"), QUICK,
    )  # fmt: skip
    assert many.high - many.low > alone.high - alone.low
    few = membership_gap("g", a, b, None, None, Clusters.of(np.arange(60) // 10, "patient"))
    assert not few.has_interval
    assert "6 patients" in few.reason


def test_each_side_keeps_its_number_of_units_in_every_draw(monkeypatch):
    seen = []
    real = membership.replicates

    def watched(measure, count, settings, *, width, strata):
        seen.append(np.bincount(strata).tolist())
        return real(measure, count, settings, width=width, strata=strata)

    monkeypatch.setattr(membership, "replicates", watched)
    a, b, _, _ = drawn()
    membership_auroc(a, b, settings=QUICK)
    membership_gap("g", a, b, settings=QUICK)
    assert seen == [[60, 50], [60, 50]]


def test_order_of_cases_and_a_repeat_change_nothing():
    a, b, ka, kb = drawn()
    one = membership_auroc(a, b, ka, kb, settings=QUICK)
    assert membership_auroc(a, b, ka, kb, settings=QUICK) == one
    turned = membership_auroc(a[::-1], b[::-1], ka[::-1], kb[::-1], settings=QUICK)
    assert turned.value == pytest.approx(one.value)


@pytest.mark.parametrize(
    "given",
    [
        (np.array([np.nan]), np.ones(3)),
        (np.ones((2, 2)), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(2, int), np.ones(3, int)),
        (np.ones(3), np.ones(3), np.ones(3), np.ones(3, int)),
    ],
)
def test_refuses_in_words(given):
    with pytest.raises(ValueError, match="expected"):
        membership_auroc(*given)
