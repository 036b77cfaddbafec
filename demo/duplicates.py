"""Which images are near-duplicates of one another.

The rule: an image becomes a thumbnail of 32 x 32 pixels (8-bit grey, Pillow's bilinear filter,
which averages over the area it shrinks); two images are near-duplicates when the normalised
cross-correlation of their thumbnails is above 0.99; a group is a connected component, so two
members may be alike only through a third.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SIDE_PX = 32
ALIKE_ABOVE = 0.99


def thumbnail(grey: Image.Image) -> FloatArray:
    """Grey values of the image's thumbnail, shape (1024,), 0..255; expects mode "L"."""
    small = grey.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float64).ravel()


def correlation(thumbnails: FloatArray) -> FloatArray:
    """Normalised cross-correlation of every pair, shape (n, n), -1..1, of thumbnails (n, pixels).

    A thumbnail of one single grey has no pattern to compare and correlates with nothing (0).
    """
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
    product: FloatArray = unit @ unit.T
    return product


def groups(thumbnails: FloatArray, alike_above: float = ALIKE_ABOVE) -> IntArray:
    """Group number of each image, shape (n,), counted from 0 in the order of first appearance."""
    alike = csr_array(correlation(thumbnails) > alike_above)
    _, component = connected_components(alike, directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    numbered: IntArray = order[inverse].astype(np.int64)
    return numbered
