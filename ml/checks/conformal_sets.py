"""Prediction sets: do they hold the truth as often as promised, in every class and group too?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.answered import Answered
from ml.checks.columns import columns_of
from ml.checks.registry import Finding, State
from ml.estimate import Estimate, JsonObject, JsonValue, undefined
from ml.evidence.tables import Evidence, IntArray
from ml.limits import Limit
from ml.protocol import DEFAULT_SET_COVERAGE, Protocol
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.proportion import proportion
from ml.stats.subgroups.groups import SMALLEST
from ml.stats.uncertainty.conformal import coverage, mean_size
from ml.stats.uncertainty.cross_conformal import FOLDS, cross_fitted

MAIN = "lac"
_FEWEST_UNITS = 4 * FOLDS  # patients below which no cut is worth its name
_NAMED = 5  # groups named in a sentence
_CONVENTION = (
    f"share of sets that hold the true class; {FOLDS} folds by patient, each cut by the others"
)


@dataclass(frozen=True)
class Sets:
    """What the check adds of prediction sets."""

    estimates: tuple[Estimate, ...] = ()
    findings: tuple[Finding, ...] = ()
    series: tuple[JsonObject, ...] = ()


@dataclass(frozen=True)
class _Part:
    """One class or group of cases, and how often its sets hold the truth."""

    label: str
    rows: IntArray
    held: Estimate
    size: Estimate | None
    low: bool  # shown to be below the promise, with all parts looked at in mind


def sets_of(check: str, evidence: Evidence, protocol: Protocol, answered: Answered) -> Sets:
    """Estimates, findings and chart of the prediction sets of the answered cases."""
    promise = protocol.set_coverage
    if answered.clusters.count < _FEWEST_UNITS:
        reason = (
            f"Not estimated: sets are cut by the cases of others, and {answered.clusters.words} "
            f"are too few; at least {_FEWEST_UNITS} are needed."
        )
        return Sets((undefined(f"conformal_coverage:{MAIN}", reason, n=answered.rows.size),))
    settings = Settings(protocol.draws, protocol.seed, protocol.level)
    members = _members(answered, MAIN, promise, protocol.seed)
    estimates = _overall(MAIN, members, answered, settings)
    if len(answered.classes) > 2:
        adaptive = _members(answered, "aps", promise, protocol.seed)
        estimates += _overall("aps", adaptive, answered, settings)
    parts = _parts(evidence, protocol, answered, members)
    for part in parts:
        estimates += [part.held, *([] if part.size is None else [part.size])]
    findings = [
        _whole(check, evidence, answered, members, promise, estimates),
        *_groups(check, evidence, answered, members, promise, parts, protocol.level),
    ]
    return Sets(tuple(estimates), tuple(findings), (_forest(check, protocol, estimates[0], parts),))


def _members(answered: Answered, score: str, promise: float, seed: int) -> BoolArray:
    return cross_fitted(
        answered.probabilities, answered.label, 1 - promise, answered.clusters,
        score=score, seed=seed,
    ).members  # fmt: skip


def _overall(
    score: str, members: BoolArray, answered: Answered, settings: Settings
) -> list[Estimate]:
    single = members.sum(axis=1) == 1
    return [
        coverage(members, answered.label, answered.clusters, level=settings.level).renamed(
            f"conformal_coverage:{score}", convention=_CONVENTION
        ),
        mean_size(members, answered.clusters, settings).renamed(f"conformal_mean_size:{score}"),
        proportion(
            f"conformal_single:{score}", single, answered.clusters, level=settings.level,
            convention="share of sets that hold one class and no other",
        ),
    ]  # fmt: skip


def _parts(
    evidence: Evidence, protocol: Protocol, answered: Answered, members: BoolArray
) -> list[_Part]:
    """Every class and every group of the protocol's columns, in one family of comparisons."""
    named = [
        (f"{name} in truth", np.flatnonzero(answered.label == at))
        for at, name in enumerate(answered.classes)
    ]
    columns = columns_of(evidence, protocol, answered.rows)
    named += [
        (column.label(group), column.groups.rows(at))
        for column in columns.usable
        for at, group in enumerate(column.groups.names)
    ]
    large = sum(rows.size >= SMALLEST for _, rows in named)
    return [_part(label, rows, protocol, answered, members, large) for label, rows in named]


def _part(
    label: str, rows: IntArray, protocol: Protocol, answered: Answered, members: BoolArray,
    family: int,
) -> _Part:  # fmt: skip
    name = f"conformal_coverage:{MAIN}, {label}"
    if rows.size < SMALLEST:
        reason = (
            f"Not shown: only {words.cases(rows.size)} in this group, and at least {SMALLEST} are "
            "needed."
        )
        return _Part(label, rows, undefined(name, reason, n=rows.size), None, low=False)
    clusters = answered.clusters.where(rows)
    chosen, truth = members[rows], answered.label[rows]
    held = coverage(chosen, truth, clusters, level=protocol.level)
    # One in forty intervals lies below by chance alone: wide enough for all of them together.
    together = coverage(chosen, truth, clusters, level=1 - (1 - protocol.level) / family)
    low = together.high is not None and together.high < protocol.set_coverage
    size = mean_size(chosen, clusters, Settings(protocol.draws, protocol.seed, protocol.level))
    return _Part(
        label, rows, held.renamed(name, convention=_CONVENTION),
        size.renamed(f"conformal_mean_size:{MAIN}, {label}"), low,
    )  # fmt: skip


