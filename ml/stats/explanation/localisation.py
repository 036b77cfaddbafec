"""Whether a map points at the finding: measures of one map against one mask, and map shape."""

import numpy as np
from scipy import ndimage, special, stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.asked import SMALLEST, checked_count, checked_number, checked_size
from ml.stats.discrimination.auroc import placements

_ONE_CASE = "No interval: one case; use case_mean over cases."
_ZERO = "Not estimated: no positive evidence, the map has no value above 0."
_MASK = "Not estimated: the mask is empty or covers the whole image."


def pointing_game(saliency: FloatArray, mask: BoolArray, tolerance: float = 0.0) -> Estimate:
    """1 when a largest value lies within ``tolerance`` pixels (Euclidean) of the mask, else 0.

    Args:
        saliency, mask: one shape; signed map, mask of 0 and 1.
        tolerance: pixels; the paper's is 15.

    Returns:
        With several largest values, the share of them that hit. Undefined without positive
        evidence or for an empty mask (all functions of map and mask here).

    Example:
        >>> pointing_game(np.array([[0.0, 1.0]]), np.array([[0, 1]])).value
        1.0

    Source:
        Zhang et al. (2018), IJCV 126:1084-1102.
    """
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"the tolerance must be finite and not below 0, got {tolerance}")
    s, m, reason = _checked(saliency, mask)
    convention = f"largest signed value within {tolerance:g} pixels of the mask"
    if reason:
        return undefined("pointing_game", reason, convention=convention)
    near = ndimage.distance_transform_edt(~m) <= tolerance
    return _one("pointing_game", float(near[s == s.max()].mean()), m, convention)


