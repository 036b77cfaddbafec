"""The page of a model version, and withdrawing it"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.registry.actions import refuse_version
from portal.registry.models import ModelVersion
from portal.registry.verdict import auditable, rows, verdict
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

    assert "Refused. Nothing of it was run, and the file was not kept." in shown
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
        ({"smoke": SMOKE}, "pass", "Deterministic"),
        ({"smoke": SMOKE | {"deterministic": False}}, "caution", "Deterministic"),
        ({}, "not assessed", "Trial run"),
        ({"sampling": {"works": True, "reason": ""}}, "info", "Several answers to a case"),
        ({"has_dropout": True}, "not assessed", "Several answers to a case"),
        ({"has_dropout": False}, "not assessed", "Several answers to a case"),
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

    assert {row.question: row.state for row in rows(version)}[question] == state


def test_counts_what_is_open(team: Any, make_model_version: Callable[..., Any]) -> None:
    version = make_model_version(team)
    version.card = version.card | {"smoke": SMOKE | {"deterministic": False}}
    version.manifest = version.manifest | {"intended_use": ""}

    assert "2 points are open" in verdict(version)


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
