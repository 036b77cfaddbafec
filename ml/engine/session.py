"""One opened model: arrays in, raw outputs out, the same on every call."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ml.engine.device import CPU, CUDA, Device
from ml.engine.fitting import in_pieces, short_of_memory
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.intake.formats import not_allowed
from ml.intake.model_manifest import ModelManifest

FloatArray = NDArray[np.float64]
_CUDA = "CUDAExecutionProvider"
SCRIPT_WALL = "namespaces"  # without which no file that brings code is opened

_DTYPES: dict[str, np.dtype[np.generic]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}


class ModelError(Exception):
    """The model cannot be opened or run as declared; ``code`` is stable, the text a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CasesFailed(Exception):
    """Some cases of a batch have no outputs, and it is they that are the reason."""

    def __init__(self, outputs: FloatArray, codes: Mapping[int, str]) -> None:
        super().__init__(f"The model gives nothing for {len(codes)} cases of a batch.")
        self.outputs = outputs  # (n, k); NaN where a case failed
        self.codes = codes  # place in the batch -> error code
        self.code = next(iter(codes.values()), "")  # for a pass that cannot leave cases out


@dataclass(frozen=True)
class Session(ABC):
    fixed_batch: int | None  # the batch size the graph insists on
    n_classes: int
    # "" gives a row of scores; else a score for each pixel, and the layout it comes in
    maps: str = field(default="", kw_only=True)
    # How many cases fitted into memory at once, where it was fewer than were asked for.
    fitted: list[int] = field(default_factory=list, kw_only=True, compare=False)

    def run(self, batch: Float32Array) -> FloatArray:
        """Raw outputs of a batch; of halves of it, where the whole does not fit into memory.

        Args:
            batch: (n, ...) preprocessed cases in the declared layout.

        Returns:
            (n, k) for k declared classes, or (n, k, ...) with the sides of the cases where the
            network gives maps; NaN and infinity are passed on as they come.

        Raises:
            ModelError: model_shape if the output has another shape; model_failed if it breaks.
            MemoryError: if the runtime could not get the memory it needs for one case.
            CasesFailed: if it gives nothing for some of the cases.
        """
        size = self.fixed_batch
        if size:
            pieces = [self._run(batch[at : at + size], size) for at in range(0, len(batch), size)]
        else:
            pieces = in_pieces(
                len(batch),
                lambda start, stop: self._run(batch[start:stop], stop - start),
                self.fitted,
                self._free,
            )
        return np.concatenate(pieces)

    def _run(self, piece: Float32Array, size: int) -> FloatArray:
        n = len(piece)
        if n < size:  # a graph for exactly `size` cases: fill up with the last, cut off after
            piece = np.concatenate([piece, np.repeat(piece[-1:], size - n, axis=0)])
        outputs = np.asarray(self._raw(piece), dtype=np.float64)
        if self.maps:
            return self._mapped(outputs, piece)[:n]
        if outputs.shape[:1] != (size,) or outputs.size != size * self.n_classes:
            raise ModelError(
                "model_shape",
                f"The output has the shape {outputs.shape} for {size} cases; "
                f"({size}, {self.n_classes}) was declared by the classes.",
            )
        return outputs.reshape(size, self.n_classes)[:n]

    def _mapped(self, outputs: FloatArray, piece: Float32Array) -> FloatArray:
        """Maps with the class before the sides, whatever the layout."""
        last = self.maps == "NHWC"
        sides = piece.shape[1:-1] if last else piece.shape[2:]
        shape = (self.n_classes, *sides)
        want = (len(piece), *sides, self.n_classes) if last else (len(piece), *shape)
        if outputs.shape != want:
            raise ModelError(
                "model_shape",
                f"The output has the shape {outputs.shape}; {want} was declared: a number for "
                "each class and pixel.",
            )
        return np.moveaxis(outputs, -1, 1) if last else outputs

    @abstractmethod
    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        """What the network gives for as many cases as it takes at once."""

    def _free(self) -> None:
        """Before a smaller batch is tried: give back what is kept of the larger one."""
        CPU.free()

    @property
    def runtime(self) -> str:
        """What computes the outputs: one of ``ml.engine.runtime.RUNTIMES``; "" for several."""
        return ""

    @property
    @abstractmethod
    def runtime_json(self) -> JsonObject:
        """What computed the outputs, for the appendix of a report."""

    @property
    def reusable(self) -> bool:
        """Whether the same cases would get the same outputs another time."""
        return True

    @property
    def fitted_json(self) -> JsonObject:
        return {"cases_at_once": self.fitted[0]} if self.fitted else {}


