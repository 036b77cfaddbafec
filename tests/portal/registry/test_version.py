"""The page of a model version, and withdrawing it"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.blobs import store
from portal.intake import actions as intake
from portal.intake.models import Upload, UploadKind
from portal.leases import claim
from portal.registry.actions import refuse_version
from portal.registry.models import ModelVersion
from portal.registry.verdict import able, auditable, refused_because, rows, verdict
from tests.portal.people import text

REFUSAL = {"code": "pickle_refused", "message": "Export it to ONNX.\nmodel.eval()", "file": "m.pt"}
SMOKE = {"cases": 2, "deterministic": True, "finite": True, "seconds_per_case": 0.134}


def withdrawal(version: ModelVersion) -> str:
    return reverse("registry:withdraw", args=[version.model.team.slug, version.pk])


def test_shows_what_intake_read(
    team: Any, as_viewer: Client, make_model_version: Callable[..., Any]
) -> None:
    version = make_model_version(team)

    shown = text(as_viewer.get(version.get_absolute_url()))

    assert "Accepted. It holds nothing but tensors" in shown
    assert "Telling bright test images from dark ones." in shown
    assert version.sha256 in shown
    assert "Gemm × 1" in shown
    assert "Withdraw this version" not in shown
    assert "New audit" not in shown


def test_a_refused_version_says_why_and_what_to_do(team: Any, as_owner: Client) -> None:
    version = refuse_version(
        team=team, actor=team.owner, name="Old", version="0.1", refusals=[REFUSAL]
    )

    shown = text(as_owner.get(version.get_absolute_url()))

    assert "Refused: opening this file would run code inside it. Nothing of it was run" in shown
    assert "Export it to ONNX." in shown
    assert "model.eval()" in shown
    assert "pickle_refused" in shown
    assert "New audit" not in shown


def test_withdraws_with_a_reason(
    team: Any, as_owner: Client, make_model_version: Callable[..., Any]
) -> None:
    version = make_model_version(team)

    empty = as_owner.post(withdrawal(version), {"because": ""})
    done = as_owner.post(withdrawal(version), {"because": "wrong class order"}, follow=True)
    again = as_owner.post(withdrawal(version), {"because": "twice"}, follow=True)

    assert empty.status_code == 422
    assert "wrong class order" in text(done)
    assert "there is nothing to withdraw" in text(again)
    version.refresh_from_db()
    assert (version.state, version.withdrawn_because) == ("withdrawn", "wrong class order")


def test_a_mate_without_the_right_may_not_withdraw(
    team: Any, as_viewer: Client, make_model_version: Callable[..., Any]
) -> None:
    version = make_model_version(team)

    assert as_viewer.post(withdrawal(version), {"because": "no"}).status_code == 403
    version.refresh_from_db()
    assert version.state == "accepted"


def test_shows_predictions_as_claimed(
    team: Any, as_viewer: Client, make_predictions: Callable[..., Any]
) -> None:
    shown = text(as_viewer.get(make_predictions(team).get_absolute_url()))

    assert "The model itself was not handed in." in shown
    assert "nobody checked it" in shown


@pytest.mark.parametrize(
    ("change", "state", "question"),
    [
        ({"smoke": SMOKE}, "pass", "Same input, same output"),
        ({"smoke": SMOKE | {"deterministic": False}}, "fail", "Same input, same output"),
        ({"smoke": SMOKE | {"batch_difference": 0.1}}, "fail", "Batch-mates do not matter"),
        ({}, "not assessed", "Trial run"),
        ({"sampling": {"works": True, "reason": ""}}, "info", "Several answers to a case"),
        ({"has_dropout": True}, "not assessed", "Several answers to a case"),
        ({"has_dropout": False}, "not assessed", "Dropout sampling"),
        ({"gradients": True, "not_taken_over": []}, "info", "Gradients"),
        ({"gradients": False, "not_taken_over": ["LSTM."]}, "not assessed", "Gradients"),
    ],
)
def test_each_row_says_only_what_the_card_holds(
    team: Any,
    make_model_version: Callable[..., Any],
    change: dict[str, Any],
    state: str,
    question: str,
) -> None:
    version = make_model_version(team)
    version.card = version.card | change

    found = [*rows(version), *able(version)]
    assert {row.question: row.state for row in found}[question] == state


def test_counts_what_is_open(team: Any, make_model_version: Callable[..., Any]) -> None:
    version = make_model_version(team)
    version.card = version.card | {"smoke": SMOKE | {"deterministic": False}}
    version.manifest = version.manifest | {"intended_use": ""}

    assert "2 points are open" in verdict(version)


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (["model_failed"], "Refused. The file was not kept."),
        (["model_shape"], "declares. The file was not kept."),
        (["bundle_invalid"], "Refused. Nothing of it was run, and the file was not kept."),
        (["model_corrupt", "external_data"], "another file. Nothing of it was run"),
        ([], "Refused. Nothing of it was run, and the file was not kept."),
    ],
)
def test_a_refusal_says_whether_anything_was_run(codes: list[str], sentence: str) -> None:
    assert sentence in refused_because([{"code": code} for code in codes])


def test_shows_what_was_in_the_upload_and_what_can_be_done(
    team: Any, as_viewer: Client, make_model_version: Callable[..., Any]
) -> None:
    layer = {"where": "block5", "channels": 8, "places": [7, 7], "receptive_field": [196, 196]}
    card = {
        "smoke": SMOKE,
        "gradients": True,
        "notes": ["Pictures are taken x before y."],
        "measured": {"flops_per_case": 2_500_000, "batch": "any", "map_layer": layer},
        "scan": {
            "files": [
                {"name": "model.onnx", "bytes": 120, "kind": "onnx", "use": "weights"},
                {"name": "train.py", "bytes": 40, "kind": "program text", "use": ""},
            ],
            "n_files": 2,
            "n_bytes": 160,
        },
        "record_sha256": "b" * 64,
    }
    version = make_model_version(team, card=card)

    shown = text(as_viewer.get(version.get_absolute_url()))

    assert "block5: 8 channels of 7 × 7 places; each sees 196 × 196 pixels" in shown
    assert "Pictures are taken x before y" in shown
    assert "2.5 million floating-point operations a case" in shown
    assert 'train.py</th><td>program text</td><td class="mut2">not opened' in shown
    assert "train.py: the audit needs none of it" in shown
    assert "b" * 64 in shown
    assert "docs/formats.md has the lines that keep dropout" in shown


def test_a_refused_upload_shows_what_was_in_it(team: Any, as_owner: Client) -> None:
    blob = store.put_bytes(b"x")
    upload = intake.hand_in(
        actor=team.owner, team=team, kind=UploadKind.MODEL, file_name="m.pt", blob=blob
    )
    fence = claim(Upload, upload.pk)
    assert fence is not None
    row = {"name": f"{blob.pk}.pt", "bytes": 85_000, "kind": "pickle", "use": "pickle_refused"}
    scan = {"files": [row], "n_files": 1, "n_bytes": 85_000}
    intake.refuse(upload, fence, [REFUSAL], ["reading"], scan)
    refused = ModelVersion.objects.get(state="refused")

    shown = text(as_owner.get(refused.get_absolute_url()))

    assert '<th scope="row" class="mono">m.pt</th><td>pickle</td>' in shown
    assert "1 file, 85.0 kB" in shown


def test_says_what_the_cohort_must_bring() -> None:
    found = {row.question: row.answer for row in auditable(frozenset({"prediction"}))}

    assert found["Discrimination"].endswith("reference labels")
    assert found["Agreement"].endswith("readings")
    assert "needs probabilities" in found["Calibration"]


def test_a_stranger_sees_nothing(
    team: Any,
    as_stranger: Client,
    make_model_version: Callable[..., Any],
    make_predictions: Callable[..., Any],
) -> None:
    version = make_model_version(team)

    assert as_stranger.get(version.get_absolute_url()).status_code == 404
    assert as_stranger.post(withdrawal(version), {"because": "x"}).status_code == 404
    assert as_stranger.get(make_predictions(team).get_absolute_url()).status_code == 404
