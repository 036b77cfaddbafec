"""Calls by group, from tables or at random."""

from collections.abc import Callable

import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.groups import Groups

# ProPublica's COMPAS table (Larson et al. 2016): tn, fp, fn, tp
COMPAS = {"Black": (990, 805, 532, 1369), "White": (1139, 349, 461, 505)}


@pytest.fixture
def calls_of() -> Callable[[dict[str, tuple[int, int, int, int]]], GroupedCalls]:
    def make(tables: dict[str, tuple[int, int, int, int]]) -> GroupedCalls:
        cell = np.concatenate([np.repeat(np.arange(4), counts) for counts in tables.values()])
        labels = [name for name, counts in tables.items() for _ in range(sum(counts))]
        return GroupedCalls.of(cell % 2, cell // 2, Groups.of(labels))

    return make


@pytest.fixture
def compas(calls_of) -> GroupedCalls:
    return calls_of(COMPAS)


@pytest.fixture
def random_calls(rng) -> Callable[..., GroupedCalls]:
    def make(n: int = 120, groups: int = 3, per_cluster: int = 1) -> GroupedCalls:
        clusters = Clusters.of(np.arange(n) // per_cluster, "patient")
        label = rng.integers(0, groups, clusters.count)[clusters.codes]
        return GroupedCalls.of(
            rng.random(n) < 0.4, rng.random(n) < 0.5, Groups.of([f"g{k}" for k in label]), clusters
        )

    return make
