"""Whole audits on PostgreSQL and Redis: what happens in the middle changes no measure."""

import pytest

from tests.services.conftest import (
    TEST_REDIS_URL,
    database_url,
    drive,
    own_database,
    own_prefix,
    run,
)

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
DISTURBANCES = ["nothing", "worker_killed", "connections_cut", "database_away", "messages_lost"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """The same audit on the embedded database, in one process without any broker."""
    environment = {"PLUMBLINE_HOME": str(tmp_path_factory.mktemp("embedded"))}
    run(["manage.py", "migrate", "--verbosity", "0"], environment)
    return drive("whole_audit", environment)


@pytest.fixture(scope="module")
def audits(migrated, redis_client, tmp_path_factory):
    with own_database(template=migrated) as name, own_prefix(redis_client) as prefix:
        return drive(
            "audits",
            {
                "PLUMBLINE_HOME": str(tmp_path_factory.mktemp("services")),
                "DATABASE_URL": database_url(name),
                "REDIS_URL": TEST_REDIS_URL,
                "REDIS_PREFIX": prefix,
            },
        )


def test_the_embedded_audit_is_whole(embedded):
    assert embedded["same"]["state"] == "sealed"
    assert embedded["same"]["case_results"] == 250
    assert embedded["same"]["duplicates"] == 0
    assert embedded["shards"] == ["done"] * 5


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_nothing_changes_what_an_audit_finds(disturbance, audits, embedded):
    said = audits[disturbance]
    assert "error" not in said, said
    assert said["left"] >= 1, "nothing was left to be disturbed"
    assert said["same"] == embedded["same"]
    # evidence that was kept just before is not made again
    assert set(said["shards"]) <= {"done", "reused"}
    assert len(said["shards"]) == 5


def test_the_disturbances_did_disturb(audits):
    assert audits["nothing"]["attempts"] >= 5  # one per shard; a busy machine may lose a lease
    assert audits["worker_killed"]["attempts"] > 5
    assert audits["connections_cut"]["what"] >= 1
    assert audits["messages_lost"]["what"] >= 1
