"""The intake verdict of a model as one JSON object: what pages, API and command line show."""

from collections.abc import Mapping

from ml.checks import all_checks
from ml.checks.capability import WITH_MODEL, capabilities, follows, of_program
from ml.checks.intake_points import Point, points
from ml.checks.registry import State
from ml.engine.sampling import why_no_samples
from ml.estimate import JsonObject, JsonValue

_OPEN = (State.CAUTION, State.FAIL)


def verdict_of(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> JsonObject:
    """What intake says of an accepted model.

    Args:
        card: as ``ml.intake.model.read_model`` made it.
        manifest: its model.yaml, normalised.

    Returns:
        sentence; points (what was found), capabilities (what can be done with it) and checks
        (which can follow, which will say "not assessed"): rows of id, state, title, says, action.
    """
    found = points(card, manifest)
    return {
        "sentence": sentence(found, card),
        "points": [row(point) for point in found],
        "capabilities": [row(point) for point in abilities(card, manifest)],
        "checks": [row(point) for point in follows(met_by(card, manifest), all_checks())],
    }


def abilities(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> list[Point]:
    """The capability card: what the graph allows, and whether a case can have several answers."""
    title = "Several answers to a case"
    reason = why_no_samples(manifest, card)
    found = Point("samples", State.INFO, title, "its dropout was switched on, and works")
    members = card.get("members")
    if reason:
        found = Point("samples", State.NOT_ASSESSED, title, reason.rstrip("."))
    elif isinstance(members, list):
        found = Point("samples", State.INFO, title, f"an ensemble of {len(members)}")
    return [*capabilities(card), found]


def met_by(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> frozenset[str]:
    """The needs of checks that an accepted model meets, whatever its cohort brings."""
    samples = frozenset() if not manifest or why_no_samples(manifest, card) else {"samples"}
    return WITH_MODEL | of_program(card) | samples


# What there is to say of formats that are more than tensors.
_HOLDS = {
    "endpoint": "It runs on a server that is not ours",
    "torchscript": "It brings code of its own",
}


def sentence(found: list[Point], card: Mapping[str, JsonValue]) -> str:
    """One sentence above the points."""
    holds = _HOLDS.get(str(card.get("format")), "It holds nothing but tensors")
    was_run = all(point.id != "trial" for point in found)
    ran = ", and its trial run went through" if was_run else "; no trial run was recorded"
    n = sum(point.state in _OPEN for point in found)
    if not n:
        return f"Accepted. {holds}{ran}."
    points_are = "One point is" if n == 1 else f"{n} points are"
    return f"Accepted. {holds}{ran}. {points_are} open."


def row(point: Point) -> JsonObject:
    """One point as JSON."""
    return {
        "id": point.id,
        "state": point.state.value,
        "title": point.title,
        "says": point.says,
        "action": point.action,
    }
