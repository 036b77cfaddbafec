from itertools import combinations

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.permutation import p_value
from ml.stats.subgroups.calls import GroupedCalls, rate_of
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.permutation import permutation_gap, permuted


def _exact(hits, n_a):
    """Share of all dealings that reach the observed gap."""
    rows = range(hits.size)
    n_b = hits.size - n_a
    gaps = np.array(
        [
            abs(hits[list(chosen)].sum() / n_a - (hits.sum() - hits[list(chosen)].sum()) / n_b)
            for chosen in combinations(rows, n_a)
        ]
    )
    observed = abs(hits[:n_a].mean() - hits[n_a:].mean())
    return (gaps >= observed - 1e-12).mean()


def test_against_every_dealing():
    hits = np.array([1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0])
    calls = GroupedCalls.of(hits, np.ones(12), Groups.of(["a"] * 5 + ["b"] * 7))
    found = permutation_gap(calls, "tpr", Settings(draws=20_000))

    assert found.value == pytest.approx(4 / 5 - 2 / 7)
    assert found.extra["p"] == pytest.approx(_exact(hits, 5), abs=0.01)


def test_clusters_of_one_case_dealt_as_wholes_agree_with_single_cases(random_calls):
    """The same 60 answers, once as cases, once as patients with two equal cases."""
    calls = random_calls(60, 3)
    doubled = GroupedCalls.of(
        np.repeat(calls.called, 2), np.repeat(calls.present, 2),
        Groups(np.repeat(calls.groups.codes, 2), calls.groups.names),
        Clusters.of(np.repeat(np.arange(60), 2), "patient"),
    )  # fmt: skip
    settings = Settings(draws=8000)
    alone, together = (permutation_gap(c, "selection_rate", settings) for c in (calls, doubled))

    assert together.value == alone.value
    assert together.extra["p"] == pytest.approx(alone.extra["p"], abs=0.03)
    assert "60 patients" in together.method
    # Dealt case by case the copies would count twice.
    split = GroupedCalls.of(doubled.called, doubled.present, doubled.groups)
    assert (
        permutation_gap(split, "selection_rate", settings).extra["p"] < together.extra["p"] - 0.01
    )


def test_p_is_even_where_nothing_differs():
    rng = np.random.default_rng(5)
    groups = Groups.of(["a", "b", "c", "d"] * 20)
    p = [
        permutation_gap(
            GroupedCalls.of(rng.random(80) < 0.5, np.ones(80), groups), "tpr", Settings(draws=200)
        ).extra["p"]
        for _ in range(300)
    ]

    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(p) == pytest.approx(0.53, abs=0.06)  # ties lift it above a half


def test_what_cannot_be_dealt(calls_of):
    across = GroupedCalls.of(
        np.arange(40) % 2, np.ones(40), Groups.of(["a", "b"] * 20),
        Clusters.of(np.arange(40) // 2, "patient"),
    )  # fmt: skip
    one = calls_of({"a": (0, 0, 4, 9), "b": (3, 3, 0, 0)})
    few = GroupedCalls.of(
        np.arange(40) % 2, np.ones(40), Groups.of(["a"] * 20 + ["b"] * 20),
        Clusters.of(np.arange(40) // 10, "patient"),
    )  # fmt: skip

    assert "a patient reaches into several groups" in permutation_gap(across, "tpr").reason
    assert "fewer than two groups" in permutation_gap(one, "tpr").reason
    assert "only 4 patients" in permutation_gap(few, "tpr").reason


def test_p_counts_the_observed_dealing():
    assert p_value(1.0, np.array([0.0, 0.5, 0.2]), complete=False) == 0.25
    assert p_value(0.0, np.array([0.0, 0.5, 0.2]), complete=False) == 1.0


def test_blocks_stay_among_themselves():
    blocks = [np.array([0, 2, 4]), np.array([1]), np.array([3, 5])]
    orders = np.concatenate(list(permuted(6, Settings(draws=300), blocks=blocks)))

    assert orders.shape == (300, 6)
    assert (np.sort(orders, axis=1) == np.arange(6)).all()
    assert (orders[:, 1] == 1).all()
    assert set(orders[:, 3]) == {3, 5}
    assert len({tuple(order) for order in orders}) == 12


def test_the_gap_of_mixed_patients_is_that_of_their_cases(random_calls):
    calls = random_calls(180, 3, per_cluster=3)
    for rate in ("selection_rate", "tpr", "ppv"):
        found = permutation_gap(calls, rate, Settings(draws=200))

        assert found.value == pytest.approx(np.ptp(rate_of(rate, calls.cells)))
        assert 0 < found.extra["expected_by_chance"] < 0.5
