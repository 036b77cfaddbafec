"""The three people of every page test: owner, team mate without the right, stranger."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.portal.people import signed_in


@pytest.fixture
def team(make_team: Callable[..., Any]) -> Any:
    return make_team("Neuro")


@pytest.fixture
def as_owner(team: Any) -> Client:
    return signed_in(team.owner)


@pytest.fixture
def as_viewer(team: Any, make_member: Callable[..., Any]) -> Client:
    return signed_in(make_member(team, "viewer"))


@pytest.fixture
def as_stranger(make_team: Callable[..., Any]) -> Client:
    return signed_in(make_team("Elsewhere").owner)
