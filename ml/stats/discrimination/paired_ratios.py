"""Predictive values and likelihood ratios of two tests on the same cases, compared."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.clusters import Clusters, too_few
from ml.stats.discrimination.paired_calls import PairedCalls
from ml.stats.discrimination.predictive_values import Answer


@dataclass(frozen=True)
class ScoreTest:
    """A difference of predictive values and its score test."""

    difference: Estimate  # a - b; without an interval, see ``relative_predictive_value``
    chi2: float | None  # one degree of freedom
    p: float | None
    method: str
    reason: str | None = None


@dataclass(frozen=True)
class RatioTest:
    """A ratio of two tests' numbers, and the Wald test of its logarithm."""

    ratio: Estimate  # a / b
    z: float | None
    p: float | None
    method: str
    reason: str | None = None


def compare_predictive_values(
    answer: Answer,
    calls: PairedCalls,
    *,
    method: Literal["weighted", "generalised"] = "weighted",
) -> ScoreTest:
    """Score test that two tests of the same cases have equal PPV, or NPV.

    Args:
        answer: "ppv" or "npv".
        calls: what both called. Clusters are respected by "generalised" and refused by
            "weighted".
        method: "weighted" (Kosinski), whose size is nearer to nominal, or "generalised"
            (Leisenring, Alonzo, Pepe).

    Returns:
        Undefined when a test has no such call. Equal calls have p = 1.

    Raises:
        ValueError: for another answer or method, or "weighted" with clusters.

    Example:
        >>> calls = PairedCalls.table({(1, 1, 0): 8, (0, 1, 0): 4, (1, 0, 1): 9, (0, 0, 1): 1})
        >>> round(compare_predictive_values("ppv", calls).difference.value, 4)
        -0.2333

    Source:
        Leisenring, Alonzo, Pepe (2000), Biometrics 56:345-351; Kosinski (2013), Statistics in
        Medicine 32:964-977.
    """
    _check(answer)
    if method not in ("weighted", "generalised"):
        raise ValueError(f"method must be weighted or generalised, got {method!r}")
    clustered = not calls.clusters.each_alone
    if method == "weighted" and clustered:
        raise ValueError("the weighted score test knows no clusters: take generalised")
    a, b, right = _given(answer, calls)
    words = {"weighted": "weighted generalised score (Kosinski 2013)",
             "generalised": "generalised score (Leisenring 2000)"}[method]  # fmt: skip
    name, convention = f"{answer}_difference", f"{answer} of a less that of b, at their prevalence"
    n_a, n_b = int(a.sum()), int(b.sum())
    if min(n_a, n_b) == 0:
        which = "present" if answer == "ppv" else "absent"
        reason = f"Not estimated: one of the tests calls no case {which}."
        nothing = undefined(name, reason, n=a.size, convention=convention)
        return ScoreTest(nothing, None, None, words, reason)
    value = float(right[a].mean() - right[b].mean())
    total = n_a + n_b
    pooled = (right[a].sum() + right[b].sum()) / total
    refusal = too_few(calls.clusters) if clustered else None
    chi2: float | None
    if method == "weighted":
        both = right[a & b]
        shared = (both * (1 - pooled) ** 2 + (1 - both) * pooled**2).sum() / total
        top, variance = value**2, (pooled * (1 - pooled) - 2 * shared) * (1 / n_a + 1 / n_b)
    else:
        weight = a * (1 - n_a / total) - b * (n_a / total)
        scores = np.bincount(calls.clusters.codes, (right - pooled) * weight, calls.clusters.count)
        top, variance = float((right * weight).sum()) ** 2, float((scores**2).sum())
    chi2, p, reason_without = None, None, refusal
    if refusal is None:
        if variance > 1e-15:
            chi2 = float(top / variance)
            p = float(stats.chi2.sf(chi2, 1))
        elif abs(value) < 1e-12:
            p, reason_without = 1.0, "The tests do not differ and there is no spread; p is 1."
        else:
            reason_without = "No test: the score has no variance."
    extra: dict[str, JsonValue] = {
        **calls.clusters.extra, "a": float(right[a].mean()), "b": float(right[b].mean()),
        "n_a": n_a, "n_b": n_b,
    }  # fmt: skip
    difference = Estimate(
        name, value, n=a.size, n_events=int(calls.positive.sum()), convention=convention,
        reason="No interval: a score test has none; the relative predictive value has.",
        extra=extra,
    )  # fmt: skip
    return ScoreTest(difference, chi2, p, words, reason_without)


def relative_predictive_value(
    answer: Answer, calls: PairedCalls, *, level: float = 0.95
) -> RatioTest:
    """Ratio of PPV, or NPV, of test a to that of test b, on the same cases.

    Args:
        answer: "ppv" or "npv".
        calls: what both called; clusters are respected.
        level: of the interval, Wald on the scale of the logarithm.

    Returns:
        Undefined when a test has no such call or is never right in it.

    Raises:
        ValueError: for another answer.

    Example:
        >>> calls = PairedCalls.table({(1, 1, 0): 8, (0, 1, 0): 4, (1, 0, 1): 9, (0, 0, 1): 1})
        >>> round(relative_predictive_value("ppv", calls).ratio.value, 4)
        0.7407

    Source:
        Moskowitz, Pepe (2006). Comparing the predictive values of diagnostic tests. Clinical
        Trials 3:272-279.
    """
    _check(answer)
    a, b, right = _given(answer, calls)
    name, convention = f"relative_{answer}", f"{answer} of a over that of b, same cases"
    hits = [float(right[side].sum()) for side in (a, b)]
    if min(hits) == 0:
        reason = "Not estimated: one of the tests has no right answer of this kind."
        return _undefined_ratio(name, reason, calls, convention)
    influence = _log_share(a, right, hits[0]) - _log_share(b, right, hits[1])
    value = float(right[a].mean() / right[b].mean())
    return _ratio(name, value, influence, calls, convention, level, "Moskowitz & Pepe 2006")


