"""The intake verdict of a model as one JSON object: what pages, API and command line show."""

from collections.abc import Mapping
from typing import cast

from ml.checks import all_checks
from ml.checks.capability import (
    OF_MARKED_COPIES,
    OF_VOLUMES,
    WITH_MASKS,
    WITH_MODEL,
    capabilities,
    follows,
    of_program,
)
from ml.checks.intake_points import Point, points
from ml.checks.registry import State
from ml.engine.plan import takes_pictures
from ml.engine.sampling import why_no_samples
from ml.estimate import JsonObject, JsonValue

SEGMENTATION = "segmentation"
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
        "checks": [
            row(point) for point in follows(met_by(card, manifest), all_checks(), task_of(manifest))
        ],
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
    return [*capabilities(card), found, _taken(manifest)]


def _taken(manifest: Mapping[str, JsonValue]) -> Point:
    """What one case is, and how the network is led over it."""
    declared = cast(JsonObject, manifest.get("input") or {})
    what = "volumes" if declared.get("dims") == 3 else "pictures"
    gives = "a mask of each" if task_of(manifest) == SEGMENTATION else "scores of each"
    says = f"{what}, and gives {gives}"
    patch = cast(JsonObject, declared.get("patch") or {})
    if patch:
        sides = " x ".join(str(side) for side in cast(list[int], patch["size"]))
        says += f", by patches of {sides} that overlap by {patch['overlap']:.0%} of a side"
    return Point("takes", State.INFO, "Takes", says)


def task_of(manifest: Mapping[str, JsonValue]) -> str:
    """What a model answers: "classification" or "segmentation"."""
    return str(manifest.get("task") or "classification")


def met_by(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> frozenset[str]:
    """The needs of checks that an accepted model meets, whatever its cohort brings."""
    if task_of(manifest) == SEGMENTATION:
        several = {"sampled-masks"} if not why_no_samples(manifest, card) else set()
        return WITH_MASKS | {"intake"} | several | OF_MARKED_COPIES
    samples = frozenset() if not manifest or why_no_samples(manifest, card) else {"samples"}
    if manifest and not takes_pictures(manifest):  # nothing explains or attacks a volume
        return WITH_MODEL | samples | (of_program(card) & OF_VOLUMES)
    return WITH_MODEL | {"blots"} | of_program(card) | samples


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
