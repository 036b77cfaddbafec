"""How many cases must a reader see so that the rest can be left to the model?"""

from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.answered import SCORE, Answered, answered_cases
from ml.checks.conformal_sets import sets_of
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import at_operating_point, settings_of, unknown_finding
from ml.checks.selective_series import risk_series
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, IntArray
from ml.limits import Limit
from ml.protocol import DEFAULT_TARGET_ERROR, Protocol
from ml.stats.bootstrap import Settings
from ml.stats.proportion import proportion
from ml.stats.uncertainty.selective import (
    area,
    areas,
    coverage_at_risk,
    guaranteed_coverage,
    risk_at_coverage,
)

ID = "selective-prediction"
QUESTION = "How many cases must a reader see so that the rest can be left to the model?"
_AREAS = ("aurc", "e_aurc", "aurc_gain", "augrc", "e_augrc", "augrc_gain")
_KEPT = 0.8  # the coverage at which the errors left are told
_ALIKE = (
    "Every answer is given with the same confidence, as where a table holds answers without "
    "probabilities: none can be handed over before another."
)


@dataclass(frozen=True)
class _Selected:
    """What every sentence of this check rests on."""

    evidence: Evidence
    answered: Answered
    target: float
    estimates: dict[str, Estimate]

    def value(self, name: str) -> float:
        return self.estimates[name].value or 0.0

    def ids(self, chosen: IntArray) -> tuple[str, ...]:
        return self.answered.ids(self.evidence, self.answered.surest(chosen))

    @property
    def sure(self) -> IntArray:
        return np.flatnonzero(self.answered.claimed >= 1 - self.target)

    @property
    def kept(self) -> IntArray:
        """Cases that the model keeps at the target; of a tie at the end those that come first."""
        share = 1 - self.value("deferred_at_target")
        order = np.argsort(-self.answered.confidence[SCORE], kind="stable")
        return order[: round(share * order.size)]


@audit_check(
    ID,
    title="Selective prediction",
    question=QUESTION,
    needs=("labels", "prediction", "probabilities"),
    task="classification",
)
def selective_prediction(evidence: Evidence, protocol: Protocol) -> CheckResult:
    at = at_operating_point(
        ID, QUESTION, evidence, protocol, "are left out here; a reader has to see them"
    )
    if isinstance(at, CheckResult):
        return at
    beside = [*at.failed, *unknown_finding(ID, evidence)]
    answered = answered_cases(evidence, at.scored, at.point)
    if np.ptp(answered.confidence[SCORE]) == 0:
        return not_assessed(QUESTION, _ALIKE, findings=beside)
    settings = settings_of(protocol)
    estimates = _estimates(answered, protocol.target_error, settings)
    found = sets_of(ID, evidence, protocol, answered)
    selected = _Selected(
        evidence, answered, protocol.target_error, {one.id: one for one in estimates}
    )
    findings = (
        *findings_of(
            ID, [*estimates, *found.estimates], _with_target(protocol), _wordings(selected)
        ),
        *found.findings,
        *beside,
    )
    series = [risk_series(ID, answered, protocol.target_error, settings), *found.series]
    return result_of(QUESTION, [*estimates, *found.estimates], findings, series)


def _with_target(protocol: Protocol) -> Protocol:
    """The platform's limit on sure answers follows the protocol's own target of errors."""
    if protocol.target_error == DEFAULT_TARGET_ERROR:
        return protocol

    def moved(limit: Limit) -> Limit:
        own = limit.origin != "platform-default" or limit.measure != "error_when_sure"
        if own or limit.check != ID:
            return limit
        return replace(
            limit, value=protocol.target_error, origin="pre-registered",
            reference="The target of errors that the protocol sets.",
        )  # fmt: skip

    return replace(protocol, limits=tuple(moved(limit) for limit in protocol.limits))


def _estimates(answered: Answered, target: float, settings: Settings) -> list[Estimate]:
    wrong = answered.wrong.astype(np.int64)
    confidence, clusters = answered.confidence[SCORE], answered.clusters
    found = [
        proportion(
            "error_rate", answered.wrong, clusters, level=settings.level,
            convention="share of labelled cases answered wrongly", of_what="labelled cases",
        )
    ]  # fmt: skip
    found += areas(confidence, wrong, clusters, settings, forms=_AREAS).values()
    found += [
        area(doubt, wrong, clusters, settings).renamed(f"aurc:{kind}")
        for kind, doubt in answered.confidence.items()
        if kind != SCORE
    ]
    found.append(
        risk_at_coverage(confidence, wrong, _KEPT, clusters, settings).renamed(
            f"risk_at_coverage:{_KEPT:g}"
        )
    )
    found.append(_deferred(answered, target, settings))
    promised = guaranteed_coverage(confidence, wrong, target, clusters, delta=1 - settings.level)
    return [*found, promised, *_when_sure(answered, target, settings)]


