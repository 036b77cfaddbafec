"""The only door for rows of the index. The trail is written where the cohort is."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from ml.estimate import JsonObject
from ml.sandbox.results import ResultError
from portal.blobs.models import Blob
from portal.cohorts.models import CohortVersion, Image
from portal.dicomweb.models import Instance

BATCH = 500
# Column -> tag of the attribute it is filled from, and how many characters it takes.
_TEXTS = {
    "sop_class": ("00080016", 64),
    "modality": ("00080060", 16),
    "patient_name": ("00100010", 200),
    "patient_id": ("00100020", 64),
    "study_date": ("00080020", 8),
    "study_time": ("00080030", 16),
    "accession": ("00080050", 64),
    "study_id": ("00200010", 64),
    "referring": ("00080090", 200),
}
_NUMBERS = {"series_number": "00200011", "instance_number": "00200013"}


@transaction.atomic
def add_instances(
    *, version: CohortVersion, rows: Sequence[Mapping[str, Any]], files: Mapping[str, Blob]
) -> int:
    """Fill the index of a version; of instances of one UID the first case's counts.

    A version that is known already and has no index gets it: handing in again is how cohorts of
    before are filled in.

    Args:
        rows: as ``ml.intake.dicom_rows.rows_left`` gives them.
        files: by hash, what is handed out.

    Returns:
        How many were added.

    Raises:
        ResultError: for a place that is not in its file.
    """
    if not rows or version.instances.exists():
        return 0
    by_file = {str(row["sha256"]): row for row in rows}
    images = (
        Image.objects.filter(case__version=version, blob_id__in=by_file)
        if len(by_file) < BATCH
        else Image.objects.filter(case__version=version, media_type="application/dicom")
    )
    made = list(_made(version, images.order_by("case__position", "position"), by_file, files))
    Instance.objects.bulk_create(made, batch_size=BATCH)
    return len(made)


def _made(
    version: CohortVersion,
    images: Iterable[Image],
    by_file: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, Blob],
) -> Iterator[Instance]:
    known: set[str] = set()
    for image in images:
        row = by_file.get(image.blob_id)
        if row is None or row["instance"] in known:
            continue
        known.add(row["instance"])
        blob = files[str(row["served"])]
        _check_places(row, blob)
        yield _instance(version, image, row, blob)


def _instance(version: CohortVersion, image: Image, row: Mapping[str, Any], blob: Blob) -> Instance:
    attributes: JsonObject = row["attributes"]
    offset, length = row["pixels"] or (None, None)
    return Instance(
        team_id=version.cohort.team_id,
        version=version,
        image=image,
        blob=blob,
        study_uid=row["study"],
        series_uid=row["series"],
        sop_uid=row["instance"],
        syntax=row["syntax"],
        rows=image.height,
        columns=image.width,
        frames=row["frames"],
        pixel_offset=offset,
        pixel_bytes=length,
        frame_bytes=_frame_bytes(row, length),
        fragments=row["fragments"],
        bulk=row["bulk"],
        attributes=json.dumps(attributes, separators=(",", ":"), allow_nan=False),
        **{name: text_of(attributes, tag)[:most] for name, (tag, most) in _TEXTS.items()},
        **{name: _number(text_of(attributes, tag)) for name, tag in _NUMBERS.items()},
    )


def _frame_bytes(row: Mapping[str, Any], length: int | None) -> int | None:
    """Of native pixels. What is there beyond whole frames is padding."""
    if length is None:
        return None
    wanted = 1
    for tag in ("00280010", "00280011", "00280002", "00280100"):
        wanted *= _number(text_of(row["attributes"], tag)) or 0
    if wanted < 8 or wanted // 8 * row["frames"] > length:
        raise ResultError("Its index gives a DICOM file more pixels than it has.")
    return wanted // 8


def _check_places(row: Mapping[str, Any], blob: Blob) -> None:
    places = [*row["bulk"], *(one for frame in row["fragments"] for one in frame)]
    if row["pixels"] is not None:
        places.append(row["pixels"])
    if any(at + length > blob.size_bytes for at, length in places):
        raise ResultError("Its index names a place outside its DICOM file.")


def text_of(attributes: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute as it is searched for; of a name its alphabetic form."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else ""
    if isinstance(value, dict):
        value = value.get("Alphabetic", "")
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def _number(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    return number if abs(number) < 2**31 else None
