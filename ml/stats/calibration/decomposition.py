"""A proper score split into miscalibration, discrimination and uncertainty."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.calibration.reliability import bin_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval, within
from ml.stats.sums import NO_CASES


@dataclass(frozen=True)
class Corp:
    """CORP: mean score = miscalibration - discrimination + uncertainty, exactly."""

    miscalibration: Estimate
    discrimination: Estimate
    uncertainty: Estimate
    recalibrated: FloatArray  # (n,) isotonic probabilities, the CORP reliability curve
    score: float  # of the original probabilities


def pav(
    probabilities: FloatArray, outcomes: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Isotonic event frequencies given the probabilities, ties pooled first: (n,).

    Example:
        >>> pav(np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 0.0])).tolist()
        [0.0, 0.5, 0.5]

    Source:
        Ayer et al. (1955), Annals of Mathematical Statistics 26:641-647 (pool adjacent
        violators).
    """
    weights = np.ones(probabilities.size) if weights is None else weights
    _, at = np.unique(probabilities, return_inverse=True)
    mass = np.bincount(at, weights)
    means = np.bincount(at, weights * outcomes) / np.where(mass > 0, mass, 1)
    filled = mass > 0
    fitted = np.zeros(mass.size)
    fitted[filled] = optimize.isotonic_regression(means[filled], weights=mass[filled]).x
    result: FloatArray = fitted[at]
    return result


def corp(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    score: str = "brier",
) -> Corp:
    """CORP decomposition by isotonic recalibration: exact, without bins.

    Args:
        probabilities: (n,) P(finding), 0..1.
        present: (n,) 1 or 0.
        clusters: independent units of the bootstrap; None means every case is its own.
        settings: level, draws, seed.
        score: "brier" or "log" (nats).

    Raises:
        ValueError: for malformed input, no cases, or an unknown score.

    Example:
        >>> result = corp(np.array([0.2, 0.8]), np.array([0, 1]), settings=Settings(draws=1))
        >>> round(result.miscalibration.value, 3), result.uncertainty.value
        (0.04, 0.25)

    Source:
        Dimitriadis, Gneiting, Jordan (2021). PNAS 118:e2016191118.
    """
    if score not in ("brier", "log"):
        raise ValueError(f'score must be "brier" or "log", got {score!r}')
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if probabilities.size == 0:
        raise ValueError("a decomposition of no cases is undefined")
    clusters = checked_clusters(clusters, probabilities.size)
    y = outcomes.astype(np.float64)
    recalibrated = pav(probabilities, y)
    parts = _parts(probabilities, y, np.ones(y.size), score)
    drawn = replicates(
        lambda counts: np.array(
            [_parts(probabilities, y, row, score) for row in counts[:, clusters.codes]]
        ).reshape(-1, 3),
        clusters.count, settings, width=y.size,
    )  # fmt: skip
    names = ("miscalibration", "discrimination", "uncertainty")
    estimates = [
        _part(name, parts[k], drawn[:, k], outcomes, clusters, settings, score)
        for k, name in enumerate(names)
    ]
    mean = float(_losses(probabilities, y, score).mean())
    return Corp(estimates[0], estimates[1], estimates[2], recalibrated, mean)


def _losses(probabilities: FloatArray, y: FloatArray, score: str) -> FloatArray:
    losses: FloatArray
    if score == "brier":
        losses = (probabilities - y) ** 2
    else:
        losses = -(special.xlogy(y, probabilities) + special.xlog1py(1 - y, -probabilities))
    return losses


def _parts(
    probabilities: FloatArray, y: FloatArray, weights: FloatArray, score: str
) -> tuple[float, float, float]:
    total = weights.sum()
    used = weights > 0
    p, y, weights = probabilities[used], y[used], weights[used]
    rate = np.full(y.size, (weights @ y) / total)
    original, fitted, constant = (
        float(weights @ _losses(q, y, score) / total) for q in (p, pav(p, y, weights), rate)
    )
    return original - fitted, constant - fitted, constant


def _part(
    name: str, value: float, drawn: FloatArray, outcomes: BoolArray, clusters: Clusters,
    settings: Settings, score: str,
) -> Estimate:  # fmt: skip
    convention = f"CORP, {score} score, isotonic recalibration of these cases"
    n, events = outcomes.size, int(outcomes.sum())
    if not np.isfinite(value):
        reason = "Not estimated: infinite, a certain probability was wrong."
        return undefined(name, reason, n=n, n_events=events, convention=convention)
    centre = value if name != "uncertainty" else None
    interval = within(percentile_interval(drawn, clusters, settings, centre=centre), 0.0)
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, events, convention=convention,
        method=interval.method, reason=interval.reason, extra={**clusters.extra},
    )  # fmt: skip


def murphy(probabilities: FloatArray, present: IntArray, *, bins: int = 10) -> dict[str, Estimate]:
    """Murphy's three binned terms, and the residual they leave.

    Brier = reliability - resolution + uncertainty + residual; the residual (variance within
    bins minus twice the covariance) is zero only where probabilities are constant within bins.

    Args:
        probabilities: (n,) P(finding), 0..1.
        present: (n,) 1 or 0.
        bins: number of equal-width bins, ((k-1)/B, k/B].

    Returns:
        "reliability", "resolution", "uncertainty", "residual".

    Raises:
        ValueError: for malformed input.

    Example:
        >>> round(murphy(np.array([0.5, 0.5]), np.array([0, 1]))["uncertainty"].value, 2)
        0.25

    Source:
        Murphy (1973), Journal of Applied Meteorology 12:595-600; Stephenson, Coelho, Jolliffe
        (2008), Weather and Forecasting 23:752-757 (the residual).
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    n, events = outcomes.size, int(outcomes.sum())
    convention = f"Murphy 1973, {bins} equal-width bins; exact only with the residual"
    names = ("reliability", "resolution", "uncertainty", "residual")
    if n == 0:
        return {
            name: undefined(name, NO_CASES, n_events=0, convention=convention) for name in names
        }
    sums = bin_sums(probabilities, outcomes, Clusters.singles(n), bins).sum(axis=0)
    count, total, found = sums.reshape(3, bins)
    safe = np.maximum(count, 1)
    rate = events / n
    reliability = float((count * ((total - found) / safe) ** 2).sum() / n)
    resolution = float((count * (found / safe - rate) ** 2).sum() / n)
    uncertainty = rate * (1 - rate)
    brier = float(((probabilities - outcomes) ** 2).mean())
    values = (reliability, resolution, uncertainty, brier - reliability + resolution - uncertainty)
    extra: dict[str, JsonValue] = {"bins": bins}
    return {
        name: Estimate(
            name, value, n=n, n_events=events, convention=convention,
            reason="No interval: use CORP for one.", extra=extra,
        )
        for name, value in zip(names, values, strict=True)
    }  # fmt: skip
