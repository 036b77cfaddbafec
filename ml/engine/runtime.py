"""What a result was computed with: the versions and settings an appendix lists."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ml.estimate import JsonObject, JsonValue
from ml.version import ENGINE_VERSION

# What may compute the outputs on a processor; which one is measured by ``ml.engine.trial``.
ONNXRUNTIME, FUSED, PLAIN = "onnxruntime", "fused program", "program"
RUNTIMES = (ONNXRUNTIME, FUSED, PLAIN)

PACKAGES = (
    "numpy",
    "scipy",
    "onnx",
    "onnxruntime",
    "pillow",
    "pyarrow",
    "pydicom",
    "pylibjpeg",
    "nibabel",
)


def engine_block(runtime: Mapping[str, JsonValue] | None) -> JsonObject:
    """The ``engine`` part of ``audit.json``; the document adds the protocol's seeds.

    Args:
        runtime: what the predict pass reported of itself; None when no model was run.
    """
    packages: dict[str, JsonValue] = {"python": platform.python_version()}
    packages |= {name: _version(name) for name in PACKAGES}
    if runtime and "torch" in runtime:  # only where it ran the model
        packages["torch"] = runtime["torch"]
    return {
        "version": ENGINE_VERSION,
        "packages": packages,
        "device": runtime.get("device", "cpu") if runtime else None,
        "providers": runtime.get("providers", []) if runtime else [],
        # How the model was locked in while it ran; None when none was run, or by older evidence.
        "isolation": runtime.get("isolation") if runtime else None,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
