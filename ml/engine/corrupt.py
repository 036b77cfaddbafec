"""The corrupt pass: outputs on corrupted copies of every case."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from ml.corruptions import Corruption, corruption
from ml.corruptions.registry import SEVERITIES
from ml.engine.cases import Case
from ml.engine.passes import corrupt_form
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.session import Session
from ml.estimate import JsonObject
from ml.evidence.forms import Form
from ml.imaging.declared import Input
from ml.imaging.intensity import from_unit, to_unit
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

TABLE = "corrupt.parquet"
Versions = list[list[float] | None]  # of one case: outputs of each corrupted copy


def versions(params: JsonObject) -> list[tuple[Corruption, int]]:
    """The corruptions and severities of a pass, in the order of its rows.

    Raises:
        LookupError: for a corruption that is not known.
    """
    chosen = [corruption(str(name)) for name in cast(list[str], params["corruptions"])]
    return list(product(chosen, range(1, SEVERITIES + 1)))


def corrupt(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    wanted: Sequence[tuple[Corruption, int]],
    *,
    seed: int,
    batch: int = 8,
    reporter: Reporter,
) -> Outputs[Versions]:
    """Run the model over corrupted copies of cases.

    What the model would have taken is brought back to intensities from 0 to 1, corrupted there
    in floats and at its size, and normalised again: a severity is the same on every picture size
    of one model, and the noise is not resized away.

    Args:
        wanted: corruptions and severities.
        seed: random numbers depend on it, the case, the corruption and the severity alone.

    Returns:
        By case, the raw outputs of each copy in order; None where they are not finite.
    """

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        pictures = [to_unit(array, declared) for array in arrays]
        found: list[Versions] = [[] for _ in members]
        for one, severity in wanted:
            copies = [
                from_unit(one(picture, severity, case.case_id, seed), declared)
                for case, picture in zip(members, pictures, strict=True)
            ]
            for row, values in zip(found, session.run(np.stack(copies)), strict=True):
                row.append(values.tolist() if np.isfinite(values).all() else None)
        return list(found)

    return in_batches(declared, cases, rows, batch=batch, reporter=reporter)


def corrupt_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; corruptions, seed.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.passes.corrupt_form`.
    """
    asked, wanted = Asked.of(inputs), versions(inputs)
    session = asked.session(reporter, out_dir)
    found = corrupt(
        session, asked.manifest.input, asked.cases, wanted,
        seed=int(cast(int, inputs["seed"])), batch=asked.batch, reporter=reporter,
    )  # fmt: skip
    shape = corrupt_form(inputs, session.n_classes)
    table = rows_table(asked.case_ids, shape, found)
    path, reusable = out_dir / TABLE, session.reusable
    return finished(asked, found, table, path, session.runtime_json, reusable=reusable)


def rows_table(case_ids: Sequence[str], shape: Form, found: Outputs[Versions]) -> pa.Table:
    """The table of a pass that leaves outputs in several rows of each case.

    Args:
        shape: its form, whose numbers are the outputs.
        found: by case, the outputs of each row; None where they are not finite.
    """
    nothing: Versions = [None] * shape.rows
    rows = [row for one in case_ids for row in found.rows.get(one, nothing)]
    missing = [
        found.errors.get(one) or ("non_finite_output" if row is None else None)
        for one in case_ids
        for row in found.rows.get(one, nothing)
    ]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([one for one in case_ids for _ in range(shape.rows)], pa.string())
    }
    for name, values in shape.keys.items():
        columns[name] = pa.array(list(values) * len(case_ids))
    for at, name in enumerate(shape.numbers):
        columns[name] = pa.array([None if row is None else row[at] for row in rows], pa.float64())
    columns["error"] = pa.array(missing, pa.string())
    return pa.table(columns)
