"""What the blot pass left: places that recur in a cohort, and answers where they were changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.store import output_columns

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
PLACES, HAS = "places", "has"  # columns
# Taken away: by the mean of the picture, by what lies around; the same elsewhere. Put in from a
# case that has it; the same place of another case that has it not.
MEAN, FILL, GIVEN = "mean", "fill", "transplant"
ELSEWHERE = {MEAN: "mean-elsewhere", FILL: "fill-elsewhere", GIVEN: "transplant-other"}
CHANGES = tuple(one for pair in ELSEWHERE.items() for one in pair)
KINDS = ("mark", "ruler", "border", "corner", "region")


@dataclass(frozen=True)
class BlottedPlace:
    """A rectangle, as shares of what the model takes of a picture.

    Attributes:
        box: top, left, height and width, 0..1.
        kind: one of KINDS.
        name: of a region that the protocol draws.
        other: a second look of a mark at the same place.
        attention: share of the map in the place over its share of the picture, the median over
            cases that have it; None where there are no maps.
        alike: median correlation of the cases' marks with their median; None of other kinds.
    """

    box: tuple[float, float, float, float]
    kind: str
    name: str
    other: bool
    attention: float | None
    alike: float | None


@dataclass(frozen=True)
class Blotted:
    """Of n cases, p places and the changes of CHANGES.

    Attributes:
        places: (p,).
        has: (n, p) 1 where a case has what is at the place, 0 where not, NaN where it was not run.
        outputs: (n, p, changes, k) raw; NaN where a change was not made, or failed.
        ran: (n,) the pass was run on the case and could read it.
        failures: case id -> error code.
        score: (n, p, changes) P(finding present), as of the predict pass.
    """

    places: tuple[BlottedPlace, ...]
    has: FloatArray
    outputs: FloatArray
    ran: BoolArray
    failures: Mapping[str, str] = field(default_factory=dict)
    score: FloatArray | None = None

    def change(self, place: int, name: str) -> FloatArray:
        """(n,) P(finding) after one change."""
        assert self.score is not None
        return np.asarray(self.score[:, place, CHANGES.index(name)])


def blotted_of(table: pa.Table, case_ids: Sequence[str]) -> Blotted:
    """What the pass left of all cases, or of some.

    Raises:
        ValueError: where it does not say where its places are.
    """
    ids, errors = table["case_id"].to_pylist(), table["error"].to_pylist()
    rows = ids.count(ids[0])
    slots = rows // len(CHANGES)
    said = next((one for one in table[PLACES].to_pylist() if one), b"[]")
    places = tuple(_place(one) for one in json.loads(said))
    if len(places) > slots:
        raise ValueError(f"{len(places)} places do not fit into {slots}")
    firsts = {case_id: at for at, case_id in enumerate(ids[::rows])}
    failures = {case_id: error for case_id, error in zip(ids, errors, strict=True) if error}
    at = np.array([firsts.get(case_id, -1) for case_id in case_ids], dtype=np.int64)
    ran = (at >= 0) & np.array([case_id not in failures for case_id in case_ids], dtype=np.bool_)
    columns = [_column(table, name) for name in (*output_columns(table), HAS)]
    every = np.stack(columns, axis=1).reshape(-1, slots, len(CHANGES), len(columns))
    found = np.full((at.size, *every.shape[1:]), np.nan)
    found[ran] = every[at[ran]]
    found = found[:, : len(places)]
    return Blotted(places, found[:, :, 0, -1], found[..., :-1], ran, failures)


def _column(table: pa.Table, name: str) -> FloatArray:
    return np.array(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def _place(said: Mapping[str, Any]) -> BlottedPlace:
    """A place as the child said it, held against what one can be."""
    top, left, height, width = (float(one) for one in said["box"])
    kind, name = str(said["kind"]), str(said["name"])[:120]
    fits = min(top, left) >= 0 and min(height, width) > 0
    if kind not in KINDS or not fits or max(top + height, left + width) > 1 + 1e-9:
        raise ValueError(f"no place of a picture: {kind[:40]!r}, {said['box']}")
    numbers = {
        key: None if said[key] is None else float(said[key]) for key in ("attention", "alike")
    }
    if any(value is not None and not np.isfinite(value) for value in numbers.values()):
        raise ValueError("a place is described by what is no number")
    return BlottedPlace((top, left, height, width), kind, name, bool(said["other"]), **numbers)
