"""The job that asks a model about one case with a region taken out: a look, and no evidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ml.drawn import drawn
from ml.engine.baselines import blur_baseline
from ml.engine.blot import boxes_of, elsewhere, with_mean
from ml.engine.cases import prepare_case
from ml.engine.predict import Asked
from ml.engine.region_form import AS_IT_IS, ELSEWHERE, FILLED, VERSIONS
from ml.estimate import JsonObject, JsonValue
from ml.evidence.orders import BLUR, MEAN
from ml.imaging.declared import Strict
from ml.imaging.harmonic import Box
from ml.imaging.intensity import FloatArray, from_unit, to_unit
from ml.imaging.picture import ImageError
from ml.intake.model_manifest import Scores
from ml.intake.refusal import refuse
from ml.sandbox.messages import Reporter
from ml.sandbox.results import ResultError
from ml.scores import activated, finding_score

_MOST_CLASSES = 4096


def region_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one case as it is, without a region, and without another place of the same size.

    Args:
        inputs: as of ``predict_job`` with one case; box, the region as shares of the picture (top,
            left, height, width); seed, of where the other place lies.

    Returns:
        rows: the version's name and its raw outputs, None where they are not finite; elsewhere:
        the other place as shares, None where there is no room for it.

    Raises:
        Refused: with the code of what is wrong with the image.
        ModelError: as every pass.
    """
    asked = Asked.of(inputs)
    declared, (case,) = asked.manifest.input, asked.cases
    session = asked.session(reporter, out_dir)
    reporter.progress(1, 3)
    try:
        picture = to_unit(prepare_case(case, declared), declared)
    except ImageError as error:
        raise refuse(error.code, error.message) from None
    region: JsonObject = {"name": "region", "box": inputs["box"]}
    ((_, box),) = boxes_of({"regions": [region]}, declared.sides)
    rng = drawn(inputs["seed"], "region", case.case_id, *box)
    other = elsewhere(box, [box], picture.shape[:2], rng)
    reporter.progress(2, 3)
    copies = versions_of(picture, box, other)
    outputs = session.run(np.stack([from_unit(one, declared) for one in copies.values()]))
    rows: list[JsonValue] = [
        {"version": name, "outputs": row.tolist() if np.isfinite(row).all() else None}
        for name, row in zip(copies, outputs, strict=True)
    ]
    height, width = declared.sides
    place: JsonValue = None
    if other is not None:
        place = [other[0] / height, other[1] / width, other[2] / height, other[3] / width]
    reporter.progress(3, 3)
    return {"rows": rows, "elsewhere": place}


def versions_of(picture: FloatArray, box: Box, other: Box | None) -> dict[str, FloatArray]:
    """A picture as it is, without a region, and without another place; by name.

    Args:
        picture: (height, width, channels) 0..1.
        box: top, left, height, width in pixels.
        other: of the same size; None where there is no room.

    Example:
        >>> one = np.array([[[0.0], [1.0]]])
        >>> versions_of(one, (0, 1, 1, 1), None)["mean"].ravel().tolist()
        [0.0, 0.5]
    """
    blurred = blur_baseline(picture)

    def filled(place: Box, end: str = "") -> dict[str, FloatArray]:
        top, left, height, width = place
        rows, columns = slice(top, top + height), slice(left, left + width)
        copy = picture.copy()
        copy[rows, columns] = blurred[rows, columns]
        return {MEAN + end: with_mean(picture, place), BLUR + end: copy}

    found = {AS_IT_IS: picture, **filled(box)}
    return found if other is None else found | filled(other, ELSEWHERE)


class _Row(Strict):
    version: Annotated[str, Field(max_length=40)]
    outputs: Annotated[list[float], Field(max_length=_MOST_CLASSES)] | None


class _Result(Strict):
    rows: list[_Row] = Field(max_length=len(VERSIONS))
    elsewhere: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Answered:
    """What a model said of each version.

    Attributes:
        scores: version -> P(finding), 0..1; None where its outputs are not finite.
        elsewhere: the other place as shares of the picture; None where there was no room.
    """

    scores: Mapping[str, float | None]
    elsewhere: tuple[float, float, float, float] | None


def region_left(result: Mapping[str, Any], declared: Scores) -> Answered:
    """The answers that a child told of; it has opened strangers' files.

    Args:
        result: of the job.
        declared: what the model's outputs mean.

    Raises:
        ResultError: where they are anything else.
    """
    try:
        told = TypeAdapter(_Result).validate_python(_with_tuple(result), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ResultError(f"Its answers are not as declared ({first['msg'][:100]}).") from None
    wanted = VERSIONS if told.elsewhere is not None else VERSIONS[: 1 + len(FILLED)]
    if [row.version for row in told.rows] != list(wanted):
        raise ResultError("It answered other versions than it was asked for.")
    if told.elsewhere is not None and not _inside(told.elsewhere):
        raise ResultError("The other place does not lie inside the picture.")
    scores: dict[str, float | None] = {}
    for row in told.rows:
        if row.outputs is not None and len(row.outputs) != len(declared.classes):
            raise ResultError("It left another number of outputs than the model declares.")
        scores[row.version] = None if row.outputs is None else _score(row.outputs, declared)
    return Answered(scores, told.elsewhere)


def _with_tuple(result: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone."""
    place = result.get("elsewhere")
    return {**result, "elsewhere": tuple(place) if isinstance(place, list) else place}


def _inside(box: tuple[float, float, float, float]) -> bool:
    top, left, height, width = box
    return min(box) >= 0 and max(top + height, left + width) <= 1 + 1e-9


def _score(outputs: list[float], declared: Scores) -> float | None:
    found = finding_score(activated(np.array([outputs]), declared), declared)
    value = float(found[0])
    return round(value, 6) if np.isfinite(value) and -1e-6 <= value <= 1 + 1e-6 else None
