"""DICOM files of strangers: refused before they can cost anything, decoded frame by frame."""

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import filereader
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ml.imaging.dicom_encoding import check_encoding, inflated
from ml.imaging.dicom_kinds import check_kind, check_syntax
from ml.imaging.dicom_notes import notes_of
from ml.imaging.dicom_pixels import decoded
from ml.imaging.frames import of_frame
from ml.imaging.picture import FloatArray, ImageError, Picture, short
from ml.imaging.planes import Place, places_of

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
_META = 132  # where the file meta information begins
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Zeros before a number are against the standard and harm nobody.
_UID = re.compile(r"(?=.{1,64}$)\d+(\.\d+)*")


def decode_dicom(data: bytes) -> Picture:
    """Decode a DICOM image; of several frames the middle one.

    Raises:
        ImageError: no_dataset, missing_attribute, unsupported_sop, unsupported_syntax,
            dicomdir_refused, decompression_limit, element_limit, nesting_limit, truncated, bad_vr,
            bad_uid, bad_pixel_module, pixel_length, pixel_limit, decode_failed, bad_rescale,
            bad_lut.
    """
    return decode_with_header(data)[0]


def decode_with_header(data: bytes) -> tuple[Picture, Dataset]:
    """As :func:`decode_dicom`, and the data set it was read from.

    Raises:
        ImageError: as there.
    """
    with reading():
        dataset = read_header(data)
        pixels = decoded(dataset)
        middle = len(pixels) // 2
        picture = _picture(dataset, pixels[middle], middle, len(pixels))
        # The same pixels are the same in either order of bytes.
        plain = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
        said = hashlib.sha256(plain.data).hexdigest()
        return (
            replace(
                picture,
                notes=notes_of(data, dataset),
                instance=(str(dataset.get("SOPInstanceUID", "")), said),
                places=_places(dataset, len(pixels)),
            ),
            dataset,
        )


def _places(dataset: Dataset, frames: int) -> tuple[Place, ...]:
    """Where frames lie; of a picture that says nothing of it that is no fault."""
    try:
        return places_of(dataset, frames)
    except ImageError:
        return ()


@contextmanager
def reading() -> Iterator[None]:
    """Around everything that asks pydicom: whatever it stumbles on becomes a refusal.

    Raises:
        ImageError: nesting_limit, bad_vr.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of much that does no harm
        try:
            yield
        except RecursionError:
            raise ImageError(
                "nesting_limit", "The sequences in this file are nested too deeply."
            ) from None
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            raise ImageError(
                "bad_vr", f"An attribute of the DICOM file cannot be read: {short(error)}."
            ) from None


def read_header(data: bytes) -> Dataset:
    """The data set, after its encoding was found harmless.

    Raises:
        ImageError: a code of :func:`decode_dicom` that is not about pixels.
    """
    dataset = read_dicom(data)
    check_kind(dataset)
    check_present(dataset)
    return dataset


def check_present(dataset: Dataset) -> None:
    """See that what makes an image is there, and that identifiers are some.

    Raises:
        ImageError: unsupported_sop, missing_attribute, bad_uid.
    """
    missing = [name for name in _NEEDED if dataset.get(name) in (None, "", b"")]
    if "PixelData" in missing and "Rows" in missing:
        raise ImageError("unsupported_sop", "The file holds no image.")
    if missing:
        raise ImageError("missing_attribute", f"The DICOM file lacks {', '.join(missing)}.")
    for name in _UIDS:
        if name in dataset and not _UID.fullmatch(str(dataset.get(name) or "")):
            raise ImageError(
                "bad_uid",
                f"{name} is no identifier of digits and dots with at most 64 characters.",
            )


def read_dicom(data: bytes) -> Dataset:
    """The data set of any kind of DICOM file, walked to its end before.

    Raises:
        ImageError: no_dataset, unsupported_syntax, unsupported_sop (video), decompression_limit,
            element_limit, nesting_limit, truncated.
    """
    try:
        file = io.BytesIO(data)
        file.seek(_META)
        meta = filereader.read_dataset(
            file, False, True, stop_when=lambda tag, vr, length: tag.group != 2
        )
        start, syntax = file.tell(), UID(str(meta.get("TransferSyntaxUID", "")))
        check_syntax(syntax)
        if syntax == DeflatedExplicitVRLittleEndian:
            data, syntax = inflated(data, start), ExplicitVRLittleEndian
        check_encoding(data, start, syntax)
        dataset = filereader.read_partial(io.BytesIO(data))
    except (ImageError, RecursionError, MemoryError):
        raise
    except Exception as error:  # pydicom raises whatever its readers stumble on
        raise ImageError("truncated", f"The DICOM file cannot be read: {short(error)}.") from None
    if len(dataset) == 0:
        raise ImageError("no_dataset", "The file has a DICOM header and nothing behind it.")
    return dataset


def _picture(dataset: Dataset, pixels: NDArray[np.generic], frame: int, frames: int) -> Picture:
    photometric = str(dataset.PhotometricInterpretation)
    values: FloatArray | None = None
    inverted = photometric == "MONOCHROME1"
    if photometric == "PALETTE COLOR":
        pixels = _coloured(dataset, pixels)
    if pixels.ndim == 3:
        eight_bits = Image.fromarray(_to_8_bits(pixels))
    else:
        own = of_frame(dataset, frame)
        values = modality_values(own, pixels)
        shown = window_of_file(own, values)
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


def _coloured(dataset: Dataset, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """(rows, columns, 3) of a palette."""
    for colour in ("Red", "Green", "Blue"):
        said = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
        table = dataset.get(f"{colour}PaletteColorLookupTableData")
        if said is not None and table is not None and len(said) == 3:
            entries = int(said[0]) or 2**16
            if len(table) < entries * (2 if int(said[2]) > 8 else 1):
                raise ImageError(
                    "bad_lut",
                    f"The palette declares {entries:,} entries of {colour.lower()} and holds less.",
                )
    try:
        return np.asarray(apply_color_lut(pixels, dataset))
    except Exception as error:
        raise ImageError("bad_lut", f"The palette cannot be used: {short(error)}.") from None


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


def modality_values(dataset: Dataset, pixels: NDArray[np.generic]) -> FloatArray:
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
        raise ImageError("bad_lut", f"The modality table cannot be used: {short(error)}.") from None
    if not np.isfinite(values).all():
        raise ImageError("bad_rescale", "Rescaled by the file's numbers, pixels have no value.")
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
