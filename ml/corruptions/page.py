"""The page of docs/ on corruptions, and its pictures: made from the registry."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ml.corruptions.gallery import gallery
from ml.corruptions.modality import CODES, GENERIC, PACKS
from ml.corruptions.registry import SEVERITIES, Corruption, FloatArray, pack
from ml.corruptions.space import VOLUME
from ml.corruptions.volumes import corrupted_volume
from ml.zoo.pictures import drawn_picture

FOLDER = "corruptions"  # of the pictures, beside the page
_SIDE, _SHADES, _COLOURS = 72, 16, 48
_SLICE_MM = 2.0  # of the drawn volume
_PACKS = (*PACKS, VOLUME)

_TITLES = {
    GENERIC: "Any picture",
    "ct": "CT",
    "mr": "MR",
    "xray": "Radiography and mammography",
    "ultrasound": "Ultrasound",
    "photo": "Fundus, skin, endoscopy, pathology",
    "dicom-path": "The way of a file",
    VOLUME: "Volumes alone",
}
_WORDS = {
    GENERIC: "Lengths are in pixels of the model's input.",
    "ct": "An intensity of 0 is taken as air, 0.5 as water, 1 as twice water: 2000 HU. Of a "
    "narrower window the errors are the same shares of the window. Errors along rays are "
    "projected and filtered back on a grid of 128 x 128 from 96 angles, and added; the picture "
    "itself never is. Slice thickness is of volumes alone: a single slice does not know its "
    "neighbours.",
    "mr": "A picture is taken as the magnitude of a signal without phase; its rows are the lines "
    "of k-space, 256 of them whatever its size, so that the same lines are hit in every size. "
    "Whatever is done to k-space is followed by the magnitude. Rician noise of one coil and a "
    "bias field are in the generic pack.",
    "xray": "Bright is little exposure, and the whole range is a hundredfold of exposure.",
    "ultrasound": "The range is 60 dB of echo amplitude, log-compressed; depth runs down; black "
    "holds no echo and stays black.",
    "photo": "Light is taken as linear in intensity. JPEG counts in blocks of 8 pixels of the "
    "model's input, so it is stronger on a small picture.",
    "dicom-path": "Some errors happen to a file or do not. Their severity is the share of the "
    "cases that they happen to; who is hit at one severity is hit at every higher one. So the "
    "first severity at which a limit fails says how many files may go wrong. In a row of "
    "pictures, one case is shown.",
    VOLUME: "Of CT and MR, beside their packs. Shown is a cut across 72 slices of 2 mm. Thick "
    "slices lie side by side; those of a volume that are as thick already stay as they are, so "
    "that a mild severity may change nothing in it.",
}


def corruptions_page(note: str) -> str:
    """The page as Markdown; ``note`` says how it is written."""
    codes = "\n".join(f"| `{name}` | {', '.join(found)} |" for name, found in CODES.items())
    page = Path(__file__).with_name("page.md").read_text()
    parts = {"note": note, "codes": codes, "packs": "".join(_section(name) for name in _PACKS)}
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def _section(name: str) -> str:
    numbers = " | ".join(str(severity) for severity in range(1, SEVERITIES + 1))
    head = f"| corruption | what becomes of x | parameter | {numbers} | source | |"
    rows = [_row(one) for one in pack(name)]
    rule = "|---" * (5 + SEVERITIES) + "|"
    return "\n".join(
        [f"\n## {_TITLES[name]}\n", f"`{name}`. {_WORDS[name]}\n", head, rule, *rows, ""]
    )


def _row(one: Corruption) -> str:
    what = one.formula + ("; same draw" if one.same_draw else "")
    what += "; of grey pictures only" if one.of == "gray" else ""
    values = " | ".join(f"{value:g}" for value in one.values)
    cells = (f"`{one.id}`: {one.title}", what.replace("|", "\\|"), one.parameter)
    strip = f"![{one.title}, severity 0 to 5]({FOLDER}/{one.id}.png)"
    return f"| {' | '.join(cells)} | {values} | {one.source} | {strip} |"


def strip(one: Corruption) -> bytes:
    """A PNG of severities 0 to 5 side by side, of a drawn picture, in few shades."""
    rows = _thicker(one) if one.pack == VOLUME else gallery(drawn_picture(one.pack, _SIDE), one.id)
    shown = np.concatenate(list(rows), axis=1)
    eight = np.rint(shown * 255).astype(np.uint8)
    if eight.shape[2] == 3:
        image = Image.fromarray(eight).quantize(_COLOURS, dither=Image.Dither.NONE)
    else:
        shades = np.rint(shown[:, :, 0] * (_SHADES - 1)).astype(np.uint8)
        image = Image.fromarray(shades).convert("P")
        image.putpalette([value for shade in range(_SHADES)
                          for value in [round(shade * 255 / (_SHADES - 1))] * 3])  # fmt: skip
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True, **({} if eight.shape[2] == 3 else {"bits": 4}))
    return written.getvalue()


def _thicker(one: Corruption) -> list[FloatArray]:
    """A cut across the slices of a drawn volume, as it is and at every severity."""
    volume = drawn_picture("mr", _SIDE).transpose(0, 2, 1).astype(np.float32)
    return [
        corrupted_volume(one, volume, (_SLICE_MM, 1.0, 1.0), severity, "gallery", 0)
        .transpose(0, 2, 1).astype(np.float64)
        for severity in range(SEVERITIES + 1)
    ]  # fmt: skip


def strips() -> dict[str, bytes]:
    """File name below docs/ -> PNG, of every corruption."""
    return {f"{FOLDER}/{one.id}.png": strip(one) for name in _PACKS for one in pack(name)}
