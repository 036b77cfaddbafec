"""Whatever has a team in its address answers 404 to everybody outside that team.

The addresses come from the resolver, so a page added tomorrow is tested tomorrow.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.audits.planning import write_protocol
from portal.blobs import store
from portal.intake.actions import hand_in
from portal.intake.models import UploadKind
from portal.reports.actions import share
from portal.reports.models import Report
from portal.seen.models import Seen
from tests.portal.people import signed_in

Page = tuple[str, tuple[str, ...]]


def team_pages() -> list[Page]:
    """The name of every view that takes a team, and what else it takes."""
    return [page for page in walk(get_resolver()) if "team" in page[1]]


def walk(
    resolver: URLResolver, spaces: tuple[str, ...] = (), taken: tuple[str, ...] = ()
) -> Iterator[Page]:
    for pattern in resolver.url_patterns:
        takes = (*taken, *pattern.pattern.converters)
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from walk(pattern, inner, takes)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield ":".join((*spaces, pattern.name)), takes


PAGES = team_pages()
BELONGS_TO_NOBODY = {"intake:example"}  # files to start a folder from


@pytest.fixture
def things(
    make_team: Callable[..., Any],
    make_audit: Callable[..., Any],
    make_predictions: Callable[..., Any],
) -> dict[str, Any]:
    """One of everything in a team, under the names that the addresses use."""
    team = make_team("Neuro")
    audit = make_audit(team)
    case = audit.cohort_version.cases.first()
    blob = store.put_bytes(b"{}")
    report = Report.objects.create(
        team=team, audit=audit, number=1, title="t", verdict="pass", headline="h",
        audit_json=blob, content=blob,
    )  # fmt: skip
    link, _ = share(actor=team.owner, report=report, for_whom="somebody")
    upload = hand_in(
        actor=team.owner, team=team, kind=UploadKind.MODEL, file_name="m.zip", blob=blob
    )
    protocol = write_protocol(actor=team.owner, team=team, name="Ours", body={"is_default": True})
    seen = Seen.objects.create(
        version=audit.model_version, case=case, engine="0", created_by=team.owner,
        steps=[{"pictures": [blob.pk]}], volume={"shape": [1, 1, 1], "blob": blob.pk},
    )  # fmt: skip
    return {
        "team": team,
        "seen:version_id": audit.model_version_id,
        "seen:case_id": case.pk,
        "seen_id": seen.pk,
        "step": 0,
        "at": 0,
        "strip": 0,
        "severity": 0,
        "structure": 0,
        "user_id": team.owner.pk,
        "model_id": audit.model_version.model_id,
        "registry:version_id": audit.model_version_id,
        "cohorts:version_id": audit.cohort_version_id,
        "predictions_id": make_predictions(team).pk,
        "upload_id": upload.pk,
        "cohort_id": audit.cohort_version.cohort_id,
        "cohorts:case_id": case.pk,
        "reports:case_id": case.case_id,
        "image_id": case.images.get().pk,
        "sha256": case.images.get().blob_id,
        "audit_id": audit.pk,
        "protocol_id": protocol.pk,
        "report_id": report.pk,
        "link_id": link.pk,
        "name": "model.yaml",
        # the cohort has no DICOM: tests of dicomweb ask strangers for what is there
        "study": "1.2",
        "series": "1.2",
        "instance": "1.2",
        "dicomweb-cohort:version_id": audit.cohort_version_id,
        "frames": "1",
        "place": "pixels",
    }


def address(page: Page, things: dict[str, Any], slug: str) -> str:
    name, takes = page
    app = name.partition(":")[0]
    given = {
        key: things.get(f"{app}:{key}", things.get(key, uuid4())) for key in takes if key != "team"
    }
    return reverse(name, kwargs={"team": slug, **given})


def asked(client: Client, url: str) -> int:
    """The status of the page, however it is asked for."""
    response = client.get(url)
    return client.post(url).status_code if response.status_code == 405 else response.status_code


def test_the_resolver_is_walked() -> None:
    names = {name for name, _ in PAGES}

    assert {"home-team", "registry:version", "cohorts:image", "reports:pdf"} <= names


def test_a_stranger_cannot_tell_that_anything_exists(
    things: dict[str, Any], make_team: Callable[..., Any]
) -> None:
    stranger = signed_in(make_team("Elsewhere").owner)
    slug = things["team"].slug

    answers = {page[0]: asked(stranger, address(page, things, slug)) for page in PAGES}

    assert {name: status for name, status in answers.items() if status != 404} == {}


def test_things_of_another_team_are_not_reached_through_the_own_one(
    things: dict[str, Any], make_team: Callable[..., Any]
) -> None:
    team = make_team("Elsewhere")
    stranger = signed_in(team.owner)
    about_a_thing = [
        page for page in PAGES if len(page[1]) > 1 and page[0] not in BELONGS_TO_NOBODY
    ]

    answers = {page[0]: asked(stranger, address(page, things, team.slug)) for page in about_a_thing}

    assert {name: status for name, status in answers.items() if status != 404} == {}


def test_nobody_gets_in_without_signing_in(things: dict[str, Any]) -> None:
    client = Client()
    slug = things["team"].slug

    answers = {page[0]: asked(client, address(page, things, slug)) for page in PAGES}

    # Programs are told that they need a token; pages send a person to sign in.
    asked_in = {name: 401 if name.startswith("dicomweb-") else 302 for name in answers}
    assert {name: status for name, status in answers.items() if status != asked_in[name]} == {}
