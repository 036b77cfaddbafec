"""Catalogue and outputs become the evidence checks look at; the checks are run; blocks are written.

The one way from stored tables to a result: whoever runs an audit comes through here.
"""

import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.checks.registry import Check, CheckResult, not_assessed
from ml.engine.sampling import ONE_ANSWER, ONE_MASK
from ml.estimate import JsonObject, JsonValue
from ml.evidence.described import case_images_of
from ml.evidence.facts import facts_of
from ml.evidence.passes import features_of
from ml.evidence.sampled_masks import SampledMasks, sampled_masks_of
from ml.evidence.store import output_columns
from ml.evidence.tables import (
    Evidence,
    IntakeRecord,
    IntArray,
    MaskComparisons,
    Prediction,
    Question,
    Readings,
    Samples,
    Scale,
)
from ml.intake.model_manifest import Scores
from ml.meaning import scores_of, with_meaning
from ml.protocol import DEFAULT_TOLERANCE_MM, Protocol
from ml.sampled import SCORE_RANGE, Kind, is_sampled, kind_of, means_table, samples_of
from ml.scores import activated, finding_score

SEGMENTATION = "segmentation"
NOT_PREDICTED = "not_predicted"
UNKNOWN_CASE = "unknown_case"


def evidence(
    catalogue: Mapping[str, JsonValue],
    *,
    outputs: pa.Table | None = None,
    manifest: Mapping[str, JsonValue] | None = None,
    card: Mapping[str, JsonValue] | None = None,
    uploaded: tuple[Mapping[str, JsonValue], pa.Table] | None = None,
    compared: pa.Table | None = None,
    tolerance_mm: float = DEFAULT_TOLERANCE_MM,
    samples: pa.Table | None = None,
    no_samples: str = "",
    passes: Mapping[str, pa.Table] | None = None,
    described: pa.Table | None = None,
    foreign: Mapping[str, Evidence] | None = None,
    reference: Evidence | None = None,
) -> Evidence:
    """Join everything by case.

    Args:
        catalogue: as intake wrote it.
        outputs: raw outputs of the predict pass, all shards in one table.
        manifest: the model's, normalised; required with ``outputs`` and ``card``.
        card: what intake found out about the model.
        uploaded: a predictions folder's normalised manifest and table, in place of a model.
        compared: what the pass over masks left behind, all shards in one table.
        tolerance_mm: that pass was run with.
        samples: what the samples pass left behind, all shards in one table.
        no_samples: why the model cannot be sampled.
        passes: what further passes of the model left behind, by name of the pass.
        described: what the pass over images left behind, all shards in one table.
        foreign, reference: evidence of cohorts beside this one, each made by this function.

    Returns:
        One row per case of the catalogue, in its order. A case without a usable score is NaN
        and named in ``prediction.failures``; so is an uploaded case the cohort does not have.

    Raises:
        ValueError: if outputs come without a manifest, or together with an uploaded table.
    """
    cases = _objects(catalogue["cases"])
    case_ids = tuple(str(case["case_id"]) for case in cases)
    labels = tuple(_text(case["label"]) for case in cases)
    positive = tuple(_texts(catalogue["positive"]))
    masks_only = uploaded is not None and uploaded[0]["kind"] == "masks"
    clusters = [str(case["cluster"]) for case in cases]
    return Evidence(
        case_ids=case_ids,
        cluster=np.unique(clusters, return_inverse=True)[1].astype(np.int64),
        cluster_kind=cast(Literal["case", "patient", "group"], catalogue["cluster_kind"]),
        label=labels,
        present=_present(labels, positive),
        classes=tuple(_texts(catalogue["classes"])),
        positive=positive,
        covariates={
            name: tuple(_text(_object(case["covariates"]).get(name)) for case in cases)
            for name in _texts(catalogue["covariates"])
        },
        prediction=_prediction(case_ids, outputs, manifest, None if masks_only else uploaded),
        readings=_readings(catalogue, case_ids),
        masks=None if compared is None else _masks(catalogue, case_ids, compared, tolerance_mm),
        samples=_samples(case_ids, samples, manifest, None if masks_only else uploaded),
        sampled_masks=_sampled_masks(case_ids, samples, manifest),
        no_samples=_no_samples(no_samples, uploaded is not None, masks_only),
        features=None if outputs is None else features_of(outputs, case_ids),
        intake=None if card is None else IntakeRecord(dict(card), dict(manifest or {})),
        **with_meaning(
            passes or {}, case_ids, manifest, modality=str(catalogue.get("modality") or "")
        ),
        facts=facts_of(catalogue),
        described=None if described is None else case_images_of(described, case_ids),
        images=tuple(
            tuple(str(image["sha256"]) for image in _objects(case["images"])) for case in cases
        ),
        patients=tuple(_digest(_text(case.get("patient_id"))) for case in cases),
        foreign=dict(foreign or {}),
        reference=reference,
        task=str(catalogue["task"]),
    )


def _digest(patient: str | None) -> str:
    return hashlib.sha256(patient.encode()).hexdigest() if patient else ""


