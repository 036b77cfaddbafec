"""The job that shows what a network would be given for a case: read and prepared in a child."""

from pathlib import Path
from typing import cast

from ml.engine.cases import Case, prepare_case
from ml.estimate import JsonObject
from ml.imaging.declared import Input
from ml.imaging.picture import ImageError
from ml.imaging.seen import seen
from ml.intake.refusal import refuse
from ml.sandbox.messages import Reporter

PICTURE = "seen.png"


def seen_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Prepare one case and draw it.

    Args:
        inputs: input (of a manifest), cases [{case_id, images: [path]}], one of them.
        out_dir: where the picture is written.
        reporter: told nothing.

    Returns:
        picture (file name), shape, low and high of what the network is given.

    Raises:
        Refused: with the code of what is wrong with the image.
    """
    declared = Input.model_validate(inputs["input"])
    (row,) = cast(list[JsonObject], inputs["cases"])
    case = Case(str(row["case_id"]), tuple(map(Path, cast(list[str], row["images"]))))
    try:
        array = prepare_case(case, declared)
    except ImageError as error:
        raise refuse(error.code, error.message) from None
    seen(array, declared).save(out_dir / PICTURE)
    low, high = float(array.min()), float(array.max())
    return {"picture": PICTURE, "shape": list(array.shape), "low": low, "high": high}
