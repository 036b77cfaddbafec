"""How far an input lies from the training features; every score is higher for more foreign."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.linalg import LinAlgError, blas, cholesky, eigh, lapack

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count, checked_size
from ml.stats.ood.head_scores import as_given
from ml.stats.ood.nearest import kth_distance
from ml.stats.ood.single import largest_of

_RELATIVE = 1e-10  # directions with less variance than this share of the largest hold none
_ROWS = 512  # turned into double precision at once
_SAFE = 100.0  # times better conditioned than that, for a condition number is only estimated


@dataclass(frozen=True)
class Gaussians:
    """Class means with one tied covariance, and one Gaussian of all training features.

    A root (d, r) of a precision turns distances into lengths: precision = root @ root.T.
    """

    means: FloatArray  # (classes, d)
    root: FloatArray  # of the pseudo-inverse of the tied covariance
    overall_mean: FloatArray  # (d,)
    overall_root: FloatArray
    convention: str

    @property
    def precision(self) -> FloatArray:
        """(d, d) pseudo-inverse of the tied covariance."""
        return self.root @ self.root.T


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
    overall = features.mean(axis=0)
    inside = _spread(features, means, codes) / divisor
    inside = np.tril(inside) + np.tril(inside, -1).T
    # What classes add to the spread within them: one product of all rows serves both.
    apart = (means - overall) * np.sqrt(np.bincount(codes) / divisor)[:, None]
    return Gaussians(
        means, _root(inside), overall, _root(inside + apart.T @ apart),
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
    around = _features(features, fitted.overall_mean.size) - fitted.overall_mean
    return _to_nearest_mean(around, fitted)


def relative_mahalanobis(features: FloatArray, fitted: Gaussians) -> FloatArray:
    """Mahalanobis distance minus that to the Gaussian of all classes; higher = more foreign.

    Example:
        >>> fitted = fit_gaussians(np.array([[0.0], [2.0]]), np.array([0, 0]))
        >>> relative_mahalanobis(np.array([[4.0]]), fitted).tolist()
        [0.0]

    Source:
        Ren et al. (2021), arXiv:2106.09022.
    """
    around = _features(features, fitted.overall_mean.size) - fitted.overall_mean
    return _to_nearest_mean(around, fitted) - _squared(_turned(around, fitted.overall_root))


def knn_distance(
    features: FloatArray, training: FloatArray, k: int = 5, *, exclude_self: bool = False
) -> FloatArray:
    """Distance to the k-th nearest training feature on the unit sphere; higher = more foreign.

    Args:
        features: (n, d); in single precision, as networks have them, they are not copied.
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
    features, training = as_given(features, training)
    if features.shape[1] != training.shape[1]:
        raise ValueError(f"expected (n, {training.shape[1]}) features, got {features.shape}")
    k = checked_count("k", k, 1, len(training) - exclude_self)
    if exclude_self and features.shape != training.shape:
        raise ValueError("exclude_self needs the training features themselves")
    return kth_distance(features, training, k, exclude_self=exclude_self, unit=True)


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
        features, logits: (n, d) and (n, classes) of the inputs to score. Features that are
            given in single precision, as networks have them, are projected in it.
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
    features, training = as_given(features, training)
    if training.dtype == np.float64:
        training = _features(training)
        features = _features(features, training.shape[1])
    d = training.shape[1]
    logits, training_logits = _features(logits), _features(training_logits)
    if len(logits) != len(features) or len(training_logits) != len(training) or not len(training):
        raise ValueError("expected logits of the same rows as the features, and a training row")
    dimension = checked_count("dimension", dimension, 1, d - 1)
    start = np.zeros(d) if origin is None else np.asarray(origin, dtype=np.float64)
    if start.shape != (d,) or not np.isfinite(start).all():
        raise ValueError(f"expected a finite ({d},) origin, got {start.shape}")
    # In double: variances on both sides of the border lie close, and decide what is outside.
    everyone = np.zeros(len(training), np.int64)
    spread = _spread(training, start[None], everyone) / len(training)
    _, vectors = eigh(spread, driver="evd", overwrite_a=True, check_finite=False)
    rest = vectors[:, : d - dimension].astype(training.dtype)
    residual = _residual(training, start, rest)
    if not residual.sum() > 1e-12 * largest_of(training):
        raise ValueError("the training features have no residual outside the principal space")
    alpha = float(training_logits.max(axis=1).sum() / residual.sum())
    own = _residual(features, start, rest)
    score: FloatArray = alpha * own - special.logsumexp(logits, axis=1)
    return score


