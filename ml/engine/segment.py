"""The predict pass of a network that segments: one mask for each case, on its image's grid."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.engine.ahead import ahead
from ml.engine.cases import Case, Prepared, prepared
from ml.engine.device import CPU, Device, looks_ahead
from ml.engine.session import FloatArray, ModelError, Session
from ml.imaging.declared import Patch
from ml.imaging.mask import LabelArray, pack
from ml.imaging.picture import ImageError
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest, Scores
from ml.sandbox.messages import Reporter

PATCHES_AT_ONCE = 4


def segment(
    session: Session,
    manifest: ModelManifest,
    cases: Sequence[Case],
    reporter: Reporter,
    device: Device = CPU,
) -> Iterator[tuple[str, bytes | None, str, float]]:
    """Run the model over cases, one at a time: their images may differ in size.

    Yields:
        case id; the packed mask (see :func:`ml.imaging.mask.pack`), or None and the error code;
        seconds.
    """

    def read(case: Case) -> Prepared | ImageError:
        try:
            return prepared(case, manifest.input)
        except ImageError as broken:
            return broken

    began = time.perf_counter()
    for done, (case, image) in enumerate(ahead(cases, read, on=looks_ahead(device)), 1):
        mask, error = None, ""
        try:
            if isinstance(image, ImageError):
                raise image
            maps = class_maps(session, manifest, image)
            if np.isfinite(maps).all():
                mask = pack(image.mask(labels_of(maps, manifest.output)))
            else:
                error = "non_finite_output"
        except ImageError as broken:
            error = broken.code
        now = time.perf_counter()
        began, took = now, now - began
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {took:.3f} s")
        yield case.case_id, mask, error, took


def class_maps(session: Session, manifest: ModelManifest, image: Prepared) -> FloatArray:
    """(k, ...) the network's raw output for each class and pixel of a prepared image."""
    if manifest.input.patch is None:
        found: FloatArray = session.run(image.array[None])[0]
        return found
    return by_patches(
        session, image.array, manifest.input.patch, last=manifest.input.layout == "NHWC"
    )


def by_patches(
    session: Session, image: Float32Array, patch: Patch, *, last: bool = False
) -> FloatArray:
    """The outputs of overlapping patches, averaged.

    Args:
        session: takes patches.
        image, patch, last: as of :func:`slid`.

    Returns:
        (k, ...) of the image's sides.

    Raises:
        ModelError: as :func:`slid` and ``Session.run``.
    """
    return slid(session.run, image, patch, last=last).astype(np.float64)


def slid(
    answer: Callable[[Float32Array], NDArray[np.floating]],
    image: Float32Array,
    patch: Patch,
    *,
    last: bool = False,
) -> Float32Array:
    """What is said of overlapping patches, averaged, by MONAI's sliding-window inference.

    An image smaller than a patch is surrounded with zeros, and what lies there is cut off again.

    Args:
        answer: takes some patches in the declared layout and gives (n, m, ...) numbers of them;
            it is given all patches of the image in one order.
        image: (c, ...), or with ``last`` (..., c).
        patch: size, overlap and weights.

    Returns:
        (m, ...) of the image's sides.

    Raises:
        ModelError: format_unsupported without torch and MONAI; else as ``answer``.
    """
    try:
        import torch
        from monai.inferers import sliding_window_inference
    except ModuleNotFoundError:
        raise ModelError(
            "format_unsupported",
            "Networks that take patches need torch and MONAI, which are not installed on this "
            "machine: requirements-engine.txt holds them.",
        ) from None

    def predictor(pieces: Any) -> Any:
        given = pieces.numpy()
        taken = np.moveaxis(given, 1, -1) if last else given
        return torch.from_numpy(answer(np.ascontiguousarray(taken)))

    first = np.moveaxis(image, -1, 0) if last else image
    with torch.inference_mode():
        found = sliding_window_inference(
            torch.from_numpy(np.ascontiguousarray(first))[None],
            roi_size=patch.size,
            sw_batch_size=PATCHES_AT_ONCE,
            predictor=predictor,
            overlap=patch.overlap,
            mode=patch.mode,
        )
    return np.asarray(found[0].numpy(), dtype=np.float32)


def labels_of(maps: NDArray[np.floating], declared: Scores) -> LabelArray:
    """Which structure each pixel belongs to.

    Classes that exclude each other (softmax): the largest. Others (sigmoid): the largest of those
    whose probability is at least 0.5. Label i + 1 is the i-th of ``positive``; every other class
    is background, 0.

    Args:
        maps: (k, ...) raw outputs.
        declared: kind, classes, activation, positive.

    Returns:
        (...) labels.
    """
    label = {name: at for at, name in enumerate(declared.positive, 1)}
    if declared.softmax:
        values = np.array([label.get(name, 0) for name in declared.classes], dtype=np.uint8)
        found: LabelArray = values[np.argmax(maps, axis=0)]
        return found
    chosen = [declared.classes.index(name) for name in declared.positive]
    least = 0.0 if declared.kind == "logits" else 0.5  # a logit of 0 is a probability of 0.5
    those = maps[chosen]
    marked = np.argmax(those, axis=0).astype(np.uint8) + np.uint8(1)
    return np.where(those.max(axis=0) >= least, marked, np.uint8(0))
