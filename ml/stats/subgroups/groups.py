"""Which group a case belongs to, when a group is too small, and any measure by group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ml.estimate import Estimate, counted, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes

SMALLEST = 10  # cases; fewer are withheld
FEWEST = 5  # cases of a class that a measure rests on; fewer are withheld
NO_GROUP = -1

Needs = Literal["present", "absent", "both", "cases"]


@dataclass(frozen=True)
class Groups:
    """A partition of the rows; rows without a group have the code -1."""

    codes: IntArray  # (n,) 0..len(names)-1, or -1
    names: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[str | None]) -> "Groups":
        """Groups from texts in sorted order; None and empty texts belong to no group.

        Example:
            >>> Groups.of(["m", "f", None, "m"]).codes.tolist()
            [1, 0, -1, 1]
        """
        names = tuple(sorted({label for label in labels if label}))
        place = {name: at for at, name in enumerate(names)}
        codes = [place[label] if label else NO_GROUP for label in labels]
        return cls(np.array(codes, dtype=np.int64), names)

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def known(self) -> BoolArray:
        """(n,) rows that belong to a group."""
        return self.codes >= 0

    @property
    def sizes(self) -> IntArray:
        """(groups,) rows of each group."""
        counts = np.bincount(self.codes[self.known], minlength=self.count)
        return counts.astype(np.int64)

    def rows(self, group: int) -> IntArray:
        """Indices of the rows of one group."""
        return np.flatnonzero(self.codes == group)

    def where(self, chosen: IntArray | BoolArray) -> "Groups":
        """The groups of some rows, names kept even where they have become empty."""
        return Groups(self.codes[chosen], self.names)


def binned(values: FloatArray, cuts: Sequence[float] | None = None) -> Groups:
    """Groups of a number: below, between and from the cuts on; a cut belongs to the upper group.

    Args:
        values: (n,) numbers; NaN belongs to no group.
        cuts: rising; None cuts at the tertiles of the values themselves.

    Returns:
        Groups in rising order; equal tertiles are taken once, empty groups are kept.

    Raises:
        ValueError: for cuts that do not rise or are not finite.

    Example:
        >>> binned(np.array([20.0, 50.0, 70.0]), (50, 65)).names
        ('< 50', '50 to < 65', '≥ 65')
    """
    values = np.asarray(values, dtype=np.float64)
    given = values[np.isfinite(values)]
    if cuts is None:
        low, high = np.quantile(given, (1 / 3, 2 / 3)) if given.size else (0.0, 0.0)
        edges = np.unique([low, high])
        edges = edges[edges > given.min()] if given.size else edges[:0]
    else:
        edges = np.asarray(cuts, dtype=np.float64)
        if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
            raise ValueError(f"cuts must be finite and rise, got {list(cuts)}")
    codes = np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), NO_GROUP)
    words = [f"{edge:.6g}" for edge in edges]
    if len(set(words)) < len(words):  # cuts that six digits do not tell apart
        words = [f"{edge:.17g}" for edge in edges]
    if not words:
        return Groups(codes.astype(np.int64), ("all",))
    between = [f"{low} to < {high}" for low, high in pairwise(words)]
    return Groups(codes.astype(np.int64), (f"< {words[0]}", *between, f"≥ {words[-1]}"))


def withheld(n: int, n_events: int | None = None, needs: Needs = "present") -> str | None:
    """Why a group is too small for a value to be shown, or None when it is large enough.

    Below ten cases, or five of a class that the measure rests on, a value says more about single
    persons than about the group, and its interval spans nearly everything.

    Args:
        n: cases of the group.
        n_events: cases with the finding among them; None where that has no meaning.
        needs: which class the measure rests on.

    Example:
        >>> withheld(40, 3)
        'Not shown: only 3 cases with the finding in this group, and at least 5 are needed.'
    """
    if n < SMALLEST:
        few = counted(n, "case")
        return f"Not shown: only {few} in this group, and at least {SMALLEST} are needed."
    if n_events is None or needs == "cases":
        return None
    sides = {"present": ("with", n_events), "absent": ("without", n - n_events)}
    for side, (word, found) in sides.items():
        if needs in (side, "both") and found < FEWEST:
            return (
                f"Not shown: only {counted(found, 'case')} {word} the finding in this group, and "
                f"at least {FEWEST} are needed."
            )
    return None


def by_group(
    measure: Callable[[IntArray], Estimate],
    groups: Groups,
    present: IntArray | BoolArray | None = None,
    *,
    needs: Needs = "present",
    suppress: bool = True,
) -> dict[str, Estimate]:
    """Any measure of every group, each with its own n, cases with the finding, and interval.

    Args:
        measure: from the indices of a group's rows to an estimate; it takes clusters into account
            by choosing them with the same indices.
        groups: (n,) rows.
        present: (n,) 1 or 0; counted for the rule of small groups, None where it has no meaning.
        needs: which class the measure rests on, for the same rule.
        suppress: withhold the value of groups that are too small.

    Returns:
        By group name; ids are qualified by it ("auroc:f").

    Raises:
        ValueError: for outcomes of other rows, or other than 0 and 1.

    Example:
        >>> groups = Groups.of(["a"] * 12 + ["b"] * 3)
        >>> size = lambda rows: Estimate("size", float(rows.size), n=rows.size)
        >>> [found.value for found in by_group(size, groups).values()]
        [12.0, None]
    """
    positive = None if present is None else checked_outcomes(present)
    if positive is not None and positive.shape != groups.codes.shape:
        raise ValueError(f"expected an outcome for each of {groups.codes.size} rows")
    found: dict[str, Estimate] = {}
    for at, name in enumerate(groups.names):
        rows = groups.rows(at)
        n_events = None if positive is None else int(positive[rows].sum())
        reason = withheld(rows.size, n_events, needs) if suppress else None
        if reason is None and rows.size:
            estimate = measure(rows)
            found[name] = estimate.renamed(f"{estimate.id}:{name}")
        else:
            reason = reason or "Not estimated: there are no cases in this group."
            found[name] = undefined(name, reason, n=rows.size, n_events=n_events)
    ids = {estimate.id.partition(":")[0] for name, estimate in found.items() if estimate.id != name}
    base = ids.pop() if len(ids) == 1 else "measure"
    return {
        name: estimate.renamed(f"{base}:{name}") if estimate.id == name else estimate
        for name, estimate in found.items()
    }
