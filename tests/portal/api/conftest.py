"""Calls of the API as different people."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def secret_of(db: None) -> Callable[..., str]:
    """A live token of a person in a team, its secret."""
    from portal.accounts.actions import create_token

    def make(user: Any, team: Any, **fields: Any) -> str:
        return create_token(actor=user, team=team, name="test", **fields)[1]

    return make


@pytest.fixture
def call(client: Client) -> Callable[..., Any]:
    """`call("GET", "/models", secret)`; a `json` argument becomes the body."""

    def send(method: str, path: str, secret: str = "", json: Any = None, **extra: Any) -> Any:
        headers = dict(extra.pop("headers", {}))
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        if json is not None:
            extra |= {"data": json, "content_type": "application/json"}
        verb = getattr(client, method.lower())
        return verb(f"/api/v1{path}", headers=headers, **extra)

    return send


@pytest.fixture
def team(make_team: Callable[..., Any]) -> Any:
    return make_team("Neuro")


@pytest.fixture
def owner(team: Any, secret_of: Callable[..., str]) -> str:
    return secret_of(team.owner, team)


@pytest.fixture
def viewer(team: Any, make_member: Callable[..., Any], secret_of: Callable[..., str]) -> str:
    return secret_of(make_member(team, "viewer"), team)


@pytest.fixture
def stranger(make_team: Callable[..., Any], secret_of: Callable[..., str]) -> str:
    other = make_team("Other")
    return secret_of(other.owner, other)
