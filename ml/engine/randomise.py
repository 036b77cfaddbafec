"""The randomise pass: the map of every case after weights were permuted, stage by stage.

Cascading goes from the output down, each stage on top of those before; independent permutes one
stage alone; redrawn permutes all of them by a further draw. A map that stays the same shows the
picture, not what the network has learnt. Beside these the maps of the network as it is: of pictures
with a little noise, of the score of the other classes, and of pictures with a constant added that
the network takes off again. Ragged maps are compared as means over noisy copies too.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.engine.changes import Rows, Stage, changes_of, named
from ml.engine.explain import Map, check_sides, explainer_of, map_columns, runtime_of
from ml.engine.explain_form import randomise_form, randomise_rows
from ml.engine.params import texts
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.session import ModelError
from ml.estimate import JsonObject
from ml.evidence.compared_maps import FURTHER, written
from ml.evidence.passes import CASCADING, NO_CLASS, NO_LAYER, OTHER_CLASS, SMOOTHED
from ml.sandbox.messages import Reporter
from ml.stats.explanation.likeness import NOTHING, Likeness, likeness

TABLE = "randomise.parquet"


def randomise_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; method, target, orders, stages, redrawn, noises, seed;
            further, methods whose maps are compared and not kept.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.explain_form.randomise_form`. Where the
        network has fewer layers than there are stages, the last rows have the error "no_layer";
        where it scores the positive classes alone, those of another class have "no_class".
    """
    asked = Asked.of(inputs)
    first = explainer_of(asked, inputs)
    check_sides(first.sides)
    keys = [named(*row) for row in randomise_rows(inputs)]
    found: dict[str, Outputs[Map]] = {}
    methods = texts(inputs, FURTHER)
    total = len(set(keys)) * (1 + len(methods))
    for stage, explained in changes_of(asked, first, inputs):
        part = _part(reporter, len(found), total)
        found[named(*stage)] = _maps(asked, explained, part)
    rows: list[Map | None] = []
    errors: list[str | None] = []
    for case_id, key in product(asked.case_ids, keys):
        made = found.get(key)
        rows.append(made.rows.get(case_id) if made else None)
        lacking = NO_CLASS if key.startswith(OTHER_CLASS) else NO_LAYER
        errors.append(made.errors.get(case_id) if made else lacking)
    shape = randomise_form(inputs, 0)
    columns = {"case_id": pa.array([one for one in asked.case_ids for _ in keys], pa.string())}
    columns |= {name: pa.array(list(of) * len(asked.case_ids)) for name, of in shape.keys.items()}
    columns |= map_columns(rows, first.sides)
    if methods:
        columns[FURTHER] = _further(asked, inputs, len(keys), reporter)
    columns["error"] = pa.array(errors, pa.string())
    return finished(
        asked, _summed(found.values()), pa.table(columns), out_dir / TABLE, runtime_of(first)
    )


def _part(reporter: Reporter, done: int, of: int) -> Reporter:
    """A reporter whose progress is one part of the whole."""
    return replace(
        reporter,
        progress=lambda at, total: reporter.progress((done * total + at) // of, total),
    )


def _maps(asked: Asked, explained: Rows, reporter: Reporter) -> Outputs[Map]:
    return in_batches(
        asked.manifest.input, asked.cases, explained,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip


def _further(asked: Asked, inputs: JsonObject, rows: int, reporter: Reporter) -> pa.Array:
    """Of each case in its first row how alike the maps of further methods are; null where none is.

    Maps of the input are large, so those of a method are compared as they come and let go.
    """
    found: dict[str, dict[str, dict[Stage, Likeness]]] = {one: {} for one in asked.case_ids}
    methods = texts(inputs, FURTHER)
    for at, method in enumerate(methods, 1):
        part = _part(reporter, at, 1 + len(methods))
        for case_id, changes in compared(asked, inputs | {"method": method}, part).items():
            found[case_id][method] = changes
    told: list[bytes | None] = []
    for case_id in asked.case_ids:
        told += [written(found[case_id]) if found[case_id] else None, *([None] * (rows - 1))]
    return pa.array(told, pa.binary())


def compared(
    asked: Asked, params: JsonObject, reporter: Reporter
) -> dict[str, dict[Stage, Likeness]]:
    """Of each case that has a map by a method, how alike its maps after each change are to it.

    Smooth maps are held against the smooth one of the network as it is. A network that the method
    can't explain has none.
    """
    try:
        first = explainer_of(asked, params)
    except ModelError:
        return {}
    own: dict[str, Map] = {}
    smooth: dict[Stage, Outputs[Map]] = {}
    found: dict[str, dict[Stage, Likeness]] = {}
    total = len(set(randomise_rows(params)))
    for done, (stage, explained) in enumerate(changes_of(asked, first, params)):
        made = _maps(asked, explained, _part(reporter, done, total))
        if stage == (CASCADING, 0):
            own = made.rows
            found = {case_id: {} for case_id in own}
        elif stage[0] == SMOOTHED:
            smooth[stage] = made
        else:
            for case_id in own:
                found[case_id][stage] = _like(own.get(case_id), made.rows.get(case_id))
    for stage, made in smooth.items():
        if stage != (SMOOTHED, 0):
            before = smooth[SMOOTHED, 0].rows
            for case_id in own:
                found[case_id][stage] = _like(before.get(case_id), made.rows.get(case_id))
    return found


def _like(own: Map | None, other: Map | None) -> Likeness:
    if own is None or other is None:
        return NOTHING
    return likeness(own.map.astype(np.float64), other.map.astype(np.float64))


def _summed(parts: Iterable[Outputs[Map]]) -> Outputs[Map]:
    """Errors and seconds of all stages: a case has failed if one of its rows has."""
    total: Outputs[Map] = Outputs()
    for part in parts:
        total.errors |= part.errors
        for case_id, took in part.seconds.items():
            total.seconds[case_id] = total.seconds.get(case_id, 0.0) + took
    return total
