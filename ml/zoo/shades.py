"""Shades: bright images against dark ones. A simulated network and cohort, as folders."""

from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIZE = 96


def model_folder(folder: Path, *, channels: int = 32, layers: int = 2, name: str = "Shade") -> Path:
    """Write a model folder: P(bright) of a grey image, after convolutions that only cost time.

    Args:
        folder: made here; must not exist.
        channels, layers: of the convolutions; the time of one case grows with both.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    nodes, weights, last, width = [], [], "image", 1
    for layer in range(layers):
        kernel = rng.normal(0, 0.05, (channels, width, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"kernel{layer}"))
        nodes.append(
            helper.make_node("Conv", [last, f"kernel{layer}"], [f"map{layer}"], pads=[1, 1, 1, 1])
        )
        last, width = f"map{layer}", channels
    for key, array in {
        "head": rng.normal(0, 0.01, (width, 2)).astype(np.float32),
        "shade": np.array([[12.0, -12.0]], np.float32),
        "bias": np.array([-6.0, 6.0], np.float32),
    }.items():
        weights.append(numpy_helper.from_array(array, key))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["noise"]),
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat_mean"]),
        helper.make_node("MatMul", ["flat_mean", "shade"], ["signal"]),
        helper.make_node("Add", ["signal", "bias"], ["centred"]),
        helper.make_node("Add", ["centred", "noise"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "shade",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        weights,
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(network, folder / "model.onnx")
    manifest = {
        "name": name,
        "version": "1.0",
        "format": "onnx",
        "file": "model.onnx",
        "task": "classification",
        "intended_use": "Telling bright test images from dark ones.",
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {
            "dims": 2,
            "channels": 1,
            "size": [SIZE, SIZE],
            "layout": "NCHW",
            "colour": "gray",
            "resize": {"mode": "bilinear", "antialias": "pillow"},
            "intensity": {"scale": 255},
        },
        "output": {
            "kind": "probabilities",
            "classes": ["bright", "dark"],
            "activation": "softmax",
            "positive": ["bright"],
        },
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def cohort_folder(folder: Path, *, n: int = 60, readers: int = 3, title: str = "Shades") -> Path:
    """Write a cohort folder of ``n`` noisy grey images of 64 x 48, two to a patient.

    Args:
        folder: made here; must not exist.
        readers: how many simulated readers answer "shade" on a scale of 1 to 5.
    """
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(11)
    cases, readings = ["case_id,patient_id,image,label,sex"], ["reader_id,case_id,question,score"]
    for number in range(n):
        bright = number % 2
        shade = rng.normal(150 if bright else 110, 25)
        pixels = np.clip(rng.normal(shade, 20, (48, 64)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"c{number:04d}.png")
        label, sex = ("bright" if bright else "dark"), ("f" if number % 3 else "m")
        cases.append(f"c{number:04d},p{number // 2:04d},images/c{number:04d}.png,{label},{sex}")
        for reader in range(readers):
            score = int(np.clip(round(rng.normal(4 if bright else 2, 0.8)), 1, 5))
            readings.append(f"r{reader},c{number:04d},shade,{score}")
    (folder / "cases.csv").write_text("\n".join(cases) + "\n")
    (folder / "readings.csv").write_text("\n".join(readings) + "\n")
    description = {
        "title": title,
        "task": "classification",
        "classes": ["bright", "dark"],
        "positive": ["bright"],
        "modality": "none",
        "notes": "Simulated: images and readings are made up.",
        "simulated": True,
        "readers": "identified",
        "questions": {"shade": {"scale": "ordinal", "values": ["1", "2", "3", "4", "5"]}},
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder
