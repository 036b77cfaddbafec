"""Choosing cohorts beside the audited one, with plain forms alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ml.engine.images import DESCRIBE
from portal.audits.forms import AuditForm
from portal.audits.models import Audit
from portal.audits.planning import lock_protocol, write_protocol
from portal.cohorts.models import CohortVersion
from tests.portal.people import signed_in, text

Make = Callable[..., Any]


@pytest.fixture
def team(make_team: Make) -> Any:
    return make_team("Neuro")


@pytest.fixture
def cohorts(team: Any, make_cohort_version: Make) -> dict[str, CohortVersion]:
    sizes = {"own": 6, "ct": 4, "us": 3, "dev": 5}
    return {name: make_cohort_version(team, n=n) for name, n in sizes.items()}


@pytest.fixture
def given(cohorts: dict[str, CohortVersion], team: Any, make_model_version: Make) -> dict[str, str]:
    model = make_model_version(team)
    own = str(cohorts["own"].pk)
    return {"subject": f"model:{model.pk}", "cohort": own, "protocol": "default"}


def used(cohorts: dict[str, CohortVersion], **uses: str) -> dict[str, str]:
    return {f"beside-{cohorts[name].pk}": use for name, use in uses.items()}


def page(team: Any) -> tuple[Client, str]:
    return signed_in(team.owner), reverse("audits:new", args=[team.slug])


def test_what_is_chosen_shows_and_is_what_starts(
    team: Any, cohorts: dict[str, CohortVersion], given: dict[str, str]
) -> None:
    client, url = page(team)
    plain = client.get(url, given)
    assert plain.context["preview"].cost.n_cases == 6
    assert "optional: an audit needs none" in text(plain)
    chosen = used(cohorts, ct="far", us="near", dev="reference")

    answer = client.get(url, given | chosen)
    shown = text(answer)

    assert "3 cohorts chosen" in shown
    assert "7 cases of 4 patients in 2 foreign cohorts; statistics from Test cohort of 5" in shown
    cost = answer.context["preview"].cost
    assert (cost.n_shards, cost.n_cases, cost.n_beside) == (4, 18, 12)
    assert "12 of them beside the audited cohort" in shown
    form = _form(client, url, given | chosen)
    names = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    sent = {name: value for name, value in names if name != "csrfmiddlewaretoken"}
    assert client.post(url, sent).status_code == 302
    audit = Audit.objects.get()
    rows = audit.further_cohorts.order_by("position")
    found = {(row.cohort_version, row.role, row.kind) for row in rows}
    assert found == {
        (cohorts["ct"], "foreign", "far"), (cohorts["us"], "foreign", "near"),
        (cohorts["dev"], "reference", ""),
    }  # fmt: skip
    assert client.post(url, sent)["Location"] == audit.get_absolute_url(), "sent twice, begun once"
    again = {**sent, f"beside-{cohorts['us'].pk}": "far"}
    assert client.post(url, again)["Location"] != audit.get_absolute_url()
    progress = text(client.get(audit.get_absolute_url()))
    assert "Test cohort of 4" in progress


def test_scores_by_gradients_are_planned_of_foreign_cohorts_and_their_cost_is_counted(
    team: Any, cohorts: dict[str, CohortVersion], given: dict[str, str], make_model_version: Make
) -> None:
    body = {"checks": ["ood-detection"], "limits": [], "gradient_scores": True}
    protocol = write_protocol(actor=team.owner, team=team, name="P", body=body)
    lock_protocol(actor=team.owner, protocol=protocol)
    card = {"gradients": True, "smoke": {"seconds_per_case": 0.1}}
    model = make_model_version(team, "2", card=card)
    client, url = page(team)
    chosen = used(cohorts, ct="far", dev="reference") | {"protocol": str(protocol.pk)}
    opened = given | chosen | {"subject": f"model:{model.pk}"}

    answer = client.get(url, opened)
    closed = text(client.get(url, given | chosen))

    assert "ODIN and GradNorm, which take a gradient of each case" in text(answer)
    assert "ODIN and GradNorm take a model that can be looked into: they are left out" in closed
    cost = answer.context["preview"].cost
    # Outputs of 6, 4 and 5 cases, two forwards each with features; scores of 6 and 4, at five each.
    assert cost.seconds == pytest.approx(0.1 * (2 * 15 + 5 * 10))
    assert client.post(url, opened).status_code == 302
    planned = {(row.name, row.n_cases) for row in Audit.objects.get().passes.all()}
    assert {("gradient-scores", 6), ("gradient-scores", 4)} <= planned
    assert ("gradient-scores", 5) not in planned, "nothing is fitted on the reference"


def _form(client: Client, url: str, given: dict[str, str]) -> str:
    """The second form, which starts what the first has chosen."""
    forms = re.findall(r"<form .*?</form>", client.get(url, given).content.decode(), re.DOTALL)
    return next(form for form in forms if 'name="key"' in form)


def test_what_cannot_be_chosen_is_said_and_starts_nothing(
    team: Any, cohorts: dict[str, CohortVersion], given: dict[str, str], make_team: Make,
    make_cohort_version: Make,
) -> None:  # fmt: skip
    theirs = {"theirs": make_cohort_version(make_team("Elsewhere"), n=4)}
    client, url = page(team)
    for chosen, says in (
        (used(theirs, theirs="far"), "is not there: choose again"),
        (used(cohorts, ct="odd"), "is not there: choose again"),
        (used(cohorts, ct="far", us="reference", dev="reference"), "Choose one reference cohort"),
        (used(cohorts, dev="reference"), "No check of the protocol looks at a reference"),
        (used(cohorts, own="near"), "is the audited cohort"),
        ({"subject": "readers", **used(cohorts, ct="far")}, "choose a model, or leave them out"),
    ):
        assert says in text(client.get(url, given | chosen)), chosen
        answer = client.post(url, given | chosen)
        assert answer.status_code == 422
        assert says in text(answer)
    assert not Audit.objects.exists()


def test_only_own_sealed_cohorts_with_images_are_offered(
    team: Any, cohorts: dict[str, CohortVersion], make_team: Make, make_cohort_version: Make
) -> None:
    make_cohort_version(team, n=9, sealed=False)
    theirs = make_cohort_version(make_team("Elsewhere"), n=4)
    offered = {pick.option.thing for pick in AuditForm(team, {}).further}
    assert offered == {*cohorts.values()}
    assert theirs not in offered


def test_without_another_cohort_it_says_what_one_is(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    make_cohort_version(team)
    make_model_version(team)
    client, url = page(team)
    shown = text(client.get(url))
    assert "No other cohort to choose" in shown
    assert "labels are not looked at" in shown


def test_a_check_of_training_cases_takes_a_reference_alone(
    team: Any, cohorts: dict[str, CohortVersion], given: dict[str, str]
) -> None:
    protocol = write_protocol(
        actor=team.owner, team=team, name="P", body={"checks": ["memorisation"], "limits": []}
    )
    lock_protocol(actor=team.owner, protocol=protocol)
    client, url = page(team)
    chosen = given | {"protocol": str(protocol.pk)} | used(cohorts, dev="reference")
    shown = client.get(url, chosen).context["preview"]
    assert (shown.blocked, shown.cost.n_cases, shown.cost.n_beside) == ("", 11, 5)
    assert (shown.cost.n_shards, shown.cost.n_measured) == (4, 11)
    assert "The images of 11 cases are measured too, without the model" in text(
        client.get(url, chosen)
    )
    assert client.post(url, chosen).status_code == 302
    rows = list(Audit.objects.get().passes.order_by("position"))
    names = {(row.name, row.n_cases) for row in rows}
    assert {("predict", 6), ("predict", 5)} <= names
    described = [row.n_cases for row in rows if row.name == DESCRIBE]
    assert described == [6, 5], "images are measured of both, as at the command line"


def test_a_check_of_images_alone_takes_a_reference_without_a_model(
    team: Any, cohorts: dict[str, CohortVersion], given: dict[str, str]
) -> None:
    protocol = write_protocol(
        actor=team.owner, team=team, name="P", body={"checks": ["leakage"], "limits": []}
    )
    lock_protocol(actor=team.owner, protocol=protocol)
    client, url = page(team)
    chosen = given | {"protocol": str(protocol.pk), "subject": "readers"}
    without = {one.title: one.reason for one in client.get(url, chosen).context["preview"].lines}
    assert "No reference cohort is chosen" in without["Leakage"]

    chosen |= used(cohorts, dev="reference")
    shown = client.get(url, chosen).context["preview"]
    assert (shown.blocked, {one.title: one.state for one in shown.lines}["Leakage"]) == ("", "pass")
    assert client.post(url, chosen).status_code == 302
    rows = Audit.objects.get().passes.order_by("position")
    assert [(row.name, row.n_cases) for row in rows] == [(DESCRIBE, 6), (DESCRIBE, 5)]

    foreign = client.post(url, chosen | used(cohorts, ct="near"))
    assert "run through the model" in text(foreign)
