"""What intake found out about a model, point by point: one wording for page, API and report."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml.checks.registry import State
from ml.estimate import JsonObject, JsonValue, objects_in

ROUNDING = 1e-4  # of the largest output: what another batch may change by rounding alone


@dataclass(frozen=True)
class Point:
    """One question that intake answers.

    Attributes:
        id: stable, kebab-case.
        state: pass, caution or fail; info where there is nothing to judge; not assessed.
        title: what was looked at, in few words.
        says: what was found, without a full stop.
        action: what to do, where something is to be done.
    """

    id: str
    state: State
    title: str
    says: str
    action: str = ""


def points(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> list[Point]:
    """Everything that intake says of an accepted model; nothing that its card does not hold.

    Args:
        card: as ``ml.intake.model.read_model`` made it.
        manifest: its model.yaml, normalised.
    """
    return [*_contents(card), *_trial(card), *repeats(card), *_declared(card, manifest)]


def _contents(card: Mapping[str, JsonValue]) -> list[Point]:
    found = [_safe(card)]
    scan = as_object(card.get("scan"))
    unread = [str(row["name"]) for row in objects_in(scan.get("files")) if not row.get("use")]
    n = as_int(scan.get("n_files")) - len(objects_in(scan.get("files"))) + len(unread)
    if n:
        shown = ", ".join(unread[:3]) + (f" and {n - 3} more" if n > 3 else "")
        found.append(
            Point("unread", State.INFO, "Not opened", f"{shown}: the audit needs none of it")
        )
    return found + [
        Point(
            f"note-{at}", State.CAUTION, "To be checked", str(note).rstrip("."),
            "Compare with how the network was trained, and export it again where it differs.",
        )
        for at, note in enumerate(as_list(card.get("notes")), 1)
    ]  # fmt: skip


def _safe(card: Mapping[str, JsonValue]) -> Point:
    if card.get("format") == "endpoint":
        host = as_object(card.get("endpoint")).get("host")
        return Point(
            "contents", State.CAUTION, "Stays in this portal",
            f"nothing was handed in: audits send the prepared pictures to {host}",
        )  # fmt: skip
    if card.get("format") == "torchscript":
        return Point(
            "contents", State.CAUTION, "Safe to open",
            "it runs code of its own, behind namespaces, because an owner of the team allows it",
            "Export it as pt2: that is read as data, and can be looked into.",
        )  # fmt: skip
    members = as_list(card.get("members"))
    kind = f"Ensemble of {len(members)}" if members else str(card.get("format", "")).upper()
    return Point(
        "contents", State.PASS, "Safe to open",
        f"{kind}: tensors and known operations, no code, "
        "nothing outside the file",
    )  # fmt: skip


def _trial(card: Mapping[str, JsonValue]) -> list[Point]:
    smoke = as_object(card.get("smoke"))
    if not smoke:
        return [Point("trial", State.NOT_ASSESSED, "Trial run", "no trial run was recorded")]
    found = [
        Point(
            "shapes", State.PASS, "Shapes as declared",
            f"{smoke['cases']} cases of noise went through",
        ),
        Point("finite", State.PASS, "Finite outputs", "every number was finite")
        if smoke.get("finite")
        else Point(
            "finite", State.FAIL, "Finite outputs", "some outputs were no numbers",
            "Look for divisions by zero and for half precision in the export.",
        ),
    ]  # fmt: skip
    if "doubt" in smoke:
        found.append(_activation(smoke))
    return found


def _activation(smoke: JsonObject) -> Point:
    low, high = as_float(smoke.get("low")), as_float(smoke.get("high"))
    if smoke["doubt"]:
        return Point(
            "activation", State.CAUTION, "Activation plausible", str(smoke["doubt"]).rstrip("."),
            "A softmax of probabilities pulls all scores together and ruins their calibration.",
        )  # fmt: skip
    return Point(
        "activation", State.PASS, "Activation plausible",
        f"outputs from {low:.3g} to {high:.3g} on noise, as the declared kind has them",
    )  # fmt: skip


def repeats(card: Mapping[str, JsonValue]) -> list[Point]:
    """Same input, same output; whatever shares the batch, whichever runtime."""
    smoke = as_object(card.get("smoke"))
    if "deterministic" not in smoke:
        return []
    found = [_repeat(smoke)]
    if "batch_difference" in smoke:
        found.append(_batch(as_float(smoke["batch_difference"])))
    difference = card.get("program_difference")
    if isinstance(difference, float):
        found.append(
            Point(
                "runtimes", State.PASS if difference <= ROUNDING else State.CAUTION,
                "Two runtimes agree",
                f"onnxruntime and the inner form differ by at most {difference:.2g} of the largest "
                "output",
                "" if difference <= ROUNDING else "Saliency and dropout look into the inner form; "
                "read them with this difference in mind.",
            )
        )  # fmt: skip
    return found


def _repeat(smoke: JsonObject) -> Point:
    if smoke["deterministic"]:
        says = f"two runs, {smoke['cases']} cases: identical to the last bit"
        return Point("repeat", State.PASS, "Same input, same output", says)
    difference = as_float(smoke.get("repeat_difference"))
    return Point(
        "repeat", State.CAUTION if 0 < difference <= ROUNDING else State.FAIL,
        "Same input, same output",
        "two runs on the same cases gave different numbers"
        + (f", by up to {difference:.2g} of the largest" if difference else ""),
        "Look for random operations in the export, such as noise or dropout written by hand.",
    )  # fmt: skip


def _batch(difference: float) -> Point:
    title = "Batch-mates do not matter"
    if difference == 0:
        return Point(
            "batch-mates", State.PASS, title,
            "a case alone, or at another place of the batch, has the same output to the last bit",
        )  # fmt: skip
    says = f"alone, or at another place of the batch, outputs move by {difference:.2g} of the "
    if difference <= ROUNDING:
        return Point("batch-mates", State.PASS, title, says + "largest, which is rounding")
    return Point(
        "batch-mates", State.FAIL, title, says + "largest: a score depends on other cases",
        "Export it in evaluation mode: batch normalisation must use its stored statistics.",
    )  # fmt: skip


def _declared(card: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> list[Point]:
    output = as_object(manifest.get("output"))
    classes = ", ".join(str(name) for name in as_list(output.get("classes")))
    positive = " or ".join(str(name) for name in as_list(output.get("positive")))
    activation = f" ({output['activation']})" if output.get("activation") else ""
    thresholds = objects_in(manifest.get("operating_points"))
    named = ", ".join(f"{one['name']} at {one['threshold']:g}" for one in thresholds)
    thresholded = manifest.get("task") != "segmentation"  # a mask has no operating point
    found = [
        Point(
            "classes", State.INFO, "Classes as declared",
            f"{classes}, in this order, {output.get('kind')}{activation}; the finding is "
            f"{positive}. Nobody can tell from the file whether the order is right",
        ),
        Point("operating-point", State.INFO, "Operating point", f"declared: {named}")
        if named
        else Point(
            "operating-point", State.CAUTION, "Operating point", "none is declared: 0.5 is taken",
            "Declare the threshold it is used at under operating_points in model.yaml.",
        ),
        Point("intended-use", State.PASS, "Intended use", "stated by its author")
        if manifest.get("intended_use")
        else Point(
            "intended-use", State.CAUTION, "Intended use",
            "not stated: who may rely on it for what stays open",
            "Say it under intended_use in model.yaml.",
        ),
    ]  # fmt: skip
    return [one for one in found if thresholded or one.id != "operating-point"]


def as_object(value: JsonValue | None) -> JsonObject:
    """The object itself; {} for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: JsonValue | None) -> list[JsonValue]:
    """The list itself; [] for anything else."""
    return value if isinstance(value, list) else []


def as_int(value: JsonValue | None) -> int:
    """The whole number; 0 for anything else."""
    return value if isinstance(value, int) else 0


def as_float(value: JsonValue | None) -> float:
    """The number; 0 for anything else."""
    return float(value) if isinstance(value, int | float) else 0.0
