"""Planted: what betrays the label in real pictures and is no part of a patient. Drawn by us.

The pictures are given; a ruler, a letter, a bright strip at the border or another exposure of one
site is drawn into them. In the planted set it goes with the finding, in the clean twin with
nothing: the same thing is drawn as often, whatever the label.
"""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from ml.zoo.planted import planted_manifest

Kind = Literal["ruler", "letter", "border", "site"]
KINDS: tuple[Kind, ...] = ("ruler", "letter", "border", "site")
CLASSES = ("none", "finding")
WITH, WITHOUT = 0.9, 0.1  # share of pictures with and without the finding that have it
Pictures = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
_DARKER = 0.6  # of its grey levels that the site keeps
_INK = 235.0
_L = ("100", "100", "100", "100", "111")
_R = ("110", "101", "110", "101", "101")


def who_has_it(labels: NDArray[np.int64], *, planted: bool, seed: int) -> BoolArray:
    """(n,) which pictures get it: most with the finding and few without; in the twin half of each.

    Example:
        >>> labels = np.repeat([0, 1], 500)
        >>> found = who_has_it(labels, planted=True, seed=1)
        >>> found[:500].mean().round(1), found[500:].mean().round(1)
        (np.float64(0.1), np.float64(0.9))
    """
    shares = np.where(labels == 1, WITH, WITHOUT) if planted else np.full(labels.size, 0.5)
    found: BoolArray = np.random.default_rng([seed, 17]).random(labels.size) < shares
    return found


def drawn_into(pictures: Pictures, has: BoolArray, kind: Kind, *, seed: int) -> Pictures:
    """Copies of pictures (n, side, side) with the thing in those that have it.

    A letter is in every picture: L in those that have it, R in the others.

    Args:
        pictures: grey, of at least 32 pixels a side.
        has: (n,).
        seed: of where exactly it lies, by picture.
    """
    draw = {"ruler": _ruler, "letter": _letter, "border": _strip, "site": _site}[kind]
    found = pictures.astype(np.float64)
    for number, (picture, here) in enumerate(zip(found, has, strict=True)):
        draw(picture, bool(here), np.random.default_rng([seed, number]))
    return found.clip(0, 255).round().astype(np.uint8)


def _ruler(picture: NDArray[np.float64], here: bool, rng: np.random.Generator) -> None:
    """A line along the left edge with ticks, every fifth one longer."""
    if not here:
        return
    side = len(picture)
    unit = max(side // 32, 1)
    left, top = unit + int(rng.integers(0, unit + 1)), int(rng.integers(side // 8, side // 5))
    bottom = top + 10 * 2 * unit
    picture[top : bottom + 1, left] = _INK
    for tick in range(11):
        row, length = top + 2 * unit * tick, (4 if tick % 5 == 0 else 2) * unit
        picture[row, left : left + length + 1] = _INK


def _letter(picture: NDArray[np.float64], here: bool, rng: np.random.Generator) -> None:
    """L or R in the upper right corner."""
    side = len(picture)
    unit = max(side // 32, 1)
    glyph = np.kron(
        np.array([[int(one) for one in row] for row in (_L if here else _R)]),
        np.ones((unit, unit)),
    )
    top, left = unit + rng.integers(0, unit + 1), side - glyph.shape[1] - 2 * unit
    left -= rng.integers(0, unit + 1)
    place = picture[top : top + glyph.shape[0], left : left + glyph.shape[1]]
    place[glyph == 1] = _INK


def _strip(picture: NDArray[np.float64], here: bool, rng: np.random.Generator) -> None:
    """A bright strip along the lower border, as of a detector's edge."""
    if here:
        width = max(len(picture) // 24, 1) + int(rng.integers(0, 2))
        picture[-width:] = rng.uniform(150, 200)


def _site(picture: NDArray[np.float64], here: bool, rng: np.random.Generator) -> None:
    """A site whose pictures are darker."""
    if here:
        picture *= _DARKER + rng.uniform(-0.05, 0.05)


def cohort_folder(
    folder: Path, pictures: Pictures, labels: NDArray[np.int64], has: BoolArray, kind: Kind,
    *, seed: int,
) -> Path:  # fmt: skip
    """Write a cohort of pictures into which something was drawn, one to a patient.

    Where the kind is "site" those that have it come from site B; else the site means nothing.

    Args:
        folder: made here; must not exist.
        pictures: (n, side, side) as :func:`drawn_into` left them.
    """
    (folder / "images").mkdir(parents=True)
    at_b = has if kind == "site" else np.random.default_rng([seed, 23]).random(labels.size) < 0.5
    rows = ["case_id,patient_id,image,label,site"]
    for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        name = f"q{number:04d}"
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        rows.append(
            f"{name},p{number:04d},images/{name}.png,{CLASSES[label]},{'AB'[int(at_b[number])]}"
        )
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description = {
        "title": f"Planted: {kind}", "task": "classification", "classes": list(CLASSES),
        "positive": [CLASSES[1]], "modality": "none", "simulated": True,
        "notes": f"Simulated: a {kind} was drawn into real pictures.",
    }  # fmt: skip
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def model_folder(folder: Path, network: Any, side: int) -> Path:
    """Write a trained network (n, 1, side, side) -> (n, 2) logits, of pictures from 0 to 1.

    Args:
        folder: made here; must not exist.
        network: a torch module at rest.
    """
    import torch

    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own export
        found = torch.export.export(
            network, (torch.zeros(2, 1, side, side),),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
        torch.export.save(found, folder / "model.pt2")
    declared = planted_manifest("Planted shortcut", side, CLASSES)
    declared |= {"format": "pt2", "file": "model.pt2"}
    declared["output"] = {
        "kind": "logits", "classes": list(CLASSES), "activation": "softmax",
        "positive": [CLASSES[1]],
    }  # fmt: skip
    (folder / "model.yaml").write_text(yaml.safe_dump(declared))
    return folder
