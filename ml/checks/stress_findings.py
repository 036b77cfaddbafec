"""What each corruption does to the answers, and whether the model notices."""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol as Shape

import numpy as np

from ml.checks import words
from ml.checks.judge import judge
from ml.checks.registry import Finding, State
from ml.checks.stress_measures import MILD, Measured
from ml.checks.stressed import Stressed, at_severity
from ml.estimate import Estimate
from ml.evidence.passes import Distortion
from ml.evidence.tables import Evidence, IntArray
from ml.limits import Limit
from ml.protocol import Protocol

_REPAIR = (
    "Look at the listed cases, and keep images like these from it or have them read; training "
    "with such images may help."
)


class OnCopies(Shape):
    """Cases whose corrupted copies were run: answers to them, or masks."""

    @property
    def distortions(self) -> Mapping[str, Distortion]: ...

    @property
    def n(self) -> int: ...

    @property
    def size_words(self) -> str: ...

    def lost_words(self, where: str) -> str:
        """What becomes of those that get worse, as it follows "3 cases"."""

    def lost(self, corruption: str, severities: Collection[int]) -> IntArray:
        """Places of the cases that get worse at one of these severities."""

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]: ...


class Losses(Shape):
    """What is lost on them, with the loss that decides."""

    @property
    def estimates(self) -> Mapping[str, Estimate]: ...

    @property
    def margin(self) -> Limit | None: ...

    @property
    def primary(self) -> str: ...

    @property
    def what(self) -> str:
        """What is lost, as it follows "the loss of"."""

    @property
    def in_points(self) -> bool:
        """It is a share, whose losses are written in points."""

    def at(self, measure: str, corruption: str, severity: int) -> Estimate: ...

    def mild_words(self, corruption: str) -> str:
        """A sentence on what else happens at the last of the mild severities; or ""."""


def borne_findings(
    check: str, evidence: Evidence, protocol: Protocol, stressed: OnCopies, measured: Losses
) -> Iterator[Finding]:
    """A finding for each corruption that is too much, one for all borne, one for those open."""
    alike: dict[State, list[str]] = {}
    for corruption, named in stressed.distortions.items():
        borne = measured.estimates[f"severity_borne:{corruption}"]
        limit = _limit(check, protocol, borne)
        state = State.NOT_ASSESSED if borne.value is None else State.INFO
        if limit is not None and borne.value is not None:
            state = judge(borne, limit)
        too_much = borne.high is not None and borne.high < len(named.values)
        if state in (State.PASS, State.CAUTION) and not too_much:
            alike.setdefault(state, []).append(corruption)
        else:
            yield _one(check, evidence, stressed, measured, corruption, limit, state)
    for state, names in alike.items():
        limits = {name: _limit(check, protocol, _borne(measured, name)) for name in names}
        if len(names) == 1:
            yield _one(check, evidence, stressed, measured, names[0], limits[names[0]], state)
        else:
            yield _several(check, evidence, stressed, measured, limits, state)


def _borne(measured: Losses, corruption: str) -> Estimate:
    return measured.estimates[f"severity_borne:{corruption}"]


def _one(
    check: str, evidence: Evidence, stressed: OnCopies, measured: Losses, corruption: str,
    limit: Limit | None, state: State,
) -> Finding:  # fmt: skip
    borne = _borne(measured, corruption)
    return Finding(
        f"{check}.{borne.id}",
        state,
        _claim(corruption, stressed, measured, borne, limit),
        why=_why(corruption, stressed, measured, borne, limit),
        measure=borne.id,
        limit=limit,
        cases=stressed.ids(evidence, _lost(corruption, stressed, limit)),
        action=_REPAIR if state in (State.FAIL, State.CAUTION) else "",
    )


