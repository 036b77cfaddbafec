"""The independent units of a cohort: cases, patients or groups."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import JsonValue
from ml.stats.arrays import FloatArray, IntArray

MIN_CLUSTERS = 10  # below, the spread of so few units says nothing about the next one
_PLURAL = {"case": "cases", "patient": "patients", "group": "groups"}


@dataclass(frozen=True)
class Clusters:
    """Which independent unit each row belongs to."""

    codes: IntArray  # (n,) 0..count-1
    count: int
    kind: str = "case"  # "case" | "patient" | "group"

    @classmethod
    def of(cls, cluster: IntArray, kind: str = "case") -> "Clusters":
        """Clusters from any codes; their sorted order numbers them.

        Raises:
            ValueError: for a missing code: rows of unknown units are no unit of their own.

        Example:
            >>> Clusters.of(np.array([7, 7, 3])).codes.tolist()
            [1, 1, 0]
        """
        given = np.asarray(cluster)
        if given.dtype.kind == "f" and np.isnan(given).any():
            raise ValueError("a cluster code is missing: leave the row out, or give it its own")
        found, codes = np.unique(given, return_inverse=True)
        return cls(codes.astype(np.int64).reshape(-1), int(found.size), kind)

    @classmethod
    def singles(cls, n: int) -> "Clusters":
        """Every row its own unit.

        Example:
            >>> Clusters.singles(3).codes.tolist()
            [0, 1, 2]
        """
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


def checked_clusters(clusters: Clusters | None, n: int) -> Clusters:
    """The clusters of n rows; None makes every row its own.

    Raises:
        ValueError: for another number of rows, or codes outside 0..count-1.

    Example:
        >>> checked_clusters(None, 3).count
        3
    """
    if clusters is None:
        return Clusters.singles(n)
    if clusters.codes.shape != (n,):
        raise ValueError(f"expected a cluster for each of {n} rows, got {clusters.codes.shape}")
    if n and (clusters.codes.min() < 0 or clusters.codes.max() >= clusters.count):
        raise ValueError(f"cluster codes must lie in 0..{clusters.count - 1}")
    return clusters


def too_few(clusters: Clusters) -> str | None:
    """The sentence that refuses an interval, or None when there are enough units.

    Example:
        >>> too_few(Clusters.singles(3))
        'No interval: only 3 cases, and at least 10 are needed.'
    """
    if clusters.count >= MIN_CLUSTERS:
        return None
    return f"No interval: only {clusters.words}, and at least {MIN_CLUSTERS} are needed."
