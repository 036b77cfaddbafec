"""The table that several masks of each case leave: its columns, its bounds, what it costs.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import cast

import pyarrow as pa

from ml.engine.cost import Cost
from ml.estimate import JsonObject
from ml.evidence.forms import Form, Key
from ml.evidence.packed import BYTES, Float32Array, packed
from ml.evidence.sampled_masks import SampledRow
from ml.evidence.store import EvidenceError, table
from ml.imaging.uncertainty_map import MOST_BYTES as MAP_BYTES
from ml.stats.uncertainty.voxels import KINDS, REGIONS, STATISTICS

SIZES = tuple(f"voxels_{region}" for region in REGIONS)
SUMMARIES = tuple("_".join(parts) for parts in product(KINDS, REGIONS, STATISTICS))
OVERLAPS = ("dice_mean", "dice_least")
VOXEL = "voxel_ml"
_NUMBERS = (*SIZES, VOXEL, *OVERLAPS, *SUMMARIES)


def form_of(params: JsonObject) -> Form:
    """A row for each case and structure; a case that failed has as many, with its error."""
    structures, samples = (int(cast(int, params[name])) for name in ("structures", "samples"))
    keys: dict[str, Sequence[Key]] = {"structure": list(range(structures))}
    return Form(
        keys=keys,
        numbers=_NUMBERS,
        loose=(VOXEL, *SUMMARIES),  # a region may hold nothing
        arrays={"voxels": samples},
        blobs={"map": MAP_BYTES},
    )


def check_sampled_masks(data: bytes, case_ids: Sequence[str], params: JsonObject) -> None:
    """See that a table says of every case and structure how large it is in each sample.

    Raises:
        EvidenceError: with what it is instead.
    """
    form_of(params).check(data, case_ids)
    width = table(data)["voxels"].type.byte_width // BYTES
    if width != int(cast(int, params["samples"])):
        raise EvidenceError(f"it has {width} samples of a case, and {params['samples']} were asked")


def cost_of_masks(params: JsonObject, forwards: float, row_bytes: int) -> Cost:
    """What it costs for a case, whose map is as large as one can be."""
    structures, samples = (int(cast(int, params[name])) for name in ("structures", "samples"))
    row = row_bytes + 8 * len(_NUMBERS) + BYTES * samples
    return Cost(forwards, 0, structures * row + MAP_BYTES)


def sampled_masks_table(
    case_ids: Sequence[str],
    rows: Mapping[str, Sequence[SampledRow]],
    errors: Mapping[str, str],
    params: JsonObject,
) -> pa.Table:
    """What the samples pass of a model that segments leaves.

    Args:
        case_ids: (n,) in the order of the table.
        rows: case id -> (s,) of its structures, of the cases that have them.
        errors: case id -> error code, of all others.
        params: of the pass.
    """
    form, width = form_of(params), int(cast(int, params["samples"]))
    nothing: list[SampledRow | None] = [None] * form.rows
    flat = [row for case_id in case_ids for row in rows.get(case_id, nothing)]
    voxels: list[Float32Array | None] = [None if row is None else row.voxels for row in flat]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([one for one in case_ids for _ in range(form.rows)], pa.string()),
        "structure": pa.array([*form.keys["structure"]] * len(case_ids), pa.int64()),
        **{
            name: pa.array(
                [None if row is None else row.numbers[name] for row in flat], pa.float64()
            )
            for name in form.numbers
        },
        "voxels": packed(voxels, width),
        "map": pa.array([None if row is None else row.map for row in flat], pa.binary()),
        "error": pa.array(
            [errors.get(one) for one in case_ids for _ in range(form.rows)], pa.string()
        ),
    }
    return pa.table(columns)
