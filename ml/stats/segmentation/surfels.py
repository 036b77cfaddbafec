"""The border of a mask as small pieces of surface between voxels, with their area."""

from functools import lru_cache
from itertools import product
from typing import TypeAlias

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray

Corner: TypeAlias = tuple[int, ...]
Edge: TypeAlias = tuple[Corner, Corner]
Triangle: TypeAlias = tuple[int, int, int]


def surfels(mask: BoolArray, spacing_mm: tuple[float, ...]) -> tuple[IntArray, FloatArray]:
    """The surface elements of a mask: where they are and how large.

    An element sits at the corner where eight voxels meet (in 2-D four pixels), some of them in
    the mask and some not. Its area (length) is that of the surface (line) that marching cubes
    (squares) draws between the voxels' centres.

    Args:
        mask: padded by at least one voxel of background on every side.
        spacing_mm: of its axes.

    Returns:
        Grid positions (m, ndim), counted like voxels and shifted by half a voxel, and areas in
        mm² (lengths in mm), (m,).

    Source:
        Lorensen, Cline (1987), Marching cubes, Computer Graphics 21:163-169. Nikolov et al.
        (2021), J Med Internet Res 23:e26151, whose table of areas this reproduces: a face with
        two opposite corners in the mask separates the corners of the minority, and polygons that
        are not flat are cut into the triangles with the largest area.

    Example:
        >>> one = np.zeros((3, 3), bool)
        >>> one[1, 1] = True
        >>> at, length = surfels(one, (1.0, 1.0))
        >>> len(at), round(float(length.sum()), 4)
        (4, 2.8284)
    """
    corners = list(product((0, 1), repeat=mask.ndim))
    size = tuple(n - 1 for n in mask.shape)
    codes = np.zeros(size, dtype=np.uint8)
    for bit, corner in enumerate(corners):
        part = mask[tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))]
        codes |= part.astype(np.uint8) << np.uint8(bit)
    crossed = (codes != 0) & (codes != 2 ** len(corners) - 1)
    return np.argwhere(crossed), areas(spacing_mm)[codes[crossed]]


@lru_cache(maxsize=64)
def areas(spacing_mm: tuple[float, ...]) -> FloatArray:
    """Area (mm²) or length (mm) of the piece in each of the 2^(2^ndim) neighbourhoods."""
    spacing = np.array(spacing_mm)
    pieces = _polygons() if len(spacing_mm) == 3 else _segments()
    return np.array([sum(_measure(piece * spacing) for piece in of_code) for of_code in pieces])


def _measure(points: FloatArray) -> float:
    """Length of two points, area of three."""
    if len(points) == 2:
        return float(np.linalg.norm(points[1] - points[0]))
    return float(np.linalg.norm(np.cross(points[1] - points[0], points[2] - points[0]))) / 2


@lru_cache(maxsize=1)
def _segments() -> list[list[FloatArray]]:
    """The lines of each of the 16 neighbourhoods of four pixels, end points (2, 2)."""
    corners = list(product((0, 1), repeat=2))
    around: list[Corner] = [(0, 0), (0, 1), (1, 1), (1, 0)]
    result = []
    for code in range(16):
        inside = {corner for bit, corner in enumerate(corners) if code >> bit & 1}
        lines = _cuts(around, inside, separated=True)
        result.append([np.array([_middle(a), _middle(b)]) for a, b in lines])
    return result


@lru_cache(maxsize=1)
def _polygons() -> list[list[FloatArray]]:
    """The triangles of each of the 256 neighbourhoods of eight voxels, corners (3, 3)."""
    corners = list(product((0, 1), repeat=3))
    result = []
    for code in range(256):
        inside = {corner for bit, corner in enumerate(corners) if code >> bit & 1}
        if len(inside) > 4:  # the same surface from its other side
            inside = set(corners) - inside
        triangles = []
        for loop in _loops(inside):
            points = np.array([_middle(edge) for edge in loop])
            triangles += [points[list(t)] for t in _largest(points)]
        result.append(triangles)
    return result


def _cuts(face: list[Corner], inside: set[Corner], *, separated: bool) -> list[tuple[Edge, Edge]]:
    """Lines across a face, as pairs of cut edges; corners inside are cut off one by one."""
    edges = [(face[at], face[(at + 1) % 4]) for at in range(4)]
    cut = [at for at, (a, b) in enumerate(edges) if (a in inside) != (b in inside)]
    if len(cut) < 4:
        return [(_edge(*edges[cut[0]]), _edge(*edges[cut[1]]))] if cut else []
    return [
        (_edge(*edges[at - 1]), _edge(*edges[at]))
        for at in range(4)
        if (face[at] in inside) == separated
    ]


def _loops(inside: set[Corner]) -> list[list[Edge]]:
    """The closed polygons between the corners inside and the others, as rings of cut edges."""
    beside: dict[Edge, list[Edge]] = {}
    for axis, level in product(range(3), (0, 1)):
        face = [(*ring[:axis], level, *ring[axis:]) for ring in ((0, 0), (0, 1), (1, 1), (1, 0))]
        for a, b in _cuts(face, inside, separated=True):
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
    loops = []
    while beside:
        loop = [min(beside)]
        while True:
            further = [edge for edge in beside.pop(loop[-1]) if edge in beside]
            if not further:
                break
            loop.append(further[0])
        loops.append(loop)
    return loops


def _largest(points: FloatArray) -> tuple[Triangle, ...]:
    """The cut of a polygon into triangles with the largest area; flat ones have only one area."""

    def size(triangles: tuple[Triangle, ...]) -> float:
        return round(sum(_measure(points[list(t)]) for t in triangles), 9)

    return max(_triangulations(0, len(points) - 1), key=size)


@lru_cache(maxsize=64)
def _triangulations(first: int, last: int) -> tuple[tuple[Triangle, ...], ...]:
    """All cuts of the polygon of the vertices first..last into triangles."""
    if last - first < 2:
        return ((),)
    return tuple(
        (*before, *behind, (first, at, last))
        for at in range(first + 1, last)
        for before in _triangulations(first, at)
        for behind in _triangulations(at, last)
    )


def _edge(a: Corner, b: Corner) -> Edge:
    return (a, b) if a < b else (b, a)


def _middle(edge: Edge) -> FloatArray:
    middle: FloatArray = np.array(edge, dtype=np.float64).mean(axis=0)
    return middle
