"""Planted: networks whose masks do not follow the picture, and their twin. Simulated.

The pictures are discs in noise, a little brighter than what lies around. The clean network marks
what is bright in the mean of 5 x 5 pixels. One with a flaw asks each pixel alone, so that noise
tears its masks; the other asks blocks of eight pixels, which stay where they are when the picture
moves.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.estimate import JsonValue

SIDE = 48
STRUCTURE = "disc"
Flaw = Literal["", "pixels", "blocks"]
_DARK, _BRIGHT, _NOISE = 105.0, 155.0, 8.0
_SMOOTHED, _BLOCK = 5, 8
_EMPTY_EVERY = 8  # pictures of which one has no disc
_STEEP = 40.0  # logit of a pixel as far from the middle as white from black


def disc(number: int, *, seed: int = 7) -> NDArray[np.bool_]:
    """(48, 48) the pixels of a picture's disc; of every eighth picture none."""
    rng = np.random.default_rng([seed, number])
    if number % _EMPTY_EVERY == _EMPTY_EVERY - 1:
        return np.zeros((SIDE, SIDE), dtype=bool)
    radius, middle = rng.uniform(6, 10), rng.uniform(15, SIDE - 16, 2)
    rows, columns = np.indices((SIDE, SIDE))
    found: NDArray[np.bool_] = np.hypot(rows - middle[0], columns - middle[1]) <= radius
    return found


def picture(number: int, *, seed: int = 7) -> NDArray[np.uint8]:
    """(48, 48) its disc in noise."""
    rng = np.random.default_rng([seed, number, 1])
    pixels = np.where(disc(number, seed=seed), _BRIGHT, _DARK)
    return (pixels + rng.normal(0, _NOISE, pixels.shape)).clip(0, 255).astype(np.uint8)


def cohort_folder(folder: Path, *, n: int = 40) -> Path:
    """Write a cohort of ``n`` pictures with their reference masks, one to a patient.

    Args:
        folder: made here; must not exist.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows = ["case_id,patient_id,image,mask"]
    for number in range(n):
        name = f"m{number:04d}"
        Image.fromarray(picture(number)).save(folder / "images" / f"{name}.png")
        marked = disc(number).astype(np.uint8) * 255
        Image.fromarray(marked).save(folder / "masks" / f"{name}.png")
        rows.append(f"{name},p{number:04d},images/{name}.png,masks/{name}.png")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description: dict[str, JsonValue] = {
        "title": "Discs (simulated)", "task": "segmentation", "classes": [STRUCTURE],
        "modality": "none", "simulated": True,
        "notes": "Simulated: discs in noise. No patient, no scanner.",
    }  # fmt: skip
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def model_folder(folder: Path, *, flaw: Flaw = "") -> Path:
    """Write a network that marks discs.

    Args:
        folder: made here; must not exist.
        flaw: "pixels": each pixel by itself; "blocks": blocks of eight pixels; "": none.
    """
    folder.mkdir(parents=True)
    size = {"": _SMOOTHED, "pixels": 1, "blocks": _BLOCK}[flaw]
    step = _BLOCK if flaw == "blocks" else 1
    kernel = np.ones((1, 1, size, size)) / size**2
    pads = [0 if flaw == "blocks" else size // 2] * 4
    middle = (_DARK + _BRIGHT) / 2 / 255
    weights = {
        "kernel": kernel.astype(np.float32),
        "head": np.array([-_STEEP / 2, _STEEP / 2], np.float32).reshape(2, 1, 1, 1),
        "offset": np.array([_STEEP * middle / 2, -_STEEP * middle / 2], np.float32),
        "scales": np.array([1, 1, step, step], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["mean"], strides=[step, step], pads=pads),
        helper.make_node("Conv", ["mean", "head", "offset"], ["coarse"]),
        helper.make_node("Resize", ["coarse", "", "scales"], ["logits"], mode="nearest"),
    ]
    graph = helper.make_graph(
        nodes, "marks",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2, SIDE, SIDE])],
        [numpy_helper.from_array(one, name) for name, one in weights.items()],
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
    what = {"": "smoothed", "pixels": "pixel by pixel", "blocks": "in blocks"}[flaw]
    declared: dict[str, JsonValue] = {
        "name": f"Discs, {what} (planted)", "version": "1", "format": "onnx",
        "file": "model.onnx", "task": "segmentation",
        "input": {"size": [SIDE, SIDE], "colour": "gray", "intensity": {"scale": 255}},
        "output": {
            "kind": "logits", "classes": ["nothing", STRUCTURE], "activation": "softmax",
            "positive": [STRUCTURE],
        },
        "intended_use": "Simulated: to see that an audit finds what was planted.",
    }  # fmt: skip
    (folder / "model.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return folder
