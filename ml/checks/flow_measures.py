"""Which layers move the answers, which units are ever active, which activations are flat."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.evidence.flow import GradientFlow
from ml.evidence.tables import BoolArray, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean
from ml.stats.proportion import proportion

ID = "gradient-flow"
FLAT = 0.9  # of an activation's numbers at an end: the case is saturated there
FAR = -4.0  # powers of ten below the median layer: named as vanishing


@dataclass(frozen=True)
class OfActivation:
    """Over all cases: units that are never active; mean share of numbers at an end."""

    dead: int = 0
    flat: float | None = None


@dataclass(frozen=True)
class Measured:
    """What is measured of n cases that were run.

    Attributes:
        rows: (n,) of the evidence.
        share: (layers,) of cases in which a layer has any gradient.
        relative: (layers,) its gradient over that of the case's median layer, geometric mean over
            cases with one; 0 where no case has.
        norms: (layers,) mean over cases, logits per relative change of the weights.
        weakest, faintest, flattest: places of the layer with the fewest cases with a gradient, of
            that with the smallest one, and of the activation with the most saturated cases.
    """

    estimates: tuple[Estimate, ...]
    rows: IntArray
    share: FloatArray
    relative: FloatArray
    norms: FloatArray
    activations: tuple[OfActivation, ...]
    weakest: int
    faintest: int | None
    flattest: int | None
    behind: Mapping[str, IntArray]  # rows of the evidence by measure

    @property
    def dead_layers(self) -> IntArray:
        return np.flatnonzero(self.share == 0)

    @property
    def vanishing(self) -> IntArray:
        return np.flatnonzero((self.relative > 0) & (self.relative < 10.0**FAR))


def measured_of(
    flow: GradientFlow, rows: IntArray, clusters: Clusters, settings: Settings
) -> Measured:
    norms = flow.norms[rows].astype(np.float64)
    moved = norms > 0
    weakest = int(np.argmin(moved.mean(axis=0)))
    decades = _decades(norms)
    seen = np.isfinite(decades)
    means = np.array([one[well].mean() if well.any() else np.nan
                      for one, well in zip(decades.T, seen.T, strict=True)])  # fmt: skip
    faintest = int(np.nanargmin(means)) if np.isfinite(means).any() else None
    flattest, saturated, flat = _saturated(flow, rows, clusters, settings)
    units = _units(flow, rows)
    estimates = [_least(moved[:, weakest], clusters, settings)]
    if faintest is not None:
        estimates.append(_faint(decades[:, faintest], clusters, settings))
    if flow.cutting:
        estimates.append(_dead_units(flow, rows, clusters))
    if saturated is not None:
        estimates.append(saturated)
    return Measured(
        tuple(estimates), rows, moved.mean(axis=0), np.nan_to_num(10.0**means), norms.mean(axis=0),
        _by_activation(flow, units, flat), weakest, faintest, flattest,
        {
            "gradient_share": rows[~moved[:, weakest]],
            "gradient_decades": rows,
            "dead_units": rows,
            "saturated_share": rows[:0]
            if flattest is None
            else rows[flow.flat[rows, flattest] > FLAT],
        },
    )  # fmt: skip


def _decades(norms: FloatArray) -> FloatArray:
    """(n, layers) powers of ten between a layer's gradient and the case's median layer's.

    NaN where a layer has none, or where the median layer has none.
    """
    positive = np.where(norms > 0, norms, np.nan)
    known = np.isfinite(positive).any(axis=1)
    middle = np.full(len(norms), np.nan)
    middle[known] = np.nanmedian(positive[known], axis=1)
    return np.asarray(np.log10(positive / middle[:, None]))


def _least(moved: BoolArray, clusters: Clusters, settings: Settings) -> Estimate:
    return proportion(
        "gradient_share", moved, clusters, level=settings.level,
        convention="share of cases in which a layer's weights have any gradient; the layer with "
        "the fewest, chosen",
    )  # fmt: skip


def _faint(decades: FloatArray, clusters: Clusters, settings: Settings) -> Estimate:
    return case_mean(
        "gradient_decades", decades, clusters, settings,
        convention="powers of ten between a layer's gradient and that of the case's median layer, "
        "mean over cases in which it has one; the layer with the smallest, chosen",
    )  # fmt: skip


def _units(flow: GradientFlow, rows: IntArray) -> FloatArray:
    """(units,) in how many cases each is active."""
    return np.asarray(flow.active[rows].sum(axis=0, dtype=np.float64))


def _dead_units(flow: GradientFlow, rows: IntArray, clusters: Clusters) -> Estimate:
    units = _units(flow, rows)
    convention = "share of units, channels over all positions, that are active in no case"
    if not units.size:
        return undefined("dead_units", "Not estimated: there is no unit.", convention=convention)
    dead = int((units == 0).sum())
    share = dead / units.size
    # Further cases can wake a unit and put none to sleep: what was seen is the most it can be.
    return Estimate(
        "dead_units", share, None, share, 1.0, rows.size,
        convention=convention, method="more cases can only lower it",
        extra={**clusters.extra, "numerator": dead, "denominator": int(units.size)},
    )  # fmt: skip


def _saturated(
    flow: GradientFlow, rows: IntArray, clusters: Clusters, settings: Settings
) -> tuple[int | None, Estimate | None, FloatArray]:
    flat = flow.flat[rows].astype(np.float64)
    if not flat.shape[1]:
        return None, None, flat
    saturated = flat > FLAT
    most = int(np.argmax(saturated.mean(axis=0)))
    found = proportion(
        "saturated_share", saturated[:, most], clusters, level=settings.level,
        convention=f"share of cases in which more than {FLAT:.0%} of an activation's numbers lie "
        "at its ends; the activation with the most, chosen",
    )  # fmt: skip
    return most, found, flat


def _by_activation(
    flow: GradientFlow, units: FloatArray, flat: FloatArray
) -> tuple[OfActivation, ...]:
    found, start, end = [], 0, 0
    for one in flow.activations:
        if one.cuts:
            found.append(OfActivation(dead=int((units[start : start + one.units] == 0).sum())))
            start += one.units
        else:
            found.append(OfActivation(flat=float(flat[:, end].mean())))
            end += 1
    return tuple(found)
