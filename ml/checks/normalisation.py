"""Do the statistics that its normalisation stores fit these images, and does a batch matter?"""

from dataclasses import replace

from ml.checks.judge import findings_of, result_of, without_limits
from ml.checks.normalisation_words import kinds_finding, mates_finding, too_few, wordings
from ml.checks.normalised import ID, Measured, measured_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import operating_point, unknown_point, unrun_finding
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.normalised import Normalised
from ml.evidence.tables import Evidence
from ml.limits import Limit
from ml.protocol import Protocol

QUESTION = "Do the statistics that its normalisation stores fit these images?"
_BASES = {"mean_shift", "log_variance_ratio", "accuracy_regained", "auroc_regained", "flip_rate"}
_NONE = (
    "The network has no normalising layer. Files that were exported for use often have batch "
    "normalisation folded into the layer before it: what it expects can then no longer be seen. "
    "Hand in the file from before that step."
)


@audit_check(
    ID,
    title="Normalisation",
    question=QUESTION,
    needs=("prediction", "normalisations"),
    task="classification",
)
def normalisation(evidence: Evidence, protocol: Protocol) -> CheckResult:
    looked, prediction = evidence.normalisations, evidence.prediction
    assert looked is not None
    assert prediction is not None
    failed = unrun_finding(ID, looked.failures)
    if not looked.ran.any():
        return not_assessed(QUESTION, "No case could be run.", findings=failed)
    if not looked.layers:
        return not_assessed(QUESTION, _NONE, findings=failed)
    point = operating_point(prediction, protocol)
    measured = measured_of(evidence, looked, protocol, point)
    estimates = list(measured.estimates.values())
    findings = (
        kinds_finding(looked),
        mates_finding(evidence, looked, measured),
        *_judged(estimates, protocol, evidence, looked, measured),
        *too_few(evidence, measured, looked),
        *([] if point else [Finding(f"{ID}.point", State.NOT_ASSESSED, unknown_point(protocol))]),
        *failed,
    )
    series = [_profile_series(looked, measured, protocol)] if measured.profiles else []
    return result_of(QUESTION, estimates, findings, [*series, _layers_series(looked)])


def _judged(
    estimates: list[Estimate],
    protocol: Protocol,
    evidence: Evidence,
    looked: Normalised,
    measured: Measured,
) -> list[Finding]:
    """A limit on all groups is held against each of them, unless one of its own is set."""
    limits: dict[tuple[str, str], Limit] = {}
    for one in estimates:
        base = one.id.partition(":")[0]
        if base in _BASES:
            for limit in protocol.limits_of(ID, one.id) or protocol.limits_of(ID, base):
                limits[one.id, limit.direction] = limit
    named = [replace(limit, measure=name) for (name, _), limit in limits.items()]
    others = without_limits(protocol, _BASES).limits
    found = findings_of(
        ID,
        [one for one in estimates if one.id != "mates_change"],
        replace(protocol, limits=(*others, *named)),
        wordings(evidence, looked, measured),
    )
    return [
        one
        if one.limit is None or (one.measure, one.limit.direction) not in limits
        else replace(one, limit=limits[one.measure or "", one.limit.direction])
        for one in found
    ]


def _profile_series(looked: Normalised, measured: Measured, protocol: Protocol) -> JsonObject:
    """The shift of every layer by group, with the spread beside it in the table."""
    labels = list(measured.profiles)
    limit = protocol.limit(ID, "mean_shift")
    columns: list[JsonValue] = []
    for label in labels:
        columns.append({"title": f"Shift, {label}", "drawn": label})
        columns.append({"title": f"Log variance ratio, {label}", "drawn": ""})
    rows: list[JsonValue] = []
    for at, layer in enumerate(looked.stored):
        values: list[JsonValue] = []
        for label in labels:
            profile = measured.profiles[label]
            values += [rounded(profile.shift[at], 6), rounded(profile.spread[at], 6)]
        facts: list[JsonValue] = [layer.kind, layer.channels, layer.kept]
        rows.append({"layer": layer.name, "facts": facts, "values": values})
    return {
        "kind": "layer-profile",
        "check": ID,
        "title": "How far images lie from what each layer expects",
        "subtitle": "Root mean square over channels of the shift of the mean, in stored standard "
        "deviations; from the first layer to the last. Line: accepted on average over layers.",
        "y": "Shift, standard deviations",
        "scale": "linear",
        "limit": None if limit is None else limit.value,
        "facts": ["Kind", "Channels", "Kept"],
        "columns": columns,
        "rows": rows,
    }


def _layers_series(looked: Normalised) -> JsonObject:
    rows: list[JsonValue] = [
        [one.name, one.kind, "stored" if one.stored else "of what it is given", one.channels]
        for one in looked.layers
    ]
    fields: list[JsonValue] = ["Layer", "Kind", "Statistics", "Channels with stored statistics"]
    return {"kind": "points", "check": ID, "title": "Normalising layers", "fields": fields,
            "rows": rows}  # fmt: skip
