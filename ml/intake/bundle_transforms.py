"""What a MONAI bundle does before and after its network, said in the words of model.yaml.

Nothing is guessed: a transform that the manifest has no word for becomes a sentence, and the model
is taken only with a model.yaml that declares its input or output itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PREFIXES = ("monai.transforms.", "")
_SILENT = {"EnsureChannelFirst", "EnsureType", "ToTensor", "CastToType", "Identity"}
_MODES = {"bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest"}
_COLOURS = {1: "gray", 3: "rgb"}


@dataclass
class Translated:
    """What could be said, and what could not.

    Attributes:
        value: as ``input`` or ``output`` of model.yaml.
        axes: "xy" where the network sees x before y, as MONAI's readers put them; None: not told.
        problems: sentences on what model.yaml has no words for.
        notes: sentences on what was understood, for people to check.
    """

    value: dict[str, Any] = field(default_factory=dict)
    axes: str | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def steps_of(value: Any) -> list[dict[str, Any]] | None:
    """The transforms of a Compose, or of a plain list; None where it is neither."""
    if isinstance(value, dict) and short_name(value) == "Compose":
        value = value.get("transforms")
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return [one for one in value if one.get("_disabled_") is not True]
    return None


def short_name(step: Mapping[str, Any]) -> str:
    """ "ScaleIntensity" of a transform, in its plain form or that for dictionaries."""
    target = step.get("_target_")
    if not isinstance(target, str):
        return "?"
    name = target.removeprefix("monai.transforms.")
    for ending in ("Dict", "d", "D"):
        bare = name.removesuffix(ending)
        if bare != name and bare in _KNOWN:
            return bare
    return name[:80]


def read_input(steps: Sequence[Mapping[str, Any]], channels: object) -> Translated:
    """The ``input`` that a bundle's preprocessing amounts to, for single pictures.

    Args:
        steps: the transforms in order, references resolved.
        channels: of the network's input, as metadata.json says.
    """
    found = Translated()
    reader = _Reader(found)
    colour = _COLOURS.get(channels) if isinstance(channels, int) else None
    if colour is None:
        found.problems.append(
            f"Pictures of {str(channels)[:20]} channels are neither gray nor rgb."
        )
    else:
        found.value["colour"] = colour
    for step in steps:
        name = short_name(step)
        act = getattr(reader, f"take_{_WORDS.get(name, '')}", None)
        if name in _SILENT:
            continue
        if act is None:
            found.problems.append(f"{name} has no words in model.yaml.")
        else:
            act(step)
    if found.axes is None:
        found.problems.append("No LoadImage says which axis of a picture comes first.")
    if "size" not in found.value:
        found.problems.append("No Resize says which size the network takes.")
    elif found.axes == "xy":
        found.value["size"] = found.value["size"][::-1]
    if reader.intensity:
        found.value["intensity"] = reader.intensity
    return found


def read_output(steps: Sequence[Mapping[str, Any]]) -> Translated:
    """``kind`` and ``activation`` of the ``output`` that a bundle's postprocessing amounts to."""
    found = Translated()
    for step in steps:
        name = short_name(step)
        if name != "Activations":
            found.notes.append(f"{name} of the postprocessing is not applied to scores.")
            continue
        kinds = [kind for kind in ("softmax", "sigmoid") if _flag(step.get(kind))]
        if len(kinds) == 1 and step.get("other") is None and "activation" not in found.value:
            found.value |= {"kind": "logits", "activation": kinds[0]}
        else:
            found.problems.append("Activations is not one softmax or one sigmoid.")
    if not found.value:
        found.problems.append("No Activations says whether the outputs are logits.")
    return found


_WORDS = {
    "LoadImage": "load", "Resize": "resize", "ScaleIntensity": "scale",
    "ScaleIntensityRange": "range", "NormalizeIntensity": "normalise", "Spacing": "volume",
    "Orientation": "volume",
}  # fmt: skip
_KNOWN = {*_WORDS, *_SILENT, "Compose", "Activations", "AsDiscrete"}


