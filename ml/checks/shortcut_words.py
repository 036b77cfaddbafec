"""What the check of shortcuts says."""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.checks.shortcut_metadata import ANSWER, DEPENDENCE, LABEL, Depends, Metadata
from ml.checks.shortcut_places import ID, RELIANCE, Tested, Turned, strongest
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, IntArray
from ml.limits import Limit
from ml.protocol import Protocol

_LISTED = 200  # cases of one finding about metadata
_LOOK = (
    "Look at the listed cases. Take it out of the images before they are shown to the model, or "
    "train it on images in which it goes with nothing."
)


def place_findings(
    evidence: Evidence, tested: Sequence[Tested], protocol: Protocol, size: str
) -> list[Finding]:
    """One finding for each place where reliance is shown, else one for all of them."""
    limit = protocol.limit(ID, RELIANCE)
    shown = strongest(tested)
    found = [_of_place(evidence, one, limit, size, tested) for one in shown]
    if not shown:
        found.append(_none_shown(tested, limit, size))
    found += [
        finding
        for one in tested
        if one.place.kind == "region" and one not in shown
        for finding in [_of_region(evidence, one, size)]
    ]
    return found


def state_of(estimate: Estimate, limit: Limit | None) -> State:
    """Of something that is shown: fail above the limit, pass up to it, caution where undecided."""
    if limit is None or estimate.low is None or estimate.high is None:
        return State.INFO
    if estimate.low > limit.value:
        return State.FAIL
    return State.PASS if estimate.high <= limit.value else State.CAUTION


def _of_place(
    evidence: Evidence, one: Tested, limit: Limit | None, size: str, every: Sequence[Tested]
) -> Finding:
    thing = _thing(one)
    before, after = ("positive", "negative") if one.direction > 0 else ("negative", "positive")
    state = state_of(one.reliance, limit)
    claim = f"Its answer hangs on {thing}"
    if state is State.PASS:
        claim = f"Within the limit, its answer moves with {thing}"
    taken, given = one.taken, one.given
    if taken.changed.size:
        claim += (
            f": with that filled from around it, {words.count(taken.changed.size)} of "
            f"{words.count(taken.n)} {before}s turn {after}."
        )
    elif given.changed.size:
        claim += (
            f": put into {words.cases(given.n)} that it calls {after} without it, it turns "
            f"{words.count(given.changed.size)} of them {before}."
        )
    else:
        claim += f": it moves P(finding) by {words.decimal(one.reliance.value or 0.0)} and more."
    others = [
        other.said for other in every if other is not one and other.shown and _overlaps(one, other)
    ]
    why = [
        f"Run on {size}; {words.cases(one.has)} have it.",
        f"With as large a place elsewhere filled, {_of(taken.elsewhere, taken)}.",
        _given_words(given, before, after),
        _moved_words(one),
        f"Reliance, the smaller of both, is {words.measured(one.reliance)}"
        + (f"; the limit is {words.limit_words(limit)}." if limit else "; no limit set."),
    ]
    if others:
        why.append(f"The same is seen at: {', '.join(others)}.")
    rows = taken.changed if taken.changed.size else given.changed
    return Finding(
        f"{ID}.{RELIANCE}:{one.said}",
        state,
        claim,
        why=" ".join(part for part in why if part),
        measure=one.reliance.id,
        limit=limit,
        cases=_ids(evidence, rows),
        action=_LOOK if state in (State.FAIL, State.CAUTION) else "",
    )


def _overlaps(one: Tested, other: Tested) -> bool:
    return all(
        min(a + c, b + d) > max(a, b)
        for a, b, c, d in zip(
            one.place.box[:2], other.place.box[:2], one.place.box[2:], other.place.box[2:],
            strict=True,
        )
    )  # fmt: skip


def _thing(one: Tested) -> str:
    """As it follows "hangs on"."""
    if one.place.kind == "region":
        return f"what lies in the {one.said}, which the protocol draws"
    if one.place.kind in ("border", "corner"):
        return f"what lies at the {one.said} of some images"
    what = {"mark": "a mark (letters or thin strokes)", "ruler": "a ruler (strokes that repeat)"}
    spot = one.said.removeprefix("second ").removeprefix(one.place.kind).strip()
    return f"{what[one.place.kind]} {spot} that recurs in the cohort"


