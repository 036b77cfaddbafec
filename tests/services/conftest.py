"""Real servers: a database of its own and a key prefix of its own for each test that asks.

The process that runs the tests stays on the embedded default; what is tested runs in processes of
its own, with `DATABASE_URL` and `REDIS_URL` set as an operator would set them.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from tests.conftest import ROOT

TEST_DATABASE_URL = os.environ.get("TEST_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432"
TEST_REDIS_URL = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"
PATIENCE_SECONDS = 280  # of one process; other work may share the machine
SHORT = {
    "LEASE_SECONDS": "4",
    "LEASE_RENEW_SECONDS": "1",
    "RECONCILE_SECONDS": "1",
    "MAX_ATTEMPTS": "20",  # a busy machine may lose a lease this short
}

Environment = dict[str, str]


def database_url(name: str) -> str:
    return urlsplit(TEST_DATABASE_URL)._replace(path=f"/{name}").geturl()


def administration() -> psycopg.Connection:
    name = urlsplit(TEST_DATABASE_URL).path.strip("/") or "postgres"
    return psycopg.connect(database_url(name), autocommit=True, connect_timeout=5)


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


@pytest.fixture(scope="session")
def postgres() -> None:
    try:
        administration().close()
    except psycopg.OperationalError as error:
        where = urlsplit(TEST_DATABASE_URL)
        pytest.skip(f"no PostgreSQL at {where.hostname}:{where.port or 5432}: {first_line(error)}")


@pytest.fixture(scope="session")
def redis_client() -> Iterator["redis.Redis[bytes]"]:
    client = redis.Redis.from_url(TEST_REDIS_URL, socket_timeout=5, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        where = urlsplit(TEST_REDIS_URL)
        pytest.skip(f"no Redis at {where.hostname}:{where.port or 6379}: {first_line(error)}")
    yield client
    client.close()


@contextmanager
def own_database(template: str = "template1") -> Iterator[str]:
    """The name of a new database that is gone afterwards."""
    name = f"plumbline_test_{secrets.token_hex(6)}"
    with administration() as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield name
    finally:
        with administration() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run(arguments: list[str], environment: Environment) -> str:
    """Standard output of a Python process, which must end well."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    log = Path(environment.get("PLUMBLINE_HOME", "/nowhere")) / "logs" / "worker.log"
    tail = log.read_text()[-4000:] if log.exists() else ""
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{tail}"
    return done.stdout


def drive(scenario: str, environment: Environment) -> Any:
    """What a scenario of `tests.services.driver` says in its last line."""
    lines = run(["-m", "tests.services.driver", scenario], SHORT | environment).splitlines()
    return json.loads(lines[-1])


@pytest.fixture(scope="session")
def migrated(postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with every table and guard, to make others from."""
    with own_database() as name:
        home = tmp_path_factory.mktemp("migrating")
        environment = {"PLUMBLINE_HOME": str(home), "DATABASE_URL": database_url(name)}
        run(["manage.py", "migrate", "--verbosity", "0"], environment)
        yield name


@pytest.fixture
def on_postgres(migrated: str, tmp_path: Path) -> Iterator[Environment]:
    with own_database(template=migrated) as name:
        yield {"PLUMBLINE_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url(name)}


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("embedded") / "home"
    run(["manage.py", "migrate", "--verbosity", "0"], {"PLUMBLINE_HOME": str(home)})
    return home


@pytest.fixture
def on_sqlite(migrated_home: Path, tmp_path: Path) -> Environment:
    shutil.copytree(migrated_home, tmp_path / "home")
    return {"PLUMBLINE_HOME": str(tmp_path / "home")}


@pytest.fixture(params=["postgresql", "sqlite"])
def on_either(request: pytest.FixtureRequest) -> Environment:
    name = "on_postgres" if request.param == "postgresql" else "on_sqlite"
    environment: Environment = request.getfixturevalue(name)
    return environment


@contextmanager
def own_prefix(client: "redis.Redis[bytes]") -> Iterator[str]:
    prefix = f"plumbline-test-{secrets.token_hex(6)}:"
    try:
        yield prefix
    finally:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)


@pytest.fixture
def make_prefix(redis_client: "redis.Redis[bytes]") -> Iterator[Callable[[], Environment]]:
    """Settings of another portal on the same Redis, each time."""
    with ExitStack() as stack:

        def make() -> Environment:
            prefix = stack.enter_context(own_prefix(redis_client))
            return {"REDIS_URL": TEST_REDIS_URL, "REDIS_PREFIX": prefix}

        yield make
