"""What is said of readers who read differently from the others, and of those nobody can judge."""

from collections.abc import Sequence
from dataclasses import replace

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.reader_deviation import MEASURE, Compared, Deviations, in_steps
from ml.checks.registry import Finding, State
from ml.checks.scored import in_clusters
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.agreement.reader_bias import MIN_APART, MIN_CASES
from ml.stats.clusters import MIN_CLUSTERS

_CHECK = "agreement"
_NAMED = 8  # readers named in a sentence
_IN_SUMMARY = 3  # deviations named in the summary


def limits_by_reader(protocol: Protocol, found: Deviations) -> Protocol:
    """A limit on the measure without a name holds for every reader of the first question."""
    if not found.by_question:
        return protocol
    ids = [one.estimate.id for one in found.by_question[0]]
    limits = [
        replace(limit, measure=name)
        for limit in protocol.limits
        for name in (ids if (limit.check, limit.measure) == (_CHECK, MEASURE) else [limit.measure])
    ]
    return replace(protocol, limits=tuple(limits))


def reader_wordings(
    evidence: Evidence, found: Deviations, protocol: Protocol
) -> dict[str, Wording]:
    """Who deviates: on the first question everybody, on further ones who weighs most.

    Args:
        protocol: with limits by reader; a reader with one has a sentence either way.
    """
    said: dict[str, Wording] = {}
    for at, row in enumerate(found.by_question):
        them = found.found(row)
        chosen = them[:1] if at else them
        for one in row:
            if one in chosen or protocol.limits_of(_CHECK, one.estimate.id):
                said[one.estimate.id] = _wording(evidence, found, one, them, whole=at == 0)
    return said


def _wording(
    evidence: Evidence, found: Deviations, one: Compared, them: Sequence[Compared], *, whole: bool
) -> Wording:
    parts = (
        _means(one), _stands_alone(one), f"Compared with {_listed(one.others)}.",
        _p_words(found, one), _balance(one, them), "" if whole else _also(one, them),
    )  # fmt: skip
    return Wording(
        claim(one, found.level),
        why=" ".join(part for part in parts if part),
        cases=tuple(evidence.case_ids[row] for row in one.alone),
        action=f"Look at the cases where {one.reader} stands alone, and agree on how the question "
        "is asked.",
    )


def claim(one: Compared, level: float) -> str:
    """Which reader, in which direction, by how much, on how many cases."""
    asked, others = one.table.question.id, _others(one)
    cases = f"{words.cases(one.estimate.n)}{in_clusters(one.clusters)}"
    if not one.deviates(level):
        return (
            f"{one.reader} is not shown to answer {asked} differently from {others} on the same "
            f"{cases}."
        )
    if one.answer:
        how = f"with “{one.answer}” {_way(one, 'less', 'more')} often than"
    else:
        how = f"{_way(one, 'lower', 'higher')} than"
    on = f"on {'each of ' if one.always else ''}the same {cases}"
    return f"{one.reader} answers {asked} {how} {others}: by {amount(one)}, {on}."


def amount(one: Compared) -> str:
    """How far, without the direction: "8.0 points [6.8, 9.2]"."""
    value, low, high = abs(one.value), one.estimate.low, one.estimate.high
    if one.value < 0 and low is not None and high is not None:
        low, high = -high, -low
    text = words.amount(value, low, high, per_cent=bool(one.answer))
    return f"{text} steps of the scale" if not one.answer and in_steps(one.table) else text


def _way(one: Compared, less: str, more: str) -> str:
    return less if one.value < 0 else more


def _others(one: Compared) -> str:
    return one.others[0] if len(one.others) == 1 else "the other readers"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{words.count(len(names))} readers"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part) or "nobody"


def _means(one: Compared) -> str:
    mean, others = one.estimate.extra.get("mean"), one.estimate.extra.get("mean_others")
    if not isinstance(mean, float) or not isinstance(others, float):
        return ""
    if one.answer:
        return (
            f"{one.reader} gives this answer in {words.per_cent(mean)} of these cases, "
            f"{_others(one)} in {words.per_cent(others)}."
        )
    return f"Mean answer {words.decimal(mean)} against {words.decimal(others)}."


