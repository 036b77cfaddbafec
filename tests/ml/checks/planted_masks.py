"""What the passes leave of planted networks that segment, put together once for all tests."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import yaml

from ml.assemble import evidence
from ml.engine.compare import compare_job
from ml.engine.corrupt import corrupt_job
from ml.engine.drawn_cases import cases_of
from ml.engine.mask_passes import references_of
from ml.engine.move import move_job
from ml.engine.passes import CORRUPT, MOVE
from ml.engine.plan import (
    COMPARE,
    PREDICT,
    images_by_case,
    job_of_masks,
    job_of_shard,
    masks_by_case,
    plan,
)
from ml.engine.predict import predict_job
from ml.evidence.store import masks_of, table
from ml.evidence.tables import Evidence
from ml.intake.cohort import read_cohort
from ml.intake.left import catalogue_left
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from ml.zoo import marks
from tests.ml.intake.build import QUIET

CHECKS = ("segmentation", "stress", "shift-consistency")
CORRUPTIONS = ("gaussian-noise", "gaussian-blur")


@cache
def marked(flaw: marks.Flaw = "", n: int = 40) -> Evidence:
    """Predict, corrupt, move and compare over ``n`` cases; of 30 of them copies are made."""
    work = Path(mkdtemp(prefix="plumbline-marks-"))
    marks.cohort_folder(work / "cohort", n=n)
    marks.model_folder(work / "model", flaw=flaw)
    protocol = Protocol(
        checks=CHECKS, corruptions=CORRUPTIONS, stress_cases=30, shift_cases=30
    )  # fmt: skip
    given = yaml.safe_load((work / "model" / "model.yaml").read_text())
    manifest = ModelManifest.model_validate(given).model_dump(mode="json")
    (work / "left").mkdir()
    catalogue = catalogue_left(work / "left", read_cohort(work / "cohort", work / "left", QUIET))
    images, files = images_by_case(catalogue), work / "left" / "files"
    planned = plan(protocol, has_model=True, has_masks=True, catalogue=catalogue)
    assert [one.name for one in planned] == [PREDICT, CORRUPT, MOVE, COMPARE]
    tables = {}
    jobs = {PREDICT: predict_job, CORRUPT: corrupt_job, MOVE: move_job}
    for one in planned[:-1]:
        shard = cases_of(one.params, list(images))
        references = references_of(one.name, one.params, catalogue)
        job = job_of_shard(
            one, model_path=work / "model" / "model.onnx", manifest=manifest, shard=shard,
            images={case: [files / sha for sha in images[case]] for case in shard}, out_dir=work,
            references={case: files / sha for case, sha in references.items()},
        )  # fmt: skip
        left = jobs[one.name](job.inputs, work, QUIET)
        tables[one.name] = table((work / str(left["table"])).read_bytes())
    masks = {case: dict(whose) for case, whose in masks_by_case(catalogue).items()}
    paths = {
        case: {who: files / sha for who, sha in whose.items()} for case, whose in masks.items()
    }
    for case, mask in masks_of(tables.pop(PREDICT)).items():
        paths[case]["model"] = work / f"mask-{case}"
        paths[case]["model"].write_bytes(mask)
    job = job_of_masks(planned[-1], structures=1, shard=list(paths), masks=paths, out_dir=work)
    left = compare_job(job.inputs, work, QUIET)
    compared = table((work / str(left["table"])).read_bytes())
    return evidence(catalogue, manifest=manifest, card={}, compared=compared, passes=tables)
