"""What is said of uncertainty under corruption, where copies were answered several times."""

from collections.abc import Iterator, Mapping

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.registry import Finding, State
from ml.checks.stress_measures import Measured
from ml.checks.stress_sampled import KINDS, Doubts, doubled, errors_at
from ml.checks.stressed import Stressed, at_severity
from ml.estimate import Estimate
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

_NONE_LEFT = "The samples of its copies were not made."
_ACTION = (
    "Do not let its uncertainty stand guard over image quality: check the quality of an image "
    "before it is asked."
)


def unsampled_finding(
    check: str, evidence: Evidence, protocol: Protocol, doubts: Doubts | None
) -> Iterator[Finding]:
    """Why there is one answer to a copy, where the protocol asks for several."""
    if doubts is None and protocol.stress_samples:
        why = evidence.no_samples or _NONE_LEFT
        yield Finding(
            f"{check}.not-sampled",
            State.NOT_ASSESSED,
            "Whether its uncertainty rises under corruption is not known: there is one answer to "
            "each copy.",
            why=why,
        )


def doubled_finding(
    check: str, stressed: Stressed, measured: Measured, doubts: Doubts
) -> Iterator[Finding]:
    """Where errors first double: does its uncertainty rise there too?"""
    losses = {place: measured.at("accuracy_loss", *place) for place in stressed.versions}
    found = doubled(stressed, losses)
    if not found:
        yield Finding(
            f"{check}.doubled",
            State.INFO,
            f"{_none(stressed)} shown to double, so there is nothing that its uncertainty had to "
            "tell.",
            why=_how(stressed, doubts),
            measure="epistemic_rise",
        )
        return
    silent = [name for name, at in found.items() if not _any_rise(measured, name, at)]
    first = _largest(stressed, silent or list(found), found)
    yield Finding(
        f"{check}.doubled",
        State.CAUTION if silent else State.INFO,
        _claim(stressed, measured, found, silent, first),
        why=f"{_how(stressed, doubts)} {_each(stressed, measured, found)}",
        measure=f"epistemic_rise:{first}",
        action=_ACTION if silent else "",
    )


def _none(stressed: Stressed) -> str:
    number = len(stressed.distortions)
    if number == 1:
        return "Under the one corruption that was run its errors are not"
    return f"Under none of {words.count(number)} corruptions are its errors"


def wordings_of_rises(
    stressed: Stressed, doubts: Doubts, estimates: Mapping[str, Estimate]
) -> dict[str, Wording]:
    """Of the rises over all corruptions, and of how they go with errors; of those with a value."""
    found = {}
    for kind in KINDS:
        rise, related = estimates[f"{kind}_rise"], estimates[f"rises_with_errors:{kind}"]
        if rise.value is not None:
            found[rise.id] = Wording(
                f"Over {stressed.all_words} and all severities its mean {kind} uncertainty "
                f"{_moves(rise)}.",
                why=_how(stressed, doubts),
            )
        if related.value is not None:
            found[related.id] = Wording(
                f"From corruption to corruption and severity to severity, its mean {kind} "
                f"uncertainty and its errors go together with a rank correlation of "
                f"{words.decimal(related.value)}.",
                why=f"1: wherever errors are more it is less certain. {_how(stressed, doubts)}",
            )
    return found


def _how(stressed: Stressed, doubts: Doubts) -> str:
    masks = ", with the same masks for all copies of a case" if "dropout" in doubts.how else ""
    return f"{doubts.how} answer each copy{masks}; {stressed.size_words}."


def _claim(
    stressed: Stressed, measured: Measured, found: Mapping[str, int], silent: list[str], first: str
) -> str:
    """The worst of those that it does not tell; where it tells of all, the one of most errors."""
    severity = found[first]
    clean, there = errors_at(stressed, (first, severity))
    epistemic = measured.at("epistemic_rise", first, severity)
    total = measured.at("total_rise", first, severity)
    named = stressed.distortions[first]
    where = f"{named.title} at {at_severity(named, severity)}"
    how = "where its errors first double" if clean else "where it first errs"
    said = (
        f"{where}, {how} ({words.rate(clean)} to {words.per_cent(there)}), its mean epistemic "
        f"uncertainty {_moves(epistemic)}; the total one changes by {words.measured(total)}"
    )
    if not silent:
        return f"Under {said}."
    number = words.count(len(found))
    of = number if len(silent) == len(found) else f"{words.count(len(silent))} of {number}"
    more = "corruption" if len(found) == 1 else "corruptions"
    return (
        f"Under {of} {more} of which some severity doubles its errors, neither its total nor its "
        f"epistemic uncertainty is shown to rise there. Under {said}."
    )


def _each(stressed: Stressed, measured: Measured, found: Mapping[str, int]) -> str:
    parts = []
    for name, severity in found.items():
        clean, there = errors_at(stressed, (name, severity))
        rises = ", ".join(
            f"{kind} {words.measured(measured.at(f'{kind}_rise', name, severity))}"
            for kind in KINDS
        )
        parts.append(
            f"{stressed.distortions[name].title}, severity {severity}: errors "
            f"{words.rate(clean)} to {words.per_cent(there)}; {rises}."
        )
    return f"Rise in bits where errors first double. {' '.join(parts)}"


def _moves(rise: Estimate) -> str:
    """ "rises by 0.12 bits [0.1 to 0.14]"."""
    if rise.value is None:
        return "is not known"
    how = "is not shown to rise: it changes by"
    if rise.low is not None and rise.low > 0:
        how = "rises by"
    elif rise.high is not None and rise.high < 0:
        how = "falls: it changes by"
    return f"{how} {words.measured(rise)}"


def _any_rise(measured: Measured, corruption: str, severity: int) -> bool:
    rises = [measured.at(f"{kind}_rise", corruption, severity) for kind in KINDS]
    return any(one.low is not None and one.low > 0 for one in rises)


def _largest(stressed: Stressed, names: list[str], found: Mapping[str, int]) -> str:
    return max(names, key=lambda name: errors_at(stressed, (name, found[name]))[1])
