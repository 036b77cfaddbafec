"""What the small networks of volumes write: their model folders, and volumes as NIfTI files."""

import gzip
import warnings
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn


def write_model(
    folder: Path,
    network: nn.Module,
    *,
    name: str,
    use: str,
    sides: tuple[int, int, int],
    window: tuple[float, float],
    classes: tuple[str, str],
    onnx: bool,
) -> Path:
    """Write a model folder of a network of CT volumes with two classes that exclude each other.

    Args:
        folder: made here; must not exist.
        use: the intended use, as model.yaml states it.
        sides: of a volume in voxels, to the right, front and top.
        window: in Hounsfield units, which becomes 0 to 1.
        classes: the second is positive.
        onnx: as an ONNX file; else as torch.export writes it (pt2).
    """
    folder.mkdir(parents=True)
    example = (torch.zeros(2, 1, *sides),)
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
        "name": name,
        "version": "1.0",
        "format": "onnx" if onnx else "pt2",
        "file": "model.onnx" if onnx else "model.pt2",
        "task": "classification",
        "intended_use": use,
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {"dims": 3, "size": list(sides), "intensity": {"window": list(window)}},
        "output": {
            "kind": "logits",
            "classes": list(classes),
            "activation": "softmax",
            "positive": [classes[1]],
        },
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


def write_volume(
    file: Path, voxels: NDArray[np.int16], spacing_mm: tuple[float, float, float]
) -> None:
    """Write voxels, to the right, front and top, as a compressed NIfTI file."""
    image = cast(Any, nibabel).nifti1.Nifti1Image(voxels, np.diag([*spacing_mm, 1.0]))
    file.write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))
