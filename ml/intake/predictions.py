"""A predictions folder becomes one table of outputs: an audit without the model."""

import math
import shutil
from pathlib import Path
from typing import Annotated, Literal, cast

import pyarrow as pa
from pydantic import BeforeValidator, Field, model_validator

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import outputs_table, samples_table, write_table
from ml.imaging.declared import Strict
from ml.imaging.mask import MOST_STRUCTURES
from ml.intake.folder import Folder, natural_order, open_folder
from ml.intake.manifest import Name, Text, read_yaml, validated
from ml.intake.masks import MaskStore, predicted_masks
from ml.intake.model_manifest import OperatingPoint, Scores
from ml.intake.refusal import Problems, Refused, refuse
from ml.intake.tables import Csv, Row, bad_id, read_csv
from ml.sandbox.messages import Reporter

MANIFEST = "predictions.yaml"
TABLE = "predictions.csv"
PARQUET = "predictions.parquet"
SUM_TOLERANCE = 1e-3
SEVERAL = ("member", "sample")  # the columns that number several answers to a case


class Claimed(Strict):
    """The model the numbers are said to come from; nobody checked."""

    name: Name
    version: Name = "not stated"


def _named(value: object) -> object:
    """A model that is only named has no version."""
    return {"name": value} if isinstance(value, str) else value


class PredictionsManifest(Scores):
    model: Annotated[Claimed, BeforeValidator(_named)]
    intended_use: Text = ""
    operating_points: list[OperatingPoint] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _one_score(self) -> "PredictionsManifest":
        self.check_score()
        return self


class MaskPredictionsManifest(Strict):
    kind: Literal["masks"]
    classes: list[Name] = Field(min_length=1, max_length=MOST_STRUCTURES)  # label i: the i-th
    model: Annotated[Claimed, BeforeValidator(_named)]
    intended_use: Text = ""


