"""One network written as a file of each format, and read as any stranger's file is."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model

from benchmarks.networks.rows import Row, Shape, Size, quiet
from ml.engine.by_name import program_by_name
from ml.intake.bundle import METADATA, read_bundle
from ml.intake.checkpoint import read_checkpoint
from ml.intake.folder import open_folder
from ml.intake.manifest import validated
from ml.intake.model_manifest import Architecture
from ml.intake.onnx_graph import read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.intake.pt2 import read_pt2
from ml.intake.safetensors_file import read_safetensors
from ml.program.graph import Array, Program

OPSET = 17


class ExportError(Exception):
    """torch cannot write the network in this format; the message is its own."""


def of_archive(module: Any, case: Shape, folder: Path) -> Program:
    """As docs/formats.md exports a network: dropout in training mode, the batch free."""
    path = folder / "model.pt2"
    _dropping(module, every=True)
    free = ({0: torch.export.Dim("batch")},)
    try:
        with quiet():
            exported = torch.export.export(module, (torch.zeros(2, *case),), dynamic_shapes=free)
            torch.export.save(exported, path)
    finally:
        module.eval()
    return read_pt2(path)


def of_onnx(module: Any, case: Shape, folder: Path) -> Program:
    """As docs/formats.md exports a network whose elementwise dropout is to be kept."""
    path = folder / "model.onnx"
    _dropping(module, every=False)
    try:
        with quiet():
            torch.onnx.export(
                module, (torch.zeros(2, *case),), path, dynamo=False, opset_version=OPSET,
                training=torch.onnx.TrainingMode.PRESERVE, input_names=["image"],
                dynamic_axes={"image": {0: "cases"}},
            )  # fmt: skip
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise ExportError(f"torch's exporter stops: {' '.join(str(error).split())}") from None
    finally:
        module.eval()
    return read_onnx_program(read_graph(path.read_bytes(), path.name), "model.onnx")


def of_weights(module: Any, case: Shape, folder: Path, architecture: Architecture) -> Program:
    """A file of safetensors, and the network by its name."""
    path = folder / "model.safetensors"
    save_model(module, str(path))
    return _built(architecture, read_safetensors(path).tensors, case)


def of_bundle(module: Any, case: Shape, folder: Path, architecture: Architecture) -> Program:
    """A MONAI bundle with a checkpoint as its authors save it."""
    (folder / "configs").mkdir()
    (folder / "models").mkdir()
    network = {"_target_": architecture.name.removeprefix("monai."), **architecture.arguments}
    outputs = {"pred": {"channel_def": {"0": "nothing", "1": "finding"}}}
    metadata = {"version": "1.0", "name": "Row", "network_data_format": {"outputs": outputs}}
    (folder / METADATA).write_text(json.dumps(metadata))
    (folder / "configs/inference.json").write_text(json.dumps({"network_def": network}))
    torch.save(module.state_dict(), folder / "models/model.pt")
    own = {
        "name": "Row", "version": "1", "input": {"size": [8, 8]}, "architecture": {"axes": "yx"},
        "output": {"kind": "logits", "activation": "softmax", "positive": ["finding"]},
    }  # fmt: skip
    with open_folder(folder, folder, METADATA) as opened:
        bundle = read_bundle(opened, own)
        tensors, _ = read_checkpoint(opened.path(bundle.weights), file=bundle.weights)
    said = bundle.manifest["architecture"]
    assert isinstance(said, dict)
    return _built(validated(Architecture, said, "bundle"), tensors, case)


def _built(architecture: Architecture, tensors: Mapping[str, Array], case: Shape) -> Program:
    return program_by_name(architecture, tensors, case, file="model")


def reader(row: Row, size: Size, kind: str) -> Callable[[Any, Path], Program]:
    """What turns the module into a file of this format and that into a program."""
    variant = row.variant(size)
    architecture = Architecture(name=f"monai.{row.network}", arguments=dict(variant.arguments))

    def read(module: Any, folder: Path) -> Program:
        if kind == "pt2":
            return of_archive(module, variant.case, folder)
        if kind == "onnx":
            return of_onnx(module, variant.case, folder)
        named = of_weights if kind == "safetensors" else of_bundle
        return named(module, variant.case, folder, architecture)

    return read


def sites(module: Any, *, every: bool) -> list[Any]:
    """Its dropout parts that would drop; those that ONNX can hold, or every kind."""
    return [
        part
        for part in module.modules()
        if ("Dropout" in type(part).__name__ if every else type(part) is torch.nn.Dropout)
        and bool(part.p)
    ]


def _dropping(module: Any, *, every: bool) -> None:
    for part in sites(module, every=every):
        part.train()
