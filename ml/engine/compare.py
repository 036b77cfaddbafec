"""The pass over masks: the pairs of masks that checks ask about, structure by structure."""

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import write_table
from ml.evidence.tables import CONSENSUS, MODEL, OTHERS, REFERENCE
from ml.imaging.mask import Mask, unpack
from ml.imaging.picture import ImageError
from ml.sandbox.messages import Reporter
from ml.stats.segmentation.consensus import majority
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.overlap import overlap
from ml.stats.segmentation.surface import surface_distances
from ml.version import ENGINE_VERSION

BoolArray = NDArray[np.bool_]

TABLE = "compare-masks.parquet"
READER = "reader:"
_TRANSIENT = {"image_missing", "image_changed"}
_NO_PAIR, _GRIDS = "one_mask", "mask_grid"
# What one row says of two masks; NaN where it is undefined.
MEASURES = (
    "voxels_a", "voxels_b", "voxels_both", "volume_a", "volume_b", "dice", "iou", "hd", "hd95",
    "assd", "surface_dice",
)  # fmt: skip


# case id, error code, structure, a, b, and the measures in their order
Row = tuple[str, str | None, int | None, str | None, str | None, tuple[float, ...]]


def compare_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Compare the masks of one shard inside a child.

    Args:
        inputs: cases [{case_id, masks {whose: path}}], structures, tolerance_mm.
        out_dir: where the table is written.
        reporter: told after every case.

    Returns:
        table (file name), sha256, runtime, seconds {case id: seconds}, failed, reusable (False
        when a stored file was missing or changed).
    """
    cases = cast(list[JsonObject], inputs["cases"])
    structures = int(cast(int, inputs["structures"]))
    tolerance = float(cast(float, inputs["tolerance_mm"]))
    rows: list[Row] = []
    seconds: dict[str, JsonValue] = {}
    errors: set[str] = set()
    nothing = (float("nan"),) * len(MEASURES)
    for done, case in enumerate(cases, 1):
        began = time.perf_counter()
        case_id = str(case["case_id"])
        try:
            masks = _read(cast(Mapping[str, str], case["masks"]))
            rows += [
                (case_id, None, structure, a, b, numbers)
                for structure, a, b, numbers in comparisons(masks, structures, tolerance)
            ]
        except ImageError as error:
            errors.add(error.code)
            rows.append((case_id, error.code, None, None, None, nothing))
        seconds[case_id] = round(time.perf_counter() - began, 6)
        reporter.progress(done, len(cases))
    reporter.log(f"{len(cases)} cases compared")
    return {
        "table": TABLE,
        "sha256": write_table(_table(rows), out_dir / TABLE),
        "runtime": {"engine": ENGINE_VERSION, "python": platform.python_version(), "device": "cpu"},
        "seconds": seconds,
        "failed": sum(row[1] is not None for row in rows),
        "reusable": not _TRANSIENT & errors,
    }


def _read(paths: Mapping[str, str]) -> dict[str, Mask]:
    """The masks of one case.

    Raises:
        ImageError: one_mask, mask_grid, image_missing, image_changed, mask_unreadable.
    """
    if len(paths) < 2:
        raise ImageError(_NO_PAIR, "The case has fewer than two masks.")
    masks: dict[str, Mask] = {}
    for whose, name in sorted(paths.items()):
        masks[whose] = stored_mask(Path(name))
    first = next(iter(masks.values()))
    if not all(first.same_grid(mask) for mask in masks.values()):
        raise ImageError(_GRIDS, "The masks of the case do not lie on the same grid of voxels.")
    return masks


def stored_mask(path: Path) -> Mask:
    """The mask in a stored file; one that is called by a SHA-256 must have it.

    Raises:
        ImageError: image_missing, image_changed, mask_unreadable.
    """
    try:
        data = path.read_bytes()
    except OSError:
        raise ImageError("image_missing", "The mask file is not there any more.") from None
    if len(path.name) == 64 and hashlib.sha256(data).hexdigest() != path.name:
        raise ImageError("image_changed", "The stored mask is not the one handed in.")
    return unpack(data)


def comparisons(
    masks: Mapping[str, Mask], structures: int, tolerance_mm: float
) -> Iterator[tuple[int, str, str, tuple[float, ...]]]:
    """(structure, a, b, measures) of all pairs: see :class:`ml.evidence.tables.MaskComparisons`.

    The model and the readers are compared with the reference, with each other, and with the
    majority of the readers (of the other readers, where ``a`` is one of them).
    """
    readers = [whose for whose in masks if whose.startswith(READER)]
    spacing = next((m.spacing_mm for m in masks.values() if m.spacing_mm is not None), None)
    for structure in range(structures):
        of = {whose: mask.of(structure) for whose, mask in masks.items()}
        compare = partial(_measured, spacing_mm=spacing, tolerance_mm=tolerance_mm)
        for whose in (*readers, MODEL):
            if whose in of and REFERENCE in of:
                yield structure, whose, REFERENCE, compare(of[whose], of[REFERENCE])
        for a, b in combinations(readers, 2):
            yield structure, a, b, compare(of[a], of[b])
        if MODEL in of:
            for reader in readers:
                yield structure, MODEL, reader, compare(of[MODEL], of[reader])
        if len(readers) < 3:  # the majority of two, or of the one other reader, is no majority
            continue
        votes = np.sum([of[reader] for reader in readers], axis=0, dtype=np.int64)
        for reader in readers:
            others = 2 * (votes - of[reader]) > len(readers) - 1
            yield structure, reader, OTHERS, compare(of[reader], others)
            if MODEL in of:  # the same consensus, so that model and reader can be told apart
                yield structure, MODEL, f"{OTHERS}:{reader}", compare(of[MODEL], others)
        if MODEL in of:
            consensus = majority(np.stack([of[reader] for reader in readers]))
            yield structure, MODEL, CONSENSUS, compare(of[MODEL], consensus)


def _measured(
    a: BoolArray, b: BoolArray, spacing_mm: tuple[float, ...] | None, tolerance_mm: float
) -> tuple[float, ...]:
    """The measures of one pair; without a spacing, distances and sizes are in voxels."""
    pair = MaskPair.of(a, b, spacing_mm)
    shared, apart = overlap(pair), surface_distances(pair)
    volume = 1000.0 if pair.prediction.ndim == 3 and spacing_mm is not None else 1.0
    numbers = (
        shared.prediction,
        shared.reference,
        shared.intersection,
        shared.volume_prediction_mm / volume,
        shared.volume_reference_mm / volume,
        shared.dice,
        shared.iou,
        apart.hausdorff_mm,
        apart.hausdorff_percentile_mm(95),
        apart.assd_mm,
        apart.surface_dice(tolerance_mm),
    )
    return tuple(float("nan") if number is None else float(number) for number in numbers)


def _table(rows: list[Row]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([row[0] for row in rows], pa.string()),
        "error": pa.array([row[1] for row in rows], pa.string()),
        "structure": pa.array([row[2] for row in rows], pa.int64()),
        "a": pa.array([row[3] for row in rows], pa.string()),
        "b": pa.array([row[4] for row in rows], pa.string()),
    }
    for at, name in enumerate(MEASURES):
        columns[name] = pa.array([row[5][at] for row in rows], pa.float64())
    return pa.table(columns)
