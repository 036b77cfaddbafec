"""Runs one audit on a real broker and worker, kills something on the way, prints the result.

`python -m tests.system.driver VICTIM`, with PLUMBLINE_HOME set to an empty folder.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Count  # noqa: E402

from demo.run import zipped  # noqa: E402
from ml.zoo.shades import cohort_folder, model_folder  # noqa: E402
from portal.accounts.actions import create_team  # noqa: E402
from portal.accounts.models import User  # noqa: E402
from portal.audits.models import Audit, CaseResult, CheckRun, Finding, Shard  # noqa: E402
from portal.audits.planning import start_audit  # noqa: E402
from portal.blobs import store  # noqa: E402
from portal.intake.actions import hand_in  # noqa: E402
from portal.intake.models import Upload, UploadKind  # noqa: E402
from portal.launcher import Launcher  # noqa: E402
from portal.leases import FINAL  # noqa: E402
from portal.reports.models import Report  # noqa: E402

WAIT_SECONDS = 150
HOME = Path(settings.HOME)


def wait_for(what: str, reached: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds} s for: {what}")
        time.sleep(0.1)


def read_in(launcher: Launcher, team, user, kind: UploadKind, folder: Path) -> Upload:
    with store.local_folder() as scratch:
        blob = store.put_path(zipped(folder, scratch / "upload.zip"), "application/zip")
    upload = hand_in(actor=user, team=team, kind=kind, file_name=f"{folder.name}.zip", blob=blob)

    def final() -> bool:
        launcher.check()
        upload.refresh_from_db()
        return upload.state in FINAL

    wait_for(f"{kind} to be read", final)
    if not upload.accepted:
        raise SystemExit(f"{kind}: {upload.error} {upload.refusals}")
    return upload


def sandbox_children() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            mine = str(HOME).encode() in (entry / "cwd").readlink().as_posix().encode()
        except OSError:
            continue
        if entry.name.isdigit() and b"ml.sandbox.child" in words and mine:
            found.append(int(entry.name))
    return found


def held() -> bool:
    """Whether a shard stays at work: its child has it, it is not only being closed."""
    running = set(Shard.objects.filter(state="running").values_list("pk", flat=True))
    time.sleep(2)
    return Shard.objects.filter(state="running", pk__in=running).exists()


def kill(victim: str, launcher: Launcher) -> None:
    if victim in ("child", "worker"):  # in the middle of a shard, not between two
        wait_for("a child process", lambda: bool(sandbox_children()))
        for pid in sandbox_children():  # a child that is held cannot finish what it has begun
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        wait_for("a shard that is held", held)
    if victim == "child":
        for pid in sandbox_children():  # whichever of them has the shard
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif victim == "worker":
        os.killpg(launcher.processes[0].process.pid, signal.SIGKILL)
    elif victim == "broker":
        assert launcher.broker is not None
        assert launcher.broker.pid is not None
        os.kill(launcher.broker.pid, signal.SIGKILL)


def result(audit: Audit) -> dict[str, object]:
    # A child that waited for more work is ended after a while.
    wait_for("the children to end", lambda: not sandbox_children())
    report = Report.objects.select_related("audit_json").get(audit=audit)
    document = json.loads(store.read_bytes(report.audit_json))
    duplicates = (
        CaseResult.objects.values("audit", "case", "pass_name")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
    )
    return {
        "state": audit.state,
        "measures": [check["measures"] for check in document["checks"]],
        "findings": [check["findings"] for check in document["checks"]],
        "case_results": CaseResult.objects.filter(audit=audit).count(),
        "duplicates": duplicates.count(),
        "shards": sorted(Shard.objects.filter(work__audit=audit).values_list("state", flat=True)),
        "attempts": sum(Shard.objects.values_list("attempts", flat=True)),
        "check_runs": CheckRun.objects.filter(audit=audit).count(),
        "finding_rows": Finding.objects.filter(audit=audit).count(),
        "reports": Report.objects.count(),
        "children_left": len(sandbox_children()),
    }


def main(victim: str) -> None:
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("driver@example.org", "a long password", name="Driver")
    team = create_team(owner=user, name="Driven")
    model = model_folder(HOME / "model", channels=48, layers=3)
    cohort = cohort_folder(HOME / "cohort", n=300)
    with Launcher(port=None, concurrency=2) as launcher:
        version = read_in(launcher, team, user, UploadKind.MODEL, model).model_version
        cohort_version = read_in(launcher, team, user, UploadKind.COHORT, cohort).cohort_version
        audit = start_audit(
            actor=user, team=team, cohort_version=cohort_version, model_version=version
        )
        shards = Shard.objects.filter(work__audit=audit)
        wait_for("a first shard", lambda: shards.filter(state="done").exists())
        if shards.exclude(state="done").count() == 0:
            raise SystemExit("the audit was over before anything could be killed")
        kill(victim, launcher)

        def sealed() -> bool:
            launcher.check()
            audit.refresh_from_db()
            if audit.state == "failed":
                raise SystemExit(f"failed: {audit.failure}")
            return audit.state == "sealed"

        wait_for("the seal", sealed)
        print(json.dumps(result(audit)))


if __name__ == "__main__":
    main(sys.argv[1])
