"""The blot pass: places that recur in a cohort are taken out of pictures, and put into others.

Two walks in one job, over all of its cases: the first looks for places and takes the maps, the
second changes them. So all cases are one shard, and nothing hangs on how they were batched.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from ml.drawn import drawn
from ml.engine.blot_form import MOST_PLACES, blot_form, blot_rows
from ml.engine.cases import Case
from ml.engine.copies import Versions, flat_rows
from ml.engine.maps_beside import Maps, maps_beside
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.session import Session
from ml.estimate import JsonObject
from ml.evidence.blotted import CHANGES, ELSEWHERE, FILL, GIVEN, MEAN, PLACES
from ml.imaging.declared import Input
from ml.imaging.harmonic import Box, harmonic_fill
from ml.imaging.intensity import FloatArray, from_unit, to_unit
from ml.imaging.preprocess import Float32Array, interpolate
from ml.imaging.recurring import Place, overlap, places_of
from ml.sandbox.messages import Reporter

TABLE = "blot.parquet"
_MOST_DRAWS = 40  # of a place elsewhere, before the picture counts as full


@dataclass(frozen=True)
class _Seen:
    """A case after the first walk: what the model takes, and its map."""

    picture: FloatArray  # (height, width, channels) 0..1, in float32
    map: FloatArray | None  # (height, width) of absolute values; None where there is none


@dataclass(frozen=True)
class Found:
    """What the second walk needs.

    Attributes:
        cases: (n,) ids, in their order.
        pictures: (n,).
        places: with ``has`` of these cases.
        attention: of each place; None where there are no maps.
    """

    cases: tuple[str, ...]
    pictures: tuple[FloatArray, ...]
    places: tuple[Place, ...]
    attention: tuple[float | None, ...]


def found_in(
    seen: Mapping[str, _Seen], regions: Sequence[tuple[str, Box]], most: int = MOST_PLACES
) -> Found:
    """The places to be changed: drawn regions, marks, then borders and corners by the maps."""
    cases = tuple(seen)
    if not cases:
        return Found((), (), (), ())
    pictures = tuple(one.picture for one in seen.values())
    grey = np.stack([picture.mean(axis=2) for picture in pictures]).astype(np.float64).clip(0, 1)
    every = places_of(grey, regions)
    maps = [one.map for one in seen.values()]
    looked = {id(place): _attention(maps, place) for place in every}

    def first(place: Place) -> tuple[bool, bool, float]:
        by_look = place.kind in ("border", "corner")
        return place.kind != "region", by_look, -(looked[id(place)] or 0.0) if by_look else 0.0

    places = tuple(sorted(every, key=first)[: len(regions) + most])
    return Found(cases, pictures, places, tuple(looked[id(one)] for one in places))


def _attention(maps: Sequence[FloatArray | None], place: Place) -> float | None:
    """How much more of a map lies in a place than its area would have: the median over cases."""
    top, left, height, width = place.box
    shares = []
    for one, has in zip(maps, place.has, strict=True):
        if has and one is not None and (total := float(one.sum())) > 0:
            part = float(one[top : top + height, left : left + width].sum())
            shares.append(part / total * one.size / (height * width))
    return float(np.median(shares)) if shares else None


def elsewhere(
    box: Box, avoid: Sequence[Box], sides: tuple[int, int], rng: np.random.Generator
) -> Box | None:
    """A place of the same size that touches none of some others; None where there is no room.

    One of its mirror images in the picture if one is free, so that it lies as far from the middle;
    else one that is drawn.

    Example:
        >>> elsewhere((0, 0, 2, 2), [(0, 0, 2, 2), (0, 6, 2, 2)], (8, 8), np.random.default_rng(0))
        (6, 6, 2, 2)
    """
    top, left, height, width = box
    down, right = sides[0] - top - height, sides[1] - left - width
    mirrored = [(top, right), (down, left), (down, right)]
    free = [
        one
        for one in dict.fromkeys((*at, height, width) for at in mirrored)
        if not any(overlap(one, other) > 0 for other in avoid)
    ]
    if free:
        return free[int(rng.integers(len(free)))]
    for _ in range(_MOST_DRAWS):
        at = rng.integers(sides[0] - height + 1), rng.integers(sides[1] - width + 1)
        one = (int(at[0]), int(at[1]), height, width)
        if not any(overlap(one, other) > 0 for other in avoid):
            return one
    return None


def with_mean(picture: FloatArray, box: Box) -> FloatArray:
    """A copy whose box has each channel's mean over the picture."""
    top, left, height, width = box
    copy = picture.copy()
    copy[top : top + height, left : left + width] = picture.mean(axis=(0, 1))
    return copy


