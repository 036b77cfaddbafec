"""Files to start a folder from: shown on the page where one hands in, and to download."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from portal.intake.models import UploadKind

FOLDER = Path(__file__).parent / "starters"


@dataclass(frozen=True)
class Part:
    """One entry of a folder; `example` names the file that can be downloaded."""

    name: str
    says: str
    example: str = ""


PARTS: Mapping[UploadKind, tuple[Part, ...]] = {
    UploadKind.MODEL: (
        Part("model.yaml", "how input and output are meant", "model.yaml"),
        Part("model.onnx, model.pt2 or model.safetensors", "the network, named in model.yaml"),
        Part("several of these", "an ensemble: format: ensemble, and members: [names]"),
        Part(
            "model.yaml alone, of an address",
            "a model that stays on its server; an owner allows it in the team’s settings",
            "model-endpoint.yaml",
        ),
    ),
    UploadKind.COHORT: (
        Part("cohort.yaml", "title, classes, what counts as the finding", "cohort.yaml"),
        Part("cases.csv", "one row a case; further columns are covariates", "cases.csv"),
        Part("readings.csv", "optional: what every reader said of each case", "readings.csv"),
        Part("images/", "PNG, JPEG, TIFF, DICOM or NIfTI, named in cases.csv"),
        Part(
            "cohort.yaml, of masks", "task: segmentation, and the structures", "cohort-masks.yaml"
        ),
        Part("cases.csv, of masks", "a column mask names the reference", "cases-masks.csv"),
        Part("masks/<reader>/<case>.nii.gz", "or .png, or .dcm (SEG): what each reader outlined"),
    ),
    UploadKind.PREDICTIONS: (
        Part("predictions.yaml", "whose numbers they are said to be", "predictions.yaml"),
        Part(
            "predictions.csv",
            "one row a case, one column a class; a column member or sample numbers several rows",
            "predictions.csv",
        ),
        Part("predictions.yaml, of masks", "kind: masks, no table", "predictions-masks.yaml"),
        Part("masks/<case>.nii.gz", "or .png, or .dcm (SEG): what the model marks in each case"),
    ),
}


def names() -> frozenset[str]:
    return frozenset(part.example for parts in PARTS.values() for part in parts if part.example)


@cache
def text(name: str) -> str:
    return (FOLDER / name).read_text()
