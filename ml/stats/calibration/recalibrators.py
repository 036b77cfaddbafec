"""Maps that repair probabilities, fitted on cases they are not judged on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from ml.stats.arrays import FloatArray, IntArray, checked_probabilities
from ml.stats.asked import checked_count, checked_size
from ml.stats.calibration.decomposition import pav
from ml.stats.calibration.multiclass import checked_classes
from ml.stats.calibration.recalibration import CLIP, fit_line, separated
from ml.stats.clusters import Clusters, checked_clusters

_MOST_PENALTY = 1e6
Map = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Recalibrator:
    """A fitted map with its parameters."""

    kind: str
    parameters: tuple[float, ...]
    apply: Map  # from probabilities (n,) or logits (n, k) to probabilities of the same shape


def temperature(logits: FloatArray, label: IntArray) -> Recalibrator:
    """Temperature scaling: softmax(logits / T), T at the least negative log-likelihood.

    Args:
        logits: (n, k), k >= 2.
        label: (n,) 0..k-1.

    Raises:
        ValueError: for malformed input, or where no finite temperature above 0 is best.

    Example:
        >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
        >>> round(temperature(logits, np.array([0, 0, 1])).parameters[0], 3)
        2.885

    Source:
        Guo, Pleiss, Sun, Weinberger (2017), ICML. The likelihood is concave in 1/T, so the
        root of its derivative is bracketed and found to machine precision.
    """
    logits, label = _checked_logits(logits, label)
    given = logits[np.arange(label.size), label]

    def slope(inverse: float) -> float:
        weights = special.softmax(inverse * logits, axis=1)
        return float((given - (weights * logits).sum(axis=1)).sum())

    if slope(0.0) <= 0 or slope(1e4) >= 0:
        raise ValueError(
            "no finite temperature is best: all top labels are right, or logits do not inform"
        )
    inverse = float(optimize.brentq(slope, 0.0, 1e4, xtol=1e-14, rtol=1e-14))

    def scaled(values: FloatArray) -> FloatArray:
        return np.asarray(special.softmax(inverse * values, axis=1))

    return Recalibrator("temperature", (1 / inverse,), scaled)


def vector_scaling(logits: FloatArray, label: IntArray, *, penalty: float = 1e-3) -> Recalibrator:
    """Vector scaling: softmax(w * logits + b), a weight and a bias per class.

    Args:
        logits, label: as ``temperature``.
        penalty: ridge on w - 1 and b, which keeps separable data finite.

    Returns:
        Parameters w (k) then b (k).

    Raises:
        ValueError: for malformed input, a penalty below 0, or when the fit does not settle.

    Example:
        >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
        >>> map = vector_scaling(logits, np.array([0, 1, 1, 0]), penalty=0.0)
        >>> map.apply(logits).round(2).tolist()[0]
        [0.5, 0.5]

    Source:
        Guo et al. (2017), section 4.2.
    """
    logits, label = _checked_logits(logits, label)
    n, k = logits.shape
    if not 0 <= penalty <= _MOST_PENALTY or n == 0:
        raise ValueError(f"expected a case and a penalty in 0..{_MOST_PENALTY:g}, got {penalty}")
    truth = np.eye(k)[label]
    start = np.concatenate([np.ones(k), np.zeros(k)])

    def loss(found: FloatArray) -> tuple[float, FloatArray]:
        linear = logits * found[:k] + found[k:]
        logs = special.log_softmax(linear, axis=1)
        gap = (np.exp(logs) - truth) / n
        away = found - start
        value = -float((truth * logs).sum()) / n + penalty * float(away @ away)
        slope = np.concatenate([(gap * logits).sum(axis=0), gap.sum(axis=0)]) + 2 * penalty * away
        return value, slope

    fit = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "gtol": 1e-9}
    )
    found = np.asarray(fit.x, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("vector scaling did not settle")

    def scaled(values: FloatArray) -> FloatArray:
        return np.asarray(special.softmax(values * found[:k] + found[k:], axis=1))

    return Recalibrator("vector", tuple(map(float, found)), scaled)


def platt(probabilities: FloatArray, present: IntArray) -> Recalibrator:
    """Logistic recalibration: logit(q) = a + b·logit(p), without target smoothing.

    Args:
        probabilities: (n,) P(finding), clipped to 1e-6 from either end.
        present: (n,) 1 or 0.

    Raises:
        ValueError: for malformed input, or no finite fit (one class, separation).

    Example:
        >>> map = platt(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1]))
        >>> round(map.parameters[1], 3)
        1.102

    Source:
        Platt (1999), with Cox's (1958) logit input and no target smoothing.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    x = special.logit(probabilities.clip(CLIP, 1 - CLIP))
    line = np.full(2, np.nan)
    two_classes = 0 < outcomes.sum() < outcomes.size
    if two_classes and np.ptp(x) > 0 and not separated(x, outcomes):
        line = fit_line(x, outcomes, np.ones((1, x.size)), np.zeros(2))[0]
    if not np.isfinite(line).all():
        raise ValueError("logistic recalibration has no finite fit: one class, or separation")
    a, b = float(line[0]), float(line[1])

    def scaled(values: FloatArray) -> FloatArray:
        return np.asarray(special.expit(a + b * special.logit(values.clip(CLIP, 1 - CLIP))))

    return Recalibrator("platt", (a, b), scaled)


