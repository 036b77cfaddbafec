"""`python -m tests.services.driver SCENARIO`: runs it on the servers of this environment.

Its last line is one JSON value, which the test looks at.
"""

import json
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from ml.zoo.shades import cohort_folder, model_folder  # noqa: E402
from portal import jobs  # noqa: E402
from portal.accounts.actions import create_token  # noqa: E402
from portal.audits.models import Audit  # noqa: E402
from portal.audits.planning import start_audit  # noqa: E402
from portal.blobs import store  # noqa: E402
from portal.cohorts.actions import seal_version  # noqa: E402
from portal.cohorts.questions import in_order  # noqa: E402
from portal.intake.models import Upload, UploadKind  # noqa: E402
from portal.leases import LeaseLost, WorkState, claim, release, renew  # noqa: E402
from portal.outbox import reconciler  # noqa: E402
from portal.outbox.models import OutboxMessage  # noqa: E402
from portal.trail.actions import record  # noqa: E402
from portal.trail.models import TrailEvent  # noqa: E402
from tests.services import world  # noqa: E402
from tests.services.disturbed import administration, audits  # noqa: E402

MANY = 8


def at_once(work: Callable[[int], Any], n: int = MANY) -> list[Any]:
    """`work(0)`, ... `work(n - 1)` from threads that start together, each on its own connection."""
    together = threading.Barrier(n)

    def alone(number: int) -> Any:
        try:
            connection.ensure_connection()
            together.wait(timeout=60)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(alone, range(n)))


def claims() -> dict[str, Any]:
    """Rows that everybody claims at once, and claims again when the lease has run out."""
    team = world.new_team()
    blob = store.put_bytes(b"an upload")
    settings.LEASE_SECONDS = 0.2
    rounds = []
    for _ in range(5):
        row = Upload.objects.create(
            team=team, kind="cohort", file_name="c", blob=blob, created_by=world.owner_of(team)
        )
        first = at_once(lambda _, pk=row.pk: claim(Upload, pk))
        time.sleep(0.4)
        second = at_once(lambda _, pk=row.pk: claim(Upload, pk))
        rounds.append({"first": first, "second": second, "stale": _stale(row)})
    return {"rounds": rounds}


def _stale(row: Upload) -> dict[str, Any]:
    """What the holder of the first fence can still write."""
    try:
        renew(Upload, row.pk, 1, progress="from a frozen worker")
        renewed = True
    except LeaseLost:
        renewed = False
    released = release(Upload, row.pk, 1, WorkState.DONE, progress="from a frozen worker")
    row.refresh_from_db()
    return {"renewed": renewed, "released": released, "progress": row.progress, "fence": row.fence}


def numbers() -> list[list[int]]:
    """Number and look of audits that are started at the same moment."""
    team = world.new_team()
    cohort, predictions, actor = (
        world.small_cohort(team),
        world.some_predictions(team),
        world.owner_of(team),
    )

    def start(_: int) -> list[int]:
        audit = start_audit(actor=actor, team=team, cohort_version=cohort, predictions=predictions)
        return [audit.number, audit.look]

    return at_once(start)


def one_key() -> dict[str, Any]:
    """The same request, sent by an impatient client several times at once."""
    team = world.new_team()
    secret = create_token(actor=world.owner_of(team), team=team, name="test")[1]
    cohort, predictions = world.small_cohort(team), world.some_predictions(team)
    body = {"cohort": str(cohort.pk), "predictions": str(predictions.pk)}
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "night-run-17"}

    def post(_: int) -> int:
        answer = Client(SERVER_NAME="localhost").post(
            "/api/v1/audits", data=body, content_type="application/json", headers=headers
        )
        return answer.status_code

    return {"status": sorted(at_once(post)), "audits": Audit.objects.count()}


def ask() -> dict[str, Any]:
    """Start an audit as a request would; how long it took, and what is left to be rung."""
    team = world.new_team()
    cohort, predictions = world.small_cohort(team), world.some_predictions(team)
    began = time.monotonic()
    audit = start_audit(
        actor=world.owner_of(team), team=team, cohort_version=cohort, predictions=predictions
    )
    seconds = time.monotonic() - began
    return {"seconds": seconds, "state": audit.state, "outbox": OutboxMessage.objects.count()}


def ring_later() -> dict[str, Any]:
    time.sleep(2.1)  # a message this young is left to the request that wrote it
    return {"rung": reconciler.ring_outbox(), "outbox": OutboxMessage.objects.count()}


