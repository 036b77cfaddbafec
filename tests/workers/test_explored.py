"""A region taken out by hand: from the form of a case to the model's answer, asked in a child."""

import html

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from ml.engine.blot import boxes_of
from ml.engine.cases import Case, prepare_case
from ml.engine.region import region_left, versions_of
from ml.engine.region_form import VERSIONS
from ml.imaging.declared import Input
from ml.imaging.recurring import overlap
from ml.meaning import scores_of
from ml.sandbox.results import ResultError
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.blobs import store
from portal.intake.models import UploadKind
from portal.leases import claim
from portal.reports.frozen import open_report
from portal.reports.models import Report
from portal.seen import actions
from portal.seen.models import Exploration
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers import explored as work
from workers import seen as watched

REGION = {"top": "0", "left": "50", "height": "25", "width": "50", "name": "corner"}


@pytest.fixture
def report(team, read_in, tmp_path):  # noqa: F811
    model = read_in(UploadKind.MODEL, model_folder(tmp_path / "m", channels=4)).model_version
    cohort = read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=12)).cohort_version
    rules = write_protocol(
        actor=team.owner, team=team, name="P", body={"checks": ["discrimination"], "draws": 200}
    )
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    run_all(audit)
    return Report.objects.get(audit=audit)


@pytest.fixture
def case(report):
    return report.audit.cohort_version.cases.first()


@pytest.fixture
def owner(report):
    return signed_in(report.team.memberships.get(role="owner").user)


@pytest.fixture
def address(report, case):
    return reverse("reports:regions", args=[report.team.slug, report.pk, case.case_id])


def answered(row):
    work.explore_region(str(row.pk))
    row.refresh_from_db()
    return row


def shown(person, report, case):
    page = person.get(reverse("reports:case", args=[report.team.slug, report.pk, case.case_id]))
    return html.unescape(text(page))


def test_from_the_form_to_the_answer_of_the_model(report, case, owner, address, tmp_path):
    assert "What does the model say without this?" in shown(owner, report, case)
    assert owner.post(address, REGION).status_code == 302
    row = answered(Exploration.objects.get())

    assert (row.state, row.error) == ("done", "")
    scores = row.answers["scores"]
    assert list(scores) == list(VERSIONS)
    sealed = open_report(report).by_id[case.case_id].score
    assert scores["as it is"] == pytest.approx(sealed, abs=1e-5)
    # The same by hand: the network is run on the picture with the region replaced.
    from ml.engine.session import open_session
    from ml.scores import activated, finding_score

    audit, (image,) = report.audit, case.images.all()
    manifest = audit.model_version.manifest
    declared = Input.model_validate(manifest["input"])
    path = tmp_path / image.blob_id
    path.write_bytes(store.read_bytes(image.blob))
    prepared = prepare_case(Case(case.case_id, (path,)), declared)
    rows, columns = declared.sides
    changed = prepared.copy()
    changed[:, : rows // 4, columns // 2 :] = prepared.mean(axis=(1, 2), keepdims=True)
    weights = tmp_path / "model.onnx"
    weights.write_bytes(store.read_bytes(audit.model_version.weights))
    from ml.intake.model_manifest import ModelManifest

    session = open_session(weights, ModelManifest.model_validate(manifest), threads=1)
    meant = scores_of(manifest["output"])
    expected = finding_score(activated(session.run(changed[None]), meant), meant)[0]
    assert scores["mean"] == pytest.approx(expected, abs=1e-5)
    top, left, height, width = row.answers["elsewhere"]
    assert (height, width) == (0.25, 0.5)
    assert top >= 0.25 or left == 0, "the other place touches none of the region"

    page = shown(owner, report, case)
    assert "→" in page
    assert "the answer" in page
    assert "no part of the report" in page
    assert 'shortcut_regions: - name: "corner" box: [0, 0.5, 0.25, 0.5]' in page
    assert "corner" not in shown_report(owner, report)


def shown_report(person, report):
    return text(person.get(reverse("reports:report", args=[report.team.slug, report.pk])))


def test_the_other_place_touches_a_region_in_the_middle_nowhere(report, owner, address):
    owner.post(address, REGION | {"top": "35", "left": "35", "height": "30", "width": "30"})
    place = answered(Exploration.objects.get()).answers["elsewhere"]
    # Both are whole pixels: a share of the form may lie within one, so shares can't be compared.
    sides = Input.model_validate(report.audit.model_version.manifest["input"]).sides
    regions = [{"name": "asked", "box": [0.35, 0.35, 0.3, 0.3]}, {"name": "other", "box": place}]
    (_, region), (_, other) = boxes_of({"regions": regions}, sides)
    assert overlap(region, other) == 0
    assert other[2:] == region[2:]


def test_the_same_question_is_asked_once(report, owner, address):
    owner.post(address, REGION)
    owner.post(address, REGION | {"name": "again"})
    assert Exploration.objects.count() == 1
    assert owner.get(address).content.decode().count("data-live-url") == 1
    answered(Exploration.objects.get())
    assert "data-live-url" not in owner.get(address).content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top": "80", "width": "10"}, "reaches beyond the picture"),
        ({"height": "0"}, "The region is empty"),
        ({"left": "60"}, "reaches beyond the picture"),
        ({"left": "60", "height": "10"}, "reaches beyond the picture"),
        ({"width": "nan"}, "Enter a number."),
        ({"width": "inf"}, "Enter a number."),
        ({"left": ""}, "This field is required."),
        ({"left": "-1"}, "greater than or equal to 0"),
        ({"height": "101"}, "less than or equal to 100"),
        ({"height": "100", "width": "100", "left": "0"}, "is the whole picture"),
        ({"name": "x" * 61}, "at most 60 characters"),
    ],
)
def test_what_is_no_region_is_said_and_not_asked(owner, address, change, said):
    answer = owner.post(address, REGION | change)
    assert said in html.unescape(answer.content.decode())
    assert not Exploration.objects.exists()


