"""Bone: volumes cut out of a CT scan, and a network that learned to tell which of them hold bone.

The voxels are real; the labels are a rule, read by nobody: a share of voxels is denser than 300 HU.
So it is known what a map should point at. The network learns from one patient
and is tried on another. It is no model of a disease and not meant for a patient.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from ml.zoo.volume_folders import write_model, write_volume

Float32Array = NDArray[np.float32]
Int16Array = NDArray[np.int16]
SIDES = (32, 32, 16)  # to the right, to the front, to the top
WINDOW = (-450.0, 1050.0)  # Hounsfield units, as bone is looked at
DENSE = 300  # Hounsfield units; contrast in vessels stays mostly below
NAMES = ("no bone", "bone")
_WITH, _WITHOUT = 0.03, 0.0005  # at least and at most so much of a piece is dense; else left out
_BODY, _AIR = 0.5, -900  # at least so much of a piece is denser than air
_MOST_DRAWS = 400  # for each piece that is wanted


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        voxels: (x, y, z) in Hounsfield units, to the patient's right, front and top.
        spacing_mm: of the three axes.
    """

    voxels: Int16Array
    spacing_mm: tuple[float, float, float]


def dense(voxels: Int16Array) -> NDArray[np.bool_]:
    """Of voxels in any shape, which are denser than DENSE: what the label of a piece counts."""
    return voxels > DENSE


def pieces(scan: Scan, n: int, seed: int) -> tuple[Int16Array, NDArray[np.int64]]:
    """Pieces of a scan at places drawn by chance: (2n, *SIDES) voxels and (2n,) indices of NAMES.

    The first n hold no bone, the others some; pieces between, and those mostly of air, are left
    out. Pieces may overlap: count the scan, not them.

    Raises:
        ValueError: where the scan is too small, or holds too few of a kind.
    """
    room: NDArray[np.int64] = np.array(scan.voxels.shape, dtype=np.int64) - np.array(SIDES)
    if (room < 0).any():
        raise ValueError(f"a scan has at least {SIDES} voxels, not {scan.voxels.shape}")
    rng = np.random.default_rng(seed)
    kinds: tuple[list[Int16Array], list[Int16Array]] = ([], [])
    for _ in range(_MOST_DRAWS * n):
        x, y, z = rng.integers(0, room + 1).tolist()
        cut = scan.voxels[x : x + SIDES[0], y : y + SIDES[1], z : z + SIDES[2]]
        share = float(dense(cut).mean())
        kind = kinds[int(share >= _WITH)]
        fits = (share >= _WITH or share <= _WITHOUT) and (cut > _AIR).mean() >= _BODY
        if fits and len(kind) < n:
            kind.append(cut)
        if min(map(len, kinds)) == n:
            return np.stack([*kinds[0], *kinds[1]]), np.repeat(np.arange(2), n)
    raise ValueError(f"of {n} pieces without and with bone the scan gave {[*map(len, kinds)]}")


def given(voxels: Int16Array) -> Float32Array:
    """(n, 1, ...) what the network takes of pieces (n, ...): WINDOW becomes 0 to 1."""
    low, high = WINDOW
    cut = (voxels[:, None].astype(np.float32) - low) / (high - low)
    return np.asarray(cut.clip(0, 1), dtype=np.float32)


class Network(nn.Module):
    """Three convolutions, the mean of the last one's channels, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 8, 3, padding=1)
        self.second = nn.Conv3d(8, 16, 3, stride=2, padding=1)
        self.third = nn.Conv3d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 2)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.second(torch.relu(self.first(volume))))
        logits: torch.Tensor = self.head(torch.relu(self.third(found)).mean((2, 3, 4)))
        return logits


def trained(scan: Scan, seed: int, *, n: int = 150, steps: int = 200, batch: int = 16) -> Network:
    """A network at rest, trained on pieces of a scan.

    The same seed and machine give the same network.

    Args:
        n: pieces of each kind.
        steps: of Adam, at a rate of 0.003.
    """
    voxels, known = pieces(scan, n, seed)
    volumes, labels = torch.from_numpy(given(voxels)), torch.from_numpy(known)
    source = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network().train()
    descent = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(steps):
        chosen = torch.randperm(len(labels), generator=source)[:batch]
        descent.zero_grad()
        loss = cast(Any, cross_entropy(network(volumes[chosen]), labels[chosen]))
        loss.backward()
        descent.step()
    return network.eval()


def logits_of(network: Network, voxels: Int16Array) -> Float32Array:
    """(n, 2) of pieces."""
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(given(voxels))).numpy(), dtype=np.float32)


def model_folder(folder: Path, network: Network, *, onnx: bool = False) -> Path:
    """Write a model folder: P(bone) of a volume.

    Args:
        folder: made here; must not exist.
        onnx: as an ONNX file; else as torch.export writes it (pt2).
    """
    return write_model(
        folder,
        network,
        name="Bone in a piece of CT",
        use="Telling whether a piece of a CT scan holds bone. Not meant for a patient.",
        sides=SIDES,
        window=WINDOW,
        classes=NAMES,
        onnx=onnx,
    )


def cohort_folder(
    folder: Path, scan: Scan, seed: int, *, n: int, patient: str, notes: str, simulated: bool
) -> Path:
    """Write a cohort folder of ``n`` pieces of each kind of a scan.

    Args:
        folder: made here; must not exist.
        patient: whose scan it is, as the cohort calls them.
        notes: where the scan is from.
        simulated: it is made up.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,patient_id,image,label"]
    voxels, known = pieces(scan, n, seed)
    for number, (one, label) in enumerate(zip(voxels, known.tolist(), strict=True)):
        file = f"images/piece-{number:03d}.nii.gz"
        write_volume(folder / file, one, scan.spacing_mm)
        rows.append(f"piece-{number:03d},{patient},{file},{NAMES[label]}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description = {
        "title": "Pieces of a CT scan",
        "task": "classification",
        "classes": list(NAMES),
        "positive": [NAMES[1]],
        "modality": "CT",
        "notes": notes,
    } | ({"simulated": True} if simulated else {})
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder
