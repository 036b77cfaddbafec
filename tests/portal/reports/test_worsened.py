"""What the model saw of corruptions, on the page of a report: asked for, awaited, shown, shared."""

from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from ml.corruptions.registry import SEVERITIES
from portal.leases import claim
from portal.reports import worsened
from portal.reports.doors import paper_door
from portal.reports.frozen import open_report
from portal.reports.report_page import document_context
from portal.seen import actions
from portal.seen.models import Worsened
from tests.conftest import png_bytes
from tests.portal.people import text
from tests.portal.reports.conftest import BROKEN, TOO_MUCH, WRONG_TEST

Address = Callable[..., str]


@pytest.fixture
def report(team: Any, make_report: Callable[..., Any]) -> Any:
    return make_report(team, stressed=True)


def made(report: Any, *, refused: int | None = None) -> Worsened:
    """As a worker leaves it: every picture another one; of one strip the reason why not."""
    owner = report.team.memberships.get(role="owner").user
    wanted = worsened.wanted(open_report(report))
    row = actions.ask_worsened(actor=owner, audit=report.audit, wanted=wanted)
    fence = claim(Worsened, row.pk)
    assert fence is not None
    strips: list[Any] = [
        ({"code": "", "message": ""}, [png_bytes((6 * at + one) % 256) for one in range(6)])
        for at in range(len(wanted))
    ]
    if refused is not None:
        strips[refused] = ({"code": "image_missing", "message": "The image is gone."}, [])
    actions.keep_worsened(row, fence, strips)
    row.refresh_from_db()
    return row


def test_looking_makes_nothing_and_asking_makes_one(
    as_viewer: Client, report: Any, address: Address
) -> None:
    before = text(as_viewer.get(address("report")))
    assert "What the corruptions look like" in before
    assert "Show what the model saw" in before
    assert not Worsened.objects.exists()

    for _ in range(2):
        answer = as_viewer.post(address("worsened-make"))

    assert answer["Location"] == f"{address('report')}#worsened"
    row = Worsened.objects.get()
    assert len(row.wanted) == 13
    assert row.wanted[0][0] == BROKEN, "what is too much comes first"
    after = text(as_viewer.get(address("report")))
    assert "Waiting for a worker." in after
    assert f'data-live-url="{address("worsened-progress")}"' in after
    Worsened.objects.update(state="running", progress_done=4)
    part = text(as_viewer.get(address("worsened-progress")))
    assert "4 of 13 corruptions drawn." in part
    assert "data-live-url" in part


def test_the_case_is_right_as_it_is_and_wrong_where_it_is_first_too_much(report: Any) -> None:
    frozen = open_report(report)
    (first, case_id), *others = worsened.wanted(frozen)

    case = frozen.by_id[case_id]
    assert first == BROKEN
    assert case.score is not None
    assert (case.score >= 0.5) == case.present
    assert case_id != WRONG_TEST
    assert {name for name, _ in others} == {
        panel["corruption"]
        for check in frozen.checks
        for series in check.get("series") or []
        if series["kind"] == "stress-curves"
        for panel in series["panels"]
    } - {BROKEN}


def test_shows_every_severity_with_its_value_and_what_was_answered(
    as_viewer: Client, report: Any, address: Address
) -> None:
    made(report)

    page = text(as_viewer.get(address("report")))

    assert "data-live-url" not in page
    assert page.count('loading="lazy"') >= 13 * (SEVERITIES + 1)
    (_, strip), *_ = [
        part.partition(" open>")[::2] for part in page.split('<details class="strip"')[1:]
    ]
    assert "from severity 3" in strip
    shots = strip.split("<li")[1:]
    assert len(shots) == SEVERITIES + 1
    for severity, shot in enumerate(shots):
        assert f'src="{address("worsened-picture", 0, severity)}"' in shot
        assert ("</svg>wrong" in shot) == (severity >= TOO_MUCH)
        assert ("</svg>right" in shot) == (severity < TOO_MUCH)
        assert (' class="much"' in shot) == (severity == TOO_MUCH)
    assert "<b>as it is</b>" in shots[0]
    assert "<b>2: 0.25</b>" in shots[2]
    case_id = worsened.wanted(open_report(report))[0][1]
    alt = f"Case {case_id}, MONOCHROME1 not inverted: severity 2, share of the cases 0.25"
    assert f'alt="{alt}"' in shots[2]
    answer = as_viewer.get(address("worsened-picture", 1, 2))
    assert (answer.content, answer["Content-Type"]) == (png_bytes(8), "image/png")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    for at, severity in ((13, 0), (0, 6)):
        assert as_viewer.get(address("worsened-picture", at, severity)).status_code == 404


