"""How a MONAI bundle asks its network, and what it makes of the answer, in words of model.yaml."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml.intake.bundle_config import Unread
from ml.intake.bundle_transforms import Translated, alone, is_number, short_name

_SLIDING = {"SlidingWindowInferer", "SlidingWindowInfererAdapt"}
# How much is computed at once and where, which does not change the answer.
_QUIET = {"_target_", "_disabled_", "_desc_", "sw_batch_size", "sw_device", "device", "progress",
          "cache_roi_weight_map", "cpu_thresh", "buffer_steps", "buffer_dim"}  # fmt: skip
_SAVING = {"SaveImage", "DeleteItems", "Identity", "EnsureType", "ToTensor"}


def read_inferer(value: object, dims: int) -> Translated:
    """The ``patch`` that a bundle's inferer amounts to; nothing where it takes whole images.

    Args:
        value: of the key ``inferer``, references resolved; None where there is none.
        dims: axes of an image, 2 or 3.
    """
    found = Translated()
    if value is None:
        return found
    said: Mapping[str, Any] = value if isinstance(value, dict) else {}
    name = str(said.get("_target_")).removeprefix("monai.inferers.")[:80]
    if name == "SimpleInferer":
        return found
    if name not in _SLIDING:
        found.problems.append(f"The inferer {name!r} has no words in model.yaml.")
        return found
    size = said.get("roi_size")
    size = [size] * dims if type(size) is int else size
    if not (isinstance(size, list) and len(size) == dims and all(
        type(side) is int and side > 0 for side in size
    )):  # fmt: skip
        found.problems.append(_without(name, "roi_size", size))
        return found
    overlap = said.get("overlap", 0.25)
    overlap = overlap[0] if isinstance(overlap, list) and len(set(map(str, overlap))) == 1 else (
        overlap
    )  # fmt: skip
    if not is_number(overlap) or not 0 <= float(str(overlap)) <= 0.9:
        found.problems.append(_without(name, "overlap", overlap))
    mode = said.get("mode", "constant")
    if mode not in ("constant", "gaussian"):
        found.problems.append(_without(name, "mode", mode))
    if said.get("sigma_scale", 0.125) != 0.125:
        found.problems.append(_without(name, "sigma_scale", said["sigma_scale"]))
    if said.get("padding_mode", "constant") != "constant" or said.get("cval", 0) != 0:
        found.notes.append(
            "The bundle pads images smaller than its patch by "
            f"padding_mode {str(said.get('padding_mode', 'constant'))[:40]!r}; here they are "
            "surrounded with zeros."
        )
    known = {"roi_size", "overlap", "mode", "sigma_scale", "padding_mode", "cval"}
    for key in sorted(set(said) - known - _QUIET):
        if said[key] not in (None, False):
            found.problems.append(_without(name, key[:40], said[key]))
    found.value = {"size": size, "overlap": overlap, "mode": mode}
    return found


def read_output(steps: Sequence[Mapping[str, Any]]) -> Translated:
    """``kind`` and ``activation`` of the ``output`` that a bundle's postprocessing amounts to."""
    found = Translated()
    for step in steps:
        name = short_name(step)
        if name == "Activations":
            _activation(step, found)
        else:
            found.notes.append(f"{name} of the postprocessing is not applied to scores.")
    if not found.value:
        found.problems.append("No Activations says whether the outputs are logits.")
    return found


def read_masks(steps: Sequence[Mapping[str, Any]]) -> Translated:
    """The same of a network that segments: what would change a mask is no note but a problem."""
    found = Translated()
    largest, inverted = False, False
    for step in steps:
        name = short_name(step)
        if name == "Activations":
            _activation(step, found)
        elif name == "AsDiscrete":
            largest |= _discrete(step, found)
            if inverted:
                found.notes.append(
                    "The bundle brings the network's answers to the grid of the image before it "
                    "takes the largest; here the mask is, by its nearest voxels: edges may differ."
                )
        elif name == "Invert":
            inverted = True
        elif name not in _SAVING:
            text = next((one.text for one in step.values() if isinstance(one, Unread)), "")
            with_it = f" (with {text[:100]!r})" if text else ""
            found.problems.append(
                f"{name}{with_it} of the postprocessing would change the mask, and is not done "
                "here: what is audited would be the network without it."
            )
    if largest and not found.value:
        found.value = {"kind": "logits", "activation": "softmax"}
        found.notes.append("The largest of the outputs is taken (argmax): they count as logits.")
    if not found.value:
        found.problems.append("No Activations and no argmax say what the outputs are.")
    return found


def _activation(step: Mapping[str, Any], found: Translated) -> None:
    kinds = [kind for kind in ("softmax", "sigmoid") if _flag(step.get(kind))]
    if len(kinds) == 1 and step.get("other") is None and "activation" not in found.value:
        found.value |= {"kind": "logits", "activation": kinds[0]}
    else:
        found.problems.append("Activations is not one softmax or one sigmoid.")


def _discrete(step: Mapping[str, Any], found: Translated) -> bool:
    """Whether it takes the largest; a threshold must be the one that is taken here."""
    if _flag(step.get("argmax")):
        if found.value.get("activation") == "sigmoid":
            found.problems.append("AsDiscrete: argmax of sigmoids has no words in model.yaml.")
        return True
    threshold = alone(step.get("threshold"))
    if not is_number(threshold) or float(str(threshold)) != 0.5 or (
        found.value.get("activation") != "sigmoid"
    ):  # fmt: skip
        found.problems.append(
            f"AsDiscrete: threshold {str(threshold)[:40]} of these outputs has no words in "
            "model.yaml, which knows 0.5 of a sigmoid."
        )
    else:
        found.notes.append(
            "Where several classes reach 0.5 at one voxel, it belongs to the largest here; the "
            "bundle leaves it to all of them."
        )
    return False


def _without(name: str, key: str, value: object) -> str:
    said = value.text if isinstance(value, Unread) else value
    return f"{name}: {key} {str(said)[:60]!r} has no words in model.yaml."


def _flag(value: object) -> bool:
    """One flag, or a list of flags for several keys of which the first is the prediction's."""
    return bool(value[0]) if isinstance(value, list) and value else value is True
