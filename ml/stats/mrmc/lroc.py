"""Localisation ROC: one rating and one location per case."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ml.stats.arrays import FloatArray

LrocFigure = Literal["ALROC", "PCL"]


def lroc_curve(absent: ArrayLike, present: ArrayLike, correct: ArrayLike) -> FloatArray:
    """LROC points (k, 2): share of cases without a lesion rated positive, and of cases with one
    rated positive at the right place; (0, 0) first.

    Args:
        absent: (n,) ratings of cases without a lesion.
        present: (m,) ratings of cases with one.
        correct: (m,) 1 where the location named was right.

    Raises:
        ValueError: for no case of one kind, unequal shapes, or ratings that are not finite.

    Example:
        >>> lroc_curve([1.0], [2.0, 3.0], [1, 0]).tolist()
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.5], [1.0, 0.5]]

    Source:
        Swensson (1996), Medical Physics 23:1709-1725.
    """
    without, with_lesion = np.asarray(absent, dtype=float), np.asarray(present, dtype=float)
    right = np.asarray(correct)
    if without.ndim != 1 or with_lesion.ndim != 1 or right.shape != with_lesion.shape:
        raise ValueError("expected (n,) and (m,) ratings, and (m,) correct locations")
    if without.size == 0 or with_lesion.size == 0:
        raise ValueError("an LROC needs cases with and without a lesion")
    if not (np.isfinite(without).all() and np.isfinite(with_lesion).all()):
        raise ValueError("every case needs a finite rating")
    if not np.isin(right, (0, 1)).all():
        raise ValueError("correct must be 0 or 1")
    cuts = np.unique(np.r_[without, with_lesion])[::-1]
    found = np.sort(with_lesion[right == 1])
    false = without.size - np.searchsorted(np.sort(without), cuts, "left")
    true = found.size - np.searchsorted(found, cuts, "left")
    points = np.column_stack([false / without.size, true / with_lesion.size])
    return np.vstack([[0.0, 0.0], points])


def lroc_figure(
    absent: ArrayLike, present: ArrayLike, correct: ArrayLike, figure: LrocFigure, upto: float = 1.0
) -> float:
    """Area under the LROC up to a false positive share, or its height there.

    Args:
        absent, present, correct: as for ``lroc_curve``.
        figure: ALROC, the area (not divided by its width), or PCL, the probability of a correct
            location at that share.
        upto: false positive share, above 0, at most 1; straight lines between points.

    Raises:
        ValueError: as ``lroc_curve``; for another figure or share.

    Example:
        >>> lroc_figure([1.0], [2.0, 3.0], [1, 0], "ALROC")
        0.5

    Source:
        Swensson (1996), Medical Physics 23:1709-1725; Hupse et al. (2013), Radiology
        266:123-129 (partial).
    """
    if figure not in ("ALROC", "PCL") or not 0 < upto <= 1:
        raise ValueError(f"expected ALROC or PCL up to a share in 0..1, got {figure!r}, {upto}")
    x, y = lroc_curve(absent, present, correct).T
    # At a vertical step the upper end counts.
    last = int(np.searchsorted(x, upto, "right")) - 1
    height = y[last]
    if x[last] < upto:
        height += (upto - x[last]) / (x[last + 1] - x[last]) * (y[last + 1] - y[last])
    if figure == "PCL":
        return float(height)
    xs, ys = np.r_[x[: last + 1], upto], np.r_[y[: last + 1], height]
    return float((np.diff(xs) * (ys[1:] + ys[:-1])).sum() / 2)
