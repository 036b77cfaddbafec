"""Rows B1 to B52 of the matrix of bad inputs that are about files, each in the child that reads it.

Those that are not: B32 and B47 to B49 are about audits, B26 to B28 and B50 to B52 about volumes
and masks (tests/ml/imaging), and what tables and archives can be has its own tests beside.
"""

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ml.imaging.decode import decode
from ml.imaging.picture import ImageError
from ml.sandbox.messages import GIB, Job, Limits, Outcome
from ml.sandbox.parent import run
from tests.ml.intake.bad_files import ACCEPTED, REFUSED, SCRIPT, fixture

GENERATOR = Path(__file__).parents[4] / "shared" / "attack" / "make_dicom_bombs.py"
CAP = Limits(memory_bytes=int(1.5 * GIB), wall_seconds=120, cpu_seconds=100)
MANIFEST = "title: T\ntask: classification\nclasses: [no, yes]\npositive: [yes]\n".replace(
    "[no, yes]", "['no', 'yes']"
).replace("[yes]", "['yes']")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory) -> Path:
    if not GENERATOR.exists():
        pytest.skip("shared/attack is not beside the project")
    folder = tmp_path_factory.mktemp("attack")
    (folder / "bombs").mkdir()
    subprocess.run([sys.executable, GENERATOR], cwd=folder, check=True, capture_output=True)
    return folder / "bombs"


def cohort(folder: Path, files: dict[str, bytes]) -> Path:
    """One case a file, named so that the table's order is that of the files."""
    (folder / "images").mkdir(parents=True)
    (folder / "cohort.yaml").write_text(MANIFEST)
    rows = ["case_id,label,image"]
    for name, data in files.items():
        (folder / "images" / f"{name}.dcm").write_bytes(data)
        rows.append(f"{name},yes,images/{name}.dcm")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder


def in_child(path: Path, out: Path, kind: str = "intake-cohort", limits: Limits = CAP) -> Outcome:
    out.mkdir(exist_ok=True)
    return run(Job(kind, {"path": str(path)}, out), limits=limits)


def says_what_to_do(message: str) -> bool:
    return "\n" not in message and "Traceback" not in message and 20 < len(message) < 500


def test_every_bad_file_has_its_code_and_the_child_its_memory(bombs, tmp_path):
    """All of them in one child, whose memory is below what pydicom alone would take for three."""
    files = {"B30-first": fixture("CT_small.dcm")}
    files |= {row: make(bombs) for row, _, make in REFUSED}

    outcome = in_child(cohort(tmp_path / "in", files), tmp_path / "out")

    assert outcome.state == "refused", outcome.reason
    found = {next(iter(files.keys() - (files.keys() - {r.message.split("images/")[1][:-5]}))): r
             for r in outcome.refusals}  # fmt: skip
    assert {row: found[row].code if row in found else None for row, _, _ in REFUSED} == {
        row: code for row, code, _ in REFUSED
    }
    assert "B30-first" not in found
    assert all(says_what_to_do(refusal.message) for refusal in outcome.refusals)
    assert [refusal.row for refusal in outcome.refusals] == list(range(3, len(files) + 2))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("row", "code", "make"), REFUSED, ids=[row for row, _, _ in REFUSED])
def test_a_bad_file_alone(row, code, make, bombs):
    if row == "B30":
        assert decode(make(bombs)).instance != decode(fixture("CT_small.dcm")).instance
        return
    with pytest.raises(ImageError) as caught:
        decode(make(bombs))
    assert caught.value.code == code


def test_odd_files_are_taken_and_what_is_odd_is_noted(tmp_path):
    files = {row: make(tmp_path) for row, _, make in ACCEPTED}

    outcome = in_child(cohort(tmp_path / "in", files), tmp_path / "out")

    assert outcome.state == "done", outcome.refusals
    text = (tmp_path / "out" / "catalogue.json").read_text()
    images = {case["case_id"]: case["images"][0] for case in json.loads(text)["cases"]}
    assert {row: tuple(images[row].get("notes", ())) for row, _, _ in ACCEPTED} == {
        row: notes for row, notes, _ in ACCEPTED
    }
    for row in files:
        kept = (tmp_path / "out" / "files" / images[row]["sha256"]).read_bytes()
        assert kept[:132] == bytes(128) + b"DICM"
    assert "script" not in text
    assert SCRIPT not in " ".join(outcome.log)
    assert any("preamble_cleared 4" in line for line in outcome.log)


def archive(path: Path, entries) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries:
            target.writestr(name, data)
    return path


