"""The three people of every page test, signed in."""

from typing import Any

from django.test import Client


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    """The page with its white space folded, so that a test can look for a sentence."""
    return " ".join(response.content.decode().split())
