"""What PostgreSQL may do otherwise than the embedded database: tables, guards, JSON."""

import secrets

import pytest

from tests.services.conftest import administration, database_url, drive, run

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


def test_no_migration_is_missing(on_postgres):
    said = run(["manage.py", "makemigrations", "--check", "--dry-run"], on_postgres)
    assert "No changes detected" in said


def test_migrating_again_is_harmless(on_postgres):
    said = run(["manage.py", "migrate"], on_postgres)
    assert "No migrations to apply" in said


def test_json_means_the_same_on_both(on_either):
    """The order of keys is nobody's to keep, so what needs an order has a position."""
    assert drive("stored_json", on_either) == {
        "order": ["shade", "an even longer name", "art"],
        "values": {
            "shade": ["5", "4", "3", "2", "1"],
            "an even longer name": ["yes", "no"],
            "art": ["b", "a"],
        },
        "covariates": {"site": "b", "age": "4"},
        "numbers": True,
    }


def test_what_cannot_be_stored_is_refused_and_not_tried_for_ever(on_postgres):
    refused = ["done", ["manifest_invalid"]]
    assert drive("too_strict", on_postgres) == {
        "readers": refused,
        "zero": refused,
        "name": refused,
    }


@pytest.fixture
def throwaway(postgres):
    """A name for a database that the test runner makes and drops itself."""
    name = f"plumbline_test_{secrets.token_hex(6)}"
    yield name
    with administration() as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "test_{name}" WITH (FORCE)')


def test_tests_of_the_embedded_database_hold_here(throwaway, tmp_path):
    """Every guard of sealed rows, leases, the reconciler, plans and protocols, cohorts, models."""
    rooms = ("test_guards.py", "test_leases.py", "outbox", "audits", "cohorts", "registry")
    runner = ["-m", "pytest", "-q", "-p", "no:xdist", "--ds", "tests.services.on_postgres"]
    said = run(
        [*runner, *(f"tests/portal/{room}" for room in rooms)],
        {"PLUMBLINE_HOME": str(tmp_path), "TESTS_ON_DATABASE_URL": database_url(throwaway)},
    )
    last = said.strip().splitlines()[-1]
    assert "passed" in last
    assert "skipped" not in last
