"""Looking at what the team has; of other teams there is nothing."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from portal.registry.actions import refuse_version
from tests.portal.api.test_access import is_problem

Call = Callable[..., Any]
Make = Callable[..., Any]


@pytest.fixture
def things(
    team: Any, make_model_version: Make, make_predictions: Make, make_cohort_version: Make
) -> dict[str, Any]:
    return {
        "/models": make_model_version(team),
        "/predictions": make_predictions(team),
        "/cohorts": make_cohort_version(team),
    }


@pytest.mark.parametrize("path", ["/models", "/predictions", "/cohorts"])
def test_a_thing_and_the_list_it_is_in(
    call: Call, things: dict[str, Any], viewer: str, stranger: str, path: str
) -> None:
    thing = things[path]
    listed = call("GET", path, viewer).json()
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 50, 0)
    assert [item["id"] for item in listed["items"]] == [str(thing.pk)]
    one = call("GET", f"{path}/{thing.pk}", viewer).json()
    assert one["id"] == str(thing.pk)
    assert one["sha256"] == thing.sha256
    assert one["url"] == f"http://testserver{thing.get_absolute_url()}"
    assert call("GET", path, stranger).json()["items"] == []
    assert is_problem(call("GET", f"{path}/{thing.pk}", stranger), "not_found")
    assert is_problem(call("GET", f"{path}/{uuid4()}", viewer), "not_found")


def test_windows_move(call: Call, team: Any, owner: str, make_model_version: Make) -> None:
    for number in range(3):
        make_model_version(team, version=f"1.{number}")
    page = call("GET", "/models?limit=2&offset=2", owner).json()
    assert (len(page["items"]), page["total"]) == (1, 3)


def test_models_by_state(call: Call, things: dict[str, Any], owner: str) -> None:
    assert call("GET", "/models?state=accepted", owner).json()["total"] == 1
    assert call("GET", "/models?state=refused", owner).json()["total"] == 0
    assert is_problem(call("GET", "/models?state=nice", owner), "validation")


def test_a_models_manifest_and_card(call: Call, things: dict[str, Any], owner: str) -> None:
    model = things["/models"]
    body = call("GET", f"/models/{model.pk}", owner).json()
    assert body["manifest"]["name"] == "Shade net"
    assert body["card"]["opset"] == 17


def test_a_models_verdict_says_what_can_follow(
    call: Call, things: dict[str, Any], owner: str
) -> None:
    verdict = call("GET", f"/models/{things['/models'].pk}", owner).json()["verdict"]
    assert verdict["sentence"].startswith("Accepted. It holds nothing but tensors")
    assert {row["id"]: row["state"] for row in verdict["points"]}["trial"] == "not assessed"
    assert [row["id"] for row in verdict["capabilities"]] == ["dropout", "samples", "takes"]
    assert {row["id"]: row["says"] for row in verdict["checks"]}["discrimination"] == (
        "with a cohort that has reference labels"
    )


def test_a_refused_model_has_no_verdict_but_reasons(call: Call, team: Any, owner: str) -> None:
    refusals = [{"code": "pickle_refused", "message": "Export it."}]
    refused = refuse_version(
        team=team, actor=team.owner, name="Old", version="1", refusals=refusals
    )
    body = call("GET", f"/models/{refused.pk}", owner).json()
    assert body["verdict"] is None
    assert [row["code"] for row in body["refusals"]] == ["pickle_refused"]


def test_cohorts_say_their_counts(
    call: Call, team: Any, owner: str, make_cohort_version: Make
) -> None:
    make_cohort_version(team, sealed=False, n=4)
    [cohort] = call("GET", "/cohorts?state=draft", owner).json()["items"]
    counts = [cohort[key] for key in ("n_cases", "n_clusters", "n_patients", "n_labelled")]
    assert counts == [4, 2, 2, 4]
    assert cohort["sealed_at"] is None