def _of(number: int, turned: Turned) -> str:
    verb = "does" if number == 1 else "do"
    return f"{words.count(number)} of {words.count(turned.n)} {verb}"


def _given_words(given: Turned, before: str, after: str) -> str:
    if not given.n:
        return f"No case without it is called {after}, so none could turn by putting it in."
    return (
        f"Put into {words.cases(given.n)} without it that it calls {after}, it turns "
        f"{words.count(given.changed.size)} of them {before}; the same place of a case without it "
        f"turns {words.count(given.elsewhere)}."
    )


def _moved_words(one: Tested) -> str:
    return (
        f"Taking it away moves P(finding) by {_signed(one.removed)}, putting it in by "
        f"{_signed(one.put_in)}, beyond what the same change without it does."
    )


def _signed(estimate: Estimate) -> str:
    return words.measured(estimate)


def _ids(evidence: Evidence, rows: IntArray) -> tuple[str, ...]:
    return tuple(evidence.case_ids[row] for row in rows)


def _none_shown(tested: Sequence[Tested], limit: Limit | None, size: str) -> Finding:
    """Whether enough was seen to say that there is nothing."""
    known = [one for one in tested if one.reliance.high is not None]
    looked = f"Run on {size}."
    if not known:
        return Finding(
            f"{ID}.{RELIANCE}",
            State.NOT_ASSESSED,
            "No place was found that enough cases have and enough cases have not.",
            why=f"{looked} Looked at: {', '.join(one.said for one in tested) or 'nothing'}. What "
            "every image has, or hardly one, cannot be put into an image without it.",
            measure=RELIANCE,
            limit=limit,
            action="Draw a place that you suspect as 'shortcut_regions' of the protocol, or ask "
            "for more cases: 'shortcut_cases'.",
        )
    widest = max(known, key=lambda one: one.reliance.high or 0.0)
    bound = widest.reliance.high or 0.0
    held = limit is not None and bound <= limit.value
    places = "1 place" if len(known) == 1 else f"{words.count(len(known))} places"
    return Finding(
        f"{ID}.{RELIANCE}",
        State.PASS if held else State.INFO,
        f"At none of {places} that some images have and others have not is its answer shown to "
        "hang on what lies there.",
        why=f"{looked} {', '.join(one.said for one in known)}. A reliance of up to "
        f"{words.decimal(bound)} ({widest.said}) is not excluded"
        + (f"; the limit is {words.limit_words(limit)}." if limit else "; no limit set."),
        measure=RELIANCE,
        limit=limit,
    )


def _of_region(evidence: Evidence, one: Tested, size: str) -> Finding:
    """A drawn region where reliance is not shown: what was seen of it all the same."""
    if one.removed.value is None:
        claim = f"Nothing could be measured of the {one.said}."
        why = one.removed.reason or ""
    else:
        claim = (
            f"With the {one.said} filled from around it, P(finding) moves by "
            f"{_signed(one.removed)} more than with as large a place elsewhere."
        )
        why = (
            f"Run on {size}; {words.cases(one.has)} have strokes there, {words.count(one.has_not)} "
            "have not. " + (one.reliance.reason or "Reliance is not shown: "
            f"{words.measured(one.reliance)}.")
        )  # fmt: skip
    return Finding(
        f"{ID}.region:{one.place.name}", State.INFO, claim, why=why, measure=one.removed.id,
        cases=_ids(evidence, one.taken.changed),
    )  # fmt: skip


def metadata_findings(
    evidence: Evidence, rows: IntArray, found: Metadata, protocol: Protocol
) -> list[Finding]:
    """What metadata tell of the label and of the answer, and which facts answers hang on."""
    findings = [_told(found)]
    limit = protocol.limit(ID, DEPENDENCE)
    judged = [one for one in found.depends if one.told.judged]
    shown = [one for one in judged if one.shown]
    findings += [_hangs(evidence, rows, one, limit) for one in shown]
    if judged and not shown:
        findings.append(_hangs_on_none(judged, limit))
    others = [one for one in found.depends if not one.told.judged and one.shown]
    findings += [_of_patients(evidence, rows, one) for one in others]
    return findings


