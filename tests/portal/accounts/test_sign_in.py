"""/sign-in/ and /sign-out/"""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.portal.people import signed_in, text

URL = "/sign-in/"


def test_signs_in_and_goes_where_one_wanted(make_user: Any, client: Client) -> None:
    make_user("ana")

    response = client.post(
        URL, {"email": "ANA@example.org", "password": "a long password", "next": "/account/"}
    )

    assert response.status_code == 302
    assert response["Location"] == "/account/"
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_never_leads_elsewhere(make_user: Any, client: Client, goal: str) -> None:
    make_user("ana")

    response = client.post(
        URL, {"email": "ana@example.org", "password": "a long password", "next": goal}
    )

    assert response["Location"] == reverse("home")


def test_says_the_same_whoever_is_not_let_in(make_user: Any, client: Client) -> None:
    make_user("ana")
    make_user("gone", is_active=False)

    def refused(name: str) -> str:
        form = {"email": f"{name}@example.org", "password": "wrong one, long"}
        page = text(client.post(URL, form)).replace(f"{name}@", "somebody@")
        return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)

    assert refused("ana") == refused("gone") == refused("nobody")
    assert "E-mail and password do not belong together." in refused("nobody")


def test_who_is_signed_in_is_sent_on(make_user: Any) -> None:
    assert signed_in(make_user("ana")).get(URL).status_code == 302


def test_signs_out_by_post_only(make_user: Any) -> None:
    client = signed_in(make_user("ana"))

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/account/").status_code == 302


def test_forms_need_their_token(make_user: Any) -> None:
    make_user("ana")
    client = Client(enforce_csrf_checks=True)

    response = client.post(URL, {"email": "ana@example.org", "password": "a long password"})

    assert response.status_code == 403
