"""A program written as ONNX, kept beside its weights: who runs it needs onnxruntime alone.

Where the trial at intake chose onnxruntime for a program, reading it, writing it as ONNX and
holding it against the plain walk take seconds, and torch. Intake has done all that; a child that
predicts opens what was kept, and holds its answer against the plain walk's, which is kept with it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from ml.engine.device import CPU, Device
from ml.engine.runtime import version_of
from ml.engine.session import ModelError, OnnxSession, open_onnx
from ml.engine.smoke import noise
from ml.engine.trial import same_answer
from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import canonical, file_sha256, sha256_of
from ml.intake.model_manifest import ModelManifest
from ml.intake.program_file import onnx_beside
from ml.intake.refusal import Refused
from ml.intake.safetensors_file import Stored, read_safetensors, write_safetensors
from ml.program.graph import Program
from ml.version import ENGINE_VERSION

_NETWORK, _ANSWER = "network", "answer"  # bytes of the ONNX file; of the plain walk on noise
_KEY, _SHA256, _MADE_BY = "key", "sha256", "made_by"
_CASES = 2


def key_of(weights: Path, manifest: ModelManifest) -> str:
    """Of all that the written network and its use depend on: weights, manifest, and who wrote it.

    onnxruntime is named too: of another version it was not held against the plain walk.
    """
    by: dict[str, JsonValue] = {
        name: version_of(name) for name in ("torch", "monai", "onnx", "onnxruntime")
    }
    return sha256_of(
        {
            "weights": file_sha256(weights),
            "manifest": manifest.model_dump(mode="json"),
            "by": {"engine": ENGINE_VERSION, **by},
        }
    )


def keep(weights: Path, program: Program, manifest: ModelManifest) -> str | None:
    """Write a program as ONNX beside its weights, with what the plain walk answers to noise.

    Returns:
        The SHA-256 of the file; None where there is none, which costs whoever predicts time alone.

    Raises:
        ModelError: of the plain walk.
    """
    from ml.engine.program_session import as_session, made_by, written_bytes

    data = written_bytes(program, manifest)
    if data is None:
        return None
    answer = as_session(program, manifest, fused=False).run(noise(manifest.input, _CASES))
    said = {
        _KEY: key_of(weights, manifest),
        _SHA256: hashlib.sha256(data).hexdigest(),
        _MADE_BY: canonical(made_by(program)).decode(),
    }
    network = np.frombuffer(data, dtype=np.uint8)
    target = onnx_beside(weights)
    try:
        write_safetensors(target, {_NETWORK: network, _ANSWER: answer}, said)
    except OSError:
        target.unlink(missing_ok=True)
        return None
    return file_sha256(target)


def open_kept(
    path: Path, manifest: ModelManifest, *, threads: int = 1, device: Device = CPU
) -> OnnxSession | None:
    """The network kept beside a file of weights, open in onnxruntime.

    Args:
        path: of the weights.
        threads: of one operation.
        device: the processor, and why it is that.

    Returns:
        None where there is none, it is damaged or of another key, or its answer to noise is not
        the one that was kept, on this machine.

    Raises:
        MemoryError: if it does not fit.
    """
    kept = onnx_beside(path)
    if not kept.exists():
        return None
    try:
        stored = read_safetensors(kept)
        data, made_by = _checked(stored, key_of(path, manifest))
        opened = open_onnx(data, manifest, threads=threads, device=device)
        session = replace(opened, written_by=made_by)
    except (OSError, Refused, ModelError, LookupError, ValueError, TypeError, RecursionError):
        return None
    expected = np.asarray(stored.tensors[_ANSWER], dtype=np.float64)
    return session if same_answer(session, noise(manifest.input, _CASES), expected) else None


def _checked(stored: Stored, key: str) -> tuple[bytes, JsonObject]:
    """The bytes of the network, and what it was made by.

    Raises:
        ValueError, LookupError, TypeError: where it is not what it says, or of another key.
    """
    said: Mapping[str, str] = stored.metadata
    data = stored.tensors[_NETWORK].tobytes()
    if said[_KEY] != key or hashlib.sha256(data).hexdigest() != said[_SHA256]:
        raise ValueError("it was kept of something else, or has changed since")
    made_by = json.loads(said[_MADE_BY])
    if stored.tensors[_ANSWER].dtype != np.float64 or not isinstance(made_by, dict):
        raise ValueError("it holds something else")
    return data, cast(JsonObject, made_by)
