"""/t/<team>/models/ and the page of one model"""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from portal.audits.models import CheckRun
from portal.registry.actions import refuse_version
from portal.registry.results import headlines
from tests.portal.people import text

REFUSAL = {"code": "pickle_refused", "message": "Export it to ONNX.\nmodel.eval()", "file": "m.pt"}


def url(team: Any) -> str:
    return reverse("registry:models", args=[team.slug])


def test_lists_versions_with_their_state(
    team: Any,
    as_viewer: Client,
    make_model_version: Callable[..., Any],
    make_predictions: Callable[..., Any],
) -> None:
    make_model_version(team)
    refuse_version(team=team, actor=team.owner, name="Old", version="0.1", refusals=[REFUSAL])
    predictions = make_predictions(team)

    shown = text(as_viewer.get(url(team)))

    assert "2 models, 2 versions." in shown
    assert "Shade net 1.0" in shown
    assert "Export it to ONNX." in shown
    assert predictions.get_absolute_url() in shown
    assert "New version" not in shown  # a viewer hands nothing in


def test_an_empty_list_says_what_belongs_here(team: Any, as_owner: Client) -> None:
    shown = text(as_owner.get(url(team)))

    assert "No model yet" in shown
    assert reverse("intake:hand-in", args=[team.slug]) + "?kind=model" in shown


def test_counts_the_audits_of_a_version(
    team: Any, as_owner: Client, make_audit: Callable[..., Any]
) -> None:
    audit = make_audit(team)

    shown = text(as_owner.get(url(team)))
    own = text(as_owner.get(audit.model_version.model.get_absolute_url()))

    assert "1 audit, 1 running" in shown
    assert "1 audit, 1 running" in own


def test_headlines_are_the_measures_and_nothing_else(
    team: Any, make_audit: Callable[..., Any]
) -> None:
    audit = make_audit(team)
    found = {"measures": [{"id": "auroc", "value": 0.8}, {"id": "auroc", "value": 0.1}], "x": 1}
    CheckRun.objects.filter(audit=audit, check_id="discrimination").update(result=found)

    assert headlines([audit])[audit.pk]["auroc"].estimate == {"id": "auroc", "value": 0.8}
    assert headlines([audit])[audit.pk]["sensitivity"].estimate is None


def test_a_stranger_sees_nothing(
    team: Any, as_stranger: Client, make_model_version: Callable[..., Any]
) -> None:
    version = make_model_version(team)

    assert as_stranger.get(url(team)).status_code == 404
    assert as_stranger.get(version.model.get_absolute_url()).status_code == 404
