"""The family of binned calibration errors: which norm, which bins, which target."""

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.calibration.reliability import BINS, MOST_BINS, bin_of
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.sums import estimate_of_sums

SCHEMES = ("equal width", "equal mass")
NORMS = ("l1", "l2", "max", "l2 debiased squared")


def binned_error(
    probabilities: FloatArray,
    present: IntArray | BoolArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
    scheme: str = "equal width",
    norm: str = "l1",
) -> Estimate:
    """Binned calibration error of any probabilities of a yes or no.

    Give P(finding) and the label, or the confidence of the top label and whether it was right.

    Args:
        probabilities: (n,) 0..1.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed. Replicates keep the bins of the whole sample.
        bins: number of bins.
        scheme: "equal width", ((k-1)/B, k/B], 0 joins the first; or "equal mass",
            ceil(rank·B/n) by the order of probabilities, ties in the order given.
        norm: "l1" (ECE), "l2" (root mean square), "max" (MCE), or "l2 debiased squared": mean
            of gap² - a(1-a)/(n_b-1), which may be negative; bins of one case are not corrected.

    Raises:
        ValueError: for malformed input or unknown options.

    Example:
        >>> binned_error(np.array([0.25, 0.75]), np.array([1, 1]), norm="max", bins=2).value
        0.75

    Source:
        Naeini et al. (2015), AAAI; Nguyen, O'Connor (2015), EMNLP (equal mass); Kumar, Liang,
        Ma (2019), NeurIPS; Bröcker (2012), Climate Dynamics 39:655-667 (debiased).
    """
    if scheme not in SCHEMES or norm not in NORMS:
        raise ValueError(
            f"scheme must be one of {SCHEMES}, norm one of {NORMS}; got {scheme!r}, {norm!r}"
        )
    bins = checked_count("bins", bins, 1, MOST_BINS)
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if scheme == "equal width":
        rows = gap_rows(probabilities, outcomes, bin_of(probabilities, bins), bins)
    else:
        share = mass_shares(probabilities, bins)
        rows = np.hstack([share, share * probabilities[:, None], share * outcomes[:, None]])
    filled = int((rows[:, :bins].sum(axis=0) > 0).sum())
    name = {"l1": "ece", "l2": "ece_l2", "max": "mce"}.get(norm, "ece_l2_debiased_sq")
    return estimate_of_sums(
        name, rows, lambda sums: norm_of(sums, bins, norm), clusters, settings,
        convention=f"{bins} {scheme.replace(' ', '-')} bins, norm {norm}",
        n_events=int(outcomes.sum()), recentred=True,
        least=None if norm == "l2 debiased squared" else 0.0,
        extra={"bins": bins, "filled_bins": filled},
    )  # fmt: skip


def mass_bins(probabilities: FloatArray, bins: int) -> IntArray:
    """Equal-mass bins 0..bins-1, ceil(rank·B/n) - 1; ties keep the order given.

    Example:
        >>> mass_bins(np.array([0.9, 0.1, 0.5, 0.2]), 2).tolist()
        [1, 0, 1, 0]
    """
    n = probabilities.size
    at = np.empty(n, dtype=np.int64)
    at[np.argsort(probabilities, kind="stable")] = (np.arange(1, n + 1) * bins - 1) // max(n, 1)
    return at


def mass_shares(probabilities: FloatArray, bins: int) -> FloatArray:
    """Part of each case in each equal-mass bin, (n, bins), whatever the order of the cases.

    Equal probabilities that fall into several bins are in each of them in part.

    Example:
        >>> mass_shares(np.array([0.1, 0.5, 0.5, 0.5]), 2).round(2).tolist()
        [[1.0, 0.0], [0.33, 0.67], [0.33, 0.67], [0.33, 0.67]]
    """
    _, tied, sizes = np.unique(probabilities, return_inverse=True, return_counts=True)
    share = np.zeros((sizes.size, bins))
    at = mass_bins(np.arange(probabilities.size) / max(probabilities.size, 1), bins)
    np.add.at(share, (np.repeat(np.arange(sizes.size), sizes), at), 1)
    of_case: FloatArray = (share / sizes[:, None])[tied]
    return of_case


def gap_rows(probabilities: FloatArray, outcomes: BoolArray, at: IntArray, bins: int) -> FloatArray:
    """What each case adds to the count, sum of probabilities and events of its bin: (n, 3B).

    Example:
        >>> gap_rows(np.array([0.25]), np.array([True]), np.array([1]), 2).tolist()
        [[0.0, 1.0, 0.0, 0.25, 0.0, 1.0]]
    """
    rows = np.zeros((at.size, 3 * bins))
    here = np.arange(at.size)
    rows[here, at] = 1
    rows[here, bins + at] = probabilities
    rows[here, 2 * bins + at] = outcomes
    return rows


