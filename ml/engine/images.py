"""The pass over images alone, as plans and those who run them see it; nothing here decodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.estimate import JsonObject, JsonValue
from ml.evidence.described import (
    OF_BOTH,
    OF_PIXELS,
    OF_VOLUMES,
    PIXELS,
    THUMBNAIL,
    THUMBNAIL_NUMBERS,
)
from ml.evidence.forms import Form
from ml.evidence.store import shard_key
from ml.sandbox.messages import Job

DESCRIBE, NEED = "describe", "described"
_HASH_BYTES = 32
FORM = Form(
    numbers=(*OF_PIXELS, *OF_BOTH, *OF_VOLUMES),
    loose=OF_VOLUMES,
    arrays={THUMBNAIL: THUMBNAIL_NUMBERS},
    blobs={PIXELS: _HASH_BYTES},
)


def key_of_images(shard: Sequence[str], images: Mapping[str, Sequence[str]]) -> str:
    """The evidence key of one shard: the images say all that matters, no model does."""
    return shard_key(
        pass_name=DESCRIBE,
        model_sha256="",
        manifest_sha256="",
        params={},
        cases=[(case_id, images[case_id]) for case_id in shard],
    )


def job_of_images(
    shard: Sequence[str], images: Mapping[str, Sequence[Path]], out_dir: Path
) -> Job:  # fmt: skip
    """The job that describes the images of one shard. Files are named by their SHA-256."""
    cases: list[JsonValue] = [
        {"case_id": case_id, "images": [str(path) for path in images[case_id]]} for case_id in shard
    ]
    inputs: JsonObject = {"cases": cases}
    return Job(DESCRIBE, inputs, out_dir)
