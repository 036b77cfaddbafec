import numpy as np
import pytest
from sklearn import metrics

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.proportion import proportion
from ml.stats.subgroups.calls import RATES, GroupedCalls, group_rates, overall_rate, rate_of
from ml.stats.subgroups.groups import Groups


def test_published_rates(compas):
    """Larson et al. 2016: false positive rates 44.85 and 23.45 %, false negative 27.99, 47.72."""
    fpr, fnr = group_rates(compas, "fpr"), group_rates(compas, "fnr")

    assert [round(fpr[name].value, 4) for name in ("Black", "White")] == [0.4485, 0.2345]
    assert [round(fnr[name].value, 4) for name in ("Black", "White")] == [0.2799, 0.4772]
    assert fnr["Black"].n == fnr["Black"].n_events == 532 + 1369
    assert fpr["White"].n_events == 0


def test_every_rate_against_scikit_learn(random_calls):
    calls = random_calls()
    rows = calls.groups.rows(1)
    y, p = calls.present[rows], calls.called[rows]
    matrix = metrics.confusion_matrix(y, p)
    known = {
        "selection_rate": p.mean(), "prevalence": y.mean(),
        "tpr": metrics.recall_score(y, p), "fnr": 1 - metrics.recall_score(y, p),
        "tnr": metrics.recall_score(~y, ~p), "fpr": 1 - metrics.recall_score(~y, ~p),
        "ppv": metrics.precision_score(y, p), "fdr": 1 - metrics.precision_score(y, p),
        "npv": metrics.precision_score(~y, ~p), "for": 1 - metrics.precision_score(~y, ~p),
        "accuracy": metrics.accuracy_score(y, p), "error_rate": 1 - metrics.accuracy_score(y, p),
    }  # fmt: skip

    assert calls.cells[1].tolist() == matrix.ravel().tolist()
    assert set(known) == set(RATES)
    for rate, value in known.items():
        assert group_rates(calls, rate)["g1"].value == pytest.approx(value), rate
        assert rate_of(rate, calls.cells)[1] == pytest.approx(value), rate


def test_a_share_of_nothing_is_undefined_for_both_rates(calls_of):
    """fairlearn gives TPR 0 and FNR 0 at once for the group without the finding."""
    calls = calls_of({"A": (100, 20, 10, 70), "B": (15, 5, 0, 0)})

    for rate in ("tpr", "fnr"):
        found = group_rates(calls, rate)["B"]
        assert found.value is None
        assert found.reason == ("Not estimated: there are no cases with the finding in this group.")
    assert group_rates(calls, "ppv")["B"].value == 0
    assert group_rates(calls, "fpr")["B"].value == 0.25


def test_small_groups_are_withheld_by_the_class_that_counts(calls_of):
    calls = calls_of({"a": (50, 10, 2, 2), "b": (2, 1, 30, 30), "c": (50, 50, 50, 50)})

    tpr, fpr = group_rates(calls, "tpr", suppress=True), group_rates(calls, "fpr", suppress=True)
    assert [found.value is None for found in tpr.values()] == [True, False, False]
    assert [found.value is None for found in fpr.values()] == [False, True, False]


def test_rows_without_a_group_are_left_out_and_counted():
    calls = GroupedCalls.of([1, 0, 1], [1, 1, 1], Groups.of(["a", None, "a"]))

    assert calls.left_out == 1
    assert overall_rate(calls, "tpr").value == 1
    assert overall_rate(calls, "tpr").n == 2


def test_clusters_widen_the_interval():
    called = np.repeat(np.arange(40) % 2, 4) == 1
    groups, clusters = Groups.of(["a"] * 160), Clusters.of(np.arange(160) // 4, "patient")
    found = group_rates(GroupedCalls.of(called, np.ones(160), groups, clusters), "tpr")["a"]

    assert found.low == proportion("tpr", called, clusters).low
    assert found.low < group_rates(GroupedCalls.of(called, np.ones(160), groups), "tpr")["a"].low


def test_replicates_of_singles_and_of_clusters_have_the_spread_of_a_binomial(random_calls):
    calls = random_calls(400, 2)
    drawn = calls.replicates(Settings(draws=4000))
    doubled = GroupedCalls.of(
        np.repeat(calls.called, 2), np.repeat(calls.present, 2),
        Groups(np.repeat(calls.groups.codes, 2), calls.groups.names),
        Clusters.of(np.repeat(np.arange(400), 2)),
    )  # fmt: skip
    again = doubled.replicates(Settings(draws=4000))

    assert drawn.sum(axis=(1, 2)) == pytest.approx(400)
    assert again.sum(axis=(1, 2)) == pytest.approx(800)
    assert drawn.mean(axis=0) == pytest.approx(calls.cells, abs=1)
    expected = np.sqrt(calls.cells * (1 - calls.cells / 400))
    assert drawn.std(axis=0) == pytest.approx(expected, rel=0.06)
    # Two copies of each case in one cluster: twice the counts, twice their spread.
    assert again.std(axis=0) == pytest.approx(2 * expected, rel=0.06)


@pytest.mark.parametrize(
    ("called", "present", "said"),
    [([1, 0], [1], "of one length"), ([2, 0], [1, 0], "0 or 1"), ([1, 0], [1, np.nan], "0 or 1")],
)
def test_malformed_input(called, present, said):
    with pytest.raises(ValueError, match=said):
        GroupedCalls.of(called, present, Groups.of(["a", "b"]))


def test_unknown_rate(compas):
    with pytest.raises(ValueError, match="rate must be one of"):
        group_rates(compas, "recall")


def test_no_case_at_all():
    calls = GroupedCalls.of([], [], Groups.of([]))

    assert group_rates(calls, "tpr") == {}
    assert overall_rate(calls, "tpr").value is None
