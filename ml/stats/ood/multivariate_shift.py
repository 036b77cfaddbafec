"""Whether two samples of features differ as a whole: kernel distance, Frechet, label shift."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import SMALLEST, checked_count, checked_number
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.ood.shift import checked_pair
from ml.stats.permutation import p_value, permuted_members

_MOST_CLASSES = 10_000  # the confusion matrix is held at once


@dataclass(frozen=True)
class MMD:
    """Squared maximum mean discrepancy and its permutation test."""

    unbiased: float | None  # may be below 0
    biased: float
    bandwidth: float
    p: float | None  # of the biased statistic
    method: str
    reason: str | None = None


def median_bandwidth(reference: FloatArray, target: FloatArray) -> float | None:
    """Median distance between two different rows of the pooled sample; None if it is 0.

    Example:
        >>> median_bandwidth(np.array([[0.0], [1.0]]), np.array([[3.0]]))
        2.0

    Source:
        Gretton et al. (2012), JMLR 13:723-773, section 8.
    """
    distances = pdist(np.vstack(checked_pair(reference, target)))
    middle = float(np.median(distances)) if distances.size else 0.0
    return middle if middle > 0 else None


def mmd(
    reference: FloatArray,
    target: FloatArray,
    bandwidth: float | None = None,
    reference_clusters: Clusters | None = None,
    target_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> MMD:
    """Squared MMD with the kernel exp(-d^2 / (2 bandwidth^2)), and its permutation p-value.

    Args:
        reference, target: (n, d) and (m, d); the (n+m, n+m) kernel matrix is held at once.
        bandwidth: in units of the features; None takes the median heuristic.
        reference_clusters, target_clusters: whole clusters are relabelled.
        settings: draws and seed of the permutations.

    Returns:
        ``unbiased`` is None for a sample of one row. No p-value below two clusters a side.

    Raises:
        ValueError: for a bandwidth not above 0, or rows that are all equal without one.

    Example:
        >>> mmd(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]), 1.0).biased
        0.0

    Source:
        Gretton et al. (2012), JMLR 13:723-773, equations 3 and 5.
    """
    one, two = checked_pair(reference, target)
    bandwidth = median_bandwidth(one, two) if bandwidth is None else bandwidth
    if bandwidth is None:
        raise ValueError("rows that are all equal have no median distance: give a bandwidth")
    bandwidth = checked_number("bandwidth", bandwidth, above=SMALLEST)
    n, m = len(one), len(two)
    kernel = np.exp(-squareform(pdist(np.vstack([one, two]), "sqeuclidean")) / (2 * bandwidth**2))
    here = (np.arange(n + m) < n).astype(np.float64)[:, None]
    biased = float(_biased(kernel, here)[0])
    unbiased = None
    if min(n, m) > 1:
        own, other, cross = kernel[:n, :n].sum(), kernel[n:, n:].sum(), kernel[:n, n:].mean()
        unbiased = float((own - n) / (n * (n - 1)) + (other - m) / (m * (m - 1)) - 2 * cross)
    first, second = checked_clusters(reference_clusters, n), checked_clusters(target_clusters, m)
    if min(first.count, second.count) < 2:
        reason = "Not estimated: a sample of one cluster cannot be relabelled."
        return MMD(unbiased, biased, bandwidth, None, "", reason)
    codes = np.concatenate([first.codes, second.codes + first.count])
    total = first.count + second.count
    member = np.arange(total) < first.count
    columns = permuted_members(member, settings.draws, settings.seed)[codes]
    p = p_value(biased, _biased(kernel, columns), complete=False)
    method = f"permutation of {total:,} units, {settings.draws:,} draws, seed {settings.seed}"
    return MMD(unbiased, max(biased, 0.0), bandwidth, p, method)


def _biased(kernel: FloatArray, here: FloatArray) -> FloatArray:
    """The V-statistic for each column of memberships (rows, draws), by one matrix product.

    With weights 1/n on one sample and -1/m on the other it is a quadratic form.
    """
    n = here.sum(axis=0)
    weights = here / n - (1 - here) / (len(here) - n)
    form: FloatArray = np.einsum("ij,ij->j", weights, kernel @ weights)
    return form


def frechet_distance(reference: FloatArray, target: FloatArray, *, ddof: str = "N-1") -> Estimate:
    """Squared Frechet (Wasserstein-2) distance of Gaussians fitted to two samples.

    Args:
        reference, target: (n, d) and (m, d), two rows or more each.
        ddof: divisor of both covariances: "N-1" (as FID), or "N".

    Returns:
        |difference of means|^2 + tr(A + B - 2 (A B)^(1/2)), without an interval: it is biased
        upward in small samples, and more so in their replicates; only distances of samples of
        one size compare.

    Raises:
        ValueError: for fewer than two rows, or another divisor.

    Example:
        >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])).value
        9.0

    Source:
        Dowson, Landau (1982), J Multivariate Analysis 12:450-455; Heusel et al. (2017), NeurIPS.
    """
    one, two = checked_pair(reference, target)
    if ddof not in ("N", "N-1") or min(len(one), len(two)) < 2:
        raise ValueError(
            f"expected two rows or more and 'N' or 'N-1', got {len(one)}, {len(two)}, {ddof!r}"
        )
    less = int(ddof == "N-1")
    here, there = (np.atleast_2d(np.cov(x.T, ddof=less)) for x in (one, two))
    values, vectors = np.linalg.eigh(here)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ there @ root).clip(0)).sum()
    moved = float(((one.mean(axis=0) - two.mean(axis=0)) ** 2).sum())
    return Estimate(
        "frechet_distance", max(0.0, moved + float(np.trace(here) + np.trace(there) - 2 * cross)),
        n=len(one) + len(two), convention=f"squared; covariances with divisor {ddof}",
        extra={"n_target": len(two)},
        reason="No interval: replicates are biased upward more than the estimate itself.",
    )  # fmt: skip


@dataclass(frozen=True)
class LabelShift:
    """Estimated class shares of an unlabelled target sample."""

    weights: FloatArray | None  # (classes,) target share over source share; may be below 0
    target_shares: FloatArray | None  # (classes,) weights * source shares, not clipped
    condition: float | None  # of the confusion matrix; large = not to be trusted
    reason: str | None = None


def label_shift(
    source_true: IntArray,
    source_predicted: IntArray,
    target_predicted: IntArray,
    classes: int,
    max_condition: float = 1e8,
) -> LabelShift:
    """Black-box shift estimation: class shares behind a fixed classifier's predictions.

    Args:
        source_true, source_predicted: (n,) classes 0..classes-1 of held-out source cases.
        target_predicted: (m,) predicted classes of the target.
        classes: how many there are.
        max_condition: of the joint confusion matrix, above which it counts as singular.

    Returns:
        Undefined when a class is missing, or the predictions do not tell classes apart.

    Raises:
        ValueError: for classes outside the range or unequal shapes.

    Example:
        >>> label_shift([0, 1], [0, 1], [0, 1, 1, 1], 2).target_shares.tolist()
        [0.25, 0.75]

    Source:
        Lipton, Wang, Smola (2018), ICML (Detecting and Correcting for Label Shift).
    """
    classes = checked_count("classes", classes, 1, _MOST_CLASSES)
    given = [np.asarray(x) for x in (source_true, source_predicted, target_predicted)]
    if not all(np.isin(x, np.arange(classes)).all() for x in given):
        raise ValueError(f"classes must be whole numbers 0..{classes - 1}")
    true, predicted, target = (x.astype(np.int64) for x in given)
    if true.ndim != 1 or true.shape != predicted.shape or target.ndim != 1:
        raise ValueError(f"expected (n,), (n,), (m,), got {true.shape}, {predicted.shape}")
    if not true.size or not target.size:
        return LabelShift(None, None, None, "Not estimated: one of the samples is empty.")
    joint = np.bincount(predicted * classes + true, minlength=classes**2) / true.size
    joint = joint.reshape(classes, classes)
    shares = joint.sum(axis=0)
    condition = float(np.linalg.cond(joint))
    if (shares == 0).any() or not condition <= max_condition:
        reason = "Not estimated: the source predictions do not tell all classes apart."
        return LabelShift(None, None, None, reason)
    called = np.bincount(target, minlength=classes) / target.size
    weights: FloatArray = np.linalg.solve(joint, called).astype(np.float64)
    return LabelShift(weights, weights * shares, condition)
