"""Masks drawn as lines around what they mark, so that the image under them stays to be seen."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

BoolArray = NDArray[np.bool_]
MARKED = (86, 204, 242)  # a model's: drawn through
REFERENCE = (255, 176, 59)  # dashed, so that colours are not all that tells the two apart
_DASH = 4  # pixels of a dash, and between two


def rim(mask: BoolArray) -> BoolArray:
    """The pixels of a mask that have a neighbour outside it, or lie at the picture's border.

    Example:
        >>> int(rim(np.ones((3, 3), bool)).sum())
        8
    """
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def outlined(
    picture: Image.Image, marked: NDArray[np.integer], reference: NDArray[np.integer] | None
) -> Image.Image:
    """A picture with lines around every structure that a model and a reference mark.

    Args:
        picture: gray or RGB.
        marked, reference: (height, width) labels of its size; 0 is nothing.

    Returns:
        RGB, 8 bits.

    Example:
        >>> spot = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
        >>> outlined(Image.new("L", (3, 3)), spot, None).getpixel((1, 1))
        (86, 204, 242)
    """
    pixels = np.array(picture.convert("RGB"))
    rows, columns = np.indices(pixels.shape[:2])
    dashes = (rows + columns) // _DASH % 2 == 0
    if reference is not None:
        for label in np.unique(reference[reference > 0]):
            pixels[rim(reference == label) & dashes] = REFERENCE
    for label in np.unique(marked[marked > 0]):
        where = rim(marked == label)
        if reference is not None:  # a dash of the reference shows where both run together
            where &= ~(rim(reference == label) & dashes)
        pixels[where] = MARKED
    return Image.fromarray(pixels)
