"""Two passes of an ensemble from one run of its members: their mean, and what each answers.

Where both are planned (``ml.engine.plan.walked_with``), whichever comes first leaves both tables.
Each is, to the last byte, the one that its pass leaves alone, and is kept under that pass's key.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ml.engine.cases import Case
from ml.engine.passes import SAMPLES
from ml.engine.predict import NON_FINITE, Asked, Outputs, Row, answered, in_batches
from ml.engine.samples import members_of, sampled
from ml.engine.session import FloatArray
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

Both = tuple[list[float] | None, FloatArray | None]  # None where a number is not finite


def members_job(name: str, inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard of the two passes inside a child.

    Args:
        name: of the pass that was asked for.
        inputs: as of its job; ``beside`` holds what is asked of the other one.

    Returns:
        As its job does; ``beside`` holds the same of the other one.

    Raises:
        ModelError: as what opens and runs the model; model_shape where it has another number of
            members than was planned.
    """
    asked, other = Asked.of(inputs), cast(JsonObject, inputs["beside"])
    session = members_of(asked, inputs if name == SAMPLES else other)

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[Both]:
        each = session.each(arrays)
        return [
            (
                mean.tolist() if np.isfinite(mean).all() else None,
                each[:, at] if np.isfinite(each[:, at]).all() else None,
            )
            for at, mean in enumerate(session.mean(each))
        ]

    found = in_batches(
        asked.manifest.input, asked.cases, rows,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    runtime = session.runtime_json
    tables = [
        answered(
            asked, _one(found, {one: both[0] for one, both in found.rows.items()}), session, out_dir
        ),
        sampled(
            asked, _one(found, {one: both[1] for one, both in found.rows.items()}), runtime, out_dir
        ),
    ]
    if name == SAMPLES:
        tables.reverse()
    return tables[0] | {"beside": tables[1]}


def _one(found: Outputs[Both], rows: dict[str, Row | None]) -> Outputs[Row]:
    """What one of the two passes has, with its own errors."""
    made: Outputs[Row] = Outputs(errors=dict(found.errors), seconds=found.seconds)
    for case_id, row in rows.items():
        if row is None:
            made.errors[case_id] = NON_FINITE
        else:
            made.rows[case_id] = row
    return made
