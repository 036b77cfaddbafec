"""Places where pictures of a cohort look alike in a way that patients do not: marks and borders.

A mark is made of thin strokes that stand out from what lies beside them, such as letters, rulers,
wires and edges of a screen, and lies at one place in many pictures. Corners and strips along the
border are places whatever lies there. Nothing here asks a model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter, grey_closing, grey_opening, label

from ml.imaging.harmonic import Box
from ml.imaging.picture import FloatArray

Kind = Literal["mark", "ruler", "border", "corner", "region"]
BoolArray = NDArray[np.bool_]

CONTRAST = 0.25  # of a stroke, of the intensity range
FEWEST = 5  # pictures that must have a mark
_STROKE = 0.04  # widest stroke, of the shorter side
_REACH = 0.02  # that places of one mark may lie apart, of the shorter side
_LEVELS = tuple(step / 20 for step in range(2, 20))  # share of pictures with a stroke at a place
_LARGEST = 0.12  # of the picture that a mark takes
_SMALLEST = 4  # pixels of the model's input, along the longer side of a mark
_FEW = 0.4  # strokes of pictures without a mark, as a share of those with it, at most
_SOME = 0.3  # the same of a mark that all kinds of pictures have, of that with most
_NEAR = 0.1  # of a blurred stroke, that counts as one
_AROUND = 0.3  # strokes around a mark, by area, as a share of those in it
_ALIKE = 0.4  # median correlation of marks with their median
_APART = 0.7  # share of the variance of a number that two kinds of pictures must explain
_LOOKS = 0.35  # the same of how a mark looks
_ENDS = 0.1  # by which a strip must differ from the one beside it, to be more than a body
_STEP = 0.15  # by which the strips of two kinds of pictures must differ in brightness
_STRIP, _CORNER = 0.08, 0.2  # width of a strip and side of a corner, of the shorter side
_PERIODIC = 0.4  # autocorrelation of strokes along a ruler


@dataclass(frozen=True)
class Place:
    """A rectangle of the pictures that a model takes, and which of them have it.

    Attributes:
        kind: "mark", "ruler" (a mark whose strokes repeat along it), "border", "corner", or
            "region", which somebody drew.
        has: (n,) the pictures that have what is at the place.
        alike: median correlation of what they have there with its median; of marks alone.
        name: of a region that somebody drew.
        other: a second look of marks at the same place, such as R where this is L.
    """

    box: Box
    kind: Kind
    has: BoolArray
    alike: float | None = None
    name: str = ""
    other: bool = False


def strokes_of(pictures: FloatArray) -> FloatArray:
    """How far thin structures stand out, bright or dark: 0 to 1.

    Args:
        pictures: (n, height, width) grey, 0..1.

    Returns:
        (n, height, width) the larger of both top-hats, with a square a little wider than strokes.

    Example:
        >>> line = np.zeros((1, 9, 9))
        >>> line[0, 4] = 0.5
        >>> strokes_of(line)[0, 3:6, 0].tolist()
        [0.0, 0.5, 0.0]

    Source:
        Meyer (1979), Journal of Histochemistry and Cytochemistry 27:128 (the top-hat).
    """
    width = max(3, round(_STROKE * min(pictures.shape[1:])))
    size = (1, width | 1, width | 1)
    bright = pictures - grey_opening(pictures, size=size)
    dark = grey_closing(pictures, size=size) - pictures
    return np.asarray(np.maximum(bright, dark))


def places_of(pictures: FloatArray, regions: Sequence[tuple[str, Box]] = ()) -> list[Place]:
    """Regions that somebody drew, then recurring marks, then corners and borders.

    The order of the pictures changes nothing but the order of ``has``.

    Args:
        pictures: (n, height, width) grey, 0..1, as a model takes them.
        regions: name and box.
    """
    strokes = strokes_of(pictures)
    drawn = [Place(box, "region", _with_strokes(strokes, box), name=name) for name, box in regions]
    marks = _marks(strokes)
    return [*drawn, *marks, *_along_the_border(pictures, strokes, [one.box for one in marks])]


def _recurring(strokes: FloatArray) -> list[Box]:
    """Boxes around places with a stroke in many pictures, of every level: they may overlap."""
    n, height, width = strokes.shape
    reach = _REACH * min(height, width)
    near = np.zeros((height, width))
    for one in strokes:  # blurred a little, so that marks that lie a little apart are one place
        near += gaussian_filter((one > CONTRAST).astype(np.float64), reach) > _NEAR
    found: dict[Box, None] = {}
    for level in _LEVELS:
        often = near >= max(FEWEST, level * n)
        parts, _ = label(often, structure=np.ones((3, 3)))
        for rows, columns in find_objects(parts):
            box = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
            if box[2] * box[3] <= _LARGEST * height * width and max(box[2:]) >= _SMALLEST:
                found[box] = None
    return list(found)


def overlap(one: Box, other: Box) -> float:
    """The share of the smaller box that lies in the other.

    >>> overlap((0, 0, 2, 2), (1, 1, 4, 4))
    0.25
    """
    rows = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    columns = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(rows, 0) * max(columns, 0) / smaller


def inside(pictures: FloatArray, box: Box) -> FloatArray:
    """(n, height, width) of a box."""
    top, left, height, width = box
    return pictures[:, top : top + height, left : left + width]


def _with_strokes(strokes: FloatArray, box: Box) -> BoolArray:
    """(n,) which pictures have strokes in a box; all, where they do not fall into two kinds."""
    amount = _amount(strokes, box)
    found = two_kinds(amount)
    if found is None or amount[~found].mean() > _FEW * amount[found].mean():
        return np.asarray(amount > _SOME * np.quantile(amount, 0.9))
    return found


def two_kinds(numbers: FloatArray) -> BoolArray | None:
    """(n,) the higher of two kinds that numbers fall into; None where they are of one kind.

    Example:
        >>> two_kinds(np.array([0.1, 0.12, 0.9, 0.95, 0.11, 0.1, 0.92]))
        array([False, False,  True,  True, False, False,  True])
        >>> two_kinds(np.linspace(0, 1, 20)) is None
        False

    Source:
        Otsu (1979), IEEE Transactions on Systems, Man and Cybernetics 9:62.
    """
    rising = np.sort(numbers)
    total = float(((rising - rising.mean()) ** 2).sum())
    if total <= 1e-12:
        return None
    sizes = np.arange(1, rising.size)
    sums = np.cumsum(rising)[:-1]
    low, high = sums / sizes, (rising.sum() - sums) / (rising.size - sizes)
    between = sizes * (rising.size - sizes) / rising.size * (high - low) ** 2
    at = int(between.argmax())
    if between[at] < _APART * total:
        return None
    return np.asarray(numbers > (rising[at] + rising[at + 1]) / 2)


def _marks(strokes: FloatArray) -> list[Place]:
    """Recurring marks that overlap with none that more pictures have, or that are more alike."""
    found: list[tuple[float, list[Place]]] = []
    for box in _recurring(strokes):
        own = list(_marks_at(box, strokes))
        if own:
            worth = sum((one.alike or 0.0) * float(one.has.mean()) ** 0.5 for one in own)
            found.append((worth, own))
    kept: list[Place] = []
    for _, own in sorted(found, key=lambda pair: (-round(pair[0], 9), pair[1][0].box)):
        if not any(overlap(own[0].box, other.box) > 0 for other in kept):
            kept += own
    return kept


def _marks_at(box: Box, strokes: FloatArray) -> Iterator[Place]:
    """What recurs in a box: one look of a mark, or two; nothing where no two look alike."""
    has = _with_strokes(strokes, box)
    for at, group in enumerate(_looks(strokes, box, has)):
        if group.sum() < FEWEST or (alike := _alikeness(strokes, box, group)) < _ALIKE:
            continue
        repeats = _repeats(strokes, box, group)
        if repeats or _stands_alone(strokes, box, group):
            yield Place(box, "ruler" if repeats else "mark", group, alike, other=at > 0)


def _stands_alone(strokes: FloatArray, box: Box, group: BoolArray) -> bool:
    """Whether hardly a stroke lies around a mark: the edge of a skull goes on beyond its box."""
    height, width = strokes.shape[1:]
    ring = max(2, round(_STROKE * min(height, width)))
    top, left = max(box[0] - ring, 0), max(box[1] - ring, 0)
    bottom, right = min(box[0] + box[2] + ring, height), min(box[1] + box[3] + ring, width)
    energy = np.where(strokes[group] > CONTRAST, strokes[group], 0.0)
    within = inside(energy, box).sum(axis=(1, 2))
    around = inside(energy, (top, left, bottom - top, right - left)).sum(axis=(1, 2)) - within
    area = (bottom - top) * (right - left) - box[2] * box[3]
    if area == 0:
        return False
    ratio = (around / area) / np.maximum(within / (box[2] * box[3]), 1e-12)
    return bool(np.median(ratio) <= _AROUND)


def _looks(strokes: FloatArray, box: Box, has: BoolArray) -> list[BoolArray]:
    """Pictures that have a mark, by its look where there are two of them."""
    rows = np.flatnonzero(has)
    if rows.size < 2 * FEWEST:
        return [has]
    values = _blurred(strokes, box)[rows]
    values = values - values.mean(axis=0)
    # Two groups along the direction in which looks differ most.
    _, _, directions = np.linalg.svd(values, full_matrices=False)
    upper = two_kinds(values @ directions[0])
    if upper is None:
        return [has]
    within = sum(
        ((values[part] - values[part].mean(axis=0)) ** 2).sum() for part in (upper, ~upper)
    )
    if within > (1 - _LOOKS) * (values**2).sum() or min(upper.sum(), (~upper).sum()) < FEWEST:
        return [has]
    parts = [np.isin(np.arange(has.size), rows[part]) for part in (upper, ~upper)]
    return sorted(parts, key=lambda part: (-int(part.sum()), int(np.flatnonzero(part)[0])))


def _blurred(strokes: FloatArray, box: Box) -> FloatArray:
    """(n, pixels) of strokes in a box, so that those that lie a little apart are alike."""
    reach = _REACH / 2 * min(strokes.shape[1:])
    wide = gaussian_filter(inside(strokes, box), (0, reach, reach))
    return np.asarray(wide.reshape(len(strokes), -1))


def _alikeness(strokes: FloatArray, box: Box, group: BoolArray) -> float:
    values = _blurred(strokes, box)[group]
    middle = np.median(values, axis=0)
    away, ours = values - values.mean(axis=1, keepdims=True), middle - middle.mean()
    below = np.linalg.norm(away, axis=1) * np.linalg.norm(ours)
    return float(np.median(np.where(below > 1e-12, away @ ours / np.maximum(below, 1e-12), 0.0)))


def _repeats(strokes: FloatArray, box: Box, group: BoolArray) -> bool:
    """Whether strokes repeat along the longer side, as the ticks of a ruler."""
    part = inside(strokes, box)[group]
    along = part.mean(axis=2) if box[2] >= box[3] else part.mean(axis=1)
    if along.shape[1] < 3 * _SMALLEST:
        return False
    away = along - along.mean(axis=1, keepdims=True)
    power = (away**2).sum(axis=1)
    lags = range(2, along.shape[1] // 3)
    found = [
        float(np.median((away[:, lag:] * away[:, :-lag]).sum(axis=1) / np.maximum(power, 1e-12)))
        for lag in lags
    ]
    return any(
        found[at] >= _PERIODIC and found[at] > found[at - 1] and found[at] >= found[at + 1]
        for at in range(1, len(found) - 1)
    )


def _along_the_border(
    pictures: FloatArray, strokes: FloatArray, taken: Sequence[Box]
) -> list[Place]:
    """Strips and corners where no mark has been found yet."""
    height, width = pictures.shape[1:]
    strip = max(2, round(_STRIP * min(height, width)))
    side = max(3, round(_CORNER * min(height, width)))
    boxes: list[tuple[Kind, Box]] = [
        ("border", (0, 0, strip, width)),
        ("border", (height - strip, 0, strip, width)),
        ("border", (0, 0, height, strip)),
        ("border", (0, width - strip, height, strip)),
        ("corner", (0, 0, side, side)),
        ("corner", (0, width - side, side, side)),
        ("corner", (height - side, 0, side, side)),
        ("corner", (height - side, width - side, side, side)),
    ]
    return [
        Place(box, kind, _strip_kinds(pictures, strokes, box))
        for kind, box in boxes
        if not any(overlap(box, other) >= 0.5 for other in taken)
    ]


def _strip_kinds(pictures: FloatArray, strokes: FloatArray, box: Box) -> BoolArray:
    """(n,) the pictures with more in a strip, of brightness or strokes; all, if they are one kind.

    The brightness decides where both fall into two kinds.
    """
    brightness = inside(pictures, box).mean(axis=(1, 2))
    found = two_kinds(brightness)
    if found is not None and brightness[found].mean() - brightness[~found].mean() >= _STEP:
        further = inside(pictures, _further_in(box, pictures.shape[1:])).mean(axis=(1, 2))
        # A body that reaches the border goes on; what was added there does not.
        if np.median(np.abs(brightness - further)[found]) >= _ENDS:
            return found
    amount, beside = (_amount(strokes, one) for one in (box, _further_in(box, pictures.shape[1:])))
    found = two_kinds(amount)
    if (
        found is not None
        and amount[~found].mean() <= _FEW * amount[found].mean()
        and np.median(beside[found]) <= _FEW * np.median(amount[found])
    ):
        return found
    return np.ones(len(pictures), dtype=np.bool_)


def _further_in(box: Box, sides: Sequence[int]) -> Box:
    """The box of the same size beside one along the border or in a corner, towards the middle.

    >>> _further_in((0, 0, 2, 9), (9, 9)), _further_in((7, 0, 2, 9), (9, 9))
    ((2, 0, 2, 9), (5, 0, 2, 9))
    >>> _further_in((0, 7, 2, 2), (9, 9))
    (2, 5, 2, 2)
    """
    moved = [
        at if size == side else at + size if at == 0 else at - size
        for at, size, side in zip(box[:2], box[2:], sides, strict=True)
    ]
    return moved[0], moved[1], box[2], box[3]


def _amount(strokes: FloatArray, box: Box) -> FloatArray:
    """(n,) of strokes in a box."""
    within = inside(strokes, box)
    return np.asarray(np.where(within > CONTRAST, within, 0.0).mean(axis=(1, 2)))