def read_predictions(path: Path, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Read and check a predictions folder or a zip of it.

    Returns:
        meta (the normalised manifest), table (file name in ``out_dir``), sha256, n.

    Raises:
        Refused: see docs/intake-codes.md; every bad row is named.
    """
    with open_folder(path, out_dir, MANIFEST) as folder:
        value = _manifest_value(folder)
        if value.get("kind") == "masks":
            return _read_masks(folder, value, out_dir, reporter)
        manifest = validated(PredictionsManifest, value, MANIFEST)
        if TABLE not in folder:
            raise refuse("file_missing", f"The folder has no {TABLE} at its top.", file=TABLE)
        problems = Problems()
        table = read_csv(folder, TABLE, required=["case_id", *manifest.classes], problems=problems)
        several = _check_columns(table, manifest)
        answers = _answers(table, manifest, several, problems)
        names = _check_complete(answers, several, problems) if several else [""]
        problems.raise_if_any()
    reporter.log(f"{len(answers)} predictions")
    meta = cast(JsonObject, manifest.model_dump(mode="json"))
    ids = list(answers)
    if several:
        meta |= {"several": several, "names": list[JsonValue](names)}
        rows = {case_id: [answers[case_id][name] for name in names] for case_id in ids}
        parquet = samples_table(ids, rows, {}, len(manifest.classes))
    else:
        parquet = outputs_table(ids, [answers[case_id][""] for case_id in ids])
    return {
        "meta": meta,
        "table": PARQUET,
        "sha256": write_table(parquet, out_dir / PARQUET),
        "n": len(ids),
    }


def _read_masks(
    folder: Folder, value: dict[str, object], out_dir: Path, reporter: Reporter
) -> JsonObject:
    """Masks in place of scores: kept under ``out_dir/files``, named in the table by SHA-256."""
    manifest = validated(MaskPredictionsManifest, value, MANIFEST)
    files = out_dir / "files"
    files.mkdir(exist_ok=True)
    problems = Problems()
    store = MaskStore(folder, files, len(manifest.classes))
    masks = predicted_masks(store, problems)
    if not masks:
        problems.add("mask_missing", "There is no mask: they are named masks/<case_id>.nii.gz.")
    try:
        problems.raise_if_any()
    except Refused:
        shutil.rmtree(files, ignore_errors=True)
        raise
    reporter.log(f"{len(masks)} masks")
    ids = sorted(masks)
    table = pa.table(
        {
            "case_id": pa.array(ids, pa.string()),
            "mask": pa.array([str(masks[case_id]["sha256"]) for case_id in ids], pa.string()),
            "error": pa.array([None] * len(ids), pa.string()),
        }
    )
    return {
        "meta": cast(JsonObject, manifest.model_dump(mode="json")),
        "table": PARQUET,
        "sha256": write_table(table, out_dir / PARQUET),
        "n": len(ids),
    }


def _manifest_value(folder: Folder) -> dict[str, object]:
    value = read_yaml(folder, MANIFEST)
    # Flat keys are accepted too: 'model: NAME' or 'name: NAME', with 'version'.
    name, version = value.pop("name", None), value.pop("version", None)
    model = value.get("model", name)
    if isinstance(model, str) and version is not None:
        model = {"name": model, "version": version}
    if model is not None:
        value["model"] = model
    return value


def _check_columns(table: Csv, manifest: PredictionsManifest) -> str:
    """The column that numbers several answers to a case; "" where there is one to each.

    Raises:
        Refused: csv_header.
    """
    several = [name for name in SEVERAL if name in table.columns and name not in manifest.classes]
    if len(several) > 1:
        raise refuse(
            "csv_header",
            "Several answers to a case are told apart by one column, member or sample, not both.",
            file=TABLE,
            row=1,
        )
    known = ("case_id", *several, *manifest.classes)
    unknown = [name for name in table.columns if name not in known]
    if unknown:
        raise refuse(
            "csv_header",
            f"The column {unknown[0]} is no class of {MANIFEST}; leave out what is no score.",
            file=TABLE,
            row=1,
        )
    return several[0] if several else ""


# Case id -> name of the member or sample ("" where there is one to each) -> scores.
Answers = dict[str, dict[str, list[float]]]


def _answers(
    table: Csv, manifest: PredictionsManifest, several: str, problems: Problems
) -> Answers:
    found: Answers = {}
    for row in table.rows:
        case_id, name = row.get("case_id"), (row.get(several) if several else "")
        wrong = bad_id(case_id) or (bad_id(name) if several else None)
        if wrong:
            problems.add("case_id", wrong, file=TABLE, row=row.number)
        elif name in found.get(str(case_id), {}):
            which = f", {several} {name}" if several else ""
            problems.add(
                "label_duplicate_case", f"The case {case_id}{which} is there twice.",
                file=TABLE, row=row.number,
            )  # fmt: skip
        else:
            found.setdefault(str(case_id), {})[str(name)] = _scores(row, manifest, problems)
    return found


def _check_complete(answers: Answers, several: str, problems: Problems) -> list[str]:
    """The names of all members or samples, in their order; each case has each of them."""
    names = sorted({name for one in answers.values() for name in one}, key=natural_order)
    for case_id, one in answers.items():
        missing = [name for name in names if name not in one]
        if missing:
            problems.add(
                "samples_missing",
                f"The case {case_id} has no row of {several} {missing[0]}: every case has every "
                f"{several}.",
                file=TABLE,
            )
    if len(names) == 1:
        problems.add(
            "samples_missing",
            f"There is one {several} only. Leave the column out, or hand in at least two.",
            file=TABLE,
        )
    return names


def _scores(row: Row, manifest: PredictionsManifest, problems: Problems) -> list[float]:
    scores = []
    for name in manifest.classes:
        number = finite(row.get(name))
        if number is None:
            problems.add(
                "label_value",
                f"'{name}' must be a number with a decimal point, got '{row.cells[name][:40]}'.",
                file=TABLE,
                row=row.number,
            )
            return []
        scores.append(number)
    if manifest.kind == "logits":
        return scores
    if min(scores) < 0 or max(scores) > 1:
        problems.add(
            "score_range",
            f"Probabilities lie in 0..1, these reach from {min(scores):g} to {max(scores):g}. "
            "Scores before the activation are 'kind: logits'.",
            file=TABLE,
            row=row.number,
        )
    elif manifest.softmax and abs(sum(scores) - 1) > SUM_TOLERANCE:
        problems.add(
            "score_range",
            f"The probabilities of a case must add up to 1, these give {sum(scores):.5g}. "
            "Declare 'activation: sigmoid' if the classes do not exclude each other.",
            file=TABLE,
            row=row.number,
        )
    return scores


def finite(text: str | None) -> float | None:
    """The number a cell holds; None for anything that is no finite number."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in (text or "") else None
