"""What the losses of a network give away of the cases that it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.auroc_bootstrap import Ranked
from ml.stats.interval import Interval, percentile_interval

_LARGEST = 1e70
_MIX = "within each class, classes weighted as in the cases that were not trained on"


@dataclass(frozen=True)
class _Pooled:
    """Members first, then the others; one code of units for all."""

    values: FloatArray  # (n + m,)
    member: BoolArray
    kind: IntArray  # place in `shares`
    shares: FloatArray  # (k,) of the others; classes that both sides have
    clusters: Clusters
    units: tuple[Clusters, Clusters]
    left_out: int  # cases of classes that one side does not have

    @property
    def few(self) -> str | None:
        return too_few(self.units[0]) or too_few(self.units[1])

    @property
    def extra(self) -> dict[str, int | str]:
        return {
            "n_member_clusters": self.units[0].count, "n_other_clusters": self.units[1].count,
            "n_left_out": self.left_out,
        }  # fmt: skip

    def drawn(
        self, measure: Callable[[FloatArray], FloatArray], settings: Settings
    ) -> FloatArray:  # fmt: skip
        """Replicates, units drawn within members and within the others."""
        strata = (np.arange(self.clusters.count) >= self.units[0].count).astype(np.int64)
        return replicates(
            measure, self.clusters.count, settings, width=self.values.size, strata=strata
        )


def membership_auroc(
    member_losses: FloatArray,
    other_losses: FloatArray,
    member_kinds: IntArray | None = None,
    other_kinds: IntArray | None = None,
    member_clusters: Clusters | None = None,
    other_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """P(a case that was trained on has the lower loss than one that was not), ties one half.

    One half is chance: the loss tells nothing. Compared within each class, because a class that is
    harder, and more frequent on one side, would tell the sides apart without any memory.

    Args:
        member_losses, other_losses: (n,) and (m,) finite; of cases trained on, and of others.
        member_kinds, other_kinds: (n,) and (m,) codes of their true classes; None: all alike.
        member_clusters, other_clusters: independent units of each, none of them in both.
        settings: level, draws, seed.

    Returns:
        Percentile bootstrap of units within each side, the weights of classes held fixed. Where
        every member has the lower loss there is a lower bound alone: the exact ones of the classes,
        weighted. Undefined where no class has cases on both sides.

    Raises:
        ValueError: for losses that are not finite, or shapes that do not fit.

    Example:
        >>> membership_auroc(np.array([0.1, 0.2]), np.array([0.15, 0.9])).value
        0.75

    Source:
        Yeom et al. (2018), IEEE CSF 268-282 (the loss as the attack); Carlini et al. (2022), IEEE
        S&P 1897-1914 (and why a rate at few false alarms is sharper).
    """
    convention = f"P(loss of a member below that of another case), ties one half; {_MIX}"
    pooled = _pooled(
        member_losses, other_losses, member_kinds, other_kinds, member_clusters, other_clusters
    )
    if isinstance(pooled, str):
        return undefined("membership_auroc", pooled, convention=convention)
    ranked = [
        Ranked(-pooled.values[rows], pooled.member[rows], pooled.clusters.codes[rows])
        for rows in (np.flatnonzero(pooled.kind == at) for at in range(pooled.shares.size))
    ]

    def measure(counts: FloatArray) -> FloatArray:
        found: FloatArray = pooled.shares @ np.stack([one.auroc(counts) for one in ranked])
        return found

    value = float(measure(np.ones((1, pooled.clusters.count)))[0])
    if value in (0.0, 1.0):
        return _at_the_end(pooled, value, settings, convention)
    return _estimate("membership_auroc", value, pooled, measure, settings, convention)


def membership_gap(
    measure: str,
    member_values: FloatArray,
    other_values: FloatArray,
    member_kinds: IntArray | None = None,
    other_kinds: IntArray | None = None,
    member_clusters: Clusters | None = None,
    other_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean of a number over cases trained on, less that over others, of one mix of classes.

    Args:
        measure: id of the estimate.
        member_values, other_values: (n,) and (m,) finite numbers, one for each case.
        member_kinds, other_kinds, member_clusters, other_clusters, settings: as
            ``membership_auroc``.

    Returns:
        Percentile bootstrap as there.

    Raises:
        ValueError: as there.

    Example:
        >>> membership_gap("gap", np.array([1.0, 1.0]), np.array([1.0, 0.0])).value
        0.5

    Source:
        Davison, Hinkley (1997), Bootstrap Methods, section 3.2 (samples drawn one by one).
    """
    convention = f"mean over members less mean over the others; {_MIX}"
    pooled = _pooled(
        member_values, other_values, member_kinds, other_kinds, member_clusters, other_clusters
    )
    if isinstance(pooled, str):
        return undefined(measure, pooled, convention=convention)
    count = pooled.shares.size
    cell = np.where(pooled.member, pooled.kind, count + pooled.kind)
    cells = np.zeros((cell.size, 2 * count))
    cells[np.arange(cell.size), cell] = 1.0
    sums = pooled.clusters.sums(np.concatenate([cells * pooled.values[:, None], cells], axis=1))

    def gap(counts: FloatArray) -> FloatArray:
        total = counts @ sums
        means = ratio(total[:, : 2 * count], total[:, 2 * count :])
        found: FloatArray = (means[:, :count] - means[:, count:]) @ pooled.shares
        return found

    value = float(gap(np.ones((1, pooled.clusters.count)))[0])
    return _estimate(measure, value, pooled, gap, settings, convention)


