"""Corruptions of an audit, from the page's question to their pictures, drawn in a child."""

import io

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from ml.engine.cases import Case, prepare_case
from ml.engine.passes import CORRUPT
from ml.engine.worsened import worsened_job
from ml.imaging.declared import Input
from ml.imaging.outlines import MARKED, REFERENCE
from ml.zoo import marks
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import UploadKind
from portal.leases import claim
from portal.reports.models import Report
from portal.seen.models import Worsened
from tests.ml.intake.build import QUIET
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers import seen as work

CHOSEN = ["gaussian-noise", "gamma", "dicom-inverted"]


@pytest.fixture
def report(team, read_in, tmp_path):  # noqa: F811
    model = read_in(UploadKind.MODEL, model_folder(tmp_path / "m", channels=4)).model_version
    cohort = read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=30)).cohort_version
    body = {"checks": ["stress"], "stress_cases": 20, "corruptions": CHOSEN, "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Stress", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    run_all(audit)
    return Report.objects.get(audit=audit)


@pytest.fixture
def asked(report):
    """The row that the button of the report makes."""
    make = reverse("reports:worsened-make", args=[report.team.slug, report.pk])
    signed_in(report.team.memberships.get(role="owner").user).post(make)
    return Worsened.objects.get()


def shown_after(row):
    work.prepare_worsened(str(row.pk))
    row.refresh_from_db()
    return row


def page_of(report):
    person = signed_in(report.team.memberships.get(role="owner").user)
    return text(person.get(reverse("reports:report", args=[report.team.slug, report.pk])))


def pixels(sha256):
    return np.asarray(Image.open(io.BytesIO(store.read_bytes(Blob.objects.get(pk=sha256)))))


def test_from_the_button_to_the_pictures_that_the_audit_ran(report, asked, tmp_path):
    row = shown_after(asked)

    assert row.state == "done", row.error
    assert sorted(name for name, _ in row.wanted) == sorted(CHOSEN)
    audit = report.audit
    given = audit.model_version.manifest["input"]
    for at, (name, case_id) in enumerate(row.wanted):
        image = audit.cohort_version.cases.get(case_id=case_id).images.get()
        (tmp_path / str(at)).mkdir()
        path = tmp_path / image.blob_id
        path.write_bytes(store.read_bytes(image.blob))
        inputs = {
            "input": given, "seed": audit.passes.get(name=CORRUPT).params["seed"],
            "cases": [{"case_id": case_id, "images": [str(path)]}], "strips": [[name, case_id]],
        }  # fmt: skip
        worsened_job(inputs, tmp_path / str(at), QUIET)
        here = [np.asarray(Image.open(tmp_path / str(at) / f"strip-0-{k}.png")) for k in range(6)]
        for one, other in zip(here, row.strips[at]["pictures"], strict=True):
            assert np.array_equal(one, pixels(other))
        prepared = prepare_case(Case(case_id, (path,)), Input.model_validate(given))
        assert np.abs(here[0] / 255 - prepared[0]).max() <= 0.5 / 255 + 1e-6
    assert "3 of 13 corruptions, chosen by the protocol" in page_of(report)
    assert page_of(report).count("<li") >= 3 * 6


def test_what_goes_wrong_is_said_and_nothing_is_believed(report, asked, settings, monkeypatch):
    """A child that leaves what is no picture, a lease that is lost, an image that changed."""
    run = work.run

    def spoiled(job, **more):
        outcome = run(job, **more)
        (job.out_dir / "strip-0-0.png").write_text("<script>")
        return outcome

    def slow(job, **more):
        outcome = run(job, **more)
        Worsened.objects.update(state="waiting")
        assert claim(Worsened, asked.pk)
        return outcome

    monkeypatch.setattr(work, "run", spoiled)
    row = shown_after(asked)
    assert (row.state, row.attempts, row.strips) == ("waiting", 1, [])
    assert "no PNG" in row.error

    monkeypatch.setattr(work, "run", slow)
    row = shown_after(asked)
    assert (row.state, row.strips) == ("running", []), "whoever lost the lease writes nothing"

    monkeypatch.setattr(work, "run", run)
    Worsened.objects.update(state="waiting")
    lost = asked.wanted[0][1]
    case = report.audit.cohort_version.cases.get(case_id=lost)
    path = store.local_path(case.images.get().blob, settings.SCRATCH_DIR)
    path.chmod(0o600)
    path.write_bytes(b"something else")
    row = shown_after(asked)
    assert row.state == "done"
    for (_, case_id), strip in zip(row.wanted, row.strips, strict=True):
        assert strip["code"] == ("image_changed" if case_id == lost else "")
        assert len(strip["pictures"]) == (0 if case_id == lost else 6)
    assert f"The image of case {lost} could not be prepared." in page_of(report)


def test_what_a_model_marks_is_drawn_on_the_copies(team, read_in, tmp_path):  # noqa: F811
    model = read_in(UploadKind.MODEL, marks.model_folder(tmp_path / "m", flaw="pixels"))
    cohort = read_in(UploadKind.COHORT, marks.cohort_folder(tmp_path / "c", n=16)).cohort_version
    body = {"checks": ["stress"], "stress_cases": 12, "corruptions": CHOSEN[:2], "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Stress", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model.model_version,
        protocol=rules,
    )  # fmt: skip
    run_all(audit)
    report = Report.objects.get(audit=audit)
    make = reverse("reports:worsened-make", args=[team.slug, report.pk])
    signed_in(team.owner).post(make)

    row = shown_after(Worsened.objects.get())

    assert row.state == "done", row.error
    assert [strip["outlined"] for strip in row.strips] == [True, True], row.strips
    for (_, case_id), strip in zip(row.wanted, row.strips, strict=True):
        number = int(case_id[1:])
        rows, columns = np.nonzero(marks.disc(number))
        first = pixels(strip["pictures"][0])
        for colour in (MARKED, REFERENCE):
            line = np.argwhere((first == colour).all(axis=2))
            assert line.mean(axis=0) == pytest.approx((rows.mean(), columns.mean()), abs=2.5)
    noise = row.strips[[name for name, _ in row.wanted].index("gaussian-noise")]["pictures"]
    lines = [(pixels(noise[at]) == MARKED).all(axis=2).sum() for at in (0, 5)]
    assert lines[1] > 3 * lines[0], "noise tears what is marked pixel by pixel"
    assert pixels(noise[5]).shape == (marks.SIDE, marks.SIDE, 3)
    assert "dashed orange: the reference" in page_of(report)
