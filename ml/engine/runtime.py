"""What a result was computed with: the versions and settings an appendix lists."""

import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from ml.engine.device import AUTO
from ml.estimate import JsonObject, JsonValue
from ml.version import ENGINE_VERSION

# What may compute the outputs on a processor; which one is measured by ``ml.engine.trial``.
ONNXRUNTIME, FUSED, PLAIN = "onnxruntime", "fused program", "program"
RUNTIMES = (ONNXRUNTIME, FUSED, PLAIN)

WORTH = 0.001  # seconds per case that a choice must save
MOST_BATCH, MOST_CORES = 32, 8  # that a trial measures, and that are taken from its card

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


def quickest(seconds: Mapping[str, float], usual: str) -> str:
    """The runtime that takes least of the processor for a case, or the usual one.

    Of a small network several are about equally quick. What saves less than ``WORTH`` is not taken:
    it would only make two intakes of one model decide differently, and last digits differ.

    Example:
        >>> quickest({FUSED: 0.0102, PLAIN: 0.0098}, FUSED) == FUSED
        True
        >>> quickest({FUSED: 0.0202, PLAIN: 0.0098}, FUSED) == PLAIN
        True
    """
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] < seconds.get(usual, math.inf) - WORTH else usual


def of_all(runtimes: Sequence[Mapping[str, JsonValue]]) -> JsonObject:
    """What the shards of one pass were computed with: as the first says, asked over all of them.

    Args:
        runtimes: what each shard's pass reported of itself; at least one.

    Returns:
        The first of them; every device that took part, and every reason why it was not the one
        that was asked for; of an endpoint, the requests of all, from the first to the last.

    Example:
        >>> one = {"endpoint": {"requests": 2, "began": "10:00", "ended": "10:01"}}
        >>> two = {"endpoint": {"requests": 3, "began": "09:00", "ended": "09:01"}}
        >>> of_all([one, two])["endpoint"]
        {'requests': 5, 'began': '09:00', 'ended': '10:01'}
    """
    found = dict(runtimes[0])
    for name, between in (("device", ", "), ("why", " "), ("precision", ", ")):
        said = dict.fromkeys(str(one[name]) for one in runtimes if one.get(name))
        if len(said) > 1:
            found[name] = between.join(said)
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
    packages |= {name: version_of(name) for name in PACKAGES}
    if runtime and "torch" in runtime:  # only where it ran the model
        packages["torch"] = runtime["torch"]
    return {
        "version": ENGINE_VERSION,
        "packages": packages,
        "device": runtime.get("device", "cpu") if runtime else None,
        **(_not_as_asked(runtime) if runtime else {}),
        "providers": runtime.get("providers", []) if runtime else [],
        # How the model was locked in while it ran; None when none was run, or by older evidence.
        "isolation": runtime.get("isolation") if runtime else None,
        # Whom was asked, where the model is behind an address.
        **({"endpoint": runtime["endpoint"]} if runtime and "endpoint" in runtime else {}),
    }


def _not_as_asked(runtime: Mapping[str, JsonValue]) -> JsonObject:
    """A device that was asked for by name and not had; numbers, where fewer digits are declared."""
    names = ["precision", "why_precision"]
    if runtime.get("why") and runtime.get("asked_device") != AUTO:
        names += ["asked_device", "why"]
    return {name: runtime[name] for name in names if runtime.get(name)}


def version_of(name: str) -> str | None:
    """Of an installed package; None where it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