def given(picture: FloatArray, donor: FloatArray, box: Box) -> FloatArray:
    """A copy whose box is that of another picture."""
    top, left, height, width = box
    place = np.s_[top : top + height, left : left + width]
    copy = picture.copy()
    copy[place] = donor[place]
    return copy


_TAKEN: dict[str, Callable[[FloatArray, Box], FloatArray]] = {MEAN: with_mean, FILL: harmonic_fill}


def changes_of(found: Found, at: int, slot: int, seed: int) -> dict[str, FloatArray]:
    """The changed copies of one case at one place, by the name of the change.

    What a case has is taken away; what it has not is put in from a case that has it. Each beside
    the same of another place of the same size, or of a case that has it not.

    Args:
        at, slot: of the case, and of the place.
    """
    place, case = found.places[slot], found.cases[at]
    picture = found.pictures[at]
    if place.has[at]:
        marks = [one.box for one in found.places if one.kind not in ("border", "corner")]
        rng = drawn(seed, "elsewhere", case, *place.box)
        other = elsewhere(place.box, [place.box, *marks], picture.shape[:2], rng)
        copies = {name: take(picture, place.box) for name, take in _TAKEN.items()}
        if other is not None:
            copies |= {ELSEWHERE[name]: take(picture, other) for name, take in _TAKEN.items()}
        return copies
    copies = {}
    for name, whose in ((GIVEN, place.has), (ELSEWHERE[GIVEN], ~place.has)):
        donors = [row for row in np.flatnonzero(whose).tolist() if row != at]
        # By the number that each donor draws for itself, so that the order of cases draws nothing.
        if donors:
            number = {row: drawn(seed, name, case, found.cases[row]).random() for row in donors}
            copies[name] = given(picture, found.pictures[min(donors, key=number.__getitem__)],
                                 place.box)  # fmt: skip
    return copies


def changed_outputs(
    session: Session, declared: Input, found: Found, at: int, *, seed: int, slots: int, batch: int
) -> Versions:
    """One case's numbers of each row of the pass: the outputs, and whether it has the place."""
    nothing = [np.nan] * session.n_classes
    rows = {
        (slot, change): [*nothing, float(place.has[at])]
        for slot, place in enumerate(found.places)
        for change in CHANGES
    }
    copies = [
        ((slot, change), from_unit(copy.astype(np.float64), declared))
        for slot in range(len(found.places))
        for change, copy in changes_of(found, at, slot, seed).items()
    ]
    for start in range(0, len(copies), batch):
        part = copies[start : start + batch]
        outputs = session.run(np.stack([array for _, array in part]))
        for (key, _), values in zip(part, outputs, strict=True):
            if np.isfinite(values).all():
                rows[key][:-1] = values.tolist()
    empty = [*nothing, np.nan]
    return [rows.get((slot, change), empty) for slot in range(slots) for change in CHANGES]


