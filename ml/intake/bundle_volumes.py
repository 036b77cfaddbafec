"""What a MONAI bundle does with a volume before its network, said in the words of model.yaml.

A volume is turned, resampled, cut to a window, resized and scaled, in this order (see
``ml.imaging.prepare``). A bundle may say it in another order where that gives the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.imaging.declared import AXES
from ml.intake.bundle_transforms import (
    OWN_RANGE,
    Translated,
    alone,
    cannot,
    is_number,
    own_statistics,
    short_name,
    take,
)

_ABOUT = {"_target_", "_disabled_", "_desc_", "keys", "allow_missing_keys", "lazy"}
_LOAD = {"image_only", "ensure_channel_first", "reader", "dtype", "meta_keys", "meta_key_postfix",
         "simple_keys", "overwriting"}  # fmt: skip
# Both give the file's values with x first, whatever their spelling.
_READERS = {"nibabelreader", "itkreader"}
_SPACING = {"pixdim", "mode", "padding_mode", "align_corners", "dtype", "diagonal", "scale_extent",
            "recompute_affine", "min_pixdim", "max_pixdim"}  # fmt: skip
_RESIZE = {"spatial_size", "mode", "size_mode", "align_corners", "anti_aliasing",
           "anti_aliasing_sigma", "dtype"}  # fmt: skip
_MODES = {"bilinear": "bilinear", "trilinear": "bilinear", "nearest": "nearest"}
_WORDS = {
    "LoadImage": "load", "Orientation": "orientation", "Spacing": "spacing", "Resize": "resize",
    "ScaleIntensity": "scale", "ScaleIntensityRange": "range", "NormalizeIntensity": "normalise",
}  # fmt: skip


def read_volume(steps: Sequence[Mapping[str, Any]], channels: object) -> Translated:
    """The ``input`` that a bundle's preprocessing amounts to, for volumes.

    Args:
        steps: the transforms in order, references resolved.
        channels: of the network's input, as metadata.json says.
    """
    found = Translated({"dims": 3})
    reader = _Reader(found)
    if channels != 1:
        found.problems.append(
            f"Volumes of {str(channels)[:20]} channels cannot be given: one file is one channel."
        )
    for step in steps:
        take(reader, short_name(step), step, _WORDS, found)
    if "orientation" not in found.value:
        found.problems.append(
            "No Orientation says where the axes run to: the network would get each file's own."
        )
    found.value |= reader.said()
    return found


@dataclass
class _Reader:
    """Values become ``(x - mean) / std`` of what a window has left of them."""

    found: Translated
    window: list[float] | None = None
    mean: float = 0.0
    std: float = 1.0
    modes: list[str] = field(default_factory=list)

    def said(self) -> dict[str, Any]:
        intensity: dict[str, Any] = {"window": self.window} if self.window else {}
        if (self.mean, self.std) != (0.0, 1.0):
            intensity |= {"mean": self.mean, "std": self.std}
        return ({"intensity": intensity} if intensity else {}) | (
            {"resize": {"mode": self.modes[0]}} if self.modes else {}
        )

    def take_load(self, step: Mapping[str, Any]) -> None:
        reader = step.get("reader")
        named = reader is None or (isinstance(reader, str) and reader.lower() in _READERS)
        if not named:
            self._cannot(step, f"its reader {str(reader)[:40]!r}")
        self._plain(step, _LOAD)

    def take_orientation(self, step: Mapping[str, Any]) -> None:
        axes = "RAS" if step.get("as_closest_canonical") is True else step.get("axcodes")
        known = {"axcodes", "as_closest_canonical", "labels"}
        axes = "".join(axes) if isinstance(axes, list) and all(
            isinstance(one, str) for one in axes
        ) else axes  # fmt: skip
        ways = [[at for at, two in enumerate(AXES) if sign in two] for sign in str(axes)]
        if not isinstance(axes, str) or sorted(ways) != [[0], [1], [2]]:
            self._cannot(step, f"axcodes {str(axes)[:40]!r}")
        elif step.get("labels") not in (None, [["L", "R"], ["P", "A"], ["I", "S"]]):
            self._cannot(step, "labels of its own")
        elif self._gridded() or "orientation" in self.found.value:
            self._cannot(step, "its place behind Spacing, Resize or another Orientation")
        else:
            self.found.value["orientation"] = axes
        self._plain(step, known)

    def take_spacing(self, step: Mapping[str, Any]) -> None:
        given = step.get("pixdim")
        given = given if isinstance(given, list) else [given]
        pixdim = [*given, *given[-1:] * (3 - len(given))][:3]  # shorter ones repeat their last
        if not all(is_number(one) and one > 0 for one in pixdim):
            self._cannot(step, f"pixdim {str(step.get('pixdim'))[:40]}")
            return
        if self._gridded() or "orientation" not in self.found.value:
            self._cannot(step, "its place before Orientation, or behind Resize or another Spacing")
        if self.window:
            self._cannot(step, "its place behind values that were cut off")
        for key in ("diagonal", "scale_extent", "align_corners", "min_pixdim", "max_pixdim"):
            if alone(step.get(key)) not in (None, False):
                self._cannot(step, f"{key} {str(step[key])[:40]}")
        if alone(step.get("padding_mode", "border")) not in (None, "border"):
            self._cannot(step, f"padding_mode {str(step['padding_mode'])[:40]!r}")
        self._interpolated(step, "bilinear", {"bilinear", "nearest"})
        self.found.value["spacing_mm"] = [float(one) for one in pixdim]
        self._plain(step, _SPACING)

    def take_resize(self, step: Mapping[str, Any]) -> None:
        size = step.get("spatial_size")
        size = [size] * 3 if type(size) is int else size
        if not (isinstance(size, list) and len(size) == 3 and all(
            type(side) is int and side > 0 for side in size
        )):  # fmt: skip
            self._cannot(step, f"spatial_size {str(size)[:40]}")
            return
        if "size" in self.found.value:
            self._cannot(step, "its place behind another Resize")
        for key in ("align_corners", "anti_aliasing"):
            if alone(step.get(key)) not in (None, False):
                self._cannot(step, f"{key} {str(step[key])[:40]}")
        if step.get("size_mode", "all") != "all":
            self._cannot(step, f"size_mode {str(step['size_mode'])[:40]!r}")
        self._interpolated(step, "area", {"trilinear", "nearest"})
        self.found.value["size"] = size
        self._plain(step, _RESIZE)

    def take_range(self, step: Mapping[str, Any]) -> None:
        low, high = step.get("a_min"), step.get("a_max")
        to_low, to_high, cut = step.get("b_min"), step.get("b_max"), step.get("clip", False)
        if to_low is None and to_high is None and cut is False:
            to_low, to_high = 0.0, 1.0
        if not all(map(is_number, (low, high, to_low, to_high))) or type(cut) is not bool:
            self._cannot(step, "its range")
            return
        low, high, to_low, to_high = (float(str(one)) for one in (low, high, to_low, to_high))
        if low >= high or to_low >= to_high:
            self._cannot(step, "its range")
        elif not cut:
            self._linear((high - low) / (to_high - to_low), low, to_low)
        elif self.window or (self.mean, self.std) != (0.0, 1.0) or "size" in self.found.value:
            self._cannot(step, "a range that is cut off behind Resize or another scaling")
        else:
            self.window = [low, high]
            self._linear(1 / (to_high - to_low), 0.0, to_low)

    def take_scale(self, step: Mapping[str, Any]) -> None:
        factor = step.get("factor")
        plain = step.get("minv", 0.0) is None and step.get("maxv", 1.0) is None
        if not plain or not is_number(factor):
            self._cannot(step, OWN_RANGE)
        elif float(str(factor)) <= -1:
            self._cannot(step, f"factor {factor}")
        else:
            self._linear(1 / (1 + float(str(factor))), 0.0, 0.0)

    def take_normalise(self, step: Mapping[str, Any]) -> None:
        mean, std = alone(step.get("subtrahend")), alone(step.get("divisor"))
        if not is_number(mean) or not is_number(std) or step.get("nonzero"):
            self._cannot(step, own_statistics(step))
        elif std <= 0:
            self._cannot(step, f"divisor {std}")
        else:
            self._linear(float(std), float(mean), 0.0)

    def _linear(self, std: float, mean: float, plus: float) -> None:
        """``(value - mean) / std + plus``, behind what there is."""
        self.mean += self.std * (mean - std * plus)
        self.std *= std

    def _gridded(self) -> bool:
        return "spacing_mm" in self.found.value or "size" in self.found.value

    def _interpolated(self, step: Mapping[str, Any], default: str, known: set[str]) -> None:
        mode = alone(step.get("mode", default))
        if not isinstance(mode, str) or mode not in known:
            self._cannot(step, f"mode {str(mode)[:40]!r}")
        elif self.modes and self.modes[0] != _MODES[mode]:
            self._cannot(step, f"mode {mode!r} behind another one")
        else:
            self.modes.append(_MODES[mode])

    def _plain(self, step: Mapping[str, Any], known: set[str]) -> None:
        for key in sorted(set(step) - known - _ABOUT):
            self._cannot(step, f"its option {key[:40]!r}")
        if step.get("lazy") is True:
            self._cannot(step, "lazy evaluation, which joins it with others,")

    def _cannot(self, step: Mapping[str, Any], what: str) -> None:
        self.found.problems.append(cannot(step, what))
