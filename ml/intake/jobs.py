"""The intake jobs a child can be asked for; each reads one kind of input."""

from pathlib import Path
from typing import cast

from ml.estimate import JsonObject
from ml.intake import cohort, model, predictions
from ml.intake.folder import open_folder
from ml.intake.refusal import Refusal, Refused
from ml.sandbox.messages import Reporter


def intake_model(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """inputs: path; manifest, where a form gives it to a lone file; allow, see ``read_model``."""
    given = cast(dict[str, object] | None, inputs.get("manifest"))
    allow = cast(list[str], inputs.get("allow", []))
    result = model.read_model(_path(inputs), out_dir, reporter, given, allow)
    if result["manifest"] is None and not inputs.get("card_only"):
        missing = Refusal(
            "manifest_missing",
            f"A model comes with a {model.MANIFEST} that says how its input and output are meant.",
        )
        raise Refused([missing], cast(JsonObject, cast(JsonObject, result["card"]).get("scan")))
    return result


def intake_cohort(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """inputs: path; key (hex), under which DICOM files are de-identified to be kept."""
    key = inputs.get("key")
    more = {"key": bytes.fromhex(str(key))} if key else {}
    return cohort.read_cohort(_path(inputs), out_dir, reporter, **more)


def intake_predictions(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """inputs: path."""
    return predictions.read_predictions(_path(inputs), out_dir, reporter)


def intake_any(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Whatever the path holds, told by its manifest; the result says which kind it was."""
    path = _path(inputs)
    for kind, manifest, job in (
        ("cohort", cohort.MANIFEST, intake_cohort),
        ("predictions", predictions.MANIFEST, intake_predictions),
    ):
        if _holds(path, out_dir, manifest):
            return {"kind": kind, **job(inputs, out_dir, reporter)}
    return {"kind": "model", **intake_model(inputs, out_dir, reporter)}


def _holds(path: Path, out_dir: Path, manifest: str) -> bool:
    with open_folder(path, out_dir, manifest) as folder:
        return manifest in folder


def _path(inputs: JsonObject) -> Path:
    return Path(str(inputs["path"]))
