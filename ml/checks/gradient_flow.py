"""Does every layer take part in its answers?"""

from dataclasses import replace

from ml.checks.flow_measures import ID, Measured, measured_of
from ml.checks.flow_words import wordings
from ml.checks.judge import findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import clusters_at, settings_of, unrun_finding
from ml.estimate import JsonObject, JsonValue, rounded
from ml.evidence.flow import GradientFlow
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

QUESTION = "Does every layer of the network take part in its answers?"


@audit_check(
    ID,
    title="Gradient flow",
    question=QUESTION,
    needs=("prediction", "gradients"),
    task="classification",
)
def gradient_flow(evidence: Evidence, protocol: Protocol) -> CheckResult:
    flow = evidence.gradients
    assert flow is not None
    failed = unrun_finding(ID, flow.failures)
    rows = flow.ran.nonzero()[0]
    if not rows.size:
        return not_assessed(QUESTION, "No case could be run.", findings=failed)
    measured = measured_of(flow, rows, clusters_at(evidence, rows), settings_of(protocol))
    findings = (
        *findings_of(
            ID, measured.estimates, _of_what_is_there(protocol, measured),
            wordings(evidence, flow, measured),
        ),
        *failed,
    )  # fmt: skip
    series = [_layers_series(flow, measured, protocol), _activations_series(flow, measured)]
    return result_of(QUESTION, measured.estimates, findings, series)


def _of_what_is_there(protocol: Protocol, measured: Measured) -> Protocol:
    """Without the platform's own limits on kinds of activation that the network does not have."""
    there = {one.id for one in measured.estimates}
    kept = [
        limit
        for limit in protocol.limits
        if limit.check != ID or limit.measure in there or limit.origin != "platform-default"
    ]
    return replace(protocol, limits=tuple(kept))


def _layers_series(flow: GradientFlow, measured: Measured, protocol: Protocol) -> JsonObject:
    limit = protocol.limit(ID, "gradient_decades")
    rows: list[JsonValue] = []
    for at, layer in enumerate(flow.layers):
        values: list[JsonValue] = [
            rounded(measured.relative[at] or None, 12),
            rounded(float(measured.share[at]), 6),
            rounded(float(measured.norms[at]), 12),
        ]
        facts: list[JsonValue] = [layer.kind, layer.weights]
        rows.append({"layer": layer.name, "facts": facts, "values": values})
    columns: list[JsonValue] = [
        {"title": "Gradient over that of the median layer", "drawn": "all cases"},
        {"title": "Cases with a gradient", "drawn": ""},
        {"title": "Gradient, logits per relative change", "drawn": ""},
    ]
    return {
        "kind": "layer-profile",
        "check": ID,
        "title": "How far each layer moves the answer",
        "subtitle": "Gradient of the largest logit by a layer's weights, per relative change of "
        "these, over that of the median layer; geometric mean over cases, from the first layer to "
        "the last. Line: accepted. Layers without any gradient have no point.",
        "y": "Gradient over the median layer's",
        "scale": "log",
        "limit": None if limit is None else 10.0**limit.value,
        "facts": ["Kind", "Weights"],
        "columns": columns,
        "rows": rows,
    }


def _activations_series(flow: GradientFlow, measured: Measured) -> JsonObject:
    rows: list[JsonValue] = []
    for at, one in enumerate(flow.activations):
        found = measured.activations[at]
        dead: JsonValue = found.dead if one.cuts else None
        flat: JsonValue = None if found.flat is None else rounded(found.flat, 6)
        rows.append([one.name, one.kind, one.units if one.cuts else None, dead, flat])
    fields: list[JsonValue] = ["Activation", "Kind", "Units", "Never active", "Share at an end"]
    return {
        "kind": "points", "check": ID, "title": "Activations", "fields": fields, "rows": rows,
    }  # fmt: skip
