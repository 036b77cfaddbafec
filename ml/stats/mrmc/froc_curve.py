"""Operating points of free-response studies, and figures read off them."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count
from ml.stats.mrmc.froc import FrocStudy


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """Operating points from the strictest to the laxest threshold, (0, 0) first.

    Attributes:
        beside_per_case: marks beside lesions per case, 0 and up.
        lesions_found: share of all lesions marked, 0..1.
        thresholds: (points - 1,) rating at or above which a mark counts.
    """

    beside_per_case: FloatArray
    lesions_found: FloatArray
    thresholds: FloatArray


def froc_curve(
    study: FrocStudy, modality: int, reader: int, *, normal_only: bool = False
) -> FrocCurve:
    """FROC of one reader: lesions found against marks beside them per case.

    Args:
        study: marks and lesions.
        modality, reader: indices.
        normal_only: count marks beside lesions in normal cases alone, per normal case.

    Raises:
        ValueError: without a lesion, without a case to count over, or for another index.

    Example:
        >>> study = FrocStudy.of([0, 0], [0, 0], [0, 1], [0, 1], [2.0, 3.0],
        ...     lesions_per_case=[0, 1], modalities=["a"], readers=["x"])
        >>> curve = froc_curve(study, 0, 0)
        >>> curve.beside_per_case.tolist(), curve.lesions_found.tolist()
        ([0.0, 0.0, 0.5], [0.0, 1.0, 1.0])

    Source:
        Bunch et al. (1978), Journal of Applied Photographic Engineering 4:166-171.
    """
    modality = checked_count("modality", modality, 0, len(study.modalities) - 1)
    reader = checked_count("reader", reader, 0, len(study.readers) - 1)
    mine = (study.beside_at[0] == modality) & (study.beside_at[1] == reader)
    cases = study.n_cases
    if normal_only:
        mine &= ~study.abnormal[study.beside_at[2]]
        cases = int((~study.abnormal).sum())
    lesions = study.lesions[modality, reader]
    if lesions.size == 0 or cases == 0:
        raise ValueError("an FROC needs a lesion, and a case to count marks over")
    beside, on = study.beside[mine], lesions[np.isfinite(lesions)]
    cuts = np.unique(np.r_[beside, on])[::-1]
    false = beside.size - np.searchsorted(np.sort(beside), cuts, "left")
    true = on.size - np.searchsorted(np.sort(on), cuts, "left")
    return FrocCurve(np.r_[0.0, false / cases], np.r_[0.0, true / lesions.size], cuts)


def sensitivity_at(curve: FrocCurve, beside_per_case: float) -> float:
    """Largest share of lesions found at no more than so many marks beside them per case.

    No interpolation: an operating point that was observed.

    Example:
        >>> sensitivity_at(FrocCurve(np.array([0.0, 0.5]), np.array([0.0, 0.8]), np.ones(1)), 0.4)
        0.0
    """
    if not beside_per_case >= 0:
        raise ValueError(f"expected 0 or more marks per case, got {beside_per_case}")
    return float(curve.lesions_found[curve.beside_per_case <= beside_per_case].max())


def efroc_area(curve: FrocCurve) -> float:
    """Area under the FROC whose axis of marks is transformed by 1 - exp(-marks per case).

    The transformed axis is the share of cases with a mark, were marks strewn at random; straight
    lines between points, level from the last point to 1.

    Example:
        >>> efroc_area(FrocCurve(np.array([0.0, 0.0]), np.array([0.0, 0.7]), np.ones(1)))
        0.7

    Source:
        Popescu (2011), Medical Physics 38:5690-5702.
    """
    x = np.r_[-np.expm1(-curve.beside_per_case), 1.0]
    y = np.r_[curve.lesions_found, curve.lesions_found[-1]]
    return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2)
