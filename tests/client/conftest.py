"""A portal that answers over HTTP, and a client that is signed in to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plumb import Client
from pytest_django.live_server_helper import LiveServer


@pytest.fixture
def portal_url(db: None) -> Iterator[str]:
    """Served from a thread on the test's own connection, so that the rollback takes all back.

    A flush, as after other live servers, is what the guards of sealed rows refuse.
    """
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


@pytest.fixture
def team(make_team: Callable[..., Any]) -> Any:
    return make_team("Neuro")


@pytest.fixture
def secret(team: Any) -> str:
    from portal.accounts.actions import create_token

    return create_token(actor=team.owner, team=team, name="plumb")[1]


@pytest.fixture
def client_of(portal_url: str) -> Callable[[str], Client]:
    return lambda secret: Client(portal_url, secret)


@pytest.fixture
def plumb(portal_url: str, secret: str) -> Client:
    return Client(portal_url, secret)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a person's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PLUMB_URL", raising=False)
    monkeypatch.delenv("PLUMB_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def signed_in(home: Path, portal_url: str, secret: str) -> None:
    kept = home / "config" / "plumb" / "config.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"url": portal_url, "token": secret}))


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shade-net"
    (folder / "docs").mkdir(parents=True)
    (folder / "model.yaml").write_text("name: Shade net\n")
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 4000)
    (folder / "docs" / "card.md").write_text("words")
    (folder / ".DS_Store").write_text("not wanted")
    return folder
