"""Predictive uncertainty of several members, split into aleatoric and epistemic."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import Interval, percentile_interval

_UNITS = {"nats": 1.0, "bits": float(np.log(2))}


@dataclass(frozen=True)
class EntropyParts:
    """Uncertainty per case (n,), in nats or bits; total = aleatoric + epistemic."""

    mean: FloatArray  # (n, k) mean of the members' probabilities
    total: FloatArray  # entropy of the mean
    aleatoric: FloatArray  # mean of the members' entropies
    epistemic: FloatArray  # mutual information (BALD, Jensen-Shannon), not below 0
    normalised: FloatArray  # total / ln k, 0..1
    unit: str
    members: int


@dataclass(frozen=True)
class VarianceParts:
    """Variance per case and class (n, k), or per case (n,); total = aleatoric + epistemic."""

    mean: FloatArray
    total: FloatArray
    aleatoric: FloatArray
    epistemic: FloatArray  # over members, ddof = 0


def checked_members(probabilities: FloatArray) -> FloatArray:
    """Members x cases x classes, rows summing to 1.

    Raises:
        ValueError: naming what came.

    Example:
        >>> checked_members(np.array([[[0.75, 0.25]], [[0.5, 0.5]]])).shape
        (2, 1, 2)
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 3 or probabilities.shape[0] < 1 or probabilities.shape[2] < 2:
        raise ValueError(f"expected members x cases x classes, got {probabilities.shape}")
    if not np.isfinite(probabilities).all() or (probabilities < -1e-6).any():
        raise ValueError("probabilities must be finite and not below 0: give no logits")
    if (np.abs(probabilities.sum(axis=2) - 1) > 1e-3).any():
        raise ValueError("class probabilities of a case must sum to 1")
    return probabilities.clip(0, 1)


def entropy_parts(probabilities: FloatArray, *, unit: str = "nats") -> EntropyParts:
    """Entropy of the mean = mean entropy of members + mutual information.

    Members' probabilities are averaged, never their logits; 0·log(0) is 0.

    Args:
        probabilities: (members, n, k).
        unit: "nats" or "bits".

    Raises:
        ValueError: for malformed input or an unknown unit.

    Example:
        >>> parts = entropy_parts(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), unit="bits")
        >>> parts.total.tolist(), parts.epistemic.tolist()
        ([1.0], [1.0])

    Source:
        Depeweg et al. (2018), ICML; Smith, Gal (2018), UAI; Houlsby et al. (2011), BALD.
    """
    if unit not in _UNITS:
        raise ValueError(f"unit must be one of {tuple(_UNITS)}, got {unit!r}")
    probabilities = checked_members(probabilities)
    mean = probabilities.mean(axis=0)
    total = special.entr(mean).sum(axis=1)
    aleatoric = special.entr(probabilities).sum(axis=2).mean(axis=0)
    size = _UNITS[unit]
    # Jensen's inequality: below 0 it is rounding.
    epistemic = np.maximum(total - aleatoric, 0.0)
    return EntropyParts(
        mean, total / size, aleatoric / size, epistemic / size,
        total / np.log(mean.shape[1]), unit, probabilities.shape[0],
    )  # fmt: skip


def variance_parts(probabilities: FloatArray) -> VarianceParts:
    """Per class: mean p(1 - p) + variance of p over members = p̄(1 - p̄).

    Args:
        probabilities: (members, n, k).

    Raises:
        ValueError: for malformed input.

    Example:
        >>> variance_parts(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).epistemic.tolist()
        [[0.25, 0.25]]

    Source:
        Kwon, Won, Kim, Paik (2020). Computational Statistics and Data Analysis 142:106816.
    """
    probabilities = checked_members(probabilities)
    mean = probabilities.mean(axis=0)
    return VarianceParts(
        mean,
        mean * (1 - mean),
        (probabilities * (1 - probabilities)).mean(axis=0),
        probabilities.var(axis=0),
    )


