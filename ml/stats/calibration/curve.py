"""Smooth calibration curves by local regression, and how far they lie from the diagonal."""

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.interpolate import CubicHermiteSpline

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import percentile_interval, within

SMOOTHERS = ("loess direct", "loess interpolate", "lowess", "kernel")
_CONVENTION = {
    "loess direct": "loess of degree 2, span 0.75, tricube, no robustness, direct surface",
    "loess interpolate": "loess of degree 2, span 0.75, tricube, no robustness, cubic blending "
    "between the vertices of a k-d tree (cell 0.2)",
    "lowess": "lowess of degree 1, span 2/3, no robustness, steps of 1 % of the range",
    "kernel": "Nadaraya-Watson, Gaussian kernel, bandwidth 1.06·sd·n^(-1/5)",
}
_LARGE = 3000  # cases beyond which a direct surface is computed on quantiles only
_BLOCK = 2_000_000  # numbers held at once


@dataclass(frozen=True)
class Curve:
    """A calibration curve and its distances to the diagonal, all in units of probability."""

    probability: FloatArray  # (n,) as given
    observed: FloatArray  # (n,) the curve at each
    ici: Estimate  # mean absolute distance (also Eavg)
    e50: Estimate
    e90: Estimate
    emax: Estimate
    eci: Estimate  # 100 · mean squared distance


def calibration_curve(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    smoother: str = "loess interpolate",
) -> Curve:
    """A smooth curve of observed frequency against probability, with its indices.

    Args:
        probabilities: (n,) P(finding), 0..1, at least 10 distinct values.
        present: (n,) 1 or 0.
        clusters: independent units of the interval; None means every case is its own.
        settings: level, draws, seed. Intervals exist for "loess interpolate", whose vertices
            and bandwidths stay fixed over the replicates.
        smoother: one of ``SMOOTHERS``.

    Returns:
        A curve; the fit is not cut to 0..1.

    Raises:
        ValueError: for malformed input, an unknown smoother, or fewer than 10 distinct
            probabilities.

    Example:
        >>> p = np.linspace(0.05, 0.95, 40)
        >>> y = (np.arange(40) % 2 < p).astype(int)
        >>> calibration_curve(p, y, settings=Settings(draws=20)).ici.value < 0.5
        True

    Source:
        Austin, Steyerberg (2019), Statistics in Medicine 38:4051-4065 (ICI, E50, E90); Van
        Hoorde et al. (2015), Journal of Biomedical Informatics 54:283-293 (ECI); Cleveland,
        Grosse (1991), Statistics and Computing 1:47-62 (loess, k-d tree and blending).
    """
    if smoother not in SMOOTHERS:
        raise ValueError(f"smoother must be one of {SMOOTHERS}, got {smoother!r}")
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if np.unique(probabilities).size < 10:
        raise ValueError("a smooth curve needs at least 10 distinct probabilities")
    y = outcomes.astype(np.float64)
    clusters = checked_clusters(clusters, y.size)
    drawn: FloatArray | None = None
    if smoother == "loess interpolate":
        observed, drawn = _tree_loess(probabilities, y, clusters, settings)
    elif smoother == "loess direct":
        observed = _direct(probabilities, y)
    elif smoother == "lowess":
        observed = lowess(probabilities, y)
    else:
        observed = _kernel(probabilities, y)
    values = _indices(np.abs(observed - probabilities)[None, :], np.ones((1, y.size)))[0]
    reason = None
    if drawn is None:
        reason = 'No interval: only "loess interpolate" has one.'
    elif too_few(clusters):
        reason, drawn = too_few(clusters), None
    estimates = []
    for k, name in enumerate(("ici", "e50", "e90", "emax", "eci")):
        estimate = Estimate(
            name, float(values[k]), n=y.size, n_events=int(y.sum()),
            convention=_CONVENTION[smoother], reason=reason, extra={**clusters.extra},
        )  # fmt: skip
        if drawn is not None:
            interval = percentile_interval(drawn[:, k], clusters, settings, centre=values[k])
            interval = within(interval, 0.0)
            estimate = Estimate(
                name, float(values[k]), interval.low, interval.high, settings.level, y.size,
                int(y.sum()), convention=_CONVENTION[smoother], method=interval.method,
                reason=interval.reason, extra={**clusters.extra},
            )  # fmt: skip
        estimates.append(estimate)
    return Curve(probabilities, observed, *estimates)


