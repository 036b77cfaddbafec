"""Area under a part of the ROC curve."""

from typing import Literal

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.weighted_curve import Bootstrap, Curves, curve_estimate


def partial_auc(
    scores: FloatArray,
    present: IntArray,
    focus: Literal["specificity", "sensitivity"],
    low: float,
    high: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    corrected: bool = False,
    interval: Bootstrap = "percentile",
) -> Estimate:
    """Area under the ROC curve between two specificities or two sensitivities.

    With focus on specificity, sensitivity is added up over false positive rates from 1 - high
    to 1 - low; with focus on sensitivity, specificity is added up over sensitivities from low
    to high. Between thresholds the curve is a straight line.

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.
        focus: which of the two has its range limited.
        low, high: that range, 0 <= low < high <= 1.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed of the bootstrap of whole clusters.
        corrected: McClish's correction: 1 for a perfect ranking, 0.5 on the diagonal. Below
            the diagonal it falls below 0.5 and has no floor.
        interval: "percentile" or "bca".

    Returns:
        Undefined for one class only. Not corrected, it is at most high - low.

    Raises:
        ValueError: for another focus, a range outside 0..1, NaN, unequal shapes.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> partial_auc(scores, present, "specificity", 0.5, 1.0).value
        0.25

    Source:
        McClish (1989), Medical Decision Making 9:190-195 (specificity, correction); Jiang,
        Metz, Nishikawa (1996), Radiology 201:745-750 (sensitivity).
    """
    if focus not in ("specificity", "sensitivity"):
        raise ValueError(f"focus must be specificity or sensitivity, got {focus!r}")
    if not 0 <= low < high <= 1:
        raise ValueError(f"range must satisfy 0 <= low < high <= 1, got {low} to {high}")
    if focus == "specificity":
        start, end = 1 - high, 1 - low
        triangle = (end**2 - start**2) / 2
    else:
        start, end = low, high
        triangle = ((1 - start) ** 2 - (1 - end) ** 2) / 2
    room = high - low - triangle

    def measure(curves: Curves) -> FloatArray:
        x, y = curves.false_positive_rate, curves.true_positive_rate
        if focus == "sensitivity":
            x, y = y, 1 - x
        area = _area(x, y, start, end)
        return (1 + (area - triangle) / room) / 2 if corrected else area

    convention = f"{focus} {low:g} to {high:g}, straight lines between thresholds" + (
        ", McClish's correction" if corrected else ", not corrected"
    )
    return curve_estimate(
        "partial_auc", convention, measure, scores, present, clusters, settings, interval,
        {"focus": focus, "range": [float(low), float(high)]},
    )  # fmt: skip


def two_way_partial_auc(
    scores: FloatArray,
    present: IntArray,
    least_sensitivity: float,
    least_specificity: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Bootstrap = "percentile",
) -> Estimate:
    """Area under the ROC curve where sensitivity and specificity are both at least as stated.

    Args:
        scores, present, clusters, settings, interval: as for ``partial_auc``.
        least_sensitivity, least_specificity: 0..1, below 1.

    Returns:
        At most (1 - least_sensitivity)(1 - least_specificity); 0 where the curve does not enter.

    Raises:
        ValueError: for bounds outside 0..1, NaN, unequal shapes.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> two_way_partial_auc(scores, present, 0.5, 0.0).value
        0.25

    Source:
        Yang, Lu, Lyu, Hu (2019). Two-way partial AUC and its properties. Statistical Methods in
        Medical Research 28:184-195.
    """
    for bound in (least_sensitivity, least_specificity):
        if not 0 <= bound < 1:
            raise ValueError(f"bounds must lie in 0..1 and below 1, got {bound}")

    def measure(curves: Curves) -> FloatArray:
        x, y = curves.false_positive_rate, curves.true_positive_rate
        return _area(x, y, 0.0, 1 - least_specificity, least_sensitivity)

    convention = (
        f"sensitivity at least {least_sensitivity:g} and specificity at least "
        f"{least_specificity:g}, straight lines between thresholds"
    )
    return curve_estimate(
        "two_way_partial_auc", convention, measure, scores, present, clusters, settings, interval
    )


def _area(x: FloatArray, y: FloatArray, start: float, end: float, floor: float = 0.0) -> FloatArray:
    """Area between lines (c, t) and ``floor``, from x = start to end; x never falls: (c,)."""
    x0, x1, y0, y1 = x[:, :-1], x[:, 1:], y[:, :-1], y[:, 1:]
    width = x1 - x0
    slope = np.divide(y1 - y0, width, out=np.zeros_like(width), where=width > 0)
    left, right = x0.clip(start, end), x1.clip(start, end)
    first, last = y0 + (left - x0) * slope, y0 + (right - x0) * slope
    width = right - left
    if floor > 0:
        # A line that comes up through the floor counts from where it crosses.
        rise = last - first
        part = np.divide(last - floor, rise, out=np.ones_like(rise), where=rise > 0)
        width = width * part.clip(0, 1)
        first, last = np.maximum(first - floor, 0), np.maximum(last - floor, 0)
    area: FloatArray = (width * (first + last)).sum(axis=1) / 2
    return area
