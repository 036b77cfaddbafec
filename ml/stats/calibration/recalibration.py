"""Calibration intercept and slope: the line that would put the probabilities right."""

from collections.abc import Callable

import numpy as np
from scipy import special

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings, draw_counts
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import percentile_interval

CLIP = 1e-6  # probabilities are kept this far from 0 and 1, where the logit is infinite
CARE = 0.1  # share of probabilities at the clip above which the value comes with a remark
_STEPS = 60
_TOLERANCE = 1e-8
_FAR = 1e3  # a coefficient beyond is running to infinity


def intercept(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Calibration in the large: a in logit(y) = a + logit(p), slope fixed to 1.

    0 is right on average; above 0, the finding is more common than predicted.

    Args:
        probabilities: (n,) P(finding), 0..1; clipped to ``CLIP`` from either end.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for NaN, values outside 0..1 or unequal shapes.

    Example:
        >>> p, y = np.full(4, 0.5), np.array([0, 1, 1, 1])
        >>> round(intercept(p, y).value, 4)  # the logit of 3/4
        1.0986

    Source:
        Cox (1958), Biometrika 45:562-565; Van Calster et al. (2019), BMC Medicine 17:230.
        Slope fixed to 1 as an offset, not taken from the joint fit.
    """
    x, outcomes, convention, clipped = _prepare(probabilities, present, "slope fixed to 1")
    if outcomes.all() or not outcomes.any():
        return _one_class("intercept", outcomes, convention)
    value = float(fit_offset(x, outcomes, np.ones((1, x.size)))[0])
    return _with_interval(
        "intercept", value, lambda weights: fit_offset(x, outcomes, weights, value), outcomes,
        checked_clusters(clusters, x.size), settings, convention, clipped,
    )  # fmt: skip


def slope(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Calibration slope: b in logit(y) = a + b·logit(p).

    1 is right; below 1, probabilities are too extreme. Undefined where all probabilities are
    equal, or where one threshold separates the finding perfectly. Arguments as ``intercept``.

    Example:
        >>> round(slope(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])).value, 3)
        1.102

    Source:
        Cox (1958); Van Calster et al. (2019).
    """
    x, outcomes, convention, clipped = _prepare(probabilities, present, "intercept free")
    n, n_events = x.size, int(outcomes.sum())
    if n_events in (0, n):
        return _one_class("slope", outcomes, convention)
    reason = None
    if np.ptp(x) == 0:
        reason = "Not estimated: all probabilities are equal."
    elif separated(x, outcomes):
        reason = (
            "Not estimated: a threshold separates the finding perfectly, the slope is infinite."
        )
    if reason:
        return undefined("slope", reason, n=n, n_events=n_events, convention=convention)
    line = fit_line(x, outcomes, np.ones((1, n)), np.zeros(2))[0]
    return _with_interval(
        "slope", float(line[1]), lambda weights: fit_line(x, outcomes, weights, line)[:, 1],
        outcomes, checked_clusters(clusters, n), settings, convention, clipped,
    )  # fmt: skip


def _prepare(
    probabilities: FloatArray, present: IntArray, which: str
) -> tuple[FloatArray, BoolArray, str, int]:
    probabilities, outcomes = checked_probabilities(probabilities, present)
    clipped = int(((probabilities <= CLIP) | (probabilities >= 1 - CLIP)).sum())
    convention = (
        f"logistic regression on logit P(finding), {which}, P clipped to {CLIP:g}..1 − {CLIP:g}"
    )
    if clipped:
        convention += (
            f"; {clipped:,} of {outcomes.size:,} probabilities are at the clip of {CLIP:g}"
        )
    return special.logit(probabilities.clip(CLIP, 1 - CLIP)), outcomes, convention, clipped


def _one_class(measure: str, outcomes: BoolArray, convention: str) -> Estimate:
    reason = "Not estimated: it needs cases with and without the finding."
    return undefined(
        measure, reason, n=outcomes.size, n_events=int(outcomes.sum()), convention=convention
    )


def separated(x: FloatArray, outcomes: BoolArray) -> bool:
    """Whether one threshold of x tells both classes apart, so that no finite line fits.

    Example:
        >>> separated(np.array([0.1, 0.2, 0.3]), np.array([False, False, True]))
        True
    """
    with_finding, without = x[outcomes], x[~outcomes]
    return bool(with_finding.min() >= without.max() or with_finding.max() <= without.min())


def _with_interval(
    measure: str,
    value: float,
    refit: Callable[[FloatArray], FloatArray],
    outcomes: BoolArray,
    clusters: Clusters,
    settings: Settings,
    convention: str,
    clipped: int,
) -> Estimate:
    """The estimate with a bootstrap of clusters; ``refit`` maps weights (r, n) to values (r,)."""
    n, n_events = outcomes.size, int(outcomes.sum())
    if not np.isfinite(value):
        reason = "Not estimated: the regression did not settle on a value."
        return undefined(measure, reason, n=n, n_events=n_events, convention=convention)
    extra: dict[str, JsonValue] = {"clipped": clipped, **clusters.extra}
    care = None
    if clipped > CARE * n:
        care = (
            f"Read with care: {clipped:,} of {n:,} scores are at the clip, "
            "so the value depends on it."
        )
    if too_few(clusters):
        return Estimate(
            measure, value, n=n, n_events=n_events, convention=convention,
            reason=_joined(too_few(clusters), care), extra=extra,
        )  # fmt: skip
    replicates = [
        refit(counts[:, clusters.codes])
        for counts in draw_counts(clusters.count, settings, width=n)
    ]
    interval = percentile_interval(np.concatenate(replicates), clusters, settings)
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method,
        reason=_joined(interval.reason, care), extra=extra,
    )  # fmt: skip


