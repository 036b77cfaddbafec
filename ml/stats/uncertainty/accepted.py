"""Cases ordered by confidence, ready to be weighted: one sort serves every bootstrap replicate."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Accepted:
    """Counts of cases and errors by group of equal confidence, most confident first: (r, g)."""

    size: FloatArray
    errors: FloatArray

    @cached_property
    def reached(self) -> tuple[FloatArray, FloatArray]:
        """Cases and errors of a group and of all that are surer, (r, g) each."""
        return self.size.cumsum(axis=1), self.errors.cumsum(axis=1)

    @cached_property
    def before(self) -> tuple[FloatArray, FloatArray]:
        """Cases and errors of all groups that are surer, (r, g) each."""
        cases, errors = self.reached
        return cases - self.size, errors - self.errors

    @property
    def total(self) -> FloatArray:
        """Cases, (r,)."""
        return self.reached[0][:, -1]

    @property
    def wrong(self) -> FloatArray:
        """Errors, (r,)."""
        return self.reached[1][:, -1]

    @cached_property
    def rate(self) -> FloatArray:
        """Share of errors of each group, 0 where it is empty, (r, g)."""
        return np.asarray(self.errors / np.maximum(self.size, 1))

    @cached_property
    def mean_risk(self) -> FloatArray:
        """Mean over k of the errors expected among the k surest cases over k: AURC, (r,)."""
        before, errors = self.before
        # Sum over j of (errors + j·rate) / (before + j), j = 1..size, in harmonic numbers.
        inside = self.errors.sum(axis=1)
        inside += np.einsum("rg,rg->r", errors - self.rate * before, self._harmonic)
        return np.asarray(inside / self.total)

    @cached_property
    def mean_errors(self) -> FloatArray:
        """Mean over k of the errors expected among the k surest cases over n: AUGRC, (r,)."""
        _, errors = self.before
        inside = self.size * errors + self.errors * (self.size + 1) / 2
        return np.asarray(inside.sum(axis=1) / self.total**2)

    @property
    def _harmonic(self) -> FloatArray:
        """Sum of 1/k over the places k that the cases of a group take, (r, g)."""
        most = int(self.total.max(initial=0.0))
        # Counts are whole: a table is read in a fraction of the time that digamma takes.
        table = np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, most + 1))])
        up_to = table[self.reached[0].astype(np.intp)]
        return np.diff(up_to, axis=1, prepend=0.0)

    def risks_at(self, coverages: FloatArray) -> FloatArray:
        """Expected share of errors among the ceil(coverage·n) most confident cases.

        Args:
            coverages: (c,) above 0 and at most 1.

        Returns:
            (r, c).
        """
        # 0.7·10 is 7.000000000000001 to the machine.
        k = np.maximum(np.ceil(coverages * self.total[:, None] - 1e-9), 1)
        reached, found = self.reached
        # Each row one behind the other: the group of the k-th case is looked up, not counted to.
        row = (np.arange(len(k)) * (self.total.max(initial=0.0) + 1))[:, None]
        at = np.searchsorted((reached + row).ravel(), (k + row).ravel()).reshape(k.shape)
        size, wrong = self.size.ravel()[at], self.errors.ravel()[at]
        past = reached.ravel()[at] - k
        risk: FloatArray = (found.ravel()[at] - past * wrong / size) / k
        return risk


class AcceptedCases:
    """Cases that replicates weight.

    A replicate changes how often each unit counts, never the order of the cases.
    """

    def __init__(
        self, confidence: FloatArray, wrong: BoolArray | FloatArray, codes: IntArray
    ) -> None:
        """From (n,) confidences, errors, and the unit that each case belongs to; n >= 1."""
        order = np.argsort(-confidence, kind="stable")
        self._starts = np.concatenate([[0], np.flatnonzero(np.diff(confidence[order])) + 1])
        self._tied = self._starts.size < order.size
        self._codes, self._wrong = codes[order], wrong[order].astype(np.float64)

    def of(self, counts: FloatArray) -> Accepted:
        """Each unit counted as in (r, units)."""
        weights = counts[:, self._codes]
        if not self._tied:
            return Accepted(weights, weights * self._wrong)
        return Accepted(
            np.add.reduceat(weights, self._starts, axis=1),
            np.add.reduceat(weights * self._wrong, self._starts, axis=1),
        )