@dataclass(frozen=True)
class OnnxSession(Session):
    opened: ort.InferenceSession
    input_name: str
    dtype: np.dtype[np.generic]
    output_name: str
    device: Device
    # Of a model that came in another format: what else took part, such as torch and MONAI.
    written_by: JsonObject = field(default_factory=dict, kw_only=True)

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        try:
            values = self.opened.run([self.output_name], {self.input_name: self._cast(piece)})[0]
        except Exception as error:  # the runtime's own classes have no common base
            raise translated(error) from None
        return np.asarray(values)

    def _cast(self, piece: Float32Array) -> NDArray[np.generic]:
        if self.dtype == np.uint8:
            piece = np.rint(piece.clip(0, 255))
        return piece.astype(self.dtype, copy=False)

    @property
    def runtime(self) -> str:
        return ONNXRUNTIME

    @property
    def runtime_json(self) -> JsonObject:
        providers = self.opened.get_providers()
        return {
            **self.written_by,
            **self.fitted_json,
            "onnxruntime": ort.__version__,
            "providers": list(providers),
            **self.device.json,
        }


def open_session(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
    runtime: str | None = None,
) -> Session:
    """Open the weights: ONNX with onnxruntime, every other format as a program, or as asked.

    Args:
        path: the weights. It has been through intake; it is opened nowhere but in a child.
        manifest: what the model declares.
        threads: of one operation; more threads may change the last bits of a result.
        device: to compute on; the session says where it fell back to the processor, and why.
        runtime: one of ``ml.engine.runtime.RUNTIMES``, as a trial chose it. Where this machine
            cannot do it, or it does not give the plain walk's answer, the next one is taken; the
            session says which.

    Raises:
        ModelError: opset_unsupported, model_unloadable, model_shape, format_unsupported.
        MemoryError: if it does not fit.
    """
    if manifest.format != "onnx":
        if runtime == ONNXRUNTIME and device.is_cpu:
            from ml.engine.kept_onnx import open_kept

            kept = open_kept(path, manifest, threads=threads, device=device)
            if kept is not None:
                return kept
        return open_as_program(path, manifest, threads=threads, device=device, runtime=runtime)
    if runtime in (FUSED, PLAIN) and device.is_cpu:
        try:
            return open_as_program(path, manifest, threads=threads, device=device, runtime=runtime)
        except ModelError as error:
            if error.code not in ("format_unsupported", "model_unloadable"):
                raise
    return open_onnx(path.read_bytes(), manifest, threads=threads, device=device)


def open_as_program(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
    runtime: str | None = None,
) -> Session:
    """Open the weights as a program, whatever their format; that can be looked into.

    Raises:
        ModelError: as ``open_session``; format_unsupported without torch.
        MemoryError: if it does not fit.
    """
    try:
        from ml.engine.program_session import open_program
    except ModuleNotFoundError:
        raise ModelError(
            "format_unsupported",
            "Walking over a network needs torch, which is not installed on this machine: "
            "requirements-engine.txt holds it.",
        ) from None
    return open_program(path, manifest, threads=threads, device=device, runtime=runtime)


