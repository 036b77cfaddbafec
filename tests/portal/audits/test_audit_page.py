"""One audit while it waits, runs, stops, fails, and once it is sealed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.audits.actions import fail_audit
from portal.audits.models import Audit, CheckRun, Evidence, LogLine, Shard
from portal.audits.planning import log, move
from portal.audits.states import AuditState
from portal.blobs import store
from portal.leases import WorkState
from portal.reports.actions import seal
from tests.portal.people import signed_in, text

Make = Callable[..., Any]


@pytest.fixture
def team(make_team: Make) -> Any:
    return make_team("Neuro")


@pytest.fixture
def audit(team: Any, make_audit: Make, make_cohort_version: Make) -> Any:
    return make_audit(team, cohort=make_cohort_version(team, n=120))


@pytest.fixture
def owner(team: Any) -> Client:
    return signed_in(team.owner)


def url(audit: Any, name: str) -> str:
    return reverse(f"audits:{name}", args=[audit.team.slug, audit.pk])


def run(audit: Any) -> None:
    move(audit, AuditState.WAITING, AuditState.RUNNING, started_at=timezone.now())


def finish(audit: Any, position: int, state: str = "done", **fields: Any) -> None:
    evidence, _ = Evidence.objects.get_or_create(
        team=audit.team, key="k", defaults={"blob": store.put_bytes(b"t"), "made_by": audit}
    )
    Shard.objects.filter(work__audit=audit, position=position).update(
        state=state, evidence=evidence, finished_at=timezone.now(), **fields
    )


def test_the_live_part_asks_again_until_the_audit_ends(owner: Client, audit: Any) -> None:
    page = text(owner.get(audit.get_absolute_url()))
    assert f'data-live-url="{url(audit, "progress")}" data-live-seconds="2"' in page
    assert f'data-live-url="{url(audit, "status")}" data-live-seconds="15"' in page
    move(audit, AuditState.WAITING, AuditState.STOPPED)
    fragment = text(owner.get(url(audit, "progress")))
    assert "data-live-url" not in fragment
    assert 'data-live-done="reload"' in fragment
    assert "data-live-url" not in text(owner.get(url(audit, "status")))
    page = text(owner.get(audit.get_absolute_url()))
    assert "data-live-done" not in page  # or it would load itself for ever
    assert "This audit is stopped." in page


def test_time_left_comes_from_finished_shards(owner: Client, audit: Any) -> None:
    run(audit)
    assert "time left not known yet" in text(owner.get(url(audit, "progress")))
    finish(audit, 0, attempts=1, n_done=50, seconds=100.0)
    Shard.objects.filter(position=1).update(state="running", attempts=1, n_done=25)
    fragment = text(owner.get(url(audit, "progress")))
    assert "about 1 min 30 s left" in fragment  # 45 cases at 2 s, one shard at a time
    assert "from 1 finished shard" in fragment
    assert "1 of 3 · 1 running" in fragment


def test_needs_a_look(owner: Client, audit: Any) -> None:
    run(audit)
    log(audit, "predict/0", "Attempt 1 failed. The child ran out of memory.")
    Shard.objects.filter(position=0).update(state="waiting", attempts=1, error="It ran out.")
    Shard.objects.filter(position=1).update(
        state="running", attempts=1, lease_until=timezone.now() - timedelta(seconds=5)
    )
    CheckRun.objects.filter(audit=audit, position=0).update(state="failed", error="It broke.")
    fragment = text(owner.get(url(audit, "progress")))
    assert "Shard predict/0 was retried.</b> It ran out. Attempt 2 of 5 comes next." in fragment
    assert "The worker on shard predict/1 does not answer." in fragment
    assert "could not finish." in fragment
    Shard.objects.filter(position=0).update(state="running", attempts=2, error="")
    fragment = text(owner.get(url(audit, "progress")))
    assert "The child ran out of memory. Attempt 2 of 5 runs now." in fragment
    assert '<i class="sh sh-retried"></i>' in fragment


def test_nobody_takes_it_up(owner: Client, audit: Any) -> None:
    assert "No worker has taken this up yet" not in text(owner.get(url(audit, "progress")))
    LogLine.objects.update(at=timezone.now() - timedelta(minutes=2))
    assert "No worker has taken this up yet" in text(owner.get(url(audit, "progress")))


def test_cases_without_an_answer_are_said(owner: Client, audit: Any) -> None:
    from portal.audits.models import CaseResult

    case = audit.cohort_version.cases.first()
    CaseResult.objects.create(
        audit=audit, case=case, pass_name="predict", outputs=None or [], error="image_unreadable"
    )
    fragment = text(owner.get(url(audit, "progress")))
    assert "The model gave no answer for 1 case." in fragment
    assert "image_unreadable: 1" in fragment


def test_reused_evidence_names_its_audit(
    owner: Client, team: Any, audit: Any, make_audit: Make
) -> None:
    finish(audit, 0, attempts=1, seconds=1.0)
    again = make_audit(team, cohort=audit.cohort_version, model=audit.model_version)
    run(again)
    finish(again, 0, state="reused", attempts=1, seconds=0.0)
    evidence = Evidence.objects.get()
    assert evidence.made_by == audit
    fragment = text(owner.get(url(again, "progress")))
    assert "1 reused from A-0001" in fragment
    assert '<i class="sh sh-reused"></i>' in fragment


def test_stop_and_resume(
    owner: Client, team: Any, audit: Any, make_member: Make, make_user: Make
) -> None:
    viewer, stranger = signed_in(make_member(team, "viewer")), signed_in(make_user("s"))
    assert "Stop after this shard" not in text(viewer.get(audit.get_absolute_url()))
    for name in ("stop", "resume"):
        assert viewer.post(url(audit, name)).status_code == 403
        assert stranger.post(url(audit, name)).status_code == 404
        assert owner.get(url(audit, name)).status_code == 405
    assert "nothing to take up" in text(owner.post(url(audit, "resume"), follow=True))
    assert "Stop after this shard" in text(owner.get(audit.get_absolute_url()))
    assert "Stopped." in text(owner.post(url(audit, "stop"), follow=True))
    assert "nothing to stop" in text(owner.post(url(audit, "stop"), follow=True))
    assert "Taken up again." in text(owner.post(url(audit, "resume"), follow=True))
    audit.refresh_from_db()
    assert audit.state == AuditState.WAITING


def test_a_failed_audit_says_why_and_can_be_retried(owner: Client, audit: Any) -> None:
    run(audit)
    Shard.objects.filter(position=1).update(
        state=WorkState.FAILED, attempts=5, error="It ran out of memory."
    )
    fail_audit(audit, audit.passes.get())
    page = text(owner.get(audit.get_absolute_url()))
    assert "This audit failed." in page
    assert "It ran out of memory." in page
    assert "Retry" in page
    assert "sh-failed" in page


def test_a_sealed_audit_leads_to_its_report(owner: Client, audit: Any) -> None:
    run(audit)
    for position in range(3):
        finish(audit, position, attempts=1, seconds=5.0)
    content = {"headline": {"verdict_sentence": "It may be relied on for nothing."}}
    report = seal(audit, {"schema": 1, "verdict": "fail"}, content)
    page = text(owner.get(audit.get_absolute_url()))
    assert f'href="{report.get_absolute_url()}"' in page
    assert "It may be relied on for nothing." in page
    assert "3 shards, 0 reused" in page
    assert "Stop" not in page
    assert Audit.objects.get().verdict == "fail"


def test_many_shards_share_squares(team: Any) -> None:
    from portal.audits.progress import PassProgress, ShardRow

    rows = [
        ShardRow(i, "failed" if i == 7 else "done", 1, 50, 50, 1.0, None, None, None, "", None)
        for i in range(1000)
    ]
    shown = PassProgress("predict", "running", 50_000, tuple(rows), 1)
    assert shown.cases_per_square == 5
    assert len(shown.squares) == 200
    assert shown.squares[1] == "failed"
