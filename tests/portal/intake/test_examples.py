"""The files we show are files we would accept."""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from PIL import Image

from ml.endpoint.address import parse
from ml.intake.cohort import read_cohort
from ml.intake.model_manifest import ModelManifest
from ml.intake.predictions import read_predictions
from portal.intake import examples
from portal.intake.models import UploadKind


class Silent:
    """A reporter nobody listens to."""

    def log(self, line: str) -> None: ...

    def progress(self, done: int, total: int) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[UploadKind], Path]:
    def made(kind: UploadKind) -> Path:
        place = tmp_path / kind
        place.mkdir()
        for part in examples.PARTS[kind]:
            if part.example and not part.example.endswith(
                ("-masks.yaml", "-masks.csv", "-endpoint.yaml")
            ):
                shutil.copy(examples.FOLDER / part.example, place)
        return place

    return made


def test_the_cohort_is_read(folder: Callable[[UploadKind], Path], tmp_path: Path) -> None:
    place, out = folder(UploadKind.COHORT), tmp_path / "out"
    (place / "images").mkdir()
    for number in (1, 2, 3):
        Image.new("L", (8, 8), number).save(place / "images" / f"case-00{number}.png")
    out.mkdir()

    result = read_cohort(place, out, Silent())

    assert (result["n_cases"], result["n_patients"], result["n_readings"]) == (3, 2, 4)


def test_the_predictions_are_read(folder: Callable[[UploadKind], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    assert read_predictions(folder(UploadKind.PREDICTIONS), out, Silent())["n"] == 3


def test_the_model_manifest_is_valid() -> None:
    manifest = ModelManifest.model_validate(yaml.safe_load(examples.text("model.yaml")))

    assert manifest.weights == ["model.onnx"]


@pytest.fixture
def masks(tmp_path: Path) -> Callable[[str], Path]:
    """A folder of the starters for masks, with a made-up mask for every case."""

    def made(manifest: str) -> Path:
        place = tmp_path / manifest
        (place / "masks").mkdir(parents=True)
        shutil.copy(examples.FOLDER / f"{manifest}-masks.yaml", place / f"{manifest}.yaml")
        for number in (1, 2, 3):
            image = Image.new("L", (8, 8), 0)
            image.paste(number % 3, (2, 2, 5, 5))
            buffer = BytesIO()
            image.save(buffer, "PNG")
            (place / "masks" / f"case-00{number}.png").write_bytes(buffer.getvalue())
        return place

    return made


def test_the_cohort_of_masks_is_read(masks: Callable[[str], Path], tmp_path: Path) -> None:
    place, out = masks("cohort"), tmp_path / "out"
    cases = examples.text("cases-masks.csv").replace(".nii.gz", ".png")
    (place / "cases.csv").write_text(cases)
    out.mkdir()

    assert read_cohort(place, out, Silent())["n_cases"] == 3


def test_the_predicted_masks_are_read(masks: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    assert read_predictions(masks("predictions"), out, Silent())["n"] == 3


def test_the_manifest_of_an_address_is_valid() -> None:
    text = examples.text("model-endpoint.yaml")
    manifest = ModelManifest.model_validate(yaml.safe_load(text))

    assert manifest.endpoint is not None
    assert parse(manifest.url or "").host == "models.example.org"