def options_of(threads: int) -> ort.SessionOptions:
    """One operation after the other, by kernels that repeat themselves."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_onnx(
    data: bytes, manifest: ModelManifest, *, threads: int = 1, device: Device = CPU
) -> OnnxSession:
    """An ONNX model from its bytes, run sequentially and with deterministic kernels.

    Raises:
        ModelError, MemoryError: as ``open_session``.
    """
    options = options_of(threads)
    device, wanted = _offered(device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # From bytes: a path would let the graph name files beside it.
            runtime = ort.InferenceSession(
                rested(data), options, providers=[*wanted, "CPUExecutionProvider"]
            )
    except Exception as error:  # the runtime's own classes have no common base
        raise translated(error, opening=True) from None
    if wanted and _CUDA not in runtime.get_providers():
        device = device.instead("onnxruntime has its CUDA provider, but could not start it.")
    return _matched(runtime, manifest, device)


def rested(data: bytes) -> bytes:
    """See ``ml.intake.onnx_graph.at_rest``, which is loaded where there is something to do."""
    if b"Dropout" not in data and b"training_mode" not in data:
        return data
    from ml.intake.onnx_graph import at_rest

    return at_rest(data)


def _offered(device: Device) -> tuple[Device, list[tuple[str, dict[str, str]]]]:
    """Where onnxruntime can compute, and what it is asked for before the processor."""
    if device.is_cpu:
        return device, []
    if device.kind != CUDA:
        return device.instead(f"onnxruntime does not know {device.name}."), []
    if _CUDA not in ort.get_available_providers():
        return device.instead("The onnxruntime of this machine is built without CUDA."), []
    found = {
        "device_id": (device.torch_name or "").partition(":")[2],
        # Products of float32 numbers in float32; kernels that are not chosen by timing them.
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    return device, [(_CUDA, found)]


def _matched(runtime: ort.InferenceSession, manifest: ModelManifest, device: Device) -> OnnxSession:
    """The session, if the graph takes and gives what the manifest declares."""
    inputs, outputs = runtime.get_inputs(), runtime.get_outputs()
    if len(inputs) != 1:
        raise ModelError(
            "model_shape", f"The model has {len(inputs)} inputs; models with one image are run."
        )
    dtype = _DTYPES.get(inputs[0].type)
    if dtype is None:
        raise ModelError("model_shape", f"The input is {inputs[0].type}; numbers are expected.")
    batch, *rest = inputs[0].shape or [None]
    check_case_shape(rest, manifest)
    names = [output.name for output in outputs]
    name = manifest.output.name or names[0]
    if name not in names:
        raise ModelError(
            "model_shape", f"There is no output '{name}'; there is {', '.join(names[:10])}."
        )
    return OnnxSession(
        opened=runtime,
        input_name=inputs[0].name,
        dtype=dtype,
        fixed_batch=batch if isinstance(batch, int) and batch > 0 else None,
        output_name=name,
        device=device,
        n_classes=len(manifest.output.classes),
        maps=manifest.maps,
    )


def check_may_open(allow: Collection[str], walls: Collection[str]) -> None:
    """Hold back a file that brings code, before torch itself is loaded.

    Args:
        allow: formats that the team's owner allows.
        walls: that stand around this process.

    Raises:
        ModelError: pickle_refused, isolation_required.
    """
    if "torchscript" not in allow:
        raise ModelError("pickle_refused", not_allowed())
    if SCRIPT_WALL not in walls:
        raise ModelError(
            "isolation_required",
            "TorchScript runs code of its own, so it is opened behind namespaces only, and this "
            f"machine has {', '.join(walls) or 'no walls'}: docs/sandbox.md says how to get them.",
        )


def check_case_shape(rest: Sequence[object], manifest: ModelManifest) -> None:
    """Refuse a graph that takes other cases than the manifest declares; names are free sizes.

    Raises:
        ModelError: model_shape.
    """
    declared = manifest.input.shape
    fits = len(rest) == len(declared) and all(
        not isinstance(side, int) or side == want for side, want in zip(rest, declared, strict=True)
    )
    if not fits:
        raise ModelError(
            "model_shape",
            f"The model takes {list(rest)} for each case, model.yaml declares {list(declared)} "
            f"({manifest.input.layout}). Correct size, layout or colour.",
        )


def translated(error: Exception, *, opening: bool = False) -> Exception:
    """The runtime's complaint as a sentence with a code, or as MemoryError."""
    text = " ".join(str(error).split())[:300]
    lower = text.lower()
    if short_of_memory(error):
        return MemoryError(text)
    if "opset" in lower or "ir version" in lower or "ir_version" in lower:
        return ModelError(
            "opset_unsupported",
            f"The file is newer than what is run here (onnxruntime {ort.__version__}). "
            "Export it again with opset 17.",
        )
    if opening:
        return ModelError("model_unloadable", f"onnxruntime cannot open the model: {text}")
    return ModelError("model_failed", f"The model broke while it ran: {text}")
