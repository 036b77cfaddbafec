"""What the passes leave of planted networks and cohorts, put together once for all tests."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import yaml

from ml.assemble import evidence
from ml.engine.drawn_cases import cases_of
from ml.engine.gradients import gradients_job
from ml.engine.move import move_job
from ml.engine.normalise import normalise_job
from ml.engine.passes import GRADIENTS, MOVE, NORMALISE
from ml.engine.plan import PREDICT, images_by_case, plan
from ml.engine.predict import predict_job
from ml.evidence.store import table
from ml.evidence.tables import Evidence
from ml.intake.cohort import read_cohort
from ml.intake.left import catalogue_left
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from ml.sandbox.messages import JobFunction
from ml.zoo import sites, weave
from tests.ml.intake.build import QUIET


@cache
def looked_at(kind: str, *, drifted: bool, branch: str = "") -> Evidence:
    """Predict, normalise and gradients over 120 cases of two sites."""
    work = Path(mkdtemp(prefix="plumbline-sites-"))
    sites.cohort_folder(work / "cohort", n=120, drifted=drifted)
    sites.model_folder(work / "model", kind=kind, branch=branch)
    jobs = {PREDICT: predict_job, NORMALISE: normalise_job, GRADIENTS: gradients_job}
    return _walked(work, jobs, Protocol(checks=("normalisation", "gradient-flow")))


@cache
def moved(*, skips: bool) -> Evidence:
    """Predict and move over 80 cases, of which half are woven; with the maps."""
    work = Path(mkdtemp(prefix="plumbline-weave-"))
    weave.cohort_folder(work / "cohort", n=80)
    weave.model_folder(work / "model", skips=skips)
    jobs = {PREDICT: predict_job, MOVE: move_job}
    return _walked(work, jobs, Protocol(checks=("shift-consistency",)))


def _walked(work: Path, jobs: Mapping[str, JobFunction], protocol: Protocol) -> Evidence:
    """What the planned passes leave of the model and cohort in a folder, each run in one shard."""
    given = yaml.safe_load((work / "model" / "model.yaml").read_text())
    manifest = ModelManifest.model_validate(given).model_dump(mode="json")
    (work / "left").mkdir()
    catalogue = catalogue_left(work / "left", read_cohort(work / "cohort", work / "left", QUIET))
    images, files = images_by_case(catalogue), work / "left" / "files"
    planned = plan(protocol, has_model=True, catalogue=catalogue)
    assert [one.name for one in planned] == list(jobs)
    tables = {}
    for one in planned:
        inputs = {
            "model": {"path": str(work / "model" / "model.onnx"), "manifest": manifest},
            "cases": [
                {"case_id": case_id, "images": [str(files / image) for image in images[case_id]]}
                for case_id in cases_of(one.params, list(images))
            ],
        }
        result = jobs[one.name]({**inputs, **one.params}, work, QUIET)
        tables[one.name] = table((work / result["table"]).read_bytes())
    outputs = tables.pop(PREDICT)
    return evidence(catalogue, outputs=outputs, manifest=manifest, card={}, passes=tables)
