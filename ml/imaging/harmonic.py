"""A part of a picture filled from what lies around it, as smoothly as its rim allows."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import SuperLU, splu

from ml.imaging.picture import FloatArray

Box = tuple[int, int, int, int]  # top, left, height, width, in pixels
_KEPT = 64  # boxes whose system stays factored


def harmonic_fill(picture: FloatArray, box: Box) -> FloatArray:
    """A copy whose pixels inside a box are the mean of their four neighbours.

    So every channel runs smoothly from rim to rim, with no edge, no texture and nothing brighter
    or darker than the rim. Where the box touches the border of the picture, nothing flows there.

    Args:
        picture: (height, width, channels).
        box: top, left, height and width in pixels, inside the picture and not all of it.

    Raises:
        ValueError: for a box that is not inside, or leaves no rim to fill from.

    Example:
        >>> ramp = np.arange(5.0)[None, :, None] * np.ones((3, 1, 1))
        >>> spoilt = ramp.copy()
        >>> spoilt[:, 1:4] = 9.0
        >>> harmonic_fill(spoilt, (0, 1, 3, 3))[1, :, 0].round(6).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]

    Source:
        Bertalmio, Sapiro, Caselles, Ballester (2000), SIGGRAPH, section 2 (inpainting); the
        harmonic fill is Dirichlet's problem for the Laplace equation on the grid.
    """
    height, width = picture.shape[:2]
    top, left, rows, columns = checked_box(box, (height, width))
    if rows == height and columns == width:
        raise ValueError("the box is the whole picture: there is no rim to fill it from")
    rims, solved = _system(
        (rows, columns),
        (top > 0, top + rows < height, left > 0, left + columns < width),
    )
    around = np.zeros((rows + 2, columns + 2, picture.shape[2]))
    inner_top, inner_left = max(top - 1, 0), max(left - 1, 0)
    taken = picture[inner_top : top + rows + 1, inner_left : left + columns + 1]
    at = inner_top - top + 1, inner_left - left + 1
    around[at[0] : at[0] + taken.shape[0], at[1] : at[1] + taken.shape[1]] = taken
    given = around.reshape(-1, picture.shape[2])
    sums = np.zeros((rows * columns, picture.shape[2]))
    np.add.at(sums, rims[0], given[rims[1]])
    filled = picture.copy()
    filled[top : top + rows, left : left + columns] = solved.solve(sums).reshape(rows, columns, -1)
    return filled


def checked_box(box: Box, sides: tuple[int, int]) -> Box:
    """The box, if it lies inside a picture of (height, width) and holds a pixel.

    Raises:
        ValueError: otherwise.

    Example:
        >>> checked_box((0, 0, 2, 3), (4, 4))
        (0, 0, 2, 3)
    """
    top, left, rows, columns = box
    inside = top >= 0 and left >= 0 and top + rows <= sides[0] and left + columns <= sides[1]
    if not inside or rows < 1 or columns < 1:
        raise ValueError(f"the box {box} does not lie inside a picture of {sides}")
    return box


@lru_cache(maxsize=_KEPT)
def _system(
    sides: tuple[int, int], rim: tuple[bool, bool, bool, bool]
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], SuperLU]:
    """The factored system of a box; and which inner pixel reads which pixel of the rim.

    Args:
        sides: of the box.
        rim: whether there are pixels above, below, left and right of it.

    Returns:
        (inner, outer): flat places inside the box, and in the box with one pixel more all round.
    """
    rows, columns = sides
    number = np.arange(rows * columns).reshape(sides)
    outer = np.arange((rows + 2) * (columns + 2)).reshape(rows + 2, columns + 2)
    count = np.zeros(sides)
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    reads: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for axis, (before, after) in enumerate((rim[:2], rim[2:])):
        inner = np.moveaxis(number, axis, 0)
        wide = np.moveaxis(outer, axis, 0)
        counted = np.moveaxis(count, axis, 0)
        pairs += [(inner[1:].ravel(), inner[:-1].ravel()), (inner[:-1].ravel(), inner[1:].ravel())]
        counted[1:] += 1
        counted[:-1] += 1
        if before:
            reads.append((inner[0], wide[0, 1:-1]))
            counted[0] += 1
        if after:
            reads.append((inner[-1], wide[-1, 1:-1]))
            counted[-1] += 1
    own, other = (np.concatenate(column) for column in zip(*pairs, strict=True))
    diagonal = np.arange(number.size)
    system = coo_matrix(
        (
            np.concatenate([count.ravel(), np.full(own.size, -1.0)]),
            (np.concatenate([diagonal, own]), np.concatenate([diagonal, other])),
        ),
        shape=(number.size, number.size),
    )
    inner_at, outer_at = (np.concatenate(column) for column in zip(*reads, strict=True))
    return (inner_at, outer_at), splu(system.tocsc())
