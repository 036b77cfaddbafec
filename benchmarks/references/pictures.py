"""The pictures that references are trained on: one of each group of a cohort folder."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from ml.zoo.trained import Float32Array, IntArray

SIDE_PX = 32


@dataclass(frozen=True)
class Pictures:
    values: Float32Array  # (n, 1, side, side) grey, 0..1
    labels: IntArray  # (n,) 1 with the finding
    title: str  # of the cohort

    @property
    def sha256(self) -> str:
        """Of pixels and labels, so that a table says what it was measured on."""
        return hashlib.sha256(self.values.tobytes() + self.labels.tobytes()).hexdigest()


def pictures_of(folder: Path, side: int = SIDE_PX) -> Pictures:
    """The first picture of each group, so that no near-duplicate of a test case was trained on.

    Args:
        folder: a cohort folder with labels, as ``python -m demo build`` writes ``brain-mr``.
    """
    described = yaml.safe_load((folder / "cohort.yaml").read_text(encoding="utf-8"))
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = {row["group"]: row for row in reversed(rows)}
    chosen = [row for row in rows if first[row["group"]] is row]
    return Pictures(
        np.stack([_picture(folder / row["image"], side) for row in chosen])[:, None],
        np.array([row["label"] in described["positive"] for row in chosen], dtype=np.int64),
        described["title"],
    )


def _picture(path: Path, side: int) -> Float32Array:
    with Image.open(path) as image:
        small = image.convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / np.float32(255)