def run_checks(
    found: Evidence, protocol: Protocol, checks: Iterable[Check]
) -> list[tuple[Check, CheckResult, float]]:
    """Run checks in their order; a broken one costs its own result and no other."""
    results = []
    for check in checks:
        began = time.perf_counter()
        try:
            result = check(found, protocol)
        except Exception as error:
            reason = f"The check could not finish: {type(error).__name__}: {error}"
            result = not_assessed(check.question, reason)
        results.append((check, result, time.perf_counter() - began))
    return results


def model_block(
    intake: Mapping[str, JsonValue] | None, predictions: Mapping[str, JsonValue] | None
) -> JsonObject | None:
    """The ``model`` part of ``audit.json`` from the result of an intake job.

    Args:
        intake: of a model.
        predictions: of a predictions folder, where no model is there.
    """
    if intake is not None:
        manifest = _object(intake["manifest"])
        kept = ("name", "version", "format", "intended_use", "operating_points")
        return {
            "kind": "model",
            **{name: manifest[name] for name in kept},
            "classes": _object(manifest["output"])["classes"],
            "positive": _object(manifest["output"])["positive"],
            "sha256": intake["sha256"],
            "manifest_sha256": intake["manifest_sha256"],
        }
    if predictions is not None:
        meta = _object(predictions["meta"])
        claimed = ("intended_use", "operating_points", "classes", "positive")
        return {
            "kind": "predictions",
            **_object(meta["model"]),
            **{name: meta.get(name, []) for name in claimed},
            "sha256": predictions["sha256"],
        }
    return None


def cohort_block(catalogue: Mapping[str, JsonValue], counts: Mapping[str, JsonValue]) -> JsonObject:
    """The ``cohort`` part of ``audit.json``: what identifies it, and its numbers."""
    kept = ("title", "sha256", "task", "classes", "positive", "modality", "cluster_kind")
    more = ("readers", "simulated")
    return {**{name: catalogue[name] for name in (*kept, *more)}, **counts}


def _present(labels: Sequence[str | None], positive: Sequence[str]) -> IntArray | None:
    """(n,) 1, 0 or -1; None when nobody labelled anything."""
    if all(label is None for label in labels):
        return None
    codes = [-1 if label is None else int(label in positive) for label in labels]
    return np.array(codes, dtype=np.int64)


def _prediction(
    case_ids: Sequence[str],
    outputs: pa.Table | None,
    manifest: Mapping[str, JsonValue] | None,
    uploaded: tuple[Mapping[str, JsonValue], pa.Table] | None,
) -> Prediction | None:
    if outputs is not None and uploaded is not None:
        raise ValueError("an audit has a model or an uploaded table, not both")
    if uploaded is not None:
        meta, table = uploaded
        if is_sampled(table):
            table = means_table(table, scores_of(meta))
        return _scored(case_ids, table, scores_of(meta), _points(meta), "uploaded")
    if outputs is None:
        return None
    if manifest is None:
        raise ValueError("outputs need the manifest that says what they mean")
    declared = scores_of(_object(manifest["output"]))
    return _scored(case_ids, outputs, declared, _points(manifest), "model")


def _samples(
    case_ids: Sequence[str],
    samples: pa.Table | None,
    manifest: Mapping[str, JsonValue] | None,
    uploaded: tuple[Mapping[str, JsonValue], pa.Table] | None,
) -> Samples | None:
    if uploaded is not None:
        meta, table = uploaded
        if not is_sampled(table):
            return None
        kind: Kind = "members" if meta.get("several") == "member" else "samples"
        return samples_of(case_ids, table, scores_of(meta), kind, "uploaded")
    if samples is None or manifest is None or manifest.get("task") == SEGMENTATION:
        return None
    declared = scores_of(_object(manifest["output"]))
    return samples_of(case_ids, samples, declared, kind_of(manifest), "model")


def _sampled_masks(
    case_ids: Sequence[str], samples: pa.Table | None, manifest: Mapping[str, JsonValue] | None
) -> SampledMasks | None:
    if samples is None or manifest is None or manifest.get("task") != SEGMENTATION:
        return None
    structures = _texts(_object(manifest["output"])["positive"])
    kind: Literal["members", "dropout"] = "members" if kind_of(manifest) == "members" else "dropout"
    return sampled_masks_of(samples, case_ids, structures, kind)


def _no_samples(of_model: str, is_uploaded: bool, masks_only: bool) -> str:
    """Why there is one answer to a case, and the way out."""
    if not is_uploaded:
        return of_model
    return ONE_MASK if masks_only else ONE_ANSWER


