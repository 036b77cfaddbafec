"""DICOM files of a cohort on their way through intake: what is kept of them, and what is said."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import canonical
from ml.imaging.declared import Strict
from ml.imaging.deid.keyed import KEY_BYTES, Identity
from ml.imaging.deid.report import MOST_NAMED, MOST_TAGS, Report
from ml.sandbox.results import ResultError, take

REPORT = "deidentified.json"
MOST_REPORT = 8 * 1024**2  # bytes
# Where an audit runs without a portal nothing of the files is kept: this key is no secret.
AT_HOME = bytes(KEY_BYTES)

Word = Annotated[str, Field(max_length=400)]
Count = Annotated[int, Field(ge=0, le=2**40)]
Counts = Annotated[dict[Word, Count], Field(max_length=100)]


class Kept:
    """De-identifies each file before it is kept, and remembers what its header told before."""

    def __init__(self, key: bytes = AT_HOME) -> None:
        self.identity = Identity(key)
        self.report = Report(self.identity)
        self.told: dict[str, Mapping[str, str]] = {}  # path in the catalogue -> covariates

    def take(self, data: bytes, picture: Image.Image, entry: JsonObject) -> bytes:
        """The bytes to keep of a DICOM file.

        Args:
            data: the file as it was handed in.
            picture: of it, as it is shown, in which text is looked for.
            entry: of the catalogue; gets a new path and keeps of its header what may stay, since
                names of files name people too.

        Raises:
            ImageError: a code of :func:`ml.imaging.deid.engine.deidentify`.
        """
        from ml.imaging.deid.engine import (  # it takes longer to load than a picture
            deidentify,
            seen,
        )

        done = seen(deidentify(data, self.identity), picture)
        path = f"{done.sop_instance_uid}.dcm"
        entry["path"] = path
        header = entry.get("header")
        if isinstance(header, dict) and "body_part" not in done.covariates:
            header.pop("BodyPartExamined", None)
        self.report.add(done, path, hashlib.sha256(done.data).hexdigest())
        self.told[path] = done.covariates
        return done.data

    def covariates(self, cases: Sequence[JsonObject], taken: Sequence[str]) -> list[str]:
        """Add what headers told to the covariates of the cases.

        Args:
            cases: of the catalogue; those whose images do not all say the same get none.
            taken: columns that cases.csv has: these are its author's.

        Returns:
            The columns that were added.
        """
        if not self.told:
            return []
        from ml.imaging.deid.covariates import COLUMNS

        found = {str(case["case_id"]): self._of_case(case) for case in cases}
        added = [
            name
            for name in COLUMNS
            if name not in taken and any(name in told for told in found.values())
        ]
        for case in cases:
            told = found[str(case["case_id"])]
            cast(JsonObject, case["covariates"]).update({name: told.get(name) for name in added})
        return added

    def _of_case(self, case: JsonObject) -> dict[str, str]:
        images = [cast(JsonObject, one) for one in cast(list[JsonValue], case["images"])]
        told = [self.told[path] for one in images if (path := str(one["path"])) in self.told]
        return {
            name: value
            for name, value in (told[0] if told else {}).items()
            if all(other.get(name) == value for other in told)
        }

    def write(self, out_dir: Path) -> JsonObject:
        """Leave the report; what the job says of it, {} where no file was DICOM."""
        if not self.report.n_written:
            return {}
        said = canonical(self.report.to_json(all_files=False))
        (out_dir / REPORT).write_bytes(said)
        return {"deidentified": REPORT, "deidentified_sha256": hashlib.sha256(said).hexdigest()}


class _Procedure(Strict):
    version: Word
    standard: Word


class _Action(Strict):
    meaning: Word
    elements: Count


class _Option(Strict):
    meaning: Word
    files: Count


class _Tag(Strict):
    tag: Annotated[str, Field(pattern=r"^\([0-9A-F]{4},[0-9A-Fx]{4}\)$")]
    keyword: Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$", max_length=80)]
    action: Annotated[str, Field(pattern=r"^[A-Z]$")]
    count: Count


class _BurnedIn(Strict):
    state: Literal["clear", "declared", "needs_review"]
    reasons: list[Word] = Field(max_length=20)


class _File(Strict):
    name: Annotated[str, Field(pattern=r"^2\.25\.[0-9]{1,39}\.dcm$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    kind: Word
    changed: Count
    burned_in: _BurnedIn


class _Report(Strict):
    """deidentified.json, as ``ml.imaging.deid.report`` writes it."""

    version: Literal[1] = Field(alias="schema")
    procedure: _Procedure
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    n_files: Count
    n_written: Count
    n_refused: Literal[0]  # of a cohort with a refused file nothing is kept
    n_skipped: Literal[0]
    n_patients: Count
    kinds: Counts
    actions: dict[Word, _Action] = Field(max_length=30)
    options: dict[Word, _Option] = Field(max_length=30)
    burned_in: Counts
    pixels: Counts
    tags: list[_Tag] = Field(max_length=MOST_TAGS)
    n_tags: Count
    files: list[_File] = Field(max_length=MOST_NAMED)
    refused: list[Word] = Field(max_length=0)


def deidentified_left(folder: Path, result: Mapping[str, Any]) -> JsonObject | None:
    """The report of de-identification that a child left; None where no file was DICOM.

    Raises:
        ResultError: where it is no such report, too large, or not what its hash says.
    """
    name = result.get("deidentified")
    if name is None:
        return None
    data = take(folder, str(name), most_bytes=MOST_REPORT)
    if hashlib.sha256(data).hexdigest() != result.get("deidentified_sha256"):
        raise ResultError("Its report of de-identification is not the one that its hash says.")
    try:
        found = json.loads(data)
        TypeAdapter(_Report).validate_python(found, strict=True)
    except (ValueError, RecursionError, ValidationError):
        raise ResultError("Its report of de-identification cannot be used.") from None
    return cast(JsonObject, found)
