"""`python -m ml audit`: the portal's audit on this machine: same jobs, shards, checks, document."""

import argparse
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa

from ml.assemble import (
    NOT_PREDICTED,
    UNKNOWN_CASE,
    cohort_block,
    evidence,
    masks_of_table,
    model_block,
    run_checks,
)
from ml.checks import all_checks
from ml.checks.registry import State, checks_of
from ml.cli import beside as beside_cohort
from ml.cli.beside import Beside
from ml.cli.errors import DONE, LIMIT_FAILED, Stop, checked
from ml.cli.images import measured_images
from ml.cli.intake import own_policy, say
from ml.cli.shards import Children, Shards, Wanted, settled, tell
from ml.corruptions.modality import Colour
from ml.document import build_audit
from ml.engine.drawn_cases import cases_of
from ml.engine.linked import link_of_intake, link_of_shard
from ml.engine.localise_form import finding_masks_of
from ml.engine.mask_passes import references_of
from ml.engine.passes import PASSES, SAMPLES, check_of, most_bytes_of
from ml.engine.plan import (
    COMPARE,
    PREDICT,
    PassPlan,
    colour_of,
    images_by_case,
    job_of_masks,
    job_of_shard,
    key_of_masks,
    key_of_shard,
    limits_of,
    masks_by_case,
    plan,
    takes_pictures,
    unfit,
    walked_with,
)
from ml.engine.runtime import engine_block
from ml.engine.sampling import samples_params, why_no_samples
from ml.estimate import JsonObject, JsonValue
from ml.evidence import store
from ml.evidence.checked import check_comparisons, most_comparisons
from ml.evidence.tables import MODEL
from ml.intake.left import catalogue_left, predictions_left
from ml.intake.manifest import parse_yaml
from ml.intake.program_file import kept_beside
from ml.intake.refusal import Problems, Refusal, Refused, refuse
from ml.protocol import Protocol, ProtocolError
from ml.sandbox.messages import Job
from ml.sandbox.parent import run as run_job
from ml.sandbox.results import left


def run(arguments: argparse.Namespace) -> int:
    """Read, predict, check, write ``audit.json`` and ``evidence/``."""
    _check_options(arguments)
    beside_cohort.check_paths(arguments)
    protocol = beside_cohort.asked(read_protocol(arguments.protocol), all_checks(), arguments)
    try:
        checks_of(protocol)
    except LookupError as error:
        raise refuse("protocol_invalid", str(error.args[0])) from None
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=arguments.out) as folder:
        work = Path(folder).resolve()
        read = _Inputs.read(arguments, work)
        uploaded = None
        if read.predictions is not None:
            meta, data = predictions_left(work / "predictions", read.predictions)
            uploaded = (meta, store.table(data))
        segments = read.catalogue["task"] == "segmentation"
        cohorts = beside_cohort.read(arguments, work, read.model)
        if read.model is not None:
            _check_fit(read.model, read.catalogue)
        predicted = masks_of_table(uploaded[1]) if uploaded else {}
        passes = {
            planned.name: planned
            for planned in plan(
                protocol,
                beside_cohort.wanting(all_checks(), arguments),
                has_model=read.model is not None,
                has_images=any(images_by_case(read.catalogue).values()),
                has_masks=any(masks_by_case(read.catalogue).values()),
                samples=None if read.model is None else samples_params(protocol, *read.described),
                walks=read.walks,
                pictures=read.pictures,
                modality=str(read.catalogue.get("modality") or ""),
                colour=read.colour,
                card=settled(read.model, arguments.out / "evidence") if read.model else None,
                catalogue=read.catalogue,
            )
        }
        with Children(work, arguments.workers) as children:
            compute = partial(_computed, read, passes, children, arguments)
            outputs, samples = compute(PREDICT), compute(SAMPLES)
            further = {name: made.table for name in PASSES if (made := compute(name)) is not None}
            if outputs is not None and segments:
                predicted = _kept(outputs.table, work / "model-masks")
            masks = masks_by_case(read.catalogue, predicted)
            compared = _compared(read, passes.get(COMPARE), masks, children, arguments)
            described = measured_images(
                passes, read.catalogue, read.stored, children, arguments.out / "evidence"
            )
            further_cohorts = beside_cohort.compute(
                cohorts,
                passes,
                None if read.model is None else read.described[0],
                partial(_of_cohort, read, children, arguments),
                lambda one: measured_images(
                    passes,
                    one.catalogue,
                    read.work / one.folder / "files",
                    children,
                    arguments.out / "evidence",
                ),
            )
    checks = checks_of(protocol, str(read.catalogue["task"]))
    found = evidence(
        read.catalogue,
        outputs=None if outputs is None or segments else outputs.table,
        manifest=None if read.model is None else cast(JsonObject, read.model["manifest"]),
        card=None if read.model is None else cast(JsonObject, read.model["card"]),
        uploaded=uploaded,
        compared=compared,
        samples=None if samples is None else samples.table,
        no_samples="" if read.model is None else why_no_samples(*read.described),
        tolerance_mm=protocol.tolerance_mm,
        passes=further,
        described=described,
        foreign=further_cohorts.foreign,
        reference=further_cohorts.reference,
    )
    if found.prediction is not None and found.prediction.failures:
        _say_failures(found.prediction.failures)
    say(f"running {len(checks)} checks")
    document = build_audit(
        model_block(read.model, read.predictions),
        cohort_block(read.catalogue, read.counts) | beside_cohort.block(cohorts),
        protocol,
        engine_block(None if outputs is None else outputs.runtime),
        run_checks(found, protocol, checks),
    )
    return _write(document, arguments.out)


