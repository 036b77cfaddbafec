"""P-values and thresholds that hold a false-alarm rate from calibration cases alone."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.asked import checked_share
from ml.stats.comparison.p_adjust import p_adjust


def conformal_p_values(scores: FloatArray, calibration: FloatArray) -> FloatArray:
    """Of each case, (1 + calibration scores at least as high) / (n + 1); low = foreign.

    Args:
        scores: (n,) of the cases to judge; higher = more foreign.
        calibration: (m,) of in-distribution cases not used in training; one per patient, since
            the guarantee needs cases that are exchangeable.

    Returns:
        (n,) p-values: for a familiar case, P(p <= a) <= a on average over calibration sets.

    Example:
        >>> conformal_p_values(np.array([5.0, 0.0]), np.array([1.0, 2.0, 3.0])).tolist()
        [0.25, 1.0]

    Source:
        Bates et al. (2023), Annals of Statistics 51:149-178, equation 2.
    """
    scores, ordered = _checked(scores), np.sort(_checked(calibration))
    above = ordered.size - np.searchsorted(ordered, scores, side="left")
    p: FloatArray = (1.0 + above) / (ordered.size + 1)
    return p


def flagged(scores: FloatArray, calibration: FloatArray, fdr: float = 0.1) -> BoolArray:
    """Cases called foreign with the false discovery rate held by Benjamini-Hochberg.

    Raises:
        ValueError: for a rate that is not between 0 and 1, or scores that are not finite.

    Example:
        >>> flagged(np.array([9.0, 0.0]), np.arange(40.0) / 10).tolist()
        [True, False]

    Source:
        Bates et al. (2023), theorem 1 (conformal p-values are PRDS, so that BH is valid).
    """
    fdr = checked_share("fdr", fdr)
    found: BoolArray = p_adjust(conformal_p_values(scores, calibration), "BH") <= fdr + 1e-12
    return found


@dataclass(frozen=True)
class AlarmThreshold:
    """Flag a case when its score is above ``threshold``."""

    threshold: float | None
    alpha: float  # wanted false-alarm rate
    n: int  # calibration cases
    low: float | None  # range of the rate that this calibration set will attain
    high: float | None
    reason: str | None = None


def alarm_threshold(
    calibration: FloatArray, alpha: float = 0.05, level: float = 0.95
) -> AlarmThreshold:
    """The least threshold whose false-alarm rate is at most alpha on average.

    Args:
        calibration: (n,) scores of in-distribution cases, one per patient.
        alpha: false-alarm rate, 0..1.
        level: of the range of rates.

    Returns:
        The ceil((1 - alpha)(n + 1))-th smallest score. The attained rate varies with the
        calibration set as Beta(n + 1 - k, k): ``low`` and ``high`` hold its middle ``level``.
        Undefined when n is below 1 / alpha - 1.

    Example:
        >>> alarm_threshold(np.arange(19.0), alpha=0.1).threshold
        17.0

    Source:
        Vovk (2012), ACML, proposition 2a; Bates et al. (2023), section 3.
    """
    alpha, level = checked_share("alpha", alpha), checked_share("level", level)
    ordered = np.sort(_checked(calibration))
    n = int(ordered.size)
    k = math.ceil((1 - alpha) * (n + 1) - 1e-9)
    if k > n:
        needed = math.ceil(1 / alpha - 1e-9) - 1
        reason = (
            f"Not estimated: {n:,} calibration cases cannot hold a rate of {alpha:g}; "
            f"at least {needed:,} are needed."
        )
        return AlarmThreshold(None, alpha, n, None, None, reason)
    tail = (1 - level) / 2
    low, high = stats.beta.ppf([tail, 1 - tail], n + 1 - k, k)
    return AlarmThreshold(float(ordered[k - 1]), alpha, n, float(low), float(high))


def _checked(scores: FloatArray) -> FloatArray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"expected (n,) finite scores, got {scores.shape}")
    return scores