def _scored(
    case_ids: Sequence[str],
    table: pa.Table,
    declared: Scores,
    points: tuple[tuple[str, float], ...],
    source: str,
) -> Prediction:
    ids = [str(case_id) for case_id in table["case_id"].to_pylist()]
    columns = [
        table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in output_columns(table)
    ]
    raw = np.column_stack(columns)  # (m, k); null is NaN
    known = set(case_ids)
    failures = {case_id: UNKNOWN_CASE for case_id in ids if case_id not in known}
    errors = zip(ids, table["error"].to_pylist(), strict=True)
    failures |= {case_id: str(error) for case_id, error in errors if error}

    row_of = {case_id: row for row, case_id in enumerate(ids)}
    probabilities = np.full((len(case_ids), len(declared.classes)), np.nan)
    kept = np.full_like(probabilities, np.nan)
    for at, case_id in enumerate(case_ids):
        if case_id not in row_of:
            failures[case_id] = NOT_PREDICTED
        elif case_id not in failures:
            probabilities[at] = activated(raw[row_of[case_id]], declared)
            if np.isnan(probabilities[at]).any():
                failures[case_id] = SCORE_RANGE
            else:
                kept[at] = raw[row_of[case_id]]
    return Prediction(
        classes=tuple(declared.classes),
        positive=tuple(declared.positive),
        kind=declared.kind,
        probabilities=probabilities,
        score=finding_score(probabilities, declared),
        failures=failures,
        source=source,
        operating_points=points,
        raw=kept,
        exclusive=declared.softmax,
    )


def masks_of_table(table: pa.Table) -> dict[str, str]:
    """Case id -> SHA-256 of its mask, from a table of predictions with 'kind: masks'."""
    if "mask" not in table.column_names:
        return {}
    return dict(zip(table["case_id"].to_pylist(), table["mask"].to_pylist(), strict=True))


_NAMES_OF_MASKS = ("case_id", "error", "structure", "a", "b")


def _masks(
    catalogue: Mapping[str, JsonValue], case_ids: Sequence[str], table: pa.Table, tolerance: float
) -> MaskComparisons:
    row_of = {case_id: row for row, case_id in enumerate(case_ids)}
    errors = zip(table["case_id"].to_pylist(), table["error"].to_pylist(), strict=True)
    failures = {case_id: error for case_id, error in errors if error}
    used = table.filter(pc.is_null(table["error"]))
    masks = [_object(case["mask"]) for case in _objects(catalogue["cases"])]
    readers = {
        name for case in _objects(catalogue["cases"]) for name in _object(case["reader_masks"])
    }
    of_readers = [
        _object(mask)
        for case in _objects(catalogue["cases"])
        for mask in _object(case["reader_masks"]).values()
    ]
    sizes = [mask["spacing_mm"] for mask in (*masks, *of_readers) if mask]
    return MaskComparisons(
        structures=tuple(_texts(catalogue["classes"])),
        readers=tuple(sorted(readers)),
        exchangeable=catalogue["readers"] == "exchangeable",
        case_index=np.array([row_of[case] for case in used["case_id"].to_pylist()], dtype=np.int64),
        structure=np.array(used["structure"].to_pylist(), dtype=np.int64),
        a=used["a"].to_pylist(),
        b=used["b"].to_pylist(),
        measures={
            name: np.array(used[name].to_numpy(zero_copy_only=False), dtype=np.float64)
            for name in used.column_names
            if name not in _NAMES_OF_MASKS
        },
        tolerance_mm=tolerance,
        in_mm=bool(sizes) and all(size is not None for size in sizes),
        failures=failures,
    )


def _readings(catalogue: Mapping[str, JsonValue], case_ids: Sequence[str]) -> Readings | None:
    rows = _objects(catalogue["readings"])
    if not rows:
        return None
    declared = {name: _object(spec) for name, spec in _object(catalogue["questions"]).items()}
    questions = {
        name: Question(
            name, cast(Scale, declared[name]["scale"]), tuple(_texts(declared[name]["values"]))
        )
        for name in sorted(declared, key=lambda name: cast(int, declared[name]["position"]))
    }
    row_of = {case_id: row for row, case_id in enumerate(case_ids)}
    answers = [_answer(row, questions[str(row["question"])]) for row in rows]
    return Readings(
        case_index=np.array([row_of[str(row["case_id"])] for row in rows], dtype=np.int64),
        reader=tuple(str(row["reader_id"]) for row in rows),
        question=tuple(str(row["question"]) for row in rows),
        value=[value for value, _ in answers],
        number=np.array([number for _, number in answers], dtype=np.float64),
        questions=questions,
        exchangeable=catalogue["readers"] == "exchangeable",
        arm=tuple(arms) if any(arms := [_text(row["arm"]) or "" for row in rows]) else (),
    )


def _answer(row: JsonObject, question: Question) -> tuple[str, float]:
    """The answer as its question spells it, and as a number (NaN where it is none)."""
    label = row["label"]
    if label is not None:
        return str(label), _number(str(label))
    score = float(cast(float, row["score"]))
    same = (value for value in question.values if _number(value) == score)
    return next(same, f"{score:.17g}"), score


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _points(meta: Mapping[str, JsonValue]) -> tuple[tuple[str, float], ...]:
    points = _objects(meta.get("operating_points") or [])
    return tuple((str(p["name"]), float(cast(float, p["threshold"]))) for p in points)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
