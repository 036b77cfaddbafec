"""ROC curves of readers and their averages, for charts."""

from typing import Literal

import numpy as np

from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count
from ml.stats.mrmc.study import MrmcStudy

Average = Literal["vertical", "horizontal", "diagonal", "pooled"]


def reader_curve(study: MrmcStudy, modality: int, reader: int) -> FloatArray:
    """Empirical ROC of one reader, (points, 2) false and true positive share from (0, 0) to (1, 1).

    Returns:
        Empty (0, 2) when the reader scored no case of one kind.

    Raises:
        ValueError: for an index that the study does not have.

    Example:
        >>> study = MrmcStudy.of(["a"] * 2, [1] * 2, [1, 2], [1, 2], [0, 1],
        ...                      higher_means="present")
        >>> reader_curve(study, 0, 0).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    modality = checked_count("modality", modality, 0, len(study.modalities) - 1)
    scores = study.scores[modality, checked_count("reader", reader, 0, len(study.readers) - 1)]
    read = ~np.isnan(scores)
    return _curve(scores[read & ~study.present], scores[read & study.present])


def average_curve(
    study: MrmcStudy, modality: int, how: Average = "vertical", points: int = 101
) -> FloatArray:
    """Reader-averaged ROC of a modality.

    Readers without cases of both kinds are left out. The area under the vertical, horizontal
    and diagonal averages is the mean area; pooled scores need a common scale of all readers.

    Args:
        study: scores.
        modality: index.
        how: vertical averages true positive shares at equal false positive share; horizontal
            the reverse; diagonal along lines of slope -1; pooled takes all scores as one reader's.
        points: of the grid; horizontal ends with (1, 1) besides, pooled gives its own points.

    Returns:
        (points, 2); empty when no reader has a curve.

    Raises:
        ValueError: for another average, modality, or fewer than two points.

    Example:
        >>> study = MrmcStudy.of(["a"] * 2, [1] * 2, [1, 2], [1, 2], [0, 1],
        ...                      higher_means="present")
        >>> average_curve(study, 0, points=2).tolist()
        [[0.0, 1.0], [1.0, 1.0]]

    Source:
        Chen, Samuelson (2014), British Journal of Radiology 87:20140016.
    """
    if how not in ("vertical", "horizontal", "diagonal", "pooled"):
        raise ValueError(f"not an average of curves: {how!r}")
    points = checked_count("points", points, 2, 1_000_000)
    modality = checked_count("modality", modality, 0, len(study.modalities) - 1)
    if how == "pooled":
        scores = study.scores[modality]
        absent, present = scores[:, ~study.present], scores[:, study.present]
        return _curve(absent[~np.isnan(absent)], present[~np.isnan(present)])
    found = [reader_curve(study, modality, reader) for reader in range(len(study.readers))]
    curves = [curve for curve in found if curve.size]
    if not curves:
        return np.zeros((0, 2))
    # Quotients, like the shares of a curve: equal ones are equal to the last bit, so that a
    # point of the grid at a step finds its upper end.
    grid = np.arange(points) / (points - 1)
    if how == "vertical":
        mean = np.mean([_upper(curve[:, 0], curve[:, 1], grid) for curve in curves], axis=0)
        return np.column_stack([grid, mean])
    if how == "horizontal":
        # The least false positive share that reaches a true positive share.
        mean = np.mean(
            [1 - _upper(1 - curve[::-1, 1], 1 - curve[::-1, 0], 1 - grid) for curve in curves],
            axis=0,
        )
        return np.vstack([np.column_stack([mean, grid]), [[1.0, 1.0]]])
    # Along x + y = constant each curve is a function: turned by 45 degrees it rises there.
    along = 2 * grid
    apart = np.mean(
        [np.interp(along, curve.sum(axis=1), curve[:, 1] - curve[:, 0]) for curve in curves], axis=0
    )
    return np.column_stack([(along - apart) / 2, (along + apart) / 2])


def _curve(absent: FloatArray, present: FloatArray) -> FloatArray:
    if absent.size == 0 or present.size == 0:
        return np.zeros((0, 2))
    cuts = np.unique(np.r_[absent, present])[::-1]
    low = np.searchsorted(np.sort(absent), cuts, "left")
    high = np.searchsorted(np.sort(present), cuts, "left")
    shares = np.column_stack(
        [(absent.size - low) / absent.size, (present.size - high) / present.size]
    )
    return np.vstack([[0.0, 0.0], shares])


def _upper(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """Interpolation that takes the upper end of a vertical step."""
    last = np.searchsorted(x, at, "right") - 1
    following = np.minimum(last + 1, x.size - 1)
    run = x[following] - x[last]
    part = np.divide(at - x[last], run, out=np.zeros(at.shape), where=run > 0)
    result: FloatArray = y[last] + part * (y[following] - y[last])
    return result
