"""What a network is given, step by step: each as declared, the last as every pass has it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.engine.cases import Case, prepare_case
from ml.engine.seen import seen_job, steps_left
from ml.imaging.declared import Input
from ml.imaging.seen import POSITIONS
from ml.intake.refusal import Refused
from ml.sandbox.results import ResultError
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

WINDOWED = {"size": [4, 6], "intensity": {"window": [0, 200], "mean": 0.5, "std": 0.25}}
COLOUR = {"size": [4, 6], "colour": "rgb", "layout": "NHWC", "intensity": {"scale": 255}}
UNSMOOTHED = {"resize": {"antialias": "none"}}  # then colours are resized, not one gray
VOLUME = {
    "dims": 3,
    "size": [6, 4, 9],
    "orientation": "LPS",
    "spacing_mm": [2.0, 2.0, 2.0],
    "intensity": {"clip": [0, 100], "scale": 100},
}


@pytest.fixture
def png(tmp_path):
    rows = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) * 2
    Image.fromarray(rows).save(tmp_path / "image.png")
    return tmp_path / "image.png"


@pytest.fixture
def volume(tmp_path):
    values = np.random.default_rng(0).integers(-50, 150, (10, 8, 18)).astype(np.float32)
    (tmp_path / "image.nii.gz").write_bytes(nifti(values))
    return tmp_path / "image.nii.gz"


def left(path: Path, declared: dict, out: Path) -> list:
    out.mkdir()
    inputs = {"input": declared, "cases": [{"case_id": "a", "images": [str(path)]}]}
    return steps_left(out, seen_job(inputs, out, QUIET))


def names(found: list) -> list[str]:
    return [step["name"] for step, _ in found]


@pytest.mark.parametrize(
    ("declared", "steps"),
    [
        (WINDOWED, ["decode", "window", "resize", "intensity", "layout"]),
        (COLOUR, ["decode", "resize", "intensity", "colour", "layout"]),
        (COLOUR | UNSMOOTHED, ["decode", "colour", "resize", "intensity", "layout"]),
        ({"size": [8, 12]}, ["decode", "resize", "layout"]),
    ],
)
def test_the_steps_of_a_picture(png, tmp_path, declared, steps):
    found = left(png, declared, tmp_path / "out")

    assert names(found) == steps
    whole = Input.model_validate(declared)
    given = prepare_case(Case("a", (png,)), whole)
    last = found[-1][0]
    assert last["shape"] == list(given.shape)
    assert (last["low"], last["high"]) == (given.min(), given.max())
    assert last["mean"] == pytest.approx(given.mean(dtype=np.float64), abs=0)
    first = found[0][0]
    assert (first["shape"], first["low"], first["high"]) == ([8, 12], 0, 190)
    assert first["says"] == "image/png, L, the file's own values"
    assert {len(pictures) for _, pictures in found} == {1}


def test_a_window_is_seen_before_it_is_resized(png, tmp_path):
    _, window, resize, intensity, _ = (step for step, _ in left(png, WINDOWED, tmp_path / "out"))

    assert window["says"] == "cut to 0 to 200, which becomes 0 to 1"
    assert (window["shape"], window["high"]) == ([8, 12], 0.95)
    assert resize["shape"][:2] == [4, 6]
    assert intensity["says"] == "less 0.5, divided by 0.25"
    assert intensity["low"] == pytest.approx((resize["low"] - 0.5) / 0.25)


def test_the_steps_of_a_volume_and_its_slices(volume, tmp_path):
    found = left(volume, VOLUME, tmp_path / "out")

    assert names(found) == [
        "decode", "orientation", "spacing", "clip", "resize", "intensity", "layout",
    ]  # fmt: skip
    given = prepare_case(Case("a", (volume,)), Input.model_validate(VOLUME))
    assert found[-1][0]["shape"] == [1, 6, 4, 9] == list(given.shape)
    assert (found[-1][0]["low"], found[-1][0]["high"]) == (given.min(), given.max())
    assert {len(pictures) for _, pictures in found} == {POSITIONS}
    low, high = given.min(), given.max()
    for at in (0, 4, 8):
        sheet = np.asarray(Image.open(io.BytesIO(found[-1][1][at])))
        across_the_third = np.rint((given[0, :, :, at] - low) * 255 / (high - low))
        assert np.array_equal(sheet[:6, -4:], across_the_third)


def test_a_large_picture_is_drawn_smaller(tmp_path):
    Image.fromarray(np.zeros((10, 4000), np.uint8)).save(tmp_path / "wide.png")

    found = left(tmp_path / "wide.png", {"size": [2, 2]}, tmp_path / "out")

    assert found[0][0]["shape"] == [10, 4000]
    assert Image.open(io.BytesIO(found[0][1][0])).size == (1024, 3)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "image.png").write_bytes(b"nothing")

    with pytest.raises(Refused) as refused:
        left(tmp_path / "image.png", WINDOWED, tmp_path / "out")
    assert refused.value.refusals[0].code == "image_unsupported"


@pytest.mark.parametrize(
    "change",
    [
        {"pictures": ["../step-0-0.png"]},
        {"pictures": ["gone.png"]},
        {"pictures": ["page.html"]},
        {"pictures": []},
        {"low": float("nan")},
        {"mean": "1"},
        {"name": "x" * 41},
        {"shape": []},
        {"more": 1},
    ],
)
def test_what_a_child_leaves_is_not_believed(png, tmp_path, change):
    out = tmp_path / "out"
    out.mkdir()
    inputs = {"input": WINDOWED, "cases": [{"case_id": "a", "images": [str(png)]}]}
    result = seen_job(inputs, out, QUIET)
    (out / "page.html").write_text("<script>")
    result["steps"][1] |= change

    with pytest.raises(ResultError):
        steps_left(out, result)
