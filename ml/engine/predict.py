"""The predict pass: every case of a shard through the model once, raw outputs kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pyarrow as pa

from ml.engine.ahead import ahead
from ml.engine.cases import Case, prepare_case
from ml.engine.device import CPU, FLOAT32, Device, looks_ahead, resolve
from ml.engine.ensemble import open_model
from ml.engine.segment import segment
from ml.engine.session import CasesFailed, Session, check_may_open
from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import masks_table, outputs_table, write_table
from ml.imaging.declared import Input
from ml.imaging.picture import ImageError
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Reporter

TABLE = "predict.parquet"
NON_FINITE = "non_finite_output"
Row = TypeVar("Row")
Opened = TypeVar("Opened")
Prepare = Callable[[Case, Input, Float32Array], object]
MOST_SHARED = 256 * 1024**2  # bytes of a file of weights whose passes may all stay open
_TRANSIENT = {"image_missing", "image_changed"}  # they say nothing about the model


@dataclass(frozen=True)
class CaseError:
    """Why there is nothing of one case."""

    code: str


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
    device: Device  # that was asked for where there is one, else the processor
    allow: tuple[str, ...] = ()  # formats that bring code and are taken all the same
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
            device=resolve(str(inputs.get("device", CPU.name))),
            allow=tuple(cast(list[str], inputs.get("allow", []))),
            runtime=cast(str | None, inputs.get("runtime")),
        )

    @property
    def case_ids(self) -> list[str]:
        return [case.case_id for case in self.cases]

    def session(self, reporter: Reporter, out_dir: Path) -> Session:
        """The model, opened, whatever it is."""
        if self.manifest.format == "endpoint":  # is asked anew what it is, every time
            from ml.engine.endpoint import open_endpoint

            return open_endpoint(self.path, self.manifest, ask=reporter.ask, out_dir=out_dir)
        if self.manifest.format != "torchscript":
            return self.of_file()
        check_may_open(self.allow, reporter.walls)
        from ml.engine.script_session import open_script  # torch, where it is asked for

        opening = partial(open_script, allow=self.allow, walls=reporter.walls)
        machine = partial(opening, threads=self.threads, device=self.device)
        return self.opened("session", lambda: machine(self.path, self.manifest))

    def of_file(self) -> Session:
        """The model, from a file that is data; the last one again if it is of the same file."""
        opening = partial(
            open_model, threads=self.threads, device=self.device, runtime=self.runtime
        )
        return self.opened(f"session {self.runtime}", lambda: opening(self.path, self.manifest))

    def opened(self, what: str, make: Callable[[], Opened]) -> Opened:
        """Something made of the model's file, kept for the next job of the same child.

        Passes of one audit share a child. Of a large file one job's things are kept at a time, as
        they were when each pass had a process of its own: all of them together may not fit.
        """
        file = self.path.stat() if self.path.exists() else None
        identity = None if file is None else (file.st_ino, file.st_size, file.st_mtime_ns)
        about = (self.path, identity, self.manifest.model_dump_json(), self.threads, self.device)
        if _kept.get("about") != about:
            _kept.clear()  # first away with the old one: both may not fit
            _kept["about"] = about
        if what not in _kept:
            if file is not None and file.st_size > MOST_SHARED:
                for name in [one for one, by in _asked_by.items() if by is not self]:
                    _kept.pop(name, None)
            _kept[what] = make()
        _asked_by[what] = self
        return cast(Opened, _kept[what])


# What jobs opened: a child that is kept for the next shard opens its model once.
_kept: dict[str, object] = {}
_asked_by: dict[str, Asked] = {}  # the last job that asked for each of them


def predict_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child; see docs/adr/0004.

    Args:
        inputs: model {path, manifest}, cases [{case_id, images: [path]}], batch,
            threads, device (as ``ml.engine.device.resolve`` takes it), runtime
            (that a trial chose; absent: the best known for the format); features,
            names of layers whose features the same forward is to leave; beside, the samples pass
            of an ensemble, see ``ml.engine.members``.
        out_dir: where the table is written.
        reporter: told after every batch.

    Returns:
        table (file name), sha256, runtime, seconds {case id: seconds}, failed, reusable (False
        when a stored file was missing or changed: that says nothing about the model; and when
        this machine could not use the runtime that was asked for).
    """
    if inputs.get("beside"):
        from ml.engine.members import members_job  # which looks into this module

        return members_job("predict", inputs, out_dir, reporter)
    if inputs.get("features"):
        from ml.engine.features import features_job  # torch is loaded where it is asked for

        return features_job(inputs, out_dir, reporter)
    asked = Asked.of(inputs)
    session = asked.session(reporter, out_dir)
    if asked.manifest.task == "segmentation":
        marked: Outputs[bytes] = Outputs()
        for case_id, mask, error, took in segment(
            session, asked.manifest, asked.cases, reporter, asked.device
        ):
            marked.seconds[case_id] = took
            if mask is None:
                marked.errors[case_id] = error
            else:
                marked.rows[case_id] = mask
        table = masks_table(asked.case_ids, marked.rows, marked.errors)
        return finished(asked, marked, table, out_dir / TABLE, session.runtime_json, session)
    outputs = predict(
        session, asked.manifest.input, asked.cases,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    return answered(asked, outputs, session, out_dir)


def answered(
    asked: Asked, outputs: Outputs[list[float]], session: Session, out_dir: Path
) -> JsonObject:
    """Write the table of one row of outputs for each case; what the predict job answers."""
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
    *,
    reusable: bool = True,
) -> JsonObject:
    """Write the table of a shard; what its job answers.

    Args:
        session: whose outputs these are, where a runtime was asked for.
    """
    # Evidence of another runtime than was asked for, or of fewer digits than float32 has, is kept,
    # but under no key that others look up.
    reusable = reusable and (session is None or session.reusable)
    reusable = reusable and runtime.get("precision", FLOAT32) == FLOAT32
    on_gpu = not asked.device.is_cpu  # where the trial, which was one of processors, says nothing
    as_asked = session is None or on_gpu or asked.runtime in (None, session.runtime)
    seconds: dict[str, JsonValue] = {key: round(s, 6) for key, s in outputs.seconds.items()}
    return {
        "table": path.name,
        "sha256": write_table(table, path),
        "runtime": runtime
        | {"threads": asked.threads}
        | ({} if as_asked else {"asked": asked.runtime}),
        "seconds": seconds,
        "failed": len(outputs.errors),
        "reusable": reusable and as_asked and not _TRANSIENT & set(outputs.errors.values()),
    }


