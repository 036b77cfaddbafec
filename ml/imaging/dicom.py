"""DICOM files of strangers: refused before they can cost anything, decoded frame by frame."""

import io
import math
import re
import warnings
from collections.abc import Callable

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag
from pydicom.uid import UID, RLELossless

from ml.imaging.picture import (
    MOST_PIXEL_BYTES,
    MOST_PIXELS,
    FloatArray,
    ImageError,
    Picture,
)

MOST_ELEMENTS = 20_000  # at the top level
_MOST_RLE_TIMES = 128  # decoded over encoded; the format itself cannot do better than 64
_NEEDED = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelData",
)
# What a header says of the kind of image, and of nobody: code strings of 16 characters at most.
OF_THE_KIND = ("Modality", "BodyPartExamined", "PhotometricInterpretation")
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")
_NO_IMAGE = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose distribution",
    "1.2.840.10008.5.1.4.1.1.104.1": "a document",
}
_DEFLATED = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.8.1"}


def decode_dicom(data: bytes) -> Picture:
    """Decode a DICOM image; of several frames the middle one.

    Raises:
        ImageError: no_dataset, missing_attribute, unsupported_sop, unsupported_syntax,
            decompression_limit, element_limit, nesting_limit, truncated, bad_vr,
            bad_pixel_module, pixel_length, pixel_limit, decode_failed, bad_rescale.
    """
    return decode_with_header(data)[0]