def many_entries(path: Path, count: int) -> Path:
    """A zip that lists a million names and holds nothing: 60 MB, half a GiB in a library."""
    listed = b"".join(
        struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0,
                    0, 0, 0) + b"%07d" % at for at in range(count)
    )  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(listed), 4, 0)
    path.write_bytes(b"PK\x03\x04" + listed + end)
    return path


def linked() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    return entry


def encrypted(path: Path) -> Path:
    archive(path, [("a", b"x" * 50)])
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    path.write_bytes(bytes(data))
    return path


def cut(path: Path) -> Path:
    archive(path, [("cohort.yaml", MANIFEST)])
    path.write_bytes(path.read_bytes()[:-40])
    return path


def doll(levels: int) -> bytes:
    data = b"x"
    for level in range(levels):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr(f"{level}.zip", data)
        data = file.getvalue()
    return data


ARCHIVES = [
    ("B37", "archive_limit", lambda p: archive(p, [(f"{n}.zip", doll(1)) for n in range(16)])),
    ("B37-ratio", "archive_limit", lambda p: archive(p, [("a", bytes(100_000_000))])),
    ("B38-up", "archive_path", lambda p: archive(p, [("../x", b"x")])),
    ("B38-root", "archive_path", lambda p: archive(p, [("/etc/x", b"x")])),
    ("B38-back", "archive_path", lambda p: archive(p, [("a\\b", b"x")])),
    ("B39", "archive_link", lambda p: archive(p, [(linked(), b"/etc/passwd")])),
    ("B40", "archive_encrypted", encrypted),
    ("B41-nested", "archive_limit", lambda p: archive(p, [("a.zip", doll(3))])),
    ("B41-many", "archive_limit", lambda p: many_entries(p, 1_000_000)),
    ("B42", "archive_corrupt", cut),
]


@pytest.mark.parametrize(("row", "code", "make"), ARCHIVES, ids=[row for row, _, _ in ARCHIVES])
def test_archives(row, code, make, tmp_path):
    outcome = in_child(make(tmp_path / "a.zip"), tmp_path / "out")

    assert outcome.state == "refused", outcome.reason
    assert [refusal.code for refusal in outcome.refusals] == [code]
    assert says_what_to_do(outcome.refusals[0].message)
    assert list((tmp_path / "out").iterdir()) == []


def cases(text: bytes):
    return {"cases.csv": text}


TABLES = [
    ("B43-bom", None, cases(b"\xef\xbb\xbfcase_id,label\na,yes\n")),
    ("B43-utf16", "csv_encoding", cases("case_id,label\na,yes\n".encode("utf-16"))),
    ("B43-nul", "csv_encoding", cases(b"case_id,label\na\0,yes\n")),
    ("B43-wide", "csv_columns", cases(b"case_id," + b",".join(b"%d" % n for n in range(1_000_000))
                                      + b"\na\n")),
    ("B44", None, cases(b"case_id,label,site\na,yes,=1+1\n")),
    ("B45-unknown", "label_unknown_case",
     {"readings.csv": b"case_id,reader_id,label\nnobody,r,yes\n"}),
    ("B45-twice", "label_duplicate_case", cases(b"case_id,label\na,yes\na,yes\n")),
    ("B45-class", "label_class", cases(b"case_id,label\na,perhaps\n")),
    *[(f"B46-{word or 'empty'}", "label_value",
       {"readings.csv": f'case_id,reader_id,score\na,r,"{word}"\n'.encode(),
        "cohort.yaml": MANIFEST.encode() + b"questions: {q: {scale: interval, values: [0, 1]}}\n"})
      for word in ("NaN", "inf", "1,5", "")],
]  # fmt: skip


@pytest.mark.parametrize(("row", "code", "texts"), TABLES, ids=[row for row, _, _ in TABLES])
def test_tables(row, code, texts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    files = {"cohort.yaml": MANIFEST.encode(), "cases.csv": b"case_id,label\na,yes\n"} | texts
    for name, data in files.items():
        (folder / name).write_bytes(data)

    outcome = in_child(folder, tmp_path / "out")

    if code is None:
        assert outcome.state == "done", outcome.refusals
        if row == "B44":
            assert '"site":"=1+1"' in (tmp_path / "out" / "catalogue.json").read_text()
        return
    assert [refusal.code for refusal in outcome.refusals] == [code]
    assert outcome.refusals[0].file in texts
    assert outcome.refusals[0].row in (1, 2, 3) or code == "csv_encoding"
    assert list((tmp_path / "out").iterdir()) == []
