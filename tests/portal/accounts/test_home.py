"""/ and /t/<team>/"""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from portal.audits.models import Audit, CheckRun, Finding
from portal.blobs import store
from portal.intake.actions import hand_in
from portal.intake.models import Upload, UploadKind
from portal.reports.actions import share
from portal.reports.models import Report
from tests.portal.people import signed_in, text

AUROC = {
    "id": "auroc", "value": 0.821, "low": 0.796, "high": 0.843, "level": 0.95, "n": 3000,
    "n_events": 1500, "convention": "", "method": "cluster bootstrap", "reason": None,
}  # fmt: skip


def sealed_report(team: Any, audit: Audit) -> Report:
    """A report with one measure, as the lists read it."""
    run = CheckRun.objects.get(audit=audit, check_id="discrimination")
    CheckRun.objects.filter(pk=run.pk).update(result={"measures": [AUROC]})
    limit = {"measure": "auroc", "value": 0.85, "direction": "min", "origin": "literature"}
    Finding.objects.create(
        audit=audit, check_run=run, finding_id="f", position=0, state="fail", claim="Too low.",
        body={"measure": "auroc", "limit": limit},
    )  # fmt: skip
    blob = store.put_bytes(b"{}")
    return Report.objects.create(
        team=team, audit=audit, number=1, title=audit.title, verdict="fail",
        headline="Misses two tumours in three.", audit_json=blob, content=blob,
    )  # fmt: skip


def test_leads_to_the_team_last_looked_at(make_team: Callable[..., Any]) -> None:
    alpha = make_team("Alpha")
    beta = make_team("Beta", owner=alpha.owner)
    client = signed_in(alpha.owner)
    assert client.get("/")["Location"] == alpha.get_absolute_url()

    client.get(beta.get_absolute_url())

    assert client.get("/")["Location"] == beta.get_absolute_url()


def test_without_a_team_it_says_whom_to_ask(make_user: Callable[..., Any]) -> None:
    assert "You are in no team yet" in text(signed_in(make_user("ana")).get("/"))


def test_an_empty_team_is_told_how_to_begin(team: Any, as_owner: Client, as_viewer: Client) -> None:
    for_owner, for_viewer = (
        text(as_owner.get(team.get_absolute_url())),
        text(as_viewer.get(team.get_absolute_url())),
    )

    assert "Nothing here yet" in for_owner
    assert reverse("intake:hand-in", args=[team.slug]) + "?kind=model" in for_owner
    assert "Hand in a model, then a cohort" not in for_viewer


def test_shows_what_was_found_and_what_is_shared(
    team: Any, as_owner: Client, make_audit: Callable[..., Any]
) -> None:
    report = sealed_report(team, make_audit(team))
    share(actor=team.owner, report=report, for_whom="Notified body")

    shown = text(as_owner.get(team.get_absolute_url()))

    assert "Misses two tumours in three." in shown
    assert "0.821" in shown
    assert "[0.796, 0.843]" in shown
    assert "limit ≥ 0.85; fail" in shown
    assert "Notified body" in shown
    assert "<b>1</b>, no limit" in shown  # looks


def test_what_waits_depends_on_what_one_may(
    team: Any, as_owner: Client, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    make_cohort_version(team, sealed=False)
    blob = store.put_bytes(b"x")
    upload = hand_in(
        actor=team.owner, team=team, kind=UploadKind.MODEL, file_name="m.zip", blob=blob
    )
    Upload.objects.filter(pk=upload.pk).update(state="failed", error="It needed too much memory.")

    for_owner = text(as_owner.get(team.get_absolute_url()))

    assert "2 things wait for you." in for_owner
    assert "It needed too much memory." in for_owner
    assert "Nothing waits for you." in text(as_viewer.get(team.get_absolute_url()))


def test_what_runs_is_asked_for_until_nothing_does(
    team: Any, as_owner: Client, make_audit: Callable[..., Any]
) -> None:
    audit = make_audit(team)
    url = reverse("accounts:running", args=[team.slug])

    during = text(as_owner.get(url))
    Audit.objects.filter(pk=audit.pk).update(state="stopped")
    after = text(as_owner.get(url))

    assert "data-live-url" in during
    assert "0 of 6 cases" in during
    assert "data-live-url" not in after
    assert 'data-live-done="reload"' in after


def test_a_stranger_sees_nothing(team: Any, as_stranger: Client) -> None:
    assert as_stranger.get(team.get_absolute_url()).status_code == 404
