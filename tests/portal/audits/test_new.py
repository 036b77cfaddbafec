"""Choosing what to audit, and what it would answer before it starts."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.audits.actions import keep_evidence
from portal.audits.corrupted import NONE_FITS
from portal.audits.missing import MISSING
from portal.audits.models import Audit, Shard
from portal.audits.planning import lock_protocol, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.blobs import store
from portal.cohorts import actions as cohorts
from tests.portal.people import signed_in, text

Make = Callable[..., Any]


@pytest.fixture
def team(make_team: Make) -> Any:
    return make_team("Neuro")


def page(team: Any, user: Any) -> tuple[Client, str]:
    return signed_in(user), reverse("audits:new", args=[team.slug])


def choice(team: Any, cohort: Any, **fields: Any) -> Choice:
    return Choice(
        team, cohort, fields.get("model"), fields.get("predictions"), fields.get("protocol")
    )


def test_without_a_sealed_cohort_it_says_what_is_needed(
    team: Any, make_cohort_version: Make
) -> None:
    make_cohort_version(team, sealed=False)
    client, url = page(team, team.owner)
    assert "No sealed cohort yet" in text(client.get(url))


def test_what_will_be_answered_shows_and_is_what_starts(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    cohort, model = make_cohort_version(team), make_model_version(team)
    client, url = page(team, team.owner)
    shown = text(client.get(url))
    assert "7 will run" in shown
    assert "6 cases, 3 positive; intervals over 3 patients" in shown
    assert MISSING["readings"] in shown
    assert "This takes look 1" in shown
    answer = client.post(
        url,
        {"subject": f"model:{model.pk}", "cohort": str(cohort.pk), "protocol": "default"},
    )
    audit = Audit.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, audit.get_absolute_url())
    assert (audit.model_version, audit.cohort_version, audit.protocol) == (model, cohort, None)


def test_what_another_page_asks_for_is_picked(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    make_model_version(team, version="1.0")
    wanted = make_model_version(team, version="2.0")
    first, second = make_cohort_version(team, n=4), make_cohort_version(team, n=6)
    client, url = page(team, team.owner)
    shown = client.get(url, {"model": str(wanted.pk), "cohort": str(second.pk)})
    picked = shown.context["preview"].choice
    assert (picked.model, picked.cohort) == (wanted, second)
    assert first != second


def test_the_fragment_follows_the_choice(
    team: Any, make_cohort_version: Make, make_member: Make, make_model_version: Make
) -> None:
    make_model_version(team)
    cohort = make_cohort_version(team, readings=True)
    url = reverse("audits:preview", args=[team.slug])
    given = {"subject": "readers", "cohort": str(cohort.pk), "protocol": "default"}
    fragment = text(signed_in(team.owner).get(url, given))
    assert fragment.startswith('<div id="preview"')
    assert "2 will run" in fragment  # agreement, and the readers as a study
    assert "18 readings by 3 readers" in fragment
    assert "No inference: only readings are audited" in fragment
    gone = signed_in(team.owner).get(url, given | {"cohort": "gone"})
    assert "Choose a subject, a cohort version and a protocol" in text(gone)
    assert signed_in(make_member(team, "viewer")).get(url, given).status_code == 403


def test_a_record_of_intake_is_asked_for(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    cohort = make_cohort_version(team)
    old, recorded = make_model_version(team), make_model_version(team, "2", recorded=True)

    def line(model: Any) -> Any:
        lines = preview_of(choice(team, cohort, model=model)).lines
        return next(one for one in lines if one.title == "Determinism")

    assert line(None).reason == line(old).reason == MISSING["intake"]
    assert (line(recorded).state, line(recorded).word) == ("pass", "Will run")
    assert line(recorded).reason == "from the record of intake; nothing is computed"


def test_how_many_corruptions_are_run_on_how_many_cases_is_said(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    cohort, model = make_cohort_version(team, n=12), make_model_version(team)

    def line(**body: Any) -> Any:
        rules = write_protocol(
            actor=team.owner, team=team, name="Ours", body={"checks": ["stress"], **body}
        )
        found = preview_of(choice(team, cohort, model=model, protocol=rules))
        (shown,) = (one for one in found.lines if one.title == "Stress")
        return shown, found.cost

    everything, cost_of_all = line()
    assert "; 21 corruptions at 5 severities, on 12 cases" in everything.reason
    some, cost = line(corruptions=["gamma", "dicom-inverted", "ct-metal"], stress_cases=10)
    assert some.state == "pass"
    assert "2 of 21 corruptions at 5 severities, on 10 cases" in some.reason
    assert (cost_of_all.n_shards, cost.n_shards) == (2, 2)
    none, cost = line(corruptions=["ct-metal"])
    assert (none.state, none.reason) == ("not assessed", NONE_FITS)
    assert cost.n_shards == 1, "only the images as they are"


def test_what_several_answers_to_corrupted_images_cost_is_said_before_the_start(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    cohort = make_cohort_version(team, n=12)
    tried = {"sampling": {"works": True, "seconds_per_case": 0.3}, "has_dropout": True}
    timed = {"smoke": {"seconds_per_case": 0.01}}
    able = make_model_version(team, card=tried | timed)
    unable = make_model_version(team, "2", card=timed)

    def line(model: Any, **body: Any) -> Any:
        asked = {"checks": ["stress"], "corruptions": ["gamma"], "stress_cases": 10, **body}
        rules = write_protocol(actor=team.owner, team=team, name="Ours", body=asked)
        found = preview_of(choice(team, cohort, model=model, protocol=rules))
        (shown,) = (one for one in found.lines if one.title == "Stress")
        return shown, found.cost

    plain, cheap = line(able)
    several, dear = line(able, stress_samples=10)
    once, same = line(unable, stress_samples=10)

    assert "samples of its dropout" not in plain.reason
    assert "; 10 samples of its dropout answer each copy, and the image as it is" in several.reason
    # Ten cases, the image and five copies of each, a third of the 30 samples that were timed.
    assert dear.seconds == pytest.approx(cheap.seconds + 10 * 6 * 0.3 / 3)
    assert dear.n_shards == cheap.n_shards + 1
    assert once.state == "caution"
    assert "one answer to each copy, though the protocol asks for several" in once.reason
    assert same.n_shards == cheap.n_shards


def test_readers_without_identity_make_no_study(team: Any, make_cohort_version: Make) -> None:
    cohort = make_cohort_version(team, readings=True, sealed=False)
    assert _study(choice(team, cohort)) == "pass"
    type(cohort).objects.filter(pk=cohort.pk).update(readers="exchangeable")
    cohort.refresh_from_db()
    assert _study(choice(team, cohort)) == MISSING["identified-readers"]


def _study(chosen: Choice) -> str:
    line = next(one for one in preview_of(chosen).lines if one.title == "Reader study")
    return line.state if line.state == "pass" else line.reason


def test_who_may_not(team: Any, make_member: Make, make_user: Make) -> None:
    viewer, url = page(team, make_member(team, "viewer"))
    answer = viewer.get(url)
    assert answer.status_code == 403
    assert "start, stop or retry an audit" in text(answer)
    assert viewer.post(url, {}).status_code == 403
    assert signed_in(make_user("stranger")).get(url).status_code == 404


def test_a_thing_of_another_team_cannot_be_named(
    team: Any, make_team: Make, make_cohort_version: Make
) -> None:
    make_cohort_version(team)
    theirs = make_cohort_version(make_team("Other"))
    client, url = page(team, team.owner)
    given = {"subject": "readers", "cohort": str(theirs.pk), "protocol": "default"}
    assert client.post(url, given).status_code == 422
    assert not Audit.objects.exists()


def test_a_draft_protocol_is_not_offered_and_a_locked_one_is_first(
    team: Any, make_cohort_version: Make
) -> None:
    make_cohort_version(team)
    body = {"title": "Ours", "checks": ["agreement"], "limits": []}
    draft = write_protocol(actor=team.owner, team=team, name="Ours", body=body)
    client, url = page(team, team.owner)
    assert client.get(url).context["preview"].choice.protocol is None
    lock_protocol(actor=team.owner, protocol=draft)
    shown = client.get(url)
    assert shown.context["preview"].choice.protocol == draft
    assert "The protocol does not ask for it." in text(shown)


def test_a_model_needs_images(team: Any, make_model_version: Make) -> None:
    listed = {
        "title": "Nodules",
        "task": "classification",
        "classes": ["a", "b"],
        "positive": ["a"],
        "readers": "identified",
        "questions": {},
        "sha256": "b" * 64,
        "cluster_kind": "case",
        "cases": [
            {"case_id": "c", "cluster": "c", "label": "a", "covariates": {}, "images": []}
            | {"patient_id": None}
        ],
        "readings": [],
    }
    blob = store.put_bytes(b"{}")
    cohort = cohorts.add_version(team=team, actor=team.owner, catalogue=listed, blob=blob, files={})
    cohorts.seal_version(actor=team.owner, version=cohort)
    client, url = page(team, team.owner)
    model = make_model_version(team)
    given = {"subject": f"model:{model.pk}", "cohort": str(cohort.pk), "protocol": "default"}
    assert "This cannot be started." in text(client.get(url, given))
    answer = client.post(url, given)
    assert answer.status_code == 422
    assert "Not started." in text(answer)


def test_only_one_class_is_only_part_of_an_answer(
    team: Any, make_cohort_version: Make, make_predictions: Make
) -> None:
    cohort = make_cohort_version(team, n=1)
    preview = preview_of(choice(team, cohort, predictions=make_predictions(team)))
    assert preview.in_part == 7
    (line,) = [one for one in preview.lines if one.title == "Discrimination"]
    assert "every labelled case lacks the finding" in line.reason


def test_fewer_predictions_than_cases(
    team: Any, make_cohort_version: Make, make_predictions: Make
) -> None:
    cohort = make_cohort_version(team, n=8)
    preview = preview_of(choice(team, cohort, predictions=make_predictions(team)))
    (line,) = [one for one in preview.lines if one.title == "Discrimination"]
    assert line.state == "caution"
    assert "6 rows for 8 cases" in line.reason


def test_without_a_foreign_cohort_only_who_asks_is_told(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    protocol = write_protocol(
        actor=team.owner, team=team, name="P", body={"checks": ["ood-detection"]}
    )
    cohort, model = make_cohort_version(team), make_model_version(team)

    def reasons(**more: Any) -> list[str]:
        lines = preview_of(choice(team, cohort, model=model, **more)).lines
        return [line.reason for line in lines if line.title == "Foreign images"]

    assert reasons(protocol=protocol) == [MISSING["foreign"]]
    assert reasons() == []


def test_an_operating_point_that_the_model_does_not_declare(
    team: Any, make_cohort_version: Make, make_model_version: Make
) -> None:
    protocol = write_protocol(
        actor=team.owner, team=team, name="P", body={"operating_point": "screening"}
    )
    picked = choice(
        team, make_cohort_version(team), model=make_model_version(team), protocol=protocol
    )
    lines = {line.title: line for line in preview_of(picked).lines}
    assert lines["Operating point"].word == "Will not"
    assert "screening" in lines["Operating point"].reason


def test_cost_counts_what_is_there_already(team: Any, make_audit: Make) -> None:
    from ml.engine.plan import PassPlan, images_by_case, key_of_shard
    from portal.cohorts import catalogue

    audit = make_audit(team)
    picked = choice(team, audit.cohort_version, model=audit.model_version)
    before = preview_of(picked).cost
    assert (before.n_shards, before.n_reused, before.n_cases) == (1, 0, 6)
    assert before.seconds is None  # this model was never timed
    shard = Shard.objects.get()
    key = key_of_shard(
        PassPlan(shard.work.name, shard.work.params),
        model_sha256=audit.model_version.sha256,
        manifest_sha256=audit.model_version.manifest_sha256,
        shard=shard.case_ids,
        images=images_by_case(catalogue.load(audit.cohort_version)),
    )
    keep_evidence(shard, key, store.put_bytes(b"table"), {})
    after = preview_of(picked).cost
    assert (after.n_shards, after.n_reused, after.n_cases) == (1, 1, 0)


def test_a_form_sent_again_starts_one_audit(team: Any, make_cohort_version: Make) -> None:
    cohort = make_cohort_version(team, readings=True)
    client, url = page(team, team.owner)
    given = {"subject": "readers", "cohort": str(cohort.pk), "protocol": "default"}
    given["key"] = _key(client, url)
    went = {client.post(url, given)["Location"] for _ in range(4)}
    assert went == {Audit.objects.get().get_absolute_url()}
    given["key"] = _key(client, url)  # asked for anew, so it is meant
    assert client.post(url, given)["Location"] not in went
    assert Audit.objects.count() == 2


def _key(client: Client, url: str) -> str:
    found = re.search(r'name="key" value="([0-9a-f-]{36})"', text(client.get(url)))
    assert found is not None
    return found[1]
