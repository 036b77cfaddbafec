"""The pass over images alone: what each case is in numbers, whatever the model.

It needs no model and asks none, so that tables of predictions have it too.
"""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from ml.engine.cases import bytes_of
from ml.estimate import JsonObject, JsonValue
from ml.evidence.described import (
    OF_BOTH,
    OF_PIXELS,
    OF_VOLUMES,
    PIXELS,
    THUMBNAIL,
    THUMBNAIL_NUMBERS,
)
from ml.evidence.packed import packed
from ml.evidence.store import write_table
from ml.imaging.handcrafted import Described, described
from ml.imaging.picture import ImageError
from ml.sandbox.messages import Reporter
from ml.version import ENGINE_VERSION

TABLE = "describe.parquet"
_TRANSIENT = {"image_missing", "image_changed"}  # they say nothing about the image


def describe_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Describe the images of one shard inside a child.

    Args:
        inputs: cases [{case_id, images: [path]}].
        out_dir: where the table is written.
        reporter: told after every case.

    Returns:
        table (file name), sha256, runtime, seconds {case id: seconds}, failed, reusable (False
        when a stored file was missing or changed).
    """
    cases = cast(list[JsonObject], inputs["cases"])
    found: list[Described | str] = []
    seconds: dict[str, JsonValue] = {}
    for done, case in enumerate(cases, 1):
        began = time.perf_counter()
        try:
            found.append(described([bytes_of(Path(p)) for p in cast(list[str], case["images"])]))
        except ImageError as error:
            found.append(error.code)
        seconds[str(case["case_id"])] = round(time.perf_counter() - began, 6)
        reporter.progress(done, len(cases))
    reporter.log(f"{len(cases)} cases described")
    errors = {one for one in found if isinstance(one, str)}
    return {
        "table": TABLE,
        "sha256": write_table(images_table([str(case["case_id"]) for case in cases], found),
                              out_dir / TABLE),
        "runtime": {"engine": ENGINE_VERSION, "python": platform.python_version(), "device": "cpu"},
        "seconds": seconds,
        "failed": sum(isinstance(one, str) for one in found),
        "reusable": not _TRANSIENT & errors,
    }  # fmt: skip


def images_table(case_ids: Sequence[str], found: Sequence[Described | str]) -> pa.Table:
    """One row for each case: its numbers, or the code of what is wrong with it."""
    well = [one if isinstance(one, Described) else None for one in found]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array(case_ids, pa.string()),
        "error": pa.array([one if isinstance(one, str) else None for one in found], pa.string()),
    }
    for name in (*OF_PIXELS, *OF_BOTH, *OF_VOLUMES):
        numbers = [
            None if one is None else one.numbers.get(name) if name in OF_VOLUMES
            else one.numbers[name]
            for one in well
        ]  # fmt: skip
        columns[name] = pa.array(numbers, pa.float64())
    small = [None if one is None else one.thumbnail for one in well]
    columns[THUMBNAIL] = packed(small, THUMBNAIL_NUMBERS)
    columns[PIXELS] = pa.array([None if one is None else one.pixels for one in well], pa.binary())
    return pa.table(columns)