def test_an_image_that_is_gone_is_said_and_costs_its_own_strip(
    as_viewer: Client, report: Any, address: Address
) -> None:
    made(report, refused=0)

    page = text(as_viewer.get(address("report")))

    assert "could not be prepared. The image is gone." in page
    assert address("worsened-picture", 0, 1) not in page
    assert address("worsened-picture", 1, 1) in page
    assert as_viewer.get(address("worsened-picture", 0, 1)).status_code == 404


def test_what_failed_says_so_and_can_be_asked_for_again(
    as_viewer: Client, report: Any, address: Address
) -> None:
    as_viewer.post(address("worsened-make"))
    Worsened.objects.update(state="failed", attempts=5, error="It was killed.")

    page = text(as_viewer.get(address("report")))
    assert "The pictures could not be made." in page
    assert "It was killed. 5 attempts" in page
    as_viewer.post(address("worsened-make"))

    row = Worsened.objects.get()
    assert (row.state, row.attempts, row.error) == ("waiting", 0, "")


def test_a_stranger_finds_nothing(as_stranger: Client, report: Any, address: Address) -> None:
    made(report)

    for name, more in (("worsened-progress", ()), ("worsened-picture", (0, 0))):
        assert as_stranger.get(address(name, *more)).status_code == 404
    assert as_stranger.post(address("worsened-make")).status_code == 404
    assert Client().get(address("worsened-picture", 0, 0)).status_code == 302


def test_a_link_with_images_shows_what_the_team_had_made(
    report: Any, make_link: Callable[..., Any]
) -> None:
    _, url = make_link(with_images=True)
    visitor = Client()
    picture = reverse("shared:worsened-picture", args=[url.split("/")[2], 0, 1])

    before = text(visitor.get(url))
    assert "The team has not had these pictures made." in before
    assert "worsened/make" not in before
    assert visitor.get(picture).status_code == 404
    made(report)

    after = visitor.get(url)
    assert f'src="{picture}"' in text(after)
    assert f"/t/{report.team.slug}" not in text(after)
    assert not after.cookies
    shown = visitor.get(picture)
    assert shown.content == png_bytes(1)
    assert shown["Cache-Control"] == "private, no-store"


def test_a_link_without_images_shows_none(report: Any, make_link: Callable[..., Any]) -> None:
    made(report)
    _, url = make_link()
    visitor = Client()

    page = text(visitor.get(url))

    assert "What the corruptions look like" in page
    assert "/worsened/" not in page
    picture = reverse("shared:worsened-picture", args=[url.split("/")[2], 0, 1])
    assert visitor.get(picture).status_code == 404


def test_paper_says_why_it_has_none(report: Any) -> None:
    made(report)
    context = document_context(report, paper_door(with_images=True))

    page = render_to_string("reports/paper.html", context)

    assert "they are not printed here" in page
    assert "worsened/0" not in page
    assert "strip-1" not in page


def test_a_report_without_corruptions_has_no_place_for_them(
    as_owner: Client, team: Any, make_report: Callable[..., Any]
) -> None:
    plain = make_report(team)
    page = text(as_owner.get(reverse("reports:report", args=[team.slug, plain.pk])))

    assert "What the corruptions look like" not in page
    make = reverse("reports:worsened-make", args=[team.slug, plain.pk])
    assert as_owner.post(make).status_code == 404


def test_a_report_that_was_sealed_before_cases_were_named_has_none(report: Any) -> None:
    frozen = open_report(report)
    (series,) = (
        series
        for check in frozen.checks
        for series in check.get("series") or []
        if series["kind"] == "stress-curves"
    )
    kept = [panel.pop("shown") for panel in series["panels"]]
    try:
        assert worsened.wanted(frozen) == []
        assert worsened.of(frozen, paper_door(with_images=True), report.audit) is None
    finally:  # the content is shared between tests of this process
        for panel, shown in zip(series["panels"], kept, strict=True):
            panel["shown"] = shown
