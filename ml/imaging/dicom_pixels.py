"""The pixels of a DICOM file: measured against what it holds, then decoded, all frames."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ImplicitVRLittleEndian, RLELossless

from ml.imaging.codestream import size_of
from ml.imaging.picture import MOST_PIXEL_BYTES, MOST_PIXELS, ImageError, short

_MOST_RLE_TIMES = 128  # decoded over encoded; the format itself cannot do better than 64
_MOST_FRAMES = 100_000
_END_OF_IMAGE = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000 alike


def decoded(dataset: Dataset, *, bits: tuple[int, ...] = (8, 16, 32)) -> NDArray[np.generic]:
    """Decode all frames, so that a damaged one is found now.

    Args:
        dataset: that :func:`ml.imaging.dicom.read_header` gave.
        bits: how many bits a value may have.

    Returns:
        (frames, rows, columns), or (frames, rows, columns, 3) where there are three samples.

    Raises:
        ImageError: bad_vr, bad_pixel_module, pixel_length, pixel_limit, decode_failed.
    """
    frames, samples = _check_size(dataset, bits)
    _check_streams(dataset, frames, samples)
    try:
        pixels = pixel_array(dataset)
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # every codec has its own
        raise ImageError(
            "decode_failed",
            f"The pixels cannot be decoded: {short(error)}. Send the file again, or uncompressed.",
        ) from None
    size = (frames, int(dataset.Rows), int(dataset.Columns))
    return pixels.reshape(size if samples == 1 else (*size, samples))


def syntax_of(dataset: Dataset) -> UID:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    return UID(str(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian))


def _whole(dataset: Dataset, name: str) -> int:
    value = dataset.get(name)
    if not isinstance(value, int) or dataset[name].VR not in ("US", "IS"):
        raise ImageError("bad_vr", f"{name} must be one whole number.")
    return int(value)


def _check_size(dataset: Dataset, allowed: tuple[int, ...]) -> tuple[int, int]:
    """The number of frames and of samples, when decoding them stays within bounds."""
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    samples, bits = _whole(dataset, "SamplesPerPixel"), _whole(dataset, "BitsAllocated")
    frames = _whole(dataset, "NumberOfFrames") if dataset.get("NumberOfFrames") else 1
    if bits not in allowed or not 0 < _whole(dataset, "BitsStored") <= bits:
        raise ImageError("bad_pixel_module", f"{bits} bits per value cannot be read.")
    if samples not in (1, 3) or rows < 1 or columns < 1 or frames < 1:
        raise ImageError(
            "bad_pixel_module",
            f"{rows} x {columns} pixels of {samples} samples in {frames} frames cannot be read.",
        )
    expected = (rows * columns * samples * bits * frames + 7) // 8
    encoded = len(dataset.PixelData)
    syntax = syntax_of(dataset)
    if not syntax.is_compressed:
        subsampled = "422" in str(dataset.PhotometricInterpretation)
        if encoded < (expected * 2 // 3 if subsampled else expected):
            raise ImageError(
                "pixel_length",
                f"{expected:,} bytes of pixels are declared, {encoded:,} are there. Send the file "
                "again.",
            )
    elif syntax == RLELossless and expected > encoded * _MOST_RLE_TIMES:
        raise ImageError(
            "pixel_limit", f"{encoded:,} bytes cannot hold the {expected:,} bytes declared."
        )
    unpacked = rows * columns * samples * max(bits // 8, 1) * frames
    if rows * columns > MOST_PIXELS or unpacked > MOST_PIXEL_BYTES or frames > _MOST_FRAMES:
        raise ImageError(
            "pixel_limit",
            f"The image decodes to {unpacked:,} bytes in {frames:,} frames; at most "
            f"{MOST_PIXEL_BYTES:,} in {_MOST_FRAMES:,} are decoded.",
        )
    return frames, samples


def _check_streams(dataset: Dataset, frames: int, samples: int) -> None:
    """See that compressed frames are as large as the header says.

    A decoder allocates what the stream says, and everything above has looked at the header alone.
    """
    syntax = syntax_of(dataset)
    if not syntax.is_encapsulated or syntax == RLELossless:
        return
    said = (int(dataset.Rows), int(dataset.Columns))
    try:
        streams = list(generate_frames(dataset.PixelData, number_of_frames=frames))
    except Exception as error:  # of fragments and offsets that do not fit
        raise ImageError(
            "decode_failed", f"The compressed frames cannot be told apart: {short(error)}."
        ) from None
    if len(streams) != frames:
        raise ImageError(
            "pixel_length", f"{frames:,} frames are declared, {len(streams):,} are there."
        )
    for stream in streams:
        size = size_of(stream)
        # Decoders fill up what is missing at the end, and say nothing.
        if size is None or not stream.rstrip(b"\0\xff").endswith(_END_OF_IMAGE):
            raise ImageError(
                "decode_failed",
                "A compressed frame does not begin or end as its transfer syntax says. Send the "
                "file again, or uncompressed.",
            )
        if (size.rows, size.columns) != said or size.samples > max(samples, 3):
            raise ImageError(
                "decode_failed",
                f"The header says {said[0]} x {said[1]} pixels, the compressed frame "
                f"{size.rows} x {size.columns} of {size.samples} components.",
            )