def gaussian_parts(mean: FloatArray, variance: FloatArray) -> VarianceParts:
    """Law of total variance for a mixture of Gaussian members.

    Args:
        mean, variance: (members, n), variance not below 0, in the target's unit (squared).

    Raises:
        ValueError: for malformed input.

    Example:
        >>> gaussian_parts(np.array([[0.0], [2.0]]), np.ones((2, 1))).total.tolist()
        [2.0]

    Source:
        Lakshminarayanan, Pritzel, Blundell (2017), NeurIPS, section 2.4.
    """
    mean, variance = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if mean.ndim != 2 or mean.shape != variance.shape or not mean.shape[0]:
        raise ValueError(f"expected two (members, n) arrays, got {mean.shape}, {variance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(variance).all()) or (variance < 0).any():
        raise ValueError("means must be finite, variances finite and not below 0")
    mean, variance = checked_size("means", mean), checked_size("variances", variance)
    aleatoric, epistemic = variance.mean(axis=0), mean.var(axis=0)
    return VarianceParts(mean.mean(axis=0), aleatoric + epistemic, aleatoric, epistemic)


def variation_ratio(probabilities: FloatArray) -> FloatArray:
    """1 - share of members that vote for the modal class (arg max, ties to the lowest): (n,).

    Example:
        >>> variation_ratio(np.array([[[0.9, 0.1]], [[0.2, 0.8]]])).tolist()
        [0.5]

    Source:
        Freeman (1965), Elementary Applied Statistics; Gal (2016), thesis, section 3.3.
    """
    probabilities = checked_members(probabilities)
    votes = probabilities.argmax(axis=2)
    counts = np.stack([(votes == k).sum(axis=0) for k in range(probabilities.shape[2])])
    share: FloatArray = 1 - counts.max(axis=0) / votes.shape[0]
    return share


def max_probability_uncertainty(probabilities: FloatArray) -> FloatArray:
    """1 - highest mean probability: (n,), 0..1 - 1/k. Argument as ``entropy_parts``.

    Example:
        >>> max_probability_uncertainty(np.array([[[1.0, 0.0]], [[0.5, 0.5]]])).tolist()
        [0.25]
    """
    doubt: FloatArray = 1 - checked_members(probabilities).mean(axis=0).max(axis=1)
    return doubt


def split_half_error(
    probabilities: FloatArray, *, splits: int = 50, seed: int = 20261123
) -> FloatArray:
    """Standard error of each case's mutual information from a finite number of members: (n,).

    Members are halved at random; half the standard deviation of the difference between the
    two halves' values estimates the error of the value from all members.

    Args:
        probabilities: (members, n, k), at least 4 members.
        splits: random halvings.
        seed: of the halvings.

    Raises:
        ValueError: for malformed input or fewer than 4 members.

    Example:
        >>> split_half_error(np.full((4, 2, 2), 0.5)).tolist()
        [0.0, 0.0]
    """
    probabilities = checked_members(probabilities)
    members = probabilities.shape[0]
    if members < 4:
        raise ValueError(f"halves need at least 4 members, got {members}")
    splits = checked_count("splits", splits)
    generator = np.random.default_rng(checked_count("seed", seed, 0))
    half = members // 2
    square = np.zeros(probabilities.shape[1])
    for _ in range(splits):
        order = generator.permutation(members)
        first = entropy_parts(probabilities[order[:half]]).epistemic
        second = entropy_parts(probabilities[order[half : 2 * half]]).epistemic
        square += (first - second) ** 2
    error: FloatArray = (square / splits) ** 0.5 / 2
    return error


def convergence(probabilities: FloatArray) -> FloatArray:
    """Mean mutual information over cases of the first 1, 2, ... members: (members,) nats.

    It rises towards its limit by about (k - 1)/(2T) of bias; a curve that still climbs at its
    end asks for more members. Argument as ``entropy_parts``.

    Example:
        >>> convergence(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(3).tolist()
        [0.0, 0.693]
    """
    probabilities = checked_members(probabilities)
    members = np.arange(1, probabilities.shape[0] + 1)[:, None]
    mean = probabilities.cumsum(axis=0) / members[..., None]
    total = special.entr(mean.clip(0, 1)).sum(axis=2)
    aleatoric = special.entr(probabilities).sum(axis=2).cumsum(axis=0) / members
    if not probabilities.shape[1]:
        raise ValueError("a mean over cases needs at least one")
    curve: FloatArray = np.maximum(total - aleatoric, 0).mean(axis=1)
    return curve


def correlation(
    aleatoric: FloatArray,
    epistemic: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Pearson correlation of aleatoric and epistemic over cases.

    Near 1, the two do not tell different stories.

    Args:
        aleatoric, epistemic: (n,) finite.
        clusters: independent units; None means every case is its own.
        settings: level of the interval; draws and seed of its bootstrap where cases cluster.

    Returns:
        Interval by Fisher's z, with clusters a percentile bootstrap of whole ones. Undefined
        where a part does not vary.

    Raises:
        ValueError: for unequal shapes, NaN, or clusters of other rows.

    Example:
        >>> a = np.arange(5.0)
        >>> round(correlation(a, a**2).value, 3)
        0.959

    Source:
        Mucsányi, Kirchhof, Oh (2024), NeurIPS; Fisher (1921), Metron 1:3-32.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (aleatoric, epistemic)]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape:
        raise ValueError(f"expected two (n,) arrays, got {parts[0].shape} and {parts[1].shape}")
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("parts of the uncertainty must be finite: leave other cases out")
    n, measure, convention = parts[0].size, "uncertainty_correlation", "Pearson over cases"
    clusters = checked_clusters(clusters, n)
    if n < 2 or any((part == part[0]).all() for part in parts):
        reason = "Not estimated: a part of the uncertainty does not vary over cases."
        return undefined(measure, reason, n=n, convention=convention)
    # Scaled first, so that tiny or huge values neither vanish nor overflow when squared.
    a, b = (part / np.abs(part).max() for part in parts)
    a, b = a - a.mean(), b - b.mean()
    rows = np.stack([np.ones(n), a, b, a * a, b * b, a * b], axis=1)
    value = float(_pearson(rows.sum(axis=0)[None, :])[0])
    if not np.isfinite(value):
        reason = "Not estimated: a part of the uncertainty varies by rounding alone."
        return undefined(measure, reason, n=n, convention=convention)
    if n < 4 or abs(value) > 1 - 1e-12:
        reason = "No interval: fewer than four cases, or a perfect correlation."
        interval = Interval(None, None, "", reason)
    elif clusters.each_alone:
        margin = float(special.ndtri((1 + settings.level) / 2)) / (n - 3) ** 0.5
        low, high = np.tanh(np.arctanh(value) + np.array([-margin, margin]))
        interval = Interval(float(low), float(high), "Fisher z")
    else:
        drawn = _pearson(replicate_sums(clusters.sums(rows), settings))
        interval = percentile_interval(drawn, clusters, settings)
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, convention=convention,
        method=interval.method, reason=interval.reason, extra=clusters.extra,
    )  # fmt: skip


def _pearson(sums: FloatArray) -> FloatArray:
    """Correlation of sums (r, 6) of 1, a, b, a², b², ab; NaN where one does not vary."""
    n, a, b, aa, bb, ab = sums.T
    spread = np.stack([aa - a * a / n, bb - b * b / n]).clip(0)
    least = 1e-15 * np.stack([aa, bb])
    spread = np.where(spread > least, spread, np.nan)
    found: FloatArray = ((ab - a * b / n) / np.sqrt(spread[0] * spread[1])).clip(-1, 1)
    return found
