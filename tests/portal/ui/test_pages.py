"""The frames of all pages, and what is shown when a request cannot be answered."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.template import engines
from django.test import Client, RequestFactory, override_settings
from django.urls import path, resolve, reverse

from portal.ui import errors
from portal.ui.middleware import HEADER, RequestIdMiddleware
from portal.ui.navigation import ROUTES, WITHOUT_TEAM, place, section_of
from portal.urls import urlpatterns as portal_urls

MANIFEST = Path(settings.DJANGO_VITE["default"]["manifest_path"])
built = pytest.mark.skipif(not MANIFEST.exists(), reason="the frontend is not built")


def boom(request: Any) -> HttpResponse:
    raise RuntimeError("a fault")


urlpatterns = [path("boom/", boom), *portal_urls]
handler404, handler500 = errors.not_found, errors.server_error


@built
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (errors.bad_request, 400),
        (errors.denied, 403),
        (errors.not_found, 404),
    ],
)
def test_errors_say_what_is_safe_and_what_to_do(answer: Any, status: int) -> None:
    request = RequestFactory().get("/")
    request.request_id = "0a1b2c"  # type: ignore[attr-defined]
    response = answer(request, Exception("Only an owner may do this."))
    page = response.content.decode()
    assert response.status_code == status
    assert "What to do:" in page
    assert "0a1b2c" in page
    assert ("Only an owner may do this." in page) == (status == 403)


@built
@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_shows_its_reference_and_nothing_of_the_fault() -> None:
    response = Client(raise_request_exception=False).get("/boom/")
    page = response.content.decode()
    assert response.status_code == 500
    assert response[HEADER] in page
    assert "RuntimeError" not in page


def test_the_reference_is_never_the_callers() -> None:
    request = RequestFactory().get("/", headers={HEADER: "forged"})
    response = RequestIdMiddleware(lambda _: HttpResponse())(request)
    assert response[HEADER] != "forged"


@pytest.mark.parametrize("key", sorted(ROUTES))
def test_every_place_of_a_team_has_a_page(key: str) -> None:
    assert place(key, "neuro").startswith("/t/neuro/")


@pytest.mark.parametrize("key", sorted(WITHOUT_TEAM))
def test_places_for_those_in_no_team(key: str) -> None:
    assert place(key).startswith("/")


def test_no_place_of_a_team_without_a_team() -> None:
    assert place("models") == ""


@pytest.mark.parametrize(
    ("route", "section"),
    [
        ("registry:models", "models"),
        ("intake:hand-in", "models"),
        ("audits:protocols", "protocols"),
        ("accounts:team-settings", "team"),
        ("home-team", "home"),
    ],
)
def test_the_current_place_follows_from_the_address(route: str, section: str) -> None:
    assert section_of(resolve(reverse(route, args=["neuro"]))) == section


@built
def test_the_foot_of_a_printed_document_is_one_quoted_string() -> None:
    source = '{% extends "doc.html" %}{% block footer %}R-1 "x" & y{% endblock %}'
    page = engines["django"].from_string(source).render({})
    assert 'style="--runfoot: &quot;R-1 \\22 x\\22  &amp; y&quot;"' in page


@built
def test_a_page_loads_nothing_from_elsewhere() -> None:
    page = engines["django"].from_string('{% extends "base.html" %}').render({})
    assert "//" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<style" not in page
