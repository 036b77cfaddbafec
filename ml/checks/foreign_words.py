"""What is said of foreign cohorts: sentences with the numbers and cases behind them."""

from collections.abc import Mapping, Sequence

import numpy as np

from ml.checks import words
from ml.checks.foreign_guard import LABEL as GUARD_LABEL
from ml.checks.foreign_guard import NAME as GUARD
from ml.checks.foreign_guard import Guard, confounds
from ml.checks.foreign_measures import ALL, CONFIDENT, FALSE_ALARMS, Alarm, Group, confident
from ml.checks.foreign_scores import LABELS, Scores
from ml.checks.foreign_sides import Side
from ml.checks.judge import Wording
from ml.checks.registry import Finding, State
from ml.checks.scored import OperatingPoint
from ml.estimate import Estimate
from ml.evidence.facts import HEADER
from ml.stats.arrays import BoolArray

_NAMED_REASONS = 12


def case_name(side: Side, case_id: str) -> str:
    """A case of a further cohort is named with its cohort: ids may be those of audited cases."""
    return f"{side.name}/{case_id}"


def cases_of(side: Side, chosen: BoolArray) -> tuple[str, ...]:
    return tuple(case_name(side, case_id) for case_id in side.ids(chosen))


def size_words(group: Group) -> str:
    """ "37 cases of chest CT (2 patients)"."""
    known = group.clusters.kind != "case"
    units = group.clusters.words if known else "each its own patient as far as is known"
    return f"{words.cases(group.n)} of {group.name} ({units})"


def confident_wordings(
    groups: Sequence[Group], point: OperatingPoint, trained_for: str
) -> dict[str, Wording]:
    """Of the measure over all cohorts, and of each cohort's own."""
    found = {"confident_findings": _of_all(groups, point, trained_for)}
    for group in groups:
        if group.name != ALL:
            (side,) = group.sides
            found[f"confident_findings:{group.name}"] = _of_cohort(group, side, point)
    return found


def _are(number: int) -> str:
    return f"{words.count(number)} {'is' if number == 1 else 'are'}"


def _of_all(groups: Sequence[Group], point: OperatingPoint, trained_for: str) -> Wording:
    everything = groups[-1]
    flags = [confident(side, point.threshold) for side in everything.sides]
    n = int(sum(one.sum() for one in flags))
    cases = tuple(
        case
        for side, chosen in zip(everything.sides, flags, strict=True)
        for case in cases_of(side, chosen)
    )
    made_for = f" other than {trained_for}" if trained_for else ""
    return Wording(
        f"{words.count(n)} of {words.cases(everything.n)} of foreign cohorts "
        f"{'is' if n == 1 else 'are'} called a finding with a confidence above {CONFIDENT:g}.",
        why=f"Called at {point.words}."
        + (" Its confidence does not warn of such an image." if n else ""),
        cases=cases,
        action=f"See that nothing reaches it but what it was made for: an image{made_for} may come "
        "back with a confident finding. Check modality and body part before it is run.",
    )


def _of_cohort(group: Group, side: Side, point: OperatingPoint) -> Wording:
    flags = confident(side, point.threshold)
    counts = np.bincount(side.predicted, minlength=len(side.classes))
    most = int(counts.argmax())
    mean = float(side.confidence[side.predicted == most].mean())
    return Wording(
        f"Of {size_words(group)}, {_are(int(counts[most]))} called "
        f"“{side.classes[most]}”, with a mean confidence of {words.decimal(mean)}.",
        why=f"{_are(int(flags.sum()))} called a finding with a confidence above "
        f"{CONFIDENT:g}; the mean confidence of all is "
        f"{words.decimal(float(side.confidence.mean()))}.",
        cases=cases_of(side, flags),
    )


def told_wordings(
    own: Side, groups: Sequence[Group], scores: Scores, guard: Guard | None,
    estimates: Mapping[str, Estimate],
) -> dict[str, Wording]:  # fmt: skip
    """Of each cohort: its first score, the best, and what the files alone would tell."""
    found = {}
    for group in groups:
        if group.name != ALL and scores.found:
            first = scores.found[0].name
            found[f"ood_auroc:{group.name}/{first}"] = _told(own, group, scores, guard, estimates)
    return found


def _told(
    own: Side, group: Group, scores: Scores, guard: Guard | None,
    estimates: Mapping[str, Estimate],
) -> Wording:  # fmt: skip
    def auroc(name: str) -> float:
        return estimates[f"ood_auroc:{group.name}/{name}"].value or 0.0

    ranked = sorted(scores.found, key=lambda one: auroc(one.name), reverse=True)
    first, best = scores.found[0], ranked[0]
    said = (
        f"Best of {words.count(len(ranked))} scores: {best.label}, "
        f"{words.decimal(auroc(best.name))}"
    )
    by_file = ""
    if guard is not None:
        files = auroc(GUARD)
        by_file = f"{GUARD_LABEL}: {words.decimal(files)}."
        by_file += (
            " No score of the network tells more than the files do."
            if files >= auroc(best.name)
            else ""
        )
    (side,) = group.sides
    apart = confounds(own, side)
    confounded = (
        f"Told apart without an error by {'; '.join(apart)}: a high AUROC may be of that, not of "
        "what the image shows. Its border was not measured."
        if apart
        else ""
    )
    return Wording(
        f"Its own confidence ({first.label}) tells {group.name} from the audited cohort with an "
        f"AUROC of {words.decimal(auroc(first.name))} (0.5 is chance).",
        why=" ".join(part for part in (f"{said}; {by_file}" if by_file else f"{said}.", confounded)
                     if part),
    )  # fmt: skip