def _told(found: Metadata) -> Finding:
    known = ", ".join(found.columns[:12]) + (" and others" if len(found.columns) > 12 else "")
    if found.label.value is None or found.answer.value is None:
        lacking = found.label if found.label.value is None else found.answer
        return Finding(
            f"{ID}.metadata", State.INFO,
            "What metadata alone tell of the label and the answer could not be compared.",
            why=lacking.reason or "", measure=lacking.id,
        )  # fmt: skip
    return Finding(
        f"{ID}.metadata",
        State.INFO,
        "Without a look at the image, metadata tell the label with an AUROC of "
        f"{words.measured(found.label)} and the model’s answer with "
        f"{words.measured(found.answer)}.",
        why=f"Looked at: {known}. Regressions fitted to other patients. That metadata tell the "
        "label is the cohort’s doing; that they tell the answer too can be by way of the finding.",
        measure=ANSWER if (found.answer.value > found.label.value) else LABEL,
    )


def _hangs(evidence: Evidence, rows: IntArray, one: Depends, limit: Limit | None) -> Finding:
    state = state_of(one.estimate, limit)
    more = "higher" if (one.signed.value or 0.0) > 0 else "lower"
    return Finding(
        f"{ID}.{one.estimate.id}",
        state,
        f"Of images with the same label, those with {one.told.name} get a P(finding) that is "
        f"{words.decimal(one.estimate.value or 0.0)} {more} than others.",
        why=f"{words.measured(one.estimate)}, of {words.cases(one.estimate.n)}, "
        f"{words.count(int(one.told.mark.sum()))} of them with it; "
        + (f"{words.p_value(one.p)} by relabelling within labels, for all facts at once; "
           if one.p is not None else "")
        + (f"the limit is {words.limit_words(limit)}." if limit else "no limit set.")
        + " The finding itself may look different there: compare cases of one label.",
        measure=one.estimate.id,
        limit=limit,
        cases=_ids(evidence, rows[one.told.mark])[:_LISTED],
        action="See how these images are made and stored, and audit on images of one label that "
        "differ in nothing else." if state in (State.FAIL, State.CAUTION) else "",
    )  # fmt: skip


def _hangs_on_none(judged: Sequence[Depends], limit: Limit | None) -> Finding:
    widest = max(judged, key=lambda one: one.estimate.high or 0.0)
    high = widest.estimate.high
    held = limit is not None and high is not None and high <= limit.value
    names = ", ".join(one.told.name for one in judged[:8])
    bound = "" if high is None else (
        f" A difference of up to {words.decimal(high)} ({widest.told.name}) is not excluded."
    )  # fmt: skip
    return Finding(
        f"{ID}.{DEPENDENCE}",
        State.PASS if held else State.INFO,
        "Given the label, its answer is not shown to hang on where or how images were made.",
        why=f"Looked at: {names}.{bound}"
        + (f" The limit is {words.limit_words(limit)}." if limit else " No limit set."),
        measure=DEPENDENCE,
        limit=limit,
    )


def _of_patients(evidence: Evidence, rows: IntArray, one: Depends) -> Finding:
    """A covariate that may be part of a patient: no limit is held against it."""
    more = "higher" if (one.signed.value or 0.0) > 0 else "lower"
    return Finding(
        f"{ID}.{one.estimate.id}",
        State.INFO,
        f"Of images with the same label, those with {one.told.name} get a P(finding) that is "
        f"{words.decimal(one.estimate.value or 0.0)} {more} than others.",
        why=f"{words.measured(one.estimate)}. It may be part of a patient, not of how an image was "
        "made: no limit is held against it here.",
        measure=one.estimate.id,
        cases=_ids(evidence, rows[np.flatnonzero(one.told.mark)])[:_LISTED],
    )
