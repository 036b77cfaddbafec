"""Asks the model of an audit about one case with a region taken out; all of it in a child."""

from celery.utils.log import get_task_logger
from django.conf import settings
from django.db import close_old_connections

from ml.engine.plan import PREDICT, threads_of
from ml.engine.region import region_left
from ml.estimate import JsonValue
from ml.meaning import scores_of
from ml.sandbox.messages import Job
from ml.sandbox.results import ResultError
from portal.audits.models import Audit
from portal.audits.planning import read_rules
from portal.blobs import store
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, claim
from portal.seen import actions
from portal.seen.models import Exploration
from workers.intake import storable
from workers.passes import members_of, place_kept
from workers.permissions import allowed_formats
from workers.seen import placed_case, run_watched

logger = get_task_logger(__name__)


@app.task(name=Name.EXPLORE_REGION)
def explore_region(exploration_id: str) -> None:
    """Claim, ask in a child, keep what it answered or why it did not."""
    fence = claim(Exploration, exploration_id)
    if fence is None:
        logger.info("exploration %s is taken or finished", exploration_id)
        return
    row = Exploration.objects.select_related(
        "audit__model_version__weights", "audit__team", "case"
    ).get(pk=exploration_id)
    try:
        _work(row, fence)
    except LeaseLost:
        logger.warning("exploration %s was taken over by another worker", exploration_id)
    except Exception:
        logger.exception("exploration %s", exploration_id)
        close_old_connections()  # what broke may be the connection itself
        actions.fail(row, fence, "Something broke on our side while asking the model.")


def _work(row: Exploration, fence: int) -> None:
    audit = row.audit
    model = audit.model_version
    assert model is not None
    assert model.weights is not None
    with store.local_folder() as folder:
        for name in ("in", "out"):
            (folder / name).mkdir()
        for member in members_of(model):
            store.placed(member, folder / "in")
        path = store.placed(model.weights, folder / "in")
        place_kept(model, path)
        inputs: dict[str, JsonValue] = {
            "model": {"path": str(path), "manifest": model.manifest},
            "cases": [placed_case(row.case, folder / "in")],
            "box": list(row.box),
            "seed": read_rules(audit.protocol_body).seed,
            "threads": settings.CHILD_THREADS or threads_of(model.card),
            "allow": list[JsonValue](allowed_formats(audit.team)),
            **_as_it_was_run(audit),
        }
        job = Job("region", inputs, folder / "out", reads=(folder / "in",))
        outcome = run_watched(row, fence, job)
        if outcome.state == "refused":
            first = outcome.refusals[0]
            actions.refuse(row, fence, storable(first.code)[:60], storable(first.message)[:1000])
            return
        if outcome.state != "done":
            actions.fail(row, fence, storable(outcome.reason)[:1000])
            return
        try:
            found = region_left(outcome.result, scores_of(model.manifest["output"]))
        except ResultError as problem:
            actions.fail(row, fence, f"What was left of it cannot be used: {problem}")
            return
        place = None if found.elsewhere is None else list(found.elsewhere)
        actions.keep_answers(row, fence, {"scores": dict(found.scores), "elsewhere": place})


def _as_it_was_run(audit: Audit) -> dict[str, JsonValue]:
    """Runtime and batch of the audit's own answers, so that these can be held against them."""
    run = audit.passes.filter(name=PREDICT, further=None).first()
    params = {} if run is None else run.params
    return {key: params[key] for key in ("batch", "runtime") if key in params}
