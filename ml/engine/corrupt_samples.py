"""The corrupt-samples pass: several answers to every corrupted copy, and to the image as it is.

The copies are those of the corrupt pass. Of dropout the masks of a case are the same for all of its
copies: what differs between two copies is then the copy and not the draw.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.engine.cases import Case, prepare_case
from ml.engine.copies import each_copy, flat_rows
from ml.engine.corrupt import versions
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.requested_form import SAMPLED, corrupt_samples_form
from ml.engine.samples import sampler_of
from ml.engine.volume_copies import VolumeCopies
from ml.estimate import JsonObject
from ml.evidence.forms import Form
from ml.evidence.packed import packed
from ml.evidence.sampled_copies import DRAWS, OUTPUTS, SAMPLES
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

TABLE = "corrupt-samples.parquet"
Draws = NDArray[np.float32]  # (t, k) of one copy
Versions = list[Draws | None]  # of one case; None where a number is not finite


def corrupt_samples_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; corruptions and seed as of ``corrupt_job``; sampled, with
            kind, samples and seed as of ``samples_job``.

    Returns:
        As ``predict_job``, with a table of
        :func:`ml.engine.requested_form.corrupt_samples_form`.

    Raises:
        ModelError: as ``samples_job``.
    """
    asked, wanted, seed = Asked.of(inputs), versions(inputs), int(cast(int, inputs["seed"]))
    settings = cast(JsonObject, inputs[SAMPLED])
    how = tuple(settings.get(name) for name in ("kind", "samples", "seed"))
    sampler = asked.opened(f"samples {how}", lambda: sampler_of(asked, settings))
    declared = asked.manifest.input
    volumes = VolumeCopies(declared, wanted, seed) if declared.dims == 3 else None

    def copies_of(members: Sequence[Case], arrays: Float32Array) -> Iterator[Float32Array]:
        if volumes is not None:
            return volumes.each(members, arrays)
        return each_copy(members, arrays, declared, wanted, seed)

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        names = [case.case_id for case in members]
        found: list[Versions] = [[] for _ in members]
        for copies in chain([arrays], copies_of(members, arrays)):
            drawn = sampler.sample(copies, names).astype(np.float32)
            for at, row in enumerate(found):
                row.append(drawn[:, at] if np.isfinite(drawn[:, at]).all() else None)
        return list(found)

    found = in_batches(
        declared, asked.cases, rows, batch=asked.batch, device=asked.device, reporter=reporter,
        prepare=prepare_case if volumes is None else volumes.prepare,
    )  # fmt: skip
    shape = corrupt_samples_form(inputs, len(asked.manifest.output.classes))
    table = samples_of_copies(asked.case_ids, shape, found)
    return finished(asked, found, table, out_dir / TABLE, sampler.runtime_json)


def samples_of_copies(case_ids: Sequence[str], shape: Form, found: Outputs[Versions]) -> pa.Table:
    """The table of the pass.

    Args:
        shape: its form.
        found: by case, the draws of each version.
    """
    rows, columns, errors = flat_rows(case_ids, shape, found)
    for at, name in enumerate((DRAWS, OUTPUTS)):
        columns[name] = pa.array(
            [None if row is None else row.shape[at] for row in rows], pa.int64()
        )
    columns[SAMPLES] = packed(rows, shape.arrays[SAMPLES])
    return pa.table({**columns, "error": errors})
