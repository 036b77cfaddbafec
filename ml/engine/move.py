"""The move pass: outputs on copies that lie a little differently, and whether maps move along."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ml.engine.cases import Case
from ml.engine.copies import Look, OfCopies, outputs_on_copies, rows_table
from ml.engine.maps_beside import maps_beside
from ml.engine.mask_copies import move_masks_job
from ml.engine.mask_copies_form import of_masks
from ml.engine.move_form import move_form, move_rows
from ml.engine.predict import Asked, finished
from ml.engine.volume_copies import outputs_on_volumes
from ml.estimate import JsonObject
from ml.imaging.intensity import FloatArray
from ml.imaging.preprocess import Float32Array, interpolate
from ml.moves import Move, Way, inside, move, moved
from ml.sandbox.messages import Reporter

TABLE = "move.parquet"
_FLAT = 1e-6  # of a map's largest value: what varies by less does not vary


def versions(params: JsonObject) -> list[tuple[Move, int]]:
    """The moves and steps of a pass, in the order of its rows.

    Raises:
        LookupError: for a move that is not known.
    """
    return [(move(name), step) for name, step in move_rows(params)]


def agreement(of_copy: FloatArray, as_it_is: FloatArray, way: Way) -> float:
    """How far the map of a moved picture is the moved map of the picture: Pearson's correlation.

    Over the places that are read within the picture: what lies at its border is made up.

    Args:
        of_copy, as_it_is: (height, width) maps at the size of the model's input.
        way: that the picture was moved.

    Returns:
        -1 to 1; NaN where one of them does not vary there, or is not finite.

    Example:
        >>> ramp = np.arange(12.0).reshape(3, 4)
        >>> agreement(ramp + 5, ramp, Way(shift=(0.0, 1.0)))
        1.0
    """
    within = inside(as_it_is.shape, way)
    pair = np.stack([of_copy[within], moved(as_it_is[:, :, None], way)[:, :, 0][within]])
    if pair.shape[1] < 2 or not np.isfinite(pair).all():
        return float("nan")
    if (np.ptp(pair, axis=1) <= _FLAT * np.abs(pair).max(axis=1)).any():
        return float("nan")
    away = pair - pair.mean(axis=1, keepdims=True)
    product = float((away[0] * away[1]).sum())
    return float(np.clip(product / np.linalg.norm(away, axis=1).prod(), -1.0, 1.0))


def looking_at_maps(
    maps: Callable[[Float32Array], Float32Array],
    sides: Sequence[int],
    wanted: Sequence[tuple[Move, int]],
    seed: int,
) -> Look:
    """Looks at how far the map of each copy is the moved map of its picture.

    Args:
        maps: (n, rows, columns) of prepared cases (n, ...).
        sides: (height, width) of the model's input.
        wanted, seed: as the copies are made.
    """

    def sized(arrays: Float32Array) -> list[FloatArray]:
        height, width = sides
        return [
            interpolate(one.astype(np.float64), (height, width), "bilinear") for one in maps(arrays)
        ]

    def look(members: Sequence[Case], arrays: Float32Array) -> OfCopies:
        clean = sized(arrays)

        def of_copies(at: int, copies: Float32Array) -> FloatArray:
            one, step = wanted[at]
            pairs = zip(members, sized(copies), clean, strict=True)
            found = [
                agreement(of_copy, as_it_is, one.drawn_way(step, case.case_id, seed))
                for case, of_copy, as_it_is in pairs
            ]
            return np.array(found)[:, None]

        return of_copies

    return look


def _no_maps(members: Sequence[Case], arrays: Float32Array) -> OfCopies:
    """Of a model that cannot be looked into."""
    del members, arrays
    return lambda at, copies: np.full((len(copies), 1), np.nan)


def _look_of(
    asked: Asked, inputs: JsonObject, wanted: Sequence[tuple[Move, int]], seed: int
) -> tuple[Look, JsonObject]:
    """How maps are compared, and what the evidence says of them."""
    maps, told = maps_beside(asked, inputs)
    if maps is None:
        return _no_maps, told
    return looking_at_maps(maps, asked.manifest.input.sides, wanted, seed), told


def move_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; moves, seed; maps, and with them method and target.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.move_form.move_form`.
    """
    if of_masks(inputs):
        form = move_form(inputs, 0)
        return move_masks_job(inputs, versions(inputs), form, out_dir / TABLE, reporter)
    asked, wanted, seed = Asked.of(inputs), versions(inputs), int(cast(int, inputs["seed"]))
    look, told = _look_of(asked, inputs, wanted, seed)
    session = asked.session(reporter, out_dir)
    declared, batch, device = asked.manifest.input, asked.batch, asked.device
    if declared.dims == 3:
        found = outputs_on_volumes(
            session, declared, asked.cases, wanted, seed=seed, batch=batch, device=device,
            reporter=reporter, unknown=1,
        )  # fmt: skip
    else:
        found = outputs_on_copies(
            session, declared, asked.cases, wanted, seed=seed, batch=batch, device=device,
            reporter=reporter, look=look,
        )  # fmt: skip
    table = rows_table(asked.case_ids, move_form(inputs, session.n_classes), found)
    runtime = session.runtime_json | told
    return finished(asked, found, table, out_dir / TABLE, runtime, reusable=session.reusable)
