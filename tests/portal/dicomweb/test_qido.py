"""Searches: what is found, what is told of it, what is refused."""

from typing import Any

import pytest
from django.test import Client

from tests.portal.dicomweb.conftest import address, changed

DICOM_STUDY, DICOM_SERIES, DICOM_INSTANCE = "0020000D", "0020000E", "00080018"


def found(response: Any, tag: str) -> list[str]:
    assert response.status_code == 200, response.content
    return sorted(one[tag]["Value"][0] for one in response.json())


@pytest.fixture
def three(hold: Any) -> Any:
    """Three studies of two people, the middle one of two series."""
    make = [
        ("1.1", "1.1.1", "1.1.1.1", "Doe^Jane", "p1", "20200115", "101500", "CT", "A_1"),
        ("1.2", "1.2.1", "1.2.1.1", "Doe^John", "p2", "20200220", "235959.5", "CT", "A21"),
        ("1.2", "1.2.2", "1.2.2.1", "Doe^John", "p2", "20200220", "235959.5", "SR", "A21"),
        ("1.3", "1.3.1", "1.3.1.1", "Müller^Ann", "p3", "20210301", "0930", "MR", "B%"),
    ]
    files = {
        f"{sop}.dcm": changed(
            "CT_small.dcm", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=sop,
            SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientID=patient, StudyDate=date,
            StudyTime=time, Modality=modality, AccessionNumber=accession,
        )
        for study, series, sop, name, patient, date, time, modality, accession in make
    }  # fmt: skip
    return hold(files)


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ("", ["1.1", "1.2", "1.3"]),
        ("PatientID=p1", ["1.1"]),
        ("00100020=p1", ["1.1"]),
        ("PatientName=doe*", ["1.1", "1.2"]),
        ("PatientName=Doe^J??e", ["1.1"]),
        ("PatientName=*ller*", ["1.3"]),
        ("PatientName=Doe", []),
        ("StudyDate=20200115", ["1.1"]),
        ("StudyDate=20200115-20200220", ["1.1", "1.2"]),
        ("StudyDate=20200116-", ["1.2", "1.3"]),
        ("StudyDate=-20200219", ["1.1"]),
        ("StudyTime=0930-1015", ["1.1", "1.3"]),
        ("StudyTime=235959", ["1.2"]),
        ("AccessionNumber=A_1", ["1.1"]),
        ("AccessionNumber=%25", []),
        ("AccessionNumber=B%25", ["1.3"]),
        ("ModalitiesInStudy=SR", ["1.2"]),
        ("ModalitiesInStudy=CT", ["1.1", "1.2"]),
        ("ModalitiesInStudy=CT,SR", ["1.2"]),
        ("StudyInstanceUID=1.1,1.3", ["1.1", "1.3"]),
        ("PatientID=", ["1.1", "1.2", "1.3"]),
        ("PatientID=*", ["1.1", "1.2", "1.3"]),
        ("PatientName=doe*&StudyDate=2020-", None),
    ],
)
def test_studies_are_matched(
    program: Client, three: Any, query: str, studies: list[str] | None
) -> None:
    response = program.get(f"/dicomweb/studies?{query}")

    if studies is None:
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    else:
        assert found(response, DICOM_STUDY) == studies


def test_a_study_tells_what_is_in_it(program: Client, three: Any) -> None:
    [study] = program.get("/dicomweb/studies?ModalitiesInStudy=SR").json()

    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [2]
    assert study["00080061"]["Value"] == ["CT", "SR"]
    assert study["00081190"]["Value"] == ["http://testserver/dicomweb/studies/1.2"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^John"}]
    assert "00080060" not in study


def test_a_series_found_by_modality_counts_its_own_instances(program: Client, three: Any) -> None:
    [one] = program.get("/dicomweb/studies/1.2/series?Modality=SR").json()

    assert one["00201209"]["Value"] == [1]
    assert one[DICOM_SERIES]["Value"] == ["1.2.2"]
    assert "00100010" not in one  # the address has said whose it is


def test_instances_are_found_below_and_everywhere(program: Client, three: Any) -> None:
    assert len(found(program.get("/dicomweb/instances"), DICOM_INSTANCE)) == 4
    assert found(program.get("/dicomweb/studies/1.2/instances"), DICOM_INSTANCE) == [
        "1.2.1.1", "1.2.2.1",
    ]  # fmt: skip
    url = "/dicomweb/studies/1.2/series/1.2.2/instances"
    assert found(program.get(url), DICOM_INSTANCE) == ["1.2.2.1"]
    assert found(program.get("/dicomweb/series?Modality=MR"), DICOM_SERIES) == ["1.3.1"]
    assert program.get("/dicomweb/studies/9.9/series").status_code == 404


def test_fields_are_added_when_they_are_asked_for(program: Client, three: Any) -> None:
    usual = program.get("/dicomweb/studies?PatientID=p1").json()[0]
    more = program.get(
        "/dicomweb/studies?PatientID=p1&includefield=StudyDescription,0008103E"
    ).json()[0]
    everything = program.get("/dicomweb/instances?PatientID=p1&includefield=all").json()[0]

    assert not {"00081030", "0008103E"} & set(usual)
    assert "00081030" in more
    assert "00281053" in everything
    assert "7FE00010" not in everything


def test_a_page_says_how_many_are_left(program: Client, three: Any) -> None:
    first = program.get("/dicomweb/studies?limit=2")
    rest = program.get("/dicomweb/studies?limit=2&offset=2")

    assert len(first.json()) == 2
    assert "There are 1 additional results" in first["Warning"]
    assert found(rest, DICOM_STUDY) == ["1.3"]
    assert "Warning" not in rest


def test_fuzzy_matching_is_done_literally_and_says_so(program: Client, three: Any) -> None:
    response = program.get("/dicomweb/studies?PatientName=Do&fuzzymatching=true")

    assert response.json() == []
    assert "fuzzymatching" in response["Warning"]


@pytest.mark.parametrize(
    "query",
    [
        "PatientWeight=70", "Nonsense=1", "Modality=CT", "limit=-1", "offset=x", "StudyDate=today",
        "fuzzymatching=maybe", "includefield=Nonsense", "PatientName=*a*b*c*d*e", "SeriesNumber=1",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_no_answer_with_too_much_in_it(
    program: Client, three: Any, query: str
) -> None:
    response = program.get(f"/dicomweb/studies?{query}")

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_of_one_uid_in_two_versions_the_newer_is_found_and_each_in_its_own(
    program: Client, team: Any, hold: Any
) -> None:
    old = hold({"a.dcm": changed("CT_small.dcm", PatientID="old")}, "Old")
    new = hold({"a.dcm": changed("CT_small.dcm", PatientID="new")}, "New")

    def patients(root: str) -> list[str]:
        return found(program.get(f"{root}/studies"), "00100020")

    root = f"/dicomweb/t/{team.slug}"
    assert patients("/dicomweb") == ["new"]
    assert patients(root) == ["new"]
    assert patients(f"{root}/cohorts/{old.pk}") == ["old"]
    assert patients(f"{root}/cohorts/{new.pk}") == ["new"]
    new.delete()
    assert patients("/dicomweb") == ["old"]


def test_the_pixels_of_a_cohort_are_its_own(program: Client, team: Any, hold: Any) -> None:
    old = hold({"a.dcm": changed("CT_small.dcm", PatientID="old")}, "Old")
    hold({"a.dcm": changed("CT_small.dcm", PatientID="new")}, "New")

    [said] = program.get(
        address("CT_small.dcm", f"/dicomweb/t/{team.slug}/cohorts/{old.pk}") + "/metadata"
    ).json()

    assert said["00100020"]["Value"] == ["old"]
    assert f"/cohorts/{old.pk}/" in said["7FE00010"]["BulkDataURI"]
