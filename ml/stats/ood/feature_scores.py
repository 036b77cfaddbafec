"""How far an input lies from the training features; every score is higher for more foreign."""

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.spatial import cKDTree

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count, checked_size

_RELATIVE = 1e-10  # directions with less variance than this share of the largest hold none


@dataclass(frozen=True)
class Gaussians:
    """Class means with one tied covariance, and one Gaussian of all training features."""

    means: FloatArray  # (classes, d)
    precision: FloatArray  # (d, d) pseudo-inverse of the tied covariance
    overall_mean: FloatArray  # (d,)
    overall_precision: FloatArray
    convention: str


def fit_gaussians(features: FloatArray, classes: IntArray, *, ddof: str = "N") -> Gaussians:
    """Gaussians of the training features.

    Args:
        features: (n, d) of the training set, never of the set to be scored.
        classes: (n,) class of each.
        ddof: divisor of both covariances: "N", or "N-1".

    Raises:
        ValueError: for other shapes, fewer than two rows, or another divisor.

    Example:
        >>> fit_gaussians(np.array([[0.0], [2.0]]), np.array([0, 0])).precision.tolist()
        [[1.0]]

    Source:
        Lee et al. (2018), NeurIPS; Ren et al. (2021), arXiv:2106.09022 (relative).
    """
    features, classes = _features(features), np.asarray(classes)
    n = len(features)
    if classes.shape != (n,) or n < 2:
        raise ValueError(f"expected a class for each of 2 rows or more, got {classes.shape}")
    if ddof not in ("N", "N-1"):
        raise ValueError(f"ddof must be 'N' or 'N-1', got {ddof!r}")
    divisor = n if ddof == "N" else n - 1
    found, codes = np.unique(classes, return_inverse=True)
    means = np.stack([features[codes == at].mean(axis=0) for at in range(found.size)])
    within = features - means[codes]
    overall = features.mean(axis=0)
    around = features - overall
    return Gaussians(
        means, _inverse(within.T @ within / divisor), overall,
        _inverse(around.T @ around / divisor),
        f"tied covariance, divisor {ddof}, pseudo-inverse; squared distance",
    )  # fmt: skip


def mahalanobis(features: FloatArray, fitted: Gaussians) -> FloatArray:
    """Squared Mahalanobis distance to the nearest class mean; higher = more foreign.

    Args:
        features: (n, d).
        fitted: of the training features.

    Example:
        >>> fitted = fit_gaussians(np.array([[0.0], [2.0]]), np.array([0, 0]))
        >>> mahalanobis(np.array([[4.0]]), fitted).tolist()
        [9.0]

    Source:
        Lee et al. (2018), NeurIPS (A Simple Unified Framework).
    """
    features = _features(features, fitted.overall_mean.size)
    score: FloatArray = np.stack(
        [_squared(features - mean, fitted.precision) for mean in fitted.means]
    ).min(axis=0)
    return score


def relative_mahalanobis(features: FloatArray, fitted: Gaussians) -> FloatArray:
    """Mahalanobis distance minus that to the Gaussian of all classes; higher = more foreign.

    Example:
        >>> fitted = fit_gaussians(np.array([[0.0], [2.0]]), np.array([0, 0]))
        >>> relative_mahalanobis(np.array([[4.0]]), fitted).tolist()
        [0.0]

    Source:
        Ren et al. (2021), arXiv:2106.09022.
    """
    features = _features(features, fitted.overall_mean.size)
    own = mahalanobis(features, fitted)
    return own - _squared(features - fitted.overall_mean, fitted.overall_precision)


