"""DICOM files as others may have them: those that browsers or DICOMweb cannot take are rewritten.

Runs in the child of intake only, on files whose pixels were decoded before.
"""

import io
import warnings

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import get_j2k_parameters, pixel_array
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

# One sample to a pixel in these is decoded alike by browsers and by pydicom; colour is not, by all.
_ALIKE = {
    JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless,
    JPEGLSNearLossless, RLELossless,
}  # fmt: skip
_J2K = {JPEG2000, JPEG2000Lossless}
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}  # bytes of a value that has an order


def rewritten(data: bytes) -> bytes | None:
    """The file in Explicit VR Little Endian where it cannot be handed out as it is, else None.

    Pixels of compressed syntaxes off the list are decoded, colour becomes RGB. UIDs stay: the
    object is the same. Source: DICOM PS3.18, 8.7.3.5.2 (neither implicit nor big endian).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as where the file is first read
        dataset = pydicom.dcmread(io.BytesIO(data))
        syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
        subsampled = "422" in str(dataset.get("PhotometricInterpretation", ""))
        if syntax == ExplicitVRLittleEndian and not subsampled:
            return None
        if syntax.is_compressed:
            if _is_alike(dataset):
                return None
            _decoded(dataset)
        elif subsampled:
            _decoded(dataset)
        elif not syntax.is_little_endian:
            _swapped(dataset)
        return _written(dataset)


def _is_alike(dataset: Dataset) -> bool:
    """Whether a browser's decoder gives the pixels that pydicom gives."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _ALIKE or dataset.SamplesPerPixel != 1 or dataset.BitsAllocated > 16:
        return False
    if syntax not in _J2K:
        return bool(syntax != JPEGBaseline8Bit or dataset.BitsAllocated == 8)
    frames = int(dataset.get("NumberOfFrames") or 1)
    said = get_j2k_parameters(get_frame(dataset.PixelData, 0, number_of_frames=frames))
    return bool(said) and (
        bool(said.get("is_signed")) == bool(dataset.PixelRepresentation)
        and said.get("precision") == dataset.BitsStored
    )


def _decoded(dataset: Dataset) -> None:
    pixels = pixel_array(dataset)
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    _put(dataset, pixels)


def _put(dataset: Dataset, pixels: NDArray[np.generic]) -> None:
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    little = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    del dataset.PixelData
    dataset.add_new(0x7FE00010, "OB" if dataset.BitsAllocated == 8 else "OW",
                    little + b"\0" * (len(little) % 2))  # fmt: skip


def _swapped(dataset: Dataset) -> None:
    """Big endian to little: what pydicom keeps as bytes is turned here, the rest when written."""
    if "PixelData" in dataset:
        pixels = pixel_array(dataset, raw=True)
        if dataset.SamplesPerPixel == 3:
            dataset.PlanarConfiguration = 0
        _put(dataset, pixels)
    for element in dataset.iterall():
        wide = _WORDS.get(element.VR)
        if wide and element.tag != 0x7FE00010 and isinstance(element.value, bytes):
            whole = len(element.value) // wide * wide
            turned = np.frombuffer(element.value[:whole], dtype=f">u{wide}").astype(f"<u{wide}")
            element.value = turned.tobytes()


def _written(dataset: Dataset) -> bytes:
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.setdefault("MediaStorageSOPClassUID", dataset.get("SOPClassUID"))
    dataset.file_meta.setdefault("MediaStorageSOPInstanceUID", dataset.get("SOPInstanceUID"))
    dataset.preamble = bytes(128)
    plain = Dataset(dataset)  # forgets how it was encoded when it was read
    plain.file_meta = dataset.file_meta
    plain.preamble = dataset.preamble
    if "SpecificCharacterSet" in dataset:
        plain.SpecificCharacterSet = dataset.SpecificCharacterSet
    out = io.BytesIO()
    pydicom.dcmwrite(out, plain, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return out.getvalue()
