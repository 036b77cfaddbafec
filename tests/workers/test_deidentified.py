"""A cohort of DICOM files, handed in as anybody's: only what names nobody is kept of it."""

import csv

import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction

from portal.accounts.actions import create_team, create_token
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts.models import Deidentification, Image
from portal.intake import originals
from portal.intake.keys import key_of
from portal.intake.models import PatientKey, Upload, UploadKind
from portal.leases import WorkState
from tests.ml.imaging.deid_files import planted, read, small, written
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, team  # noqa: F401

pytestmark = pytest.mark.reads_anew

CT, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1"
NAMED = (b"Doe", b"JANE", b"Jane", b"P-1", b"Secret", b"1.2.3.")


def dicom_cohort(folder, sop_class=CT, n=4, **more):
    folder.mkdir()
    with (folder / "cases.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case_id", "label", "image"])
        for at in range(n):
            rows.writerow([f"c{at}", ("yes", "no")[at % 2], f"DOE_JANE_{at}.dcm"])
            dataset = small(sop_class, SOPInstanceUID=f"1.2.3.{at}", PatientSex="FM"[at % 2],
                            StudyDescription="Secret", StudyDate="20200304", Manufacturer="GE",
                            PixelData=bytes([at] * 16), **more)  # fmt: skip
            (folder / f"DOE_JANE_{at}.dcm").write_bytes(written(dataset))
    (folder / "cohort.yaml").write_text(
        "title: CT\ntask: classification\nclasses: ['yes', 'no']\npositive: ['yes']\n"
    )
    return folder


def kept_bytes(upload):
    """Everything stored but the upload itself."""
    return b"".join(store.read_bytes(blob) for blob in Blob.objects.exclude(pk=upload.blob_id))


def test_nothing_that_is_kept_names_a_patient(team, read_in, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c"))

    version = upload.cohort_version
    assert version.state == "sealed", upload.refusals
    images = Image.objects.filter(case__version=version)
    assert images.count() == 4
    assert all(image.path == f"{read(store.read_bytes(image.blob)).SOPInstanceUID}.dcm"
               for image in images)  # fmt: skip
    kept = kept_bytes(upload)
    assert not any(word in kept for word in NAMED)
    assert not any(word.decode() in str(Deidentification.objects.get().report) for word in NAMED)
    case = version.cases.get(case_id="c0")
    assert (case.covariates["sex"], case.covariates["manufacturer"]) == ("F", "GE")


def test_no_planted_identifier_is_kept(
    team, read_in, tmp_path, repo_root, monkeypatch  # noqa: F811
):  # fmt: skip
    folder = dicom_cohort(tmp_path / "c")
    (folder / "DOE_JANE_0.dcm").write_bytes(planted(repo_root, tmp_path, monkeypatch))

    upload = read_in(UploadKind.COHORT, folder)

    assert upload.accepted, upload.refusals
    version = upload.cohort_version
    page = text(signed_in(team.owner).get(version.get_absolute_url()))
    kept = kept_bytes(upload) + page.encode() + str(Deidentification.objects.get().report).encode()
    kept += " ".join(upload.log).encode()
    assert not any(word in kept for word in (b"CNRY", b"Smith", b"19500102", b"20200304"))


def test_the_page_says_what_was_removed_and_not_the_key(team, read_in, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c"))

    page = text(signed_in(team.owner).get(upload.cohort_version.get_absolute_url()))

    assert "What was removed" in page
    assert "4 DICOM files of 1 patient" in page
    assert "StudyDescription" in page
    assert key_of(team).hex() not in page
    assert not any(word.decode() in page for word in NAMED)


def test_the_api_gives_the_report_to_the_team_alone(
    team, make_team, read_in, tmp_path, client  # noqa: F811
):  # fmt: skip
    version = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c")).cohort_version
    address = f"/api/v1/cohorts/{version.pk}/deidentification"

    def asked(whose):
        secret = create_token(actor=whose.owner, team=whose, name="test")[1]
        return client.get(address, headers={"Authorization": f"Bearer {secret}"})

    told = asked(team).json()
    assert (told["n_written"], told["burned_in"]["clear"]) == (4, 4)
    assert asked(make_team("Others")).status_code == 404


def test_what_may_have_text_in_its_pixels_stays_a_draft(team, read_in, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c", US))

    version = upload.cohort_version
    assert version.state == "draft"
    page = text(signed_in(team.owner).get(version.get_absolute_url()))
    assert "4 images may have text in the pixels" in page
    assert "it stayed a draft for that" in page
    assert f"?image={version.cases.first().images.get().pk}" in page


def test_a_declared_ultrasound_is_sealed(read_in, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c", US, BurnedInAnnotation="NO"))

    assert upload.cohort_version.state == "sealed"


def test_the_same_files_again_are_the_same_version(read_in, tmp_path):  # noqa: F811
    first = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c"))
    second = read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "d"))

    assert first.cohort_version == second.cohort_version
    assert Deidentification.objects.count() == 1


def test_what_was_done_never_changes(read_in, tmp_path):  # noqa: F811
    read_in(UploadKind.COHORT, dicom_cohort(tmp_path / "c"))

    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Deidentification.objects.update(report={})


def test_each_team_has_a_key_of_its_own(team, make_user):  # noqa: F811
    other = create_team(owner=make_user(), name="Other")

    assert key_of(team) == key_of(team) != key_of(other)
    assert len(key_of(team)) == 32
    assert PatientKey.objects.count() == 2


@pytest.mark.parametrize("good", [True, False])
def test_the_original_is_deleted_once_it_was_read(
    read_in, tmp_path, good, django_capture_on_commit_callbacks  # noqa: F811
):  # fmt: skip
    folder = dicom_cohort(tmp_path / "c", CT if good else "1.2.840.10008.5.1.4.1.1.481.2")
    with django_capture_on_commit_callbacks(execute=True):
        upload = read_in(UploadKind.COHORT, folder)

    assert (upload.state, upload.accepted) == (WorkState.DONE, good)
    assert not default_storage.exists(upload.blob.storage_name)
    kept = kept_bytes(upload)
    assert not any(word in kept for word in NAMED)


def test_a_file_that_somebody_needs_is_left(team, tmp_path):  # noqa: F811
    def hand(kind, state):
        return Upload.objects.create(team=team, kind=kind, file_name="x", blob=blob,
                                     created_by=team.owner, state=state)  # fmt: skip

    blob = store.put_bytes(b"weights of somebody")
    cohort = hand(UploadKind.COHORT, WorkState.DONE)
    waiting = hand(UploadKind.COHORT, WorkState.WAITING)
    assert originals._needed(blob)
    waiting.delete()
    assert not originals._needed(blob)
    hand(UploadKind.MODEL, WorkState.DONE)
    assert originals._needed(blob), "of a model the file itself may be what was kept"
    assert cohort.blob == blob


def test_forgotten_bytes_can_be_handed_in_again(db):
    blob = store.put_bytes(b"once")
    store.forget(blob)
    assert not default_storage.exists(blob.storage_name)

    assert store.read_bytes(store.put_bytes(b"once")) == b"once"
