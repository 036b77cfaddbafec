"""Whole audits on a worker of its own, each disturbed in the middle in another way."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connection

from portal.audits.models import Audit, Shard
from portal.audits.planning import start_audit
from portal.launcher import Launcher
from portal.leases import WorkState
from tests.services import world

WAIT_SECONDS = 120
AWAY_SECONDS = 3


def wait_for(what: str, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {WAIT_SECONDS} s for {what}")
        time.sleep(0.05)


def nothing(launcher: Launcher) -> None:
    return None


def worker_killed(launcher: Launcher) -> None:
    os.killpg(launcher.processes[0].process.pid, signal.SIGKILL)


def administration() -> psycopg.Connection[Any]:
    params = connection.get_connection_params() | {"dbname": "postgres"}
    wanted = {
        key: params[key] for key in ("host", "port", "user", "password", "dbname") if key in params
    }
    return psycopg.connect(**wanted, autocommit=True)


def _terminate(admin: psycopg.Connection[Any]) -> int:
    name = str(settings.DATABASES["default"]["NAME"])
    return len(
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        ).fetchall()
    )


def connections_cut(launcher: Launcher) -> int:
    """Every connection of the worker ends in the middle of what it is doing."""
    connection.close()
    with administration() as admin:
        return _terminate(admin)


def database_away(launcher: Launcher) -> None:
    """As a restart of the server looks from here: nobody is let in for a while."""
    name = str(settings.DATABASES["default"]["NAME"])
    connection.close()
    with administration() as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            _terminate(admin)
            time.sleep(AWAY_SECONDS)
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def messages_lost(launcher: Launcher) -> int:
    """Everything this portal has in the broker is gone, and nobody is told."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    waiting = client.llen(f"{settings.KEY_PREFIX}inference")
    keys = list(client.scan_iter(match=f"{settings.KEY_PREFIX}*", count=1000))
    if keys:
        client.delete(*keys)
    client.close()
    return int(waiting)


DISTURBANCES = (nothing, worker_killed, connections_cut, database_away, messages_lost)


def audits() -> dict[str, Any]:
    """By disturbance: what came of it, or why nothing did."""
    first = world.new_team()
    model, cohort = world.shades(first, Path(settings.HOME))
    said: dict[str, Any] = {}
    with Launcher(port=None, concurrency=2) as launcher:
        for disturb in DISTURBANCES:
            began = time.monotonic()
            try:
                said[disturb.__name__] = one_audit(launcher, disturb, model, cohort)
            except Exception as error:
                said[disturb.__name__] = {"error": f"{type(error).__name__}: {error}"}
            said[disturb.__name__]["seconds"] = time.monotonic() - began
    return said


def one_audit(
    launcher: Launcher, disturb: Callable[[Launcher], Any], model: Any, cohort: Any
) -> dict[str, Any]:
    team = world.new_team()
    version, copied = world.same_for(team, model, cohort)
    audit = start_audit(
        actor=world.owner_of(team), team=team, cohort_version=copied, model_version=version
    )
    shards = Shard.objects.filter(work__audit=audit)
    wait_for("work in hand", lambda: shards.filter(state=WorkState.RUNNING).exists())
    left = shards.exclude(state=WorkState.DONE).count()
    what = disturb(launcher)
    wait_for("the seal", lambda: _sealed(launcher, audit))
    return world.outcome(audit) | {"left": left, "what": what}


def _sealed(launcher: Launcher, audit: Audit) -> bool:
    launcher.check()
    audit.refresh_from_db()
    if audit.state == "failed":
        raise RuntimeError(f"failed: {audit.failure}")
    return bool(audit.state == "sealed")