def _of_cohort(
    read: "_Inputs",
    children: Children,
    arguments: argparse.Namespace,
    one: Beside,
    planned: PassPlan,
) -> pa.Table:
    """What a pass left of a further cohort; no other pass is run in the same walk."""
    own = replace(read, catalogue=one.catalogue, cohort=one.folder)
    made = _computed(own, {planned.name: planned}, children, arguments, planned.name)
    assert made is not None
    return made.table


def _check_fit(model: JsonObject, catalogue: JsonObject) -> None:
    """Refuse a model that answers something else than the cohort asks."""
    wrong = unfit(cast(JsonObject, model["manifest"]), catalogue)
    if wrong is not None:
        raise refuse("task_unsupported", wrong)


def _kept(table: pa.Table, folder: Path) -> dict[str, str]:
    """Case id -> SHA-256 of its mask, each of which is a file in the folder from now on."""
    folder.mkdir()
    found = {}
    for case_id, mask in store.masks_of(table).items():
        found[case_id] = hashlib.sha256(mask).hexdigest()
        (folder / found[case_id]).write_bytes(mask)
    return found


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
    cohort: str = "cohort"  # folder of its accepted files

    @property
    def stored(self) -> Path:
        """The folder of the cohort's accepted files."""
        return self.work / self.cohort / "files"

    @property
    def walks(self) -> bool:
        """The model can be looked into."""
        card = cast(JsonObject, self.model["card"]) if self.model is not None else {}
        return bool(card.get("gradients"))

    @property
    def pictures(self) -> bool:
        return self.model is None or takes_pictures(cast(JsonObject, self.model["manifest"]))

    @property
    def colour(self) -> Colour:
        return colour_of({} if self.model is None else cast(JsonObject, self.model["manifest"]))

    @classmethod
    def read(cls, arguments: argparse.Namespace, work: Path) -> "_Inputs":
        def intake(kind: str, path: Path) -> JsonObject:
            out = work / kind
            out.mkdir()
            say(f"reading {kind} {path}")
            inputs: JsonObject = {"path": str(path.resolve())}
            inputs["allow"] = list[JsonValue](arguments.allow)
            job = Job(f"intake-{kind}", inputs, out)
            limits = limits_of(job.kind)
            with link_of_intake(own_policy()) as link:
                answers = link if kind == "model" else None
                done = run_job(job, limits=limits, on_event=tell(kind), answers=answers)
            return checked(done, str(path)).result

        model = None if arguments.model is None else intake("model", arguments.model)
        predictions = (
            None if arguments.predictions is None else intake("predictions", arguments.predictions)
        )
        cohort = intake("cohort", arguments.cohort)
        catalogue = catalogue_left(work / "cohort", cohort)
        del cohort["catalogue"]
        return cls(model, predictions, catalogue, cohort, work)

    @property
    def described(self) -> tuple[JsonObject, JsonObject]:
        """Manifest and card of the model, which is there."""
        assert self.model is not None
        return cast(JsonObject, self.model["manifest"]), cast(JsonObject, self.model["card"])


