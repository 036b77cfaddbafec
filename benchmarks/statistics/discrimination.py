"""Discrimination against scikit-learn and the usual DeLong."""

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import Result, alternated
from ml.stats.bootstrap import Clusters, Settings
from ml.stats.discrimination.auroc import auroc

N, CLUSTERS, DRAWS = 2000, 1000, 200
TOLERANCE = 0.015  # of interval ends: both are Monte Carlo with 200 draws of their own


def run() -> list[Result]:
    return [auroc_cluster_bootstrap()]


def auroc_cluster_bootstrap() -> Result:
    rng = np.random.default_rng(20261123)
    cluster = rng.integers(0, CLUSTERS, N)
    present = rng.integers(0, 2, N)
    scores = present + rng.normal(0, 1.2, N)
    clusters, settings = Clusters.of(cluster, "patient"), Settings(draws=DRAWS)
    members = [np.flatnonzero(clusters.codes == code) for code in range(clusters.count)]

    def peer() -> tuple[float, float, float]:
        drawn = []
        for _ in range(DRAWS):
            chosen = rng.integers(0, clusters.count, clusters.count)
            rows = np.concatenate([members[code] for code in chosen])
            drawn.append(roc_auc_score(present[rows], scores[rows]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(roc_auc_score(present, scores)), float(low), float(high)

    own = auroc(scores, present, clusters, settings)
    theirs = peer()
    assert own.value is not None
    assert own.low is not None
    assert own.high is not None
    agree = abs(own.value - theirs[0]) < 1e-12 and all(
        abs(a - b) < TOLERANCE for a, b in zip((own.low, own.high), theirs[1:], strict=True)
    )
    ours, peer_seconds = alternated(
        lambda: auroc(scores, present, clusters, settings), peer, runs=5
    )
    return Result(
        name="statistics: AUROC with cluster bootstrap",
        ours=ours,
        peer=peer_seconds,
        peer_name="scikit-learn in a loop",
        ratio=peer_seconds / ours,
        goal=10,
        unit="s",
        n=f"{N:,} cases in {CLUSTERS:,} patients, {DRAWS} draws",
        agree=bool(agree),
    )
