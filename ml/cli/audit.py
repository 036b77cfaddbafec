"""`python -m ml audit`: the portal's audit on this machine: same jobs, shards, checks, document."""

import argparse
import hashlib
import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from ml.assemble import NOT_PREDICTED, UNKNOWN_CASE, cohort_block, evidence, model_block, run_checks
from ml.checks.registry import State, checks_of
from ml.cli.errors import DONE, LIMIT_FAILED, Stop, checked
from ml.cli.intake import say
from ml.document import build_audit
from ml.engine.plan import (
    PassPlan,
    images_by_case,
    job_of_shard,
    key_of_shard,
    limits_of,
    plan,
    shards,
)
from ml.engine.runtime import engine_block
from ml.estimate import JsonObject
from ml.evidence import store
from ml.intake.manifest import parse_yaml
from ml.intake.refusal import Problems, Refusal, Refused, refuse
from ml.protocol import Protocol, ProtocolError
from ml.sandbox.messages import Event, Job
from ml.sandbox.parent import run as run_job


def run(arguments: argparse.Namespace) -> int:
    """Read, predict, check, write ``audit.json`` and ``evidence/``."""
    if arguments.ood or arguments.reference:
        raise refuse(
            "option_unsupported", "--ood and --reference are not in this version: leave them out."
        )
    _check_options(arguments)
    protocol = read_protocol(arguments.protocol)
    try:
        checks = checks_of(protocol)
    except LookupError as error:
        raise refuse("protocol_invalid", str(error.args[0])) from None
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=arguments.out) as folder:
        work = Path(folder).resolve()
        read = _Inputs.read(arguments, work)
        outputs = _predicted(read, protocol, arguments)
        uploaded = None
        if read.predictions is not None:
            data = (work / "predictions" / str(read.predictions["table"])).read_bytes()
            uploaded = (cast(JsonObject, read.predictions["meta"]), store.table(data))
    found = evidence(
        read.catalogue,
        outputs=None if outputs is None else outputs.table,
        manifest=None if read.model is None else cast(JsonObject, read.model["manifest"]),
        uploaded=uploaded,
    )
    if found.prediction is not None and found.prediction.failures:
        _say_failures(found.prediction.failures)
    say(f"running {len(checks)} checks")
    document = build_audit(
        model_block(read.model, read.predictions),
        cohort_block(read.catalogue, read.counts),
        protocol,
        engine_block(None if outputs is None else outputs.runtime),
        run_checks(found, protocol, checks),
    )
    return _write(document, arguments.out)


def _check_options(arguments: argparse.Namespace) -> None:
    """Refuse what cannot go well, before anything is read or written."""
    problems = Problems()
    for name in ("model", "predictions", "cohort", "protocol"):
        path: Path | None = getattr(arguments, name)
        if path is not None and not path.exists():
            problems.add("not_found", f"--{name} {path}: there is no such file or folder.")
    if arguments.workers < 1:
        problems.add("option_invalid", f"--workers {arguments.workers}: at least 1 is needed.")
    out: Path = arguments.out
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        problems.add("option_invalid", f"--out {out}: {there} is a file, not a folder.")
    elif not os.access(there, os.W_OK | os.X_OK):
        problems.add("option_invalid", f"--out {out}: nothing may be written into {there}.")
    problems.raise_if_any()


def _say_failures(failures: Mapping[str, str]) -> None:
    codes = Counter(failures.values())
    unknown, missing = codes.pop(UNKNOWN_CASE, 0), codes.pop(NOT_PREDICTED, 0)
    for count, what in (
        (missing, "cases of the cohort are not predicted"),
        (unknown, "predictions are of cases that the cohort does not have"),
        (codes.total(), "cases have a prediction that cannot be used"),
    ):
        if count:
            say(f"{count} {what}")


def read_protocol(path: Path | None) -> Protocol:
    """The protocol in a file, or the platform's default.

    Raises:
        Refused: protocol_invalid, once for every problem.
    """
    if path is None:
        return Protocol.default()
    try:
        return Protocol.parse(parse_yaml(path.read_bytes(), path.name))
    except OSError:
        raise refuse("not_found", "There is no such file.", file=path.name) from None
    except ProtocolError as error:
        raise Refused(
            [Refusal("protocol_invalid", problem, path.name) for problem in error.problems]
        ) from None


def _write(document: JsonObject, out: Path) -> int:
    partial = out / ".audit.json.partial"
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(out / "audit.json")
    say(f"{document['verdict']}: {out / 'audit.json'}")
    return LIMIT_FAILED if document["verdict"] == State.FAIL else DONE


@dataclass(frozen=True)
class _Inputs:
    """What intake accepted, and where the accepted files are for as long as they are needed."""

    model: JsonObject | None
    predictions: JsonObject | None
    catalogue: JsonObject
    counts: JsonObject
    work: Path

    @classmethod
    def read(cls, arguments: argparse.Namespace, work: Path) -> "_Inputs":
        def intake(kind: str, path: Path) -> JsonObject:
            out = work / kind
            out.mkdir()
            say(f"reading {kind} {path}")
            job = Job(f"intake-{kind}", {"path": str(path.resolve())}, out)
            limits = limits_of(job.kind)
            return checked(run_job(job, limits=limits, on_event=_tell(kind)), str(path)).result

        model = None if arguments.model is None else intake("model", arguments.model)
        predictions = (
            None if arguments.predictions is None else intake("predictions", arguments.predictions)
        )
        cohort = intake("cohort", arguments.cohort)
        catalogue = json.loads((work / "cohort" / str(cohort.pop("catalogue"))).read_bytes())
        return cls(model, predictions, catalogue, cohort, work)


@dataclass(frozen=True)
class _Outputs:
    table: pa.Table
    runtime: JsonObject


def _predicted(read: _Inputs, protocol: Protocol, arguments: argparse.Namespace) -> _Outputs | None:
    """The outputs of the model's pass, or None when none is planned."""
    images = images_by_case(read.catalogue)
    passes = plan(protocol, has_model=read.model is not None, has_images=any(images.values()))
    if not passes or read.model is None:
        return None
    folder = arguments.out / "evidence"
    folder.mkdir(exist_ok=True)
    runner = _Shards(read, passes[0], images, folder, arguments.device)
    pieces = shards(list(images))
    with ThreadPoolExecutor(max(1, arguments.workers)) as pool:
        made = list(pool.map(runner.outputs, range(len(pieces)), pieces))
    table = store.joined(made)
    assert table is not None  # there is at least one case
    return _Outputs(table, runner.runtime)


class _Shards:
    """Computes shards, or finds them in the evidence folder under their key."""

    def __init__(
        self,
        read: _Inputs,
        planned: PassPlan,
        images: Mapping[str, Sequence[str]],
        evidence_folder: Path,
        device: str,
    ) -> None:
        assert read.model is not None
        self.model, self.work, self.planned, self.images = read.model, read.work, planned, images
        self.folder, self.device = evidence_folder, device
        self.runtime: JsonObject = {"device": device, "providers": []}
        self.failed = threading.Event()

    def outputs(self, number: int, shard: Sequence[str]) -> bytes:
        """The bytes of one shard's table."""
        key = key_of_shard(
            self.planned,
            model_sha256=str(self.model["sha256"]),
            manifest_sha256=str(self.model["manifest_sha256"]),
            shard=shard,
            images=self.images,
        )
        known = _Known(self.folder, key)
        found = known.read(shard)
        if found is not None:
            say(f"shard {number + 1}: reused")
            data, self.runtime = found
            return data
        if self.failed.is_set():
            raise Stop("another shard failed")
        try:
            return self._compute(number, shard, known)
        except BaseException:
            self.failed.set()
            raise

    def _compute(self, number: int, shard: Sequence[str], known: "_Known") -> bytes:
        out = self.work / f"shard-{number}"
        out.mkdir()
        model = cast(list[JsonObject], self.model["files"])[0]
        job = job_of_shard(
            self.planned,
            model_path=self.work / "model" / str(model["path"]),
            manifest=cast(JsonObject, self.model["manifest"]),
            shard=shard,
            images={
                case_id: [self.work / "cohort" / "files" / name for name in self.images[case_id]]
                for case_id in shard
            },
            out_dir=out,
            device=self.device,
        )
        what = f"shard {number + 1}"
        done = run_job(
            job,
            limits=limits_of(job.kind, device=self.device),
            on_event=_tell(what),
            should_stop=self.failed.is_set,
        )
        result = checked(done, what).result
        self.runtime = cast(JsonObject, result["runtime"])
        data = (out / str(result["table"])).read_bytes()
        if result["reusable"]:
            known.write(data, result)
        return data


@dataclass(frozen=True)
class _Known:
    """One shard's evidence under its key, with a note beside it of what it was made by."""

    folder: Path
    key: str

    def read(self, shard: Sequence[str]) -> tuple[bytes, JsonObject] | None:
        """The table and the runtime that made it, if it is there, whole and of these cases."""
        try:
            data = (self.folder / f"{self.key}.parquet").read_bytes()
            note = json.loads((self.folder / f"{self.key}.json").read_bytes())
            if hashlib.sha256(data).hexdigest() != note["sha256"]:
                return None
            same = store.table(data)["case_id"].to_pylist() == list(shard)
            return (data, note["runtime"]) if same else None
        except (OSError, ValueError, KeyError, TypeError, store.EvidenceError):
            return None

    def write(self, data: bytes, result: JsonObject) -> None:
        note = {"sha256": result["sha256"], "runtime": result["runtime"]}
        self._write("parquet", data)
        self._write("json", store.canonical(note))

    def _write(self, kind: str, data: bytes) -> None:
        partial = self.folder / f".{self.key}.{kind}.partial"
        partial.write_bytes(data)
        partial.replace(self.folder / f"{self.key}.{kind}")


def _tell(what: str) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        if event.kind == "log":
            say(f"{what}: {event.fields['line']}")

    return tell
