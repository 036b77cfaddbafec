"""What a model saw, from the page's question to its pictures: the image is opened in a child."""

import io

import numpy as np
import pytest
import yaml
from django.urls import reverse
from PIL import Image

from ml.imaging.seen import POSITIONS
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.planning import start_audit
from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import UploadKind
from portal.leases import claim
from portal.reports.models import Report
from portal.seen import actions
from portal.seen.models import Seen
from tests.ml.engine.test_segment import VOLUME
from tests.ml.engine.test_segment import model as segmenting
from tests.ml.imaging.test_mask import nifti
from tests.ml.imaging.test_volume import slices
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers import seen as work

VOXELS = np.arange(8 * 6 * 4, dtype=np.float32).reshape(8, 6, 4)


@pytest.fixture
def model(read_in, tmp_path):  # noqa: F811
    return read_in(UploadKind.MODEL, model_folder(tmp_path / "m", channels=4)).model_version


@pytest.fixture
def cohort(read_in, tmp_path):  # noqa: F811
    return read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=12)).cohort_version


def shown_after(seen):
    work.prepare_seen(str(seen.pk))
    seen.refresh_from_db()
    return seen


def test_from_the_case_of_a_report_to_its_steps(team, model, cohort):  # noqa: F811
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    run_all(audit)
    report = Report.objects.get(audit=audit)
    person = signed_in(team.owner)
    page = text(person.get(reverse("reports:case", args=[team.slug, report.pk, "c0003"])))
    case = cohort.cases.get(case_id="c0003")
    make = reverse("seen:make", args=[team.slug, model.pk, case.pk])
    assert f'action="{make}"' in page

    person.post(make)
    seen = shown_after(Seen.objects.get())

    assert seen.steps, (seen.state, seen.error, seen.refusal)
    assert [step["name"] for step in seen.steps] == ["decode", "resize", "intensity", "layout"]
    _, resized, _, last = seen.steps
    given = model.manifest["input"]
    assert last["shape"] == [1, *given["size"]]
    assert last["high"] == pytest.approx(resized["high"] / given["intensity"]["scale"], rel=1e-6)
    shown = text(person.get(seen.get_absolute_url()))
    assert "What the network is given" in shown
    assert "divided by 255" in shown
    picture = Blob.objects.get(pk=last["pictures"][0])
    assert Image.open(io.BytesIO(store.read_bytes(picture))).size == tuple(given["size"][::-1])


def series_folder(folder):
    """Three cases: the slices of a DICOM series, one of them alone, and a NIfTI file."""
    (folder / "images").mkdir(parents=True)
    for at, data in enumerate(slices(4)):
        (folder / "images" / f"{at}.dcm").write_bytes(data)
    (folder / "head.nii.gz").write_bytes(nifti(VOXELS))
    rows = ["case_id,image,label", "whole,images/*.dcm,yes", "one,images/0.dcm,no"]
    (folder / "cases.csv").write_text("\n".join([*rows, "head,head.nii.gz,no"]))
    cohort = {"title": "Series", "task": "classification", "classes": ["no", "yes"]}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(cohort | {"positive": ["yes"]}))
    return folder


def test_a_volume_has_slices(team, read_in, tmp_path):  # noqa: F811
    volumes = read_in(
        UploadKind.MODEL, segmenting(tmp_path / "v", sides=(8, 8, 8), input=VOLUME)
    ).model_version
    folder = series_folder(tmp_path / "series")
    upload = read_in(UploadKind.COHORT, folder)
    assert upload.accepted, upload.refusals
    whole, one, head = upload.cohort_version.cases.order_by("position")

    seen = shown_after(actions.ask(actor=team.owner, version=volumes, case=whole))

    assert seen.steps, (seen.state, seen.error, seen.refusal)
    assert [step["name"] for step in seen.steps] == ["decode", "resize", "intensity", "layout"]
    assert seen.steps[0]["shape"][2] == 4
    assert seen.steps[-1]["shape"] == [1, 8, 8, 8]
    assert {len(step["pictures"]) for step in seen.steps} == {POSITIONS}
    sheets = [store.read_bytes(Blob.objects.get(pk=sha)) for sha in seen.steps[0]["pictures"]]
    first, last = (np.asarray(Image.open(io.BytesIO(sheets[at]))) for at in (0, -1))
    assert not np.array_equal(first, last)

    of_nifti = shown_after(actions.ask(actor=team.owner, version=volumes, case=head))

    first = of_nifti.steps[0]
    assert (first["shape"], first["low"], first["high"]) == ([8, 6, 4], 0, VOXELS.max())
    image = reverse("cohorts:image", args=[team.slug, head.images.get().pk])
    assert signed_in(team.owner).get(image)["Content-Type"] == "image/png"

    refused = shown_after(actions.ask(actor=team.owner, version=volumes, case=one))

    assert refused.refusal["code"]
    page = text(signed_in(team.owner).get(refused.get_absolute_url()))
    assert "The model cannot be given this case" in page


def test_an_image_that_changed_is_not_shown(team, model, cohort, settings):  # noqa: F811
    case = cohort.cases.first()
    path = store.local_path(case.images.get().blob, settings.SCRATCH_DIR)
    path.chmod(0o600)
    path.write_bytes(b"something else")

    seen = shown_after(actions.ask(actor=team.owner, version=model, case=case))

    assert (seen.state, seen.refusal["code"], seen.steps) == ("done", "image_changed", [])


def test_a_child_that_leaves_what_is_no_picture_fails_and_is_tried_again(
    team, model, cohort, monkeypatch  # noqa: F811
):  # fmt: skip
    def spoiled(job, **more):
        outcome = run(job, **more)
        (job.out_dir / "step-0-0.png").write_text("<script>")
        return outcome

    run = work.run
    monkeypatch.setattr(work, "run", spoiled)
    seen = actions.ask(actor=team.owner, version=model, case=cohort.cases.first())

    shown_after(seen)

    assert (seen.state, seen.attempts, seen.steps) == ("waiting", 1, [])
    assert "no PNG" in seen.error
    monkeypatch.setattr(work, "run", run)
    assert shown_after(seen).state == "done"


def test_whoever_lost_the_lease_writes_nothing(team, model, cohort, monkeypatch):  # noqa: F811
    seen = actions.ask(actor=team.owner, version=model, case=cohort.cases.first())

    def slow(job, **more):
        outcome = run(job, **more)
        Seen.objects.update(state="waiting")
        assert claim(Seen, seen.pk)
        return outcome

    run = work.run
    monkeypatch.setattr(work, "run", slow)

    shown_after(seen)

    assert (seen.state, seen.steps) == ("running", [])
