import csv
import gzip

import pytest
import yaml

from demo.packages import TORCHXRAYVISION, PackageError
from demo.vindr import TableError, build, build_from, read

HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
ROWS = """\
b,Cardiomegaly,3,R9,1.0,2.0,3.0,4.0
b,Cardiomegaly,3,R9,5.0,2.0,7.0,4.0
b,Aortic enlargement,0,R9,1.0,2.0,3.0,4.0
b,Cardiomegaly,3,R10,1.0,2.0,3.0,4.0
b,Other lesion,9,R8,1.0,2.0,3.0,4.0
a,No finding,14,R11,,,,
a,No finding,14,R1,,,,
a,No finding,14,R2,,,,
c,Aortic enlargement,0,R8,1.0,2.0,3.0,4.0
c,Cardiomegaly,3,R10,1.0,2.0,3.0,4.0
c,Other lesion,9,R9,1.0,2.0,3.0,4.0
d,Cardiomegaly,3,R12,1.0,2.0,3.0,4.0
d,Other lesion,9,R13,1.0,2.0,3.0,4.0
d,Atelectasis,1,R13,1.0,2.0,3.0,4.0
d,Atelectasis,1,R14,1.0,2.0,3.0,4.0
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "vinbigdata-train.csv.gz"

    def write(rows=ROWS, header=HEADER):
        path.write_bytes(gzip.compress(f"{header}\n{rows}".encode()))
        return path

    return write


@pytest.fixture
def built(table, tmp_path):
    return build_from(table(), tmp_path / "out", fewest=2, say=lambda _: None)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_without_marks_are_left_out_and_counted(built):
    assert [row["case_id"] for row in rows(built.folder / "cases.csv")] == ["b", "c", "d"]
    assert (built.n_images, built.n_without_marks, built.n_cases) == (4, 1, 3)
    assert (built.n_readers_in_package, built.n_readers) == (9, 6)


def test_questions_are_frequent_findings_with_a_name(built):
    """Counted by image, not by reader; "Other lesion" is frequent and no finding of its own."""
    assert built.questions == ("Cardiomegaly", "Aortic enlargement")


def test_a_finding_that_a_reader_did_not_mark_is_absent(built):
    answers = {
        (row["case_id"], row["reader_id"], row["question"]): row["label"]
        for row in rows(built.folder / "readings.csv")
    }

    assert len(answers) == built.n_answers == 3 * 3 * 2
    assert answers["b", "R9", "Cardiomegaly"] == "present"
    assert answers["b", "R10", "Aortic enlargement"] == "absent"
    assert answers["b", "R8", "Cardiomegaly"] == "absent"  # marked something else
    assert answers["c", "R8", "Aortic enlargement"] == "present"
    assert answers["d", "R14", "Cardiomegaly"] == "absent"
    assert not any(case == "a" for case, _, _ in answers)
    assert not any(reader == "R14" and case == "b" for case, reader, _ in answers)


def test_the_cohort_says_what_it_is_and_is_not(built):
    cohort = yaml.safe_load((built.folder / "cohort.yaml").read_text())

    assert cohort["readers"] == "identified"
    assert list(cohort["questions"]) == ["Cardiomegaly", "Aortic enlargement"]
    assert cohort["questions"]["Cardiomegaly"] == {
        "scale": "nominal", "values": ["absent", "present"],
    }  # fmt: skip
    assert "Taken are the 3 of 4 images" in cohort["notes"]
    assert "2 images were read by R8, R9 and R10, and by no one else" in cohort["notes"]
    assert "the other readers read the remaining 1." in cohort["notes"]
    assert "restrictive" in cohort["notes"]


def test_refuses_a_reader_who_says_both(table):
    with pytest.raises(TableError, match="R8 marks c and calls it without a finding"):
        read(table(ROWS + "c,No finding,14,R8,,,,\n"))


def test_refuses_another_table(table):
    with pytest.raises(TableError, match="has the columns"):
        read(table(header=HEADER.replace("rad_id", "reader")))


def test_takes_nothing_but_the_pinned_wheel(tmp_path):
    (tmp_path / TORCHXRAYVISION.wheel).write_bytes(b"another")

    with pytest.raises(PackageError, match="expected SHA-256 95f6c347"):
        build(tmp_path, tmp_path / "out", say=lambda _: None)
    assert not (tmp_path / "out").exists()
    assert TORCHXRAYVISION.members == ("torchxrayvision/data/vinbigdata-train.csv.gz",)
