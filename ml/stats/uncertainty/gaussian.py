"""How good Gaussian predictions of a number are: proper scores, calibration, sharpness."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.estimate import Estimate, counted, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.sums import estimate_of_sums, mean_estimate

PROPORTIONS = np.linspace(0, 1, 100)  # expected proportions, as uncertainty-toolbox
_DIGITS = 150  # powers of ten whose square a float still holds
_QUANTILES = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class Gaussian:
    """Predictions of n cases and what was measured, all (n,) in the target's unit."""

    mean: FloatArray
    sd: FloatArray  # above 0
    truth: FloatArray

    def __post_init__(self) -> None:
        for name in ("mean", "sd", "truth"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.ndim != 1 or values.shape != np.shape(self.truth):
                raise ValueError(f"expected (n,) arrays of one length, {name} is {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite")
        if (self.sd <= 0).any():
            raise ValueError("standard deviations must be above 0")
        size = np.maximum(np.abs(self.mean), np.abs(self.truth))
        far = np.log10(np.maximum(size, self.sd)) - np.minimum(np.log10(self.sd), 0)
        if (far > _DIGITS).any() or (self.sd < 10.0**-_DIGITS).any():
            raise ValueError("numbers this far apart cannot be squared: give another unit")

    @property
    def z(self) -> FloatArray:
        return (self.truth - self.mean) / self.sd


def pit(prediction: Gaussian) -> FloatArray:
    """Probability integral transform, (n,): uniform where predictions are calibrated.

    Example:
        >>> pit(Gaussian(np.zeros(1), np.ones(1), np.zeros(1))).tolist()
        [0.5]

    Source:
        Dawid (1984). JRSS A 147:278-292.
    """
    return np.asarray(special.ndtr(prediction.z))


def crps(
    prediction: Gaussian, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Mean continuous ranked probability score, in the target's unit; 0 is best.

    Example:
        >>> round(crps(Gaussian(np.zeros(1), np.ones(1), np.zeros(1))).value, 4)
        0.2337

    Source:
        Gneiting, Raftery (2007). JASA 102:359-378, equation 21.
    """
    z = prediction.z
    density = np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
    values = prediction.sd * (z * (2 * special.ndtr(z) - 1) + 2 * density - np.pi**-0.5)
    return mean_estimate(
        "crps", values, clusters, settings, convention="Gaussian, closed form, mean over cases"
    )


def gaussian_nll(
    prediction: Gaussian, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Mean negative log density, nats.

    Example:
        >>> round(gaussian_nll(Gaussian(np.zeros(1), np.ones(1), np.zeros(1))).value, 4)
        0.9189
    """
    values = prediction.z**2 / 2 + np.log(prediction.sd) + np.log(2 * np.pi) / 2
    return mean_estimate(
        "gaussian_nll", values, clusters, settings, convention="nats, mean over cases"
    )


def sharpness(
    prediction: Gaussian, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Root mean predicted variance, in the target's unit.

    Example:
        >>> sharpness(Gaussian(np.zeros(2), np.array([1.0, 7.0]), np.zeros(2))).value
        5.0

    Source:
        Kuleshov, Fenner, Ermon (2018), ICML; form of uncertainty-toolbox.
    """
    rows = np.stack([prediction.sd**2, np.ones(prediction.sd.size)], axis=1)
    return estimate_of_sums(
        "sharpness", rows, lambda sums: (sums[:, 0] / sums[:, 1]) ** 0.5, clusters, settings,
        convention="root of the mean variance", scale=float(prediction.sd.max(initial=0.0)),
    )  # fmt: skip


def interval_coverage(
    prediction: Gaussian,
    share: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Share of cases inside their central interval of probability ``share`` (PICP).

    Raises:
        ValueError: for a share that is not between 0 and 1.

    Example:
        >>> interval_coverage(Gaussian(np.zeros(2), np.ones(2), np.array([0.0, 3.0])), 0.9).value
        0.5
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    inside = np.abs(prediction.z) <= special.ndtri((1 + share) / 2)
    return mean_estimate(
        "interval_coverage", inside.astype(np.float64), clusters, settings,
        convention=f"central interval of {share:g}",
    )  # fmt: skip


def check_score(
    prediction: Gaussian, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Pinball loss, mean over the quantiles 0.01, 0.02 ... 0.99 and cases.

    Example:
        >>> check_score(Gaussian(np.zeros(1), np.ones(1), np.zeros(1))).value > 0
        True

    Source:
        Koenker, Bassett (1978), Econometrica 46:33-50; quantiles as uncertainty-toolbox.
    """
    total = np.zeros(prediction.truth.size)
    for q in _QUANTILES:
        miss = prediction.truth - (prediction.mean + special.ndtri(q) * prediction.sd)
        total += np.maximum(q * miss, (q - 1) * miss)
    return mean_estimate(
        "check_score", total / _QUANTILES.size, clusters, settings,
        convention="mean over the 99 percentiles and cases",
    )  # fmt: skip


def interval_score(
    prediction: Gaussian, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Interval score, mean over the central intervals 0.01 ... 0.99 and cases.

    Example:
        >>> interval_score(Gaussian(np.zeros(1), np.ones(1), np.zeros(1))).value > 0
        True

    Source:
        Gneiting, Raftery (2007), equation 43; levels as uncertainty-toolbox.
    """
    total = np.zeros(prediction.truth.size)
    for p in _QUANTILES:
        half = special.ndtri((1 + p) / 2)
        outside = np.maximum(np.abs(prediction.z) - half, 0)
        total += prediction.sd * (2 * half + 2 / (1 - p) * outside)
    return mean_estimate(
        "interval_score", total / _QUANTILES.size, clusters, settings,
        convention="mean over 99 central intervals and cases",
    )  # fmt: skip


def miscalibration(
    prediction: Gaussian,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    form: str = "mace",
) -> Estimate:
    """Distance of observed from expected proportions over 100 central intervals.

    Args:
        prediction: of n cases.
        clusters, settings: of the interval.
        form: "mace" mean absolute, "rmsce" root mean square, "area" between the curve and the
            diagonal.

    Raises:
        ValueError: for an unknown form.

    Example:
        >>> miscalibration(Gaussian(np.zeros(1), np.ones(1), np.array([9.0]))).value
        0.49

    Source:
        Kuleshov, Fenner, Ermon (2018), ICML; proportions as uncertainty-toolbox.
    """
    if form not in ("mace", "rmsce", "area"):
        raise ValueError(f'form must be "mace", "rmsce" or "area", got {form!r}')
    half = special.ndtri((1 + PROPORTIONS) / 2)
    inside = (np.abs(prediction.z)[:, None] <= half).astype(np.float64)
    rows = np.concatenate([inside, np.ones((inside.shape[0], 1))], axis=1)

    def of_sums(sums: FloatArray) -> FloatArray:
        gap = sums[:, :-1] / sums[:, -1:] - PROPORTIONS
        result: FloatArray
        if form == "mace":
            result = np.abs(gap).mean(axis=1)
        elif form == "rmsce":
            result = (gap**2).mean(axis=1) ** 0.5
        else:
            result = _area(gap)
        return result

    return estimate_of_sums(
        form if form != "area" else "miscalibration_area", rows, of_sums, clusters, settings,
        convention="100 expected proportions 0..1, central intervals", recentred=True, least=0.0,
    )  # fmt: skip


def _area(gap: FloatArray) -> FloatArray:
    """Area between a curve and the diagonal, exact where the curve crosses it: (r,)."""
    left, right = gap[:, :-1], gap[:, 1:]
    size = np.abs(left) + np.abs(right)
    crossing = (left**2 + right**2) / np.where(size > 0, size, 1)
    piece = np.where(left * right < 0, crossing, size) / 2
    area: FloatArray = piece.sum(axis=1) / (PROPORTIONS.size - 1)
    return area


def ence(
    prediction: Gaussian,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = 10,
) -> Estimate:
    """Expected normalised calibration error: mean over bins of |RMSE - RMV| / RMV.

    Bins hold equal numbers of cases by predicted standard deviation; cases of one standard
    deviation that fall into several bins are in each in part, whatever their order. Undefined for
    fewer cases than bins.

    Example:
        >>> ence(Gaussian(np.zeros(2), np.ones(2), np.array([2.0, -2.0])), bins=1).value
        1.0

    Source:
        Levi, Gispan, Giladi, Fetaya (2022). Sensors 22:5540, equation 8.
    """
    n, bins = prediction.sd.size, checked_count("bins", bins)
    convention = f"{bins} bins of equal number by predicted sd"
    if n < bins:
        few = f"{counted(n, 'case')} {'does' if n == 1 else 'do'}"
        reason = f"Not estimated: {few} not fill {bins} bins."
        return undefined("ence", reason, n=n, convention=convention)
    _, tied, sizes = np.unique(prediction.sd, return_inverse=True, return_counts=True)
    share = np.zeros((sizes.size, bins))  # of the cases of one standard deviation in each bin
    np.add.at(share, (np.repeat(np.arange(sizes.size), sizes), np.arange(n) * bins // n), 1)
    share = (share / sizes[:, None])[tied]
    rows = np.hstack(
        [share * part[:, None] ** 2 for part in (prediction.truth - prediction.mean, prediction.sd)]
    )

    def of_sums(sums: FloatArray) -> FloatArray:
        error, variance = sums[:, :bins], sums[:, bins:]
        filled = variance > 0
        gap = np.abs(np.sqrt(error / np.where(filled, variance, 1)) - 1)
        mean: FloatArray = np.where(filled, gap, 0).sum(axis=1) / filled.sum(axis=1)
        return mean

    return estimate_of_sums(
        "ence", rows, of_sums, clusters, settings, convention=convention,
        recentred=True, least=0.0,
    )  # fmt: skip


def ause(
    errors: FloatArray,
    uncertainty: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Area under the sparsification error curve: mean error left, by uncertainty minus oracle.

    Curves are divided by the mean error of all cases and averaged over fractions removed
    0, 1/n ... (n-1)/n; ties of the uncertainty count by their mean error.

    Args:
        errors: (n,) not below 0, e.g. absolute errors.
        uncertainty: (n,) higher means less certain.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed of the percentile bootstrap.

    Raises:
        ValueError: for malformed input, or clusters of other rows.

    Example:
        >>> ause(np.array([1.0, 2.0]), np.array([0.1, 0.2])).value
        0.0

    Source:
        Ilg et al. (2018), ECCV, section 5.
    """
    errors = np.asarray(errors, dtype=np.float64)
    uncertainty = np.asarray(uncertainty, dtype=np.float64)
    if errors.ndim != 1 or errors.shape != uncertainty.shape:
        raise ValueError(f"expected two (n,) arrays, got {errors.shape}, {uncertainty.shape}")
    if not (np.isfinite(errors).all() and np.isfinite(uncertainty).all()) or (errors < 0).any():
        raise ValueError("errors must be finite and not below 0, uncertainty finite")
    convention = "normalised by the mean error, mean over fractions removed"
    clusters = checked_clusters(clusters, errors.size)
    largest = errors.max(initial=0.0)
    if largest == 0:
        reason = "Not estimated: there is no error to rank."
        return undefined("ause", reason, n=errors.size, convention=convention)
    errors = errors / largest  # the area is a ratio; large errors would overflow in their sum
    by_error = np.argsort(errors, kind="stable")
    by_doubt = np.argsort(uncertainty, kind="stable")
    ordered = uncertainty[by_doubt]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def of_weights(weights: FloatArray) -> float:
        least_first = np.repeat(errors[by_error], weights[by_error].astype(np.int64))
        total = least_first.sum()
        if total == 0:
            return float("nan")
        chosen = weights[by_doubt]
        size = np.add.reduceat(chosen, starts)
        mean = ratio(np.add.reduceat(chosen * errors[by_doubt], starts), size)
        surest_first = np.repeat(mean, size.astype(np.int64))
        apart = np.cumsum(surest_first) - np.cumsum(least_first)
        return max(0.0, float((apart / np.arange(1, apart.size + 1)).sum() / total))

    drawn = replicates(
        lambda counts: np.array([of_weights(row) for row in counts[:, clusters.codes]]),
        clusters.count, settings, width=errors.size,
    )  # fmt: skip
    interval = percentile_interval(drawn, clusters, settings)
    return Estimate(
        "ause", of_weights(np.ones(errors.size)), interval.low, interval.high, settings.level,
        errors.size, convention=convention, method=interval.method, reason=interval.reason,
        extra=clusters.extra,
    )  # fmt: skip
