"""What lies around the pixels and is none: unused bits, bytes behind the end, comments."""

import math

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian

from ml.imaging.deid.streams import blanked


def cleaned_pixels(dataset: Dataset) -> tuple[str, ...]:
    """Blank it in place, and say in words what was blanked. Decoded pixels stay as they were.

    Old overlays were kept in the bits above the stored ones (retired, PS3.5 8.1.2), and nobody
    looks at what follows the last pixel.
    """
    if "PixelData" not in dataset or not dataset.PixelData:
        return ()
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return _encapsulated(dataset)
    said = []
    data = _cut(dataset, dataset.PixelData)
    if len(data) < len(dataset.PixelData):
        said.append("bytes behind the last pixel")
    used = _used_bits(dataset, data)
    if used != data:
        said.append("bits above the stored ones")
    if said:
        dataset["PixelData"].value = used
    return tuple(said)


def _encapsulated(dataset: Dataset) -> tuple[str, ...]:
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
    cleaned = [blanked(frame, syntax) for frame in frames]
    # Written anew in any case: what lies between fragments and behind the last is not a frame.
    dataset["PixelData"].value = encapsulate(cleaned, has_bot=count > 1)
    return ("comments in the compressed picture",) if cleaned != frames else ()


def _cut(dataset: Dataset, data: bytes) -> bytes:
    """Without what follows the last pixel, even in length."""
    bits = int(dataset.BitsAllocated) * int(dataset.SamplesPerPixel)
    count = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    length = math.ceil(count * bits / 8)
    if "422" in str(dataset.PhotometricInterpretation):
        length = length * 2 // 3
    return data[:length] + b"\0" * (length % 2) if len(data) > length + length % 2 else data


def _used_bits(dataset: Dataset, data: bytes) -> bytes:
    """With the bits above the stored ones as the sign fills them, or clear."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16) or stored >= allocated or int(dataset.HighBit) != stored - 1:
        return data
    swapped = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    kind = ("u1" if allocated == 8 else "u2", "i1" if allocated == 8 else "i2")
    order = ">" if swapped and dataset["PixelData"].VR == "OW" else "<"
    if len(data) % (allocated // 8):
        return data
    values = np.frombuffer(data, f"{order}{kind[0]}").astype(kind[0])
    low = values & ((1 << stored) - 1)
    if int(dataset.get("PixelRepresentation") or 0):
        away = allocated - stored
        low = ((low << away).view(kind[1]) >> away).view(kind[0])
        if np.array_equal(values, values & ((1 << stored) - 1)):
            return data  # clear above a number with a sign: as some writers leave them
    return low.astype(f"{order}{kind[0]}").tobytes()
