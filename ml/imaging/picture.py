"""One decoded image file, whatever its format, and what can go wrong on the way to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from ml.imaging.planes import Place

FloatArray = NDArray[np.float64]

MOST_PIXELS = 100_000_000  # of one frame: beyond any single picture this version audits
MOST_PIXEL_BYTES = 1024**3  # decoded, all frames


class ImageError(Exception):
    """The file cannot be used as an image; ``code`` is stable, ``message`` a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Picture:
    """One frame, in the file's own values and as 8 bits for eyes and for most models."""

    media_type: str  # image/png, image/jpeg, application/dicom
    width: int  # pixels
    height: int
    frames: int
    bits: int  # stored per sample
    mode: str  # Pillow's mode, or DICOM's photometric interpretation
    eight_bits: Image.Image  # as shown: window of the file applied, inverted where it asks
    values: FloatArray | None = None  # (height, width) in the file's unit; None: as eight_bits
    inverted: bool = False  # low values are bright
    header: Mapping[str, str] = field(default_factory=dict)  # DICOM: what it says of its kind
    notes: tuple[str, ...] = ()  # codes of what is odd and no obstacle
    instance: tuple[str, str] | None = None  # DICOM: its identifier, SHA-256 of all its pixels
    places: "tuple[Place, ...]" = ()  # DICOM: where its frames lie; () where it does not say


def short(error: Exception) -> str:
    """What a library says is wrong, on one line and without the closing stop."""
    return " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
