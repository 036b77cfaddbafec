"""Sources: volumes cut out of two scans, and a network that learned to tell the scans apart.

It tells two scans apart, not two diseases: each scan is one patient, one scanner and one protocol,
and pieces of one scan are alike. What it is good for is a network of volumes that has learned
something, and maps of it. It is not meant for a patient.
"""

import gzip
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

Float32Array = NDArray[np.float32]
Int16Array = NDArray[np.int16]
SIDES = (32, 32, 16)  # to the right, to the front, to the top
WINDOW = (-1000.0, 400.0)  # Hounsfield units
FIRST, SECOND = "first", "second"


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        voxels: (x, y, z) in Hounsfield units, to the patient's right, front and top.
        spacing_mm: of the three axes.
    """

    voxels: Int16Array
    spacing_mm: tuple[float, float, float]


def pieces(scan: Scan, n: int, seed: int, half: str) -> Int16Array:
    """(n, *SIDES) voxels cut out of a scan at places drawn anew for each.

    Args:
        seed: of the places; another one for each scan.
        half: FIRST or SECOND, of the scan's height: no voxel is in pieces of both.

    Raises:
        ValueError: where the scan is too small.
    """
    middle = scan.voxels.shape[2] // 2
    part = scan.voxels[:, :, :middle] if half == FIRST else scan.voxels[:, :, middle:]
    room: NDArray[np.int64] = np.array(part.shape, dtype=np.int64) - np.array(SIDES)
    if (room < 0).any():
        raise ValueError(f"half of a scan has at least {SIDES} voxels, not {part.shape}")
    rng = np.random.default_rng([seed, half == SECOND])
    starts = rng.integers(0, room + 1, (n, 3))
    cut = [
        part[x : x + SIDES[0], y : y + SIDES[1], z : z + SIDES[2]] for x, y, z in starts.tolist()
    ]
    return np.stack(cut)


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


def trained(
    scans: Mapping[str, Scan], seed: int, *, n: int = 96, steps: int = 120, batch: int = 16
) -> Network:
    """A network at rest, trained on pieces of the first half of each of two scans.

    The same seed and machine give the same network.

    Args:
        scans: by name, two.
        n: pieces of each.
        steps: of Adam, at a rate of 0.003.
    """
    if len(scans) != 2:
        raise ValueError(f"two scans are told apart, not {len(scans)}")
    cut = [pieces(scan, n, seed + at, FIRST) for at, scan in enumerate(scans.values())]
    volumes = torch.from_numpy(given(np.concatenate(cut)))
    labels = torch.from_numpy(np.repeat(np.arange(2), n))
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


def model_folder(
    folder: Path, network: Network, names: tuple[str, str], *, onnx: bool = False
) -> Path:
    """Write a model folder: P(second scan) of a volume.

    Args:
        folder: made here; must not exist.
        onnx: as an ONNX file; else as torch.export writes it (pt2).
    """
    folder.mkdir(parents=True)
    example = (torch.zeros(2, 1, *SIDES),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its exporters
        if onnx:
            torch.onnx.export(
                network, example, folder / "model.onnx", dynamo=False, input_names=["volume"],
                dynamic_axes={"volume": {0: "cases"}},
            )  # fmt: skip
        else:
            free = ({0: torch.export.Dim("batch")},)
            program: Any = torch.export.export(network, example, dynamic_shapes=free)
            torch.export.save(program, folder / "model.pt2")
    manifest = {
        "name": "Which scan",
        "version": "1.0",
        "format": "onnx" if onnx else "pt2",
        "file": "model.onnx" if onnx else "model.pt2",
        "task": "classification",
        "intended_use": "Telling pieces of two scans apart. Not meant for a patient.",
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {"dims": 3, "size": list(SIDES), "intensity": {"window": list(WINDOW)}},
        "output": {
            "kind": "logits",
            "classes": list(names),
            "activation": "softmax",
            "positive": [names[1]],
        },
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


def cohort_folder(
    folder: Path, scans: Mapping[str, Scan], seed: int, *, n: int, notes: str, simulated: bool
) -> Path:
    """Write a cohort folder of ``n`` pieces of the second half of each scan; a scan is a patient.

    Args:
        folder: made here; must not exist.
        notes: where the scans are from.
        simulated: they are made up.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,patient_id,image,label"]
    for at, (name, scan) in enumerate(scans.items()):
        lies = np.diag([*scan.spacing_mm, 1.0])
        for number, voxels in enumerate(pieces(scan, n, seed + at, SECOND)):
            image = cast(Any, nibabel).nifti1.Nifti1Image(voxels, lies)
            file = f"images/{name}-{number:03d}.nii.gz"
            (folder / file).write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))
            rows.append(f"{name}-{number:03d},{name},{file},{name}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    names = list(scans)
    description = {
        "title": "Pieces of two scans",
        "task": "classification",
        "classes": names,
        "positive": [names[1]],
        "modality": "CT",
        "notes": notes,
    } | ({"simulated": True} if simulated else {})
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder
