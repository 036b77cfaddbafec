"""Prepares cases as a model declares, every step or corrupted; images are opened in a child."""

from pathlib import Path

from celery.utils.log import get_task_logger
from django.conf import settings
from django.db import close_old_connections

from ml.engine.passes import CORRUPT
from ml.engine.seen import steps_left
from ml.engine.worsened import strips_left
from ml.estimate import JsonValue
from ml.sandbox.messages import Job, Outcome
from ml.sandbox.parent import run
from ml.sandbox.results import ResultError
from portal.blobs import store
from portal.cohorts.models import Case
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, claim, renew
from portal.seen import actions
from portal.seen.models import Seen, Worsened
from workers.intake import Watcher, storable
from workers.limits import child_limits

logger = get_task_logger(__name__)


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
            "cases": [_placed(case, folder / "in") for case in cases],
            "seed": run.params["seed"],
            "strips": row.wanted,
        }
        outcome = _run(row, fence, Job("worsened", inputs, folder / "out"))
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


def _placed(case: Case, folder: Path) -> JsonValue:
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
            "cases": [_placed(seen.case, folder / "in")],
        }
        outcome = _run(seen, fence, Job("seen", inputs, folder / "out"))
        if outcome.state == "done":
            try:
                actions.keep(seen, fence, steps_left(folder / "out", outcome.result))
            except ResultError as problem:
                actions.fail(seen, fence, f"What was left of it cannot be used: {problem}")
        elif outcome.state == "refused":
            first = outcome.refusals[0]
            actions.refuse(seen, fence, storable(first.code)[:60], storable(first.message)[:1000])
        else:
            actions.fail(seen, fence, storable(outcome.reason))


def _run(row: Seen | Worsened, fence: int, job: Job) -> Outcome:
    watcher = Watcher(lambda changes: renew(type(row), row.pk, fence, **changes))
    limits = child_limits(settings.INTAKE_WALL_SECONDS)
    return run(job, limits=limits, on_event=watcher.hear, tick=watcher.tick)