def _deferred(answered: Answered, target: float, settings: Settings) -> Estimate:
    """The share of cases that a reader sees, so that of the rest few enough are wrong."""
    kept = coverage_at_risk(
        answered.confidence[SCORE], answered.wrong.astype(np.int64), target, answered.clusters,
        settings,
    )  # fmt: skip
    convention = (
        f"1 minus the largest share of surest cases of which at most {target:g} are answered "
        "wrongly; ties of confidence by expectation"
    )
    if not kept.value:
        return undefined(
            "deferred_at_target",
            f"Not estimated: however few cases it keeps, more than {words.per_cent(target)} of its "
            "answers are wrong.",
            n=kept.n, n_events=kept.n_events, convention=convention,
        )  # fmt: skip
    return replace(
        kept, id="deferred_at_target", value=1 - kept.value, convention=convention,
        low=None if kept.high is None else 1 - kept.high,
        high=None if kept.low is None else 1 - kept.low,
    )  # fmt: skip


def _when_sure(answered: Answered, target: float, settings: Settings) -> list[Estimate]:
    """How often the model claims what the target asks for, and how often it is wrong then."""
    sure = answered.claimed >= 1 - target
    claim = f"claims a probability of {1 - target:g} or more of being right"
    rows = np.flatnonzero(sure)
    return [
        proportion(
            "share_sure", sure, answered.clusters, level=settings.level,
            convention=f"share of cases in which it {claim}", of_what="labelled cases",
        ),
        proportion(
            "error_when_sure", answered.wrong[rows], answered.clusters.where(rows),
            level=settings.level, convention=f"share answered wrongly where it {claim}",
            of_what=f"cases in which it claims to be at least {words.per_cent(1 - target)} sure",
        ),
    ]  # fmt: skip


def _wordings(selected: _Selected) -> dict[str, Wording]:
    estimates = selected.estimates
    found = {}
    if estimates["aurc_gain"].value is not None:
        found["aurc_gain"] = _of_order(selected)
    if estimates["error_when_sure"].value is not None:
        found["error_when_sure"] = _of_sure(selected)
    # Undefined as well: that no coverage reaches the target is what has to be said.
    found["deferred_at_target"] = _of_workload(selected)
    return found


def _of_order(selected: _Selected) -> Wording:
    value = selected.value
    wrong = np.flatnonzero(selected.answered.wrong)
    confidence = selected.answered.confidence[SCORE]
    sure = wrong[confidence[wrong] > np.median(confidence)]
    left, all_of_it = value(f"risk_at_coverage:{_KEPT:g}"), value("error_rate")
    claim = (
        f"Without its least certain fifth, {words.per_cent(left)} of its answers are wrong instead "
        f"of {words.per_cent(all_of_it)}."
    )
    others = [
        f"{words.decimal(one.value)} by {kind} uncertainty"
        for kind in ("total", "epistemic")
        if (one := selected.estimates.get(f"aurc:{kind}")) is not None and one.value is not None
    ]
    areas = (
        f"Area under risk and coverage {words.decimal(value('aurc'))}; "
        f"{words.decimal(value('aurc') - value('e_aurc'))} would be the best order there could be, "
        f"{words.decimal(all_of_it)} a random one"
    )
    return Wording(
        claim,
        why=f"Measured on {selected.answered.size_words}. {'; '.join([areas, *others])}. Listed: "
        f"{words.cases(sure.size)} answered wrongly of which it was surer than of half of all "
        "cases.",
        cases=selected.ids(sure),
        action="Do not let its confidence decide which cases a reader sees: it is hardly lower "
        "where the model is wrong.",
    )


def _of_workload(selected: _Selected) -> Wording:
    found, target = selected.estimates["deferred_at_target"], words.per_cent(selected.target)
    if found.value is None:
        return Wording("")
    kept = selected.kept
    left = kept[selected.answered.wrong[kept]]
    if found.value == 0:
        claim = f"It may keep every case: of all its answers no more than {target} are wrong, here."
    else:
        claim = (
            f"{_of_a_hundred(found.value)} of 100 cases must go to a reader so that at most "
            f"{target} of the answers that it gives alone are wrong, here."
        )
    promised = selected.estimates["guaranteed_coverage"]
    more = ""
    if promised.value:
        more = (
            f"For new cases like these, {_of_a_hundred(1 - promised.value)} of 100 make that sure "
            f"with a probability of {words.per_cent(found.level or 0.95)}."
        )
    elif promised.value is not None:
        more = "For new cases like these, no share of them can be promised."
    return Wording(
        claim,
        why=f"{more} Listed: {words.cases(left.size)} that it keeps and answers wrongly.".strip(),
        cases=selected.ids(left),
    )


def _of_sure(selected: _Selected) -> Wording:
    sure = selected.sure
    left = sure[selected.answered.wrong[sure]]
    claims = words.per_cent(1 - selected.target)
    share = selected.value("share_sure")
    claim = (
        f"Where it claims to be at least {claims} sure, which is in {_of_a_hundred(share)} of 100 "
        f"cases, {words.per_cent(selected.value('error_when_sure'))} of its answers are wrong."
    )
    return Wording(
        claim,
        why=f"A claim that can be believed leaves at most {words.per_cent(selected.target)}. "
        f"Listed: {words.cases(left.size)} answered wrongly all the same.",
        cases=selected.ids(left),
        action="Do not read its probabilities as chances of being right. Recalibrate it on cases "
        "of your own, or set what it may keep by the curve and not by what it claims.",
    )


def _of_a_hundred(share: float) -> str:
    """
    >>> _of_a_hundred(0.374), _of_a_hundred(0.004)
    ('37', '0.4')
    """
    number = share * 100
    return f"{number:.0f}" if number >= 1 or not number else f"{number:.1f}"
