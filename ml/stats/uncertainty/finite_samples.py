"""What a finite number of members or samples says of their spread, over a cohort."""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters
from ml.stats.sums import estimate_of_sums
from ml.stats.uncertainty.decomposition import checked_members, entropy_parts

LEAST_SAMPLES = 10  # fewer have no halves that could be compared


def epistemic_share(
    epistemic: FloatArray,
    total: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "sum of epistemic over sum of total",
) -> Estimate:
    """How much of the uncertainty of a cohort is epistemic.

    Args:
        epistemic, total: (n,) of each case, in one unit; epistemic is a part of total.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        convention: passed on to the estimate.

    Returns:
        A ratio of sums, 0..1, so that cases without any uncertainty weigh nothing. Undefined
        where no case has any.

    Raises:
        ValueError: for unequal shapes, numbers that are not finite or below 0, or a part that
            is more than the whole.

    Example:
        >>> epistemic_share(np.array([0.1, 0.0]), np.array([0.2, 0.2])).value
        0.25

    Source:
        Depeweg et al. (2018), ICML (the parts); Cochran (1977), Sampling Techniques, chapter 6.
    """
    parts = np.asarray(epistemic, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape:
        raise ValueError(f"expected two (n,) arrays, got {parts[0].shape} and {parts[1].shape}")
    if not all(np.isfinite(part).all() and (part >= 0).all() for part in parts):
        raise ValueError("uncertainties must be finite and not below 0")
    if (parts[0] > parts[1] * (1 + 1e-9) + 1e-12).any():
        raise ValueError("the epistemic part of a case is more than its total")
    # Scaled first, so that tiny or huge values neither vanish nor overflow in their sums.
    size = float(parts[1].max(initial=0.0)) or 1.0
    return estimate_of_sums(
        "epistemic_share", np.stack([part / size for part in parts], axis=1),
        lambda sums: ratio(sums[:, 0], sums[:, 1]), clusters, settings, convention=convention,
        undefined_reason="Not estimated: no case has any uncertainty.",
        extra={"unit": "fraction"},
    )  # fmt: skip


def sampling_change(
    probabilities: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Is the number of samples enough: what the second half of them changes.

    (mean of all - mean of the first half) / mean of all, of the mutual information. Of T exact
    draws its expectation grows about as 1 - 1/T, and the change lies near 1 / (T - 1): 0.034
    for 30. What lies far above has not settled.

    Args:
        probabilities: (members, n, k), samples in the order they were drawn.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Undefined with fewer than ten samples, or where they agree in every case.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> turns = np.tile([[[0.9, 0.1]], [[0.1, 0.9]]], (6, 1, 1))
        >>> abs(sampling_change(turns).value) < 1e-9
        True

    Source:
        Gal (2016), thesis, section 3.3; bias of the plug-in: Miller (1955).
    """
    members = checked_members(probabilities)
    t, n = members.shape[:2]
    convention = f"mutual information of {t} samples against that of the first {t // 2}"
    if t < LEAST_SAMPLES:
        reason = f"Not estimated: {t} answers to a case have no halves that could be compared."
        return undefined("sampling_change", reason, n=n, convention=convention)
    rows = np.stack(
        [entropy_parts(members[: t // 2]).epistemic, entropy_parts(members).epistemic], axis=1
    )
    # Agreement to the last digit is no spread.
    rows = np.where(rows > 1e-12, rows, 0.0)
    return estimate_of_sums(
        "sampling_change", rows, lambda sums: ratio(sums[:, 1] - sums[:, 0], sums[:, 1]),
        clusters, settings, convention=convention,
        undefined_reason="Not estimated: the samples agree in every case.",
        extra={"unit": "fraction"},
    )  # fmt: skip
