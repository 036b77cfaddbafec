"""The predict pass: every case of a shard through the model once, raw outputs kept."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from ml.engine.ensemble import open_model
from ml.engine.kept import Kept
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
TRANSIENT = {"image_missing", "image_changed"}  # they say nothing about the model


@dataclass(frozen=True)
class Case:
    case_id: str
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Asked:
    """What a job over cases is asked for, whatever its pass."""

    path: Path  # of the weights
    manifest: ModelManifest
    cases: tuple[Case, ...]
    batch: int
    threads: int

    @classmethod
    def of(cls, inputs: JsonObject) -> "Asked":
        model = cast(JsonObject, inputs["model"])
        rows = cast(list[JsonObject], inputs["cases"])
        return cls(
            path=Path(str(model["path"])),
            manifest=ModelManifest.model_validate(model["manifest"]),
            cases=tuple(
                Case(str(row["case_id"]), tuple(map(Path, cast(list[str], row["images"]))))
                for row in rows
            ),
            batch=int(cast(int, inputs.get("batch", 8))),
            threads=int(cast(int, inputs.get("threads", 1))),
        )


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
    asked = Asked.of(inputs)
    path, manifest, cases = asked.path, asked.manifest, asked.cases
    gpu = inputs.get("device") == "cuda"
    session = _kept.opened(
        path,
        (manifest.model_dump_json(), asked.threads, gpu),
        lambda: open_model(path, manifest, threads=asked.threads, gpu=gpu),
    )
    outputs = predict(session, manifest.input, cases, batch=asked.batch, reporter=reporter)
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
        "runtime": session.runtime_json | {"threads": asked.threads},
        "seconds": seconds,
        "failed": len(outputs.errors),
        "reusable": not TRANSIENT & set(outputs.errors.values()),
    }


_kept: Kept[Session] = Kept()


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
        values = session.run(prepared_cases(members, declared, outputs.errors))
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


def prepared_cases(cases: Sequence[Case], declared: Input, errors: dict[str, str]) -> Float32Array:
    """The prepared images of cases, (n, ...); zeros and an error code where there is none."""
    arrays = []
    for case in cases:
        try:
            arrays.append(prepare_case(case, declared))
        except ImageError as error:
            errors[case.case_id] = error.code
            arrays.append(np.zeros(declared.shape, dtype=np.float32))
    return np.stack(arrays)


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
