"""Foreign cohorts of the demonstration: read from archives as they lie there, patients counted."""

import csv
import gzip
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from demo import foreign
from demo.packages import PackageError


def nrrd(volume, *, rows="1", encoding="gzip", axes=3):
    sizes = " ".join(str(size) for size in volume.shape[::-1][:axes])
    head = (
        f"NRRD0004\n# a comment: here\ntype: short\ndimension: {axes}\nsizes: {sizes}\n"
        f"space directions: (1,0,0) (0,{rows},0) (0,0,5)\nendian: little\nencoding: {encoding}\n\n"
    )
    body = volume.astype("<i2").tobytes()
    return head.encode() + (gzip.compress(body) if encoding == "gzip" else body)


VOLUME = np.arange(4 * 2 * 3).reshape(4, 2, 3) - 5


@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_nrrd_is_read_slice_by_slice(encoding):
    assert np.array_equal(foreign.read_nrrd(nrrd(VOLUME, encoding=encoding)), VOLUME)


def test_rows_that_run_upwards_are_turned():
    assert np.array_equal(foreign.read_nrrd(nrrd(VOLUME, rows="-1")), VOLUME[:, ::-1])


def test_other_files_are_no_volume():
    with pytest.raises(ValueError, match="no NRRD"):
        foreign.read_nrrd(b"PNG\n\n")
    with pytest.raises(ValueError, match="bzip2"):
        foreign.read_nrrd(nrrd(VOLUME, encoding="bzip2"))
    with pytest.raises(ValueError, match="three axes"):
        foreign.read_nrrd(nrrd(VOLUME, axes=2))


def test_a_cohort_counts_patients_and_takes_every_third_slice(tmp_path):
    volumes = (
        foreign.Volume("a", "a.nrrd", (-5.0, 5.0)), foreign.Volume("b", "b.nrrd", (-5.0, 5.0))
    )  # fmt: skip
    cohort = foreign.Cohort("ct", "chest CT", "CT", "CHEST", "x", "BSD-3-Clause", volumes)

    built = foreign._write(cohort, lambda member: nrrd(VOLUME), tmp_path / "ct")

    assert (built.n_cases, built.n_patients) == (4, 2)
    with (tmp_path / "ct" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == ["a-000", "a-003", "b-000", "b-003"]
    assert {row["patient_id"] for row in rows} == {"a", "b"}
    assert {(row["modality"], row["body_part"], row["colour_mode"]) for row in rows} == {
        ("CT", "CHEST", "L")
    }
    first = np.asarray(Image.open(tmp_path / "ct" / "images" / "a-000.png"))
    assert first.tolist() == [[0, 25, 51], [76, 102, 127]]
    said = (tmp_path / "ct" / "cohort.yaml").read_text()
    assert "BSD-3-Clause" in said
    assert "4 pictures of 2 patients" in said


def test_an_archive_gives_plain_files_only(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as packed:
        info = tarfile.TarInfo("x/plain")
        info.size = 3
        packed.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("x/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    read = foreign.reader_of(tmp_path / "x.tar.gz")
    assert read("x/plain") == b"abc"
    for name in ("x/link", "x/none"):
        with pytest.raises(PackageError, match="no plain file"):
            read(name)
