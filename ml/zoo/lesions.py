"""Lesions: volumes cut out of chest CT, half of them with a simulated nodule put into the lung.

The anatomy is that of a scan; a nodule is a ball of soft tissue with a soft edge, so its place and
size are known. Every place of a scan gives two volumes, one without and one with a nodule: nothing
but the nodule tells the label. It is not meant for a patient, and finding such balls says nothing
of finding a patient's nodules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn
from torch.nn.functional import (
    adaptive_avg_pool3d,
    binary_cross_entropy_with_logits,
    cross_entropy,
)

from ml.zoo.bone import Scan
from ml.zoo.volume_folders import write_model, write_volume

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Int16Array = NDArray[np.int16]
SIDES = (48, 48, 12)  # to the right, to the front, to the top
PLACES = (12, 12, 12)  # of the network's last layer
WINDOW = (-1000.0, 400.0)  # Hounsfield units
FIRST, SECOND = "first", "second"
CLASSES = ("none", "nodule")
RADIUS_MM = (8.0, 12.0)
_TISSUE = (30.0, 25.0, 20.0)  # mean of nodules; spread between them, and between voxels, in HU
_AIR = -500.0  # HU, that lung lies below
_SMALLEST = 2000  # voxels of a lung
_DEPTH_MM = 9.0  # from the middle of a nodule to the border of the lung, at least
_MARGIN = (10, 10, 3)  # voxels from there to the border of the piece
_LUNG = 0.25  # share of a piece that is lung, at least
_TRIES = 20_000
_PRESENT = 0.3  # share of a place of the last layer that a nodule fills, for it to be one of it


@dataclass(frozen=True)
class Pieces:
    """Two pieces of each place, first without a nodule and then with one.

    Attributes:
        voxels: (2 n, *SIDES) in Hounsfield units.
        nodules: (2 n, *SIDES) what belongs to a nodule; none of the first of two.
    """

    voxels: Int16Array
    nodules: BoolArray

    @property
    def labels(self) -> NDArray[np.int64]:
        """(2 n,) 1 with a nodule."""
        return np.arange(len(self.voxels), dtype=np.int64) % 2


def thinned(scan: Scan) -> Scan:
    """Means of 2 x 2 voxels of each slice; a last odd row or column is left out."""
    x, y, z = scan.voxels.shape
    blocks = scan.voxels[: x // 2 * 2, : y // 2 * 2].reshape(x // 2, 2, y // 2, 2, z)
    wide, long, high = scan.spacing_mm
    means = blocks.mean(axis=(1, 3)).round().astype(np.int16)
    return Scan(means, (2 * wide, 2 * long, high))


def lung(voxels: Int16Array) -> BoolArray:
    """What is dark and touches no side of the slices: lungs, and what else holds as much air."""
    parts, n = ndimage.label(voxels < _AIR)
    kept: BoolArray = np.bincount(parts.ravel(), minlength=n + 1) >= _SMALLEST
    for side in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        kept[np.unique(side)] = False
    kept[0] = False
    return np.asarray(kept[parts])


def pieces(scan: Scan, n: int, seed: int, half: str, *, apart: bool = False) -> Pieces:
    """Pieces of ``n`` places of a scan, drawn anew for each.

    Args:
        seed: of places and nodules; another one for each scan.
        half: FIRST or SECOND, of the scan's height: no voxel is in pieces of both.
        apart: no two places share a voxel; then there are fewer than ``n`` where no more are found.

    Raises:
        ValueError: where the half has no place for a nodule, or too few.
    """
    middle = scan.voxels.shape[2] // 2
    at = slice(None, middle) if half == FIRST else slice(middle, None)
    part = scan.voxels[:, :, at]
    air = lung(scan.voxels)[:, :, at]
    deep = ndimage.distance_transform_edt(air, sampling=scan.spacing_mm) > _DEPTH_MM
    centres = np.argwhere(deep)
    rng = np.random.default_rng([seed, half == SECOND])
    starts: list[NDArray[np.int64]] = []
    voxels, nodules = [], []
    for _ in range(_TRIES if len(centres) else 0):
        if len(starts) == n:
            break
        centre = centres[rng.integers(len(centres))]
        ends = [side - one for side, one in zip(SIDES, _MARGIN, strict=True)]
        inside = rng.integers(_MARGIN, ends)
        start = centre - inside
        box = tuple(slice(one, one + side) for one, side in zip(start, SIDES, strict=True))
        outside = (start < 0).any() or (start + SIDES > part.shape).any()
        if outside or air[box].mean() < _LUNG:
            continue
        if apart and any((np.abs(start - one) < SIDES).all() for one in starts):
            continue
        starts.append(start)
        share = _ball(rng, inside, scan.spacing_mm)
        voxels += [part[box], _with_nodule(rng, part[box], share)]
        nodules += [np.zeros(SIDES, dtype=bool), share > 0.5]
    if not starts or (len(starts) < n and not apart):
        raise ValueError(f"the {half} half of the scan has {len(starts)} of {n} places")
    return Pieces(np.stack(voxels), np.stack(nodules))


def _ball(
    rng: np.random.Generator, centre: NDArray[np.int64], spacing_mm: tuple[float, float, float]
) -> FloatArray:
    """How much of each voxel is nodule: nearly a ball, its edge 1 mm soft."""
    radii = rng.uniform(*RADIUS_MM) * rng.uniform(0.85, 1.15, 3)
    away = np.indices(SIDES).reshape(3, -1).T - centre
    far = np.linalg.norm(away * np.array(spacing_mm) / radii, axis=1).reshape(SIDES)
    return np.asarray(1 / (1 + np.exp(((far - 1) * radii.mean()).clip(-50, 50))))


def _with_nodule(rng: np.random.Generator, voxels: Int16Array, share: FloatArray) -> Int16Array:
    mean, between, within = _TISSUE
    tissue = rng.normal(mean, between) + rng.normal(0, within, SIDES)
    return (voxels + share * (tissue - voxels)).round().astype(np.int16)


def given(voxels: Int16Array) -> Float32Array:
    """(n, 1, ...) what the network takes of pieces (n, ...): WINDOW becomes 0 to 1."""
    low, high = WINDOW
    cut = (voxels[:, None].astype(np.float32) - low) / (high - low)
    return np.asarray(cut.clip(0, 1), dtype=np.float32)


class Network(nn.Module):
    """Three convolutions, one number for each of PLACES, their mean above zero, one linear layer.

    A number says that a place is part of a nodule; the logits are that of the case.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 8, 3, stride=(2, 2, 1), padding=1)
        self.second = nn.Conv3d(8, 16, 3, stride=(2, 2, 1), padding=1)
        self.third = nn.Conv3d(16, 16, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm3d(n) for n in (8, 16, 16)])
        self.places = nn.Conv3d(16, 1, 1)
        self.head = nn.Linear(1, 2)
        with torch.no_grad():  # most places are of no nodule, and few places decide a case
            cast(torch.Tensor, self.places.bias).fill_(-2.0)
            self.head.weight.copy_(torch.tensor([[-10.0], [10.0]]))
            self.head.bias.copy_(torch.tensor([0.5, -0.5]))

    def found(self, volume: torch.Tensor) -> torch.Tensor:
        """(n, 1, *PLACES) logits that a place is part of a nodule."""
        for layer, norm in zip((self.first, self.second, self.third), self.norms, strict=True):
            volume = torch.relu(norm(layer(volume)))
        logits: torch.Tensor = self.places(volume)
        return logits

    def decided(self, found: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.relu(found).mean((2, 3, 4)))
        return logits

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        return self.decided(self.found(volume))


