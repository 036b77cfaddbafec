"""P-values of several tests, adjusted for their number."""

import numpy as np

from ml.stats.arrays import FloatArray

METHODS = ("bonferroni", "holm", "hochberg", "hommel", "BH", "BY")


def p_adjust(p: FloatArray, method: str = "holm") -> FloatArray:
    """Adjusted p-values, in the order given.

    Args:
        p: (m,) p-values, each 0..1.
        method: "bonferroni", "holm", "hochberg", "hommel" hold the family-wise error (hochberg
            and hommel under positive dependence); "BH", "BY" hold the false discovery rate (BH
            under positive dependence, BY always).

    Returns:
        (m,) to be compared with the wanted rate itself.

    Raises:
        ValueError: for values outside 0..1, NaN, or another method.

    Example:
        >>> p_adjust(np.array([0.01, 0.04, 0.03]), "holm").round(3).tolist()
        [0.03, 0.06, 0.06]

    Source:
        Holm (1979), Scand J Stat 6:65. Hochberg (1988), Biometrika 75:800. Hommel (1988),
        Biometrika 75:383. Benjamini, Hochberg (1995), JRSS B 57:289. Benjamini, Yekutieli
        (2001), Ann Stat 29:1165.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("expected (m,) p-values in 0..1: leave tests without a p-value out")
    if method not in METHODS:
        raise ValueError(f"expected one of {', '.join(METHODS)}, got {method!r}")
    m = p.size
    if m == 0:
        return p.copy()
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    rank = np.arange(1, m + 1)
    if method == "bonferroni":
        adjusted = m * ordered
    elif method == "holm":
        adjusted = np.maximum.accumulate((m - rank + 1) * ordered)
    elif method == "hochberg":
        adjusted = _step_up((m - rank + 1) * ordered)
    elif method == "hommel":
        adjusted = _hommel(ordered)
    else:
        penalty = float((1 / rank).sum()) if method == "BY" else 1.0
        adjusted = _step_up(penalty * m / rank * ordered)
    result = np.empty(m)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def _step_up(raw: FloatArray) -> FloatArray:
    least: FloatArray = np.minimum.accumulate(raw[::-1])[::-1]
    return least


def _hommel(ordered: FloatArray) -> FloatArray:
    """Closed testing with Simes' test, in the m^2 steps of Wright (1992), Biometrics 48:1005."""
    m = ordered.size
    simes = float((m * ordered / np.arange(1, m + 1)).min())
    bound = np.full(m, simes)
    adjusted = np.full(m, simes)
    for size in range(m - 1, 1, -1):
        first = m - size + 1
        tail = np.arange(first, m)
        least = float((size * ordered[tail] / np.arange(2, size + 1)).min())
        bound[:first] = np.minimum(size * ordered[:first], least)
        bound[tail] = bound[first - 1]
        adjusted = np.maximum(adjusted, bound)
    largest: FloatArray = np.maximum(adjusted, ordered)
    return largest