def _features(features: FloatArray, d: int | None = None) -> FloatArray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or features.shape[1] < 1 or (d is not None and features.shape[1] != d):
        raise ValueError(f"expected (n, {'d' if d is None else d}) features, got {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features must be finite: leave failed cases out and count them")
    return checked_size("features", features)


def _to_nearest_mean(around: FloatArray, fitted: Gaussians) -> FloatArray:
    """Squared length, in units of the tied spread, to the class mean that is least far."""
    turned = _turned(around, fitted.root)
    means = (fitted.means - fitted.overall_mean) @ fitted.root
    # Which is least far, by one product; how far it is, without what cancels in that.
    nearest = (_squared(means) / 2 - turned @ means.T).argmin(axis=1)
    turned -= means[nearest]
    return _squared(turned)


def _turned(rows: FloatArray, root: FloatArray) -> FloatArray:
    """rows @ root; half of the products are spared where the root is an upper triangle."""
    if root.shape[0] != root.shape[1] or np.tril(root, -1).any():
        found: FloatArray = rows @ root
        return found
    return np.asarray(blas.dtrmm(1.0, root, rows.T, side=0, lower=0, trans_a=1).T)


def _spread(rows: NDArray[np.floating], starts: FloatArray, of: IntArray) -> FloatArray:
    """(d, d) products of rows about a point, summed in double; the lower triangle alone is filled.

    Some rows at a time, for whole copies of all of them cost much beside the products.

    Args:
        rows: (n, d).
        starts: (points, d).
        of: (n,) which of them each row is seen from.
    """
    found: FloatArray = np.zeros((rows.shape[1],) * 2, order="F")
    for at in range(0, len(rows), _ROWS):
        away = rows[at : at + _ROWS].astype(np.float64)
        away -= starts[0] if len(starts) == 1 else starts[of[at : at + _ROWS]]
        found = blas.dsyrk(1.0, away.T, beta=1.0, c=found, lower=1, overwrite_c=1)
    return found


def _residual(
    rows: NDArray[np.floating], start: FloatArray, rest: NDArray[np.floating]
) -> FloatArray:
    """(n,) lengths of rows about a point along directions, in the precision of the rows."""
    start, found = start.astype(rows.dtype), np.empty(len(rows))
    for at in range(0, len(rows), _ROWS):
        away = (rows[at : at + _ROWS] - start) @ rest
        found[at : at + _ROWS] = np.sqrt(np.einsum("ij,ij->i", away, away))
    return found


def _squared(rows: FloatArray) -> FloatArray:
    length: FloatArray = np.einsum("ij,ij->i", rows, rows)
    return length


def _root(covariance: FloatArray) -> FloatArray:
    """(d, r) whose product with its transpose is the pseudo-inverse.

    By a Cholesky factor where every direction is known to count, which is many times faster than
    the eigenvalues that tell which ones do.
    """
    try:
        lower = cholesky(covariance, lower=True, check_finite=False)
        size = float(np.abs(covariance).sum(axis=0).max())
        share, failed = lapack.dpocon(lower, size, uplo="L")
        if not failed and share > _RELATIVE * _SAFE:
            inverse, failed = lapack.dtrtri(lower, lower=1)
            if not failed:
                upper: FloatArray = np.ascontiguousarray(inverse.T)
                return upper
    except LinAlgError:
        pass
    sizes, axes = np.linalg.eigh(covariance)
    kept = sizes > _RELATIVE * sizes.max(initial=0.0)
    root: FloatArray = axes[:, kept] / np.sqrt(sizes[kept])
    return root
