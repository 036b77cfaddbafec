"""Share links: made, opened, ended, expired; and what they never reach."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.reports import pdf
from portal.reports.frozen import open_report
from portal.reports.models import ShareLink
from portal.trail.models import TrailEvent

Address = Callable[..., str]
MakeLink = Callable[..., Any]


def test_who_may_share(
    as_owner: Client, as_viewer: Client, as_stranger: Client, address: Address
) -> None:
    form = {"for_whom": "Notified body", "days": "30"}
    assert as_viewer.get(address("share")).status_code == 403
    assert as_viewer.post(address("share"), form).status_code == 403
    assert as_stranger.post(address("share"), form).status_code == 404
    assert as_owner.get(address("share")).status_code == 200
    assert not ShareLink.objects.exists()


def test_the_address_is_shown_once(as_owner: Client, address: Address) -> None:
    form = {"for_whom": "Notified body", "purpose": "conformity 118", "days": "30"}
    response = as_owner.post(address("share"), form)
    assert response["Cache-Control"] == "no-store"
    html = response.content.decode()
    link = ShareLink.objects.get()
    shown = html.split('id="address" readonly value="', 1)[1].split('"', 1)[0]
    assert shown.startswith("http://testserver/r/")
    assert Client().get(shown.removeprefix("http://testserver")).status_code == 200
    assert not link.with_images
    assert timedelta(days=29) < link.expires_at - timezone.now() < timedelta(days=31)
    again = as_owner.get(address("share")).content.decode()
    assert shown not in again
    assert "Notified body" in again


def test_a_form_without_a_name_says_so(as_owner: Client, address: Address) -> None:
    html = as_owner.post(address("share"), {"for_whom": "", "days": "30"}).content.decode()
    assert "This field is required." in html
    assert not ShareLink.objects.exists()


def test_a_shared_report_needs_no_session_and_has_no_way_in(
    make_link: MakeLink, report: Any
) -> None:
    _, url = make_link(purpose="conformity assessment 118")
    response = Client().get(url)
    html = response.content.decode()
    assert response.status_code == 200
    assert not response.cookies
    assert report.headline in html
    assert "Shared with you" in html
    assert "conformity assessment 118" in html
    assert f"/t/{report.team.slug}" not in html
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in response["Cache-Control"]


def test_openings_count_visits_of_the_report_page(make_link: MakeLink) -> None:
    link, url = make_link()
    visitor = Client()
    visitor.get(url)
    visitor.get(f"{url}cases/")
    visitor.get(f"{url}case/c1/")
    visitor.head(url)
    link.refresh_from_db()
    assert link.openings == 1
    assert link.last_opened_at is not None
    assert TrailEvent.objects.filter(action="share link opened").count() == 1


def test_images_only_where_they_were_shared(make_link: MakeLink, report: Any) -> None:
    sha256 = next(iter(open_report(report).pictures))
    _, without = make_link()
    _, with_images = make_link(with_images=True)
    visitor = Client()
    assert visitor.get(f"{without}image/{sha256}").status_code == 404
    assert visitor.get(f"{with_images}image/{sha256}").status_code == 200
    page = visitor.get(f"{without}case/c1/").content.decode()
    assert "Pixels were not shared with this link." in page
    assert "<img" not in page
    assert "<img" not in visitor.get(without).content.decode()
    assert "<img" in visitor.get(f"{with_images}case/c1/").content.decode()


def test_files_come_through_the_link(make_link: MakeLink, report: Any) -> None:
    _, url = make_link()
    visitor = Client()
    response = visitor.get(f"{url}audit.json")
    assert response["X-Content-SHA256"] == report.audit_json_id
    assert response["Referrer-Policy"] == "no-referrer"
    assert visitor.get(f"{url}csv/cases.csv").status_code == 200
    assert visitor.get(f"{url}cases/?filter=missed").status_code == 200
    if pdf.is_available():
        assert visitor.get(f"{url}report.pdf").content.startswith(b"%PDF-")


def test_a_link_gives_no_id_of_a_patient(
    as_owner: Client, address: Address, make_link: MakeLink, report: Any
) -> None:
    known = open_report(report).by_id["c1"].patient_id
    assert known
    _, url = make_link()
    mine = as_owner.get(address("csv", "cases")).content.decode()
    assert "patient_id" in mine
    assert f",{known}," in mine
    given = Client().get(f"{url}csv/cases.csv").content.decode()
    assert "patient_id" not in given
    assert f"{known}," not in given
    assert ",patient 1," in given
    assert f">{known}<" in as_owner.get(address("case", "c1")).content.decode()
    assert f">{known}<" not in Client().get(f"{url}case/c1/").content.decode()
    assert "(its covariates)" in as_owner.get(address("share")).content.decode()


def test_a_link_reaches_its_own_report_only(
    make_link: MakeLink, make_team: Callable[..., Any], make_report: Callable[..., Any]
) -> None:
    _, url = make_link(with_images=True)
    other = make_report(make_team("Other"), n=30)
    visitor = Client()
    mine = open_report(ShareLink.objects.get().report).pictures
    foreign = set(open_report(other).pictures) - set(mine)
    assert foreign
    assert visitor.get(f"{url}image/{foreign.pop()}").status_code == 404
    assert visitor.get(f"{url}image/{other.audit_json_id}").status_code == 404
    assert visitor.get(f"{url}case/c27/").status_code == 404
    assert visitor.get(other.get_absolute_url()).status_code == 302  # to the sign-in page
    assert visitor.get(f"/r/{other.pk}/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("rest", ["", "cases/", "case/c1/", "audit.json", "report.pdf"])
def test_an_unknown_token(rest: str) -> None:
    assert Client().get(f"/r/no-such-token/{rest}").status_code == 404


def test_ending_a_link(
    as_owner: Client,
    as_viewer: Client,
    as_stranger: Client,
    address: Address,
    make_link: MakeLink,
    report: Any,
) -> None:
    link, url = make_link()
    end = address("end-link", link.pk)
    assert as_viewer.post(end).status_code == 403
    assert as_stranger.post(end).status_code == 404
    assert as_owner.get(end).status_code == 405
    assert Client().get(url).status_code == 200
    assert as_owner.post(end).status_code == 302
    for rest in ("", "cases/", "case/c1/", "csv/cases.csv", "audit.json", "report.pdf"):
        response = Client().get(f"{url}{rest}")
        assert response.status_code == 410
        assert report.headline not in response.content.decode()
    html = Client().get(url).content.decode()
    assert "This link has ended" in html
    assert "ended it on" in html
    assert report.team.name in html
    link.refresh_from_db()
    assert link.openings == 1


def test_an_expired_link_says_until_when_it_lasted(make_link: MakeLink) -> None:
    link, url = make_link()
    ShareLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    response = Client().get(url)
    assert response.status_code == 410
    assert "to last until" in response.content.decode()
    assert response["X-Robots-Tag"] == "noindex, nofollow"


def test_a_link_of_another_report_cannot_be_ended_here(
    as_owner: Client, team: Any, make_report: Callable[..., Any], make_link: MakeLink
) -> None:
    link, _ = make_link()
    other = make_report(team, n=26)
    response = as_owner.post(f"{other.get_absolute_url()}links/{link.pk}/end/")
    assert response.status_code == 404


def test_a_member_who_opens_the_link_sees_it_as_a_guest(
    as_owner: Client, make_link: MakeLink, report: Any
) -> None:
    _, url = make_link()
    assert f"/t/{report.team.slug}" not in as_owner.get(url).content.decode()
