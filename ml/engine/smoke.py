"""The first run of a model: two cases of noise, twice, alone and in the other order."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.engine.session import FloatArray, ModelError, Session, open_as_program, open_session
from ml.estimate import JsonObject
from ml.imaging.declared import Input
from ml.imaging.picture import Picture
from ml.imaging.prepare import prepare_volume, turn_of
from ml.imaging.preprocess import Float32Array, prepare
from ml.imaging.volume import Volume
from ml.intake.model_manifest import ModelManifest, Scores
from ml.protocol import DEFAULT_DROPOUT_SAMPLES

SEED = 20261123
SUM_TOLERANCE = 1e-3
TRIED_MAPS = 3  # samples of a network that segments
PROGRAM_TOLERANCE = 1e-3  # of the largest output: the inner form against onnxruntime


def smoke_run(path: Path, manifest: ModelManifest, session: Session | None = None) -> JsonObject:
    """Run the model twice on the same two synthetic cases.

    Args:
        path, manifest: as for ``ml.engine.session.open_session``.
        session: where the file is open already: to open some takes long.

    Returns:
        cases; deterministic (both runs gave the same bits) and repeat_difference;
        batch_difference, how far a case is from itself run alone or at another place of the
        batch; both as shares of the largest output. finite; low and high of the outputs; doubt, a
        sentence where the declared activation is not plausible, else ""; seconds_per_case;
        runtime.

    Raises:
        ModelError: if it cannot be opened or run, gives no finite numbers, or gives numbers that
            are not what the manifest declares.
    """
    session = session or open_session(path, manifest)
    batch = noise(manifest.input, 2)
    first = session.run(batch)
    began = time.perf_counter()
    second = session.run(batch)
    seconds = (time.perf_counter() - began) / len(batch)
    alone = np.concatenate([session.run(batch[at : at + 1]) for at in range(len(batch))])
    swapped = session.run(batch[::-1])[::-1]
    if not all(np.isfinite(run).all() for run in (first, second, alone, swapped)):
        raise ModelError("non_finite_output", "On noise the model gives NaN or infinity.")
    check_declared(first, manifest.output)
    return {
        "cases": len(batch),
        "deterministic": bool(np.array_equal(first, second)),
        "repeat_difference": apart(second, first),
        "batch_difference": max(apart(alone, first), apart(swapped, first)),
        "finite": True,
        "low": float(first.min()) + 0.0,  # no database keeps a minus before zero
        "high": float(first.max()) + 0.0,
        "doubt": doubt(first, manifest.output),
        "seconds_per_case": round(seconds, 6),
        "runtime": session.runtime_json,
    }


def apart(found: FloatArray, expected: FloatArray) -> float:
    """The largest difference, as a share of the largest number expected.

    Example:
        >>> apart(np.array([1.0, 3.0]), np.array([1.0, 4.0]))
        0.25
    """
    largest = float(np.abs(expected).max())
    difference = float(np.abs(found - expected).max())
    return difference / largest if largest else difference


def program_check(path: Path, manifest: ModelManifest) -> tuple[float | None, str]:
    """Does the inner form of an ONNX file compute what onnxruntime does?

    Returns:
        the largest difference on two cases of noise, as a share of the largest output, None
        where it could not be taken; and why the inner form is not to be used, "" if it is.
    """
    batch = noise(manifest.input, 2)
    try:
        found = open_as_program(path, manifest).run(batch)
    except ModelError as error:
        # Without torch nothing is compared, and nothing is walked either.
        return None, "" if error.code == "format_unsupported" else error.message
    except MemoryError:
        return None, "It does not fit into memory beside onnxruntime."
    expected = open_session(path, manifest).run(batch)
    difference = apart(found, expected)
    if difference <= PROGRAM_TOLERANCE:
        return difference, ""
    return difference, (
        f"Taken over, it gives other numbers than onnxruntime (by {difference:.2g} of the largest)."
    )


def sampling_check(path: Path, manifest: ModelManifest) -> JsonObject:
    """Can dropout be switched on? Samples of noise, which must differ.

    They are thirty of two cases; of a network that segments three of one picture, volume or patch,
    whose maps are large.

    Returns:
        works; reason, "" where it does; else seconds_per_case, of thirty samples of one.
    """
    try:
        found, seconds = _sampled(path, manifest)
    except ModelError as error:
        return {"works": False, "reason": error.message}
    except MemoryError:
        return {"works": False, "reason": "With its dropout on it does not fit into memory."}
    if not np.isfinite(found).all():
        return {"works": False, "reason": "With its dropout on it gives NaN or infinity."}
    if (found == found[0]).all():
        return {"works": False, "reason": "With its dropout on it answers as it does at rest."}
    return {"works": True, "reason": "", "seconds_per_case": round(seconds, 6)}


def _sampled(path: Path, manifest: ModelManifest) -> tuple[NDArray[np.floating], float]:
    """Samples, the first axis along; and the seconds of thirty of one case."""
    try:
        from ml.engine.dropout_session import open_dropout
    except ModuleNotFoundError:
        raise ModelError(
            "format_unsupported",
            "Dropout is sampled by torch, which is not installed on this machine: "
            "requirements-engine.txt holds it.",
        ) from None
    session = open_dropout(path, manifest, samples=DEFAULT_DROPOUT_SAMPLES, seed=SEED)
    if manifest.maps:
        case = noise(manifest.input, 1)
        began = time.perf_counter()
        maps = session.sample_maps(case, ("first",), first=0, count=TRIED_MAPS)
        seconds = time.perf_counter() - began
        return maps, seconds * DEFAULT_DROPOUT_SAMPLES / TRIED_MAPS
    began = time.perf_counter()
    found = session.sample(noise(manifest.input, 2), ("first", "second"))
    return found, (time.perf_counter() - began) / 2


def noise(declared: Input, n: int) -> Float32Array:
    """n cases of 8-bit noise, prepared as real ones are. Shape (n, ...) as declared.

    Of a network that takes patches they are patches.
    """
    generator = np.random.default_rng(SEED)
    alone = declared.model_copy(update={"size": declared.sides, "patch": None})
    if declared.dims == 3:
        return np.stack([_volume(generator, alone) for _ in range(n)])
    height, width = declared.sides
    pictures = generator.integers(0, 256, size=(n, height, width, 3), dtype=np.uint8)
    return np.stack([prepare(_picture(pixels), alone) for pixels in pictures])


def _picture(pixels: NDArray[np.uint8]) -> Picture:
    height, width, _ = pixels.shape
    return Picture("image/png", width, height, 1, 8, "RGB", Image.fromarray(pixels))


def _volume(generator: np.random.Generator, declared: Input) -> Float32Array:
    """One case of noise whose voxels already lie as the network takes them."""
    order, _ = turn_of(declared.axes)
    values = generator.integers(0, 256, size=declared.sides).astype(np.float32)
    back = np.argsort(order)
    given = declared.spacing_mm or (1.0, 1.0, 1.0)
    x, y, z = (given[at] for at in back)
    grid = np.diag([x, y, z, 1.0])
    return prepare_volume(Volume(values.transpose(back), (x, y, z), grid), declared)[0]


def check_declared(outputs: FloatArray, declared: Scores) -> None:
    """Are numbers called probabilities such? Nothing is guessed: the manifest must say.

    Args:
        outputs: (n, k) or (n, k, ...) finite raw outputs.
        declared: kind, classes, activation.

    Raises:
        ModelError: output_kind.
    """
    if declared.kind == "logits":
        return
    low, high = float(outputs.min()), float(outputs.max())
    if low < -SUM_TOLERANCE or high > 1 + SUM_TOLERANCE:
        raise ModelError(
            "output_kind",
            f"Probabilities are declared, the outputs reach from {low:.4g} to {high:.4g}. "
            "Declare 'kind: logits' with the activation that turns them into probabilities.",
        )
    sums = outputs.sum(axis=1)
    if declared.softmax and np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise ModelError(
            "output_kind",
            f"The probabilities of a case add up to {float(sums.flat[0]):.4g}, not 1. Declare "
            "'activation: sigmoid' if the classes do not exclude each other.",
        )


def doubt(outputs: FloatArray, declared: Scores) -> str:
    """Numbers called logits that look as if a softmax had been taken already; "" where not.

    Of a sigmoid nothing can be told: logits of noise may well lie between 0 and 1.

    Args:
        outputs: (n, k) finite raw outputs.
        declared: kind, classes, activation.
    """
    if declared.kind != "logits" or declared.activation != "softmax" or outputs.min() < 0:
        return ""
    if np.abs(outputs.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        return ""
    return (
        "Logits are declared, and the outputs of each case add up to 1 as probabilities do. Where "
        "the network ends in a softmax, declare 'kind: probabilities'."
    )
