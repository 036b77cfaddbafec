"""`python -m ml deidentify`: files, report and table are written, and nothing else is told."""

import csv
import json
import zipfile

import numpy as np
from PIL import Image, ImageDraw

from ml.cli.main import main
from tests.ml.imaging.deid_files import fixture, planted, read, small, written


def run(capsys, *words):
    code = main(["deidentify", *map(str, words)])
    return code, capsys.readouterr()


def test_a_folder_becomes_files_without_names(tmp_path, capsys):
    source = tmp_path / "DOE_JANE"
    source.mkdir()
    ct = small(PatientName="Doe^Jane", PatientSex="F", StudyDescription="Secret")
    us = small("1.2.840.10008.5.1.4.1.1.6.1", SOPInstanceUID="1.2.3.2", PatientName="Doe^Jane")
    (source / "DOE_1.dcm").write_bytes(written(ct))
    (source / "DOE_2.dcm").write_bytes(written(us))
    (source / "again.dcm").write_bytes(written(ct))
    (source / "readme.txt").write_text("Secret")
    (tmp_path / "key").write_bytes(bytes(range(32)))

    code, said = run(capsys, source, "--out", tmp_path / "out", "--key", tmp_path / "key")

    assert code == 0
    (clear,) = (tmp_path / "out" / "files").iterdir()
    (to_see,) = (tmp_path / "out" / "needs_review").iterdir()
    assert clear.stem == read(clear.read_bytes()).SOPInstanceUID
    assert read(to_see.read_bytes()).PatientID == read(clear.read_bytes()).PatientID
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["n_files"], report["n_written"], report["n_skipped"]) == (4, 2, 2)
    assert {one["name"].split("/")[0] for one in report["files"]} == {"files", "needs_review"}
    with (tmp_path / "out" / "covariates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sex"] for row in rows] == ["F", ""]
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.*"))
    told = everything + (said.out + said.err).replace(str(tmp_path / "out"), "").encode()
    assert not any(word in told for word in (b"DOE", b"Doe", b"Jane", b"Secret", b"1.2.3."))


def test_a_key_makes_the_same_files_again_and_none_does_not(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("a.dcm", fixture("CT_small.dcm"))
    (tmp_path / "key").write_bytes(bytes(range(32)))
    keyed = ["--key", tmp_path / "key"]

    for out, more in (("a", keyed), ("b", keyed), ("c", [])):
        assert run(capsys, tmp_path / "one.zip", "--out", tmp_path / out, *more)[0] == 0

    a, b, c = (
        [path.read_bytes() for path in (tmp_path / out / "files").iterdir()] for out in "abc"
    )
    assert a == b != c


def test_what_cannot_be_written_is_counted_by_its_place(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(fixture("CT_small.dcm"))
    (tmp_path / "in" / "2.dcm").write_bytes(fixture("rtdose.dcm"))

    code, said = run(capsys, tmp_path / "in", "--out", tmp_path / "out")

    assert code == 2
    assert "1 refused" in said.out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (refused,) = report["refused"]
    assert (refused["number"], refused["code"]) == (2, "deid_class")


def test_two_different_files_of_one_name_are_not_mixed(tmp_path, capsys):
    (tmp_path / "1.dcm").write_bytes(written(small()))
    (tmp_path / "2.dcm").write_bytes(written(small(PixelData=b"\1" * 16)))

    code, _ = run(capsys, tmp_path / "1.dcm", tmp_path / "2.dcm", "--out", tmp_path / "out")

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (code, [one["code"] for one in report["refused"]]) == (2, ["deid_twice"])


def test_options_that_cannot_be_used_are_refused(tmp_path, capsys):
    (tmp_path / "short").write_bytes(b"short")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("a")
    (tmp_path / "a.dcm").write_bytes(fixture("CT_small.dcm"))
    out = ["--out", tmp_path / "out"]

    for words, code in (
        ([tmp_path / "nowhere", *out], "not_found"),
        ([tmp_path / "a.dcm", *out, "--key", tmp_path / "none"], "not_found"),
        ([tmp_path / "a.dcm", *out, "--key", tmp_path / "short"], "option_invalid"),
        ([tmp_path / "a.dcm", "--out", tmp_path / "full"], "option_invalid"),
    ):
        ended, said = run(capsys, *words)
        assert (ended, json.loads(said.out)["refused"][0]["code"]) == (2, code)


def test_no_planted_identifier_is_written_or_told(repo_root, tmp_path, capsys, monkeypatch):
    planted(repo_root, tmp_path, monkeypatch)

    code, said = run(capsys, tmp_path / "phi.dcm", "--out", tmp_path / "out")

    assert code == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 3
    told = b"".join(path.read_bytes() for path in files) + (said.out + said.err).encode()
    assert not any(word in told for word in (b"CNRY", b"Smith", b"19500102", b"20200304", b"095Y"))


def test_a_scan_with_text_drawn_on_it_is_put_apart(tmp_path, capsys):
    dataset = read(fixture("CT_small.dcm"))
    picture = Image.new("L", (128, 128))
    ImageDraw.Draw(picture).text((4, 40), "DOE^JANE 1950", fill=255)
    drawn = np.asarray(picture, np.int16) * 8
    dataset.PixelData = np.maximum(dataset.pixel_array, drawn).astype("<i2").tobytes()
    (tmp_path / "a.dcm").write_bytes(written(dataset))

    assert run(capsys, tmp_path / "a.dcm", "--out", tmp_path / "out")[0] == 0

    assert len(list((tmp_path / "out" / "needs_review").iterdir())) == 1
