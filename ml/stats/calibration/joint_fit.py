"""Logistic recalibration by one joint fit, its likelihood-ratio tests and Wald intervals."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.asked import checked_share
from ml.stats.calibration.recalibration import CLIP, fit_line, fit_offset, separated

_LINE = "logit(y) = a + b·logit(p), maximum likelihood, independent cases"


@dataclass(frozen=True)
class JointFit:
    """Everything of the logistic recalibration model."""

    intercept: Estimate  # in the large: slope fixed to 1
    intercept_joint: Estimate  # slope free
    slope: Estimate
    unreliability: Estimate  # U of the joint likelihood-ratio test, p in extra
    nagelkerke: Estimate  # R² of the probabilities as given
    nagelkerke_recalibrated: Estimate  # R² after the joint fit


def joint_fit(
    probabilities: FloatArray,
    present: IntArray,
    *,
    level: float = 0.95,
    interval: str = "wald",
    information: str = "maximum",
) -> JointFit:
    """Calibration intercept, slope and joint test from one model.

    Cases must be independent: there are no clusters to give, and with several cases of a patient
    intervals are too narrow and p too small. For clustered cases use ``recalibration.intercept``
    and ``slope``, which draw clusters.

    Args:
        probabilities: (n,) P(finding), 0..1; clipped to 1e-6 from either end.
        present: (n,) 1 or 0.
        level: coverage, 0..1.
        interval: "wald" or "profile" (likelihood).
        information: where Wald errors take it: at the "maximum", or at the "last step" before
            it, as R's glm does when it stops (its errors differ in the fourth digit).

    Returns:
        Estimates, each undefined with its reason for one class, equal probabilities, or
        perfect separation.

    Raises:
        ValueError: for malformed input, an unknown interval or information.

    Example:
        >>> p, y = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])
        >>> round(joint_fit(p, y).slope.value, 3)
        1.102

    Source:
        Cox (1958), Biometrika 45:562-565; Miller, Hui, Tierney (1991), Statistics in Medicine
        10:1213-1226 (tests, U); Nagelkerke (1991), Biometrika 78:691-692.
    """
    level = checked_share("level", level)
    if interval not in ("wald", "profile"):
        raise ValueError(f'interval must be "wald" or "profile", got {interval!r}')
    if information not in ("maximum", "last step"):
        raise ValueError(f'information must be "maximum" or "last step", got {information!r}')
    probabilities, outcomes = checked_probabilities(probabilities, present)
    x = special.logit(probabilities.clip(CLIP, 1 - CLIP))
    n, events = x.size, int(outcomes.sum())
    once = np.ones((1, n))
    offset = float(fit_offset(x, outcomes, once)[0]) if 0 < events < n else np.nan
    line = np.full(2, np.nan)
    if 0 < events < n and np.ptp(x) > 0 and not separated(x, outcomes):
        line = fit_line(x, outcomes, once, np.zeros(2))[0]
    alone = _coefficient(
        "intercept", offset, _standard_error_offset(x, offset), n, events, level, interval,
        x, outcomes, "offset",
    )  # fmt: skip
    at = line if information == "maximum" else _last_step(x, outcomes, line)
    errors = _standard_errors(x, at)
    joint = [
        _coefficient(name, float(line[k]), errors[k], n, events, level, interval, x, outcomes, name)
        for k, name in enumerate(("intercept_joint", "slope"))
    ]
    return JointFit(alone, joint[0], joint[1], *_tests(x, outcomes, line))


def _log_likelihood(linear: FloatArray, outcomes: BoolArray) -> float:
    signed = np.where(outcomes, linear, -linear)
    return float(special.log_expit(signed).sum())


def _standard_error_offset(x: FloatArray, a: float) -> float:
    if not np.isfinite(a):
        return np.nan
    p = special.expit(a + x)
    return float((p * (1 - p)).sum() ** -0.5)


def _standard_errors(x: FloatArray, line: FloatArray) -> FloatArray:
    if not np.isfinite(line).all():
        return np.full(2, np.nan)
    p = special.expit(line[0] + line[1] * x)
    design = np.stack([np.ones(x.size), x], axis=1)
    information = design.T @ (design * (p * (1 - p))[:, None])
    errors: FloatArray = np.sqrt(np.diag(np.linalg.inv(information)))
    return errors


def _last_step(x: FloatArray, outcomes: BoolArray, line: FloatArray) -> FloatArray:
    """Coefficients one step before reweighted least squares stops at a change of 1e-8."""
    if not np.isfinite(line).all():
        return line
    design = np.stack([np.ones(x.size), x], axis=1)
    # R starts from probabilities of 1/4 and 3/4, which no line has; the first step gives one.
    linear = special.logit((outcomes + 0.5) / 2)
    before, coefficients = np.inf, np.zeros(2)
    for _ in range(25):  # R stops there, too
        p = special.expit(linear)
        weight = p * (1 - p)
        target = design.T @ (weight * linear + outcomes - p)
        step = np.linalg.solve(design.T @ (design * weight[:, None]), target)
        linear = design @ step
        deviance = -2 * _log_likelihood(linear, outcomes)
        if abs(deviance - before) < 1e-8 * (abs(deviance) + 0.1):
            break
        before, coefficients = deviance, step
    return coefficients


def _coefficient(
    measure: str, value: float, error: float, n: int, events: int, level: float, kind: str,
    x: FloatArray, outcomes: BoolArray, which: str,
) -> Estimate:  # fmt: skip
    convention = f"{_LINE}, slope fixed to 1" if which == "offset" else _LINE
    if not np.isfinite(value):
        reason = (
            "Not estimated: it needs both outcomes, more than one probability, and no threshold "
            "that separates them."
        )
        return undefined(measure, reason, n=n, n_events=events, convention=convention)
    if kind == "wald":
        margin = float(stats.norm.ppf((1 + level) / 2)) * error
        ends, method = (value - margin, value + margin), "Wald"
    else:
        ends, method = _profile(value, error, level, x, outcomes, which), "profile likelihood"
    return Estimate(
        measure, value, ends[0], ends[1], level, n, events, convention=convention, method=method,
        extra={"standard_error": float(error)},
    )  # fmt: skip


def _profile(
    value: float, error: float, level: float, x: FloatArray, outcomes: BoolArray, which: str
) -> tuple[float, float]:
    """Where twice the log-likelihood falls by the chi-square quantile, by bisection."""
    once = np.ones((1, x.size))

    def height(at: float) -> float:
        if which == "offset":
            return _log_likelihood(at + x, outcomes)
        if which == "slope":
            a = float(fit_offset(at * x, outcomes, once)[0])
            return _log_likelihood(a + at * x, outcomes)
        return _log_likelihood(at + _slope_given(at, x, outcomes) * x, outcomes)

    target = height(value) - stats.chi2.ppf(level, 1) / 2
    ends = []
    for sign in (-1, 1):
        inside, outside = value, value + sign * error
        while height(outside) > target:
            inside, outside = outside, outside + sign * error
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if height(middle) > target else (inside, middle)
        ends.append((inside + outside) / 2)
    return ends[0], ends[1]


def _slope_given(a: float, x: FloatArray, outcomes: BoolArray) -> float:
    """Best slope for a fixed intercept; the score falls in the slope, so it is bisected."""
    low, high = -1e3, 1e3
    for _ in range(80):
        b = (low + high) / 2
        rising = float((x * (outcomes - special.expit(a + b * x))).sum()) > 0
        low, high = (b, high) if rising else (low, b)
    return (low + high) / 2


def _tests(x: FloatArray, outcomes: BoolArray, line: FloatArray) -> tuple[Estimate, ...]:
    n, events = x.size, int(outcomes.sum())
    conventions = {
        "unreliability_u": "(LR of a = 0, b = 1 against the joint fit, minus 2) / n, Miller 1991",
        "nagelkerke_r2": "R² of the probabilities as given against the event rate",
        "nagelkerke_r2_recalibrated": "R² after logistic recalibration against the event rate",
    }
    if not np.isfinite(line).all():
        reason = "Not estimated: the joint fit has no finite solution."
        return tuple(
            undefined(name, reason, n=n, n_events=events, convention=convention)
            for name, convention in conventions.items()
        )
    given = _log_likelihood(x, outcomes)
    fitted = _log_likelihood(line[0] + line[1] * x, outcomes)
    lr = max(0.0, 2 * (fitted - given))
    rate = events / n
    null = events * np.log(rate) + (n - events) * np.log1p(-rate)
    values = [(lr - 2) / n] + [
        float(np.expm1(2 * (null - reached) / n) / np.expm1(2 * null / n))
        for reached in (given, fitted)
    ]
    test: dict[str, JsonValue] = {"chi2": lr, "df": 2, "p": float(stats.chi2.sf(lr, 2))}
    return tuple(
        Estimate(
            name, value, n=n, n_events=events, convention=convention,
            reason="No interval: a statistic of the fit.", extra=extra,
        )
        for (name, convention), value, extra in zip(
            conventions.items(), values, (test, {}, {}), strict=True
        )
    )  # fmt: skip
