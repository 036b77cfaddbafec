"""Selective prediction: what is left to err on when the least certain cases are handed over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    checked_binary,
    checked_losses,
    checked_outcomes,
)
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.interval import percentile_interval
from ml.stats.sums import NO_CASES
from ml.stats.uncertainty.accepted import Accepted, AcceptedCases

_Checked = Callable[[Any, Any], tuple[FloatArray, FloatArray | BoolArray]]
_TIES = "ties of confidence by expectation over their orders"
FORMS = {
    "aurc": "mean of the selective risk at coverage k/n, k = 1..n",
    "e_aurc": "AURC minus that of the best order of these n cases",
    "e_aurc_analytic": "AURC minus e + (1-e)·ln(1-e), the best order of infinitely many cases",
    "aurc_trapezoid": "trapezoid over coverage 1/n..1, divided by 1 - 1/n",
    "augrc": "mean over k of accepted errors / n",
    "e_augrc": "AUGRC minus that of the best order of these n cases",
    "auarc": "area under the accuracy-rejection curve, 1 - AURC",
    "aurc_gain": "AURC expected of a random order, the share of errors, minus AURC",
    "augrc_gain": "AUGRC expected of a random order, e·(n+1)/2n, minus AUGRC",
}


@dataclass(frozen=True)
class RiskCoverage:
    """The curve at coverage k/n, k = 1..n; all (n,)."""

    coverage: FloatArray
    risk: FloatArray  # expected share of errors among the k accepted
    generalised_risk: FloatArray  # expected accepted errors / n


def risk_coverage(confidence: FloatArray, error: IntArray) -> RiskCoverage:
    """Risk-coverage curve.

    Args:
        confidence: (n,) higher means more certain, n >= 1.
        error: (n,) 1 wrong, 0 right.

    Raises:
        ValueError: for malformed input or no cases.

    Example:
        >>> risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0])).risk.round(3).tolist()
        [0.0, 0.5, 0.333]

    Source:
        El-Yaniv, Wiener (2010), JMLR 11:1605-1641; generalised risk: Traub et al. (2024).
    """
    return _curve(*checked_binary(confidence, error))


def loss_coverage(confidence: FloatArray, loss: FloatArray) -> RiskCoverage:
    """As ``risk_coverage``, of a loss that may lie between right and wrong: 1 - Dice.

    Args:
        confidence: (n,) higher means more certain, n >= 1.
        loss: (n,) 0..1.

    Raises:
        ValueError: for malformed input or no cases.

    Example:
        >>> loss_coverage(np.array([0.9, 0.8]), np.array([0.25, 0.75])).risk.tolist()
        [0.25, 0.5]
    """
    return _curve(*checked_losses(confidence, loss))


def _curve(confidence: FloatArray, wrong: FloatArray | BoolArray) -> RiskCoverage:
    if not wrong.size:
        raise ValueError("a risk-coverage curve of no cases is undefined")
    _, group = np.unique(-confidence, return_inverse=True)
    expected = np.bincount(group, wrong) / np.bincount(group)
    accepted = np.cumsum(expected[np.sort(group)])
    k = np.arange(1, wrong.size + 1)
    return RiskCoverage(k / wrong.size, accepted / k, accepted / wrong.size)


def area(
    confidence: FloatArray,
    error: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    form: str = "aurc",
) -> Estimate:
    """An area under the risk-coverage curve; lower is better, except for AUARC and gains.

    Args:
        confidence: (n,) higher means more certain.
        error: (n,) 1 wrong, 0 right.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        form: one of ``FORMS``, which says what each is.

    Raises:
        ValueError: for malformed input or an unknown form.

    Example:
        >>> round(area(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0])).value, 4)
        0.2778

    Source:
        Geifman, Uziel, El-Yaniv (2019), ICLR (AURC, E-AURC); Traub et al. (2024), NeurIPS
        (AUGRC); Nadeem, Zucker, Hanczar (2009) (accuracy-rejection).
    """
    return areas(confidence, error, clusters, settings, forms=(form,))[form]


def areas(
    confidence: FloatArray,
    error: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    forms: Sequence[str] = tuple(FORMS),
) -> dict[str, Estimate]:
    """Several areas of one curve, from the same replicates. Arguments as ``area``.

    Example:
        >>> found = areas(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]), forms=("aurc", "augrc"))
        >>> {form: round(one.value, 4) for form, one in found.items()}
        {'aurc': 0.2778, 'augrc': 0.2222}
    """
    unknown = [form for form in forms if form not in FORMS]
    if unknown:
        raise ValueError(f"form must be one of {tuple(FORMS)}, got {unknown[0]!r}")
    return _estimates(
        {form: f"{FORMS[form]}; {_TIES}" for form in forms}, confidence, error,
        lambda accepted: np.stack([_area(accepted, form) for form in forms], axis=1),
        clusters, settings, "Not estimated: one case has no trapezoid.",
    )  # fmt: skip


def loss_area(
    confidence: FloatArray,
    loss: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """The form ``aurc`` of ``area``, of a loss that may lie between right and wrong: 1 - Dice.

    Args:
        confidence: (n,) higher means more certain.
        loss: (n,) 0..1.
        clusters, settings: as ``area``.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> loss_area(np.array([0.9, 0.8]), np.array([0.25, 0.75])).value
        0.375

    Source:
        Geifman, Uziel, El-Yaniv (2019), ICLR; of segmentation by 1 - Dice: Zenk et al. (2025),
        Medical Image Analysis 101:103392.
    """
    return _estimate(
        "aurc", confidence, loss, lambda groups: _area(groups, "aurc"), clusters, settings,
        f"{FORMS['aurc']}; {_TIES}", checked=checked_losses,
    )  # fmt: skip


def risk_at_coverage(
    confidence: FloatArray,
    error: IntArray,
    coverage: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Share of errors among the ceil(coverage·n) most confident cases. Arguments as ``area``.

    Example:
        >>> risk_at_coverage(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]), 0.6).value
        0.5

    Source:
        Geifman, El-Yaniv (2017), NeurIPS.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must lie in (0, 1], got {coverage}")

    return _estimate(
        "risk_at_coverage", confidence, error,
        lambda groups: groups.risks_at(np.array([coverage]))[:, 0], clusters, settings,
        f"the ceil({coverage:g}·n) most confident cases; {_TIES}",
    )  # fmt: skip


def coverage_at_risk(
    confidence: FloatArray,
    error: IntArray,
    risk: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Largest coverage k/n whose risk is at most ``risk``; 0 if there is none.

    No promise for new cases: for that see ``guaranteed_coverage``. Arguments as ``area``.

    Example:
        >>> coverage_at_risk(np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]), 0.34).value
        1.0

    Source:
        Geifman, El-Yaniv (2017), NeurIPS.
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk must lie in 0..1, got {risk}")

    def measure(groups: Accepted) -> FloatArray:
        before, errors = groups.before
        ends = groups.reached[0]
        rate = groups.rate
        whole = groups.reached[1] <= risk * ends + 1e-9
        # Inside a group of ties the expected risk moves steadily towards the group's rate.
        room = risk * before - errors
        steps = np.floor(room / np.where(rate > risk, rate - risk, 1) + 1e-9)
        part = np.where((rate > risk) & (room >= -1e-9), before + np.maximum(steps, 0), 0)
        reached = np.where(whole, ends, part)
        share: FloatArray = reached.max(axis=1) / groups.total
        return share

    return _estimate(
        "coverage_at_risk", confidence, error, measure, clusters, settings,
        f"largest k/n with risk at most {risk:g}; {_TIES}",
    )  # fmt: skip


def failure_auroc(
    confidence: FloatArray,
    error: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """AUROC of failure detection: how often a wrong case is less confident than a right one.

    Example:
        >>> failure_auroc(np.array([0.9, 0.2]), np.array([0, 1])).value
        1.0

    Source:
        Hendrycks, Gimpel (2017), ICLR.
    """
    return auroc(-np.asarray(confidence, dtype=np.float64), error, clusters, settings).renamed(
        "auroc_failure", convention="low confidence detects errors; ties count one half"
    )


def guaranteed_coverage(
    confidence: FloatArray,
    error: IntArray,
    risk: float,
    clusters: Clusters | None = None,
    *,
    delta: float = 0.001,
) -> Estimate:
    """Coverage whose risk on new cases is below ``risk`` with probability 1 - delta (SGR).

    Thresholds are searched by halving; each of the ceil(log2 n) looks spends delta over their
    number on an exact binomial bound. Threshold and bound are in ``extra``.

    Args:
        confidence, error: as ``area``.
        risk: wanted, 0..1.
        clusters: refused unless every case is its own: the bound rests on independence.
        delta: chance of a broken promise.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> guaranteed_coverage(np.linspace(1, 0, 200), np.zeros(200, int), 0.1).value
        1.0

    Source:
        Geifman, El-Yaniv (2017). Selective Classification for Deep Neural Networks. NeurIPS,
        algorithm 2 and lemma 3.1.
    """
    confidence, wrong = checked_binary(confidence, error)
    n = int(wrong.size)
    convention = f"SGR: risk below {risk:g} with probability {1 - delta:g}"
    if not (0 < risk < 1 and 0 < delta < 1):
        raise ValueError(f"risk and delta must lie in (0, 1), got {risk} and {delta}")
    clusters = checked_clusters(clusters, n)
    if n == 0:
        return undefined("guaranteed_coverage", NO_CASES, convention=convention)
    if not clusters.each_alone:
        reason = "Not estimated: the bound holds for independent cases only."
        return undefined("guaranteed_coverage", reason, n=n, convention=convention)
    ordered = np.sort(confidence)
    looks = max(1, int(np.ceil(np.log2(n))))
    low, high = 0, n - 1
    best, threshold, promised = 0.0, None, None
    for _ in range(looks):
        middle = (low + high) // 2
        accepted = confidence >= ordered[middle]
        count, errors = int(accepted.sum()), int(wrong[accepted].sum())
        bound = float(stats.beta.ppf(1 - delta / looks, errors + 1, count - errors))
        if errors == count:
            bound = 1.0
        if bound < risk:
            high = middle
            if count / n > best:
                best, threshold, promised = count / n, float(ordered[middle]), bound
        else:
            low = middle
    reason = "No interval: the value is itself a bound."
    if promised is None:
        reason = "No interval: no threshold examined keeps the promise."
    return Estimate(
        "guaranteed_coverage", best, n=n, n_events=int(wrong.sum()), convention=convention,
        method=f"exact binomial bounds at {looks} thresholds", reason=reason,
        extra={"threshold": threshold, "bound": promised},
    )  # fmt: skip


@dataclass(frozen=True)
class Deferral:
    """A human answers the least certain cases; all (m,)."""

    workload: FloatArray  # share of cases handed over
    error: FloatArray  # share of errors of model and reader together


def deferral(
    confidence: FloatArray, error: IntArray, reader_error: IntArray | None = None
) -> Deferral:
    """Errors left against the reader's workload, handing over the least certain cases first.

    Args:
        confidence, error: as ``area``.
        reader_error: (n,) 1 where the reader is wrong; None takes the reader as always right.

    Raises:
        ValueError: for malformed input or no cases.

    Example:
        >>> deferral(np.array([0.9, 0.2]), np.array([0, 1])).error.tolist()
        [0.5, 0.0, 0.0]

    Source:
        Madras, Pitassi, Zemel (2018), NeurIPS.
    """
    confidence, wrong = checked_binary(confidence, error)
    reader = np.zeros(wrong.size, bool)
    if reader_error is not None:
        reader = checked_outcomes(reader_error, "errors of the reader")
    if reader.shape != wrong.shape or not wrong.size:
        raise ValueError(f"expected errors of the same cases, got {wrong.shape}, {reader.shape}")
    _, group = np.unique(confidence, return_inverse=True)
    change = (np.bincount(group, reader.astype(np.float64) - wrong) / np.bincount(group))[
        np.sort(group)
    ]
    errors = wrong.sum() + np.concatenate([[0], np.cumsum(change)])
    return Deferral(np.arange(wrong.size + 1) / wrong.size, errors / wrong.size)


def _area(groups: Accepted, form: str) -> FloatArray:
    n, wrong = groups.total, groups.wrong
    result: FloatArray
    if "augrc" in form:
        augrc = groups.mean_errors
        best, random = wrong * (wrong + 1) / (2 * n**2), wrong * (n + 1) / (2 * n**2)
        result = {"augrc": augrc, "e_augrc": augrc - best, "augrc_gain": random - augrc}[form]
        return result
    aurc, share = groups.mean_risk, wrong / n
    if form == "aurc":
        result = aurc
    elif form == "auarc":
        result = 1 - aurc
    elif form == "aurc_gain":
        result = share - aurc
    elif form == "e_aurc":
        tail = special.digamma(n + 1) - special.digamma(n - wrong + 1)
        result = aurc - (wrong - (n - wrong) * tail) / n
    elif form == "e_aurc_analytic":
        result = aurc - (share + special.xlog1py(1 - share, -share))
    else:
        first = (groups.size > 0).argmax(axis=1)[:, None]
        top = np.take_along_axis(groups.rate, first, axis=1)[:, 0]
        trapezoid = n * aurc - (top + share) / 2
        result = np.where(n > 1, trapezoid / np.maximum(n - 1, 1), np.nan)
    return result


def _estimate(
    measure: str, confidence: FloatArray, error: IntArray | FloatArray,
    function: Callable[[Accepted], FloatArray], clusters: Clusters | None, settings: Settings,
    convention: str, checked: _Checked = checked_binary,
) -> Estimate:  # fmt: skip
    found = _estimates(
        {measure: convention}, confidence, error, lambda accepted: function(accepted)[:, None],
        clusters, settings, NO_CASES, checked,
    )  # fmt: skip
    return found[measure]


def _estimates(
    conventions: Mapping[str, str], confidence: FloatArray, error: IntArray | FloatArray,
    function: Callable[[Accepted], FloatArray], clusters: Clusters | None, settings: Settings,
    undefined_reason: str, checked: _Checked = checked_binary,
) -> dict[str, Estimate]:  # fmt: skip
    """An estimate for each convention; ``function`` gives (r, conventions)."""
    confidence, wrong = checked(confidence, error)
    n, events = int(wrong.size), int(wrong.sum()) if wrong.dtype == bool else None
    if n == 0:
        return {
            name: undefined(name, NO_CASES, n_events=events, convention=convention)
            for name, convention in conventions.items()
        }
    clusters = checked_clusters(clusters, n)
    cases = AcceptedCases(confidence, wrong, clusters.codes)

    def of_counts(counts: FloatArray) -> FloatArray:
        return function(cases.of(counts))

    values = of_counts(np.ones((1, clusters.count)))[0]
    drawn = replicates(of_counts, clusters.count, settings, width=n)
    found = {}
    for at, (name, convention) in enumerate(conventions.items()):
        value = float(values[at])
        if not np.isfinite(value):
            found[name] = undefined(
                name, undefined_reason, n=n, n_events=events, convention=convention
            )
            continue
        interval = percentile_interval(drawn[:, at], clusters, settings)
        found[name] = Estimate(
            name, value, interval.low, interval.high, settings.level, n, events,
            convention=convention, method=interval.method, reason=interval.reason,
            extra={**clusters.extra},
        )  # fmt: skip
    return found
