"""The page of a cohort version; sealing and discarding a draft"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.audits.access import audits_beside
from portal.audits.further import Beside, Foreign
from portal.audits.models import FurtherCohort
from portal.cohorts.models import CohortVersion
from tests.portal.people import text


def act(name: str, version: CohortVersion) -> str:
    return reverse(f"cohorts:{name}", args=[version.cohort.team.slug, version.pk])


def test_says_what_the_data_is_and_holds(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team, n=24, readings=True)

    shown = text(as_viewer.get(version.get_absolute_url()))

    assert "What this data is, and is not" in shown
    assert "Made-up images for tests." in shown
    assert "simulated data" in shown
    assert "every case has one: 12 tumour, 12 none" in shown
    assert "24 cases in 12 patients, the largest of 2" in shown
    assert "72 readings of 1 question" in shown
    assert "72 readings of 24 cases, every reader counted" in shown
    assert version.sha256 in shown
    assert "New audit" not in shown


def test_says_what_is_missing(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    shown = text(as_owner.get(make_cohort_version(team).get_absolute_url()))

    assert "no readings: agreement cannot be measured" in shown
    assert "New audit" in shown


def test_lists_the_audits_that_looked_at_it(
    team: Any, as_owner: Client, make_audit: Callable[..., Any]
) -> None:
    audit = make_audit(team)

    shown = text(as_owner.get(audit.cohort_version.get_absolute_url()))

    assert "1 look taken" in shown
    assert audit.get_absolute_url() in shown


def test_lists_the_audits_that_it_stood_beside_and_those_of_its_team_alone(
    team: Any,
    as_owner: Client,
    make_team: Callable[..., Any],
    make_audit: Callable[..., Any],
    make_cohort_version: Callable[..., Any],
) -> None:
    own, ct, dev, other = (make_cohort_version(team, n=n) for n in (6, 4, 5, 3))
    beside = Beside((Foreign(ct, "far"), Foreign(other, "near")), dev)
    audit = make_audit(team, cohort=own, beside=beside)
    elsewhere = make_team("Elsewhere")
    theirs = make_cohort_version(elsewhere, n=7)
    make_audit(elsewhere, beside=Beside((Foreign(theirs, "far"),)))

    foreign = text(as_owner.get(ct.get_absolute_url()))
    reference = text(as_owner.get(dev.get_absolute_url()))
    audited = text(as_owner.get(own.get_absolute_url()))

    assert f"as foreign cohort of {own}" in foreign
    assert foreign.count(audit.get_absolute_url()) == 1
    assert "0 looks taken" in foreign
    assert f"as reference cohort of {own}" in reference
    assert "Beside another cohort" not in audited
    # Rows that another team's audit would have with it are not this team's to see.
    FurtherCohort.objects.filter(cohort_version=theirs).update(cohort_version=ct)
    assert list(audits_beside(team, ct)) == [audit]
    assert text(as_owner.get(ct.get_absolute_url())).count("as foreign cohort of") == 1


def test_a_draft_is_sealed_once(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    draft = make_cohort_version(team, sealed=False)
    before = text(as_owner.get(draft.get_absolute_url()))

    first = text(as_owner.post(act("seal", draft), follow=True))
    second = text(as_owner.post(act("seal", draft), follow=True))

    assert "Draft: may still change." in before
    assert "is sealed. Audits can use it now." in first
    assert "Draft: may still change." not in first
    assert "is sealed already." in second


def test_a_draft_is_discarded_whole(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    draft = make_cohort_version(team, sealed=False)

    shown = text(as_owner.post(act("discard", draft), follow=True))

    assert "The draft is discarded." in shown
    assert not CohortVersion.objects.exists()


def test_a_sealed_version_stays(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team)

    shown = text(as_owner.post(act("discard", version), follow=True))

    assert "is sealed, so it stays." in shown
    assert CohortVersion.objects.filter(pk=version.pk).exists()


@pytest.mark.parametrize("name", ["seal", "discard"])
def test_a_mate_without_the_right_changes_nothing(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any], name: str
) -> None:
    draft = make_cohort_version(team, sealed=False)

    assert as_viewer.post(act(name, draft)).status_code == 403
    draft.refresh_from_db()
    assert draft.state == "draft"
    assert "Discard" not in text(as_viewer.get(draft.get_absolute_url()))


def test_a_stranger_sees_nothing(
    team: Any, as_stranger: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team, sealed=False)

    assert as_stranger.get(version.get_absolute_url()).status_code == 404
    assert as_stranger.post(act("seal", version)).status_code == 404
    assert as_stranger.post(act("discard", version)).status_code == 404
