"""Discrimination against scikit-learn and the usual DeLong."""

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import Result, Skipped, alternated, attempted
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.auroc_bootstrap import bootstrap_auroc
from ml.stats.discrimination.placements import delong_variance, placements

N, CLUSTERS, DRAWS = 2000, 1000, 200
TOLERANCE = 0.015  # of interval ends: both are Monte Carlo with 200 draws of their own


def run() -> Iterator[Result | Skipped]:
    return attempted(auroc_cluster_bootstrap, auroc_case_bootstrap, delong)


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

    own = auroc(scores, present, clusters, settings, method="percentile")
    theirs = peer()
    assert own.value is not None
    assert own.low is not None
    assert own.high is not None
    agree = abs(own.value - theirs[0]) < 1e-12 and all(
        abs(a - b) < TOLERANCE for a, b in zip((own.low, own.high), theirs[1:], strict=True)
    )
    ours, peer_seconds = alternated(
        lambda: auroc(scores, present, clusters, settings, method="percentile"), peer, runs=5
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


def auroc_case_bootstrap() -> Result:
    """2,000 replicates of 10,000 cases, each its own unit; the peer is timed on some of them."""
    n, draws, timed = 10_000, 2000, 100
    rng = np.random.default_rng(20261123)
    present = rng.integers(0, 2, n)
    scores = present + rng.normal(0, 1.2, n)
    clusters, settings = Clusters.singles(n), Settings(draws=draws)

    def ours() -> FloatArray:
        return bootstrap_auroc(scores, present == 1, clusters, settings)

    def peer() -> None:
        for _ in range(timed):
            rows = rng.integers(0, n, n)
            roc_auc_score(present[rows], scores[rows])

    # The same replicates drawn out one by one: equal to the last digits.
    counts = np.concatenate(list(draw_counts(n, Settings(draws=20))))
    rows = [np.repeat(np.arange(n), count.astype(int)) for count in counts]
    theirs = np.array([roc_auc_score(present[row], scores[row]) for row in rows])
    agree = np.abs(ours()[:20] - theirs).max() < 1e-12
    seconds, part = alternated(ours, peer, runs=7)
    whole = part * draws / timed
    return Result(
        name="statistics: AUROC bootstrap of cases",
        ours=seconds,
        peer=whole,
        peer_name="scikit-learn in a loop",
        ratio=whole / seconds,
        goal=35,
        unit="s",
        n=f"{n:,} cases, {draws:,} draws; the peer timed on {timed} and scaled",
        agree=bool(agree),
    )


def delong() -> Result:
    """Variance of an AUROC of 100,000 cases, against midranks in plain numpy."""
    n = 100_000
    rng = np.random.default_rng(20261123)
    present = rng.integers(0, 2, n)
    scores = present + rng.normal(0, 1.2, n)

    def ours() -> float:
        return delong_variance(placements(scores, present))

    def peer() -> float:
        return delong_by_midranks(scores, present)

    agree = abs(ours() - peer()) < 1e-12 * peer()
    seconds, theirs = alternated(ours, peer, runs=21)
    return Result(
        name="statistics: DeLong variance",
        ours=seconds * 1000,
        peer=theirs * 1000,
        peer_name="midranks in plain numpy (Sun & Xu 2014)",
        ratio=theirs / seconds,
        goal=2,
        unit="ms",
        n=f"{n:,} cases",
        agree=bool(agree),
    )


def delong_by_midranks(scores: FloatArray, present: IntArray) -> float:
    """The usual fast DeLong: three midranks, one of each class and one of all cases."""

    def midranks(values: FloatArray) -> FloatArray:
        order = np.argsort(values, kind="stable")
        _, first, count = np.unique(values[order], return_index=True, return_counts=True)
        ranks = np.empty(values.size)
        ranks[order] = np.repeat(first + (count + 1) / 2, count)
        return ranks

    x, y = scores[present == 1], scores[present == 0]
    ranks = midranks(np.concatenate([x, y]))
    of_x = (ranks[: x.size] - midranks(x)) / y.size
    of_y = 1 - (ranks[x.size :] - midranks(y)) / x.size
    return float(of_x.var(ddof=1) / x.size + of_y.var(ddof=1) / y.size)
