"""Calibration of class probabilities: scores over all classes, top-label and class-wise errors."""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.calibration.binned_error import binned_error, gap_rows, norm_of
from ml.stats.calibration.reliability import BINS, MOST_BINS, bin_of
from ml.stats.clusters import Clusters
from ml.stats.sums import estimate_of_sums, mean_estimate


def checked_classes(probabilities: FloatArray, label: IntArray) -> tuple[FloatArray, IntArray]:
    """Class probabilities (n, k) that sum to 1 and labels (n,) 0..k-1.

    Raises:
        ValueError: naming what came.

    Example:
        >>> probabilities, label = checked_classes(np.array([[0.75, 0.25]]), np.array([1.0]))
        >>> label.tolist()
        [1]
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    label = np.asarray(label)
    if probabilities.ndim != 2 or label.shape != probabilities.shape[:1]:
        raise ValueError(f"expected (n, k) and (n,), got {probabilities.shape} and {label.shape}")
    if not np.isfinite(probabilities).all() or (probabilities < -1e-6).any():
        raise ValueError("class probabilities must be finite and not below 0")
    if (np.abs(probabilities.sum(axis=1) - 1) > 1e-3).any():
        raise ValueError("class probabilities of a case must sum to 1")
    if not np.isin(label, np.arange(probabilities.shape[1])).all():
        raise ValueError(f"labels must be 0..{probabilities.shape[1] - 1}")
    return probabilities.clip(0, 1), label.astype(np.int64)


def nll(
    probabilities: FloatArray,
    label: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean negative log-likelihood of the true class, nats, not clipped.

    Args:
        probabilities: (n, k) rows that sum to 1.
        label: (n,) 0..k-1.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> round(nll(np.array([[0.5, 0.5]]), np.array([0])).value, 4)
        0.6931

    Source:
        Good (1952). JRSS B 14:107-114.
    """
    probabilities, label = checked_classes(probabilities, label)
    given = probabilities[np.arange(label.size), label]
    convention = "probability of the true class, nats, not clipped"
    if (given == 0).any():
        reason = "Not estimated: infinite, a true class had probability 0."
        return undefined("nll", reason, n=label.size, convention=convention)
    return mean_estimate("nll", -np.log(given), clusters, settings, convention=convention)


def brier_multiclass(
    probabilities: FloatArray,
    label: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Brier score summed over classes, 0 (best) to 2. Arguments as ``nll``.

    Example:
        >>> brier_multiclass(np.array([[0.5, 0.5]]), np.array([0])).value
        0.5

    Source:
        Brier (1950). Monthly Weather Review 78:1-3, original form.
    """
    probabilities, label = checked_classes(probabilities, label)
    truth = np.eye(probabilities.shape[1])[label]
    return mean_estimate(
        "brier_multiclass", ((probabilities - truth) ** 2).sum(axis=1), clusters, settings,
        convention="sum over classes (0..2), mean over cases",
    )  # fmt: skip


def top_label_error(
    probabilities: FloatArray,
    label: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
    scheme: str = "equal width",
    norm: str = "l1",
) -> Estimate:
    """Binned error of the confidence in the most probable class (lowest of ties).

    Options as ``binned_error``, other arguments as ``nll``.

    Example:
        >>> round(top_label_error(np.array([[0.75, 0.25]]), np.array([0])).value, 2)
        0.25

    Source:
        Guo, Pleiss, Sun, Weinberger (2017), ICML.
    """
    probabilities, label = checked_classes(probabilities, label)
    if not label.size:
        return undefined("top_label_ece", "Not estimated: there are no cases.")
    right = (probabilities.argmax(axis=1) == label).astype(np.int64)
    result = binned_error(
        probabilities.max(axis=1), right, clusters, settings, bins=bins, scheme=scheme, norm=norm
    )
    return result.renamed(f"top_label_{result.id}", convention=f"top label, {result.convention}")


def classwise_error(
    probabilities: FloatArray,
    label: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
    norm: str = "l1",
) -> Estimate:
    """Mean over classes of the binned error of P(class), equal-width bins.

    Options as ``binned_error``, other arguments as ``nll``; all classes count alike.

    Example:
        >>> round(classwise_error(np.array([[0.75, 0.25]]), np.array([0])).value, 2)
        0.25

    Source:
        Kull et al. (2019). Beyond temperature scaling. NeurIPS, class-wise ECE.
    """
    if norm not in ("l1", "l2", "max"):
        raise ValueError(f'norm must be "l1", "l2" or "max", got {norm!r}')
    bins = checked_count("bins", bins, 1, MOST_BINS)
    probabilities, label = checked_classes(probabilities, label)
    classes = probabilities.shape[1]
    rows = np.concatenate([
        gap_rows(probabilities[:, k], label == k, bin_of(probabilities[:, k], bins), bins)
        for k in range(classes)
    ], axis=1)  # fmt: skip

    def of_sums(sums: FloatArray) -> FloatArray:
        parts = np.split(sums, classes, axis=1)
        mean: FloatArray = np.mean([norm_of(part, bins, norm) for part in parts], axis=0)
        return mean

    return estimate_of_sums(
        "classwise_ece", rows, of_sums, clusters, settings,
        convention=f"mean over {classes} classes, {bins} equal-width bins, norm {norm}",
        recentred=True, least=0.0,
    )  # fmt: skip
