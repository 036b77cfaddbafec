"""A map of evidence as pictures for people: its own grid, and a layer to lie on the image.

One scale for both signs, from the largest value of the map: orange speaks for what is explained,
purple against it. So a map that is positive nowhere is purple, and never stretched into a finding.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.preprocess import interpolate

FOR, AGAINST = (230, 97, 1), (94, 60, 153)  # told apart with any colour vision
_NOTHING = (247, 247, 247)
_MIDDLE = 127  # of the levels 0..254, which stand for -1..1
MOST_SIDE = 320  # pixels of a layer; the page stretches it over the image

FloatArray = NDArray[np.floating]


def map_png(found: FloatArray) -> bytes:
    """A map as it is, one pixel for each of its positions.

    Args:
        found: (height, width) finite, signed, in any unit.

    Returns:
        A PNG of as many pixels; where the whole map is 0 it is of one light grey.

    Raises:
        ValueError: for another shape, or numbers that are not finite.

    Example:
        >>> Image.open(io.BytesIO(map_png(np.array([[0.0, 2.0]])))).convert("RGB").getpixel((1, 0))
        (230, 97, 1)
    """
    image = _indexed(_levels(found))
    image.putpalette(_opaque())
    return _png(image)


def overlay_png(found: FloatArray, size: tuple[int, int]) -> bytes:
    """A map smoothed to a picture's shape, clear where it says nothing.

    It is resized as the perturb pass does it, between positions and not from their extremes, and
    its opacity is the share of the largest value of the map.

    Args:
        found: (height, width) finite, signed.
        size: (height, width) of the picture that the model takes; drawn smaller beyond
            ``MOST_SIDE``.

    Returns:
        A PNG with transparency.

    Raises:
        ValueError: as :func:`map_png`.

    Example:
        >>> layer = Image.open(io.BytesIO(overlay_png(np.array([[0.0, -1.0]]), (1, 2))))
        >>> layer.convert("RGBA").getpixel((1, 0)), layer.convert("RGBA").getpixel((0, 0))[3]
        ((94, 60, 153, 255), 0)
    """
    levels = _levels(found)
    shrink = min(1.0, MOST_SIDE / max(size))
    drawn = max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
    image = _indexed(interpolate(levels, drawn, "bilinear"))
    image.putpalette(b"".join(bytes(FOR if at > _MIDDLE else AGAINST) for at in range(255)))
    clear = bytes(round(255 * abs(at - _MIDDLE) / _MIDDLE) for at in range(255))
    return _png(image, transparency=clear)


def _levels(found: FloatArray) -> NDArray[np.float64]:
    """(height, width) -1..1 of the largest value; 0 where there is none."""
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise ValueError(f"a map is a grid of finite numbers, not {found.shape}")
    most = float(np.abs(found).max())
    scaled: NDArray[np.float64] = found.astype(np.float64) / (most or 1.0)
    return scaled


def _indexed(levels: FloatArray) -> Image.Image:
    return Image.fromarray(np.rint(levels * _MIDDLE + _MIDDLE).astype(np.uint8), "P")


def _opaque() -> bytes:
    """From purple over light grey to orange."""
    share = (np.arange(255) - _MIDDLE) / _MIDDLE
    ends = np.where(share[:, None] > 0, FOR, AGAINST)
    mixed = np.array(_NOTHING) + np.abs(share)[:, None] * (ends - np.array(_NOTHING))
    return bytes(np.rint(mixed).astype(np.uint8).tobytes())


def _png(image: Image.Image, transparency: bytes | None = None) -> bytes:
    kept = io.BytesIO()
    more = {} if transparency is None else {"transparency": transparency}
    image.save(kept, "PNG", optimize=True, **more)
    return kept.getvalue()
