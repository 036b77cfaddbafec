"""What a child of intake left, held against what it may be before anybody takes it.

The child has opened a stranger's files and may be in a stranger's hands. Whoever takes over from it
reads JSON and tables of a bounded size whose every field is declared here, and nothing else.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from ml.estimate import JsonObject
from ml.evidence.checked import check_predicted_masks, check_predictions
from ml.evidence.intake_record import is_whole
from ml.evidence.store import EvidenceError, sha256_of
from ml.imaging.declared import Strict
from ml.intake.model_manifest import ModelManifest
from ml.intake.predictions import MaskPredictionsManifest, PredictionsManifest
from ml.intake.scan import MOST_ROWS
from ml.sandbox.results import ResultError, take

MOST_CATALOGUE = 512 * 1024**2
MOST_TABLE = 1024**3
MOST_CARD = 1024**2  # of JSON
MOST_CASES = 1_000_000

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(min_length=1, max_length=400)]
Word = Annotated[str, Field(max_length=400)]
Long = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**40)]


class _Image(Strict):
    sha256: Sha
    path: Annotated[str, Field(max_length=1024)]
    # It is sent to browsers under this type: one of these, or a stranger's page would be ours.
    media_type: Literal[
        "image/png", "image/jpeg", "image/tiff", "application/dicom", "application/nifti"
    ]
    size_bytes: Count
    width: Count
    height: Count
    frames: Count
    bits: Count
    mode: Word
    display_sha256: Sha
    header: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=16)]] = (
        Field(default_factory=dict, max_length=10)
    )
    notes: list[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]] = Field(
        default_factory=list, max_length=20
    )


class _Mask(Strict):
    sha256: Sha
    path: Annotated[str, Field(max_length=1024)]
    shape: list[Count] = Field(max_length=4)
    spacing_mm: list[float] | None = Field(max_length=4)
    voxels: list[Count] = Field(max_length=1000)


class _Case(Strict):
    case_id: Id
    patient_id: Word | None
    group: Word | None
    cluster: Id
    label: Word | None
    covariates: dict[str, Long | None] = Field(max_length=200)
    images: list[_Image] = Field(max_length=5000)
    mask: _Mask | None = None
    reader_masks: dict[str, _Mask] = Field(default_factory=dict, max_length=1000)


class _Reading(Strict):
    reader_id: Id
    case_id: Id
    question: Id
    score: float | None
    label: Word | None
    arm: Word | None
    seconds: float | None


class _Question(Strict):
    position: Count
    scale: Literal["nominal", "ordinal", "interval"]
    values: list[Word] = Field(max_length=1000)


class _Catalogue(Strict):
    """catalogue.json, as ``ml.intake.cohort`` writes it."""

    version: Literal[1] = Field(alias="schema")
    task: Literal["classification", "segmentation"]
    classes: list[Word] = Field(max_length=1000)
    positive: list[Word] = Field(max_length=1000)
    modality: Long
    readers: Literal["identified", "exchangeable"]
    questions: dict[str, _Question] = Field(max_length=100)
    simulated: bool
    cluster_kind: Literal["case", "patient", "group"]
    covariates: list[Word] = Field(max_length=200)
    cases: list[_Case] = Field(max_length=MOST_CASES)
    readings: list[_Reading] = Field(max_length=20 * MOST_CASES)
    title: Word
    notes: Long
    sha256: Sha


class _Result(Strict):
    """What a job says of the predictions it read."""

    meta: dict[str, JsonValue]
    table: Word
    sha256: Sha
    n: Annotated[int, Field(ge=1, le=MOST_CASES)]


class _Several(Strict):
    """Several answers to a case: what they are of, and the names they were given."""

    several: Literal["member", "sample"]
    names: list[Word] = Field(min_length=2, max_length=10_000)


class _File(Strict):
    name: Annotated[str, Field(max_length=1024)]
    sha256: Sha
    path: Word


class _Scanned(Strict):
    name: Annotated[str, Field(max_length=1024)]
    bytes: Count
    kind: Word
    use: Word


class _Scan(Strict):
    """What lay in an upload, as ``ml.intake.scan.scanned`` gives it."""

    files: list[_Scanned] = Field(max_length=MOST_ROWS)
    n_files: Count
    n_bytes: Count


class _Model(Strict):
    """What a job says of the model it read; the card is held against its own hash."""

    manifest: dict[str, JsonValue] | None
    manifest_sha256: Sha | None
    card: dict[str, JsonValue]
    sha256: Sha
    files: list[_File] = Field(min_length=1, max_length=1000)


def catalogue_left(folder: Path, result: Mapping[str, Any]) -> JsonObject:
    """The catalogue of a cohort that a child read.

    Args:
        folder: of the job.
        result: as the child told it; ``catalogue`` names the file.

    Raises:
        ResultError: where it is no catalogue, too large, or not what its hash says.
    """
    data = take(folder, str(result.get("catalogue", "")), most_bytes=MOST_CATALOGUE)
    found = _json(data)
    try:
        TypeAdapter(_Catalogue).validate_python(found, strict=True)
    except ValidationError as error:
        _refuse("Its catalogue", error)
    ids = [case["case_id"] for case in found["cases"]]
    known = set(ids)
    if len(known) < len(ids) or any(row["case_id"] not in known for row in found["readings"]):
        raise ResultError("Its catalogue names a case twice, or one that is not there.")
    if any(row["question"] not in found["questions"] for row in found["readings"]):
        raise ResultError("Its catalogue answers a question that nobody asked.")
    content = {key: value for key, value in found.items()
               if key not in ("title", "notes", "sha256")}  # fmt: skip
    if sha256_of(content) != found["sha256"] or found["sha256"] != result.get("sha256"):
        raise ResultError("Its catalogue is not the one that its hash says.")
    return cast(JsonObject, found)


def files_of(catalogue: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 -> media type of every file that a checked catalogue names.

    What is shown in place of an original that no browser shows is always a PNG.
    """
    found: dict[str, str] = {}
    for case in catalogue["cases"]:
        for image in case["images"]:
            found[image["display_sha256"]] = "image/png"
            found[image["sha256"]] = image["media_type"]
        masks = [case.get("mask"), *case.get("reader_masks", {}).values()]
        for mask in filter(None, masks):
            found.setdefault(mask["sha256"], "application/octet-stream")
    return found