def boxes_of(params: JsonObject, sides: Sequence[int]) -> list[tuple[str, Box]]:
    """Name and box in pixels of the regions that a protocol draws as shares of a picture.

    Example:
        >>> drawn = {"regions": [{"name": "tag", "box": [0.5, 0, 0.25, 1]}]}
        >>> boxes_of(drawn, (8, 8))
        [('tag', (4, 0, 2, 8))]
    """
    found = []
    for region in cast(list[JsonObject], params["regions"]):
        top, left, height, width = cast(list[float], region["box"])
        first = round(top * sides[0]), round(left * sides[1])
        last = round((top + height) * sides[0]), round((left + width) * sides[1])
        at = min(first[0], sides[0] - 1), min(first[1], sides[1] - 1)
        size = max(last[0] - at[0], 1), max(last[1] - at[1], 1)
        found.append((str(region["name"]), (*at, *size)))
    return found


def seen_of(declared: Input, maps: Maps | None) -> Callable[..., list[_Seen | None]]:
    """What the first walk keeps of a batch."""
    rows, columns = declared.sides

    def look(_: Sequence[Case], arrays: Float32Array) -> list[_Seen | None]:
        taken = [None] * len(arrays) if maps is None else list(maps(arrays))
        found: list[_Seen | None] = []
        for array, one in zip(arrays, taken, strict=True):
            sized = None
            if one is not None and np.isfinite(one).all():
                sized = np.abs(interpolate(one.astype(np.float64), (rows, columns), "bilinear"))
            picture = to_unit(array, declared)
            fine = bool(np.isfinite(picture).all())
            found.append(_Seen(picture.astype(np.float32), sized) if fine else None)
        return found

    return look


def blot_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run the pass inside a child.

    Args:
        inputs: as of ``predict_job``, with all cases; regions, seed; maps, and with them method
            and target.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.blot_form.blot_form`.
    """
    asked, seed = Asked.of(inputs), int(cast(int, inputs["seed"]))
    declared, n = asked.manifest.input, len(asked.cases)
    maps, told = maps_beside(asked, inputs)
    session = asked.session(reporter, out_dir)
    half = replace(reporter, progress=lambda done, of: reporter.progress(done, 2 * of))
    first = in_batches(
        declared, asked.cases, seen_of(declared, maps),
        batch=asked.batch, device=asked.device, reporter=half,
    )  # fmt: skip
    found = found_in(first.rows, boxes_of(inputs, declared.sides))
    slots = len(blot_rows(inputs)) // len(CHANGES)
    second: Outputs[Versions] = Outputs(errors=dict(first.errors), seconds=first.seconds)
    for at, case_id in enumerate(found.cases):
        second.rows[case_id] = changed_outputs(
            session, declared, found, at, seed=seed, slots=slots, batch=asked.batch
        )
        reporter.progress(n + at + 1, 2 * n)
    table = _table(asked.case_ids, inputs, session.n_classes, second, _said(found, declared.sides))
    runtime = session.runtime_json | told
    return finished(asked, second, table, out_dir / TABLE, runtime, reusable=session.reusable)


def _said(found: Found, sides: Sequence[int]) -> bytes:
    """Where the places are, as the table holds it."""
    height, width = sides
    return json.dumps(
        [
            {
                "kind": place.kind, "name": place.name, "other": place.other,
                "box": [place.box[0] / height, place.box[1] / width,
                        place.box[2] / height, place.box[3] / width],
                "attention": attention, "alike": place.alike,
            }
            for place, attention in zip(found.places, found.attention, strict=True)
        ]
    ).encode()  # fmt: skip


def _table(
    case_ids: Sequence[str], params: JsonObject, n_outputs: int, found: Outputs[Versions],
    places: bytes,
) -> pa.Table:  # fmt: skip
    form = blot_form(params, n_outputs)
    rows, columns, errors = flat_rows(case_ids, form, found)
    for at, name in enumerate(form.numbers):
        numbers = [np.nan if row is None else row[at] for row in rows]
        columns[name] = pa.array(numbers, pa.float64(), from_pandas=True)  # NaN becomes null
    said = [
        places if at % form.rows == 0 and row is not None else None for at, row in enumerate(rows)
    ]
    columns[PLACES] = pa.array(said, pa.binary())
    return pa.table({**columns, "error": errors})