def predict(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    *,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
) -> Outputs[list[float]]:
    """Run the model over cases: the raw outputs of each. See :func:`in_batches`."""

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[list[float] | CaseError | None]:
        codes: Mapping[int, str] = {}
        try:
            found = session.run(arrays)
        except CasesFailed as failed:
            found, codes = failed.outputs, failed.codes
        finite = [row.tolist() if np.isfinite(row).all() else None for row in found]
        return [CaseError(codes[at]) if at in codes else row for at, row in enumerate(finite)]

    return in_batches(declared, cases, rows, batch=batch, device=device, reporter=reporter)


def in_batches(
    declared: Input,
    cases: Sequence[Case],
    compute: Callable[[Sequence[Case], Float32Array], Sequence[Row | CaseError | None]],
    *,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
    prepare: Prepare = prepare_case,
) -> Outputs[Row]:
    """Compute something of the cases in batches of fixed membership.

    A case that cannot be read, or whose output is not finite, gets an error code and costs no
    other case its place in a batch: its place is taken by zeros, so that scores depend on the
    order of the cases alone.

    Args:
        compute: what each case of a batch gives, from the prepared arrays (n, ...) of all;
            None where it is not finite, a code where there is nothing.
        device: that it is computed on: while a GPU computes, the next batch is prepared.
        prepare: reads a case and writes what the model takes of it into the array it is given.
    """
    outputs: Outputs[Row] = Outputs()
    batches = [cases[start : start + batch] for start in range(0, len(cases), batch)]
    began, done = time.perf_counter(), 0
    ready = ahead(
        batches, lambda one: _arrays(one, declared, device, prepare), on=looks_ahead(device)
    )
    for members, (arrays, errors) in ready:
        outputs.errors |= errors
        for case, row in zip(members, compute(members, arrays), strict=True):
            if case.case_id in outputs.errors:
                continue
            if isinstance(row, CaseError):
                outputs.errors[case.case_id] = row.code
            elif row is not None:
                outputs.rows[case.case_id] = row
            else:
                outputs.errors[case.case_id] = NON_FINITE
        now = time.perf_counter()
        began, took = now, now - began
        outputs.seconds |= {case.case_id: took / len(members) for case in members}
        done += len(members)
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {took / len(members):.3f} s each")
    return outputs


def _arrays(
    cases: Sequence[Case], declared: Input, device: Device, prepare: Prepare
) -> tuple[Float32Array, dict[str, str]]:
    """The prepared images (n, ...) of cases, and error codes of those that stay zeros."""
    arrays, errors = np.empty((len(cases), *declared.shape), dtype=np.float32), {}
    for case, array in zip(cases, arrays, strict=True):
        try:
            prepare(case, declared, array)
        except ImageError as error:
            errors[case.case_id] = error.code
            array[...] = 0
    return device.pinned(arrays), errors