def whole_audit() -> dict[str, Any]:
    """Without broker and worker processes: what every other way must come to."""
    team = world.new_team()
    model, cohort = world.shades(team, Path(settings.HOME))
    audit = start_audit(
        actor=world.owner_of(team), team=team, cohort_version=cohort, model_version=model
    )
    world.run_here(audit)
    return world.outcome(audit)


def hear() -> list[str]:
    """Every message that a worker of this portal would get now."""
    heard = []
    with jobs.app.connection_for_read() as broker:
        for name in jobs.Queue:
            with broker.SimpleQueue(name.value) as waiting, suppress(queue.Empty):
                while True:
                    message = waiting.get(block=False)
                    heard.append(message.headers["task"])
                    message.ack()
    return heard


def cut_while_held() -> dict[str, Any]:
    """The server ends the connection of somebody who holds a row."""
    team = world.new_team()
    row = Upload.objects.create(
        team=team,
        kind="cohort",
        file_name="c",
        blob=store.put_bytes(b"an upload"),
        created_by=world.owner_of(team),
    )
    fence = claim(Upload, row.pk)
    assert fence is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with administration() as admin:
        cut = admin.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone()
    time.sleep(0.5)
    renew(Upload, row.pk, fence, progress="lost with the connection")
    renew(Upload, row.pk, fence, progress="half way")
    release(Upload, row.pk, fence, WorkState.DONE)
    row.refresh_from_db()
    assert cut is not None
    return {
        "cut": cut[0],
        "state": row.state,
        "progress": row.progress,
        "attempts": row.attempts,
    }


def add_while_sealing() -> dict[str, Any]:
    """One connection has sealed and not committed when another adds a case."""
    team = world.new_team()
    draft = world.small_cohort(team, seal=False)
    said: dict[str, Any] = {"error": "", "waited": False}
    added = threading.Event()

    def add() -> None:
        case = draft.cases.get(position=0)
        case.pk, case.case_id, case.position = uuid.uuid4(), "late", 99
        case._state.adding = True
        try:
            case.save(force_insert=True)
        except IntegrityError as error:
            said["error"] = str(error)
        finally:
            added.set()
            connection.close()

    thread = threading.Thread(target=add)
    with transaction.atomic():
        seal_version(actor=world.owner_of(team), version=draft)
        thread.start()
        said["waited"] = not added.wait(timeout=2)
    thread.join(timeout=30)
    return said | {"cases": draft.cases.count()}


def too_strict() -> dict[str, Any]:
    """Uploads that the reader takes and this database cannot keep, each with its upload's end."""
    team, home = world.new_team(), Path(settings.HOME)
    readers = cohort_folder(home / "readers", n=4)
    table = readers / "readings.csv"
    table.write_text(table.read_text().replace("r0,", "r" * 100 + ","))
    zero = cohort_folder(home / "zero", n=4)
    manifest = zero / "cohort.yaml"
    manifest.write_text(manifest.read_text().replace("title: Shades", 'title: "Sha\\0des"'))
    uploads = {
        "readers": world.hand_over(team, UploadKind.COHORT, readers),
        "zero": world.hand_over(team, UploadKind.COHORT, zero),
        "name": world.hand_over(
            team, UploadKind.MODEL, model_folder(home / "model", channels=4, name="N" * 150)
        ),
    }
    return {
        name: [upload.state, [refusal["code"] for refusal in upload.refusals]]
        for name, upload in uploads.items()
    }


def stored_json() -> dict[str, Any]:
    """JSON as the database gives it back."""
    team = world.new_team()
    cohort = world.small_cohort(team)
    cohort.refresh_from_db()
    questions = in_order(cohort.questions)
    numbers = [1e-7, 0.1 + 0.2, 5e-324, 1e16, 3.0, 12345678901234567890]
    record(team=team, actor=None, action="numbers", obj=team, numbers=numbers)
    return {
        "order": list(questions),
        "values": {name: spec["values"] for name, spec in questions.items()},
        "covariates": cohort.cases.get(position=0).covariates,
        "numbers": TrailEvent.objects.get(action="numbers").detail["numbers"] == numbers,
    }


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        claims, numbers, one_key, ask, ring_later, hear, cut_while_held, add_while_sealing,
        whole_audit, stored_json, too_strict, audits,
    )
}  # fmt: skip


if __name__ == "__main__":
    said = SCENARIOS[sys.argv[1]]()
    sys.stdout.write("\n" + json.dumps(said) + "\n")
