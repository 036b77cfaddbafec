"""The bytes of an image: shown, and as handed in"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts.models import Image
from tests.conftest import png_bytes


@pytest.fixture
def image(team: Any, make_cohort_version: Callable[..., Any]) -> Image:
    return Image.objects.get(case__version=make_cohort_version(team), case__case_id="c3")


def url(name: str, team: Any, image: Image) -> str:
    return reverse(f"cohorts:{name}", args=[team.slug, image.pk])


def test_serves_the_pixels_and_lets_them_do_nothing(
    team: Any, image: Image, as_viewer: Client
) -> None:
    response = as_viewer.get(url("image", team, image))

    assert response.content == png_bytes(30)
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"


def test_the_type_is_what_intake_read(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    store.put_bytes(png_bytes(30), "text/html")  # the same bytes came before, as something else
    image = Image.objects.get(case__version=make_cohort_version(team), case__case_id="c3")

    assert as_viewer.get(url("image", team, image))["Content-Type"] == "image/png"


def test_what_a_browser_cannot_show_is_not_shown(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team, sealed=False)
    Image.objects.filter(case__version=version).update(media_type="image/svg+xml")
    image = Image.objects.filter(case__version=version).first()
    assert image is not None

    response = as_viewer.get(url("image", team, image))

    assert response["Content-Type"] == "application/octet-stream"


def test_the_original_is_saved_under_its_name(team: Any, image: Image, as_viewer: Client) -> None:
    response = as_viewer.get(url("original", team, image))

    assert response["Content-Disposition"] == 'attachment; filename="c3.png"'
    assert response["Content-Type"] == "application/octet-stream"
    assert response.content == png_bytes(30)


def test_a_damaged_file_is_not_served(team: Any, image: Image, as_viewer: Client) -> None:
    Blob.objects.get(pk=image.display_id)
    place = store.local_path(image.display, store.Path("unused"))
    place.chmod(0o600)
    place.write_bytes(b"other bytes")

    with pytest.raises(store.Damaged):
        as_viewer.get(url("image", team, image))


@pytest.mark.parametrize("name", ["image", "original"])
def test_a_stranger_sees_nothing(team: Any, image: Image, as_stranger: Client, name: str) -> None:
    assert as_stranger.get(url(name, team, image)).status_code == 404
