"""Scores of probabilities on a scale of their own: log loss, scaled Brier, O:E, Spiegelhalter."""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, counted, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_probabilities, ratio
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import STATISTIC, Interval
from ml.stats.sums import NO_CASES, estimate_of_sums, mean_estimate


def log_loss(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean negative log-likelihood in nats; undefined where a certain answer was wrong.

    Args:
        probabilities: (n,) P(finding), 0..1; not clipped.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for NaN, values outside 0..1 or unequal shapes.

    Example:
        >>> round(log_loss(np.array([0.5, 0.5]), np.array([0, 1])).value, 4)
        0.6931

    Source:
        Good (1952). Rational Decisions. JRSS B 14:107-114.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    convention = "P(finding), mean negative log-likelihood, nats, not clipped"
    right = np.where(outcomes, probabilities, 1 - probabilities)
    if (right == 0).any():
        count = int((right == 0).sum())
        reason = (
            f"Not estimated: infinite, {counted(count, 'case')} got probability 0 for what "
            "happened."
        )
        return undefined(
            "log_loss", reason, n=right.size, n_events=int(outcomes.sum()), convention=convention
        )
    return mean_estimate(
        "log_loss", -np.log(right), clusters, settings,
        convention=convention, n_events=int(outcomes.sum()),
    )  # fmt: skip


def scaled_brier(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Scaled Brier score (IPA): 1 - Brier / Brier of this sample's event rate; 1 is best.

    Arguments as ``log_loss``. Undefined where all outcomes are alike.

    Example:
        >>> scaled_brier(np.array([0.0, 1.0]), np.array([0, 1])).value
        1.0

    Source:
        Steyerberg et al. (2010), Epidemiology 21:128-138; Kattan, Gerds (2018), Diagnostic and
        Prognostic Research 2:7.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    rows = np.stack(
        [(probabilities - outcomes) ** 2, outcomes, np.ones(outcomes.size)], axis=1
    ).astype(np.float64)

    def of_sums(sums: FloatArray) -> FloatArray:
        rate = sums[:, 1] / sums[:, 2]
        scaled: FloatArray = 1 - ratio(sums[:, 0] / sums[:, 2], rate * (1 - rate))
        return scaled

    return estimate_of_sums(
        "brier_scaled", rows, of_sums, clusters, settings,
        convention="1 - Brier / Brier of the event rate of this sample",
        n_events=int(outcomes.sum()),
        undefined_reason="Not estimated: it needs cases with and without the finding.",
    )  # fmt: skip


def observed_expected(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """O:E ratio, observed events over the sum of probabilities; 1 is right on average.

    Independent cases: Wald interval of log(O:E) with var = (1 - O/n)/O. Clusters: percentile
    bootstrap. Arguments as ``log_loss``. Without any event it is 0 with no interval.

    Example:
        >>> observed_expected(np.array([0.25, 0.25]), np.array([0, 1])).value
        2.0

    Source:
        Debray et al. (2017). BMJ 356:i6460, appendix.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    n, events = outcomes.size, int(outcomes.sum())
    convention = "observed events / sum of P(finding)"
    if n == 0:
        return undefined("oe_ratio", NO_CASES, n_events=0, convention=convention)
    rows = np.stack([outcomes.astype(np.float64), probabilities], axis=1)
    if not checked_clusters(clusters, n).each_alone:
        return estimate_of_sums(
            "oe_ratio", rows, lambda sums: ratio(sums[:, 0], sums[:, 1]), clusters, settings,
            convention=convention, n_events=events,
        )  # fmt: skip
    expected = float(probabilities.sum())
    if expected <= 0:
        reason = "Not estimated: the expected number of events is zero."
        return undefined("oe_ratio", reason, n=n, n_events=events, convention=convention)
    interval = Interval(None, None, "", "No interval: all outcomes are alike.")
    value = events / expected
    if 0 < events < n:
        margin = float(stats.norm.ppf((1 + settings.level) / 2))
        margin *= ((1 - events / n) / events) ** 0.5
        ends = value * np.exp([-margin, margin])
        interval = Interval(float(ends[0]), float(ends[1]), "Wald on log(O:E), Debray 2017")
    return Estimate(
        "oe_ratio", value, interval.low, interval.high, settings.level, n, events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={"observed": events, "expected": expected},
    )  # fmt: skip


def spiegelhalter(probabilities: FloatArray, present: IntArray) -> Estimate:
    """Spiegelhalter's z of the Brier score; its two-sided p is in ``extra``.

    Cases must be independent: there are no clusters to give, and with several cases of a patient
    p is too small. Other arguments as ``log_loss``.

    Example:
        >>> spiegelhalter(np.array([0.2, 0.8]), np.array([1, 0])).value > 1.9
        True

    Source:
        Spiegelhalter (1986). Statistics in Medicine 5:421-433.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    convention = "z of the Brier score under perfect calibration, independent cases"
    slope = 1 - 2 * probabilities
    variance = float((slope**2 * probabilities * (1 - probabilities)).sum())
    if variance <= 0:
        reason = "Not estimated: the Brier score has no variance under these probabilities."
        return undefined(
            "spiegelhalter_z", reason, n=outcomes.size, n_events=int(outcomes.sum()),
            convention=convention,
        )  # fmt: skip
    z = float(((outcomes - probabilities) * slope).sum()) / variance**0.5
    return Estimate(
        "spiegelhalter_z", z, n=outcomes.size, n_events=int(outcomes.sum()),
        convention=convention, reason=STATISTIC,
        extra={"p": float(2 * stats.norm.sf(abs(z)))},
    )  # fmt: skip


def hosmer_lemeshow(probabilities: FloatArray, present: IntArray, *, groups: int = 10) -> Estimate:
    """Hosmer-Lemeshow chi-square: a legacy test; the answer depends on the grouping.

    Groups are cut at type-7 quantiles, closed on the right, the lowest included; equal cuts
    are merged. Degrees of freedom and p are in ``extra``. Cases must be independent: there are no
    clusters to give, and with several cases of a patient p is too small. Other arguments as
    ``log_loss``.

    Example:
        >>> p = np.linspace(0.05, 0.95, 40)
        >>> hosmer_lemeshow(p, (p > 0.5).astype(int)).extra["df"]
        8

    Source:
        Hosmer, Lemeshow (1980). Communications in Statistics A 9:1043-1069.
    """
    groups = checked_count("groups", groups, 3, 10_000)
    probabilities, outcomes = checked_probabilities(probabilities, present)
    n, events = outcomes.size, int(outcomes.sum())
    convention = f"legacy, {groups} groups at type-7 quantiles, right-closed"
    if n == 0:
        return undefined("hosmer_lemeshow", NO_CASES, n_events=0, convention=convention)
    cuts = np.unique(np.quantile(probabilities, np.arange(groups + 1) / groups))
    at = np.searchsorted(cuts[1:-1], probabilities, side="left")
    size = np.bincount(at, minlength=cuts.size - 1)
    expected = np.bincount(at, probabilities, size.size)
    observed = np.bincount(at, outcomes, size.size)
    spread = expected * (1 - expected / np.maximum(size, 1))
    if size.size < 3 or (spread <= 0).any():
        reason = "Not estimated: fewer than three groups, or a group that expects no variation."
        return undefined("hosmer_lemeshow", reason, n=n, n_events=events, convention=convention)
    chi2 = float(((observed - expected) ** 2 / spread).sum())
    df = int(size.size - 2)
    return Estimate(
        "hosmer_lemeshow", chi2, n=n, n_events=events, convention=convention,
        reason=STATISTIC,
        extra={"df": df, "p": float(stats.chi2.sf(chi2, df))},
    )  # fmt: skip
