"""The predict pass: every case of a shard through the model once, raw outputs kept."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pyarrow as pa

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
Row = TypeVar("Row")
Opened = TypeVar("Opened")
_TRANSIENT = {"image_missing", "image_changed"}  # they say nothing about the model


@dataclass(frozen=True)
class Case:
    case_id: str
    images: tuple[Path, ...]


@dataclass
class Outputs(Generic[Row]):
    """What has been computed so far; a case is in `rows` or in `errors`."""

    rows: dict[str, Row] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # per case; not part of the evidence


@dataclass(frozen=True)
class Asked:
    """What a job over the cases of one model asks for; see ``ml.engine.plan.job_of_shard``."""

    path: Path
    manifest: ModelManifest
    cases: tuple[Case, ...]
    batch: int
    threads: int
    gpu: bool  # where there is one, else the processor
    runtime: str | None = None  # that a trial chose for the processor

    @classmethod
    def of(cls, inputs: JsonObject) -> "Asked":
        model = cast(JsonObject, inputs["model"])
        cases = (
            Case(str(row["case_id"]), tuple(map(Path, cast(list[str], row["images"]))))
            for row in cast(list[JsonObject], inputs["cases"])
        )
        return cls(
            path=Path(str(model["path"])),
            manifest=ModelManifest.model_validate(model["manifest"]),
            cases=tuple(cases),
            batch=int(cast(int, inputs.get("batch", 8))),
            threads=int(cast(int, inputs.get("threads", 1))),
            gpu=inputs.get("device") == "cuda",
            runtime=cast(str | None, inputs.get("runtime")),
        )

    @property
    def case_ids(self) -> list[str]:
        return [case.case_id for case in self.cases]

    def session(self) -> Session:
        """The model, opened; the last one again if it is of the same file and settings."""
        opening = partial(open_model, threads=self.threads, gpu=self.gpu, runtime=self.runtime)
        return self.opened(f"session {self.runtime}", lambda: opening(self.path, self.manifest))

    def opened(self, what: str, make: Callable[[], Opened]) -> Opened:
        """Something made of the model's file, kept for the next shard of the same child."""
        file = self.path.stat() if self.path.exists() else None
        identity = None if file is None else (file.st_ino, file.st_size, file.st_mtime_ns)
        about = (self.path, identity, self.manifest.model_dump_json(), self.threads, self.gpu)
        if _kept.get("about") != about:
            _kept.clear()  # first away with the old one: both may not fit
            _kept["about"] = about
        if what not in _kept:
            _kept[what] = make()
        return cast(Opened, _kept[what])


# What the last job opened: a child that is kept for the next shard opens its model once.
_kept: dict[str, object] = {}


def predict_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child; see docs/adr/0004.

    Args:
        inputs: model {path, manifest}, cases [{case_id, images: [path]}], batch,
            threads, device ("cuda" is used where there is one, else the processor), runtime
            (that a trial chose; absent: the best known for the format); features,
            names of layers whose features the same forward is to leave.
        out_dir: where the table is written.
        reporter: told after every batch.

    Returns:
        table (file name), sha256, runtime, seconds {case id: seconds}, failed, reusable (False
        when a stored file was missing or changed: that says nothing about the model; and when
        this machine could not use the runtime that was asked for).
    """
    if inputs.get("features"):
        from ml.engine.features import features_job  # torch is loaded where it is asked for

        return features_job(inputs, out_dir, reporter)
    asked = Asked.of(inputs)
    session = asked.session()
    outputs = predict(
        session, asked.manifest.input, asked.cases, batch=asked.batch, reporter=reporter
    )
    nothing = [None] * session.n_classes
    table = outputs_table(
        asked.case_ids,
        [outputs.rows.get(case_id, nothing) for case_id in asked.case_ids],
        outputs.errors,
    )
    return finished(asked, outputs, table, out_dir / TABLE, session.runtime_json, session)


def finished(
    asked: Asked,
    outputs: Outputs[Any],
    table: pa.Table,
    path: Path,
    runtime: JsonObject,
    session: Session | None = None,
) -> JsonObject:
    """Write the table of a shard; what its job answers.

    Args:
        session: whose outputs these are, where a runtime was asked for.
    """
    # Evidence of another runtime than was asked for is kept, but under no key that others look up.
    as_asked = session is None or asked.gpu or asked.runtime in (None, session.runtime)
    seconds: dict[str, JsonValue] = {key: round(s, 6) for key, s in outputs.seconds.items()}
    return {
        "table": path.name,
        "sha256": write_table(table, path),
        "runtime": runtime
        | {"threads": asked.threads}
        | ({} if as_asked else {"asked": asked.runtime}),
        "seconds": seconds,
        "failed": len(outputs.errors),
        "reusable": as_asked and not _TRANSIENT & set(outputs.errors.values()),
    }


def predict(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    *,
    batch: int = 8,
    reporter: Reporter,
) -> Outputs[list[float]]:
    """Run the model over cases: the raw outputs of each. See :func:`in_batches`."""

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[list[float] | None]:
        found = session.run(arrays)
        return [row.tolist() if np.isfinite(row).all() else None for row in found]

    return in_batches(declared, cases, rows, batch=batch, reporter=reporter)


def in_batches(
    declared: Input,
    cases: Sequence[Case],
    compute: Callable[[Sequence[Case], Float32Array], Sequence[Row | None]],
    *,
    batch: int = 8,
    reporter: Reporter,
) -> Outputs[Row]:
    """Compute something of the cases in batches of fixed membership.

    A case that cannot be read, or whose output is not finite, gets an error code and costs no
    other case its place in a batch: its place is taken by zeros, so that scores depend on the
    order of the cases alone.

    Args:
        compute: what each case of a batch gives, from the prepared arrays (n, ...) of all;
            None where it is not finite.
    """
    outputs: Outputs[Row] = Outputs()
    for start in range(0, len(cases), batch):
        began = time.perf_counter()
        members = cases[start : start + batch]
        arrays = [_array(case, declared, outputs) for case in members]
        for case, row in zip(members, compute(members, np.stack(arrays)), strict=True):
            if case.case_id in outputs.errors:
                continue
            if row is not None:
                outputs.rows[case.case_id] = row
            else:
                outputs.errors[case.case_id] = "non_finite_output"
        took = time.perf_counter() - began
        outputs.seconds |= {case.case_id: took / len(members) for case in members}
        done = start + len(members)
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {took / len(members):.3f} s each")
    return outputs


def _array(case: Case, declared: Input, outputs: Outputs[Any]) -> Float32Array:
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
