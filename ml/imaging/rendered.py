"""A native frame of known form as a picture: no file is parsed, the bytes are numbers already."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ml.imaging.picture import FloatArray


@dataclass(frozen=True)
class Form:
    """What the bytes of a frame are: little endian integers, as DICOM's pixel module says.

    window: centre and width in the modality's unit (after slope and intercept), None for the
    range of the frame.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool
    by_plane: bool
    inverted: bool
    slope: float
    intercept: float
    window: tuple[float, float] | None


def rendered(data: bytes, form: Form, kind: str, quality: int = 90) -> bytes:
    """The frame as PNG or JPEG of 8 bits.

    Args:
        data: rows * columns * samples values of ``bits`` bits.
        kind: PNG or JPEG.
        quality: of JPEG, 1 to 100.

    Raises:
        ValueError: where the bytes are not of the form.

    Source: DICOM PS3.3 C.11.2.1.2 (LINEAR).
    """
    letter = "i" if form.signed else "u"
    values = np.frombuffer(data, dtype=np.dtype(f"<{letter}{form.bits // 8}"))
    if form.samples == 3:
        shape = (3, form.rows, form.columns) if form.by_plane else (form.rows, form.columns, 3)
        colour = values.reshape(shape)
        colour = colour.transpose(1, 2, 0) if form.by_plane else colour
        picture = Image.fromarray(np.ascontiguousarray(colour >> (form.bits - 8)).astype(np.uint8))
    else:
        grey = values.reshape(form.rows, form.columns) * form.slope + form.intercept
        shown = _windowed(np.asarray(grey, dtype=np.float64), form.window)
        picture = Image.fromarray(np.rint(255 - shown if form.inverted else shown).astype(np.uint8))
    out = io.BytesIO()
    picture.save(out, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return out.getvalue()


def _windowed(values: FloatArray, window: tuple[float, float] | None) -> FloatArray:
    if window is None:
        low, high = float(values.min()), float(values.max())
        return (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    centre, width = window[0] - 0.5, window[1] - 1
    if width <= 0:
        return np.where(values > centre, 255.0, 0.0)
    return np.clip(((values - centre) / width + 0.5) * 255, 0, 255)