def _several(
    check: str, evidence: Evidence, stressed: OnCopies, measured: Losses,
    limits: Mapping[str, Limit | None], state: State,
) -> Finding:  # fmt: skip
    """Corruptions that all are borne, or of which these cases cannot tell."""
    asked = {name: _asked(limit) for name, limit in limits.items()}
    worst = max(limits, key=lambda name: _value_at(measured, name, asked[name]))
    there = at_severity(stressed.distortions[worst], asked[worst])
    loss = _loss(measured.at(measured.primary, worst, asked[worst]), measured)
    what = measured.what
    margin = "" if measured.margin is None else _size(measured.margin.value, measured)
    number = words.count(len(limits))
    if state is State.PASS:
        claim = (
            f"It bears {number} corruptions as far as is asked: {what} is shown to lose no more "
            f"than {margin}."
        )
    else:
        claim = (
            f"{words.cases(stressed.n)} cannot tell whether {number} corruptions are "
            f"borne as far as is asked; the largest loss of {what} there is {loss}."
        )
    lost = np.unique(np.concatenate([_lost(name, stressed, limits[name]) for name in limits]))
    each = " ".join(
        f"{stressed.distortions[name].title}, {at_severity(stressed.distortions[name], at)}: "
        f"{_loss(measured.at(measured.primary, name, at), measured)}."
        for name, at in asked.items()
    )
    return Finding(
        f"{check}.severity_borne:{'borne' if state is State.PASS else 'open'}",
        state,
        claim,
        why=f"Run on {stressed.size_words}. The largest is that of "
        f"{_lower(stressed.distortions[worst].title)} at {there}. Loss of {what}: {each} Listed: "
        f"{words.cases(lost.size)} {stressed.lost_words('up to there')}.",
        measure=f"severity_borne:{worst}",
        limit=limits[worst],
        cases=stressed.ids(evidence, lost),
        action=f"Ask for more cases: 'stress_cases' in the protocol. {_REPAIR}"
        if state is State.CAUTION
        else "",
    )


def _value_at(measured: Losses, corruption: str, severity: int) -> float:
    found = measured.at(measured.primary, corruption, severity).value
    return -1.0 if found is None else found


def worst_finding(
    check: str, evidence: Evidence, protocol: Protocol, stressed: OnCopies, measured: Losses
) -> Iterator[Finding]:
    """The largest loss that is asked to be borne, held against the margin; none without one."""
    if measured.margin is None:
        return
    asked = {
        name: _asked(_limit(check, protocol, _borne(measured, name)))
        for name in stressed.distortions
    }
    places = [(name, severity) for name, most in asked.items() for severity in range(1, most + 1)]
    corruption, severity = max(places, key=lambda place: _value_at(measured, *place))
    found = measured.at(measured.primary, corruption, severity)
    named = stressed.distortions[corruption]
    state = judge(found, measured.margin)
    what = measured.what
    rows = stressed.lost(corruption, [severity])
    yield Finding(
        f"{check}.{measured.primary}",
        state,
        f"As far as is asked, {what} loses most under {_lower(named.title)} at "
        f"{at_severity(named, severity)}: {_loss(found, measured)}.",
        why=f"The largest of {words.count(len(places))} losses lies too high by being chosen. "
        f"Accepted is {_size(measured.margin.value, measured)} ({_origin(measured.margin)}). "
        f"Listed: {words.cases(rows.size)} {stressed.lost_words('there')}.",
        measure=measured.primary,
        limit=measured.margin,
        cases=stressed.ids(evidence, rows),
        action=_REPAIR if state in (State.FAIL, State.CAUTION) else "",
    )


def _limit(check: str, protocol: Protocol, estimate: Estimate) -> Limit | None:
    """A limit on one corruption, else on all of them."""
    base = estimate.id.partition(":")[0]
    return protocol.limit(check, estimate.id) or protocol.limit(check, base)


def _claim(
    corruption: str, stressed: OnCopies, measured: Losses, borne: Estimate, limit: Limit | None
) -> str:
    named = stressed.distortions[corruption]
    what, last = measured.what, len(named.values)
    if borne.value is None or measured.margin is None:
        worst = measured.at(measured.primary, corruption, last)
        lost = "is not known" if worst.value is None else _loss(worst, measured)
        return f"{named.title}: at {at_severity(named, last)} the loss of {what} {_is(lost)}."
    margin = _size(measured.margin.value, measured)
    low, high = borne.low, borne.high
    if high is not None and high < last:
        first = int(high) + 1
        loss = _loss(measured.at(measured.primary, corruption, first), measured)
        return (
            f"{named.title} is too much for it from {at_severity(named, first)} on: {what} loses "
            f"{loss}, and {margin} are accepted."
        )
    asked = last if limit is None else min(int(limit.value), last)
    if low is not None and low >= asked:
        return (
            f"{named.title} is borne up to {at_severity(named, int(low))}: {what} is shown "
            f"to lose no more than {margin}."
        )
    loss = _loss(measured.at(measured.primary, corruption, asked), measured)
    return (
        f"{named.title}: whether it is borne up to {at_severity(named, asked)} cannot be told from "
        f"{words.cases(borne.n)}; {what} loses {loss} there."
    )


def _is(lost: str) -> str:
    return lost if lost.startswith("is ") else f"is {lost}"