def relative_likelihood_ratio(
    sign: Literal["positive", "negative"], calls: PairedCalls, *, level: float = 0.95
) -> RatioTest:
    """Ratio of the likelihood ratio of test a to that of test b, on the same cases.

    Args:
        sign: "positive" (LR+) or "negative" (LR-).
        calls: what both called; clusters are respected.
        level: of the interval, Wald on the scale of the logarithm.

    Returns:
        Undefined when a rate in either likelihood ratio is 0.

    Raises:
        ValueError: for another sign.

    Example:
        >>> counts = {(1, 1, 1): 8, (1, 0, 1): 2, (0, 1, 0): 1, (0, 0, 1): 4, (0, 0, 0): 5}
        >>> calls = PairedCalls.table(counts)
        >>> round(relative_likelihood_ratio("positive", calls).ratio.value, 4)
        3.2

    Source:
        Gu, Pepe (2009). Estimating the capacity for improvement in risk prediction with a
        marker. Biostatistics 10:172-186 (regression of likelihood ratios, saturated in the two
        tests); here in closed form.
    """
    if sign not in ("positive", "negative"):
        raise ValueError(f"sign must be positive or negative, got {sign!r}")
    flip = sign == "negative"
    a, b, has = calls.a ^ flip, calls.b ^ flip, calls.positive
    name = f"relative_lr_{'plus' if sign == 'positive' else 'minus'}"
    convention = f"likelihood ratio of a {sign} call, a over b, same cases"
    counts = [float((side & group).sum()) for group in (has, ~has) for side in (a, b)]
    if min(counts) == 0:
        reason = "Not estimated: one of the tests has no such call in one of the classes."
        return _undefined_ratio(name, reason, calls, convention)
    value = counts[0] / counts[1] / (counts[2] / counts[3])
    influence = np.where(has, a / counts[0] - b / counts[1], b / counts[3] - a / counts[2])
    return _ratio(name, value, influence, calls, convention, level, "regression of Gu & Pepe 2009")


def _check(answer: Answer) -> None:
    if answer not in ("ppv", "npv"):
        raise ValueError(f"answer must be ppv or npv, got {answer!r}")


def _given(answer: Answer, calls: PairedCalls) -> tuple[BoolArray, BoolArray, FloatArray]:
    """Which cases each test gave the answer, and whether it is right there (as numbers)."""
    if answer == "ppv":
        return calls.a, calls.b, calls.positive.astype(np.float64)
    return ~calls.a, ~calls.b, (~calls.positive).astype(np.float64)


def _log_share(given: BoolArray, right: FloatArray, hits: float) -> FloatArray:
    """Each case's part in the logarithm of the share of right answers."""
    part: FloatArray = given * (right / hits - 1 / given.sum())
    return part


def _ratio(
    name: str,
    value: float,
    influence: FloatArray,
    calls: PairedCalls,
    convention: str,
    level: float,
    source: str,
) -> RatioTest:
    clusters = calls.clusters
    method = f"log scale, {source}"
    refusal = None
    factor = 1.0
    if not clusters.each_alone:
        refusal = too_few(clusters)
        factor = clusters.count / max(clusters.count - 1, 1)
        method += f", over {clusters.words}"
    low = high = z = p = None
    variance = factor * float((_totals(influence, clusters) ** 2).sum())
    if refusal is None and variance > 1e-15:
        z = float(np.log(value)) / variance**0.5
        p = float(2 * stats.norm.sf(abs(z)))
        reach = float(np.exp(stats.norm.ppf((1 + level) / 2) * variance**0.5))
        low, high = value / reach, value * reach
    elif refusal is None:
        refusal = "No interval: the ratio has no variance."
        if abs(value - 1) < 1e-12:
            p, refusal = 1.0, refusal[:-1] + "; the tests do not differ, so p is 1."
    ratio = Estimate(
        name, value, low, high, level, influence.size, int(calls.positive.sum()),
        convention=convention, method=method if low is not None else "", reason=refusal,
        extra={**clusters.extra, "unit": "ratio"},
    )  # fmt: skip
    return RatioTest(ratio, z, p, method, refusal)


def _totals(influence: FloatArray, clusters: Clusters) -> FloatArray:
    return clusters.sums(influence)[:, 0]


def _undefined_ratio(name: str, reason: str, calls: PairedCalls, convention: str) -> RatioTest:
    nothing = undefined(
        name, reason, n=calls.positive.size, n_events=int(calls.positive.sum()),
        convention=convention,
    )  # fmt: skip
    return RatioTest(nothing, None, None, "", reason)
