"""Marks in a picture that look like lines of text: small, flat, of one height, on one base line."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

LOWEST, TALLEST = 5, 40  # pixels that a character is high
_FEWEST = 4  # characters of a line
_CONTRASTS = (60, 90, 140)  # grey levels of 255 between a stroke and what is around it
_THICKEST = 9  # pixels of a stroke
_FLAT = 0.4  # share of a character's pixels that are within 24 levels of its extreme
_WIDEST_GAP = 1.2  # between characters, in heights
_MOST_SIDE = 2048  # a larger picture is looked at in half its size, or less
_MOST_MARKS = 20_000  # beyond this the picture is noise

Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels; the ends are not inside


def text_marks(picture: Image.Image) -> list[Box]:
    """Where lines of text may stand. No character is read, and no answer says that there is none.

    Bright strokes on dark and dark ones on bright are found by a top-hat; characters are their
    connected pixels, of a likely size and flat in brightness; a line is a chain of at least four
    of one height on one base line.

    Args:
        picture: as it is shown, 8 bits.

    Returns:
        Boxes in pixels of the picture, from top to bottom.
    """
    factor = max(1, -(-max(picture.size) // _MOST_SIDE))
    gray = np.asarray(picture.convert("L").reduce(factor), dtype=np.int16)
    found: set[Box] = set()
    for levels in (gray, 255 - gray):
        above = levels - ndimage.grey_opening(levels, size=(_THICKEST, _THICKEST))
        for contrast in _CONTRASTS:  # what touches a character at one may not at the next
            found.update(_lines(_characters(levels, above >= contrast)))
    return [_scaled(box, factor) for box in _apart(found)]


def _scaled(box: Box, factor: int) -> Box:
    top, left, bottom, right = box
    return top * factor, left * factor, bottom * factor, right * factor


def _apart(boxes: set[Box]) -> list[Box]:
    """Those that overlap made one: a line is found at several contrasts, and in parts."""
    made: list[Box] = []
    for box in sorted(boxes):
        current = box
        for other in [one for one in made if _overlap(one, box)]:
            made.remove(other)
            current = _around([current, other])
        made.append(current)
    return sorted(made)


def _overlap(one: Box, other: Box) -> bool:
    across = one[1] < other[3] and other[1] < one[3]
    return across and one[0] < other[2] and other[0] < one[2]


def _characters(gray: NDArray[np.int16], strokes: NDArray[np.bool_]) -> list[Box]:
    """Connected bright strokes of the size and flatness of characters."""
    labels, count = ndimage.label(strokes, structure=np.ones((3, 3)))
    if not 0 < count <= _MOST_MARKS:
        return []
    boxes: list[Box] = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if not (LOWEST <= high <= TALLEST and wide <= 2 * high):
            continue
        values = gray[rows, columns][labels[rows, columns] == number]
        if np.mean(values >= values.max() - 24) >= _FLAT:
            boxes.append((rows.start, columns.start, rows.stop, columns.stop))
    return boxes


def _lines(characters: list[Box]) -> list[Box]:
    """Chains of characters; each is followed to the right by the nearest that fits."""
    waiting = sorted(characters, key=lambda box: box[1])
    lines: list[Box] = []
    while waiting:
        line = [waiting.pop(0)]
        at = 0
        while at < len(waiting) and waiting[at][1] - line[-1][3] <= _gap(line[-1]):
            if _follows(line[-1], waiting[at]):
                line.append(waiting.pop(at))
            else:
                at += 1
        if len(line) >= _FEWEST:
            lines.append(_around(line))
    return lines


def _gap(box: Box) -> float:
    return _WIDEST_GAP * (box[2] - box[0])


def _follows(box: Box, other: Box) -> bool:
    high, its_high = box[2] - box[0], other[2] - other[0]
    near = max(1, 0.12 * high)
    same_line = abs(box[2] - other[2]) <= near
    same_height = abs(high - its_high) <= max(1, 0.35 * high)
    return same_line and same_height and other[1] >= box[3] - 1


def _around(line: list[Box]) -> Box:
    tops, lefts, bottoms, rights = zip(*line, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)
