"""Does using it do more good than harm?"""

from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import (
    Calls,
    OperatingPoint,
    Scored,
    at_operating_point,
    calls_at,
    settings_of,
)
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.utility.net_benefit import DecisionCurve, decision_curve, net_benefit
from ml.stats.utility.workload import number_needed_to_evaluate, share_called

ID = "clinical-utility"
QUESTION = "Does using it do more good than harm?"
DEFAULT_RANGE = (0.01, 0.5)  # of threshold probabilities, where the protocol states none
_STEPS = 50
_PER = 1000  # cases, in sentences


@dataclass(frozen=True)
class _Range:
    low: float
    high: float
    origin: str

    def steps(self, threshold: float) -> list[float]:
        grid = np.linspace(self.low, self.high, _STEPS)
        return [float(t) for t in np.unique(np.append(grid, threshold).round(6))]

    @property
    def words(self) -> str:
        return f"{words.threshold(self.low)} to {words.threshold(self.high)} ({self.origin})"


@audit_check(
    ID,
    title="Clinical utility",
    question=QUESTION,
    needs=("labels", "prediction", "probabilities"),
    task="classification",
)
def clinical_utility(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = at_operating_point(
        ID, QUESTION, evidence, protocol, "are left out of the decision curve"
    )
    if isinstance(found, CheckResult):
        return found
    scored, point, failed = found
    reason = _refusal(scored, point)
    if reason:
        return not_assessed(QUESTION, reason, findings=failed)
    settings = settings_of(protocol)
    spread = _range(protocol, point)
    curve = decision_curve(
        scored.scores, scored.present, spread.steps(point.threshold), scored.clusters, settings,
        prevalence=protocol.prevalence,
    )  # fmt: skip
    estimates = _estimates(scored, point, protocol)
    wording = _wording(evidence, scored, point, protocol, curve, estimates)
    wordings = {"net_benefit_gain": wording}
    findings = (
        *findings_of(ID, estimates, protocol, wordings),
        _where_better(curve, spread, protocol),
        *failed,
    )
    return result_of(QUESTION, estimates, findings, [_series(scored, point, curve, protocol)])


def _refusal(scored: Scored, point: OperatingPoint) -> str | None:
    if scored.n_events in (0, scored.rows.size):
        return "It needs cases with and without the finding."
    if not 0 < point.threshold < 1:
        return (
            f"A threshold of {point.words} weighs one kind of error infinitely; net benefit needs "
            "one between 0 and 1."
        )
    return None


def _range(protocol: Protocol, point: OperatingPoint) -> _Range:
    if protocol.decision_thresholds is not None:
        return _Range(*protocol.decision_thresholds, "set by the protocol")
    low, high = DEFAULT_RANGE
    return _Range(low, high, "platform default, the protocol states none")


def _estimates(scored: Scored, point: OperatingPoint, protocol: Protocol) -> list[Estimate]:
    settings = settings_of(protocol)
    rows = (scored.scores, scored.present, point.threshold, scored.clusters, settings)
    called, present = scored.scores >= point.threshold, scored.present == 1
    own = net_benefit(*rows, prevalence=protocol.prevalence)
    gain = net_benefit(*rows, prevalence=protocol.prevalence, against="better")
    return [
        gain.renamed("net_benefit_gain"),
        own,
        share_called(called, scored.clusters, level=protocol.level),
        number_needed_to_evaluate(called, present, scored.clusters, level=protocol.level),
    ]


def _wording(
    evidence: Evidence,
    scored: Scored,
    point: OperatingPoint,
    protocol: Protocol,
    curve: DecisionCurve,
    estimates: list[Estimate],
) -> Wording:
    gain, calls = estimates[0].value or 0.0, calls_at(evidence, scored, point)
    at = int(np.argmin(np.abs(curve.threshold - point.threshold)))
    rival = "treating everyone" if curve.treat_all[at] > 0 else "treating no one"
    worth = f"{_net(abs(gain))} {'more' if gain > 0 else 'less'} than {rival}"
    if gain == 0:
        worth = f"as much as {rival}"
    claim = f"At a threshold probability of {point.words} it is worth {worth}; {_found(calls)}."
    called = scored.scores >= point.threshold
    wrong = np.flatnonzero(called != (scored.present == 1))
    wrong = wrong[np.argsort(-scored.present[wrong], kind="stable")]  # misses first
    odds = point.threshold / (1 - point.threshold)
    why = (
        f"At {point.words} ({point.origin}) a false alarm is taken to cost {words.decimal(odds)} "
        "of what a finding found is worth. That a model is worth more than none does not say that "
        f"it finds enough. Prevalence {_prevalence(curve, protocol)}. Measured on "
        f"{scored.size_words}. Listed: misses, then false alarms."
    )
    return Wording(
        claim, why=why, cases=scored.ids(evidence, wrong),
        action="Do not act on it at this threshold; see at which thresholds it is worth more, and "
        "whether its probabilities are calibrated.",
    )  # fmt: skip


def _net(gain: float) -> str:
    """In whole findings: a tenth of one is more than any interval here bears out."""
    number = round(gain * _PER)
    findings = f"{words.count(number)} net finding{'' if number == 1 else 's'}"
    if number == 0:
        findings = "less than 1 net finding"
    return f"{findings} found per {_PER:,} cases"


def _found(calls: Calls) -> str:
    """How many of the cases with the finding it finds there; without a score counts as missed."""
    called = calls.called[calls.present]
    return (
        f"there it finds {words.per_cent(float(called.mean()))} of the "
        f"{words.cases(called.size)} with the finding (sensitivity) and misses "
        f"{words.count(int((~called).sum()))}"
    )


def _prevalence(curve: DecisionCurve, protocol: Protocol) -> str:
    origin = "of this cohort; the protocol sets none"
    if protocol.prevalence is not None:
        origin = "set by the protocol, taken as known"
    return f"{words.per_cent(curve.prevalence)} ({origin})"


def _where_better(curve: DecisionCurve, spread: _Range, protocol: Protocol) -> Finding:
    """At which thresholds of the range it is better than both, surely and at all."""
    inside = (curve.threshold >= spread.low - 1e-9) & (curve.threshold <= spread.high + 1e-9)
    threshold = curve.threshold[inside]
    better = curve.advantage[inside] > 1e-12
    sure = curve.advantage_low[inside] > 1e-12
    both = "than treating everyone and than treating no one"
    if better.all():
        claim = f"At every threshold from {spread.words} it is worth more {both}."
    elif better.any():
        claim = f"It is worth more {both} at thresholds of {_runs(threshold, better)}."
    else:
        claim = f"At no threshold from {spread.words} is it worth more {both}."
    band = "No interval." if curve.reason else (
        f"With the whole {protocol.level * 100:g} % interval: "
        f"{_runs(threshold, sure) if sure.any() else 'nowhere'} ({curve.method})."
    )  # fmt: skip
    return Finding(
        f"{ID}.range", State.INFO, claim,
        why=f"{threshold.size} thresholds from {spread.words}. {curve.reason or band} The range "
        "should hold the thresholds that those who decide would act at; nobody should choose one "
        "from this curve.",
        measure="net_benefit",
    )  # fmt: skip


def _runs(threshold: np.ndarray, chosen: np.ndarray) -> str:
    """Stretches of thresholds: "0.05 to 0.31, 0.4"."""
    edges = np.flatnonzero(np.diff(np.r_[False, chosen, False].astype(int)))
    parts = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        low, high = (words.threshold(round(float(threshold[k]), 3)) for k in (start, stop - 1))
        parts.append(low if low == high else f"{low} to {high}")
    return ", ".join(parts)


def _series(
    scored: Scored, point: OperatingPoint, curve: DecisionCurve, protocol: Protocol
) -> JsonObject:
    def number(value: float) -> float | None:
        return rounded(float(value), 6) if np.isfinite(value) else None

    columns = {
        "threshold": curve.threshold, "net_benefit": curve.net_benefit, "low": curve.low,
        "high": curve.high, "treat_all": curve.treat_all,
        "avoided": curve.interventions_avoided,
    }  # fmt: skip
    rows: list[JsonValue] = [
        {name: number(column[at]) for name, column in columns.items()}
        for at in range(curve.threshold.size)
    ]
    best = curve.advantage
    share = float((best > 1e-12).mean())
    title = (
        "It beats treating everyone and treating no one at every threshold drawn"
        if share == 1
        else "It never beats treating everyone or no one"
        if share == 0
        else f"It beats treating everyone and no one at {share * 100:.0f} % of the thresholds drawn"
    )
    return {
        "kind": "decision-curve",
        "check": ID,
        "title": title,
        "subtitle": (
            f"Net benefit of {scored.size_words}; prevalence {_prevalence(curve, protocol)}; "
            f"{protocol.level * 100:g} % pointwise band"
        ),
        "rows": rows,
        "threshold": point.threshold,
        "prevalence": number(curve.prevalence),
    }