def knn_distance(
    features: FloatArray, training: FloatArray, k: int = 5, *, exclude_self: bool = False
) -> FloatArray:
    """Distance to the k-th nearest training feature on the unit sphere; higher = more foreign.

    Args:
        features: (n, d).
        training: (m, d), at least k rows.
        k: which neighbour.
        exclude_self: true when the features are the training features themselves, row by row.

    Returns:
        (n,) Euclidean distance of L2-normalised features, 0..2.

    Raises:
        ValueError: for a zero vector, which has no direction, or too few rows.

    Example:
        >>> knn_distance(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), 1).tolist()
        [0.0]

    Source:
        Sun et al. (2022), ICML (Out-of-Distribution Detection with Deep Nearest Neighbors).
    """
    training = _features(training)
    features = _features(features, training.shape[1])
    k = checked_count("k", k, 1, len(training) - exclude_self)
    if exclude_self and features.shape != training.shape:
        raise ValueError("exclude_self needs the training features themselves")
    points, unit = _unit(features), _unit(training)
    if not exclude_self:
        distance, _ = cKDTree(unit).query(points, k=[k])
        far: FloatArray = distance[:, 0]
        return far
    distance, at = cKDTree(unit).query(points, k=list(range(1, k + 2)))
    # Among exact duplicates the row itself need not come first, or be returned at all.
    own = at == np.arange(len(points))[:, None]
    own[~own.any(axis=1), 0] = True
    kept: FloatArray = distance[~own].reshape(len(points), k)[:, -1]
    return kept


def virtual_logit(
    features: FloatArray,
    logits: FloatArray,
    training: FloatArray,
    training_logits: FloatArray,
    *,
    dimension: int,
    origin: FloatArray | None = None,
) -> FloatArray:
    """ViM: scaled residual outside the principal space, plus energy; higher = more foreign.

    Args:
        features, logits: (n, d) and (n, classes) of the inputs to score.
        training, training_logits: (m, d) and (m, classes) of the training set.
        dimension: of the principal space, 1..d-1.
        origin: (d,) point to measure from; the paper's is -pinv(W) b of the last layer. None
            takes 0, right for a last layer without bias.

    Returns:
        (n,) alpha * residual - log sum exp(logits); monotone in the paper's probability.

    Raises:
        ValueError: also when the training features leave no residual to scale by.

    Example:
        >>> train = np.array([[2.0, 0.1], [-2.0, 0.1]])
        >>> z = np.array([[1.0, 0.0], [1.0, 0.0]])
        >>> near, far = virtual_logit(np.array([[1.0, 0.0], [1.0, 5.0]]), z, train, z, dimension=1)
        >>> bool(near < far)
        True

    Source:
        Wang et al. (2022), CVPR (ViM: Out-Of-Distribution with Virtual-logit Matching).
    """
    training = _features(training)
    d = training.shape[1]
    features = _features(features, d)
    logits, training_logits = _features(logits), _features(training_logits)
    if len(logits) != len(features) or len(training_logits) != len(training) or not len(training):
        raise ValueError("expected logits of the same rows as the features, and a training row")
    dimension = checked_count("dimension", dimension, 1, d - 1)
    start = np.zeros(d) if origin is None else np.asarray(origin, dtype=np.float64)
    if start.shape != (d,) or not np.isfinite(start).all():
        raise ValueError(f"expected a finite ({d},) origin, got {start.shape}")
    centred = training - start
    _, vectors = np.linalg.eigh(centred.T @ centred / len(training))
    rest = vectors[:, : d - dimension]
    residual = np.linalg.norm(centred @ rest, axis=1)
    if not residual.sum() > 1e-12 * float(np.abs(training).max()):
        raise ValueError("the training features have no residual outside the principal space")
    alpha = float(training_logits.max(axis=1).sum() / residual.sum())
    own = np.linalg.norm((features - start) @ rest, axis=1)
    score: FloatArray = alpha * own - special.logsumexp(logits, axis=1)
    return score


def _features(features: FloatArray, d: int | None = None) -> FloatArray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or features.shape[1] < 1 or (d is not None and features.shape[1] != d):
        raise ValueError(f"expected (n, {'d' if d is None else d}) features, got {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features must be finite: leave failed cases out and count them")
    return checked_size("features", features)


def _unit(features: FloatArray) -> FloatArray:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    if not (length > 0).all():
        raise ValueError("a feature vector of zeros has no direction to compare")
    unit: FloatArray = (features / length).astype(np.float64)
    return unit


def _squared(away: FloatArray, precision: FloatArray) -> FloatArray:
    distance: FloatArray = np.einsum("ij,ij->i", away @ precision, away)
    return distance


def _inverse(covariance: FloatArray) -> FloatArray:
    inverse: FloatArray = np.asarray(
        np.linalg.pinv(covariance, rcond=_RELATIVE, hermitian=True), dtype=np.float64
    )
    return inverse