def _indices(distance: FloatArray, weights: FloatArray) -> FloatArray:
    """ICI, E50, E90, Emax and ECI of each row (r, n) of distances with case counts: (r, 5)."""
    total = weights.sum(axis=1)
    mean = (weights * distance).sum(axis=1) / total
    square = (weights * distance**2).sum(axis=1) / total
    order = np.argsort(distance, axis=1)
    ranked = np.take_along_axis(distance, order, axis=1)
    reached = np.take_along_axis(weights, order, axis=1).cumsum(axis=1)
    quantiles = [_quantile(ranked, reached, total, share) for share in (0.5, 0.9, 1.0)]
    return np.stack([mean, *quantiles, 100 * square], axis=1)


def _quantile(
    ranked: FloatArray, reached: FloatArray, total: FloatArray, share: float
) -> FloatArray:
    """Type-7 quantile of values repeated as often as they count."""
    place = (total - 1) * share
    last = ranked.shape[1] - 1
    below, above = np.floor(place), np.ceil(place)
    rows = np.arange(ranked.shape[0])
    at = [ranked[rows, ((reached <= k[:, None]).sum(axis=1)).clip(0, last)] for k in (below, above)]
    result: FloatArray = at[0] + (at[1] - at[0]) * (place - below)
    return result


def _kernels(x: FloatArray, at: FloatArray, size: int) -> FloatArray:
    """Tricube weights (g, n) that reach the ``size``-th nearest case of each point."""
    distance = np.abs(at[:, None] - x)
    reach = np.partition(distance, size - 1, axis=1)[:, size - 1]
    # Where so many ties leave no width, those ties alone are averaged.
    reach = np.where(reach > 0, reach, 1e-12)
    return np.asarray((1 - np.minimum(distance / reach[:, None], 1) ** 3) ** 3)


def _moments(x: FloatArray, at: FloatArray, degree: int, kernels: FloatArray) -> FloatArray:
    """Powers of the distance times the kernel: (2·degree+1, g, n)."""
    scale = np.ptp(x)
    d = (x - at[:, None]) / scale
    return np.stack([kernels * d**k for k in range(2 * degree + 1)])


def _solved(sums: FloatArray, targets: FloatArray, scale: float) -> FloatArray:
    """Value and slope, (..., 2), from moment sums (..., 2d+1) and targets (..., d+1)."""
    degree = targets.shape[-1] - 1
    index = np.arange(degree + 1)
    matrix = sums[..., index[:, None] + index]
    # A minimum-norm solution where a point has fewer distinct neighbours than coefficients.
    solution = (np.linalg.pinv(matrix, rcond=1e-13, hermitian=True) @ targets[..., None])[..., 0]
    return np.stack([solution[..., 0], solution[..., 1] / scale], axis=-1)


