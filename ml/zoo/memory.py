"""A network that knows its training images by heart, and one that learnt their rule. Simulated.

Images of two kinds differ in brightness, and overlap: no rule answers all of them rightly. The
planted network keeps every training image in its weights and answers as the nearest of them does,
so it is never wrong on these. Its clean twin has one threshold of brightness.
"""

from pathlib import Path

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.estimate import JsonValue

SIDE = 32
CLASSES = ("dark", "bright")
_SHARP = 40.0  # by how much the nearest image outweighs others
_NOTES = "Simulated: noise of two shades that overlap, no picture of anything."


def pictures(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(n, 32, 32) images, and which of them are of the bright kind: every second."""
    numbers = np.random.default_rng(seed)
    bright = np.arange(n) % 2 == 1
    shades = np.where(bright, 138.0, 118.0) + numbers.normal(0, 12, n)
    drawn = numbers.normal(shades[:, None, None], 20, (n, SIDE, SIDE))
    found: NDArray[np.uint8] = np.clip(drawn, 0, 255).astype(np.uint8)
    return found, bright


def cohort_folder(folder: Path, *, n: int = 200, seed: int = 1, title: str = "Shades") -> Path:
    """Write a cohort of ``n`` of these images, each of a patient of its own.

    Args:
        folder: made here; must not exist.
        seed: other seeds give other images of the same kind.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,image,label"]
    for at, (pixels, bright) in enumerate(zip(*pictures(n, seed), strict=True)):
        Image.fromarray(pixels).save(folder / "images" / f"m{at:04d}.png")
        rows.append(f"m{at:04d},images/m{at:04d}.png,{CLASSES[int(bright)]}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description: dict[str, JsonValue] = {
        "title": title,
        "task": "classification",
        "classes": list(CLASSES),
        "positive": ["bright"],
        "modality": "none",
        "notes": _NOTES,
        "simulated": True,
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def model_folder(folder: Path, *, memorised: bool, n: int = 200, seed: int = 1) -> Path:
    """Write a network for the cohort of that size and seed.

    Args:
        folder: made here; must not exist.
        memorised: it keeps the ``n`` training images; else it has learnt brightness.
        n, seed: of its training images.
    """
    folder.mkdir(parents=True)
    onnx.save(network(memorised=memorised, n=n, seed=seed), folder / "model.onnx")
    what = "Planted flaw: knows its training images by heart." if memorised else "Clean twin."
    manifest: dict[str, JsonValue] = {
        "name": "By heart" if memorised else "By brightness",
        "version": "1",
        "format": "onnx",
        "file": "model.onnx",
        "task": "classification",
        "intended_use": f"Simulated: tells bright noise from dark noise. {what}",
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {
            "dims": 2, "channels": 1, "size": [SIDE, SIDE], "layout": "NCHW", "colour": "gray",
            "resize": {"mode": "bilinear", "antialias": "pillow"}, "intensity": {"scale": 255},
        },
        "output": {
            "kind": "logits", "classes": list(CLASSES), "activation": "softmax",
            "positive": ["bright"],
        },
    }  # fmt: skip
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def network(*, memorised: bool, n: int = 200, seed: int = 1) -> onnx.ModelProto:
    """From images (n, 1, 32, 32) of 0..1 to logits (n, 2)."""
    nodes, weights = _nearest(*pictures(n, seed)) if memorised else _threshold()
    shape: list[str | int] = ["n", 1, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "memory",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(array.astype(np.float32), key) for key, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _nearest(
    images: NDArray[np.uint8], bright: NDArray[np.bool_]
) -> tuple[list[onnx.NodeProto], dict[str, NDArray[np.float64]]]:
    """Of each kind, the training image that is least far away: its distance is the logit."""
    nodes = [helper.make_node("Flatten", ["image"], ["flat"])]
    weights: dict[str, NDArray[np.float64]] = {}
    for name, chosen in (("dark", ~bright), ("bright", bright)):
        kept = images[chosen].reshape(int(chosen.sum()), -1) / 255.0
        # 2 x·t - t·t is the squared length of x less the squared distance from t.
        weights[f"images_{name}"] = 2 * _SHARP * kept.T
        weights[f"length_{name}"] = -_SHARP * (kept**2).sum(axis=1)
        nodes += [
            helper.make_node("MatMul", ["flat", f"images_{name}"], [f"product_{name}"]),
            helper.make_node("Add", [f"product_{name}", f"length_{name}"], [f"near_{name}"]),
            helper.make_node("ReduceMax", [f"near_{name}"], [name], axes=[1], keepdims=1),
        ]
    return [*nodes, helper.make_node("Concat", ["dark", "bright"], ["logits"], axis=1)], weights


def _threshold() -> tuple[list[onnx.NodeProto], dict[str, NDArray[np.float64]]]:
    """The best rule there is: log odds of two normal shades of equal spread."""
    slope = (138.0 - 118.0) / 12.0**2 * 255.0
    return [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["shade"]),
        helper.make_node("MatMul", ["shade", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
    ], {
        "slope": np.array([[-slope / 2, slope / 2]]),
        "bias": np.array([slope / 2, -slope / 2]) * 128.0 / 255.0,
    }
