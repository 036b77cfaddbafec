"""What intake has made of a model and keeps beside its weights, so that no child makes it again."""

from pathlib import Path

from ml.engine.kept_onnx import keep
from ml.engine.runtime import ONNXRUNTIME
from ml.estimate import JsonObject
from ml.evidence.store import file_sha256
from ml.intake.model_manifest import BY_NAME, ModelManifest
from ml.intake.program_file import beside, key_of, write_program
from ml.intake.safetensors_file import read_safetensors
from ml.program.graph import Program


def kept(
    stored: Path, program: Program, manifest: ModelManifest, runtime: JsonObject
) -> JsonObject:
    """Keep what saves time later on; nothing is lost where it cannot be kept.

    Args:
        stored: the file of weights.
        program: what it was read as.
        runtime: of the card; what it chose computes the outputs.

    Returns:
        For the card: ``program_sha256`` of a network built by its name, None where it could not be
        kept; ``onnx_sha256`` of a program that onnxruntime is to run, where it could.
    """
    found: JsonObject = {}
    if manifest.format in BY_NAME:
        found["program_sha256"] = _program(stored, program, manifest)
    if runtime["chosen"] == ONNXRUNTIME:
        written = keep(stored, program, manifest)
        found |= {} if written is None else {"onnx_sha256": written}
    return found


def _program(stored: Path, program: Program, manifest: ModelManifest) -> str | None:
    try:
        tensors = read_safetensors(stored).tensors
        write_program(beside(stored), program, tensors, key_of(stored, manifest))
    except (KeyError, OSError):
        beside(stored).unlink(missing_ok=True)
        return None
    return file_sha256(beside(stored))