def _local_fit(x: FloatArray, y: FloatArray, at: FloatArray, degree: int, size: int) -> FloatArray:
    """Values of a local polynomial at some points, (g,)."""
    parts = []
    step = max(1, _BLOCK // (x.size * (2 * degree + 1)))
    for start in range(0, at.size, step):
        points = at[start : start + step]
        moments = _moments(x, points, degree, _kernels(x, points, size))
        targets = (moments[: degree + 1] @ y).T
        parts.append(_solved(moments.sum(axis=2).T, targets, float(np.ptp(x)))[:, 0])
    return np.concatenate(parts)


def _direct(x: FloatArray, y: FloatArray) -> FloatArray:
    points = np.unique(x)
    if points.size > _LARGE:
        points = np.unique(np.quantile(x, np.linspace(0, 1, _LARGE)))
    fitted = _local_fit(x, y, points, 2, int(0.75 * x.size + 1e-5))
    return np.asarray(np.interp(x, points, fitted))


def lowess(x: FloatArray, y: FloatArray, *, span: float = 2 / 3) -> FloatArray:
    """Local lines without robustness steps, linear between points 1 % of the range apart: (n,).

    Args:
        x, y: (n,) finite, at least one.
        span: above 0, share of the cases that each line is fitted to.

    Raises:
        ValueError: for a span that is not above 0 and at most 1, or unequal shapes.

    Example:
        >>> lowess(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), span=1.0).round(6).tolist()
        [1.0, 3.0, 5.0]

    Source:
        Cleveland (1979), JASA 74:829-836; the skipping of points: Cleveland (1981), The
        American Statistician 35:54.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(f"expected two (n,) arrays of a case or more, got {x.shape}, {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or not 0 < span <= 1:
        raise ValueError(f"numbers must be finite and the span above 0 and at most 1, got {span}")
    ordered = np.unique(x)
    delta = 0.01 * np.ptp(x)
    points = [ordered[0]]
    while points[-1] < ordered[-1]:
        after = np.searchsorted(ordered, points[-1], side="right")
        reach = np.searchsorted(ordered, points[-1] + delta, side="right") - 1
        points.append(ordered[max(after, reach)])
    at = np.array(points)
    size = max(2, min(x.size, int(span * x.size + 1e-7)))
    return np.asarray(np.interp(x, at, _local_fit(x, y, at, 1, size)))


def _kernel(x: FloatArray, y: FloatArray) -> FloatArray:
    width = 1.06 * float(x.std(ddof=1)) * x.size**-0.2
    points = np.unique(x)
    if points.size > _LARGE:
        points = np.unique(np.quantile(x, np.linspace(0, 1, _LARGE)))
    fitted = np.concatenate([
        special.softmax(-0.5 * ((x - part[:, None]) / width) ** 2, axis=1) @ y
        for part in np.array_split(points, max(1, points.size * x.size // _BLOCK))
    ])  # fmt: skip
    return np.asarray(np.interp(x, points, fitted))


def _vertices(x: FloatArray, size: int) -> FloatArray:
    """Ends of the cells: halved at the median until none holds more than ``size`` cases."""
    ordered = np.sort(x)
    margin = 0.1 * np.ptp(x)
    found = {float(ordered[0] - margin), float(ordered[-1] + margin)}
    cells = [(0, x.size - 1)]
    while cells:
        first, last = cells.pop()
        if last - first + 1 <= size:
            continue
        middle = (first + last) // 2
        while middle < last and ordered[middle] == ordered[middle + 1]:
            middle += 1  # a cut lies between distinct values
        if middle == last:
            continue
        found.add(float((ordered[middle] + ordered[middle + 1]) / 2))
        cells += [(first, middle), (middle + 1, last)]
    return np.array(sorted(found))


def _tree_loess(
    x: FloatArray, y: FloatArray, clusters: Clusters, settings: Settings
) -> tuple[FloatArray, FloatArray]:
    """The blended curve at each case (n,), and the indices of each replicate (draws, 5)."""
    vertices = _vertices(x, int(x.size * 0.75 * 0.2))
    scale = float(np.ptp(x))
    moments = _moments(x, vertices, 2, _kernels(x, vertices, int(0.75 * x.size + 1e-5)))
    rows = np.concatenate([moments, moments[:3] * y]).reshape(-1, x.size).T  # (n, 8g)

    def blended(sums: FloatArray) -> FloatArray:
        parts = sums.reshape(-1, 8, vertices.size).transpose(0, 2, 1)
        ends = _solved(parts[..., :5], parts[..., 5:], scale)
        fitted: FloatArray = CubicHermiteSpline(vertices, ends[..., 0], ends[..., 1], axis=1)(
            points
        )
        return fitted

    points = x
    observed = blended(rows.sum(axis=0)[None, :])[0]
    # Enough points to see every index, however many cases there are.
    points = np.quantile(x, np.linspace(0, 1, min(x.size, 200)))
    drawn = replicate_sums(clusters.sums(rows), settings)
    parts = []
    for part in np.array_split(drawn, max(1, drawn.shape[0] // 200)):
        distance = np.abs(blended(part) - points)
        parts.append(_indices(distance, np.ones(distance.shape)))
    return observed, np.concatenate(parts)
