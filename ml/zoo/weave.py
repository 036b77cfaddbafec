"""Planted: a network that reads every fourth pixel, and its twin that reads all. Simulated.

The finding is a weave of four pixels to a thread. A network that skips pixels without smoothing
before sees it in one place and not a pixel beside it.
"""

from pathlib import Path

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.estimate import JsonValue
from ml.zoo.planted import planted_manifest

SIDE = 32
_PERIOD, _STRENGTH, _NOISE = 4, 50.0, 8.0
_SURE = 4.0  # logit of a picture with, and minus that of one without
_WAVE = np.array([1.0, 0.0, -1.0, 0.0])


def picture(number: int, *, woven: bool, seed: int = 7) -> NDArray[np.uint8]:
    """(32, 32) grey noise, with a weave or without."""
    rng = np.random.default_rng([seed, number])
    pixels = rng.normal(rng.normal(120, 6), _NOISE, (SIDE, SIDE))
    if woven:
        thread = np.tile(_WAVE, SIDE // _PERIOD)
        pixels += _STRENGTH * np.outer(thread, thread)
    return pixels.clip(0, 255).astype(np.uint8)


def cohort_folder(folder: Path, *, n: int = 100) -> Path:
    """Write a cohort of ``n`` images, one to a patient; every other one is woven.

    Args:
        folder: made here; must not exist.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,patient_id,image,label"]
    for number in range(n):
        woven, name = bool(number % 2), f"w{number:04d}"
        Image.fromarray(picture(number, woven=woven)).save(folder / "images" / f"{name}.png")
        rows.append(f"{name},p{number:04d},images/{name}.png,{'woven' if woven else 'plain'}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description: dict[str, JsonValue] = {
        "title": "Weaves (simulated)", "task": "classification", "classes": ["plain", "woven"],
        "positive": ["woven"], "modality": "none", "simulated": True,
        "notes": "Simulated: a weave on noise. No patient, no scanner.",
    }  # fmt: skip
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def model_folder(folder: Path, *, skips: bool) -> Path:
    """Write a network that finds weaves.

    Args:
        folder: made here; must not exist.
        skips: it reads every fourth pixel, less the mean around it: the planted flaw. Else it takes
            the mean strength of the weave over all places.
    """
    folder.mkdir(parents=True)
    strength = _STRENGTH / 255
    if skips:
        kernel = -np.ones((_PERIOD, _PERIOD)) / _PERIOD**2
        kernel[0, 0] += 1
        with_it, without = strength, 0.0
        nodes = [
            helper.make_node("Conv", ["image", "kernel"], ["read"], strides=[_PERIOD, _PERIOD])
        ]
    else:
        kernel = np.outer(_WAVE, _WAVE) / 4
        noise = (_NOISE / 255) ** 2 * float((kernel**2).sum())
        with_it, without = strength**2 / 4 + noise, noise
        nodes = [
            helper.make_node("Conv", ["image", "kernel"], ["waves"]),
            helper.make_node("Mul", ["waves", "waves"], ["read"]),
        ]
    slope = 2 * _SURE / (with_it - without)
    middle = slope * (with_it + without) / 2
    nodes += [
        helper.make_node("GlobalAveragePool", ["read"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "offset"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    weights = {
        "kernel": kernel[None, None],
        "head": np.array([[-slope / 2, slope / 2]]),
        "offset": np.array([middle / 2, -middle / 2]),
    }
    graph = helper.make_graph(
        nodes, "weave",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(one.astype(np.float32), name) for name, one in weights.items()],
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
    name = f"Weaves, {'every fourth pixel' if skips else 'every pixel'} (planted)"
    declared = planted_manifest(name, SIDE, ("plain", "woven"))
    (folder / "model.yaml").write_text(yaml.safe_dump(declared))
    return folder
