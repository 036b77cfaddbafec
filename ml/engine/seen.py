"""The job that shows what a network is given for a case, step by step: prepared in a child."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ml.engine.cases import Case, prepared
from ml.engine.viewed import write_volume
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input, Strict
from ml.imaging.picture import FloatArray, ImageError
from ml.imaging.seen import MOST_SIDE, POSITIONS, drawn
from ml.imaging.steps import Values
from ml.intake.refusal import refuse
from ml.sandbox.messages import Reporter
from ml.sandbox.results import ResultError, take

_MOST_PICTURE = 8 * 1024**2  # bytes of one PNG
_PNG = b"\x89PNG\r\n\x1a\n"


def seen_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Prepare one case and draw it after every step that the manifest declares.

    Args:
        inputs: input (of a manifest), cases [{case_id, images: [path]}], one of them.
        out_dir: where the pictures are written.
        reporter: told how many steps are done.

    Returns:
        steps, in order, the last being what the network is given: name, says, shape, dtype, low,
        high, mean, and pictures: one file name, or one for each position in a volume. Of a volume
        also volume, as :func:`ml.engine.viewed.write_volume` leaves it.

    Raises:
        Refused: with the code of what is wrong with the image.
    """
    declared = Input.model_validate(inputs["input"])
    (row,) = cast(list[JsonObject], inputs["cases"])
    case = Case(str(row["case_id"]), tuple(map(Path, cast(list[str], row["images"]))))
    steps = _Steps(declared, out_dir, reporter)
    try:
        found = prepared(case, declared, steps.tell)
    except ImageError as error:
        raise refuse(error.code, error.message) from None
    if declared.dims == 3:
        return {"steps": steps.rows, "volume": write_volume(found, declared, out_dir)}
    return {"steps": steps.rows}


class _Steps:
    """Draws each step as it is told of, so that no step's values are kept."""

    def __init__(self, declared: Input, out_dir: Path, reporter: Reporter) -> None:
        self.declared, self.out_dir, self.reporter = declared, out_dir, reporter
        self.rows: list[JsonValue] = []

    def tell(self, name: str, says: str, values: Values) -> None:
        number = len(self.rows)
        pictures = list[JsonValue]()
        for at, picture in enumerate(drawn(self._for_eyes(name, values), self.declared.dims)):
            picture.thumbnail((MOST_SIDE, MOST_SIDE))
            pictures.append(f"step-{number}-{at}.png")
            picture.save(self.out_dir / f"step-{number}-{at}.png")
        self.rows.append(
            {
                "name": name,
                "says": says,
                "shape": list(values.shape),
                "dtype": str(values.dtype),
                "low": float(values.min()),
                "high": float(values.max()),
                "mean": float(cast(FloatArray, values).mean(dtype=np.float64)),
                "pictures": pictures,
            }
        )
        self.reporter.progress(len(self.rows), max(len(self.rows), _AT_MOST))

    def _for_eyes(self, name: str, values: Values) -> Values:
        """Without its channel where it is a volume, and with it last where it is a picture."""
        if name != "layout":
            return values
        if self.declared.dims == 3:
            volume: Values = values[0]
            return volume
        return np.moveaxis(values, 0, -1) if self.declared.layout == "NCHW" else values


_AT_MOST = 7  # steps on the longest way


class _Step(Strict):
    name: Annotated[str, Field(min_length=1, max_length=40)]
    says: Annotated[str, Field(max_length=400)]
    shape: list[Annotated[int, Field(ge=1, le=2**31)]] = Field(min_length=2, max_length=4)
    dtype: Annotated[str, Field(max_length=20)]
    low: float
    high: float
    mean: float
    pictures: list[str] = Field(min_length=1, max_length=POSITIONS)


class _Result(Strict):
    steps: list[_Step] = Field(min_length=1, max_length=20)


def steps_left(folder: Path, result: Mapping[str, Any]) -> list[tuple[JsonObject, list[bytes]]]:
    """The steps that a child told of, and their pictures; it has opened a stranger's file.

    Returns:
        For each step its row without ``pictures``, and these as the bytes of PNG files.

    Raises:
        ResultError: where they are anything else.
    """
    try:
        told = TypeAdapter(_Result).validate_python({"steps": result["steps"]}, strict=True)
    except KeyError:
        raise ResultError("It told of no steps.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ResultError(f"Its steps are not as declared ({first['msg'][:100]}).") from None
    found = []
    for step in told.steps:
        if len(step.pictures) != len(told.steps[0].pictures):
            raise ResultError("Its steps have not all the same number of pictures.")
        if not all(map(math.isfinite, (step.low, step.high, step.mean))):
            raise ResultError("A number of its steps is not finite.")
        pictures = pictures_left(folder, step.pictures)
        found.append((step.model_dump(mode="json", exclude={"pictures"}), pictures))
    return found


def pictures_left(folder: Path, names: Sequence[str]) -> list[bytes]:
    """The bytes of PNG files that a child left under these names.

    Raises:
        ResultError: where one is not there, too large, or anything else.
    """
    pictures = [take(folder, name, most_bytes=_MOST_PICTURE) for name in names]
    if not all(data.startswith(_PNG) for data in pictures):
        raise ResultError("A picture that it left is no PNG.")
    return pictures
