"""The images of a cohort in numbers, at the command line."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa

from ml.cli.shards import Children, Shards, Wanted
from ml.engine.images import DESCRIBE, FORM, job_of_images, key_of_images
from ml.engine.plan import PassPlan, images_by_case
from ml.estimate import JsonObject


def measured_images(
    passes: Mapping[str, PassPlan],
    catalogue: JsonObject,
    stored: Path,
    children: Children,
    folder: Path,
) -> pa.Table | None:
    """What the pass over images left of a cohort, or None when it is not planned.

    Args:
        passes: that are planned.
        catalogue: of the cohort.
        stored: its accepted files.
        children: of the audit.
        folder: of evidence.
    """
    planned = passes.get(DESCRIBE)
    if planned is None:
        return None
    images = images_by_case(catalogue)
    paths = {case_id: [stored / name for name in names] for case_id, names in images.items()}
    runner = Shards(
        planned,
        Wanted(partial(key_of_images, images=images), FORM.check, FORM.most_bytes),
        lambda shard, out: job_of_images(shard, paths, out),
        children,
        folder,
        "cpu",
        reads=[stored],
    )
    return runner.run(list(images))