def threshold_finding(
    check: str, groups: Sequence[Group], alarm: Alarm, guard: Guard | None,
    estimates: Mapping[str, Estimate],
) -> Finding:  # fmt: skip
    """The threshold of the best score, and what it would have stopped."""
    score, found = alarm.score, alarm.threshold
    if found.threshold is None:
        return Finding(
            f"{check}.threshold", State.NOT_ASSESSED,
            f"No threshold is recommended: {(found.reason or '').removeprefix('Not estimated: ')}",
        )  # fmt: skip
    everything = groups[-1]
    share = estimates[f"stopped:{everything.name}/{score.name}"]
    hits = int(alarm.stops(everything.of(score)).sum())
    parts = [
        (
            f"Measured on {words.count(found.n)} independent audited cases; the rate that it "
            f"attains lies between {words.per_cent(found.low or 0.0)} and "
            f"{words.per_cent(found.high or 0.0)}."
        ),
        f"Share stopped: {words.measured(share)}.",
        "The score is the best on these foreign cohorts: on others it may be another.",
    ]
    if guard is not None:
        own = estimates[f"false_alarms:{GUARD}"]
        by_file = int((everything.of(guard.score) > 0).sum())
        parts.append(
            f"A rule on {', '.join(guard.facts)} alone would have stopped {words.count(by_file)}, "
            f"with {words.per_cent(own.value or 0.0)} false alarms."
        )
    missed = tuple(
        case
        for side in everything.sides
        for case in cases_of(side, ~alarm.stops(score.foreign[side.name]))
    )
    return Finding(
        f"{check}.threshold",
        State.INFO,
        f"Stopping inputs whose {score.label} is above {found.threshold:.6g}, at a false alarm "
        f"rate of {words.per_cent(FALSE_ALARMS)}, would have stopped {words.count(hits)} of "
        f"{words.cases(everything.n)}.",
        why=" ".join(parts) + " Listed: those that would have passed.",
        measure=f"stopped:{everything.name}/{score.name}",
        cases=missed,
    )


def header_finding(
    check: str, groups: Sequence[Group], guard: Guard, best: Alarm | None,
    estimates: Mapping[str, Estimate],
) -> Finding:  # fmt: skip
    """What the DICOM header alone tells, which a score of the network has to beat."""
    everything, name = groups[-1], guard.score.name
    stops = {side.name: guard.score.foreign[side.name] > 0 for side in everything.sides}
    hits = int(sum(flags.sum() for flags in stops.values()))
    auroc = estimates[f"ood_auroc:{everything.name}/{name}"]
    said = ", ".join(fact.removeprefix(HEADER) for fact in guard.facts)
    alarms = words.per_cent(estimates[f"false_alarms:{name}"].value or 0.0)
    parts = [
        f"Stopped: a combination of {said} that no fitted case has, or none at all.",
        f"AUROC {words.decimal(auroc.value or 0.0)}, with {alarms} false alarms.",
    ]
    if best is not None:
        network = estimates[f"ood_auroc:{everything.name}/{best.score.name}"].value or 0.0
        beaten = network > (auroc.value or 0.0)
        parts.append(
            f"The best score of the network, {best.score.label}, has {words.decimal(network)}: it "
            + ("tells more." if beaten else "does not tell more than the header does.")
        )
    passed = tuple(case for side in everything.sides for case in cases_of(side, ~stops[side.name]))
    return Finding(
        f"{check}.header",
        State.INFO,
        f"The DICOM header alone tells {words.count(hits)} of {words.cases(everything.n)} apart.",
        why=" ".join(parts) + (" Listed: those that would have passed." if passed else ""),
        measure=f"stopped:{everything.name}/{name}",
        cases=passed,
    )


def missing_finding(check: str, missing: Mapping[str, str]) -> list[Finding]:
    """Scores that were not computed, by their reason; [] when all were."""
    if not missing:
        return []
    by_reason: dict[str, list[str]] = {}
    for name, why in missing.items():
        by_reason.setdefault(why, []).append(LABELS[name])
    said = [f"{', '.join(names)}: {why}" for why, names in by_reason.items()][:_NAMED_REASONS]
    return [Finding(f"{check}.not-computed", State.NOT_ASSESSED, f"Not computed: {' '.join(said)}")]


def left_out_findings(check: str, sides: Sequence[Side]) -> list[Finding]:
    """Cases of further cohorts that could not be looked at; [] when all were."""
    found = []
    failed = [case_name(side, case_id) for side in sides for case_id in side.failed]
    if failed:
        found.append(
            Finding(
                f"{check}.failed-cases", State.CAUTION,
                f"{words.cases(len(failed))} of further cohorts could not be answered.",
                why="They enter no measure: a model that stops is not counted as one that notices.",
                cases=tuple(failed),
                action="Open these cases and see what stopped the model.",
            )
        )  # fmt: skip
    shared = [case_name(side, case_id) for side in sides for case_id in side.shared]
    if shared:
        found.append(
            Finding(
                f"{check}.shared-images", State.CAUTION,
                f"{words.cases(len(shared))} of further cohorts show an image that another cohort "
                "has too.",
                why="They are left out: what was fitted on, or audited, is not foreign.",
                cases=tuple(shared),
                action="Take these images out of one of the cohorts.",
            )
        )  # fmt: skip
    return found