@dataclass
class _Reader:
    found: Translated
    intensity: dict[str, Any] = field(default_factory=dict)

    def take_load(self, step: Mapping[str, Any]) -> None:
        known = {"_target_", "keys", "image_only", "ensure_channel_first", "reverse_indexing",
                 "reader", "dtype", "allow_missing_keys", "converter"}  # fmt: skip
        turned = step.get("reverse_indexing", True)
        if set(step) - known or not isinstance(turned, bool) or step.get("converter") is not None:
            self._cannot(step, "its options")
            return
        if step.get("reader") not in (None, "PILReader", "pilreader"):
            self._cannot(step, f"its reader {str(step.get('reader'))[:40]!r}")
            return
        self.found.axes = "xy" if turned else "yx"
        if turned:
            self.found.notes.append(
                "MONAI's reader puts x before y: the network gets pictures turned so."
            )

    def take_resize(self, step: Mapping[str, Any]) -> None:
        size = step.get("spatial_size")
        size = [size, size] if type(size) is int else size
        mode = step.get("mode", "area")
        if not (isinstance(size, list) and len(size) == 2 and all(
            type(side) is int and side > 0 for side in size
        )):  # fmt: skip
            self._cannot(step, "its size")
            return
        if "size" in self.found.value:
            self._cannot(step, "that it is the second")
        self.found.value["size"] = size
        plain = not step.get("anti_aliasing") and not step.get("align_corners")
        if not (isinstance(mode, str) and mode in _MODES and plain) or (
            step.get("size_mode", "all") != "all"
        ):
            self._cannot(step, f"its mode {str(mode)[:40]!r} with its options")
            return
        self.found.value["resize"] = {"mode": _MODES[mode], "antialias": "none"}

    def take_scale(self, step: Mapping[str, Any]) -> None:
        factor = step.get("factor")
        if step.get("minv", 0.0) is None and step.get("maxv", 1.0) is None and _is_number(factor):
            self._linear(step, 1 + float(str(factor)), 0.0)
        else:
            self._cannot(step, "that each picture is scaled by its own lowest and highest value")

    def take_range(self, step: Mapping[str, Any]) -> None:
        low, high = step.get("a_min"), step.get("a_max")
        to_low, to_high = step.get("b_min"), step.get("b_max")
        if not all(map(_is_number, (low, high, to_low, to_high))):
            self._cannot(step, "its range")
            return
        low, high, to_low, to_high = (float(str(one)) for one in (low, high, to_low, to_high))
        if low >= high or to_low >= to_high or self.intensity:
            self._cannot(step, "its range, or its place behind another")
            return
        if (low, high) == (0.0, 255.0):  # of 8 bits: no value is outside
            self.intensity["scale"] = 255.0
            self.found.notes.append("Values are taken as 8 bits: 0 to 255.")
        elif step.get("clip") is True and "size" not in self.found.value:
            self.intensity["window"] = [low, high]
        else:
            self._cannot(step, "a range that is not cut off, or only after resizing")
            return
        if (to_low, to_high) != (0.0, 1.0):
            self.intensity["mean"] = -to_low / (to_high - to_low)
            self.intensity["std"] = 1 / (to_high - to_low)

    def take_normalise(self, step: Mapping[str, Any]) -> None:
        mean, std = step.get("subtrahend"), step.get("divisor")
        if not _are_numbers(mean) or not _are_numbers(std) or step.get("nonzero"):
            self._cannot(step, "that each picture is normalised by its own statistics")
            return
        if "mean" in self.intensity or "std" in self.intensity:
            self._cannot(step, "its place behind another")
            return
        self.intensity |= {"mean": mean, "std": std}

    def take_volume(self, step: Mapping[str, Any]) -> None:
        self._cannot(step, "a grid of millimetres, which single pictures do not have")

    def _linear(self, step: Mapping[str, Any], times: float, plus: float) -> None:
        if self.intensity or times <= 0:
            self._cannot(step, "its place behind another")
        else:
            self.intensity["scale"] = 1 / times

    def _cannot(self, step: Mapping[str, Any], what: str) -> None:
        self.found.problems.append(f"{short_name(step)}: {what} has no words in model.yaml.")


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _are_numbers(value: object) -> bool:
    return _is_number(value) or (
        isinstance(value, list) and bool(value) and all(map(_is_number, value))
    )


def _flag(value: object) -> bool:
    """One flag, or a list of flags for several keys of which the first is the prediction's."""
    return bool(value[0]) if isinstance(value, list) and value else value is True