@dataclass(frozen=True)
class _Outputs:
    table: pa.Table
    runtime: JsonObject


def _computed(
    read: _Inputs,
    passes: Mapping[str, PassPlan],
    children: Children,
    arguments: argparse.Namespace,
    name: str,
) -> _Outputs | None:
    """What a pass of the model left, or None when it is not planned."""
    planned = passes.get(name)
    if planned is None or read.model is None:
        return None
    model = read.model
    manifest = cast(JsonObject, model["manifest"])
    images = images_by_case(read.catalogue)
    references = references_of(name, planned.params, read.catalogue)
    masks = finding_masks_of(name, read.catalogue)
    path, *members = (
        left(read.work / "model", one["path"]) for one in cast(list[JsonObject], model["files"])
    )
    if store.file_sha256(path) != model["sha256"]:  # evidence is found under what was said
        raise Stop("The reader of the model left another file than it says.")
    stored = read.stored

    def key(of: PassPlan, shard: Sequence[str]) -> str:
        return key_of_shard(
            of,
            model_sha256=str(model["sha256"]),
            manifest_sha256=str(model["manifest_sha256"]),
            shard=shard,
            images=images,
            references=references if of.name == name else None,
            masks=masks if of.name == name else None,
        )

    def job(shard: Sequence[str], out: Path, *, beside: PassPlan | None = None) -> Job:
        return job_of_shard(
            planned,
            model_path=path,
            manifest=manifest,
            shard=shard,
            images={case_id: [stored / name for name in images[case_id]] for case_id in shard},
            out_dir=out,
            device=arguments.device,
            allow=arguments.allow,
            beside=beside,
            references={one: stored / references[one] for one in shard if one in references},
            masks={
                one: {who: stored / sha for who, sha in masks[one].items()}
                for one in shard
                if one in masks
            },
        )

    width = len(cast(list[str], cast(JsonObject, manifest["output"])["classes"]))

    def wanted(of: PassPlan) -> Wanted:
        return Wanted(
            partial(key, of),
            check_of(of.name, of.params, width),
            partial(most_bytes_of, of.name, of.params, width),
        )

    other = walked_with(planned, passes.values())
    runner = Shards(
        planned,
        wanted(planned),
        job,
        children,
        arguments.out / "evidence",
        arguments.device,
        reads=[path, *members, *filter(Path.exists, kept_beside(path).values()), stored],
        beside=None if other is None else (wanted(other), partial(job, beside=other)),
        link=lambda shard: link_of_shard(
            manifest, planned.name, planned.params, len(shard), own_policy()
        ),
    )
    table = runner.run(cases_of(planned.params, list(images), read.catalogue))
    return _Outputs(table, runner.runtime)


def _compared(
    read: _Inputs,
    planned: PassPlan | None,
    masks: Mapping[str, Mapping[str, str]],
    children: Children,
    arguments: argparse.Namespace,
) -> pa.Table | None:
    """The comparisons of masks, or None when none are planned."""
    if planned is None:
        return None
    structures = len(cast(list[str], read.catalogue["classes"]))
    own = read.work / ("predictions/files" if read.model is None else "model-masks")

    def stored(whose: str, name: str) -> Path:
        return (own if whose == MODEL else read.work / "cohort" / "files") / name

    def job(shard: Sequence[str], out: Path) -> Job:
        paths = {
            case_id: {whose: stored(whose, name) for whose, name in masks[case_id].items()}
            for case_id in shard
        }
        return job_of_masks(planned, structures=structures, shard=shard, masks=paths, out_dir=out)

    runner = Shards(
        planned,
        Wanted(
            lambda shard: key_of_masks(planned, structures=structures, shard=shard, masks=masks),
            lambda data, shard: check_comparisons(
                data, shard, most_comparisons(structures, [len(masks[case]) for case in shard])
            ),
        ),
        job,
        children,
        arguments.out / "evidence",
        "cpu",
        reads=[own, read.work / "cohort" / "files"],
    )
    return runner.run(list(masks))
