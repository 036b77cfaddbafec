"""How far probabilities are from frequencies, in one number: three named conventions."""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.calibration.binned_error import binned_error
from ml.stats.calibration.reliability import BINS, bin_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, interval_between

_NO_CASES = "Not estimated: there are no cases."


def ece(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
) -> Estimate:
    """Expected calibration error of P(finding), 0 (best) to 1.

    The mean over cases of |observed frequency - mean probability| of the case's bin. It is
    biased upward: a perfect model gets 0.104 with 100 cases and 15 bins, 0.015 with 5,000.

    Args:
        probabilities: (n,) P(finding), 0..1.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        bins: number of equal-width bins, ((k-1)/B, k/B].

    Raises:
        ValueError: for NaN, values outside 0..1 or unequal shapes.

    Example:
        >>> ece(np.array([0.25, 0.75, 0.75, 0.75]), np.ones(4, int), bins=10).value
        0.375

    Source:
        Naeini, Cooper, Hauskrecht (2015), AAAI; Guo et al. (2017), ICML, equation 3.
    """
    convention = f"P(finding), {bins} equal-width bins, mean absolute gap"
    found = binned_error(probabilities, present, clusters, settings, bins=bins)
    return found.renamed("ece", convention=convention)


def ece_top_label(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
) -> Estimate:
    """Expected calibration error of the answer that is given, present or absent.

    Confidence is max(P, 1 - P); the answer is right when (P >= 0.5) equals the label. Bins
    divide 0..1, so that only their upper half is filled. Arguments as for ``ece``.

    Example:
        >>> ece_top_label(np.array([0.2, 0.9]), np.array([0, 0])).value
        0.55

    Source:
        Guo et al. (2017), section 2, for two classes.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    confidence, correct = top_label(probabilities, outcomes)
    convention = f"top label of present or absent, {bins} equal-width bins, mean absolute gap"
    found = binned_error(confidence, correct, clusters, settings, bins=bins)
    return found.renamed("ece_top_label", convention=convention)


def top_label(probabilities: FloatArray, outcomes: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Confidence max(P, 1 - P), 0.5..1, and whether the answer (P >= 0.5) is right.

    Example:
        >>> confidence, right = top_label(np.array([0.25, 0.75]), np.array([False, False]))
        >>> confidence.tolist(), right.tolist()
        ([0.75, 0.75], [True, False])
    """
    return np.maximum(probabilities, 1 - probabilities), (probabilities >= 0.5) == outcomes


def ece_debiased(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
) -> Estimate:
    """Root mean squared calibration error of P(finding) with each bin's sampling noise removed.

    Squared gaps are debiased, gap² - a(1 - a)/(n - 1) with a the bin's observed frequency, and
    averaged over cases; the value is the root, 0 where the average is negative. It answers
    whether there is any miscalibration beyond noise; as a root mean square it is not
    on the scale of the plain ECE. The gap of a bin with one case stays as it is.
    Arguments as for ``ece``; of the settings only the level is used. What is removed is the noise
    of independent cases: cases of a cluster that are alike leave more of it, in the value too.

    The interval holds every true mean square S that the sample does not refute: those with
    (T - S)² at most z²(2t + 4κS), t and κ from the covariance of the gaps by clusters. Replicates
    of a bootstrap carry the noise of the sample once more, and their intervals hold
    the truth of a calibrated model 99.9 % of the time.

    Example:
        >>> p, y = np.array([0.5, 0.5, 1.0, 1.0]), np.array([0, 1, 0, 0])
        >>> round(ece_debiased(p, y, bins=2).value, 4)
        0.6124

    Source:
        Bröcker (2012), Climate Dynamics 39:655-667; Kumar, Liang, Ma (2019), Verified
        Uncertainty Calibration, NeurIPS, section 5 (debiased estimator). The interval inverts a
        score test with the variance of a quadratic form of normal gaps; its coverage is measured
        in docs/interval-coverage.md.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    convention = f"P(finding), {bins} equal-width bins, root mean square, noise of bins removed"
    if probabilities.size == 0:
        return undefined("ece_debiased", _NO_CASES, n_events=0, convention=convention)
    clusters = checked_clusters(clusters, probabilities.size)
    if clusters.count < probabilities.size:
        convention += " as of independent cases (cases of a cluster leave more)"
    per_cluster = bin_sums(probabilities, outcomes, clusters, bins)
    total = per_cluster.sum(axis=0)[None, :]
    squared = float(_debiased_square(total)[0])
    square = _square_interval(squared, per_cluster, clusters, settings.level)
    interval = square
    if square.low is not None and square.high is not None:
        interval = interval_between(_root(square.low), _root(square.high), square.method)
    extra: dict[str, JsonValue] = {
        "bins": bins,
        "squared": squared,
        "plain_root_mean_square": float(_mean_power(total, 2)[0] ** 0.5),
        "bins_of_one_case": int((total[0, :bins] == 1).sum()),
        **clusters.extra,
    }
    return Estimate(
        "ece_debiased", _root(squared), interval.low, interval.high, settings.level,
        probabilities.size, int(outcomes.sum()),
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip


def _split(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Counts, gaps and observed frequencies, each (r, bins); 0 in an empty bin."""
    count, probability, events = np.split(sums, 3, axis=1)
    safe = np.maximum(count, 1)
    return count, (events - probability) / safe, events / safe


def _mean_power(sums: FloatArray, power: int) -> FloatArray:
    count, gap, _ = _split(sums)
    mean: FloatArray = (count * np.abs(gap) ** power).sum(axis=1) / count.sum(axis=1)
    return mean


def _debiased_square(sums: FloatArray) -> FloatArray:
    count, gap, observed = _split(sums)
    noise = np.where(count > 1, observed * (1 - observed) / np.maximum(count - 1, 1), 0.0)
    mean: FloatArray = (count * (gap**2 - noise)).sum(axis=1) / count.sum(axis=1)
    return mean


def _square_interval(
    squared: float, per_cluster: FloatArray, clusters: Clusters, level: float
) -> Interval:
    """Ends of the mean squared gap, by inverting its score test."""
    reason = too_few(clusters)
    if reason:
        return Interval(None, None, "", reason)
    count, gap, _ = (part[0] for part in _split(per_cluster.sum(axis=0)[None, :]))
    cases, expected, events = np.split(per_cluster, 3, axis=1)
    # What a cluster adds to each gap, which is a ratio of sums.
    pulls = (events - expected - gap * cases) / np.maximum(count, 1)
    share = count / count.sum()
    shared = share[:, None] * (pulls.T @ pulls) * (clusters.count / (clusters.count - 1))
    noise = float((shared * shared.T).sum())
    size = float(share @ gap**2)
    growth = float(gap @ shared @ (share * gap)) / size if size > 0 else 0.0
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
    middle = squared + 2 * growth * z2
    reach = max(0.0, middle**2 - squared**2 + 2 * noise * z2) ** 0.5
    return interval_between(middle - reach, middle + reach, f"score interval over {clusters.words}")


def _root(square: float) -> float:
    return float(max(0.0, square) ** 0.5)
