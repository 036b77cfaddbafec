"""What a cohort is fit for: asked on one click, shown on its page, its duplicates made groups"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.report import Report
from portal.audits.fitness import fitness_of
from portal.audits.models import Audit, CheckRun, Finding, Protocol
from portal.cohorts.actions import keep_deidentification, seal_version
from portal.cohorts.description import Joined, _joined
from portal.cohorts.models import CohortVersion
from portal.leases import WorkState
from portal.trail.models import TrailEvent
from tests.portal.people import text

Make = Callable[..., Any]


def act(name: str, version: CohortVersion) -> str:
    return reverse(f"cohorts:{name}", args=[version.cohort.team.slug, version.pk])


def answered(version: CohortVersion, groups: dict[str, str], *, claim: str = "Said.") -> CheckRun:
    """The audit of its fitness, as if a worker had gone through it."""
    audit = Audit.objects.filter(cohort_version=version).latest("number")
    rows = [[case, group, 1] for case, group in groups.items()]
    series = {"kind": "table", "title": "Every case", "fields": ["case_id", "group", "n"],
              "rows": rows}  # fmt: skip
    audit.check_runs.update(state=WorkState.DONE, outcome="caution")
    run: CheckRun = audit.check_runs.get(check_id="duplicates")
    run.result = {"series": [series]}
    run.save()
    Finding.objects.create(
        audit=audit, check_run=run, finding_id="duplicates.units", position=0, state="caution",
        claim=claim, body={"why": "Because."},
    )  # fmt: skip
    return run


def test_one_click_starts_an_audit_without_a_model_and_a_second_finds_it(
    team: Any, as_owner: Client, make_cohort_version: Make
) -> None:
    version = make_cohort_version(team)
    assert "Measure its fitness" in text(as_owner.get(version.get_absolute_url()))

    answer = as_owner.post(act("measure", version))

    audit = Audit.objects.get()
    assert answer["Location"] == audit.get_absolute_url()
    assert (audit.model_version, audit.predictions) == (None, None)
    assert [run.check_id for run in audit.check_runs.order_by("position")] == [
        "cohort-fitness", "duplicates",
    ]  # fmt: skip
    assert [row.name for row in audit.passes.all()] == ["describe"]
    assert as_owner.post(act("measure", version))["Location"] == audit.get_absolute_url()
    assert "It is being measured" in text(as_owner.get(version.get_absolute_url()))
    assert Audit.objects.count() == 1


def test_the_protocol_is_written_once(
    team: Any, as_owner: Client, make_cohort_version: Make
) -> None:
    for n in (6, 8):
        as_owner.post(act("measure", make_cohort_version(team, n=n)))
    assert Audit.objects.count() == 2
    assert Protocol.objects.get(team=team, name="Cohort fitness").state == "locked"


def test_the_page_says_what_was_found(
    team: Any, as_owner: Client, as_viewer: Client, make_cohort_version: Make
) -> None:
    version = make_cohort_version(team)
    as_owner.post(act("measure", version))
    run = answered(version, {}, claim="Three images are there twice.")
    described: CheckRun = run.audit.check_runs.get(check_id="cohort-fitness")
    table = {"kind": "table", "title": "How the images were made and stored", "subtitle": "Counts",
             "fields": ["Characteristic", "Value", "all"],
             "rows": [["colour mode", "<b>RGBA</b>", "4 (0.1 %)"]]}  # fmt: skip
    described.result = {"series": [table, table | {"title": "Table 1: who is in the cohort"}]}
    described.save()
    shown = text(as_viewer.get(version.get_absolute_url()))
    assert "Three images are there twice." in shown
    assert run.audit.reference in shown
    assert "How the images were made and stored" in shown
    assert "Table 1: who is in the cohort" not in shown, "the page has one of its own"
    page = as_viewer.get(version.get_absolute_url()).content.decode()
    assert "&lt;b&gt;RGBA&lt;/b&gt;" in page, "what files say is text and no markup"
    assert "Make groups" not in shown, "a viewer changes nothing"
    assert "Make groups of its duplicates" in text(as_owner.get(version.get_absolute_url()))


def test_groups_become_clusters_of_a_draft_on_one_click(
    team: Any, as_owner: Client, make_cohort_version: Make
) -> None:
    version = make_cohort_version(team, n=12, sealed=False)
    report = Report(Identity(bytes(32))).to_json(all_files=False)
    keep_deidentification(version=version, report=report)
    seal_version(actor=team.owner, version=version)
    version.refresh_from_db()
    as_owner.post(act("measure", version))
    answered(version, {"c0": "g1", "c4": "g1", "c2": "g2"})

    answer = as_owner.post(act("group", version), follow=True)

    made = CohortVersion.objects.exclude(pk=version.pk).get()
    assert answer.request["PATH_INFO"] == made.get_absolute_url()
    assert (made.cohort, made.number, made.state) == (version.cohort, version.number + 1, "draft")
    assert (made.cluster_kind, made.n_cases, made.n_images) == ("group", 12, version.n_images)
    assert made.n_clusters == version.n_clusters - 1
    of = dict(made.cases.values_list("case_id", "cluster"))
    assert len({of[one] for one in ("c0", "c1", "c4", "c5")}) == 1, "patients stay whole"
    assert of["c2"] != of["c0"]
    assert "near-duplicates that" in made.notes
    assert TrailEvent.objects.filter(action="cohort grouped").count() == 1
    assert made.deidentification.report == report, "it is of the same files"
    version.refresh_from_db()
    assert version.cluster_kind == "patient"
    # A second click finds the same version again.
    as_owner.post(act("group", version))
    assert CohortVersion.objects.count() == 2


def test_groups_that_lie_in_patients_change_nothing(
    team: Any, as_owner: Client, make_cohort_version: Make
) -> None:
    version = make_cohort_version(team, n=12)
    assert "measure its fitness first" in text(as_owner.post(act("group", version), follow=True))
    as_owner.post(act("measure", version))
    answered(version, {"c0": "g1", "c1": "g1"})
    answer = as_owner.post(act("group", version), follow=True)
    assert "in one cluster already" in text(answer)
    assert CohortVersion.objects.count() == 1


def test_a_draft_is_not_measured(team: Any, as_owner: Client, make_cohort_version: Make) -> None:
    version = make_cohort_version(team, sealed=False)
    assert "Measure its fitness" not in text(as_owner.get(version.get_absolute_url()))
    assert "seal it first" in text(as_owner.post(act("measure", version), follow=True))
    assert not Audit.objects.exists()


@pytest.mark.parametrize("name", ["measure", "group"])
def test_a_viewer_may_not_and_a_stranger_sees_nothing(
    team: Any,
    as_owner: Client,
    as_viewer: Client,
    as_stranger: Client,
    make_cohort_version: Make,
    name: str,
) -> None:
    version = make_cohort_version(team)
    as_owner.post(act("measure", version))
    answered(version, {"c0": "g1", "c2": "g1"})
    before = (Audit.objects.count(), CohortVersion.objects.count())
    assert as_viewer.post(act(name, version)).status_code == 403
    assert as_stranger.post(act(name, version)).status_code == 404
    assert as_owner.get(act(name, version)).status_code == 405
    assert (Audit.objects.count(), CohortVersion.objects.count()) == before


def test_audits_of_other_versions_say_nothing_of_this_one(
    team: Any, as_owner: Client, make_cohort_version: Make, make_team: Make
) -> None:
    one, other = make_cohort_version(team, n=6), make_cohort_version(team, n=8)
    as_owner.post(act("measure", one))
    answered(one, {})
    assert fitness_of(team, one).duplicates is not None
    assert fitness_of(team, other).runs == ()
    assert fitness_of(make_team("Elsewhere"), one).runs == ()


@pytest.mark.parametrize(
    ("joined", "state", "said"),
    [
        (Joined(9, 9, 9, 0), "info", "every case has a label and an image; no row was left over"),
        (Joined(9, 9, 7, 8), "caution", "2 cases have not an image; 1 case has not a reading"),
    ],
)
def test_what_did_not_join_is_said(joined: Joined, state: str, said: str) -> None:
    (fact,) = _joined(joined)
    assert (fact.state, fact.answer.startswith(said)) == (state, True)
    assert _joined(Joined(9, 9, 0, 0)) == [], "there is nothing to join"
