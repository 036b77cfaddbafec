"""/t/<team>/hand-in/endpoint/: the form of a model that stays on its server."""

from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from ml.intake.model_manifest import ModelManifest
from portal.accounts.actions import allow_models
from portal.blobs import store
from portal.intake import actions
from portal.intake.endpoint_form import PLACES, EndpointForm, field_of
from portal.intake.models import Upload
from portal.leases import claim
from tests.portal.people import text

TYPED = {
    "name": "Chest classifier",
    "version": "3.1",
    "intended_use": "",
    "url": "https://models.example.org/serving",
    "model": "cxr",
    "model_version": "",
    "tensor": "image",
    "output": "scores",
    "datatype": "FP32",
    "sent_as": "binary",
    "most_cases": "8",
    "seconds": "30",
    "size": "224, 224",
    "colour": "rgb",
    "layout": "NCHW",
    "window": "",
    "scale": "255",
    "mean": "0.5, 0.5, 0.5",
    "std": "0.25",
    "kind": "logits",
    "activation": "softmax",
    "classes": "normal, finding",
    "positive": "finding",
    "threshold": "0.4",
}


def url(team: Any) -> str:
    return reverse("intake:endpoint", args=[team.slug])


@pytest.fixture
def allowed(team: Any) -> Any:
    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=True)
    team.refresh_from_db()
    return team


def errors(**changes: str) -> dict[str, list[str]]:
    form = EndpointForm(TYPED | changes)
    assert form.is_valid() is not bool(form.errors)
    return {name: list(found) for name, found in form.errors.items()}


def test_the_page_of_handing_in_leads_to_it_where_it_is_allowed(
    team: Any, as_owner: Client
) -> None:
    page = reverse("intake:hand-in", args=[team.slug])
    assert "How to allow it" in text(as_owner.get(page))
    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=True)
    assert "Fill in a form" in text(as_owner.get(page))


def test_where_it_is_not_allowed_there_is_no_form_but_a_way(
    team: Any, as_owner: Client, as_viewer: Client
) -> None:
    shown = text(as_owner.get(url(team)))
    assert "allow them in the team settings" in shown
    assert reverse("accounts:team-settings", args=[team.slug]) in shown
    assert 'name="url"' not in shown
    assert "An owner of the team can allow them" in text(as_viewer.get(url(team)))
    assert as_owner.post(url(team), TYPED).status_code == 422
    assert not Upload.objects.exists()


def test_what_was_typed_becomes_the_manifest(allowed: Any, as_owner: Client) -> None:
    response = as_owner.post(url(allowed), TYPED)

    upload = Upload.objects.get()
    assert response["Location"] == upload.get_absolute_url()
    assert (upload.kind, upload.file_name) == ("model", "model.yaml")
    manifest = ModelManifest.model_validate(yaml.safe_load(store.read_bytes(upload.blob)))
    assert manifest.format == "endpoint"
    assert manifest.url == TYPED["url"]
    assert manifest.endpoint is not None
    assert (manifest.endpoint.model, manifest.endpoint.version) == ("cxr", None)
    assert (manifest.endpoint.input, manifest.output.name) == ("image", "scores")
    assert manifest.input.intensity.mean == [0.5, 0.5, 0.5]
    assert manifest.input.intensity.std == 0.25
    assert manifest.output.classes == ["normal", "finding"]
    assert manifest.operating_points[0].threshold == 0.4


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://models.example.org", "Only https is called"),
        ("https://models.example.org:8443", "The port 8443 is not 443"),
        ("https://user:secret@models.example.org", "holds a name or password"),
        ("https://169.254.169.254", "metadata service"),
        ("https://10.0.0.1/serving", "private or reserved network"),
        ("https://[::ffff:127.0.0.1]", "private or reserved network"),
        ("https://2130706433", "neither a name nor an IP address"),
        ("https://models.example.org/?x=1", "nothing after ? or #"),
        ("ftp://models.example.org", "does not begin with https://"),
    ],
)
def test_an_address_that_may_not_be_called_is_said_beside_it(address: str, says: str) -> None:
    found = errors(url=address)

    assert set(found) == {"url"}
    assert says in found["url"][0]


def test_a_host_on_the_operators_list_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "url" in errors(url="http://triton.internal:8000")
    monkeypatch.setenv("ENDPOINT_ALLOWED_HOSTS", "http://triton.internal:8000")
    assert errors(url="http://triton.internal:8000") == {}
    monkeypatch.setenv("ENDPOINT_ALLOWED_HOSTS", "ftp://x")
    assert "cannot be read" in errors()["url"][0]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("size", "224", "2 numbers"),
        ("size", "9000, 9000", "from 1 to 8192"),
        ("mean", "a, b", "Numbers, with commas"),
        ("model", "../other", "pattern"),
        ("most_cases", "65", "less than or equal to 64"),
        ("positive", "nothing", "positive names what is not a class"),
        ("classes", "a, a", "every class is named once"),
        ("window", "400, -1000", "low below high"),
        ("threshold", "2", "less than or equal to 1"),
        ("std", "-1", "std must be above zero"),
    ],
)
def test_what_the_manifest_refuses_is_said_beside_a_field(
    field: str, value: str, says: str
) -> None:
    found = errors(**{field: value})

    assert any(says in sentence for said in found.values() for sentence in said)
    assert "__all__" not in found


def test_what_cannot_be_printed_is_refused() -> None:
    assert "unprintable" in str(errors(name="a\u2028b"))


def test_every_field_has_its_place() -> None:
    assert set(PLACES.values()) == set(EndpointForm().fields)
    shown = [name for _, names in EndpointForm.SECTIONS for name in names]
    assert sorted(shown) == sorted(EndpointForm().fields)
    assert field_of(("endpoint", "unknown")) is None
    assert field_of(("output", "classes", 3)) == "classes"


def test_a_refusal_of_the_worker_comes_back_to_the_form(
    allowed: Any, as_owner: Client, as_viewer: Client
) -> None:
    as_owner.post(url(allowed), TYPED)
    upload = Upload.objects.get()
    fence = claim(Upload, upload.pk)
    assert fence is not None
    refusal = {"code": "endpoint_refused", "message": "The address leads into a private network."}
    actions.refuse(upload, fence, [refusal], [])

    page = text(as_owner.get(upload.get_absolute_url()))
    assert f"{url(allowed)}?again={upload.pk}" in page
    again = text(as_owner.get(url(allowed), {"again": str(upload.pk)}))

    assert 'value="https://models.example.org/serving"' in again
    assert "leads into a private network. (endpoint_refused)</li>" in again
    assert "Nothing was handed in." in again
    for other in ({"again": "x"}, {"again": str(upload.pk)}):
        assert "private network" not in text(as_viewer.get(url(allowed), other))


def test_who_may_not_hand_in_a_model_has_no_form(allowed: Any, as_viewer: Client) -> None:
    assert "Your role may not hand in a model." in text(as_viewer.get(url(allowed)))
    assert as_viewer.post(url(allowed), TYPED).status_code == 403
    assert not Upload.objects.exists()


def test_a_stranger_finds_nothing(allowed: Any, as_stranger: Client) -> None:
    assert as_stranger.get(url(allowed)).status_code == 404
    assert as_stranger.post(url(allowed), TYPED).status_code == 404
