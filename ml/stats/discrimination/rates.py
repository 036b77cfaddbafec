"""Rates of a 2x2 table of calls against the truth, each with its interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.asked import checked_count, checked_number
from ml.stats.bootstrap import DEFAULT, Settings, pattern_replicate_sums, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import percentile_interval
from ml.stats.proportion import IntervalName, proportion

_MOST = 10**9  # cases in a cell of a table that is made into cases
SHARES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "prevalence")


@dataclass(frozen=True)
class Calls:
    """Calls against the truth, case by case."""

    called: BoolArray  # (n,) the finding was called present
    positive: BoolArray  # (n,) it is present
    clusters: Clusters

    @classmethod
    def of(
        cls, called: BoolArray, positive: BoolArray, clusters: Clusters | None = None
    ) -> "Calls":
        """From two (n,) arrays of booleans, or of 0 and 1.

        Raises:
            ValueError: for unequal shapes or other values.

        Example:
            >>> Calls.of([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 1]).counts  # tp, fp, fn, tn
            (3, 1, 2, 0)
        """
        called, positive = np.asarray(called), np.asarray(positive)
        if called.ndim != 1 or called.shape != positive.shape:
            raise ValueError(f"expected two (n,) arrays, got {called.shape} and {positive.shape}")
        for values in (called, positive):
            if not ((values == 0) | (values == 1)).all():
                raise ValueError("calls and truth must be true or false: leave missing ones out")
        return cls(called == 1, positive == 1, checked_clusters(clusters, called.size))

    @classmethod
    def table(cls, tp: int, fp: int, fn: int, tn: int) -> "Calls":
        """From the four counts, every case its own cluster.

        Raises:
            ValueError: for counts that are negative, not whole, or above a thousand million.

        Example:
            >>> Calls.table(tp=3, fp=1, fn=2, tn=4).counts
            (3, 1, 2, 4)
        """
        counts = [checked_count("a cell of the table", n, 0, _MOST) for n in (tp, fp, fn, tn)]
        return cls.of(
            np.repeat([True, True, False, False], counts),
            np.repeat([True, False, True, False], counts),
        )

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """True and false positives, false and true negatives."""
        tp, fp, fn, tn = (int(cell.sum()) for cell in self.cells().T)
        return tp, fp, fn, tn

    def cells(self) -> BoolArray:
        """(n, 4) which of tp, fp, fn, tn each case is."""
        says, has = self.called, self.positive
        return np.column_stack([says & has, says & ~has, ~says & has, ~says & ~has])


def rate(
    name: str, calls: Calls, *, interval: IntervalName = "wilson", level: float = 0.95
) -> Estimate:
    """One share of the table.

    Args:
        name: sensitivity, specificity, ppv, npv, accuracy or prevalence.
        calls: the cases.
        interval: see ``proportion``; on the effective sample size where cases cluster.
        level: of the interval.

    Returns:
        Undefined when nothing is in its denominator.

    Raises:
        ValueError: for another name.

    Example:
        >>> rate("sensitivity", Calls.table(tp=231, fp=32, fn=27, tn=54)).value
        0.8953488372093024

    Source:
        Altman, Bland (1994), BMJ 308:1552 and 309:102.
    """
    says, has = calls.called, calls.positive
    everyone = np.ones(says.size, dtype=bool)
    shares = {
        "sensitivity": (has, says, "cases with the finding"),
        "specificity": (~has, ~says, "cases without the finding"),
        "ppv": (says, has, "cases called present"),
        "npv": (~says, ~has, "cases called absent"),
        "accuracy": (everyone, says == has, "cases"),
        "prevalence": (everyone, has, "cases"),
    }
    if name not in shares:
        raise ValueError(f"rate must be one of {', '.join(shares)}, got {name!r}")
    among, success, of_what = shares[name]
    rows = np.flatnonzero(among)
    return proportion(
        name, success[rows], calls.clusters.where(rows), level=level,
        convention=f"share of {of_what}; predictive values at the prevalence of the cases"
        if name in ("ppv", "npv") else f"share of {of_what}",
        n_events=int(has[rows].sum()), of_what=of_what, interval=interval,
    )  # fmt: skip


def _balanced(s: FloatArray) -> FloatArray:
    return (ratio(s[:, 0], s[:, 0] + s[:, 2]) + ratio(s[:, 3], s[:, 1] + s[:, 3])) / 2


def _mcc(s: FloatArray) -> FloatArray:
    tp, fp, fn, tn = s.T
    # Root by root: the product of four counts passes the digits of a float.
    bottom = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return ratio(tp * tn - fp * fn, bottom)


def _kappa(s: FloatArray) -> FloatArray:
    tp, fp, fn, tn = s.T
    return ratio(2 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))


_INDICES: dict[str, tuple[Callable[[FloatArray], FloatArray], str]] = {
    "balanced_accuracy": (_balanced, "mean of sensitivity and specificity"),
    "informedness": (lambda s: 2 * _balanced(s) - 1, "Youden's J, sensitivity + specificity - 1"),
    "mcc": (_mcc, "Matthews correlation, the phi coefficient of the table"),
    "cohen_kappa": (_kappa, "calls against truth, unweighted"),
}
INDICES = tuple(_INDICES)


def index(name: str, calls: Calls, settings: Settings = DEFAULT) -> Estimate:
    """A function of all four cells, with a percentile bootstrap interval.

    Args:
        name: balanced_accuracy, informedness, mcc or cohen_kappa.
        calls: the cases; whole clusters are drawn.
        settings: level, draws, seed.

    Returns:
        Undefined when a denominator is 0 (one class only; all calls alike for mcc).

    Raises:
        ValueError: for another name.

    Example:
        >>> round(index("mcc", Calls.table(tp=231, fp=32, fn=27, tn=54)).value, 6)
        0.534014

    Source:
        Youden (1950), Cancer 3:32-35; Matthews (1975), BBA 405:442-451; Cohen (1960).
    """
    if name not in _INDICES:
        raise ValueError(f"index must be one of {', '.join(INDICES)}, got {name!r}")
    measure, convention = _INDICES[name]
    return _of_cells(name, calls, measure, convention, settings)


def f_beta(calls: Calls, beta: float = 1.0, settings: Settings = DEFAULT) -> Estimate:
    """F-beta: harmonic mean of PPV and sensitivity, the latter weighing beta² times as much.

    Args:
        calls: the cases. F ignores true negatives and depends on prevalence.
        beta: above 0.
        settings: level, draws, seed of the bootstrap of whole clusters.

    Returns:
        Undefined when there is neither a finding nor a call.

    Raises:
        ValueError: for a beta that is not above 0, or above 1e70.

    Example:
        >>> round(f_beta(Calls.table(tp=231, fp=32, fn=27, tn=54)).value, 6)
        0.886756

    Source:
        van Rijsbergen (1979), Information Retrieval, chapter 7.
    """
    weight = checked_number("beta", beta, above=0) ** 2

    def measure(s: FloatArray) -> FloatArray:
        return ratio((1 + weight) * s[:, 0], (1 + weight) * s[:, 0] + weight * s[:, 2] + s[:, 1])

    name = "f1" if beta == 1 else f"f_beta:{beta:g}"
    return _of_cells(name, calls, measure, f"F with beta = {beta:g}", settings)


def expected_cost(
    calls: Calls,
    cost_miss: float,
    cost_false_alarm: float,
    prevalence: float | None = None,
    settings: Settings = DEFAULT,
    *,
    normalised: bool = False,
) -> Estimate:
    """Mean cost of an error per case: misses and false alarms weighed.

    Args:
        calls: the cases.
        cost_miss, cost_false_alarm: finite and not negative, in one unit.
        prevalence: between 0 and 1, of the population meant; that of the cases when None.
        settings: level, draws, seed of the bootstrap of whole clusters.
        normalised: divide by the cost of the better of calling all present or all absent: above
            1 the calls are worth less than none.

    Raises:
        ValueError: for costs that are negative or not finite, or a prevalence outside.

    Example:
        >>> calls = Calls.table(tp=8, fp=10, fn=2, tn=80)
        >>> round(expected_cost(calls, cost_miss=5, cost_false_alarm=1).value, 12)
        0.2

    Source:
        Metz (1978), Seminars in Nuclear Medicine 8:283-298; Ferrer (2022). Analysis and comparison
        of classification metrics, arXiv 2209.05355.
    """
    if not all(0 <= cost < np.inf for cost in (cost_miss, cost_false_alarm)):
        raise ValueError(
            f"costs must be finite and not negative, got {cost_miss} and {cost_false_alarm}"
        )
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1, got {prevalence}")

    def measure(s: FloatArray) -> FloatArray:
        tp, fp, fn, tn = s.T
        share = (
            ratio(tp + fn, s.sum(axis=1)) if prevalence is None else np.full(tp.size, prevalence)
        )
        missed = cost_miss * share * ratio(fn, tp + fn)
        alarmed = cost_false_alarm * (1 - share) * ratio(fp, fp + tn)
        if not normalised:
            return missed + alarmed
        naive = np.minimum(cost_miss * share, cost_false_alarm * (1 - share))
        return ratio(missed + alarmed, naive)

    convention = (
        f"miss costs {cost_miss:g}, false alarm {cost_false_alarm:g}, prevalence "
        f"{'of the cases' if prevalence is None else format(prevalence, 'g')}"
        f"{', over the cost of the better constant call' if normalised else ''}"
    )
    name = "normalised_expected_cost" if normalised else "expected_cost"
    return _of_cells(name, calls, measure, convention, settings)


def _of_cells(
    name: str,
    calls: Calls,
    measure: Callable[[FloatArray], FloatArray],
    convention: str,
    settings: Settings,
) -> Estimate:
    cells = calls.cells().astype(np.float64)
    n, n_events = cells.shape[0], int(calls.positive.sum())
    value = float(measure(cells.sum(axis=0)[None, :])[0]) if n else float("nan")
    if not np.isfinite(value):
        reason = "Not estimated: its denominator is 0 in this table."
        return undefined(name, reason, n=n, n_events=n_events, convention=convention)
    tp, fp, fn, tn = calls.counts
    extra = {"tp": tp, "fp": fp, "fn": fn, "tn": tn, **calls.clusters.extra}
    refusal = too_few(calls.clusters)
    if refusal:
        return Estimate(
            name, value, n=n, n_events=n_events, convention=convention, reason=refusal, extra=extra
        )
    if calls.clusters.each_alone:
        drawn = pattern_replicate_sums(np.eye(4), np.array(calls.counts), settings)
    else:
        drawn = replicate_sums(calls.clusters.sums(cells), settings)
    interval = percentile_interval(measure(drawn), calls.clusters, settings)
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip
