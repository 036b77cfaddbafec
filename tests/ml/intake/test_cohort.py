import io
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from ml.evidence.facts import facts_of
from ml.imaging import decode as decoding
from ml.intake.cohort import read_cohort
from ml.intake.refusal import Refused
from tests.ml.intake.build import QUIET, codes, cohort_folder, zipped


def read(path, tmp_path):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    result = read_cohort(path, out, QUIET)
    return result, json.loads((out / result["catalogue"]).read_bytes())


def refused(path, tmp_path):
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(Refused) as caught:
        read_cohort(path, tmp_path / "out", QUIET)
    assert list((tmp_path / "out").iterdir()) == []  # nothing half-imported stays
    return caught


def write_cases(folder, *rows):
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")


def write_readings(folder, *rows):
    (folder / "readings.csv").write_text("\n".join(rows) + "\n")


def test_a_folder_becomes_a_catalogue(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=4)

    result, catalogue = read(folder, tmp_path)

    assert result["n_cases"] == 4
    assert result["n_patients"] == 2
    assert result["n_clusters"] == 2
    assert result["n_images"] == 4
    assert result["sha256"] == catalogue["sha256"]
    assert catalogue["cluster_kind"] == "patient"
    assert catalogue["covariates"] == ["sex"]
    case = catalogue["cases"][1]
    image = case.pop("images")[0]
    assert case == {
        "case_id": "c1",
        "patient_id": "p0",
        "group": None,
        "cluster": "patient:p0",
        "label": "bright",
        "covariates": {"sex": "m"},
    }
    assert (image["width"], image["height"], image["mode"], image["bits"]) == (12, 10, "L", 8)
    assert image["media_type"] == "image/png"
    assert image["display_sha256"] == image["sha256"]
    stored = tmp_path / "out" / "files" / image["sha256"]
    assert stored.read_bytes() == (folder / "images" / "c1.png").read_bytes()


def test_a_zip_is_the_same_cohort(tmp_path):
    folder = cohort_folder(tmp_path / "c")
    first, _ = read(folder, tmp_path)

    second, _ = read(zipped(folder, tmp_path / "c.zip", top="shades/"), tmp_path)

    assert second == first
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."] == []


def test_words_do_not_change_the_address_but_content_does(tmp_path):
    first = read(cohort_folder(tmp_path / "a"), tmp_path)[0]["sha256"]
    worded = read(cohort_folder(tmp_path / "b", title="T", notes="N"), tmp_path)[0]["sha256"]
    changed = read(cohort_folder(tmp_path / "d", modality="CT"), tmp_path)[0]["sha256"]

    assert worded == first
    assert changed != first


def test_group_overrides_patient_and_blank_cells_stand_alone(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    write_cases(folder, "case_id,patient_id,group", "a,p,g", "b,p,", "c,,g", "d,,")

    result, catalogue = read(folder, tmp_path)

    clusters = [case["cluster"] for case in catalogue["cases"]]
    assert clusters == ["group:g", "patient:p", "group:g", "case:d"]
    assert catalogue["cluster_kind"] == "group"
    assert result["n_patients"] == 1
    assert result["n_clusters"] == 3


def test_without_patients_each_case_is_alone_and_the_count_is_unknown(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    write_cases(folder, "case_id", "a", "b")

    result, catalogue = read(folder, tmp_path)

    assert catalogue["cluster_kind"] == "case"
    assert (result["n_patients"], result["n_clusters"]) == (None, 2)


def test_readings_alone_are_a_cohort(tmp_path):
    folder = cohort_folder(
        tmp_path / "c",
        n=0,
        classes=None,
        positive=None,
        readers="exchangeable",
        questions={
            "malignancy": {"scale": "ordinal", "values": [1, 2, 3, 4, 5]},
            "texture": {"scale": "nominal", "values": ["soft", "solid"]},
            "size": {"scale": "interval", "values": []},
        },
    )
    write_cases(folder, "case_id,patient_id", "a,p", "b,p")
    write_readings(
        folder,
        "reader_id,case_id,question,score,label,seconds",
        "1,a,malignancy,3,,12.5",
        "2,a,malignancy,3.0,,",
        "1,a,texture,,soft,",
        "1,b,size,12.25,,",
    )

    result, catalogue = read(folder, tmp_path)

    assert result["n_readings"] == 4
    assert catalogue["readings"][0] == {
        "reader_id": "1",
        "case_id": "a",
        "question": "malignancy",
        "score": 3.0,
        "label": None,
        "arm": None,
        "seconds": 12.5,
    }
    assert catalogue["readers"] == "exchangeable"
    assert catalogue["questions"]["malignancy"]["values"] == ["1", "2", "3", "4", "5"]


def test_readers_who_name_the_class_need_no_question(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=2)
    write_readings(folder, "reader_id,case_id,label", "r,c0,dark", "r,c1,bright")

    _, catalogue = read(folder, tmp_path)

    assert catalogue["questions"] == {
        "label": {"position": 0, "scale": "nominal", "values": ["dark", "bright"]}
    }
    assert {reading["question"] for reading in catalogue["readings"]} == {"label"}


def test_every_bad_row_of_both_tables_is_named(tmp_path):
    folder = cohort_folder(
        tmp_path / "c", n=2, questions={"q": {"scale": "ordinal", "values": [1, 2]}}
    )
    (folder / "images" / "bad.png").write_bytes((folder / "images" / "c0.png").read_bytes()[:40])
    (folder / "images" / "text.png").write_text("hello")
    (folder / "images" / "empty.png").write_bytes(b"")
    write_cases(
        folder,
        "case_id,image,label",
        "a,images/c0.png,dark",
        "a,images/c0.png,dark",
        "b,images/nope.png,dark",
        "c,images/bad.png,dark",
        "d,images/text.png,grey",
        ",images/c0.png,dark",
        "e,../../etc/passwd,dark",
        "f,images/empty.png,",
    )
    write_readings(
        folder,
        "reader_id,case_id,score",
        "r,zz,1",
        "r,a,3",
        "r,b,nan",
        'r,c,"1,5"',
        "r,d,",
        "r,e,1",
        "r,e,2",
        ",f,1",
    )

    caught = refused(folder, tmp_path)

    found = {(r.file, r.row, r.code) for r in caught.value.refusals}
    assert found == {
        ("cases.csv", 3, "label_duplicate_case"),
        ("cases.csv", 4, "image_missing"),
        ("cases.csv", 5, "image_unreadable"),
        ("cases.csv", 6, "image_unsupported"),
        ("cases.csv", 6, "label_class"),
        ("cases.csv", 7, "case_id"),
        ("cases.csv", 8, "image_missing"),
        ("cases.csv", 9, "empty_file"),
        ("readings.csv", 2, "label_unknown_case"),
        ("readings.csv", 3, "label_value"),
        ("readings.csv", 4, "label_value"),
        ("readings.csv", 5, "label_value"),
        ("readings.csv", 6, "label_value"),
        ("readings.csv", 8, "reading_duplicate"),
        ("readings.csv", 9, "case_id"),
    }


@pytest.mark.parametrize(
    ("readings", "code"),
    [
        (("reader_id,case_id,score", "r,c0,1"), "question_unknown"),
        (("reader_id,case_id,label,question", "r,c0,dark,other"), "question_unknown"),
        (("reader_id,case_id", "r,c0"), "csv_header"),
        (("reader_id,case_id,label,mood", "r,c0,dark,good"), "csv_header"),
        (("reader_id,case_id,label,seconds", "r,c0,dark,-1"), "label_value"),
    ],
)
def test_readings_that_cannot_be_used(readings, code, tmp_path):
    folder = cohort_folder(tmp_path / "c", n=2)
    write_readings(folder, *readings)

    assert code in codes(refused(folder, tmp_path))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"task": "segmentation"}, "task_unsupported"),
        ({"positive": None}, "manifest_invalid"),
        ({"positive": ["dark", "bright"]}, "manifest_invalid"),
        ({"title": None}, "manifest_invalid"),
        ({"questions": {"q": {"scale": "ordinal"}}}, "manifest_invalid"),
        ({"readers": "some"}, "manifest_invalid"),
    ],
)
def test_manifests_that_cannot_be_used(changes, code, tmp_path):
    assert code in codes(refused(cohort_folder(tmp_path / "c", **changes), tmp_path))


@pytest.mark.parametrize(
    ("gone", "code"), [("cohort.yaml", "manifest_missing"), ("cases.csv", "file_missing")]
)
def test_missing_files(gone, code, tmp_path):
    folder = cohort_folder(tmp_path / "c")
    (folder / gone).unlink()

    assert codes(refused(folder, tmp_path)) == [code]


def test_no_more_than_two_hundred_problems_are_listed(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    write_cases(folder, "case_id,image", *(f"c{n},images/{n}.png" for n in range(250)))

    assert codes(refused(folder, tmp_path)) == ["image_missing"] * 200


def test_a_pattern_finds_a_series_in_order(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    for number in (1, 2, 10):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(
            folder / "images" / f"s{number}.png"
        )
    (folder / "images" / "deeper").mkdir()
    shutil.copy(folder / "images" / "s1.png", folder / "images" / "deeper" / "s3.png")
    write_cases(folder, "case_id,image", "a,images/s*.png", "b,images/s[12].png")

    _, catalogue = read(folder, tmp_path)

    names = [[Path(i["path"]).name for i in case["images"]] for case in catalogue["cases"]]
    assert names == [["s1.png", "s2.png", "s10.png"], ["s1.png", "s2.png"]]


def test_the_same_bytes_are_stored_once(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "images" / "a.png")
    shutil.copy(folder / "images" / "a.png", folder / "images" / "b.png")
    write_cases(folder, "case_id,image", "a,images/a.png", "b,images/b.png")

    _, catalogue = read(folder, tmp_path)

    assert len({case["images"][0]["sha256"] for case in catalogue["cases"]}) == 1
    assert len(list((tmp_path / "out" / "files").iterdir())) == 1


def test_the_extension_is_decoration(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "images" / "a.dcm", "JPEG")
    write_cases(folder, "case_id,image", "a,images/a.dcm")

    _, catalogue = read(folder, tmp_path)

    assert catalogue["cases"][0]["images"][0]["media_type"] == "image/jpeg"


def test_dicom_is_stored_without_its_preamble_and_shown_as_png(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=0)
    data = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    (folder / "images" / "ct").write_bytes(b"MZ" + b"\x90" * 126 + data[128:])
    write_cases(folder, "case_id,image", "a,images/ct")

    _, catalogue = read(folder, tmp_path)

    image = catalogue["cases"][0]["images"][0]
    files = tmp_path / "out" / "files"
    assert (image["media_type"], image["mode"]) == ("application/dicom", "MONOCHROME2")
    assert (image["width"], image["height"], image["frames"], image["bits"]) == (128, 128, 1, 16)
    stored = (files / image["sha256"]).read_bytes()
    assert stored[:128] == bytes(128)
    assert pydicom.dcmread(io.BytesIO(stored)).Rows == 128
    with Image.open(files / image["display_sha256"]) as shown:
        assert (shown.format, shown.size) == ("PNG", (128, 128))


def test_what_a_dicom_header_says_of_the_kind_of_image_reaches_the_facts(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=1)
    for number, name in enumerate(("CT_small.dcm", "MR_small_RLE.dcm")):
        data = Path(get_testdata_file(name)).read_bytes()
        (folder / "images" / f"{number}").write_bytes(data)
    write_cases(folder, "case_id,image", "a,images/0", "b,images/1", "c,images/c0.png")

    _, catalogue = read(folder, tmp_path)

    said = [case["images"][0].get("header") for case in catalogue["cases"]]
    assert [one and one["Modality"] for one in said] == ["CT", "MR", None]
    assert facts_of(catalogue)["header Modality"] == ("CT", "MR", None)
    assert "header" not in catalogue["cases"][2]["images"][0], "other files keep their hash"


def test_a_pixel_flood_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MOST_PIXELS", 100)
    folder = cohort_folder(tmp_path / "c", n=1)

    assert codes(refused(folder, tmp_path)) == ["pixel_limit"]


def test_a_link_never_leaves_the_folder(tmp_path):
    folder = cohort_folder(tmp_path / "c", n=1)
    (folder / "images" / "link.png").symlink_to("/etc/passwd")

    assert codes(refused(folder, tmp_path)) == ["archive_link"]