def decode_with_header(data: bytes) -> tuple[Picture, Dataset]:
    """As :func:`decode_dicom`, and the data set it was read from.

    Raises:
        ImageError: as there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of much that does no harm
        try:
            dataset = _read(data)
            frames = _check_size(dataset)
            pixels = _pixels(dataset, frames // 2 if frames > 1 else 0)
            return _picture(dataset, pixels, frames), dataset
        except RecursionError:
            raise ImageError(
                "nesting_limit", "The sequences in this file are nested too deeply."
            ) from None


def _read(data: bytes) -> Dataset:
    """The data set, after its encoding was found harmless."""
    try:
        file = io.BytesIO(data)
        file.seek(132)
        meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        syntax = UID(str(meta.get("TransferSyntaxUID", "")))
        if syntax in _DEFLATED:
            raise ImageError(
                "decompression_limit",
                "Deflated DICOM is not opened, it can unpack to anything. Store it uncompressed.",
            )
        if syntax and (syntax.is_private or not syntax.is_transfer_syntax):
            raise ImageError("unsupported_syntax", f"The transfer syntax {syntax} is not known.")
        file.seek(0)
        dataset = read_partial(file, _stop_at_too_many())
        if len(dataset) == 0:
            raise ImageError("no_dataset", "The file has a DICOM header and nothing behind it.")
        _check_present(dataset)
        return dataset
    except (ImageError, RecursionError, MemoryError):
        raise
    except Exception as error:  # pydicom raises whatever its readers stumble on
        raise ImageError("truncated", f"The DICOM file cannot be read: {_short(error)}.") from None


def _stop_at_too_many() -> Callable[[BaseTag, str | None, int], bool]:
    seen = 0

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal seen
        seen += 1
        if seen > MOST_ELEMENTS:
            raise ImageError("element_limit", f"The file has more than {MOST_ELEMENTS:,} elements.")
        return False

    return stop


def _check_present(dataset: Dataset) -> None:
    kind = _NO_IMAGE.get(str(dataset.get("SOPClassUID", "")))
    if kind:
        raise ImageError("unsupported_sop", f"The file is {kind}, not an image.")
    missing = [name for name in _NEEDED if dataset.get(name) in (None, "", b"")]
    if "PixelData" in missing and "Rows" in missing:
        raise ImageError("unsupported_sop", "The file holds no image.")
    if missing:
        raise ImageError("missing_attribute", f"The DICOM file lacks {', '.join(missing)}.")


def _whole(dataset: Dataset, name: str) -> int:
    value = dataset.get(name)
    if not isinstance(value, int):
        raise ImageError("bad_vr", f"{name} must be one whole number.")
    return int(value)


def _check_size(dataset: Dataset) -> int:
    """The number of frames, when decoding them stays within bounds."""
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    samples, bits = _whole(dataset, "SamplesPerPixel"), _whole(dataset, "BitsAllocated")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if bits not in (8, 16, 32) or not 0 < _whole(dataset, "BitsStored") <= bits:
        raise ImageError("bad_pixel_module", f"{bits} bits per value cannot be read.")
    if samples not in (1, 3) or rows < 1 or columns < 1 or frames < 1:
        raise ImageError(
            "bad_pixel_module",
            f"{rows} x {columns} pixels of {samples} samples in {frames} frames cannot be read.",
        )
    expected = rows * columns * samples * (bits // 8) * frames
    encoded = len(dataset.PixelData)
    meta = dataset.file_meta if hasattr(dataset, "file_meta") else Dataset()
    syntax = UID(str(meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")))
    if not syntax.is_compressed:
        subsampled = "422" in str(dataset.PhotometricInterpretation)
        if encoded < (expected * 2 // 3 if subsampled else expected):
            raise ImageError(
                "pixel_length", f"{expected:,} bytes of pixels are declared, {encoded:,} are there."
            )
    elif syntax == RLELossless and expected > encoded * _MOST_RLE_TIMES:
        raise ImageError(
            "pixel_limit", f"{encoded:,} bytes cannot hold the {expected:,} bytes declared."
        )
    if rows * columns > MOST_PIXELS or expected > MOST_PIXEL_BYTES:
        raise ImageError(
            "pixel_limit",
            f"The image decodes to {expected:,} bytes; at most {MOST_PIXEL_BYTES:,} are decoded.",
        )
    return frames


def _pixels(dataset: Dataset, frame: int) -> NDArray[np.generic]:
    """Decode all frames, so that a damaged one is found now, and keep one.

    Shape (rows, columns) or (rows, columns, 3).
    """
    try:
        pixels = pixel_array(dataset)
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # every codec has its own
        raise ImageError(
            "decode_failed", f"The pixels cannot be decoded: {_short(error)}."
        ) from None
    planes = 3 if int(dataset.SamplesPerPixel) == 3 else 2
    return pixels[frame] if pixels.ndim > planes else pixels


def _picture(dataset: Dataset, pixels: NDArray[np.generic], frames: int) -> Picture:
    photometric = str(dataset.PhotometricInterpretation)
    values: FloatArray | None = None
    inverted = photometric == "MONOCHROME1"
    if photometric == "PALETTE COLOR":
        try:
            pixels = apply_color_lut(pixels, dataset)
        except Exception as error:
            raise ImageError("bad_lut", f"The palette cannot be used: {_short(error)}.") from None
    if pixels.ndim == 3:
        eight_bits = Image.fromarray(_to_8_bits(pixels))
    else:
        values = _modality_values(dataset, pixels)
        shown = window_of_file(dataset, values)
        eight_bits = Image.fromarray(np.rint(255 - shown if inverted else shown).astype(np.uint8))
    return Picture(
        media_type="application/dicom",
        width=int(dataset.Columns),
        height=int(dataset.Rows),
        frames=frames,
        bits=int(dataset.BitsStored),
        mode=photometric,
        eight_bits=eight_bits,
        values=values,
        inverted=inverted,
        header=_header(dataset),
    )


def _header(dataset: Dataset) -> dict[str, str]:
    """Of what kind the file says it is; what is no code string is left out, whoever wrote it."""
    said = {name: str(dataset.get(name) or "").strip().upper() for name in OF_THE_KIND}
    return {name: word for name, word in said.items() if _CODE.fullmatch(word)}


def _to_8_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Colour in 8 bits; wider samples are scaled by their type's full range."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8)
    top = float(2 ** (8 * pixels.dtype.itemsize) - 1)
    return np.rint(pixels.astype(np.float64).clip(0, top) * (255 / top)).astype(np.uint8)


def _modality_values(dataset: Dataset, pixels: NDArray[np.generic]) -> FloatArray:
    """(rows, columns) in the modality's unit, e.g. Hounsfield."""
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    for number in (slope, intercept):
        if number is not None and not math.isfinite(float(number)):
            raise ImageError("bad_rescale", "The rescale slope or intercept is no number.")
    if slope is not None and float(slope) == 0:
        raise ImageError("bad_rescale", "The rescale slope is 0: every pixel would be the same.")
    try:
        values: FloatArray = np.asarray(apply_modality_lut(pixels, dataset), dtype=np.float64)
    except Exception as error:
        raise ImageError(
            "bad_lut", f"The modality table cannot be used: {_short(error)}."
        ) from None
    return values


def window_of_file(dataset: Dataset, values: FloatArray) -> FloatArray:
    """(rows, columns) 0..255: the file's first window; without one, from lowest to highest.

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3 (LINEAR, LINEAR_EXACT, SIGMOID).
    """
    centre, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    if centre is None or width is None:
        low, high = float(values.min()), float(values.max())
        return (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    if not (math.isfinite(centre) and math.isfinite(width)) or width < (function == "LINEAR"):
        raise ImageError("bad_rescale", f"A window of width {width:g} shows nothing.")
    if function == "SIGMOID":
        return np.asarray(255 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -500, 500))))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return np.where(values > centre, 255.0, 0.0)
    return np.clip(((values - centre) / width + 0.5) * 255, 0, 255)


def _first(dataset: Dataset, name: str) -> float | None:
    value = dataset.get(name)
    if isinstance(value, pydicom.multival.MultiValue):
        value = value[0] if value else None
    return None if value in (None, "") else float(value)


def _short(error: Exception) -> str:
    """On one line, without the closing stop."""
    return " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
