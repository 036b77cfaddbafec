"""Nodules: volumes with a small bright ball or without. A simulated network and cohort."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FloatArray = NDArray[np.float64]
SIDES = (32, 32, 32)
SPACING_MM = (1.5, 1.5, 2.5)  # to the right, to the front, to the top
RADIUS_MM = 3.5
_LUNG, _NODULE, _NOISE = -700.0, 100.0, 30.0  # Hounsfield units
# Of the brightest place: where P is a half, and how fast it rises. Who skips voxels sees less.
_BETWEEN, _BETWEEN_SKIPPING, _STEEP = 0.33, 0.22, 40.0


def model_folder(folder: Path, *, skips: bool = False, name: str = "Nodule") -> Path:
    """Write a model folder: P(nodule) of a volume, by the brightest place of 3 x 3 x 3 voxels.

    Args:
        folder: made here; must not exist.
        skips: it looks at every fourth place along each axis alone, so that what it finds depends
            on where a nodule lies.
    """
    folder.mkdir(parents=True)
    step, between = (4, _BETWEEN_SKIPPING) if skips else (1, _BETWEEN)
    nodes = [
        helper.make_node(
            "AveragePool", ["image"], ["smooth"], kernel_shape=[3, 3, 3], strides=[step] * 3
        ),
        helper.make_node("GlobalMaxPool", ["smooth"], ["brightest"]),
        helper.make_node("Flatten", ["brightest"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    weights = {
        "weights": np.array([[_STEEP, 0.0]], np.float32),
        "bias": np.array([-_STEEP * between, 0.0], np.float32),
    }
    return _written(folder, nodes, weights, name)


# Of a place's mean: where it begins to count. Of the mean of what counts: how fast P rises, and
# where it is a half, a tenth of what a ball gives.
_COUNTS_ABOVE, _STEEP_MEAN, _HALF = 0.3, 40_000.0, 3.0


def smooth_model_folder(folder: Path, *, name: str = "Smooth nodule") -> Path:
    """Write a model folder: P(nodule) by how much of a volume is bright, and how far.

    Unlike :func:`model_folder` it has a layer whose every place moves the answer, and so a map.

    Args:
        folder: made here; must not exist.
    """
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node(
            "Conv", ["image", "kernel", "level"], ["above"], kernel_shape=[3, 3, 3],
            pads=[1] * 6,
        ),
        helper.make_node("Relu", ["above"], ["bright"]),
        helper.make_node("GlobalAveragePool", ["bright"], ["share"]),
        helper.make_node("Flatten", ["share"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]  # fmt: skip
    weights = {
        "kernel": np.full((1, 1, 3, 3, 3), 1 / 27, np.float32),
        "level": np.array([-_COUNTS_ABOVE], np.float32),
        "weights": np.array([[_STEEP_MEAN, 0.0]], np.float32),
        "bias": np.array([-_HALF, 0.0], np.float32),
    }
    return _written(folder, nodes, weights, name)


def _written(
    folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, NDArray[np.float32]], name: str
) -> Path:
    graph = helper.make_graph(
        nodes,
        "nodule",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, *SIDES])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(array, key) for key, array in weights.items()],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(network, folder / "model.onnx")
    manifest = {
        "name": name,
        "version": "1.0",
        "format": "onnx",
        "file": "model.onnx",
        "task": "classification",
        "intended_use": "Telling simulated volumes with a ball from those without.",
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {
            "dims": 3,
            "size": list(SIDES),
            "intensity": {"window": [-1000, 1000]},
        },
        "output": {
            "kind": "probabilities",
            "classes": ["nodule", "none"],
            "activation": "softmax",
            "positive": ["nodule"],
        },
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def cohort_folder(folder: Path, *, n: int = 24, modality: str = "CT") -> Path:
    """Write a cohort folder of ``n`` noisy volumes, every other one with a ball; one to a patient.

    Args:
        folder: made here; must not exist.
    """
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(13)
    rows = ["case_id,patient_id,image,label"]
    for number in range(n):
        values = rng.normal(_LUNG, _NOISE, SIDES)
        if number % 2:
            values += (_NODULE - _LUNG) * _ball(rng.uniform(10, 21, 3))
        units, lies = np.rint(values).astype(np.int16), np.diag([*SPACING_MM, 1.0])
        image = nibabel.nifti1.Nifti1Image(units, lies)  # type: ignore[no-untyped-call]
        name = f"images/v{number:04d}.nii.gz"
        (folder / name).write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))
        rows.append(f"v{number:04d},p{number:04d},{name},{'nodule' if number % 2 else 'none'}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description = {
        "title": "Nodules",
        "task": "classification",
        "classes": ["nodule", "none"],
        "positive": ["nodule"],
        "modality": modality,
        "notes": "Simulated: volumes are made up.",
        "simulated": True,
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def _ball(middle: FloatArray) -> FloatArray:
    """1 within the ball about a voxel, 0 outside; its edge is soft over a voxel."""
    places = np.indices(SIDES, dtype=np.float64)
    mm = np.asarray(SPACING_MM)[:, None, None, None]
    away = np.sqrt((((places - middle[:, None, None, None]) * mm) ** 2).sum(axis=0))
    return np.asarray(((RADIUS_MM - away) / SPACING_MM[0] + 0.5).clip(0, 1))
