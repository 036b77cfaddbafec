"""The corrupt pass: outputs on corrupted copies of every case."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import cast

from ml.corruptions import Corruption, corruption
from ml.corruptions.registry import SEVERITIES
from ml.engine.cases import Case
from ml.engine.copies import Versions, outputs_on_copies, rows_table
from ml.engine.device import CPU, Device
from ml.engine.mask_copies import corrupt_masks_job
from ml.engine.mask_copies_form import of_masks
from ml.engine.passes import corrupt_form
from ml.engine.predict import Asked, Outputs, finished
from ml.engine.session import Session
from ml.engine.volume_copies import outputs_on_volumes
from ml.estimate import JsonObject
from ml.imaging.declared import Input
from ml.sandbox.messages import Reporter

TABLE = "corrupt.parquet"


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
    device: Device = CPU,
    reporter: Reporter,
) -> Outputs[Versions]:
    """Run the model over corrupted copies; see :func:`ml.engine.copies.outputs_on_copies`.

    Of volumes see :func:`ml.engine.volume_copies.outputs_on_volumes`.

    Args:
        wanted: corruptions and severities.
        seed: random numbers depend on it, the case, the corruption and the severity alone.
    """
    if declared.dims == 3:
        return outputs_on_volumes(
            session, declared, cases, wanted, seed=seed, batch=batch, device=device,
            reporter=reporter,
        )  # fmt: skip
    return outputs_on_copies(
        session, declared, cases, wanted, seed=seed, batch=batch, device=device, reporter=reporter
    )


def corrupt_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; corruptions, seed.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.passes.corrupt_form`.
    """
    if of_masks(inputs):
        form = corrupt_form(inputs, 0)
        return corrupt_masks_job(inputs, versions(inputs), form, out_dir / TABLE, reporter)
    asked, wanted = Asked.of(inputs), versions(inputs)
    session = asked.session(reporter, out_dir)
    found = corrupt(
        session, asked.manifest.input, asked.cases, wanted,
        seed=int(cast(int, inputs["seed"])), batch=asked.batch, device=asked.device,
        reporter=reporter,
    )  # fmt: skip
    shape = corrupt_form(inputs, session.n_classes)
    table = rows_table(asked.case_ids, shape, found)
    path, reusable = out_dir / TABLE, session.reusable
    return finished(asked, found, table, path, session.runtime_json, reusable=reusable)