def _joined(*sentences: str | None) -> str | None:
    return " ".join(sentence for sentence in sentences if sentence) or None


def fit_offset(
    x: FloatArray, outcomes: BoolArray, weights: FloatArray, start: float = 0.0
) -> FloatArray:
    """Intercept with the slope fixed to 1, for many sets of case weights at once.

    The score equation falls steadily in the intercept, so Newton's steps are kept inside a
    shrinking bracket and cannot run away, however extreme the probabilities are.

    Args:
        x: (n,) logits.
        outcomes: (n,).
        weights: (r, n), one row per replicate.
        start: where to begin; any value leads to the same result.

    Returns:
        (r,) intercepts; NaN where a replicate holds one class only.

    Example:
        >>> fit_offset(np.zeros(4), np.array([0, 1, 1, 1]) == 1, np.ones((1, 4))).round(4).tolist()
        [1.0986]
    """
    events = weights @ outcomes
    two_classes = (events > 0) & (events < weights.sum(axis=1))
    result = np.full(weights.shape[0], np.nan)
    active = np.flatnonzero(two_classes)
    found = np.full(weights.shape[0], start)
    low = np.full(weights.shape[0], -_FAR)
    high = np.full(weights.shape[0], _FAR)
    for _ in range(_STEPS):
        predicted = special.expit(found[active, None] + x)
        gradient = events[active] - np.einsum("ij,ij->i", weights[active], predicted)
        curve = np.einsum("ij,ij->i", weights[active], predicted * (1 - predicted))
        low[active] = np.where(gradient > 0, found[active], low[active])
        high[active] = np.where(gradient > 0, high[active], found[active])
        newton = found[active] + gradient / np.maximum(curve, 1e-12)
        inside = (newton > low[active]) & (newton < high[active])
        new = np.where(inside, newton, (low[active] + high[active]) / 2)
        settled = np.abs(new - found[active]) < _TOLERANCE
        found[active] = new
        result[active[settled]] = new[settled]
        active = active[~settled]
        if active.size == 0:
            break
    return result


def fit_line(
    x: FloatArray, outcomes: BoolArray, weights: FloatArray, start: FloatArray
) -> FloatArray:
    """Intercept and slope for many sets of case weights at once, by Newton's method.

    Args:
        x, outcomes, weights: as for ``fit_offset``.
        start: (2,) intercept and slope to start from.

    Returns:
        (r, 2); NaN where Newton did not settle (one class, separation).

    Example:
        >>> x, y = np.array([-1.0, 0.0, 0.0, 1.0]), np.array([False, True, False, True])
        >>> fit_line(x, y, np.array([[1.0, 2, 2, 1]]), np.zeros(2)).round(3)[0, 0].item() + 0.0
        0.0
    """
    found = np.tile(start, (weights.shape[0], 1))
    result = np.full(found.shape, np.nan)
    weighted_x = weights * x
    targets = np.stack([weights @ outcomes, weighted_x @ outcomes], axis=1)
    active = np.arange(weights.shape[0])
    for _ in range(_STEPS):
        step = _newton_step(x, weights[active], weighted_x[active], targets[active], found[active])
        found[active] += step
        size = np.abs(step).max(axis=1)
        settled = size < _TOLERANCE
        result[active[settled]] = found[active[settled]]
        lost = ~np.isfinite(size) | (np.abs(found[active]).max(axis=1) > _FAR)
        active = active[~settled & ~lost]
        if active.size == 0:
            break
    return result


def _newton_step(
    x: FloatArray,
    weights: FloatArray,
    weighted_x: FloatArray,
    targets: FloatArray,
    found: FloatArray,
) -> FloatArray:
    predicted = special.expit(found[:, :1] + found[:, 1:] * x)
    spread = predicted * (1 - predicted)
    gradient_a = targets[:, 0] - np.einsum("ij,ij->i", weights, predicted)
    gradient_b = targets[:, 1] - np.einsum("ij,ij->i", weighted_x, predicted)
    h00 = np.einsum("ij,ij->i", weights, spread)
    h01 = np.einsum("ij,ij->i", weighted_x, spread)
    h11 = np.einsum("ij,ij->i", weighted_x * x, spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = h00 * h11 - h01**2
        move_a = (h11 * gradient_a - h01 * gradient_b) / determinant
        move_b = (h00 * gradient_b - h01 * gradient_a) / determinant
    return np.stack([move_a, move_b], axis=1)
