"""The job that a child does for `python -m ml deidentify`: folders in, files without names out."""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from PIL import Image

from ml.estimate import JsonObject, JsonValue
from ml.imaging.deid.covariates import COLUMNS
from ml.imaging.deid.engine import deidentify, seen
from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.report import Report
from ml.imaging.dicom import decode_dicom
from ml.imaging.picture import ImageError
from ml.intake.folder import Folder, open_folder
from ml.intake.refusal import Refused
from ml.sandbox.messages import Reporter

FILES, TO_SEE = "files", "needs_review"
REPORT, TABLE = "report.json", "covariates.csv"
MOST_BYTES = 1024**3  # of one file
_REPORT_EVERY = 50  # files


def deidentify_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """inputs: paths (folders, zips or files), key (hex).

    Leaves files/ and needs_review/ with a DICOM file each under its new SOPInstanceUID,
    report.json, and covariates.csv with a row for each file.

    Returns:
        The counts of the report.

    Raises:
        Refused: with one of the archive codes, for a zip or folder that cannot be opened.
    """
    identity = Identity(bytes.fromhex(str(inputs["key"])))
    work = _Work(identity, out_dir, reporter)
    for path in cast(list[str], inputs["paths"]):
        with open_folder(Path(path), out_dir) as folder:
            work.folder(folder)
    return work.close()


class _Work:
    def __init__(self, identity: Identity, out_dir: Path, reporter: Reporter) -> None:
        self.identity, self.out_dir, self.reporter = identity, out_dir, reporter
        self.report = Report(identity)
        self.written: dict[str, str] = {}  # new SOPInstanceUID -> SHA-256
        self.table: list[Sequence[str]] = []
        self.number = 0
        for name in (FILES, TO_SEE):
            (out_dir / name).mkdir()

    def folder(self, folder: Folder) -> None:
        for name in _in_order(folder):
            self.number += 1
            try:
                self._file(folder, name)
            except ImageError as error:
                self.report.refuse(self.number, error.code, error.message)
            if self.number % _REPORT_EVERY == 0:
                self.reporter.progress(self.number, self.number)

    def _file(self, folder: Folder, name: str) -> None:
        try:
            data = folder.read(name, most=MOST_BYTES)
        except (Refused, OSError):
            raise ImageError("image_unreadable", "The file cannot be read.") from None
        # A DICOMDIR lists the files of a disc, with names of patients; no listing is made anew.
        if data[128:132] != b"DICM" or PurePosixPath(name).name.upper() == "DICOMDIR":
            self.report.n_skipped += 1
            return
        done = deidentify(data, self.identity)
        if done.burned_in.state != "needs_review":
            done = seen(done, _picture(data))
        sha256 = hashlib.sha256(done.data).hexdigest()
        before = self.written.get(done.sop_instance_uid)
        if before == sha256:
            self.report.n_skipped += 1  # the same file a second time
            return
        if before is not None:
            raise ImageError("deid_twice", "Another file with the same SOPInstanceUID is there.")
        self.written[done.sop_instance_uid] = sha256
        state = done.burned_in.state
        path = f"{TO_SEE if state == 'needs_review' else FILES}/{done.sop_instance_uid}.dcm"
        (self.out_dir / path).write_bytes(done.data)
        self.report.add(done, path, sha256)
        cells = [done.covariates.get(column, "") for column in COLUMNS]
        self.table.append([path, done.patient, done.kind.name, *cells])

    def close(self) -> JsonObject:
        report = self.report.to_json(all_files=True)
        (self.out_dir / REPORT).write_text(json.dumps(report, indent=1), "utf-8")
        with (self.out_dir / TABLE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "patient_id", "kind", *COLUMNS])
            writer.writerows(self.table)
        names: list[JsonValue] = [one["name"] for one in cast(list[JsonObject], report["files"])]
        said: JsonObject = {"names": names}
        for key in ("n_files", "n_written", "n_refused", "n_skipped", "n_patients", "burned_in"):
            said[key] = report[key]
        return said


def _picture(data: bytes) -> Image.Image | None:
    """As it is shown; None of a file without pixels that can be decoded."""
    try:
        return decode_dicom(data).eight_bits
    except ImageError:
        return None


def _in_order(folder: Folder) -> Iterator[str]:
    for base in sorted(folder.folders):
        yield from folder.folders[base]
