"""A program run by torch, behind the same door as onnxruntime."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.by_name import open_by_name
from ml.engine.fused import CLOSE, FusedWalker, prepared
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.engine.session import ModelError, Session, check_case_shape, open_onnx
from ml.engine.smoke import noise
from ml.estimate import JsonObject
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.intake.program import read_program
from ml.intake.refusal import Refused
from ml.program.cut import Shape
from ml.program.graph import Program
from ml.program.onnx_rules import NotWritten
from ml.program.to_onnx import to_onnx
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
    def runtime(self) -> str:
        return FUSED if isinstance(self.walker, FusedWalker) else PLAIN

    @property
    def runtime_json(self) -> JsonObject:
        kind = "cuda" if self.walker.device.startswith("cuda") else "cpu"
        return {
            **_made_by(self.walker.program),
            **self.fitted_json,
            "providers": [f"{self.runtime} on {kind}"],
            "device": kind,
        }


def _made_by(program: Program) -> JsonObject:
    built = program.notes.get("monai")  # of a network built by name
    return {"torch": torch.__version__, **({"monai": built} if built else {})}


def open_program(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    gpu: bool = False,
    runtime: str | None = None,
) -> Session:
    """Open a model as a program: torch.export, ONNX, or weights of a network built by name.

    Args:
        path, manifest, threads, gpu, runtime: as for ``ml.engine.session.open_session``.

    Raises:
        ModelError: model_unloadable, model_shape.
    """
    program = program_of(path, manifest)
    return run_by(runtime, program, manifest, threads=threads, gpu=gpu)


def run_by(
    runtime: str | None,
    program: Program,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    gpu: bool = False,
) -> Session:
    """A program that is there already, run as asked or by what comes closest.

    Args:
        runtime: one of ``ml.engine.runtime.RUNTIMES``. The fused program and onnxruntime are used
            if on noise they give the plain walk's answer (1e-4 of its largest number); else the
            fused program is tried, then the plain one. None: the same as the fused program.

    Raises:
        ModelError: model_shape, model_failed.
    """
    if runtime == PLAIN:
        return as_session(program, manifest, threads=threads, gpu=gpu, fused=False)
    if runtime == ONNXRUNTIME and not (gpu and torch.cuda.is_available()):
        plain = as_session(program, manifest, threads=threads, fused=False)
        written = _written(program, manifest, threads)
        if written is not None and agrees(written, plain, manifest.input):
            return written
    return as_session(program, manifest, threads=threads, gpu=gpu)


def _written(program: Program, manifest: ModelManifest, threads: int) -> Session | None:
    """The program in onnxruntime; None where it cannot be written, or opened."""
    try:
        data = to_onnx(program, [tuple(manifest.input.shape)])
        session = open_onnx(data, manifest, threads=threads)
    except (NotWritten, ModelError, RuntimeError, LookupError, TypeError, ValueError):
        return None
    return replace(session, written_by=_made_by(program))


def agrees(session: Session, plain: Session, declared: Input) -> bool:
    """Whether on two cases of noise a session gives the plain walk's answer; False for NaN."""
    batch = noise(declared, 2)
    expected = plain.run(batch)
    try:
        found = session.run(batch)
    except ModelError:
        return False
    return bool(np.abs(found - expected).max() <= CLOSE * np.abs(expected).max())


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
    program: Program,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    gpu: bool = False,
    fused: bool = True,
) -> ProgramSession:
    """A program that is there already, run by torch.

    Args:
        fused: by the fused executor, where it applies.

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
        walker=_walker(program, device, manifest.input.shape, fused),
        output=name,
        dtype=getattr(torch, port.dtype),
    )


def _walker(program: Program, device: str, case: Shape, fused: bool) -> Walker | FusedWalker:
    return prepared(program, [case]) if device == "cpu" and fused else Walker(program, device)