def _why(
    corruption: str, stressed: OnCopies, measured: Losses, borne: Estimate, limit: Limit | None
) -> str:
    named, last = stressed.distortions[corruption], len(stressed.distortions[corruption].values)
    losses = [
        _loss(measured.at(measured.primary, corruption, severity), measured)
        for severity in range(1, last + 1)
    ]
    values = ", ".join(f"{value:g}" for value in named.values)
    sentences = [
        f"Run on {stressed.size_words}. {named.parameter.capitalize()}: {values}.",
        f"Loss of {measured.what}: {'; '.join(losses)}.",
    ]
    sentences.append(measured.mild_words(corruption))
    if measured.margin is not None:
        margin = _size(measured.margin.value, measured)
        sentences.append(f"Accepted is {margin} ({_origin(measured.margin)}).")
    if limit is not None:
        sentences.append(
            f"It must bear severity {limit.value:g} ({_origin(limit)}); up to {_end(borne.low)} is "
            f"shown, up to {_end(borne.high)} not ruled out."
        )
    if borne.value is not None and not borne.has_interval:
        sentences.append(borne.reason or "")
    listed = stressed.lost_words(f"up to severity {_asked(limit)}")
    sentences.append(f"Listed: cases {listed}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _origin(limit: Limit) -> str:
    return limit.origin.replace("platform-", "platform ")


def _end(severity: float | None) -> str:
    return "none" if severity is None else f"{severity:g}"


def _asked(limit: Limit | None) -> int:
    return MILD if limit is None else max(1, int(limit.value))


def _lost(corruption: str, stressed: OnCopies, limit: Limit | None) -> IntArray:
    """Cases that get worse at one of the severities that are asked for."""
    return stressed.lost(corruption, range(1, _asked(limit) + 1))


def _loss(estimate: Estimate, measured: Losses) -> str:
    if estimate.value is None:
        return "not estimated"
    return words.amount(estimate.value, estimate.low, estimate.high, per_cent=measured.in_points)


def _size(margin: float, measured: Losses) -> str:
    """The margin as losses are written: "5 points", "0.05"."""
    return f"{margin * 100:g} points" if measured.in_points else f"{margin:g}"


def _lower(title: str) -> str:
    """A title within a sentence, unless it begins with a name or an abbreviation.

    >>> _lower("Low resolution"), _lower("Gaussian blur"), _lower("JPEG")
    ('low resolution', 'Gaussian blur', 'JPEG')
    """
    first = title.split(" ")[0]
    plain = first[1:].islower() and first not in ("Gaussian", "Rician", "Gibbs", "Poisson")
    return title[0].lower() + title[1:] if plain else title


def sure_finding(
    check: str, evidence: Evidence, protocol: Protocol, stressed: Stressed, measured: Measured
) -> Finding:
    """Whether the model's own word can still be taken when images get worse."""
    found = measured.estimates["error_when_sure"]
    clean = measured.estimates["error_when_sure:clean"]
    limit = protocol.limit(check, "error_when_sure")
    if found.value is None:
        return Finding(
            f"{check}.error_when_sure", State.NOT_ASSESSED, found.reason or "", measure=found.id,
            limit=limit,
        )  # fmt: skip
    state = State.INFO if limit is None else judge(found, limit)
    claim = 1 - protocol.target_error
    rows = np.flatnonzero(
        np.stack([v.sure(claim) & v.wrong for v in stressed.versions.values()]).any(axis=0)
        & (stressed.right == 1)
    )
    as_it_is = (
        "" if clean.value is None else f"; on the images as they are {words.rate(clean.value)} %"
    )
    return Finding(
        f"{check}.error_when_sure",
        state,
        f"Of corrupted images of which it claims to be at least {words.per_cent(claim)} sure, it "
        f"answers {words.per_cent(found.value)} wrongly{as_it_is}.",
        why=f"{words.measured(found)}{words.of_counts(found)} answers to copies. "
        + ("" if limit is None else f"The limit is {words.limit_words(limit)}. ")
        + f"{_worst(stressed, measured)} Listed: {words.cases(rows.size)} answered rightly as they "
        "are, and wrongly but surely when corrupted.",
        measure=found.id,
        limit=limit,
        cases=stressed.ids(evidence, rows),
        action="Do not let its confidence stand guard over image quality: check the quality of an "
        "image before it is asked."
        if state in (State.FAIL, State.CAUTION)
        else "",
    )


def _worst(stressed: Stressed, measured: Measured) -> str:
    """The corruption under which sure answers are wrong most often."""
    each = {
        name: one
        for name in stressed.distortions
        if (one := measured.estimates[f"error_when_sure:{name}"]).value
    }
    if not each:
        return ""
    name = max(each, key=lambda one: each[one].value or 0.0)
    title = _lower(stressed.distortions[name].title)
    return f"Most often under {title}: {words.measured(each[name])}{words.of_counts(each[name])}."