def predictions_left(folder: Path, result: Mapping[str, Any]) -> tuple[JsonObject, bytes]:
    """The manifest and the table of predictions that a child read.

    Returns:
        meta, and the bytes of a Parquet table of exactly the declared columns and rows.

    Raises:
        ResultError: where they are anything else.
    """
    try:
        told = TypeAdapter(_Result).validate_python(dict(result), strict=True)
        of_masks = told.meta.get("kind") == "masks"
        kind = MaskPredictionsManifest if of_masks else PredictionsManifest
        several = cast(
            JsonObject,
            {name: told.meta.pop(name) for name in ("several", "names") if name in told.meta},
        )
        manifest = kind.model_validate(told.meta)
        answers = TypeAdapter(_Several).validate_python(several, strict=True) if several else None
    except ValidationError as error:
        _refuse("What it says of the predictions", error)
    data = take(folder, told.table, most_bytes=MOST_TABLE)
    try:
        if of_masks:
            check_predicted_masks(data, told.n)
        else:
            number = len(answers.names) if answers else 0
            check_predictions(data, told.n, len(manifest.classes), number)
    except EvidenceError as error:
        raise ResultError(f"Its table cannot be used: {error}.") from None
    return {**manifest.model_dump(mode="json"), **several}, data


def scan_left(scan: Mapping[str, Any]) -> JsonObject:
    """The files of a refused upload, as a child lists them; empty where the list is none.

    A refusal stands whatever is said beside it, so a list that cannot be used is left out.
    """
    try:
        return TypeAdapter(_Scan).validate_python(dict(scan), strict=True).model_dump(mode="json")
    except ValidationError:
        return {}


def model_left(result: Mapping[str, Any]) -> JsonObject:
    """What a child says of a model: manifest, card and hashes, each what it must be.

    Raises:
        ResultError: where they are anything else.
    """
    try:
        told = TypeAdapter(_Model).validate_python(dict(result), strict=True)
        if told.manifest is not None:
            normalised = ModelManifest.model_validate(told.manifest).model_dump(mode="json")
            if normalised != told.manifest or sha256_of(normalised) != told.manifest_sha256:
                raise ResultError("Its manifest is not the one that its hash says.")
    except ValidationError as error:
        _refuse("What it says of the model", error)
    card = told.card
    if len(json.dumps(card)) > MOST_CARD or not is_whole(card):
        raise ResultError("Its card is too large, or not the one that its hash says.")
    return told.model_dump(mode="json")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ResultError("Its catalogue is no JSON.") from None
    if not isinstance(found, dict):
        raise ResultError("Its catalogue is no JSON object.")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} has no place in a catalogue")


def _refuse(what: str, error: ValidationError) -> NoReturn:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    raise ResultError(f"{what} is not as declared ({place}: {first['msg'][:100]}).") from None
