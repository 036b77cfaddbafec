"""Cohorts beside the audited one, `--ood` and `--reference`: read, and run through its model."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from ml import beside
from ml.assemble import evidence
from ml.beside import CHECK, FOREIGN, KINDS, LEAK_CHECK, REFERENCE, TRAINING_CHECK, Named
from ml.checks.registry import Check
from ml.cli.errors import checked
from ml.cli.intake import say
from ml.cli.shards import tell
from ml.engine.passes import SAMPLES
from ml.engine.plan import PREDICT, PassPlan, images_by_case, limits_of, unfit
from ml.engine.requested_form import GRADIENT_SCORES
from ml.estimate import JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.intake.left import catalogue_left
from ml.intake.refusal import Problems, refuse
from ml.protocol import Protocol
from ml.sandbox.messages import Job
from ml.sandbox.parent import run as run_job


@dataclass(frozen=True)
class Given:
    """A folder of foreign images as named at the command line."""

    path: Path
    kind: str = ""


def given(text: str) -> Given:
    """``FOLDER``, or ``near=FOLDER``, ``far=FOLDER``, ``shifted=FOLDER``.

    >>> given("far=chest-ct"), given("a=b")
    (Given(path=PosixPath('chest-ct'), kind='far'), Given(path=PosixPath('a=b'), kind=''))
    """
    kind, sign, path = text.partition("=")
    return Given(Path(path), kind) if sign and kind in KINDS else Given(Path(text))


@dataclass(frozen=True)
class Beside:
    """One further cohort, as intake accepted it."""

    name: str
    catalogue: JsonObject
    counts: JsonObject
    folder: str  # of the work folder, with the accepted files
    foreign: bool  # else it is the reference
    kind: str = ""  # near, far, shifted; "" where nobody said


Compute = Callable[[Beside, PassPlan], pa.Table]


def check_paths(arguments: argparse.Namespace) -> None:
    """Refuse further cohorts that are not there, or that nothing could be done with."""
    problems = Problems()
    named = [("--ood", one.path) for one in arguments.ood]
    named += [("--reference", arguments.reference)] if arguments.reference else []
    for option, path in named:
        if not path.exists():
            problems.add("not_found", f"{option} {path}: there is no such file or folder.")
    if arguments.ood and arguments.model is None:
        problems.add("option_invalid", "--ood takes --model: foreign cohorts are run through it.")
    problems.raise_if_any()


def asked(protocol: Protocol, checks: Iterable[Check], arguments: argparse.Namespace) -> Protocol:
    """The protocol that applies when cohorts are handed in beside the audited one.

    The platform's default then asks one check more, with its limits; a team's own protocol is
    what it says.

    Raises:
        Refused: option_unsupported or option_invalid, where the protocol asks nothing that looks
            at them.
    """
    alone = arguments.reference and not arguments.model
    if alone and not beside.takes_no_model(protocol, checks):
        raise refuse(
            "option_invalid",
            "--reference takes --model, or a protocol that asks for a check of images alone "
            f"({LEAK_CHECK}).",
        )
    if not arguments.ood:
        if arguments.reference and not beside.looked_at(protocol, checks, REFERENCE):
            raise refuse(
                "option_invalid",
                "--reference takes --ood, or a protocol that asks for a check of training cases "
                f"({TRAINING_CHECK}) or of copies ({LEAK_CHECK}).",
            )
        return protocol
    found = beside.with_foreign(protocol)
    if not beside.looked_at(found, checks):
        raise refuse(
            "option_unsupported",
            f"No check of the protocol looks at foreign cohorts: name {CHECK}, or leave --ood out.",
        )
    return found


def wanting(checks: Iterable[Check], arguments: argparse.Namespace) -> tuple[Check, ...]:
    """The checks, for the plan of what was handed in."""
    return beside.wanting(checks, foreign=bool(arguments.ood), reference=bool(arguments.reference))


def read(arguments: argparse.Namespace, work: Path, model: JsonObject | None) -> list[Beside]:
    """Every further cohort, read in a child of its own.

    Raises:
        Refused: what intake says, or where the model cannot be run on it.
    """
    paths = [(one.path, True, one.kind) for one in arguments.ood]
    paths += [(arguments.reference, False, "")] if arguments.reference else []
    found: list[Beside] = []
    for at, (path, foreign, kind) in enumerate(paths):
        folder = f"beside-{at}"
        catalogue, counts = _catalogue(path, work / folder, arguments.allow)
        wrong = unfit(cast(JsonObject, (model or {}).get("manifest", {})), catalogue)
        if wrong is None and not all(images_by_case(catalogue).values()):
            wrong = "A case has no image, and every case of a further cohort is run."
        if catalogue["task"] == "segmentation":
            wrong = "Foreign inputs are told by scores: cohorts of masks are not compared."
        if wrong is not None:
            raise refuse("task_unsupported", wrong, file=path.name)
        name = beside.name_of(str(catalogue["title"]), [one.name for one in found])
        found.append(Beside(name, catalogue, counts, folder, foreign, kind))
    return found


def _catalogue(path: Path, out: Path, allow: Sequence[str]) -> tuple[JsonObject, JsonObject]:
    out.mkdir()
    say(f"reading cohort {path}")
    inputs: JsonObject = {"path": str(path.resolve()), "allow": list[JsonValue](allow)}
    job = Job("intake-cohort", inputs, out)
    done = run_job(job, limits=limits_of(job.kind), on_event=tell(path.name))
    counts = checked(done, str(path)).result
    catalogue = catalogue_left(out, counts)
    del counts["catalogue"]
    return catalogue, counts


def block(cohorts: Sequence[Beside]) -> JsonObject:
    """What ``audit.json`` says of further cohorts under ``cohort``; {} where there are none."""
    return beside.block([
        Named(
            one.name,
            FOREIGN if one.foreign else REFERENCE,
            str(one.catalogue["sha256"]),
            str(one.catalogue["modality"]),
            one.counts,
            one.kind,
        )
        for one in cohorts
    ])  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Evidence of the further cohorts."""

    foreign: Mapping[str, Evidence]
    reference: Evidence | None


def compute(
    cohorts: Sequence[Beside],
    passes: Mapping[str, PassPlan],
    manifest: JsonObject | None,
    run: Compute,
    measured: Callable[[Beside], pa.Table | None] = lambda one: None,
) -> Found:
    """Run the passes that give outputs over every further cohort, and measure the reference's
    images where the plan says so."""
    foreign: dict[str, Evidence] = {}
    reference = None
    for one in cohorts:
        say(f"cohort {one.name}: {len(cast(list[JsonValue], one.catalogue['cases'])):,} cases")
        # A reference is what scores are fitted on; one of gradients takes no fitting.
        names = (PREDICT, SAMPLES, *([GRADIENT_SCORES] if one.foreign else []))
        tables = {name: run(one, passes[name]) for name in names if name in passes}
        made = evidence(
            one.catalogue,
            outputs=tables.get(PREDICT),
            manifest=manifest,
            samples=tables.get(SAMPLES),
            passes={name: tables[name] for name in (GRADIENT_SCORES,) if name in tables},
            described=None if one.foreign else measured(one),
        )
        if one.foreign:
            foreign[one.name] = made
        else:
            reference = made
    return Found(foreign, reference)
