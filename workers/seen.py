"""Prepares cases as a model declares, every step or corrupted; images are opened in a child."""

from collections.abc import Iterable
from pathlib import Path

from celery.utils.log import get_task_logger
from django.conf import settings
from django.db import close_old_connections

from ml.engine.mask_passes import references_of
from ml.engine.passes import CORRUPT
from ml.engine.plan import limits_of, threads_of
from ml.engine.seen import steps_left
from ml.engine.viewed import volume_left
from ml.engine.worsened import strips_left
from ml.estimate import JsonValue
from ml.sandbox.messages import Job, Outcome
from ml.sandbox.parent import run
from ml.sandbox.results import ResultError
from portal.audits.models import Pass
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import Case, CohortVersion
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, claim, renew
from portal.registry.models import ModelVersion
from portal.seen import actions
from portal.seen.models import Seen, Worsened
from workers.intake import Watcher, storable
from workers.limits import child_limits
from workers.passes import members_of, place_kept

logger = get_task_logger(__name__)

# Formats that run more than tensors, or elsewhere: what they mark is not drawn for a picture.
_NOT_MARKED = ("torchscript", "endpoint")


@app.task(name=Name.PREPARE_SEEN)
def prepare_seen(seen_id: str) -> None:
    """Claim, prepare in a child, keep the steps or the reason why there are none."""
    fence = claim(Seen, seen_id)
    if fence is None:
        logger.info("seen %s is taken or finished", seen_id)
        return
    seen = Seen.objects.select_related("version", "case").get(pk=seen_id)
    try:
        _work(seen, fence)
    except LeaseLost:
        logger.warning("seen %s was taken over by another worker", seen_id)
    except Exception:
        logger.exception("seen %s", seen_id)
        close_old_connections()  # what broke may be the connection itself
        actions.fail(seen, fence, "Something broke on our side while preparing it.")


@app.task(name=Name.PREPARE_WORSENED)
def prepare_worsened(worsened_id: str) -> None:
    """The same of one case for each corruption of an audit, at every severity."""
    fence = claim(Worsened, worsened_id)
    if fence is None:
        logger.info("worsened %s is taken or finished", worsened_id)
        return
    row = Worsened.objects.select_related("audit__model_version").get(pk=worsened_id)
    try:
        _work_on_worsened(row, fence)
    except LeaseLost:
        logger.warning("worsened %s was taken over by another worker", worsened_id)
    except Exception:
        logger.exception("worsened %s", worsened_id)
        close_old_connections()  # what broke may be the connection itself
        actions.fail(row, fence, "Something broke on our side while drawing the corruptions.")


def _work_on_worsened(row: Worsened, fence: int) -> None:
    audit = row.audit
    model, run = audit.model_version, audit.passes.get(name=CORRUPT, further=None)
    assert model is not None
    wanted = {case_id for _, case_id in row.wanted}
    with store.local_folder() as folder:
        for name in ("in", "out"):
            (folder / name).mkdir()
        cases = audit.cohort_version.cases.filter(case_id__in=wanted)
        inputs: dict[str, JsonValue] = {
            "input": model.manifest["input"],
            "cases": [placed_case(case, folder / "in") for case in cases],
            "seed": run.params["seed"],
            "strips": row.wanted,
        }
        wall = settings.INTAKE_WALL_SECONDS
        if audit.cohort_version.task == SEGMENTATION and model.format not in _NOT_MARKED:
            inputs |= _marking(model, run, audit.cohort_version, wanted, folder / "in")
            wall = limits_of(CORRUPT).wall_seconds  # every copy is marked
        job = Job("worsened", inputs, folder / "out", reads=(folder / "in",))
        outcome = run_watched(row, fence, job, wall)
        if outcome.state != "done":
            reasons = [refusal.message for refusal in outcome.refusals] or [outcome.reason]
            actions.fail(row, fence, storable(reasons[0])[:1000])
            return
        try:
            strips = strips_left(folder / "out", outcome.result, row.wanted)
        except ResultError as problem:
            actions.fail(row, fence, f"What was left of it cannot be used: {problem}")
            return
        for strip, _ in strips:
            strip |= {key: storable(str(strip[key])) for key in ("code", "message")}
        actions.keep_worsened(row, fence, strips)


def _marking(
    model: ModelVersion, run: Pass, cohort: CohortVersion, wanted: Iterable[str], folder: Path
) -> dict[str, JsonValue]:
    """What the child needs beside to mark the copies as the pass did, and the reference masks."""
    assert model.weights is not None
    for member in members_of(model):
        store.placed(member, folder)
    path = store.placed(model.weights, folder)
    place_kept(model, path)
    known = references_of(CORRUPT, run.params, catalogue.load(cohort))
    hashes = {case_id: known[case_id] for case_id in wanted if case_id in known}
    blobs = Blob.objects.in_bulk(set(hashes.values()))
    references: dict[str, JsonValue] = {
        case_id: str(store.placed(blobs[sha256], folder)) for case_id, sha256 in hashes.items()
    }
    return {
        "model": {"path": str(path), "manifest": model.manifest},
        "references": references,
        "threads": settings.CHILD_THREADS or threads_of(model.card),
        **{key: run.params[key] for key in ("batch", "runtime") if key in run.params},
    }


def placed_case(case: Case, folder: Path) -> JsonValue:
    """A case as a job takes it, with its images in a folder that the child is shown."""
    images = case.images.select_related("blob").order_by("position")
    paths: list[JsonValue] = [str(store.placed(image.blob, folder)) for image in images]
    return {"case_id": case.case_id, "images": paths}


def _work(seen: Seen, fence: int) -> None:
    with store.local_folder() as folder:
        for name in ("in", "out"):
            (folder / name).mkdir()
        inputs: dict[str, JsonValue] = {
            "input": seen.version.manifest["input"],
            "cases": [placed_case(seen.case, folder / "in")],
        }
        outcome = run_watched(seen, fence, Job("seen", inputs, folder / "out"))
        if outcome.state == "done":
            try:
                steps = steps_left(folder / "out", outcome.result)
                told = outcome.result.get("volume")
                volume = volume_left(folder / "out", told) if isinstance(told, dict) else None
                actions.keep(seen, fence, steps, volume)
            except ResultError as problem:
                actions.fail(seen, fence, f"What was left of it cannot be used: {problem}")
        elif outcome.state == "refused":
            first = outcome.refusals[0]
            actions.refuse(seen, fence, storable(first.code)[:60], storable(first.message)[:1000])
        else:
            actions.fail(seen, fence, storable(outcome.reason))


def run_watched(row: actions.Row, fence: int, job: Job, wall: float | None = None) -> Outcome:
    """In a child, with the lease kept alive while it works."""
    watcher = Watcher(lambda changes: renew(type(row), row.pk, fence, **changes))
    limits = child_limits(settings.INTAKE_WALL_SECONDS if wall is None else wall)
    return run(job, limits=limits, on_event=watcher.hear, tick=watcher.tick)
