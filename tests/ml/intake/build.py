"""Small folders to hand in, made on the spot."""

import zipfile
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.estimate import JsonObject
from ml.sandbox.messages import Reporter

QUIET = Reporter(log=lambda line: None, progress=lambda done, total: None)

MANIFEST: JsonObject = {
    "name": "Brightness",
    "version": "1.0",
    "format": "onnx",
    "file": "model.onnx",
    "input": {"size": [8, 8], "colour": "gray", "intensity": {"scale": 255}},
    "output": {
        "kind": "probabilities",
        "classes": ["dark", "bright"],
        "activation": "softmax",
        "positive": ["bright"],
    },
}


def brightness(
    *,
    shape=("batch", 1, 8, 8),
    softmax=True,
    nodes=(),
    opset=17,
    ir=9,
    weights=((-10.0, 10.0),),
    initializers=(),
) -> onnx.ModelProto:
    """Mean of the picture, one linear layer to two classes, softmax."""
    last = "logits" if softmax else "scores"
    graph_nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], [last]),
        *nodes,
    ]
    if softmax:
        graph_nodes.append(helper.make_node("Softmax", ["logits"], ["scores"]))
    array = np.array(weights, dtype=np.float32)
    graph = helper.make_graph(
        graph_nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], array.shape[1]])],
        [
            numpy_helper.from_array(array, "weights"),
            numpy_helper.from_array(np.array([5.0, -5.0], np.float32)[: array.shape[1]], "bias"),
            *initializers,
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def model_folder(folder: Path, model: onnx.ModelProto | None = None, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = (model or brightness()).SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    (folder / "model.yaml").write_text(yaml.safe_dump(merged(MANIFEST, changes)))
    return folder


def cohort_folder(folder: Path, n: int = 6, **changes: object) -> Path:
    """n grey pictures; every second one is bright and labelled so; two cases per patient."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = ["case_id,patient_id,image,label,sex"]
    for number in range(n):
        shade = 140 if number % 2 else 40
        pixels = np.full((10, 12), shade + number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"c{number}.png")
        label = "bright" if number % 2 else "dark"
        rows.append(f"c{number},p{number // 2},images/c{number}.png,{label},{'fm'[number % 2]}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    manifest = {"title": "Shades", "classes": ["dark", "bright"], "positive": ["bright"]}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(merged(manifest, changes)))
    return folder


def predictions_folder(folder: Path, rows: str, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "kind": "probabilities",
        "classes": ["dark", "bright"],
        "positive": ["bright"],
        "model": {"name": "Brightness", "version": "1.0"},
    }
    (folder / "predictions.yaml").write_text(yaml.safe_dump(merged(manifest, changes)))
    (folder / "predictions.csv").write_text(rows)
    return folder


def merged(base, changes):
    """base with changes, one level down too; a change of None takes the key away."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def zipped(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder).as_posix()}")
    return path


def codes(refused) -> list[str]:
    return [refusal.code for refusal in refused.value.refusals]
