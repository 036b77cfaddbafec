"""The client against the portal itself, for everything that needs no worker."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from plumb import Client, PlumbError, Refused

from portal.accounts.actions import create_token
from portal.audits.models import Audit
from portal.audits.planning import move
from portal.audits.states import AuditState
from portal.blobs import store
from portal.intake.models import Upload
from portal.leases import WorkState
from portal.reports.actions import seal

Make = Callable[..., Any]


def test_who_one_is(plumb: Client, team: Any) -> None:
    assert plumb.me()["user"]["email"] == team.owner.email


def test_a_model_arrives_as_it_is(plumb: Client, model_folder: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    upload = plumb.push_model(model_folder, on_progress=lambda *at: told.append(at))
    kept = Upload.objects.get(pk=upload["id"])
    assert kept.file_name == "shade-net.zip"
    assert told[-1][0] == told[-1][1] > kept.blob.size_bytes
    arrived = tmp_path / "arrived.zip"
    arrived.write_bytes(store.read_bytes(kept.blob))
    with zipfile.ZipFile(arrived) as archive:
        assert archive.read("model.onnx") == (model_folder / "model.onnx").read_bytes()
    assert plumb.push_model(model_folder)["sha256"] == kept.blob_id  # the same bytes again


def test_a_cohort_and_predictions(plumb: Client, model_folder: Path) -> None:
    cohort = plumb.push_cohort(model_folder, seal=False)
    assert Upload.objects.get(pk=cohort["id"]).seal is False
    assert plumb.push_predictions(model_folder)["kind"] == "predictions"


def test_what_is_too_large_is_not_sent(plumb: Client, model_folder: Path) -> None:
    with override_settings(UPLOAD_MAX_BYTES=100), pytest.raises(PlumbError, match="at most 100"):
        plumb.push_model(model_folder)
    assert not Upload.objects.exists()


def test_waiting_until_it_is_read(plumb: Client, model_folder: Path) -> None:
    upload_id = plumb.push_model(model_folder)["id"]
    states = iter(
        [
            {"state": WorkState.RUNNING, "progress": "scanning"},
            {"state": WorkState.DONE, "refusals": [{"code": "pickle_refused", "message": "No."}]},
        ]
    )
    seen: list[str] = []

    def on_change(upload: dict[str, Any]) -> None:
        seen.append(upload["state"])
        Upload.objects.filter(pk=upload_id).update(**next(states, {}))

    with pytest.raises(Refused) as refused:
        plumb.wait_for_upload(upload_id, every=0.01, on_change=on_change)
    assert seen == ["waiting", "running", "done"]
    assert refused.value.refusals[0]["code"] == "pickle_refused"
    Upload.objects.update(refusals=[])
    assert plumb.wait_for_upload(upload_id)["accepted"] is True
    Upload.objects.update(state=WorkState.FAILED, error="The disk is full.")
    with pytest.raises(PlumbError, match="disk is full"):
        plumb.wait_for_upload(upload_id)


def test_an_audit_from_start_to_report(
    plumb: Client, team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    cohort, model = make_cohort_version(team), make_model_version(team)
    assert [row["id"] for row in plumb.cohorts(state="sealed")] == [str(cohort.pk)]
    assert [row["id"] for row in plumb.models()] == [str(model.pk)]
    rules = plumb.push_protocol("title: Ours\nchecks: [discrimination]\n", lock=True)
    assert plumb.protocols(state="locked")[0]["id"] == rules["id"]
    given = {"cohort": str(cohort.pk), "model": str(model.pk), "protocol": rules["id"]}
    audit = plumb.start_audit(**given, key="once")
    assert plumb.start_audit(**given, key="once")["id"] == audit["id"]
    assert plumb.stop(audit["id"])["state"] == "stopped"
    assert [row["state"] for row in plumb.watch(audit["id"])] == ["stopped"]
    assert plumb.resume(audit["id"])["state"] == "waiting"
    row = Audit.objects.get()
    move(row, AuditState.WAITING, AuditState.RUNNING)
    seal(row, {"schema": 1, "verdict": "pass"}, {"headline": {"verdict_sentence": "Fine."}})
    [report] = plumb.reports()
    assert plumb.audits()[0]["report"] == report["id"]
    assert plumb.audit_json(report["id"]) == b'{"schema":1,"verdict":"pass"}'


def test_a_draft_is_locked_later(plumb: Client) -> None:
    draft = plumb.push_protocol("checks: [agreement]", name="Readers")
    assert plumb.lock_protocol(draft["id"])["state"] == "locked"


def test_long_lists_come_whole(
    plumb: Client, team: Any, make_model_version: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        make_model_version(team, version=str(number))
    monkeypatch.setattr("plumb.client.PAGE", 2)
    assert len({row["id"] for row in plumb.models()}) == 5


def test_problems_keep_the_portal_s_code(
    plumb: Client, client_of: Callable[[str], Client], team: Any, make_member: Make
) -> None:
    with pytest.raises(PlumbError) as missing:
        plumb.audit("00000000-0000-0000-0000-000000000000")
    assert (missing.value.code, missing.value.status) == ("not_found", 404)
    with pytest.raises(PlumbError, match="live token"):
        client_of("plb_wrong").me()
    viewer = make_member(team, "viewer")
    secret = create_token(actor=viewer, team=team, name="t")[1]
    with pytest.raises(PlumbError) as forbidden:
        client_of(secret).push_protocol("checks: [agreement]", name="P")
    assert forbidden.value.code == "forbidden"
