"""Errors under corruption, by kind and severity, against a baseline model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray

Errors = Mapping[str, Sequence[float] | FloatArray]  # by corruption: error at severity 1, 2, ...

_LEAST = 1e-6  # sum of errors below which a ratio to it says nothing
_NO_INTERVAL = "No interval: made of summary errors; resample cases for one."


@dataclass(frozen=True)
class CorruptionErrors:
    """One ratio per corruption, and their mean."""

    each: Mapping[str, Estimate]
    mean: Estimate


def corruption_error(error: Errors, baseline: Errors) -> CorruptionErrors:
    """CE of each corruption, sum of errors over that of the baseline, and their mean mCE.

    Args:
        error, baseline: by corruption, errors (0..1) at the same severities.

    Returns:
        A corruption on which the baseline errs (almost) never is undefined, and so is the mean.

    Raises:
        ValueError: for other corruptions or severities in the baseline, or errors outside 0..1.

    Example:
        >>> corruption_error({"blur": [0.1, 0.3]}, {"blur": [0.2, 0.6]}).mean.value
        0.5

    Source:
        Hendrycks, Dietterich (2019), ICLR, section 4 (there with AlexNet, in percent).
    """
    return _ratios("ce", error, baseline, 0.0, 0.0, "sum of errors / baseline's sum")


def relative_corruption_error(
    error: Errors, baseline: Errors, clean_error: float, baseline_clean_error: float
) -> CorruptionErrors:
    """As ``corruption_error``, of what the corruption adds to the clean error.

    Args:
        error, baseline: as ``corruption_error``.
        clean_error, baseline_clean_error: errors (0..1) on clean images.

    Returns:
        Undefined where the baseline does not get worse (denominator near or below 0).

    Example:
        >>> relative_corruption_error({"blur": [0.2]}, {"blur": [0.4]}, 0.1, 0.2).mean.value
        0.5

    Source:
        Hendrycks, Dietterich (2019), ICLR, section 4.
    """
    _unit("clean error", np.array([clean_error, baseline_clean_error]))
    convention = "sum of (error - clean error) / baseline's sum"
    return _ratios("relative_ce", error, baseline, clean_error, baseline_clean_error, convention)


def _ratios(
    measure: str, error: Errors, baseline: Errors, clean: float, base_clean: float, convention: str
) -> CorruptionErrors:
    if set(error) != set(baseline):
        raise ValueError(f"expected the corruptions {sorted(error)}, got {sorted(baseline)}")
    each = {}
    for name in error:
        own, base = _unit(name, error[name]), _unit(name, baseline[name])
        if own.shape != base.shape:
            raise ValueError(f"{name}: expected the same severities, got {own.size}, {base.size}")
        bottom = float((base - base_clean).sum())
        if bottom <= _LEAST:
            reason = f"Not estimated: the baseline loses nothing under {name}."
            each[name] = undefined(f"{measure}:{name}", reason, n=own.size, convention=convention)
        else:
            each[name] = Estimate(
                f"{measure}:{name}", float((own - clean).sum()) / bottom, n=own.size,
                convention=convention, reason=_NO_INTERVAL,
            )  # fmt: skip
    known = [ratio.value for ratio in each.values() if ratio.value is not None]
    words = f"mean over corruptions of {convention}"
    if not each or len(known) < len(each):
        lost = ", ".join(name for name, ratio in each.items() if ratio.value is None)
        reason = f"Not estimated: undefined for {lost or 'want of corruptions'}."
        return CorruptionErrors(each, undefined(f"m{measure}", reason, convention=words))
    return CorruptionErrors(
        each,
        Estimate(
            f"m{measure}", float(np.mean(known)), n=len(known), convention=words,
            reason=_NO_INTERVAL,
        ),
    )  # fmt: skip


def mean_corruption_error(error: Errors) -> Estimate:
    """Mean error over severities, then over corruptions, without a baseline.

    Example:
        >>> mean_corruption_error({"blur": [0.1, 0.3], "noise": [0.4]}).to_json()["value"]
        0.3

    Source:
        Hendrycks, Dietterich (2019), ICLR, section 4, before normalisation.
    """
    convention = "unnormalised; mean over severities, then corruptions"
    if not error:
        reason = "Not estimated: no corruptions."
        return undefined("mean_corruption_error", reason, convention=convention)
    means = [float(_unit(name, rates).mean()) for name, rates in error.items()]
    return Estimate(
        "mean_corruption_error", float(np.mean(means)), n=len(means), convention=convention,
        reason=_NO_INTERVAL,
    )  # fmt: skip


def relative_robustness_auc(error: Sequence[float] | FloatArray, clean_error: float) -> Estimate:
    """Mean accuracy over severities 0..k (trapezoid), as a share of the clean accuracy.

    Args:
        error: (k,) errors (0..1) at severities 1..k, evenly spaced.
        clean_error: at severity 0.

    Returns:
        1 when nothing is lost. Undefined for a clean accuracy of 0.

    Example:
        >>> relative_robustness_auc([0.5, 1.0], 0.0).value
        0.5
    """
    convention = "trapezoid of accuracy over severity 0..k, / k / clean accuracy"
    rates = _unit("error", error)
    clean = 1 - float(_unit("clean error", np.array([clean_error]))[0])
    if clean <= _LEAST:
        reason = "Not estimated: the clean accuracy is 0."
        return undefined("relative_robustness_auc", reason, n=rates.size, convention=convention)
    area = float(np.trapezoid(np.r_[clean, 1 - rates])) / rates.size
    return Estimate(
        "relative_robustness_auc", area / clean, n=rates.size, convention=convention,
        reason=_NO_INTERVAL,
    )  # fmt: skip


def _unit(name: str, rates: Sequence[float] | FloatArray) -> FloatArray:
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim != 1 or not rates.size or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(f"{name}: expected (severities,) errors in 0..1, at least one")
    return rates
