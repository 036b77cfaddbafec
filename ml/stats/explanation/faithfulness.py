"""Whether an attribution says what moves the model: curves, correlations, and the linear truth."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import LARGEST, checked_number, checked_size

_ONE_CASE = "No interval: one case; use case_mean over cases."


@dataclass(frozen=True)
class LinearTruth:
    """Exact answers for f(x) = w . x, the meta-check of every measure here."""

    attribution: FloatArray  # (d,) integrated gradients, w * (x - baseline)
    completeness_gap: Estimate  # of that attribution
    deletion: FloatArray  # (d+1,) score as features go to the baseline, largest first
    insertion: FloatArray  # (d+1,) score as features return from the baseline


def linear_truth(
    weights: FloatArray, x: FloatArray, baseline: FloatArray, order_by: FloatArray | None = None
) -> LinearTruth:
    """Integrated gradients and perturbation curves of a linear model.

    Args:
        weights, x, baseline: (d,).
        order_by: (d,) attribution whose descending signed order (stable) perturbs; None takes
            the exact one.

    Example:
        >>> truth = linear_truth(np.array([2.0, 1.0]), np.ones(2), np.zeros(2))
        >>> truth.deletion.tolist()
        [3.0, 1.0, 0.0]

    Source:
        Sundararajan, Taly, Yan (2017), ICML; Petsiuk, Das, Saenko (2018), BMVC.
    """
    w, x, base = (_vector(v) for v in (weights, x, baseline))
    exact = w * (x - base)
    order = removal_order(exact if order_by is None else order_by)
    steps = np.r_[0.0, np.cumsum(exact[order])]
    start, end = float(w @ x), float(w @ base)
    gap = completeness_gap(exact, start, end)
    return LinearTruth(exact, gap, start - steps, end + steps)


def removal_order(attribution: FloatArray, *, least_first: bool = False) -> IntArray:
    """Features by descending signed attribution (MoRF), or ascending (LeRF); ties stay in order.

    Example:
        >>> removal_order(np.array([0.1, 0.9, 0.1])).tolist()
        [1, 0, 2]
    """
    signed = _vector(attribution)
    return np.argsort(signed if least_first else -signed, kind="stable").astype(np.int64)


def completeness_gap(attribution: FloatArray, score: float, baseline_score: float) -> Estimate:
    """|sum of attributions - (f(x) - f(baseline))|, in units of the score; 0 is exact.

    Example:
        >>> completeness_gap(np.array([1.0, 2.0]), 3.5, 0.0).value
        0.5

    Source:
        Sundararajan, Taly, Yan (2017), ICML, axiom of completeness.
    """
    given = _vector(attribution)
    gap = abs(float(given.sum()) - (_number(score) - _number(baseline_score)))
    return Estimate(
        "completeness_gap", gap, n=given.size, convention="absolute, in units of the score",
        reason=_ONE_CASE,
    )  # fmt: skip


def curve_auc(curve: FloatArray) -> Estimate:
    """Area under a deletion or insertion curve, trapezoid over fraction removed 0..1, raw score.

    Args:
        curve: (steps + 1,) scores at evenly spaced fractions, the unperturbed point included.

    Example:
        >>> curve_auc(np.array([1.0, 0.0])).value
        0.5

    Source:
        Petsiuk, Das, Saenko (2018), BMVC (RISE).
    """
    curve = _vector(curve)
    convention = "trapezoid over fraction perturbed 0..1, raw score"
    if curve.size < 2:
        reason = "Not estimated: a curve needs two points."
        return undefined("curve_auc", reason, convention=convention)
    area = float(np.trapezoid(curve)) / (curve.size - 1)
    return Estimate("curve_auc", area, n=curve.size, convention=convention, reason=_ONE_CASE)


def order_gap(least_first: FloatArray, most_first: FloatArray) -> Estimate:
    """LeRF area minus MoRF area of deletion curves; above 0 = better than chance.

    Example:
        >>> order_gap(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])).value
        0.5

    Source:
        Rong et al. (2022), ICML (ROAD); Tomsett et al. (2020), AAAI.
    """
    least, most = curve_auc(least_first), curve_auc(most_first)
    if least.value is None or most.value is None:
        return undefined("order_gap", "Not estimated: a curve needs two points.")
    return Estimate(
        "order_gap", least.value - most.value, n=least.n, convention="LeRF - MoRF",
        reason=_ONE_CASE,
    )  # fmt: skip


def faithfulness(attribution: FloatArray, drop: FloatArray, *, how: str = "pearson") -> Estimate:
    """Correlation of attributions with drops of the score when their features are removed.

    Args:
        attribution: (k,) of single features (faithfulness estimate; with "spearman",
            monotonicity), or sums over random subsets (faithfulness correlation, sensitivity-n
            where all subsets have one size).
        drop: (k,) f(x) - f(x without those features).
        how: "pearson" or "spearman"; both signed.

    Returns:
        Undefined where either side has no spread, e.g. an all-zero map.

    Example:
        >>> round(faithfulness(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])).value, 9)
        1.0

    Source:
        Alvarez-Melis, Jaakkola (2018), NeurIPS; Bhatt, Weller, Moura (2020), IJCAI; Ancona et al.
        (2018), ICLR (sensitivity-n); Nguyen, Martinez (2020), arXiv:2007.07584 (monotonicity).
    """
    a, d = _vector(attribution), _vector(drop)
    if a.shape != d.shape or how not in ("pearson", "spearman"):
        raise ValueError(f"expected (k,) twice, 'pearson' or 'spearman'; got {a.shape}, {d.shape}")
    convention = f"{how}, attribution against drop"
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(d) == 0:
        reason = "Not estimated: attributions or drops have no spread."
        return undefined("faithfulness", reason, n=a.size, convention=convention)
    if how == "spearman":
        a, d = stats.rankdata(a), stats.rankdata(d)
    # Scaled first, so that tiny or huge values neither vanish nor overflow when squared.
    a, d = (v - v.mean() for v in (a / np.abs(a).max(), d / np.abs(d).max()))
    size = float(np.linalg.norm(a) * np.linalg.norm(d))
    if size <= 1e-15 * a.size:
        reason = "Not estimated: attributions or drops have no spread beyond rounding."
        return undefined("faithfulness", reason, n=a.size, convention=convention)
    r = min(1.0, max(-1.0, float(a @ d) / size))
    return Estimate("faithfulness", r, n=a.size, convention=convention, reason=_ONE_CASE)


def infidelity(perturbations: FloatArray, attribution: FloatArray, drop: FloatArray) -> Estimate:
    """E[(I . a - (f(x) - f(x - I)))^2] over given perturbations; 0 for the gradient of a linear f.

    Args:
        perturbations: (k, d) what was subtracted from x.
        attribution: (d,) in units of score per input (a gradient, not input times gradient).
        drop: (k,) f(x) - f(x - I).

    Example:
        >>> infidelity(np.eye(2), np.array([1.0, 2.0]), np.array([1.0, 2.0])).value
        0.0

    Source:
        Yeh et al. (2019), NeurIPS, definition 2.1.
    """
    moved, a, d = _matrix(perturbations, "perturbations"), _vector(attribution), _vector(drop)
    if moved.shape != (d.size, a.size):
        raise ValueError(f"expected ({d.size}, {a.size}) perturbations, got {moved.shape}")
    convention = "E[(I.a - (f(x) - f(x-I)))^2], not rescaled"
    if not d.size:
        return undefined("infidelity", "Not estimated: no perturbations.", convention=convention)
    value = float(((moved @ a - d) ** 2).mean())
    return Estimate("infidelity", value, n=d.size, convention=convention, reason=_ONE_CASE)


def comprehensiveness(score: float, without_top: FloatArray) -> Estimate:
    """Mean of f(x) - f(x without its top features) over bins; higher = better.

    Example:
        >>> comprehensiveness(1.0, np.array([0.5, 0.0])).value
        0.75

    Source:
        DeYoung et al. (2020), ACL (ERASER), equation 1; AOPC over bins.
    """
    return _mean_drop("comprehensiveness", score, without_top, "mean over bins; higher = better")


def sufficiency(score: float, only_top: FloatArray) -> Estimate:
    """Mean of f(x) - f(only the top features of x) over bins; lower = better.

    Example:
        >>> sufficiency(1.0, np.array([0.5, 1.0])).value
        0.25

    Source:
        DeYoung et al. (2020), ACL (ERASER), equation 2.
    """
    return _mean_drop("sufficiency", score, only_top, "mean over bins; lower = better")


def max_sensitivity(attribution: FloatArray, disturbed: FloatArray) -> Estimate:
    """Largest relative change of a map under small changes of the input; lower = steadier.

    Args:
        attribution: (d,) of the input.
        disturbed: (k, d) of its disturbed copies.

    Returns:
        max |a' - a| / |a| (Euclidean); ``extra`` holds the mean. Undefined for an all-zero map.

    Example:
        >>> max_sensitivity(np.array([3.0, 4.0]), np.array([[3.0, 4.0], [0.0, 0.0]])).value
        1.0

    Source:
        Yeh et al. (2019), NeurIPS, definition 3.1; relative to |a| as in Quantus and Captum.
    """
    a, others = _vector(attribution), _matrix(disturbed, "disturbed maps")
    if others.shape[1] != a.size or not len(others):
        raise ValueError(f"expected (k, {a.size}) disturbed maps, got {others.shape}")
    size = float(np.linalg.norm(a))
    convention = "max |a' - a| / |a|, Euclidean"
    if size == 0:
        reason = "Not estimated: the map is zero everywhere."
        return undefined("max_sensitivity", reason, n=len(others), convention=convention)
    change = np.linalg.norm(others - a, axis=1) / size
    return Estimate(
        "max_sensitivity", float(change.max()), n=len(others), convention=convention,
        reason=_ONE_CASE, extra={"mean": float(change.mean())},
    )  # fmt: skip


def _mean_drop(measure: str, score: float, scores: FloatArray, convention: str) -> Estimate:
    scores = _vector(scores)
    if not scores.size:
        return undefined(measure, "Not estimated: no bins.", convention=convention)
    return Estimate(
        measure, _number(score) - float(scores.mean()), n=scores.size, convention=convention,
        reason=_ONE_CASE,
    )  # fmt: skip


def _number(score: float) -> float:
    return checked_number("score", score)


def _vector(numbers: FloatArray) -> FloatArray:
    numbers = np.asarray(numbers, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"expected (d,) finite numbers, got {numbers.shape}")
    if numbers.size and np.abs(numbers).max() > LARGEST:
        raise ValueError(f"numbers above {LARGEST:g} cannot be squared: give another unit")
    return numbers


def _matrix(numbers: FloatArray, what: str) -> FloatArray:
    numbers = np.asarray(numbers, dtype=np.float64)
    if numbers.ndim != 2 or not np.isfinite(numbers).all():
        raise ValueError(f"expected (k, d) finite {what}, got {numbers.shape}")
    return checked_size(what, numbers)
