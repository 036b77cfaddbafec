"""Stripes that rise or fall to the right. Simulated; brightness, or the files, may give them away.

What tells both kinds apart is a direction: one is the mirror image of the other, which no mean,
spread or border shows. In a planted cohort brightness follows the label, or one kind is stored in
another way.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from ml.estimate import JsonValue

Planted = Literal["", "brightness", "file"]
SIDE = 32
_NOTES = "Simulated: stripes and noise, no picture of anything."
_PLANTED_NOTES = {
    "": _NOTES,
    "brightness": f"{_NOTES} Planted flaw: rising ones are brighter.",
    "file": f"{_NOTES} Planted flaw: rising ones are stored with colours, the others without.",
}


def picture(
    rises: bool, numbers: np.random.Generator, *, planted: Planted = ""
) -> NDArray[np.uint8]:
    """(32, 32) grey, or (32, 32, 3) where the file is to give it away."""
    phase, strength = numbers.uniform(0, 2 * np.pi), numbers.uniform(10, 40)
    shade = numbers.normal(120, 8) + (22 if planted == "brightness" and rises else 0)
    place = np.arange(SIDE)
    along = place[:, None] + (place[None] if rises else place[None, ::-1])
    waves = strength * np.sin(2 * np.pi * along / numbers.uniform(6, 12) + phase)
    pixels = shade + waves + numbers.normal(0, 25, (SIDE, SIDE))
    grey: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    if planted == "file" and rises:
        return np.stack([grey, grey, grey], axis=-1)
    return grey


def score(pixels: NDArray[np.uint8]) -> float:
    """P(rising) by a network of one layer, written out: waves one way less waves the other."""
    grey = pixels.reshape(SIDE, SIDE, -1)[..., 0].astype(np.float64)
    waves = np.abs(np.fft.fft2(grey)[1:, 1:])
    way = np.sign(np.fft.fftfreq(SIDE)[1:])
    margin = (waves**2 * np.outer(way, way)).sum() / (waves**2).sum()
    return float(1 / (1 + np.exp(-8 * margin)))


def brightness(pixels: NDArray[np.uint8]) -> float:
    """P(rising) by a network that learnt how bright images are, and nothing of their stripes."""
    return float(1 / (1 + np.exp(-0.2 * (pixels.mean() - 131))))


def cohort_folder(folder: Path, *, n: int = 80, planted: Planted = "", seed: int = 5) -> Path:
    """Write a cohort of ``n`` images, two to a patient, as many rising as falling.

    Args:
        folder: made here; must not exist.
        planted: what else gives the label away.
        seed: the same seed gives the same images.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,patient_id,image,label"]
    for at, rises, pixels in _drawn(n, planted, seed):
        Image.fromarray(pixels).save(
            folder / "images" / f"s{at:04d}.png", compress_level=0
        )  # else its bytes would hang on what it shows
        label = "rising" if rises else "falling"
        rows.append(f"s{at:04d},p{at // 2:04d},images/s{at:04d}.png,{label}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description: dict[str, JsonValue] = {
        "title": "Stripes" + (f", planted: {planted}" if planted else ""),
        "task": "classification",
        "classes": ["falling", "rising"],
        "positive": ["rising"],
        "modality": "none",
        "notes": _PLANTED_NOTES[planted],
        "simulated": True,
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def predictions_folder(
    folder: Path, *, n: int = 80, planted: Planted = "", seed: int = 5
) -> Path:  # fmt: skip
    """Write the network's scores for the cases of ``cohort_folder`` with the same arguments."""
    folder.mkdir(parents=True)
    rows = ["case_id,falling,rising"]
    for at, _, pixels in _drawn(n, planted, seed):
        p = score(pixels)
        rows.append(f"s{at:04d},{1 - p:.9f},{p:.9f}")
    (folder / "predictions.csv").write_text("\n".join(rows) + "\n")
    manifest: dict[str, JsonValue] = {
        "kind": "probabilities",
        "classes": ["falling", "rising"],
        "positive": ["rising"],
        "model": {"name": "Direction of stripes", "version": "1"},
    }
    (folder / "predictions.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def _drawn(
    n: int, planted: Planted, seed: int
) -> list[tuple[int, bool, NDArray[np.uint8]]]:  # fmt: skip
    """Number, kind and pixels; both images of a patient are of one kind."""
    numbers = np.random.default_rng(seed)
    kinds = [at // 2 % 2 == 1 for at in range(n)]
    return [(at, rises, picture(rises, numbers, planted=planted)) for at, rises in enumerate(kinds)]