def _stands_alone(one: Compared) -> str:
    on = f"On {words.cases(one.alone.size)}"
    if not one.answer:
        beyond = f"{_way(one, 'below', 'above')} that of every other reader"
        return f"{on} the answer of {one.reader} lies {beyond}."
    if one.value < 0:
        return f"{on} every other reader gave it and {one.reader} did not."
    return f"{on} {one.reader} gave it and no other reader did."


def _p_words(found: Deviations, one: Compared) -> str:
    if one.p is None:
        return ""
    adjusted = f" (Holm, {found.n_tests} tests)" if found.n_tests > 1 else ""
    return f"Test of no deviation: {words.p_value(one.p)}{adjusted}."


def _balance(one: Compared, them: Sequence[Compared]) -> str:
    """What a deviation does to the others, said where one of them points the other way."""
    if len(one.others) == 1:
        return "Two readers alone cannot show which of them is the odd one."
    if any(o.value * one.value < 0 and o.reader in one.others for o in them):
        return (
            "Within a case deviations balance: a reader on one side makes the others seem to be on "
            "the other."
        )
    return ""


def _also(one: Compared, them: Sequence[Compared]) -> str:
    rest = [
        o.reader + (f" “{o.answer}”" if o.answer != one.answer else "")
        + f", {_way(o, 'less', 'more')} by {amount(o)} on {words.cases(o.estimate.n)}"
        for o in them
        if o is not one
    ]  # fmt: skip
    return f"Also beyond chance: {'; '.join(rest)}." if rest else ""


def furthest_apart(found: Deviations) -> str:
    """The weightiest deviations of all questions, for the summary: who, which way, on how many."""
    them = [one for row in found.by_question for one in found.found(row)]
    them.sort(key=lambda one: -one.weight)
    if not them:
        return ""
    said = [
        f"{one.reader} on {one.table.question.id}"
        + (f" (“{one.answer}”)" if one.answer else "")
        + f", {_way(one, 'less', 'more')} by {amount(one)} on {words.cases(one.estimate.n)}"
        for one in them[:_IN_SUMMARY]
    ]
    more = len(them) - len(said)
    rest = f"; {words.count(more)} more below" if more > 0 else ""
    return f"Furthest from the other readers on the most cases: {'; '.join(said)}{rest}."


def other_findings(found: Deviations) -> list[Finding]:
    """Questions on which nobody stands out, and readers who cannot be compared."""
    return [*_nobody(found), *_too_few(found)]


def _nobody(found: Deviations) -> list[Finding]:
    rows = [
        row for row in found.by_question if any(one.is_told for one in row) and not found.found(row)
    ]
    if not rows:
        return []
    asked = " or ".join(row[0].table.question.id for row in rows)
    told = [one for row in rows for one in row if one.is_told]
    widest = max(told, key=lambda one: abs(one.value))
    return [
        Finding(
            f"{_CHECK}.{MEASURE}", State.INFO,
            f"No reader is shown to answer {asked} differently from the others on the same cases.",
            why=f"Widest: {widest.reader}, {_way(widest, 'less', 'more')} by {amount(widest)} on "
            f"{words.cases(widest.estimate.n)}. {_p_words(found, widest)} A deviation inside an "
            "interval is not ruled out.",
            measure=widest.estimate.id,
        )
    ]  # fmt: skip


def _too_few(found: Deviations) -> list[Finding]:
    """One finding for all; questions on which the same can be said share a part."""
    said: dict[str, list[str]] = {}
    for row in found.by_question:
        weak = {one.reader: one for one in row if not one.is_told}
        if weak:
            text = ", ".join(_few(one) for one in weak.values())
            said.setdefault(text, []).append(row[0].table.question.id)
    if not said:
        return []
    listed = "; ".join(f"{text} on {', '.join(asked)}" for text, asked in said.items())
    return [
        Finding(
            f"{_CHECK}.{MEASURE}.few", State.NOT_ASSESSED,
            f"Too few answers to compare with the others: {listed}.",
            why=f"It takes {MIN_CASES} cases that another reader answered too, {MIN_APART} of them "
            f"answered differently, and {MIN_CLUSTERS} independent units.",
            action="Let these readers answer more of the cases that others have answered.",
        )
    ]  # fmt: skip


def _few(one: Compared) -> str:
    apart = one.estimate.extra.get("n_apart")
    text = words.cases(one.estimate.n)
    if isinstance(apart, int):
        text += f", {words.count(apart)} answered differently"
    if not one.clusters.each_alone:
        text += f", {one.clusters.words}"
    return f"{one.reader} ({text})"
