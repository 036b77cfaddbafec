"""What a MONAI bundle does before and after its network, said in the words of model.yaml.

Nothing is guessed: a transform that the manifest has no word for becomes a sentence, and the model
is taken only with a model.yaml that declares its input or output itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.intake.bundle_config import Unread

SILENT = {
    "EnsureChannelFirst", "AddChannel", "EnsureType", "ToTensor", "CastToType", "Identity",
}  # fmt: skip
# The one type of numbers that networks are given here, as configurations write it.
_FLOATS = {
    None, "float32", "$torch.float32", "$torch.float", "$np.float32", "$numpy.float32",
}  # fmt: skip
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
        if name == "AsChannelFirst" and colour == "rgb":  # of a grey picture it would take a side
            continue
        take(reader, name, step, _WORDS, found)
    if found.axes is None:
        found.problems.append("No LoadImage says which axis of a picture comes first.")
    if "size" in found.value and found.axes == "xy":
        found.value["size"] = found.value["size"][::-1]
    if reader.intensity:
        found.value["intensity"] = reader.intensity
    return found


def take(
    reader: object, name: str, step: Mapping[str, Any], words: Mapping[str, str], found: Translated
) -> None:
    """Have the reader take a transform, or say why nobody can."""
    unread = [one.text for key, one in step.items() if isinstance(one, Unread) and key != "device"]
    if name in SILENT:
        dtype = step.get("dtype")
        dtype = dtype.text if isinstance(dtype, Unread) else dtype
        if not isinstance(dtype, str | None) or dtype not in _FLOATS:
            found.problems.append(f"{name}: dtype {str(dtype)[:60]!r} has no words in model.yaml.")
        return
    act = getattr(reader, f"take_{words.get(name, '')}", None)
    if unread and name in words:
        found.problems.append(
            f"{name}: the expression {unread[0][:100]!r} is not evaluated here."
        )  # fmt: skip
    elif act is None:
        with_it = f" (with {unread[0][:100]!r})" if unread else ""
        found.problems.append(f"{name}{with_it} has no words in model.yaml{_why(name)}.")
    else:
        act(step)


# What whole families of transforms do that no word of model.yaml asks for.
_WHY = {
    "CropForeground": "it cuts each image to where it is not empty",
    **dict.fromkeys(
        ("DivisiblePad", "SpatialPad", "BorderPad", "ResizeWithPadOrCrop"),
        "it adds borders to the image",
    ),
    **dict.fromkeys(
        ("CenterSpatialCrop", "SpatialCrop", "CenterScaleCrop"), "it cuts borders off"
    ),
    **dict.fromkeys(
        ("ScaleIntensityRangePercentiles", "ClipIntensityPercentiles", "HistogramNormalize"),
        "it goes by each image's own distribution of values",
    ),
    **dict.fromkeys(("ConcatItems", "SplitDim"), "an image is one file here"),
}  # fmt: skip


def _why(name: str) -> str:
    return f": {_WHY[name]}" if name in _WHY else ""


_WORDS = {
    "LoadImage": "load", "Resize": "resize", "ScaleIntensity": "scale",
    "ScaleIntensityRange": "range", "NormalizeIntensity": "normalise", "Spacing": "volume",
    "Orientation": "volume",
}  # fmt: skip
_KNOWN = {
    *_WORDS, *SILENT, *_WHY, "AsChannelFirst", "Compose", "Activations", "AsDiscrete", "Invert",
    "SaveImage", "DeleteItems", "KeepLargestConnectedComponent", "RemoveSmallObjects", "FillHoles",
    "Lambda",
}  # fmt: skip


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
        mode = alone(step.get("mode", "area"))
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
        if step.get("minv", 0.0) is None and step.get("maxv", 1.0) is None and is_number(factor):
            self._linear(step, 1 + float(str(factor)), 0.0)
        else:
            self._cannot(step, OWN_RANGE)

    def take_range(self, step: Mapping[str, Any]) -> None:
        low, high = step.get("a_min"), step.get("a_max")
        to_low, to_high = step.get("b_min"), step.get("b_max")
        if not all(map(is_number, (low, high, to_low, to_high))):
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
            self._cannot(step, own_statistics(step))
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
        self.found.problems.append(cannot(step, what))


def cannot(step: Mapping[str, Any], what: str) -> str:
    return f"{short_name(step)}: {what} has no words in model.yaml."


def alone(value: Any) -> Any:
    """Of a value for each key, that of the first, which is the image."""
    return value[0] if isinstance(value, list) and value else value


OWN_RANGE = "that each image is scaled by its own lowest and highest value"


def own_statistics(step: Mapping[str, Any]) -> str:
    keys = [f"{key}: true" for key in ("nonzero", "channel_wise") if step.get(key) is True]
    with_them = f" ({', '.join(keys)})" if keys else ""
    return f"that each image is normalised by its own statistics{with_them}"


def is_number(value: object) -> bool:
    return type(value) in (int, float)


def _are_numbers(value: object) -> bool:
    return is_number(value) or (
        isinstance(value, list) and bool(value) and all(map(is_number, value))
    )
