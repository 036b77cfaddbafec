"""Whether a model can give several answers to a case: read off its manifest and its card."""

from collections.abc import Mapping
from typing import cast

from ml.estimate import JsonObject, JsonValue
from ml.intake.model_manifest import ENSEMBLE
from ml.protocol import DEFAULT_DROPOUT_SAMPLES, Protocol

DROPOUT, MEMBERS = "dropout", "members"
_ENSEMBLE_WAY = "Several trainings of it can be handed in as one model ('format: ensemble')"
OTHER_WAYS = f"{_ENSEMBLE_WAY}, or predictions with a column 'member' or 'sample'."
OTHER_WAYS_OF_MASKS = f"{_ENSEMBLE_WAY}."
_CLOSED = {
    "endpoint": "The model stays at its address, where it gives one answer to a case.",
    "torchscript": "TorchScript is run as a black box, so no dropout of it can be switched on.",
}
ONE_MASK = (
    "The predictions hold one mask for each case, and several of one case are not read. Hand in "
    "the model itself: an ensemble, or a network with dropout."
)
ONE_ANSWER = (
    "The table has one prediction for each case. A column 'member' or 'sample' holds several: "
    "of an ensemble's members, or of a network's dropout."
)


def samples_params(
    protocol: Protocol, manifest: Mapping[str, JsonValue], card: Mapping[str, JsonValue]
) -> JsonObject | None:
    """What the samples pass of a model is run with; None where it cannot be sampled.

    Args:
        protocol: gives seed and number of samples of dropout; neither touches an ensemble.
        manifest: the model's, normalised.
        card: what intake read of it.
    """
    if why_no_samples(manifest, card):
        return None
    of_masks: JsonObject = {}
    if manifest.get("task") == "segmentation":
        output = cast(JsonObject, manifest["output"])
        of_masks["structures"] = len(cast(list[str], output["positive"]))
    if manifest["format"] == ENSEMBLE:
        return {"kind": MEMBERS, "samples": len(cast(list[str], manifest["members"])), **of_masks}
    return {"kind": DROPOUT, "samples": protocol.dropout_samples, "seed": protocol.seed, **of_masks}


def why_no_samples(manifest: Mapping[str, JsonValue], card: Mapping[str, JsonValue]) -> str:
    """Why a model gives one answer to a case and no more, and the way out; "" if it gives more."""
    if manifest["format"] == ENSEMBLE:
        return ""
    others = OTHER_WAYS_OF_MASKS if manifest.get("task") == "segmentation" else OTHER_WAYS
    if manifest["format"] in _CLOSED:  # whether there is dropout inside, nobody can see
        return f"{_CLOSED[str(manifest['format'])]} {others}"
    tried = card.get("sampling")
    if isinstance(tried, dict):
        return "" if tried["works"] else f"{tried['reason']} {others}"
    if not card.get("has_dropout"):
        lost = (
            " An ONNX export of a network at rest has lost its dropout; docs/formats.md says how "
            "to keep it."
            if manifest["format"] == "onnx"
            else ""
        )
        return f"The network has no dropout, and is one network alone.{lost} {others}"
    if manifest.get("dropout") is None:
        return (
            "The network has dropout, and model.yaml does not say that it may be switched on. "
            "Write 'dropout: allowed' there and hand it in as a new version."
        )
    return "It was handed in before its dropout could be sampled. Hand it in as a new version."


def seconds_of_samples(count: int, card: Mapping[str, JsonValue]) -> float:
    """How long so many samples of one case take, as the trial run at intake took for them.

    Args:
        count: of dropout; the members of an ensemble are as many as they are.
    """
    tried = card.get("sampling")
    if isinstance(tried, dict):  # 30 samples of dropout were tried
        seconds = cast(float, tried.get("seconds_per_case", 0.0))
        return seconds * count / DEFAULT_DROPOUT_SAMPLES
    smoke = card.get("smoke")  # of an ensemble: all members once
    return cast(float, smoke["seconds_per_case"]) if isinstance(smoke, dict) else 0.0
