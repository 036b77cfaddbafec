"""The job that shows what corruptions do to cases: prepared and corrupted in a child."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from ml.corruptions import Corruption, corruption
from ml.corruptions.registry import SEVERITIES, FloatArray
from ml.corruptions.volumes import corrupted_volume
from ml.engine.cases import Case, prepare_case, prepared
from ml.engine.seen import pictures_left
from ml.engine.volume_copies import unit_volume
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input, Strict
from ml.imaging.intensity import to_unit
from ml.imaging.picture import ImageError
from ml.imaging.seen import MOST_SIDE
from ml.sandbox.messages import Reporter
from ml.sandbox.results import ResultError

MOST_STRIPS = 200  # corruptions of one audit
Shown = Callable[[Corruption, int], FloatArray]  # a case at a severity, (height, width, channels)


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
        strips, one for each asked, in order: pictures (6 file names, severity 0 first), or code
        and message of why the image cannot be prepared.

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
    wanted = cast(list[list[str]], inputs["strips"])
    shown: dict[str, Shown | ImageError] = {}
    strips = list[JsonValue]()
    for at, (name, case_id) in enumerate(wanted):
        if case_id not in shown:
            shown[case_id] = _shown(cases[case_id], declared, seed)
        show = shown[case_id]
        if isinstance(show, ImageError):
            strips.append({"pictures": [], "code": show.code, "message": show.message})
        else:
            names = _drawn(show, name, out_dir / f"strip-{at}")
            strips.append({"pictures": list[JsonValue](names), "code": "", "message": ""})
        reporter.progress(at + 1, len(wanted))
    return {"strips": strips}


def _shown(case: Case, declared: Input, seed: int) -> Shown | ImageError:
    """Not by ``gallery``, which refuses the rounding beyond 0 and 1 that the pass passes on."""
    try:
        if declared.dims == 3:
            volume, stack = unit_volume(prepared(case, declared), declared)
            middle = np.s_[len(volume) // 2, :, :, None]
            return lambda one, severity: corrupted_volume(
                one, volume, stack.spacing_mm, severity, case.case_id, seed
            )[middle].astype(np.float64)
        picture = to_unit(prepare_case(case, declared), declared)
        return lambda one, severity: one(picture, severity, case.case_id, seed)
    except ImageError as error:
        return error


def _drawn(show: Shown, name: str, stem: Path) -> list[str]:
    one, names = corruption(name), []
    for severity in range(SEVERITIES + 1):
        shown = for_eyes(show(one, severity))
        shown.thumbnail((MOST_SIDE, MOST_SIDE))
        path = stem.with_name(f"{stem.name}-{severity}.png")
        shown.save(path)
        names.append(path.name)
    return names


def for_eyes(picture: FloatArray) -> Image.Image:
    """Intensities (height, width, channels) from 0, black, to 1, white, as 8 bits.

    Example:
        >>> for_eyes(np.array([[[-0.1], [0.5], [2.0]]])).tobytes()
        b'\\x00\\x80\\xff'
    """
    pixels = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    grey = pixels.shape[2] < 3 or bool((pixels[:, :, :3] == pixels[:, :, :1]).all())
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels[..., :3]))


class _Strip(Strict):
    pictures: list[str] = Field(max_length=SEVERITIES + 1)
    code: Annotated[str, Field(max_length=60)]
    message: Annotated[str, Field(max_length=1000)]


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