def beta(probabilities: FloatArray, present: IntArray) -> Recalibrator:
    """Beta calibration: logit(q) = c + a·ln(p) - b·ln(1 - p), with a, b not below 0.

    Arguments as ``platt``; parameters are a, b, c.

    Raises:
        ValueError: for malformed input or one class.

    Example:
        >>> map = beta(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 1, 0, 1]))
        >>> map.apply(np.array([0.1, 0.9])).round(2).tolist()
        [0.5, 0.5]

    Source:
        Kull, Silva Filho, Flach (2017), AISTATS. A negative coefficient is set to 0, as there.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if not 0 < outcomes.sum() < outcomes.size:
        raise ValueError("beta calibration needs cases with and without the finding")

    def design(values: FloatArray) -> FloatArray:
        values = values.clip(CLIP, 1 - CLIP)
        return np.stack([np.log(values), -np.log1p(-values), np.ones(values.size)], axis=1)

    x = design(probabilities)
    signed = np.where(outcomes, 1.0, -1.0)

    def loss(found: FloatArray) -> tuple[float, FloatArray]:
        linear = signed * (x @ found)
        slope = -(x * (signed * special.expit(-linear))[:, None]).mean(axis=0)
        return -float(special.log_expit(linear).mean()), slope

    fit = optimize.minimize(
        loss, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B",
        bounds=[(0, 1e3), (0, 1e3), (-1e3, 1e3)], options={"maxiter": 2000, "gtol": 1e-10},
    )  # fmt: skip
    found = np.asarray(fit.x, dtype=np.float64)
    return Recalibrator(
        "beta", tuple(map(float, found)), lambda v: np.asarray(special.expit(design(v) @ found))
    )


def isotonic(probabilities: FloatArray, present: IntArray) -> Recalibrator:
    """Isotonic recalibration, linear between cases and flat outside. Arguments as ``platt``.

    Example:
        >>> isotonic(np.array([0.1, 0.9]), np.array([0, 1])).apply(np.array([0.5])).tolist()
        [0.5]

    Source:
        Zadrozny, Elkan (2002), KDD.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if not outcomes.size:
        raise ValueError("isotonic recalibration needs cases")
    fitted = pav(probabilities, outcomes.astype(np.float64))
    x, first = np.unique(probabilities, return_index=True)
    return Recalibrator("isotonic", (), lambda values: np.interp(values, x, fitted[first]))