def test_a_stranger_and_a_person_signed_out_reach_nothing(report, case, address, make_team):
    stranger = signed_in(make_team("Other").owner)
    assert stranger.post(address, REGION).status_code == 404
    assert stranger.get(address).status_code == 404
    assert Client().post(address, REGION).status_code == 302, "to the login"
    nobody = reverse("reports:regions", args=[report.team.slug, report.pk, "no-such-case"])
    assert signed_in(report.team.memberships.get(role="owner").user).get(nobody).status_code == 404
    assert not Exploration.objects.exists()


def test_many_questions_have_to_wait(owner, address, monkeypatch):
    for at in range(actions.MOST_OPEN):
        owner.post(address, REGION | {"top": str(at)})
    refused = owner.post(address, REGION | {"top": "30"})
    assert "still wait" in refused.content.decode()
    Exploration.objects.update(state="done")
    monkeypatch.setattr(actions, "MOST_AN_HOUR", actions.MOST_OPEN)
    assert "within an hour" in owner.post(address, REGION | {"top": "31"}).content.decode()
    monkeypatch.setattr(actions, "MOST_AN_HOUR", 100)
    monkeypatch.setattr(actions, "MOST_OF_AN_AUDIT", actions.MOST_OPEN)
    assert "by hand" in owner.post(address, REGION | {"top": "32"}).content.decode()
    assert Exploration.objects.count() == actions.MOST_OPEN


def test_what_goes_wrong_is_said_and_nothing_is_believed(owner, address, monkeypatch):
    owner.post(address, REGION)
    row, run = Exploration.objects.get(), watched.run

    def lying(job, **more):
        outcome = run(job, **more)
        outcome.result["rows"][1]["outputs"] = [1e300, 5.0, 3.0]
        return outcome

    monkeypatch.setattr(watched, "run", lying)
    row = answered(row)
    assert (row.state, row.answers) == ("waiting", {})
    assert "another number of outputs" in row.error

    def slow(job, **more):
        outcome = run(job, **more)
        Exploration.objects.update(state="waiting")
        assert claim(Exploration, row.pk)
        return outcome

    monkeypatch.setattr(watched, "run", slow)
    row = answered(row)
    assert (row.state, row.answers) == ("running", {}), "whoever lost the lease writes nothing"


OUTPUT = {"kind": "probabilities", "classes": ["a", "b"], "positive": ["a"]}


def told(**changes):
    rows = [{"version": one, "outputs": [0.25, 0.75]} for one in VERSIONS]
    return {"rows": rows, "elsewhere": [0.5, 0.5, 0.5, 0.5]} | changes


@pytest.mark.parametrize(
    "odd",
    [
        told(elsewhere=None),
        told(elsewhere=[0.9, 0.5, 0.5, 0.5]),
        told(elsewhere=[0.5, 0.5]),
        told(rows=told()["rows"][:3]),
        told(rows=[{"version": "<b>", "outputs": None}]),
        told(rows=[{"version": one, "outputs": [float("nan"), 1.0]} for one in VERSIONS]),
        told(more=1),
        {},
    ],
)
def test_answers_of_a_child_are_checked(odd):
    with pytest.raises(ResultError):
        region_left(odd, scores_of(OUTPUT))


def test_answers_that_are_not_finite_or_no_probabilities_are_none():
    rows = told()["rows"]
    rows[1]["outputs"], rows[2]["outputs"] = None, [7.0, -6.0]
    found = region_left(told(rows=rows), scores_of(OUTPUT)).scores
    assert (found["as it is"], found["mean"], found["blur"]) == (0.25, None, None)


def test_only_the_region_changes_and_the_other_place_alone_elsewhere():
    picture = np.random.default_rng(0).random((8, 10, 3))
    made = versions_of(picture, (1, 2, 3, 4), (5, 6, 3, 4))
    inside = np.zeros((8, 10), bool)
    inside[1:4, 2:6] = True
    other = np.zeros((8, 10), bool)
    other[5:8, 6:10] = True
    for name, where in (("mean", inside), ("blur", inside), ("mean elsewhere", other)):
        assert (made[name][~where] == picture[~where]).all()
        assert (made[name][where] != picture[where]).all()
    assert made["mean"][2, 3] == pytest.approx(picture.mean(axis=(0, 1)))
    assert (made["as it is"] == picture).all()
    assert "mean elsewhere" not in versions_of(picture, (1, 2, 3, 4), None)