def trained(
    scans: Mapping[str, Scan], seed: int, *, n: int = 60, steps: int = 300, batch: int = 6
) -> Network:
    """A network at rest, trained on pieces of the first half of each scan.

    It is told the label of a case and where its nodule lies. The same seed and machine give the
    same network.

    Args:
        n: places of each scan.
        steps: of Adam, whose rate falls from 0.01 to 0 as a half cosine.
        batch: places of a step, each with both of its pieces.
    """
    cut = [pieces(scan, n, seed + at, FIRST) for at, scan in enumerate(scans.values())]
    volumes = torch.from_numpy(given(np.concatenate([one.voxels for one in cut])))
    marked = np.concatenate([one.nodules for one in cut])[:, None].astype(np.float32)
    masks = (adaptive_avg_pool3d(torch.from_numpy(marked), PLACES) > _PRESENT).float()
    source = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network().train()
    descent = torch.optim.Adam(network.parameters(), lr=1e-2)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(descent, steps)
    labels = torch.arange(2 * batch) % 2
    for _ in range(steps):
        chosen = torch.randperm(len(volumes) // 2, generator=source)[:batch, None]
        both = (2 * chosen + torch.arange(2)).flatten()
        axes = [axis for axis in (2, 3, 4) if torch.rand((), generator=source) < 0.5]
        found = network.found(volumes[both].flip(axes))
        descent.zero_grad()
        where = binary_cross_entropy_with_logits(
            found, masks[both].flip(axes), pos_weight=torch.tensor(8.0)
        )
        loss = cross_entropy(network.decided(found), labels[: len(both)]) + 4 * where
        cast(Any, loss).backward()
        descent.step()
        falling.step()
    return network.eval()


def logits_of(network: Network, voxels: Int16Array) -> Float32Array:
    """(n, 2) of pieces."""
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(given(voxels))).numpy(), dtype=np.float32)


def model_folder(folder: Path, network: Network, *, onnx: bool = False) -> Path:
    """Write a model folder: P(nodule) of a volume.

    Args:
        folder: made here; must not exist.
        onnx: as an ONNX file; else as torch.export writes it (pt2).
    """
    return write_model(
        folder,
        network,
        name="Simulated nodules",
        use="Finding simulated balls in pieces of chest CT. Not meant for a patient.",
        sides=SIDES,
        window=WINDOW,
        classes=CLASSES,
        onnx=onnx,
    )


def cohort_folder(folder: Path, scans: Mapping[str, Scan], seed: int, *, n: int, notes: str) -> int:
    """Write a cohort folder of pieces of the second half of each scan; a scan is a patient.

    No two places share a voxel; of each there is a piece without a nodule and one with.

    Args:
        folder: made here; must not exist.
        n: places of each scan, at most.
        notes: where the scans are from.

    Returns:
        How many pieces.
    """
    (folder / "images").mkdir(parents=True)
    rows = []
    for at, (name, scan) in enumerate(scans.items()):
        cut = pieces(scan, n, seed + at, SECOND, apart=True)
        for number, (voxels, label) in enumerate(zip(cut.voxels, cut.labels, strict=True)):
            case = f"{name}-{number // 2:02d}-{CLASSES[label]}"
            file = f"images/{case}.nii.gz"
            write_volume(folder / file, voxels, scan.spacing_mm)
            rows.append(f"{case},{name},{file},{CLASSES[label]}")
    table = "\n".join(["case_id,patient_id,image,label", *rows]) + "\n"
    (folder / "cases.csv").write_text(table)
    description = {
        "title": "Simulated nodules in pieces of chest CT",
        "task": "classification",
        "classes": list(CLASSES),
        "positive": [CLASSES[1]],
        "modality": "CT",
        "notes": notes,
        "simulated": True,
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return len(rows)
