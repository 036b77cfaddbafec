"""The job that shows what corruptions do to cases: prepared and corrupted in a child."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ml.corruptions import corruption
from ml.corruptions.registry import SEVERITIES
from ml.corruptions.volumes import corrupted_volume
from ml.engine.cases import Case, prepare_case, prepared
from ml.engine.copied import Copied
from ml.engine.seen import pictures_left
from ml.engine.volume_copies import unit_volume
from ml.engine.worsened_masks import Marks, Shown, marks_of
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input, Strict
from ml.imaging.intensity import to_unit
from ml.imaging.picture import ImageError
from ml.imaging.seen import MOST_SIDE, for_eyes
from ml.sandbox.messages import Reporter
from ml.sandbox.results import ResultError

MOST_STRIPS = 200  # corruptions of one audit


def worsened_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Draw a case for each corruption as it is and at every severity.

    It is what the corrupt pass gives the network, before that is normalised again: at the size of
    the input, 0 black and 1 white in every picture, so that brightness can be compared. Of volumes
    the middle slice is drawn, of the corrupted whole.

    Args:
        inputs: input (of a manifest), cases [{case_id, images: [path]}], seed (of the pass), and
            strips [[corruption, case_id]].
        out_dir: where the pictures are written.
        reporter: told how many corruptions are drawn.

    Returns:
        strips, one for each asked, in order: pictures (6 file names, severity 0 first) and whether
        they are outlined, or code and message of why the image cannot be prepared.

    Raises:
        LookupError: for a corruption that is not known, or a case that was not given.
    """
    declared, seed = Input.model_validate(inputs["input"]), int(cast(int, inputs["seed"]))
    rows = cast(list[JsonObject], inputs["cases"])
    cases = {
        str(row["case_id"]): Case(
            str(row["case_id"]), tuple(map(Path, cast(list[str], row["images"])))
        )
        for row in rows
    }
    marks = marks_of(inputs, out_dir, reporter) if "model" in inputs else None
    wanted = cast(list[list[str]], inputs["strips"])
    shown: dict[str, Shown | ImageError] = {}
    strips = list[JsonValue]()
    for at, (name, case_id) in enumerate(wanted):
        if case_id not in shown:
            shown[case_id] = _shown(cases[case_id], declared, seed, marks)
        show = shown[case_id]
        if isinstance(show, ImageError):
            strips.append({"pictures": [], "code": show.code, "message": show.message})
        else:
            names = _drawn(show, name, out_dir / f"strip-{at}")
            strips.append(
                {
                    "pictures": list[JsonValue](names), "code": "", "message": "",
                    "outlined": marks is not None,
                }
            )  # fmt: skip
        reporter.progress(at + 1, len(wanted))
    return {"strips": strips}


def _shown(case: Case, declared: Input, seed: int, marks: Marks | None) -> Shown | ImageError:
    """Not by ``gallery``, which refuses the rounding beyond 0 and 1 that the pass passes on."""
    try:
        if marks is not None:
            return marks.shown(Copied(prepared(case, declared), declared, case.case_id, seed))
        if declared.dims == 3:
            volume, stack = unit_volume(prepared(case, declared), declared)
            middle = np.s_[len(volume) // 2, :, :, None]
            return lambda one, severity: for_eyes(
                corrupted_volume(one, volume, stack.spacing_mm, severity, case.case_id, seed)[
                    middle
                ].astype(np.float64)
            )
        picture = to_unit(prepare_case(case, declared), declared)
        return lambda one, severity: for_eyes(one(picture, severity, case.case_id, seed))
    except ImageError as error:
        return error


def _drawn(show: Shown, name: str, stem: Path) -> list[str]:
    one, names = corruption(name), []
    for severity in range(SEVERITIES + 1):
        shown = show(one, severity)
        shown.thumbnail((MOST_SIDE, MOST_SIDE))
        path = stem.with_name(f"{stem.name}-{severity}.png")
        shown.save(path)
        names.append(path.name)
    return names


class _Strip(Strict):
    pictures: list[str] = Field(max_length=SEVERITIES + 1)
    code: Annotated[str, Field(max_length=60)]
    message: Annotated[str, Field(max_length=1000)]
    outlined: bool = False  # what a model and the reference mark is drawn


class _Result(Strict):
    strips: list[_Strip] = Field(max_length=MOST_STRIPS)


def strips_left(
    folder: Path, result: Mapping[str, Any], wanted: Sequence[object]
) -> list[tuple[JsonObject, list[bytes]]]:
    """The strips that a child told of, and their pictures; it has opened strangers' files.

    Args:
        folder: where it left them.
        result: of the job.
        wanted: what was asked for; the answer has as many strips.

    Returns:
        For each strip its row without ``pictures``, and these as the bytes of PNG files.

    Raises:
        ResultError: where they are anything else.
    """
    try:
        told = TypeAdapter(_Result).validate_python(dict(result), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ResultError(f"Its strips are not as declared ({first['msg'][:100]}).") from None
    if len(told.strips) != len(wanted):
        raise ResultError("It left another number of strips than it was asked for.")
    found = []
    for strip in told.strips:
        if len(strip.pictures) != (0 if strip.message else SEVERITIES + 1):
            raise ResultError("A strip of it has not a picture for each severity.")
        pictures = pictures_left(folder, strip.pictures)
        found.append((strip.model_dump(mode="json", exclude={"pictures"}), pictures))
    return found