def relevance_mass(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """Share of the positive relevance that lies in the mask.

    Example:
        >>> relevance_mass(np.array([1.0, 3.0, -9.0]), np.array([0, 1, 0])).value
        0.75

    Source:
        Arras, Osman, Samek (2022), Information Fusion 81:14-40 (RMA).
    """
    s, m, reason = _checked(saliency, mask)
    convention = "positive part of the map"
    if reason:
        return undefined("relevance_mass", reason, convention=convention)
    positive = s.clip(0)
    return _one("relevance_mass", float(positive[m].sum() / positive.sum()), m, convention)


def attribution_localisation(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """Relevance mass over the mask's share of the image; 1 = chance.

    Example:
        >>> attribution_localisation(np.array([1.0, 3.0]), np.array([0, 1])).value
        1.5

    Source:
        Kohlbrenner et al. (2020), IJCNN (mu_w, weighted by inverse area).
    """
    mass = relevance_mass(saliency, mask)
    convention = "positive mass in the mask / area share of the mask"
    if mass.value is None:
        return undefined("attribution_localisation", str(mass.reason), convention=convention)
    m = np.asarray(mask) == 1
    return _one("attribution_localisation", mass.value / float(m.mean()), m, convention)


def relevance_rank(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """Share of the K most relevant pixels in the mask, K its size; ties at K share the places.

    Example:
        >>> relevance_rank(np.array([1.0, 3.0, 2.0]), np.array([1, 1, 0])).value
        0.5

    Source:
        Arras, Osman, Samek (2022), Information Fusion 81:14-40 (RRA).
    """
    s, m, reason = _checked(saliency, mask)
    convention = "signed order; ties share"
    if reason:
        return undefined("relevance_rank", reason, convention=convention)
    k = int(m.sum())
    cut = np.partition(s.ravel(), s.size - k)[s.size - k]
    above, level = s > cut, s == cut
    hits = float((above & m).sum() + (k - above.sum()) * (level & m).sum() / level.sum())
    return _one("relevance_rank", hits / k, m, convention)


def iou_at_share_of_max(saliency: FloatArray, mask: BoolArray, share: float = 0.5) -> Estimate:
    """Overlap (IoU) of the mask with the pixels at or above a share of the largest value.

    Example:
        >>> iou_at_share_of_max(np.array([0.6, 1.0, 0.1]), np.array([0, 1, 0])).value
        0.5

    Source:
        Zhou et al. (2016), CVPR (CAM; there 0.2 of the maximum).
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share must be above 0 and at most 1, got {share}")
    s, m, reason = _checked(saliency, mask)
    convention = f"map >= {share:g} of its maximum"
    if reason:
        return undefined("iou", reason, convention=convention)
    hot = s >= share * s.max()
    return _one("iou", float((hot & m).sum() / (hot | m).sum()), m, convention)


def best_iou(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """Largest IoU over all thresholds: an upper limit, since it is chosen with the mask.

    Example:
        >>> best_iou(np.array([0.6, 1.0, 0.1]), np.array([0, 1, 0])).value
        1.0

    Source:
        Choe et al. (2020), CVPR (MaxBoxAcc: best over thresholds).
    """
    s, m, reason = _checked(saliency, mask)
    convention = "best threshold, chosen with the mask"
    if reason:
        return undefined("best_iou", reason, convention=convention)
    hits, called = _called(s, m)
    return _one("best_iou", float((hits / (called + m.sum() - hits)).max()), m, convention)


def localisation_auroc(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """P(pixel in the mask above one outside), ties one half; pixels are not independent.

    Example:
        >>> localisation_auroc(np.array([0.1, 0.9]), np.array([0, 1])).value
        1.0

    Source:
        Fawcett (2006), Pattern Recognition Letters 27:861-874.
    """
    s, m, reason = _checked(saliency, mask)
    convention = "pixels, signed map"
    if reason:
        return undefined("localisation_auroc", reason, convention=convention)
    inside, _ = placements(s.ravel(), m.ravel())
    return _one("localisation_auroc", float(inside.mean()), m, convention)


def localisation_ap(saliency: FloatArray, mask: BoolArray) -> Estimate:
    """Average precision of pixels against the mask, step-wise; chance is the mask's area share.

    Example:
        >>> localisation_ap(np.array([0.1, 0.9]), np.array([0, 1])).value
        1.0

    Source:
        Davis, Goadrich (2006), ICML.
    """
    s, m, reason = _checked(saliency, mask)
    convention = "pixels, signed map, step-wise"
    if reason:
        return undefined("localisation_ap", reason, convention=convention)
    hits, called = _called(s, m)
    area = float((np.diff(hits, prepend=0) * hits / called).sum() / m.sum())
    return _one("localisation_ap", area, m, convention)


def gini_sparseness(saliency: FloatArray) -> Estimate:
    """Gini index of the absolute values: 0 even, towards 1 concentrated.

    Example:
        >>> gini_sparseness(np.array([0.0, 0.0, 0.0, 1.0])).value
        0.75

    Source:
        Hurley, Rickard (2009), IEEE Trans Inf Theory 55:4723; Chalasani et al. (2020), ICML.
    """
    size = np.sort(np.abs(_map(saliency)).ravel())
    convention = "absolute values, Hurley-Rickard"
    if not size.sum() > 0:
        reason = "Not estimated: the map is zero everywhere."
        return undefined("gini_sparseness", reason, n=size.size, convention=convention)
    share = size / size.sum()
    weight = (size.size - np.arange(1, size.size + 1) + 0.5) / size.size
    value = max(0.0, 1 - 2 * float(share @ weight))
    return Estimate("gini_sparseness", value, n=size.size, convention=convention, reason=_ONE_CASE)


def entropy_complexity(saliency: FloatArray) -> Estimate:
    """Entropy (nats) of the shares of absolute relevance; higher = more spread out.

    Example:
        >>> entropy_complexity(np.array([0.0, 1.0])).value
        0.0

    Source:
        Bhatt, Weller, Moura (2020), IJCAI.
    """
    size = np.abs(_map(saliency)).ravel()
    if not size.sum() > 0:
        reason = "Not estimated: the map is zero everywhere."
        return undefined("entropy_complexity", reason, n=size.size, convention="nats")
    value = float(special.entr(size / size.sum()).sum())
    return Estimate("entropy_complexity", value, n=size.size, convention="nats", reason=_ONE_CASE)


def rank_similarity(one: FloatArray, two: FloatArray) -> Estimate:
    """Spearman correlation of two signed maps of one case, for sanity checks.

    Example:
        >>> round(rank_similarity(np.array([1.0, 2, 3]), np.array([1.0, 4, 9])).value, 9)
        1.0

    Source:
        Adebayo et al. (2018), NeurIPS (Sanity Checks for Saliency Maps).
    """
    if np.shape(one) != np.shape(two):
        raise ValueError(f"expected two maps of one shape, got {np.shape(one)}, {np.shape(two)}")
    a, b = _map(one).ravel(), _map(two).ravel()
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        reason = "Not estimated: a map has the same value everywhere."
        return undefined("rank_similarity", reason, n=a.size, convention="spearman, signed")
    value = float(stats.spearmanr(a, b).statistic)
    return Estimate(
        "rank_similarity", value, n=a.size, convention="spearman, signed", reason=_ONE_CASE
    )


def ssim(one: FloatArray, two: FloatArray, data_range: float, window: int = 7) -> Estimate:
    """Mean structural similarity of two maps, uniform window, windows inside the image only.

    Args:
        one, two: (h, w) of one shape; taken as they are, no absolute value, no rescaling.
        data_range: largest minus smallest possible value, above 0; never taken from the maps.
        window: odd side of the window, at most the smaller side of the map.

    Example:
        >>> flat = np.arange(49.0).reshape(7, 7)
        >>> round(ssim(flat, flat, 48.0).value, 9)
        1.0

    Source:
        Wang et al. (2004), IEEE Trans Image Process 13:600-612; K1 .01, K2 .03, sample
        covariances (n - 1).
    """
    a, b = _map(one), _map(two)
    window = checked_count("window", window, 3)
    data_range = checked_number("data_range", data_range, above=SMALLEST)
    if a.ndim != 2 or a.shape != b.shape or window % 2 == 0 or window > min(a.shape):
        raise ValueError(
            f"expected two (h, w) of at least the odd window, got {a.shape}, {b.shape}"
        )
    edge = window // 2
    inner = tuple(slice(edge, side - edge) for side in a.shape)
    ma, mb, aa, bb, ab = (
        ndimage.uniform_filter(x, window)[inner] for x in (a, b, a * a, b * b, a * b)
    )
    unbias = window**2 / (window**2 - 1)
    va, vb, cov = (unbias * v for v in (aa - ma * ma, bb - mb * mb, ab - ma * mb))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    local = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    convention = f"uniform {window}x{window} window, range {data_range:g}, covariance n - 1"
    return Estimate("ssim", float(local.mean()), n=a.size, convention=convention, reason=_ONE_CASE)


def _map(numbers: FloatArray) -> FloatArray:
    given = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError(f"expected a finite map, got NaN or infinity in one of {given.shape}")
    return checked_size("maps", given)


def _called(s: FloatArray, m: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Pixels of the mask, and all, at or above each distinct value, descending."""
    order = np.argsort(-s.ravel(), kind="stable")
    values = s.ravel()[order]
    last = np.r_[np.flatnonzero(np.diff(values)), values.size - 1]
    return np.cumsum(m.ravel()[order])[last].astype(np.float64), last + 1.0


def _one(measure: str, value: float, mask: BoolArray, convention: str) -> Estimate:
    return Estimate(
        measure, value, n=mask.size, n_events=int(mask.sum()), convention=convention,
        reason=_ONE_CASE,
    )  # fmt: skip


def _checked(saliency: FloatArray, mask: BoolArray) -> tuple[FloatArray, BoolArray, str | None]:
    s, m = np.asarray(saliency, np.float64), np.asarray(mask)
    if s.shape != m.shape or not np.isfinite(s).all() or not np.isin(m, (0, 1)).all():
        raise ValueError(f"expected a finite map and a 0/1 mask alike, got {s.shape}, {m.shape}")
    checked_size("maps", s)
    m = m == 1
    if not m.any() or m.all():
        return s, m, _MASK
    return s, m, None if s.max() > 0 else _ZERO
