"""A program run by torch, behind the same door as onnxruntime."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.by_name import open_by_name
from ml.engine.device import CPU, Autocast, Device
from ml.engine.fitting import short_of_memory
from ml.engine.fused import FusedWalker, prepared
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.engine.session import ModelError, Session, check_case_shape, open_onnx
from ml.engine.smoke import noise
from ml.engine.trial import same_answer
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
    device: Device
    autocast: Autocast | None = None

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        # One case of a batch in another order may be contiguous and step backwards; any other is
        # taken as it lies, pinned where it is.
        lies = all(step > 0 for step in piece.strides)
        try:
            with torch.inference_mode(), self.device.computing(self.autocast):
                cases = self.device.place(torch.from_numpy(piece if lies else piece.copy()))
                if not self.dtype.is_floating_point:
                    cases = cases.round()
                found = self.walker.run([cases.to(self.dtype)])[self.output].cpu()
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise broken(error) from None
        return np.asarray(found.double().numpy())

    def _free(self) -> None:
        self.device.free()

    @property
    def runtime(self) -> str:
        return FUSED if isinstance(self.walker, FusedWalker) else PLAIN

    @property
    def runtime_json(self) -> JsonObject:
        return {
            **made_by(self.walker.program),
            **self.fitted_json,
            "providers": [f"{self.runtime} on {self.device.kind}"],
            **self.device.json,
            **self.device.precision(self.autocast),
        }


def broken(error: Exception, said: str = "The model broke while it ran") -> Exception:
    """torch's complaint about a network as a sentence with a code, or as MemoryError."""
    text = " ".join(str(error).split())[:300]
    if short_of_memory(error):
        return MemoryError(text)
    return ModelError("model_failed", f"{said}: {text}")


def made_by(program: Program) -> JsonObject:
    """The packages that took part in what a program is, for the appendix of a report."""
    built = program.notes.get("monai")  # of a network built by name
    return {"torch": torch.__version__, **({"monai": built} if built else {})}


def open_program(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
    runtime: str | None = None,
) -> Session:
    """Open a model as a program: torch.export, ONNX, or weights of a network built by name.

    Args:
        path, manifest, threads, device, runtime: as for ``ml.engine.session.open_session``.

    Raises:
        ModelError: model_unloadable, model_shape.
    """
    program = program_of(path, manifest)
    return run_by(runtime, program, manifest, threads=threads, device=device)


def run_by(
    runtime: str | None,
    program: Program,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
) -> Session:
    """A program that is there already, run as asked or by what comes closest.

    Args:
        runtime: one of ``ml.engine.runtime.RUNTIMES``. The fused program and onnxruntime are used
            if on noise they give the plain walk's answer (1e-4 of its largest number); else the
            fused program is tried, then the plain one. None: the same as the fused program. On
            another device than the processor the plain walk is the one there is.

    Raises:
        ModelError: model_shape, model_failed.
    """
    if runtime == PLAIN:
        return as_session(program, manifest, threads=threads, device=device, fused=False)
    if runtime == ONNXRUNTIME and device.is_cpu:
        plain = as_session(program, manifest, threads=threads, fused=False)
        written = _written(program, manifest, threads, device)
        if written is not None and agrees(written, plain, manifest.input):
            return written
    return as_session(program, manifest, threads=threads, device=device)


def _written(
    program: Program, manifest: ModelManifest, threads: int, device: Device
) -> Session | None:
    """The program in onnxruntime; None where it cannot be written, or opened."""
    data = written_bytes(program, manifest)
    try:
        session = (
            None if data is None else open_onnx(data, manifest, threads=threads, device=device)
        )
    except (ModelError, RuntimeError, LookupError, TypeError, ValueError):
        return None
    if session is None:
        return None
    return replace(session, written_by=made_by(program))


def written_bytes(program: Program, manifest: ModelManifest) -> bytes | None:
    """The program as an ONNX file; None where it cannot be written."""
    try:
        return to_onnx(program, [tuple(manifest.input.shape)])
    except (NotWritten, RuntimeError, LookupError, TypeError, ValueError):
        return None


def agrees(session: Session, plain: Session, declared: Input) -> bool:
    """Whether on two cases of noise a session gives the plain walk's answer; False for NaN."""
    batch = noise(declared, 2)
    return same_answer(session, batch, plain.run(batch))


def program_of(path: Path, manifest: ModelManifest) -> Program:
    """The program of a stored model, whatever its format.

    Raises:
        ModelError: model_unloadable.
    """
    try:
        if manifest.architecture is not None:
            return open_by_name(path, manifest)
        return read_program(path, manifest.format, manifest.input.shape)
    except Refused as refused:
        raise ModelError("model_unloadable", refused.refusals[0].message) from None


def use_threads(threads: int) -> None:
    """Have torch compute with so many threads, and the same on every run."""
    torch.set_num_threads(threads)
    # use_deterministic_algorithms(True, warn_only=True) would load torch's compiler to tell it too:
    # two seconds of the processor for each child, and nothing here is compiled.
    torch.set_deterministic_debug_mode("warn")
    # Nothing here reads memory that it has not written: filling it first would cost a pass.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010


def as_session(
    program: Program,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
    fused: bool = True,
) -> ProgramSession:
    """A program that is there already, run by torch.

    Args:
        device: to compute on.
        fused: by the fused executor, where it applies: on the processor.

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
    return ProgramSession(
        fixed_batch=batch,
        n_classes=len(manifest.output.classes),
        maps=manifest.maps,
        walker=_walker(program, device, manifest.input.shape, fused),
        output=name,
        dtype=getattr(torch, port.dtype),
        device=device,
        autocast=manifest.autocast,
    )


def _walker(program: Program, device: Device, case: Shape, fused: bool) -> Walker | FusedWalker:
    if device.is_cpu and fused:
        return prepared(program, [case])
    return Walker(program, device.place)
