"""Protocols: listed, written in two ways, locked, downloaded."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from ml.limits import REQUESTED_LIMITS
from ml.protocol import Protocol as Rules
from portal.audits.models import Protocol
from portal.audits.planning import lock_protocol, read_rules, write_protocol
from portal.audits.protocol_forms import MEASURES, initial_limits
from tests.portal.people import signed_in, text

Make = Callable[..., Any]

SPARE = len(initial_limits(Rules.default()))  # the first row of the form that stands empty
TEXT = """\
title: Brain MR triage
limits:
  - {check: discrimination, measure: auroc, value: 0.9, direction: min, origin: pre-registered,
     reference: "Study plan, section 3"}
"""


@pytest.fixture
def team(make_team: Make) -> Any:
    return make_team("Neuro")


@pytest.fixture
def owner(team: Any) -> Client:
    return signed_in(team.owner)


def url(team: Any, name: str, *args: Any) -> str:
    return reverse(f"audits:{name}", args=[team.slug, *args])


def filled(owner: Client, team: Any, **changes: str) -> dict[str, str]:
    """The form as a browser sends it back, with some fields changed."""
    context = owner.get(url(team, "protocol-new")).context
    given: dict[str, Any] = {
        "limits-TOTAL_FORMS": str(SPARE + 3),
        "limits-INITIAL_FORMS": str(SPARE),
    }
    for form in [context["form"], *context["limits"].forms]:
        for bound in form:
            value = bound.value()
            given[bound.html_name] = "" if value is None else value
    return given | changes


def test_a_limit_on_a_distance_is_asked_for_with_what_it_is_counted_in(
    owner: Client, team: Any
) -> None:
    page = text(owner.get(url(team, "protocol-new")))
    assert ">95 % Hausdorff distance, mm or voxels<" in page
    assert ">Dice<" in page


def test_the_list_and_the_default(owner: Client, team: Any, make_member: Make) -> None:
    page = text(owner.get(url(team, "protocols")))
    assert "No protocol of your own yet" in page
    default = text(owner.get(url(team, "protocol-default")))
    assert Rules.default().sha256 in default
    assert "platform default" in default
    viewer = signed_in(make_member(team, "viewer"))
    assert url(team, "protocol-new") not in text(viewer.get(url(team, "protocols")))


def test_written_as_text(owner: Client, team: Any) -> None:
    answer = owner.post(url(team, "protocol-new") + "?by=text", {"text": TEXT})
    protocol = Protocol.objects.get()
    assert answer["Location"] == protocol.get_absolute_url()
    assert (protocol.name, protocol.state) == ("Brain MR triage", "draft")
    page = text(owner.get(protocol.get_absolute_url()))
    assert "Study plan, section 3" in page
    assert "≥ 0.9" in page
    assert "pre-registered" in page


def test_a_file_goes_before_the_text(owner: Client, team: Any) -> None:
    file = SimpleUploadedFile("protocol.yaml", TEXT.encode())
    owner.post(url(team, "protocol-new") + "?by=text", {"text": "checks: 3", "file": file})
    assert Protocol.objects.get().body["limits"][0]["value"] == 0.9


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": ""}, "empty"),
        ({"text": "limits: 3"}, "must be a list"),
        ({"text": "limits: []"}, "Give it a name"),
        ({"text": "a: ["}, "YAML"),
        ({"file": SimpleUploadedFile("p.yaml", b"\xff\xfe\x00")}, "not text"),
    ],
)
def test_what_is_wrong_with_it_is_said(
    owner: Client, team: Any, given: dict[str, Any], says: str
) -> None:
    name = {} if "Give" in says else {"name": "P"}
    answer = owner.post(url(team, "protocol-new") + "?by=text", given | name)
    assert answer.status_code == 422
    assert says in text(answer)
    assert not Protocol.objects.exists()


def test_written_limit_by_limit(owner: Client, team: Any) -> None:
    given = filled(
        owner,
        team,
        **{
            "name": "Ours",
            "operating_point": "0.3",
            "tolerance_mm": "2.5",
            "attack_cases": "15",
            "corruptions": "gamma, mr-motion,",
            "limits-0-value": "0.91",
            "limits-0-origin": "pre-registered",
            "limits-1-value": "",  # left out
            f"limits-{SPARE}-on": "agreement.icc",
            f"limits-{SPARE}-value": "0.7",
        },
    )
    answer = owner.post(url(team, "protocol-new"), given)
    assert answer.status_code == 302, text(answer)
    body = Protocol.objects.get().body
    assert body["operating_point"] == 0.3
    assert body["tolerance_mm"] == 2.5
    assert body["attack_cases"] == 15
    assert body["corruptions"] == ["gamma", "mr-motion"]
    limits = {limit["measure"]: limit for limit in body["limits"]}
    assert limits["auroc"]["value"] == 0.91
    assert limits["auroc"]["origin"] == "pre-registered"
    assert "sensitivity" not in limits
    assert limits["icc"]["check"] == "agreement"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({f"limits-{SPARE}-value": "0.5"}, "Which measure?"),
        (
            {f"limits-{SPARE}-on": "discrimination.auroc", f"limits-{SPARE}-value": "0.5"},
            "Two limits",
        ),
        ({"prevalence": "7"}, "prevalence"),
        ({"corruptions": "fog"}, "no corruption called fog"),
        ({"name": ""}, "required"),
    ],
)
def test_a_form_that_cannot_be_written(
    owner: Client, team: Any, changes: dict[str, str], says: str
) -> None:
    answer = owner.post(url(team, "protocol-new"), filled(owner, team, **{"name": "P"} | changes))
    assert answer.status_code == 422
    assert says in text(answer)
    assert not Protocol.objects.exists()


def test_locking(owner: Client, team: Any, make_member: Make, make_user: Make) -> None:
    draft = write_protocol(actor=team.owner, team=team, name="P", body={"title": "P"})
    lock = url(team, "protocol-lock", draft.pk)
    viewer = signed_in(make_member(team, "viewer"))
    assert viewer.post(lock).status_code == 403
    assert signed_in(make_user("stranger")).post(lock).status_code == 404
    assert lock not in text(viewer.get(draft.get_absolute_url()))
    assert lock in text(owner.get(draft.get_absolute_url()))
    assert "is locked. It never changes" in text(owner.post(lock, follow=True))
    assert "is locked already" in text(owner.post(lock, follow=True))
    assert lock not in text(owner.get(draft.get_absolute_url()))


def test_who_may_write(team: Any, make_member: Make) -> None:
    viewer = signed_in(make_member(team, "viewer"))
    assert viewer.get(url(team, "protocol-new")).status_code == 403
    answer = viewer.post(url(team, "protocol-new") + "?by=text", {"text": TEXT})
    assert answer.status_code == 403


def test_the_download_is_the_same_protocol(owner: Client, team: Any) -> None:
    protocol = write_protocol(
        actor=team.owner, team=team, name="Ünser P", body=yaml.safe_load(TEXT)
    )
    lock_protocol(actor=team.owner, protocol=protocol)
    answer = owner.get(url(team, "protocol-yaml", protocol.pk))
    assert 'filename="unser-p-1.yaml"' in answer["Content-Disposition"]
    assert Rules.parse(yaml.safe_load(answer.content)).sha256 == protocol.sha256
    default = owner.get(url(team, "default-yaml"))
    assert Rules.parse(yaml.safe_load(default.content)).sha256 == Rules.default().sha256


def test_the_form_offers_every_measure_that_has_a_default_limit() -> None:
    offered = {(check, name) for check, names in MEASURES.items() for name in names}
    asked = (*Rules.default().limits, *REQUESTED_LIMITS)
    assert {(limit.check, limit.measure) for limit in asked} <= offered


def test_moves_are_asked_for_with_mirrors_that_are_legal(owner: Client, team: Any) -> None:
    page = text(owner.get(url(team, "protocol-new")))
    assert "Mirrors that change nothing of a patient" in page
    given: dict[str, Any] = filled(owner, team, name="Moves", shift_cases="40")
    given |= {"checks": ["shift-consistency"], "legal_flips": ["left-right"]}
    answer = owner.post(url(team, "protocol-new"), given)
    assert answer.status_code == 302, text(answer)
    written = Protocol.objects.get()
    rules = read_rules(written.body)
    assert (rules.shift_cases, rules.legal_flips) == (40, ("left-right",))
    limit = rules.limit("shift-consistency", "flip_rate")
    assert limit is not None
    assert (limit.value, limit.origin) == (0.05, "platform-default")
    page = text(owner.get(written.get_absolute_url()))
    assert "<dt>Cases of shift consistency</dt><dd>at most 40</dd>" in page
    assert "<dt>Legal mirrors</dt><dd>left-right</dd>" in page


def test_which_corruptions_are_run_is_shown_where_the_protocol_asks_for_stress(
    owner: Client, team: Any
) -> None:
    def shown(body: dict[str, Any]) -> str:
        written = write_protocol(actor=team.owner, team=team, name="P", body=body)
        return text(owner.get(written.get_absolute_url()))

    some = shown({"checks": ["stress"], "corruptions": ["gamma", "mr-motion"]})
    assert "of these, those that fit the cohort: gamma, mr-motion" in some
    assert "<dd>all that fit the cohort</dd>" in shown({"checks": ["stress"]})
    assert "<dt>Corruptions</dt>" not in shown({"checks": ["discrimination"]})


def test_subgroups_and_thresholds_of_decisions_are_shown(owner: Client, team: Any) -> None:
    given = "title: P\nsubgroups: [sex, {age: [50, 65]}]\ndecision_thresholds: [0.01, 0.2]\n"
    given += "checks: [discrimination, adversarial-lite]\nattack_cases: 12\n"
    owner.post(url(team, "protocol-new") + "?by=text", {"text": given})
    page = text(owner.get(Protocol.objects.get().get_absolute_url()))
    assert "sex; age: 50, 65" in page
    assert "0.01 to 0.2" in page
    assert "<dt>Cases that are attacked</dt><dd>at most 12</dd>" in page
    assert "Cases of the stress test" not in page
