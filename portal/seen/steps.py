"""The steps of what a model saw, as its page shows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from ml.imaging.seen import POSITIONS
from ml.imaging.steps import of_cut, of_numbers, of_resize
from ml.intake.model_manifest import ModelManifest
from portal.seen.models import Seen
from portal.ui import numbers

_SIGNED = re.compile(r"(?<=\s)-(?=\d)")
TITLES = {
    "decode": "Decoded",
    "8 bits": "Brought to 8 bits",
    "colour": "Colour",
    "window": "Window",
    "clip": "Clip",
    "orientation": "Orientation",
    "spacing": "Spacing",
    "resize": "Resized",
    "intensity": "Intensity",
    "layout": "What the network is given",
}


@dataclass(frozen=True)
class Row:
    """One step: its title, what it did, its numbers, and the address of its picture."""

    title: str
    says: str
    shape: str
    dtype: str
    low: str
    high: str
    mean: str
    picture: str
    pattern: str  # of the addresses of its pictures: the position stands in place of AT
    alt: str


def rows(seen: Seen, at: int) -> list[Row]:
    return [_row(seen, number, step, at) for number, step in enumerate(seen.steps)]


def positions(seen: Seen) -> int:
    """How many pictures each step has: one, or the places at which a volume is cut."""
    return len(seen.steps[0]["pictures"]) if seen.steps else 0


def position(wanted: str) -> int:
    """The place that an address asks for, counted from 0; the middle, where it asks for none.

    >>> position("1"), position("9"), position("10"), position("")
    (0, 8, 4, 4)
    """
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 3 else 0
    return number - 1 if 1 <= number <= POSITIONS else POSITIONS // 2


def _row(seen: Seen, number: int, step: Mapping[str, Any], at: int) -> Row:
    name = str(step["name"])
    title, shape = TITLES.get(name, name.capitalize()), " × ".join(map(str, step["shape"]))
    low, high, mean = (number_text(step[key]) for key in ("low", "high", "mean"))
    n = len(step["pictures"])
    first = reverse("seen:picture", args=[seen.version.model.team.slug, seen.pk, number, 0])
    return Row(
        title=title,
        says=_printed(step["says"]),
        shape=shape,
        dtype=step["dtype"],
        low=low,
        high=high,
        mean=mean,
        picture=_address(first, min(at, n - 1)),
        pattern=_address(first, "AT") if n > 1 else "",
        alt=f"{title}: {shape} values from {low} to {high}",
    )


def _address(first: str, at: int | str) -> str:
    return f"{first.removesuffix('0/')}{at}/"


def number_text(value: float) -> str:
    """Four digits at most: these are read beside each other, not computed with.

    >>> [number_text(x) for x in (255.0, -1024.0, 0.123456, -2.1179039, 0.0, 1e-9, 30123.4)]
    ['255', '−1024', '0.1235', '−2.118', '0', '1e−09', '30123']
    """
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", numbers.MINUS)


def declared(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The input of a manifest as names and words, in the order in which it is carried out."""
    fields = ModelManifest.model_fields["input"].annotation
    assert fields is not None
    read = fields.model_validate(given)
    cut = read.intensity.window or read.intensity.clip
    found = [
        ("Takes", "volumes" if read.dims == 3 else "pictures"),
        ("Colour", "three colours" if read.colour == "rgb" else "gray"),
        ("Window" if read.intensity.window else "Clip", of_cut(read.intensity) if cut else ""),
        ("Orientation", read.axes if read.dims == 3 else ""),
        ("Spacing", " × ".join(f"{mm:g}" for mm in read.spacing_mm or ())),
        ("Size", of_resize(read.size, read.resize) if read.size else "as large as it comes"),
        ("Intensity", of_numbers(read.intensity) or "as it is"),
    ]
    return [(name, _printed(says)) for name, says in found if says]


def _printed(says: str) -> str:
    """
    >>> _printed("the file's own, to 2 x 3, from -1 up")
    'the file’s own, to 2 × 3, from −1 up'
    """
    return _SIGNED.sub(numbers.MINUS, says.replace("'", "’")).replace(" x ", " × ")