def _whole(
    check: str, evidence: Evidence, answered: Answered, members: BoolArray, promise: float,
    estimates: Sequence[Estimate],
) -> Finding:  # fmt: skip
    found = {one.id: one for one in estimates}
    held, single = found[f"conformal_coverage:{MAIN}"], found[f"conformal_single:{MAIN}"]
    size = found[f"conformal_mean_size:{MAIN}"]
    missed = np.flatnonzero(~members[np.arange(answered.rows.size), answered.label])
    empty = int((members.sum(axis=1) == 0).sum())
    adaptive = ""
    if "conformal_coverage:aps" in found:
        adaptive = (
            f" Adaptive sets: {words.measured(found['conformal_coverage:aps'])} with "
            f"{words.measured(found['conformal_mean_size:aps'])} classes."
        )
    return Finding(
        f"{check}.conformal_coverage:{MAIN}",
        State.INFO,
        f"Sets made to hold the truth in {words.per_cent(promise)} of cases hold it in "
        f"{words.per_cent(held.value or 0.0)}, and name one answer alone in "
        f"{words.per_cent(single.value or 0.0)}.",
        why=f"{words.measured(held)} of {words.cases(answered.rows.size)}, with "
        f"{words.measured(size)} of {len(answered.classes)} classes in a set; "
        f"{words.cases(empty)} with an empty one, in which nothing fits. Each case is cut by "
        f"those of other patients.{adaptive} Listed: {words.cases(missed.size)} whose set misses "
        "the truth.",
        measure=held.id,
        cases=answered.ids(evidence, answered.surest(missed)),
    )


def _groups(
    check: str, evidence: Evidence, answered: Answered, members: BoolArray, promise: float,
    parts: Sequence[_Part], level: float,
) -> list[Finding]:  # fmt: skip
    """A finding for each part shown to be below the promise, and one for all others."""
    shown = [part for part in parts if part.held.value is not None]
    together = (
        f"Of {len(shown)} classes and groups looked at; intervals of {level * 100:g} % for all "
        "together decide."
    )
    found = []
    for part in (one for one in shown if one.low):
        missed = part.rows[~members[part.rows, answered.label[part.rows]]]
        found.append(
            Finding(
                f"{check}.{part.held.id}",
                State.CAUTION,
                f"Sets that promise the truth in {words.per_cent(promise)} of cases hold it in "
                f"only {words.per_cent(part.held.value or 0.0)} where {_where(part)}.",
                why=f"{words.measured(part.held)} of {words.cases(part.rows.size)}. {together} "
                f"Listed: {words.cases(missed.size)} whose set misses the truth.",
                measure=part.held.id,
                cases=answered.ids(evidence, answered.surest(missed)),
                action=f"Do not rely on its sets where {_where(part)}; cut these cases by cases of "
                "their own kind, or have them read.",
            )
        )
    others = [part for part in shown if not part.low]
    unsure = [p for p in others if p.held.low is not None and p.held.low < promise]
    if others:
        lowest = min(others, key=lambda part: part.held.value or 0.0)
        named = ", ".join(part.label for part in unsure[:_NAMED])
        more = f" and {len(unsure) - _NAMED} more" if len(unsure) > _NAMED else ""
        found.append(
            Finding(
                f"{check}.coverage-of-groups",
                State.INFO,
                f"In {'no' if not found else 'no other'} class or group are the sets shown to hold "
                f"the truth less often than promised; the lowest is {lowest.label} with "
                f"{words.per_cent(lowest.held.value or 0.0)}.",
                why=together
                + (
                    f" Whose interval reaches below {words.per_cent(promise)} is not shown to keep "
                    f"the promise either: {named}{more}."
                    if unsure
                    else ""
                ),
                measure=lowest.held.id,
            )
        )
    return found


def _where(part: _Part) -> str:
    """ "the truth is glioma", "sex = f"."""
    name = part.label.removesuffix(" in truth")
    return part.label if name == part.label else f"the truth is {name}"


def _forest(check: str, protocol: Protocol, whole: Estimate, parts: Sequence[_Part]) -> JsonObject:
    promise = protocol.set_coverage
    own = promise != DEFAULT_SET_COVERAGE
    line = Limit(
        check, "conformal_coverage", promise, "min",
        "pre-registered" if own else "platform-default", "What the sets promise.",
    )  # fmt: skip

    def row(label: str, estimate: Estimate, *, low: bool, everyone: bool = False) -> JsonObject:
        state = State.CAUTION if low else State.INFO
        return {
            "label": label,
            "estimate": estimate.to_json(),
            "state": State.NOT_ASSESSED.value if estimate.value is None else state.value,
            "all": everyone,
        }

    rows: list[JsonValue] = [row("All cases", whole, low=False, everyone=True)]
    rows += [row(part.label, part.held, low=part.low) for part in parts]
    return {
        "kind": "forest",
        "check": check,
        "title": "How often a prediction set holds the truth, by class and group",
        "subtitle": (
            f"{protocol.level * 100:g} % intervals, each by itself. Diamond: all cases. The line "
            f"is what the sets promise, {words.per_cent(promise)}. A triangle: shown below it."
        ),
        "unit": "%",
        "rows": rows,
        "limit": line.to_json(),
    }