def norm_of(sums: FloatArray, bins: int, norm: str) -> FloatArray:
    """A norm of the gaps, (r,), from sums (r, 3B).

    Example:
        >>> norm_of(np.array([[4.0, 1.0, 0.0]]), 1, "l1").tolist()
        [0.25]
    """
    count, total, events = (sums[:, k * bins : (k + 1) * bins] for k in range(3))
    safe = np.maximum(count, 1)
    gap = np.abs(events - total) / safe
    result: FloatArray
    if norm == "max":
        result = np.where(count > 0, gap, 0).max(axis=1)
        return result
    if norm == "l1":
        terms = gap
    elif norm == "l2":
        terms = gap**2
    else:
        observed = events / safe
        noise = observed * (1 - observed) / np.maximum(count - 1, 1)
        terms = gap**2 - np.where(count > 1, noise, 0)
    result = (count * terms).sum(axis=1) / count.sum(axis=1)
    return result**0.5 if norm == "l2" else result


def sweep_error(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """ECE-sweep: l1 error with as many equal-mass bins as keep frequencies rising.

    The bins found are kept for the interval. Arguments as ``binned_error``.

    Example:
        >>> round(sweep_error(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 0, 1, 1])).value, 2)
        0.3

    Source:
        Roelofs, Cain, Shlens, Mozer (2022). Mitigating Bias in Calibration Error Estimation.
        AISTATS, algorithm 1.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    n = probabilities.size
    bins = 1
    # Cases of one probability have one place: each counts as their mean, whatever the order.
    _, tied, sizes = np.unique(probabilities, return_inverse=True, return_counts=True)
    ordered = np.repeat(np.bincount(tied, outcomes, sizes.size) / sizes, sizes)
    total = np.concatenate([[0], np.cumsum(ordered)])
    while bins < n:
        edges = np.arange(bins + 2) * n // (bins + 1)
        frequency = np.diff(total[edges]) / np.diff(edges)
        if (np.diff(frequency) < -1e-12).any():
            break
        bins += 1
    result = binned_error(
        probabilities, present, clusters, settings, bins=bins, scheme="equal mass"
    )
    return result.renamed("ece_sweep", convention=f"{result.convention}, monotonic sweep")


def null_distribution(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
    scheme: str = "equal width",
    norm: str = "l1",
) -> Estimate:
    """P-value of the binned error under perfect calibration, by consistency resampling.

    Outcomes are drawn from the probabilities themselves; the cases of a cluster share one
    uniform number per draw, so that near-duplicates do not count as independent evidence.
    The p-value is (1 + draws at least as large) / (1 + draws).

    Args:
        probabilities, present, clusters, bins, scheme, norm: as ``binned_error``.
        settings: draws and seed.

    Returns:
        The p-value; in ``extra`` the observed error, and mean and 95th percentile under the
        null. Undefined without cases.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> null_distribution(np.full(20, 0.1), np.ones(20, int), bins=5).value < 0.01
        True

    Source:
        Bröcker, Smith (2007), Weather and Forecasting 22:651-661; Vaicenavicius et al. (2019),
        AISTATS.
    """
    observed = binned_error(
        probabilities, present, clusters, Settings(draws=1), bins=bins, scheme=scheme, norm=norm
    )
    if observed.value is None:
        return observed.renamed("ece_null_p")
    if not settings.draws:
        raise ValueError("a null distribution is simulated: ask for draws")
    probabilities, outcomes = checked_probabilities(probabilities, present)
    clusters = checked_clusters(clusters, probabilities.size)
    at = bin_of(probabilities, bins) if scheme == "equal width" else mass_bins(probabilities, bins)
    order = np.argsort(at, kind="stable")
    filled, starts = np.unique(at[order], return_index=True)
    fixed = gap_rows(probabilities, outcomes, at, bins).sum(axis=0)[None, : 2 * bins]
    sorted_p, codes = probabilities[order], clusters.codes[order]
    generator = np.random.default_rng(settings.seed)
    step = max(1, 1_000_000 // probabilities.size)
    null = []
    for start in range(0, settings.draws, step):
        size = min(step, settings.draws - start)
        happened = generator.random((size, clusters.count))[:, codes] < sorted_p
        events = np.zeros((size, bins))
        events[:, filled] = np.add.reduceat(happened, starts, axis=1, dtype=np.int64)
        sums = np.concatenate([np.repeat(fixed, size, axis=0), events], axis=1)
        null.append(norm_of(sums, bins, norm))
    drawn = np.concatenate(null)
    # Equal up to rounding counts as reached.
    reached = int((drawn >= observed.value - 1e-12).sum())
    return Estimate(
        "ece_null_p", (1 + reached) / (1 + drawn.size), n=outcomes.size,
        n_events=int(outcomes.sum()), convention=observed.convention,
        method=f"consistency resampling, {settings.draws:,} draws, seed {settings.seed}",
        reason="No interval: a p-value.",
        extra={
            "observed": observed.value,
            "null_mean": float(drawn.mean()),
            "null_95": float(np.quantile(drawn, 0.95)),
            **clusters.extra,
        },
    )  # fmt: skip
