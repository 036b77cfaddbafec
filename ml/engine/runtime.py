"""What a result was computed with: the versions and settings an appendix lists."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import cast

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


def of_all(runtimes: Sequence[Mapping[str, JsonValue]]) -> JsonObject:
    """What the shards of one pass were computed with: as the first says, asked over all of them.

    Args:
        runtimes: what each shard's pass reported of itself; at least one.

    Returns:
        The first of them; of an endpoint, the requests of all, from the first to the last.

    Example:
        >>> one = {"endpoint": {"requests": 2, "began": "10:00", "ended": "10:01"}}
        >>> two = {"endpoint": {"requests": 3, "began": "09:00", "ended": "09:01"}}
        >>> of_all([one, two])["endpoint"]
        {'requests': 5, 'began': '09:00', 'ended': '10:01'}
    """
    found = dict(runtimes[0])
    asked = [cast(JsonObject, one["endpoint"]) for one in runtimes if "endpoint" in one]
    if asked:
        found["endpoint"] = {
            **asked[0],
            "requests": sum(cast(int, one["requests"]) for one in asked),
            "began": min(str(one["began"]) for one in asked),
            "ended": max(str(one["ended"]) for one in asked),
        }
    return found


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
        # Whom was asked, where the model is behind an address.
        **({"endpoint": runtime["endpoint"]} if runtime and "endpoint" in runtime else {}),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
