"""Reads uploads. The bytes are opened in a child process only; here they are hashes."""

import time
from collections.abc import Callable
from pathlib import Path

from celery.utils.log import get_task_logger
from django.conf import settings
from django.db import DataError, close_old_connections

from ml.engine.linked import link_of_intake
from ml.estimate import JsonObject, JsonValue, objects_in
from ml.intake.left import scan_left
from ml.sandbox.messages import Event, Job, Outcome
from ml.sandbox.parent import run
from ml.sandbox.results import ResultError
from portal.blobs import store
from portal.intake import actions
from portal.intake.keys import key_of
from portal.intake.models import Upload, UploadKind
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, claim, kept, renew
from workers.limits import child_limits
from workers.permissions import allowed_formats, policy_of

logger = get_task_logger(__name__)

UPDATE_SECONDS = 1.0  # how often progress is written while the child works


@app.task(name=Name.READ_UPLOAD)
def read_upload(upload_id: str) -> None:
    """Claim, read in a child, keep what was accepted or the reasons why not."""
    fence = claim(Upload, upload_id)
    if fence is None:
        logger.info("upload %s is taken or finished", upload_id)
        return
    upload = Upload.objects.select_related("team", "created_by", "blob").get(pk=upload_id)
    try:
        with store.local_folder() as folder:
            outcome = _read(upload, fence, folder)
            with kept(Upload, upload.pk, fence):
                _keep(upload, fence, outcome, folder / "out")
    except LeaseLost:
        logger.warning("upload %s was taken over by another worker", upload_id)
    except Exception:
        logger.exception("upload %s", upload_id)
        close_old_connections()  # what broke may be the connection itself
        sentence = "Something broke on our side while reading it. It will be tried again."
        actions.fail(upload, fence, sentence, [])


def _read(upload: Upload, fence: int, folder: Path) -> Outcome:
    out = folder / "out"
    out.mkdir()
    suffix = "".join(Path(upload.file_name).suffixes[-1:]).lower()
    path = store.local_path(upload.blob, folder, suffix or ".zip")
    allow = list[JsonValue](allowed_formats(upload.team))
    inputs: JsonObject = {"path": str(path), "allow": allow}
    if upload.kind == UploadKind.COHORT:
        inputs["key"] = key_of(upload.team).hex()
    job = Job(f"intake-{upload.kind}", inputs, out)
    watcher = Watcher(lambda changes: renew(Upload, upload.pk, fence, **changes))
    with link_of_intake(policy_of(upload.team)) as link:
        return run(
            job,
            limits=child_limits(settings.INTAKE_WALL_SECONDS),
            on_event=watcher.hear,
            tick=watcher.tick,
            # A cohort or a table has nothing to ask anybody.
            answers=link if upload.kind == UploadKind.MODEL else None,
        )


def _keep(upload: Upload, fence: int, outcome: Outcome, out: Path) -> None:
    log = [storable(line) for line in outcome.log]
    if outcome.state == "done":
        try:
            actions.accept(upload, fence, outcome.result, out, log)
        except ResultError as error:
            logger.warning("upload %s: %s", upload.pk, error)
            sentence = "What the reader of this file left cannot be taken. It will be tried again."
            actions.fail(upload, fence, sentence, log)
        except DataError as error:  # the database is stricter than the reader; so would be the next
            logger.warning("upload %s cannot be stored: %s", upload.pk, error)
            actions.refuse(upload, fence, [NOT_STORABLE], log)
    elif outcome.state == "refused":
        refusals = [
            {
                key: storable(value) if isinstance(value, str) else value
                for key, value in said.items()
            }
            for said in (refusal.to_json() for refusal in outcome.refusals)
        ]
        actions.refuse(upload, fence, refusals, log, scan_of(outcome))
    else:
        actions.fail(upload, fence, outcome.reason, log)


def scan_of(outcome: Outcome) -> JsonObject:
    """What the child says lay in a refused upload, as far as it can be stored."""
    found = scan_left(outcome.scan)
    for row in objects_in(found.get("files", [])):
        row |= {key: storable(str(row[key])) for key in ("name", "kind", "use")}
    return found


NOT_STORABLE = {
    "code": "manifest_invalid",
    "message": "A text in it is too long to be kept, or holds a zero byte. Names, classes and "
    "identifiers have at most 120 characters, readers and questions 80, versions 60, arms 40, "
    "and the path of an image 400.",
}


def storable(text: str) -> str:
    """Without what not every database keeps: zero bytes and halves of characters."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class Watcher:
    """Turns what a child says into a renewed lease and, at most once a second, into rows."""

    def __init__(self, write: Callable[[dict[str, object]], None]) -> None:
        self.write = write
        self.changes: dict[str, object] = {}
        self.written = self.renewed = time.monotonic()

    def hear(self, event: Event) -> None:
        if event.kind == "progress":
            self.changes["progress_done"] = event.fields["done"]
            self.changes["progress_total"] = event.fields["total"]
        else:
            self.changes["progress"] = storable(str(event.fields["line"]))[:200]

    def tick(self) -> None:
        now = time.monotonic()
        news = self.changes and now - self.written >= UPDATE_SECONDS
        if news or now - self.renewed >= settings.LEASE_RENEW_SECONDS:
            self.write(self.changes)
            self.changes = {}
            self.written = self.renewed = now
