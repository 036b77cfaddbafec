"""The DICOM files of a cohort as DICOMweb will know them, collected by a child and then checked."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from ml.estimate import JsonObject
from ml.evidence.store import canonical
from ml.imaging.declared import Strict
from ml.imaging.picture import ImageError
from ml.sandbox.results import ResultError, take

ROWS = "dicom.json"
MOST_ROWS_BYTES = 1024**3
MOST_TEXT = 2 * 1024**2  # characters of the attributes of one instance

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
Range = Annotated[list[Annotated[int, Field(ge=0, le=2**40)]], Field(min_length=2, max_length=2)]
_BULK = re.compile(r"bulkdata/([0-9]{1,6}|pixels)")
_TAG = re.compile(r"[0-9A-F]{8}")


class _Row(Strict):
    sha256: Sha  # of the stored file
    served: Sha  # of the file that is handed out: the same, or what was made of it
    study: Uid
    series: Uid
    instance: Uid
    syntax: Uid
    frames: Annotated[int, Field(ge=1, le=2**31 - 1)]
    pixels: Range | None
    fragments: list[list[Range]] = Field(max_length=1_000_000)
    bulk: list[Range] = Field(max_length=100_000)
    attributes: dict[str, JsonValue] = Field(max_length=20_000)


class DicomRows:
    """Adds a file when intake has decoded it; what cannot be indexed is counted, never refused."""

    def __init__(self, files: Path) -> None:
        self.files = files
        self.rows: dict[str, JsonObject] = {}
        self.left_out: dict[str, str] = {}  # hash of the file -> why

    def add(self, data: bytes, sha256: str) -> None:
        """``data`` is a DICOM file that was decoded and stored under ``sha256``."""
        if sha256 in self.rows or sha256 in self.left_out:
            return
        # pydicom's writers take longer to load than a picture.
        from ml.imaging.dicom_index import indexed
        from ml.imaging.dicom_served import rewritten

        try:
            made = rewritten(data)
            row = indexed(data if made is None else made)
        except ImageError as error:
            self.left_out[sha256] = error.message
            return
        except Exception as error:  # the image itself is sound; pydicom stumbled on its header
            self.left_out[sha256] = f"It cannot be offered ({type(error).__name__})."
            return
        served = sha256
        if made is not None:
            served = hashlib.sha256(made).hexdigest()
            (self.files / served).write_bytes(made)
        self.rows[sha256] = {"sha256": sha256, "served": served, **row}

    def write(self, folder: Path) -> JsonObject:
        """Leave the index in the folder; {} where no file was DICOM."""
        if not self.rows and not self.left_out:
            return {}
        (folder / ROWS).write_bytes(canonical(cast(JsonObject, {"rows": [*self.rows.values()]})))
        return {"dicom": ROWS}


def rows_left(folder: Path, result: Mapping[str, Any]) -> list[JsonObject]:
    """The index that a child left; [] where it left none.

    Every row has the declared form, and its attributes name no address but places of their own.

    Raises:
        ResultError: where it is anything else.
    """
    if "dicom" not in result:
        return []
    data = take(folder, str(result["dicom"]), most_bytes=MOST_ROWS_BYTES)
    try:
        found = json.loads(data)["rows"]
        TypeAdapter(list[_Row]).validate_python(found, strict=True)
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        kind = "form" if isinstance(error, ValidationError) else "JSON"
        raise ResultError(f"Its index of DICOM files has not the declared {kind}.") from None
    for row in found:
        _check(row)
    return cast(list[JsonObject], found)


def _check(row: Mapping[str, Any]) -> None:
    native = row["pixels"] is not None
    if native == bool(row["fragments"]):
        raise ResultError("Its index gives the pixels of a DICOM file twice, or not at all.")
    if not native and len(row["fragments"]) != row["frames"]:
        raise ResultError("Its index of DICOM files has another number of frames than it says.")
    if native and row["pixels"][1] < row["frames"]:
        raise ResultError("Its index of DICOM files names frames without pixels.")
    try:
        good = (
            all(_TAG.fullmatch(tag) for tag in row["attributes"])
            and _own_places(row["attributes"], len(row["bulk"]))
            and len(json.dumps(row["attributes"])) <= MOST_TEXT
        )
    except RecursionError:
        good = False
    if not good:
        raise ResultError("Its index of DICOM files holds attributes that are none.")


def _own_places(value: JsonValue, n: int) -> bool:
    if isinstance(value, list):
        return all(_own_places(one, n) for one in value)
    if isinstance(value, dict):
        return all(
            _is_place(one, n) if key == "BulkDataURI" else _own_places(one, n)
            for key, one in value.items()
        )
    return True


def _is_place(address: JsonValue, n: int) -> bool:
    found = _BULK.fullmatch(address) if isinstance(address, str) else None
    return found is not None and (found[1] == "pixels" or int(found[1]) < n)
