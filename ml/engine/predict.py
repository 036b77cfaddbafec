"""The predict pass: every case of a shard through the model once, raw outputs kept."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from ml.engine.ensemble import open_model
from ml.engine.session import Session
from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import outputs_table, write_table
from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.picture import ImageError
from ml.imaging.preprocess import Float32Array, prepare
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Reporter

TABLE = "predict.parquet"
_TRANSIENT = {"image_missing", "image_changed"}


@dataclass(frozen=True)
class Case:
    case_id: str
    images: tuple[Path, ...]


@dataclass
class Outputs:
    """What has been computed so far; a case is in `rows` or in `errors`."""

    rows: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # per case; not part of the evidence


def predict_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child; see docs/adr/0004.

    Args:
        inputs: model {path, manifest}, cases [{case_id, images: [path]}], batch,
            threads, device ("cuda" is used where there is one, else the processor).
        out_dir: where the table is written.
        reporter: told after every batch.

    Returns:
        table (file name), sha256, runtime, seconds {case id: seconds}, failed, reusable (False
        when a stored file was missing or changed: that says nothing about the model).
    """
    model = cast(JsonObject, inputs["model"])
    manifest = ModelManifest.model_validate(model["manifest"])
    session = _opened(
        Path(str(model["path"])),
        manifest,
        threads=int(cast(int, inputs.get("threads", 1))),
        gpu=inputs.get("device") == "cuda",
    )
    cases = [
        Case(str(row["case_id"]), tuple(Path(str(path)) for path in cast(list[str], row["images"])))
        for row in cast(list[JsonObject], inputs["cases"])
    ]
    batch = int(cast(int, inputs.get("batch", 8)))
    outputs = predict(session, manifest.input, cases, batch=batch, reporter=reporter)
    nothing = [None] * session.n_classes
    table = outputs_table(
        [case.case_id for case in cases],
        [outputs.rows.get(case.case_id, nothing) for case in cases],
        outputs.errors,
    )
    seconds: dict[str, JsonValue] = {key: round(s, 6) for key, s in outputs.seconds.items()}
    return {
        "table": TABLE,
        "sha256": write_table(table, out_dir / TABLE),
        "runtime": session.runtime_json | {"threads": inputs.get("threads", 1)},
        "seconds": seconds,
        "failed": len(outputs.errors),
        "reusable": not _TRANSIENT & set(outputs.errors.values()),
    }


# What the last job opened: a child that is kept for the next shard opens its model once.
_last: tuple[tuple[object, ...], Session] | None = None


def _opened(path: Path, manifest: ModelManifest, *, threads: int, gpu: bool) -> Session:
    """The session of the last job if it was of the same file and settings, else a new one."""
    global _last
    file = path.stat() if path.exists() else None
    identity = None if file is None else (file.st_ino, file.st_size, file.st_mtime_ns)
    key = (path, identity, manifest.model_dump_json(), threads, gpu)
    if _last is None or _last[0] != key:
        _last = None  # first away with the old one: both may not fit
        _last = key, open_model(path, manifest, threads=threads, gpu=gpu)
    return _last[1]


def predict(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    *,
    batch: int = 8,
    reporter: Reporter,
) -> Outputs:
    """Run the model over cases in batches of fixed membership.

    A case that cannot be read, or whose output is not finite, gets an error code and costs no
    other case its place in a batch: its place is taken by zeros, so that scores depend on the
    order of the cases alone.
    """
    outputs = Outputs()
    for start in range(0, len(cases), batch):
        began = time.perf_counter()
        members = cases[start : start + batch]
        arrays = [_array(case, declared, outputs) for case in members]
        values = session.run(np.stack(arrays))
        for case, row in zip(members, values, strict=True):
            if case.case_id in outputs.errors:
                continue
            if np.isfinite(row).all():
                outputs.rows[case.case_id] = row.tolist()
            else:
                outputs.errors[case.case_id] = "non_finite_output"
        took = time.perf_counter() - began
        outputs.seconds |= {case.case_id: took / len(members) for case in members}
        done = start + len(members)
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {took / len(members):.3f} s each")
    return outputs


def _array(case: Case, declared: Input, outputs: Outputs) -> Float32Array:
    """The prepared image of a case; zeros and an error code when there is none."""
    try:
        return prepare_case(case, declared)
    except ImageError as error:
        outputs.errors[case.case_id] = error.code
        return np.zeros(declared.shape, dtype=np.float32)


def prepare_case(case: Case, declared: Input) -> Float32Array:
    """Read, check and prepare the one image of a case.

    Raises:
        ImageError: no_image, several_images, several_frames, image_changed, image_missing, or a
            code of :func:`ml.imaging.decode.decode`.
    """
    if not case.images:
        raise ImageError("no_image", "The case has no image.")
    if len(case.images) > 1:
        raise ImageError("several_images", "The model takes one image, the case has several.")
    try:
        data = case.images[0].read_bytes()
    except OSError:
        raise ImageError("image_missing", "The image file is not there any more.") from None
    name = case.images[0].name
    if len(name) == 64 and hashlib.sha256(data).hexdigest() != name:
        raise ImageError("image_changed", "The stored image is not the one that was handed in.")
    picture = decode(data)
    if picture.frames > 1:
        raise ImageError("several_frames", "The model takes one frame, the image has several.")
    return prepare(picture, declared)
