"""A program run by torch, behind the same door as onnxruntime."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.by_name import open_by_name
from ml.engine.fused import FusedWalker, prepared
from ml.engine.session import ModelError, Session, check_case_shape
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.intake.program import read_program
from ml.intake.refusal import Refused
from ml.program.cut import Shape
from ml.program.graph import Program
from ml.program.walk import Walker


@dataclass(frozen=True)
class ProgramSession(Session):
    walker: Walker | FusedWalker
    output: str
    dtype: torch.dtype

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        # A copy: one case of a batch in another order may be contiguous and step backwards.
        cases = torch.from_numpy(piece.copy())
        if not self.dtype.is_floating_point:
            cases = cases.round()
        try:
            with torch.inference_mode():
                found = self.walker.run([cases.to(self.dtype)])[self.output]
        except RuntimeError as error:
            text = " ".join(str(error).split())[:300]
            if "alloc" in text.lower() or "out of memory" in text.lower():
                raise MemoryError(text) from None
            raise ModelError("model_failed", f"The model broke while it ran: {text}") from None
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ModelError(
                "model_failed", f"The model broke while it ran: {str(error)[:300]}"
            ) from None
        return np.asarray(found.cpu().double().numpy())

    @property
    def runtime_json(self) -> JsonObject:
        kind = "cuda" if self.walker.device.startswith("cuda") else "cpu"
        how = "fused program" if isinstance(self.walker, FusedWalker) else "program"
        built = self.walker.program.notes.get("monai")  # of a network built by name
        return {
            "torch": torch.__version__,
            **({"monai": built} if built else {}),
            "providers": [f"{how} on {kind}"],
            "device": kind,
        }


def open_program(
    path: Path, manifest: ModelManifest, *, threads: int = 1, gpu: bool = False
) -> ProgramSession:
    """Open a model as a program: torch.export, ONNX, or weights of a network built by name.

    Args:
        path, manifest, threads, gpu: as for ``ml.engine.session.open_session``.

    Raises:
        ModelError: model_unloadable, model_shape.
    """
    return as_session(program_of(path, manifest), manifest, threads=threads, gpu=gpu)


def program_of(path: Path, manifest: ModelManifest) -> Program:
    """The program of a stored model, whatever its format.

    Raises:
        ModelError: model_unloadable.
    """
    try:
        by_name = manifest.architecture is not None
        return open_by_name(path, manifest) if by_name else read_program(path, manifest.format)
    except Refused as refused:
        raise ModelError("model_unloadable", refused.refusals[0].message) from None


def use_threads(threads: int) -> None:
    """Have torch compute with so many threads, and the same on every run."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory that it has not written: filling it first would cost a pass.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010


def as_session(
    program: Program, manifest: ModelManifest, *, threads: int = 1, gpu: bool = False
) -> ProgramSession:
    """A program that is there already, as ``open_program`` opens one.

    Raises:
        ModelError: model_shape.
    """
    use_threads(threads)
    if len(program.inputs) != 1:
        raise ModelError(
            "model_shape",
            f"The model has {len(program.inputs)} inputs; models with one image are run.",
        )
    port = program.inputs[0]
    batch, *rest = port.shape or (None,)
    check_case_shape(["free" if size is None else size for size in rest], manifest)
    name = manifest.output.name or program.outputs[0]
    if name not in program.outputs:
        raise ModelError(
            "model_shape", f"There is no output '{name}'; there is {', '.join(program.outputs)}."
        )
    device = "cuda:0" if gpu and torch.cuda.is_available() else "cpu"
    return ProgramSession(
        fixed_batch=batch,
        n_classes=len(manifest.output.classes),
        maps=manifest.maps,
        walker=_walker(program, device, manifest.input.shape),
        output=name,
        dtype=getattr(torch, port.dtype),
    )


def _walker(program: Program, device: str, case: Shape) -> Walker | FusedWalker:
    return prepared(program, [case]) if device == "cpu" else Walker(program, device)