def cross_fitted(
    fit: Callable[[FloatArray, IntArray], Recalibrator],
    scores: FloatArray,
    label: IntArray,
    clusters: Clusters | None = None,
    *,
    folds: int = 5,
    seed: int = 20261123,
) -> FloatArray:
    """Recalibrated scores, each by a map that saw neither the case nor its cluster.

    Args:
        fit: e.g. ``platt`` (scores are probabilities) or ``temperature`` (logits).
        scores: (n,) or (n, k).
        label: (n,).
        clusters: kept together in one fold; None means every case is its own.
        folds: 2 or more, not above the number of clusters.
        seed: of the random folds.

    Raises:
        ValueError: for too few clusters, or from ``fit``.

    Example:
        >>> p = np.tile([0.2, 0.4, 0.6, 0.8], 10)
        >>> cross_fitted(platt, p, np.tile([0, 1, 0, 1], 10)).shape
        (40,)
    """
    clusters = checked_clusters(clusters, len(scores))
    scores, label = np.asarray(scores, dtype=np.float64), np.asarray(label)
    if label.shape != scores.shape[:1]:
        raise ValueError(f"expected scores and labels of the same cases, got {scores.shape}")
    if clusters.count < 2:
        raise ValueError("two folds need two clusters or more")
    folds, seed = checked_count("folds", folds, 2, clusters.count), checked_count("seed", seed, 0)
    of_cluster = np.random.default_rng(seed).permutation(clusters.count) % folds
    fold = of_cluster[clusters.codes]
    result = np.empty(np.shape(scores))
    for k in range(folds):
        held = fold == k
        result[held] = fit(scores[~held], label[~held]).apply(scores[held])
    return result


def shifted_prevalence(
    probabilities: FloatArray, prevalence_before: FloatArray, prevalence_after: FloatArray
) -> FloatArray:
    """Class probabilities (n, k) after a known change of prevalence (k,), nothing else changed.

    Raises:
        ValueError: for prevalences that are not positive or do not fit the classes.

    Example:
        >>> even, rare = np.array([0.5, 0.5]), np.array([0.9, 0.1])
        >>> shifted_prevalence(np.array([[0.5, 0.5]]), even, rare).round(3).tolist()
        [[0.9, 0.1]]

    Source:
        Saerens, Latinne, Decaestecker (2002). Neural Computation 14:21-41, equation 2.4.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    probabilities, _ = checked_classes(probabilities, np.zeros(len(probabilities), np.int64))
    before, after = (
        np.asarray(one, dtype=np.float64) for one in (prevalence_before, prevalence_after)
    )
    if before.shape != probabilities.shape[1:] or after.shape != before.shape:
        raise ValueError("expected (n, k) probabilities and two (k,) prevalences")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("prevalences must be finite")
    if (before <= 0).any() or (after < 0).any():
        raise ValueError("prevalences must be above 0 (before) and not below 0 (after)")
    weighted = probabilities * (after / before)
    if not (weighted.sum(axis=1) > 0).all():
        raise ValueError("a case has no class left that may occur after the change")
    result: FloatArray = weighted / weighted.sum(axis=1, keepdims=True)
    return result


def estimated_prevalence(
    probabilities: FloatArray, prevalence_before: FloatArray, *, steps: int = 1000
) -> FloatArray:
    """Prevalence (k,) of unlabelled cases by expectation-maximisation.

    Raises:
        ValueError: as ``shifted_prevalence``.

    Example:
        >>> estimated_prevalence(np.eye(2)[[0, 0, 0, 1]], np.array([0.5, 0.5])).tolist()
        [0.75, 0.25]

    Source:
        Saerens, Latinne, Decaestecker (2002), equation 2.9.
    """
    prevalence = np.asarray(prevalence_before, dtype=np.float64)
    if len(probabilities) == 0:
        raise ValueError("a prevalence needs at least one case to be estimated from")
    for _ in range(checked_count("steps", steps)):
        new = shifted_prevalence(probabilities, np.asarray(prevalence_before), prevalence).mean(
            axis=0
        )
        if np.abs(new - prevalence).max() < 1e-12:
            return np.asarray(new)
        prevalence = new
    return prevalence


def _checked_logits(logits: FloatArray, label: IntArray) -> tuple[FloatArray, IntArray]:
    logits, label = np.asarray(logits, dtype=np.float64), np.asarray(label)
    if logits.ndim != 2 or logits.shape[1] < 2 or label.shape != logits.shape[:1]:
        raise ValueError(f"expected (n, k) and (n,), got {logits.shape} and {label.shape}")
    if not np.isfinite(logits).all() or not np.isin(label, np.arange(logits.shape[1])).all():
        raise ValueError("logits must be finite and labels 0..k-1")
    checked_size("logits", logits)
    return logits, label.astype(np.int64)
