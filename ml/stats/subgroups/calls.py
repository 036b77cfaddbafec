"""Calls by group: the four cells of each group's table, its rates, and their replicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.bootstrap import Settings, pattern_replicate_sums, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.proportion import proportion
from ml.stats.subgroups.groups import Groups, withheld

Rate = Literal[
    "selection_rate", "tpr", "fpr", "fnr", "tnr", "ppv", "npv", "fdr", "for", "accuracy",
    "error_rate", "prevalence",
]  # fmt: skip
RATES: tuple[Rate, ...] = get_args(Rate)
CELLS = ("tn", "fp", "fn", "tp")

# rate -> (cells counted, cells it is a share of, what these are)
_PARTS: dict[Rate, tuple[str, str, str]] = {
    "selection_rate": ("fp tp", "tn fp fn tp", "cases"),
    "tpr": ("tp", "fn tp", "cases with the finding"),
    "fnr": ("fn", "fn tp", "cases with the finding"),
    "fpr": ("fp", "tn fp", "cases without the finding"),
    "tnr": ("tn", "tn fp", "cases without the finding"),
    "ppv": ("tp", "fp tp", "cases called present"),
    "fdr": ("fp", "fp tp", "cases called present"),
    "npv": ("tn", "tn fn", "cases called absent"),
    "for": ("fn", "tn fn", "cases called absent"),
    "accuracy": ("tn tp", "tn fp fn tp", "cases"),
    "error_rate": ("fp fn", "tn fp fn tp", "cases"),
    "prevalence": ("fn tp", "tn fp fn tp", "cases"),
}


@dataclass(frozen=True)
class GroupedCalls:
    """Cases that belong to a group: what was called, what is true, who belongs together."""

    called: BoolArray  # (n,)
    present: BoolArray  # (n,)
    groups: Groups
    clusters: Clusters
    left_out: int = 0  # rows without a group

    @classmethod
    def of(
        cls,
        called: BoolArray | IntArray,
        present: BoolArray | IntArray,
        groups: Groups,
        clusters: Clusters | None = None,
    ) -> "GroupedCalls":
        """Check shapes and leave out rows without a group.

        Args:
            called, present: (n,) 1 or 0.
            groups, clusters: of the same rows; no clusters: every row is its own.

        Raises:
            ValueError: for unequal shapes, or values other than 0 and 1.

        Example:
            >>> GroupedCalls.of([1, 0, 1], [1, 1, 0], Groups.of(["a", "a", None])).left_out
            1
        """
        calls, truth = np.asarray(called), np.asarray(present)
        shapes = {calls.shape, truth.shape, groups.codes.shape}
        if len(shapes) > 1 or calls.ndim != 1:
            raise ValueError(f"expected three (n,) arrays of one length, got {sorted(shapes)}")
        if not (np.isin(calls, (0, 1)).all() and np.isin(truth, (0, 1)).all()):
            raise ValueError("calls and outcomes must be 0 or 1: leave other cases out")
        clusters = checked_clusters(clusters, calls.size)
        rows = np.flatnonzero(groups.known)
        return cls(
            calls[rows] == 1, truth[rows] == 1, groups.where(rows), clusters.where(rows),
            calls.size - rows.size,
        )  # fmt: skip

    @property
    def cells(self) -> IntArray:
        """(groups, 4) true negatives, false positives, false negatives, true positives."""
        counts = np.bincount(self._codes, minlength=4 * self.groups.count)
        return counts.reshape(-1, 4).astype(np.int64)

    @property
    def _codes(self) -> IntArray:
        cell = 2 * self.present.astype(np.int64) + self.called
        codes: IntArray = 4 * self.groups.codes + cell
        return codes

    def parts(self, rate: Rate) -> tuple[BoolArray, BoolArray]:
        """Rows that the rate counts, and rows that it is a share of; (n,) each."""
        cell = 2 * self.present.astype(np.int64) + self.called
        top, bottom = weights_of(rate)
        return top[cell] > 0, bottom[cell] > 0

    def replicates(self, settings: Settings) -> FloatArray:
        """Cells of every group in every bootstrap replicate, (draws, groups, 4)."""
        width = 4 * self.groups.count
        if not self.called.size:
            sums = np.zeros((settings.draws, width))
        elif self.clusters.each_alone:
            multiplicity = self.cells.reshape(-1)
            used = np.flatnonzero(multiplicity)
            sums = pattern_replicate_sums(np.eye(width)[used], multiplicity[used], settings)
        else:
            places = self.clusters.codes * width + self._codes
            sums = np.bincount(places, minlength=self.clusters.count * width).astype(np.float64)
            sums = replicate_sums(sums.reshape(-1, width), settings)
        return sums.reshape(settings.draws, self.groups.count, 4)


def weights_of(rate: Rate) -> tuple[FloatArray, FloatArray]:
    """Which of the four cells a rate counts, and which it is a share of; (4,) of 0 and 1.

    Raises:
        ValueError: for a rate that is not one of ``RATES``.

    Example:
        >>> top, bottom = weights_of("ppv")  # of tn, fp, fn, tp
        >>> top.tolist(), bottom.tolist()
        ([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0])
    """
    if rate not in _PARTS:
        raise ValueError(f"rate must be one of {', '.join(RATES)}, got {rate!r}")
    top, bottom, _ = _PARTS[rate]
    return (
        np.array([float(cell in top.split()) for cell in CELLS]),
        np.array([float(cell in bottom.split()) for cell in CELLS]),
    )


def rate_of(rate: Rate, cells: FloatArray | IntArray) -> FloatArray:
    """A rate from cells (..., 4): (...,), NaN where it is a share of nothing.

    Example:
        >>> rate_of("tpr", np.array([100, 20, 10, 70])).item()
        0.875
    """
    top, bottom = weights_of(rate)
    return ratio(cells @ top, cells @ bottom)


def group_rates(
    calls: GroupedCalls,
    rate: Rate,
    *,
    level: float = 0.95,
    convention: str = "",
    suppress: bool = False,
) -> dict[str, Estimate]:
    """One rate of every group, with its Wilson interval (on the effective size with clusters).

    Underdiagnosis is the ``fnr`` of calls of any finding (a diseased case called free of
    findings), overdiagnosis their ``fpr``.

    Args:
        calls: the cases.
        rate: selection_rate, tpr, fpr, fnr, tnr, ppv, npv, fdr, for, accuracy, error_rate or
            prevalence.
        level: of the intervals.
        suppress: withhold rates of groups below the rule of small groups.

    Returns:
        By group name. A rate that is a share of no case is undefined, never 0: fairlearn's
        0/0 = 0 makes TPR and FNR of a group without the finding 0 at once.

    Example:
        >>> calls = GroupedCalls.of([1, 0], [1, 0], Groups.of(["a", "b"]))
        >>> [found.value for found in group_rates(calls, "tpr").values()]
        [1.0, None]

    Source:
        Hardt, Price, Srebro (2016), NeurIPS. Seyyed-Kalantari et al. (2021), Nature Medicine
        27:2176-2182 (underdiagnosis).
    """
    hit, counted = calls.parts(rate)
    of_what = _PARTS[rate][2]
    found: dict[str, Estimate] = {}
    for at, name in enumerate(calls.groups.names):
        rows = calls.groups.rows(at)
        used = rows[counted[rows]]
        estimate = proportion(
            f"{rate}:{name}", hit[used], calls.clusters.where(used), level=level,
            convention=convention or f"share of {of_what}", of_what=f"{of_what} in this group",
            n_events=int(calls.present[used].sum()),
        )  # fmt: skip
        if suppress:
            estimate = _withheld(estimate, rows.size, int(calls.present[rows].sum()), rate)
        found[name] = estimate
    return found


def _withheld(estimate: Estimate, n: int, n_events: int, rate: Rate) -> Estimate:
    of_what = _PARTS[rate][2]
    side = {"cases with the finding": "present", "cases without the finding": "absent"}
    reason = withheld(n, n_events, "absent" if side.get(of_what) == "absent" else "present")
    if reason is None:
        return estimate
    return Estimate(
        estimate.id, None, n=estimate.n, n_events=estimate.n_events, level=None,
        convention=estimate.convention, reason=reason,
    )  # fmt: skip


def overall_rate(calls: GroupedCalls, rate: Rate, *, level: float = 0.95) -> Estimate:
    """The rate of all groups together, as ``group_rates``.

    Args:
        calls: the cases.
        rate: as ``group_rates``.
        level: of the interval.

    Example:
        >>> groups = Groups.of(list("aabb"))
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 0], groups)
        >>> round(overall_rate(calls, "tpr").value, 4)
        0.6667
    """
    hit, counted = calls.parts(rate)
    rows = np.flatnonzero(counted)
    return proportion(
        rate, hit[rows], calls.clusters.where(rows), level=level,
        convention=f"share of {_PARTS[rate][2]}", of_what=_PARTS[rate][2],
        n_events=int(calls.present[rows].sum()),
    )  # fmt: skip


def undefined_groups(calls: GroupedCalls, rates: Sequence[Rate]) -> list[str]:
    """Names of groups in which one of the rates is a share of nothing.

    Args:
        calls: the cases.
        rates: as ``group_rates``.

    Raises:
        ValueError: as ``weights_of``.

    Example:
        >>> groups = Groups.of(list("aabb"))
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 0, 0], groups)
        >>> undefined_groups(calls, ["tpr"])
        ['b']
    """
    lost = np.zeros(calls.groups.count, dtype=bool)
    for rate in rates:
        lost |= np.isnan(rate_of(rate, calls.cells))
    return [calls.groups.names[at] for at in np.flatnonzero(lost)]