def _pooled(
    members: FloatArray,
    others: FloatArray,
    member_kinds: IntArray | None,
    other_kinds: IntArray | None,
    member_clusters: Clusters | None,
    other_clusters: Clusters | None,
) -> _Pooled | str:
    """Both sides as one, or why they cannot be compared."""
    sides = [_checked(members), _checked(others)]
    kinds = [
        _kinds(given, side.size)
        for given, side in zip((member_kinds, other_kinds), sides, strict=True)
    ]
    clusters = [
        checked_clusters(given, side.size)
        for given, side in zip((member_clusters, other_clusters), sides, strict=True)
    ]
    common = np.intersect1d(kinds[0], kinds[1])
    if not common.size:
        n, m = sides[0].size, sides[1].size
        return (
            f"Not estimated: of {n:,} cases trained on and {m:,} others none are of the same class."
        )
    rows = [np.flatnonzero(np.isin(kind, common)) for kind in kinds]
    units = tuple(one.where(kept) for one, kept in zip(clusters, rows, strict=True))
    codes = np.concatenate([units[0].codes, units[1].codes + units[0].count])
    name = units[0].kind if units[0].kind == units[1].kind else "cluster"
    of_others = np.searchsorted(common, kinds[1][rows[1]])
    return _Pooled(
        values=np.concatenate([side[kept] for side, kept in zip(sides, rows, strict=True)]),
        member=np.arange(codes.size) < rows[0].size,
        kind=np.concatenate([np.searchsorted(common, kinds[0][rows[0]]), of_others]),
        shares=np.bincount(of_others, minlength=common.size) / rows[1].size,
        clusters=Clusters(codes, units[0].count + units[1].count, name),
        units=(units[0], units[1]),
        left_out=sum(side.size - kept.size for side, kept in zip(sides, rows, strict=True)),
    )


def _checked(values: FloatArray) -> FloatArray:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or (np.abs(found) > _LARGEST).any():
        raise ValueError(f"expected (n,) finite numbers of at most {_LARGEST:g}, got {found.shape}")
    return found


def _kinds(given: IntArray | None, n: int) -> IntArray:
    found = np.zeros(n, dtype=np.int64) if given is None else np.asarray(given)
    if found.shape != (n,) or found.dtype.kind not in "iub":
        raise ValueError(f"expected a whole number as class of each of {n} cases")
    return found.astype(np.int64)


def _estimate(
    name: str,
    value: float,
    pooled: _Pooled,
    measure: Callable[[FloatArray], FloatArray],
    settings: Settings,
    convention: str,
) -> Estimate:
    if pooled.few is not None:
        interval = Interval(None, None, "", pooled.few)
    else:
        size = float(np.abs(pooled.values).max(initial=0.0)) if name != "membership_auroc" else 1.0
        drawn = pooled.drawn(measure, settings)
        interval = percentile_interval(drawn, pooled.clusters, settings, scale=size or 1.0)
    method = interval.method
    return Estimate(
        name, value, interval.low, interval.high, settings.level, pooled.values.size,
        int(pooled.member.sum()), convention=convention,
        method=f"{method}; drawn within members and within others" if method else "",
        reason=interval.reason, extra=pooled.extra,
    )  # fmt: skip


def _at_the_end(pooled: _Pooled, value: float, settings: Settings, convention: str) -> Estimate:
    """A perfect order of every class: no replicate differs, and the exact bounds speak."""
    each = []
    for at in range(pooled.shares.size):
        rows = np.flatnonzero(pooled.kind == at)
        each.append(
            auroc(
                -pooled.values[rows], pooled.member[rows].astype(np.int64),
                pooled.clusters.where(rows), settings,
            )
        )  # fmt: skip
    named = each[0].renamed("membership_auroc", convention=convention)
    named = replace(
        named, value=value, n=pooled.values.size, n_events=int(pooled.member.sum()),
        extra=pooled.extra,
    )  # fmt: skip
    if pooled.few is not None or any(not one.has_interval for one in each):
        reason = pooled.few or next(one.reason for one in each if not one.has_interval)
        return replace(named, low=None, high=None, level=None, method="", reason=reason)
    low, high = (
        float(pooled.shares @ [getattr(one, end) or 0.0 for one in each]) for end in ("low", "high")
    )
    return replace(named, low=low, high=high)
