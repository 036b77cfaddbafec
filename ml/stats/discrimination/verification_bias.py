"""Sensitivity and specificity where the truth was looked for in some of the cases only."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, checked_outcomes, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import Interval, percentile_interval

CONVENTION = (
    "Begg & Greenes (1983): verification depends on the call alone; corrected by the share of "
    "each call that was verified"
)


@dataclass(frozen=True)
class Corrected:
    """Both rates, corrected for partial verification."""

    sensitivity: Estimate
    specificity: Estimate


def begg_greenes(
    called: BoolArray,
    positive: BoolArray,
    verified: BoolArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Corrected:
    """Sensitivity and specificity corrected for verification that depends on the call.

    Where mostly cases called present are verified, the plain sensitivity is too high and the
    plain specificity too low. The correction is right when, among cases called alike, who was
    verified has nothing to do with who has the finding; no data can show that.

    Args:
        called: (n,) the finding was called present.
        positive: (n,) it is present; looked at where verified only.
        verified: (n,) the truth is known.
        clusters: independent units; None means every case is its own.
        settings: level; draws and seed of a bootstrap of whole clusters.

    Returns:
        Logit Wald intervals with every case its own unit, percentile bootstrap with clusters.
        Undefined when a call has no verified case, or no case has (lacks) the finding.

    Raises:
        ValueError: for unequal shapes, or values other than 0 and 1 (of ``positive`` among
            verified cases: elsewhere nothing is looked at).

    Example:
        >>> counts = (80, 20, 10, 40, 50, 150)
        >>> called = np.repeat([True, True, False, False, True, False], counts)
        >>> positive = np.repeat([True, False, True, False, False, False], counts)
        >>> verified = np.repeat([True, True, True, True, False, False], counts)
        >>> round(begg_greenes(called, positive, verified).sensitivity.value, 4)
        0.75

    Source:
        Begg, Greenes (1983). Assessment of diagnostic tests when disease verification is subject
        to selection bias. Biometrics 39:207-215.
    """
    called, verified = checked_outcomes(called, "calls"), checked_outcomes(verified, "verified")
    truth = np.asarray(positive)
    if not called.shape == truth.shape == verified.shape:
        raise ValueError(
            f"expected three (n,) arrays, got {called.shape}, {truth.shape}, {verified.shape}"
        )
    positive = checked_outcomes(np.where(verified, truth, False), "outcomes of verified cases")
    units = checked_clusters(clusters, called.size)
    cells = np.column_stack(
        [
            called, ~called, called & verified, ~called & verified,
            called & verified & positive, ~called & verified & positive,
        ]
    ).astype(np.float64)  # fmt: skip
    sums = cells.sum(axis=0)
    drawn = None
    if not units.each_alone:
        drawn = replicate_sums(units.sums(cells), settings)
    return Corrected(
        *(_rate(name, at, sums, drawn, units, settings)
          for at, name in enumerate(("sensitivity", "specificity")))
    )  # fmt: skip


def _rates(sums: FloatArray) -> FloatArray:
    """Sensitivity and specificity of sums (c, 6): (c, 2)."""
    calls, silent, calls_known, silent_known, calls_found, silent_found = sums.T
    ppv, missed = ratio(calls_found, calls_known), ratio(silent_found, silent_known)
    found, false = ppv * calls, (1 - ppv) * calls
    lost, right = missed * silent, (1 - missed) * silent
    return np.column_stack([ratio(found, found + lost), ratio(right, right + false)])


def _rate(
    name: str,
    at: int,
    sums: FloatArray,
    drawn: FloatArray | None,
    units: Clusters,
    settings: Settings,
) -> Estimate:
    n, known = int(sums[0] + sums[1]), int(sums[2] + sums[3])
    value = float(_rates(sums[None, :])[0, at])
    if not np.isfinite(value):
        reason = "Not estimated: it needs verified cases of either call, and cases of the class."
        return undefined(name, reason, n=n, convention=CONVENTION)
    if drawn is not None:
        interval = percentile_interval(_rates(drawn)[:, at], units, settings)
    else:
        interval = _logit(at, sums, settings.level)
    extra: dict[str, JsonValue] = {**units.extra, "verified": known, "unit": "fraction"}
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, int(sums[4] + sums[5]),
        convention=CONVENTION, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip


def _logit(at: int, sums: FloatArray, level: float) -> Interval:
    calls, silent, calls_known, silent_known, calls_found, silent_found = (float(s) for s in sums)
    if at == 0:
        top, bottom = (calls_found, calls_known), (silent_found, silent_known)
    else:
        top, bottom = (
            (silent_known - silent_found, silent_known),
            (
                calls_known - calls_found,
                calls_known,
            ),
        )
    if min(top[0], bottom[0], calls, silent) == 0:
        reason = "No interval: a verified cell of the table is empty."
        return Interval(None, None, "", reason)
    # Logarithms of two shares and of the odds of a call, independent of one another.
    variance = sum(1 / hits - 1 / size for hits, size in (top, bottom)) + 1 / calls + 1 / silent
    value = float(_rates(sums[None, :])[0, at])
    margin = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5
    centre = float(special.logit(value))
    ends = float(special.expit(centre - margin)), float(special.expit(centre + margin))
    return Interval(*ends, "logit Wald (Begg & Greenes 1983)")
