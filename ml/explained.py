"""What evidence holds of how single answers came about, as a report keeps it for its readers.

Maps are drawn, and numbers of curves are rounded; nothing is judged here, checks do that.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ml.estimate import rounded
from ml.evidence.orders import size_of_subset
from ml.evidence.packed import Float32Array
from ml.evidence.passes import CaseMaps, CaseOutputs
from ml.imaging.map_pictures import map_png, overlay_png

MOST_CASES = 500  # whose maps are drawn
_DIGITS = 6

Curves = dict[str, dict[str, list[float | None]]]  # replacement -> order -> score of each step


@dataclass(frozen=True)
class DrawnMap:
    """One map of one case.

    Attributes:
        own: PNG of its own positions.
        overlay: PNG of the picture's shape, clear where the map says nothing.
        low, high: of its values, in units of the score (for input gradients, per unit of input).
        score: the logit that it explains.
    """

    own: bytes
    overlay: bytes
    low: float
    high: float
    score: float | None


def drawn_maps(
    maps: CaseMaps,
    case_ids: Sequence[str],
    method: str,
    size: tuple[int, int],
    first: Collection[str] = (),
) -> dict[str, dict[str, DrawnMap]]:
    """Maps as pictures, of at most ``MOST_CASES`` cases that have some, in their order.

    Args:
        maps: of n cases.
        case_ids: (n,).
        method: that made them, where the maps of a case do not name theirs.
        size: (height, width) of the picture that the model takes.
        first: cases that come before all others where there are more.

    Returns:
        Case id -> method -> map; a case whose map is not finite has none.
    """
    methods = [str(one) for one in maps.keys.get("method", (method,) * maps.maps.shape[1])]
    found: dict[str, dict[str, DrawnMap]] = {}
    for at in sorted(range(len(case_ids)), key=lambda at: case_ids[at] not in first):
        case_id = case_ids[at]
        if len(found) == MOST_CASES:
            break
        made = {
            name: _drawn(one, float(score), size)
            for name, one, score in zip(methods, maps.maps[at], maps.score[at], strict=True)
            if np.isfinite(one).all()
        }
        if made:
            found[case_id] = made
    return found


def _drawn(one: Float32Array, score: float, size: tuple[int, int]) -> DrawnMap:
    return DrawnMap(
        map_png(one), overlay_png(one, size), float(one.min()), float(one.max()),
        _number(score),
    )  # fmt: skip


def removal_curves(found: CaseOutputs, case_ids: Sequence[str]) -> dict[str, Curves]:
    """P(finding) of each case while its picture goes away, from whole to nothing.

    Returns:
        Case id -> replacement -> order -> (steps + 1,) scores, None where the model failed; {} of
        outputs that nothing says the meaning of. Cases that were not run are left out.
    """
    if found.score is None:
        return {}
    columns: dict[tuple[str, str], list[int]] = {}
    keys = zip(found.keys["baseline"], found.keys["order"], found.keys["step"], strict=True)
    places = {key: at for at, key in enumerate(keys)}
    for baseline, order, step in sorted(places, key=lambda key: int(key[2])):
        if size_of_subset(str(order)) is not None:  # random subsets are no curve
            continue
        columns.setdefault((str(baseline), str(order)), []).append(places[baseline, order, step])
    kept: dict[str, Curves] = {}
    for row, case_id in enumerate(case_ids):
        scores = found.score[row]
        if (found.ran is not None and not found.ran[row]) or not np.isfinite(scores).any():
            continue
        curves: Curves = {}
        for (baseline, order), along in columns.items():
            values = [_number(float(scores[at])) for at in along]
            curves.setdefault(baseline, {})[order] = values
        kept[case_id] = curves
    return kept


def _number(value: float) -> float | None:
    return rounded(value, _DIGITS) if np.isfinite(value) else None
