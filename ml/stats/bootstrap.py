"""Resampling of independent units: patients or groups, never single rows of a cluster."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.estimate import JsonValue
from ml.stats.arrays import FloatArray, IntArray

MIN_CLUSTERS = 10  # below, the spread of so few units says nothing about the next one
MAX_UNDEFINED = 0.10  # share of replicates in which a measure may be undefined
_CHUNK = 1_000_000  # numbers held at once per pass; small enough for the cache

_PLURAL = {"case": "cases", "patient": "patients", "group": "groups"}


@dataclass(frozen=True)
class Settings:
    """How intervals are made."""

    draws: int = 2000
    seed: int = 20261123
    level: float = 0.95


DEFAULT = Settings()


@dataclass(frozen=True)
class Clusters:
    """Which independent unit each row belongs to."""

    codes: IntArray  # (n,) 0..count-1
    count: int
    kind: str = "case"  # "case" | "patient" | "group"

    @classmethod
    def of(cls, cluster: IntArray, kind: str = "case") -> "Clusters":
        """Clusters from any codes; their sorted order numbers them.

        Example:
            >>> Clusters.of(np.array([7, 7, 3])).codes.tolist()
            [1, 1, 0]
        """
        found, codes = np.unique(np.asarray(cluster), return_inverse=True)
        return cls(codes.astype(np.int64).reshape(-1), int(found.size), kind)

    @classmethod
    def singles(cls, n: int) -> "Clusters":
        """Every row its own unit."""
        return cls(np.arange(n, dtype=np.int64), n)

    @property
    def each_alone(self) -> bool:
        return self.count == self.codes.size

    @property
    def words(self) -> str:
        """Count and noun: "1,271 groups"."""
        noun = self.kind if self.count == 1 else _PLURAL.get(self.kind, f"{self.kind}s")
        return f"{self.count:,} {noun}"

    @property
    def extra(self) -> dict[str, JsonValue]:
        """What an estimate says of the units its interval rests on."""
        return {"n_clusters": self.count, "cluster_kind": self.kind}

    def where(self, chosen: IntArray) -> "Clusters":
        """The clusters of some rows, given by index or mask."""
        return Clusters.of(self.codes[chosen], self.kind)

    def sums(self, rows: FloatArray) -> FloatArray:
        """Add up rows (n, q) within each cluster: (count, q)."""
        rows = rows[:, None] if rows.ndim == 1 else rows
        columns = [np.bincount(self.codes, column, self.count) for column in rows.T]
        return np.stack(columns, axis=1) if columns else np.zeros((self.count, 0))


@dataclass(frozen=True)
class Interval:
    low: float | None
    high: float | None
    method: str
    reason: str | None = None  # why there is none


def too_few(clusters: Clusters) -> str | None:
    """The sentence that refuses an interval, or None when there are enough units."""
    if clusters.count >= MIN_CLUSTERS:
        return None
    return f"No interval: only {clusters.words}, and at least {MIN_CLUSTERS} are needed."


def draw_counts(count: int, settings: Settings, *, width: int = 0) -> Iterator[FloatArray]:
    """How often each unit was drawn, replicate by replicate, in chunks (c, count).

    The stream of random numbers depends on count and seed alone, so that two measures of the
    same cohort see the same replicates.

    Args:
        count: number of units to draw from, and number drawn.
        settings: draws and seed.
        width: rows that the caller holds per replicate; sets the size of a chunk.
    """
    generator = np.random.default_rng(settings.seed)
    step = max(1, _CHUNK // max(count, width, 1))
    for start in range(0, settings.draws, step):
        size = min(step, settings.draws - start)
        if count == 0:
            yield np.zeros((size, 0))
            continue
        drawn = generator.integers(0, count, size=(size, count))
        drawn += np.arange(size)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=size * count)
        yield counts.reshape(size, count).astype(np.float64)


def replicate_sums(sums: FloatArray, settings: Settings) -> FloatArray:
    """Sums of every replicate, (draws, q), from sums per unit, (count, q).

    Every measure that is a function of sums over cases is resampled by one matrix product.
    """
    parts = [counts @ sums for counts in draw_counts(sums.shape[0], settings)]
    return np.concatenate(parts, axis=0)


def percentile_interval(
    replicates: FloatArray,
    clusters: Clusters,
    settings: Settings,
    *,
    centre: float | None = None,
) -> Interval:
    """Percentile interval of bootstrap replicates.

    Args:
        replicates: (draws,) the measure in each replicate, NaN where it was undefined.
        clusters: the units that were drawn.
        settings: level, and draws and seed for the method's name.
        centre: shift the replicates so that their mean is this value. Binned errors gain
            the same upward bias in every replicate once more; this takes it off again.

    Returns:
        The interval, or a reason when more than a tenth of the replicates were undefined.

    Source:
        Efron, Tibshirani (1993). An Introduction to the Bootstrap, chapter 13. Clusters as the
        units drawn: Davison, Hinkley (1997), Bootstrap Methods, section 3.8.
    """
    method = (
        f"cluster bootstrap over {clusters.words}, percentile, {settings.draws:,} draws, "
        f"seed {settings.seed}"
    )
    if clusters.each_alone:
        method = method.replace("cluster bootstrap", "bootstrap")
    refusal = too_few(clusters)
    if refusal:
        return Interval(None, None, "", refusal)
    defined = replicates[np.isfinite(replicates)]
    lost = replicates.size - defined.size
    if lost > MAX_UNDEFINED * replicates.size:
        reason = (
            f"No interval: the measure is undefined in {lost:,} of {replicates.size:,} "
            "bootstrap replicates."
        )
        return Interval(None, None, "", reason)
    if lost:
        method += f"; {lost:,} replicates without a defined value left out"
    if centre is not None:
        defined = defined - (defined.mean() - centre)
        method += "; recentred at the estimate"
    tail = (1 - settings.level) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return Interval(float(low), float(high), method)
