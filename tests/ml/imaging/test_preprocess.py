import io

import numpy as np
import pytest
from PIL import Image

from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.picture import Picture
from ml.imaging.preprocess import interpolate, prepare


def picture(pixels):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return decode(file.getvalue())


def ct(values, inverted=False):
    values = np.asarray(values, np.float64)
    shown = Image.fromarray(np.zeros(values.shape, np.uint8))
    height, width = values.shape
    return Picture(
        "application/dicom", width, height, 1, 16, "MONOCHROME2", shown, values, inverted
    )


def test_colour_size_scale_and_layout_as_the_reference_does_it():
    """PIL's convert and bicubic resize on 8 bits, then /255: what the model's author did."""
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    declared = Input(
        size=(20, 24), layout="NHWC", colour="rgb", resize={"mode": "bicubic"},
        intensity={"scale": 255},
    )  # fmt: skip

    made = prepare(picture(pixels), declared)

    reference = Image.fromarray(pixels).convert("RGB").resize((24, 20), Image.Resampling.BICUBIC)
    assert made.dtype == np.float32
    assert np.array_equal(made, np.asarray(reference, dtype=np.float32) / 255.0)


def test_gray_comes_as_one_channel_in_front():
    made = prepare(picture([[0, 51], [102, 255]]), Input(size=(2, 2), intensity={"scale": 255}))

    assert made.shape == (1, 2, 2)
    assert made[0] == pytest.approx(np.array([[0, 0.2], [0.4, 1]]))


def test_mean_and_std_by_channel():
    declared = Input(
        size=1, colour="rgb", intensity={"scale": 10, "mean": [1, 2, 3], "std": [1, 2, 4]}
    )

    made = prepare(picture([[[30, 60, 70]]]), declared)

    assert made[:, 0, 0].tolist() == [2, 2, 1]


def test_a_window_cuts_the_files_own_values():
    declared = Input(size=(1, 4), intensity={"window": (-100, 300)})

    made = prepare(ct([[-1000, -100, 100, 900]]), declared)

    assert made[0].tolist() == [[0, 0, 0.5, 1]]


def test_a_clip_keeps_the_unit():
    declared = Input(size=(1, 3), intensity={"clip": (-100, 300), "mean": 100, "std": 200})

    made = prepare(ct([[-1000, 100, 900]]), declared)

    assert made[0].tolist() == [[-1, 0, 1]]


def test_inverted_files_are_turned_around():
    declared = Input(size=(1, 2), intensity={"window": (0, 10)})

    assert prepare(ct([[0, 10]], inverted=True), declared)[0].tolist() == [[1, 0]]


def test_grey_values_are_repeated_for_a_model_that_takes_colour():
    declared = Input(size=(1, 2), colour="rgb", intensity={"window": (0, 10)})

    made = prepare(ct([[0, 5]]), declared)

    assert made.shape == (3, 1, 2)
    assert (made == made[0]).all()


def test_without_a_window_the_shown_picture_is_used():
    made = prepare(ct([[900, 900]]), Input(size=(1, 2)))

    assert made.tolist() == [[[0, 0]]]


def test_bilinear_by_hand():
    row = np.array([[0.0, 4.0]])

    assert interpolate(row, (1, 4), "bilinear").tolist() == [[0, 1, 3, 4]]
    assert interpolate(row.T, (4, 1), "bilinear")[:, 0].tolist() == [0, 1, 3, 4]


def test_bicubic_by_hand():
    row = np.array([[0.0, 0.0, 1.0, 1.0]])  # halved: taps at -0.5 and so on, kernel at t = 0.5

    made = interpolate(row, (1, 2), "bicubic")

    weights = np.array([-0.09375, 0.59375, 0.59375, -0.09375])
    assert made[0] == pytest.approx([weights @ [0, 0, 0, 1], weights @ [0, 1, 1, 1]])


def test_nearest_takes_the_left_neighbour():
    assert interpolate(np.array([[1.0, 2.0, 3.0, 4.0]]), (1, 2), "nearest").tolist() == [[1, 3]]


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_the_same_size_changes_nothing(mode):
    values = np.random.default_rng(0).random((5, 7, 3))

    assert interpolate(values, (5, 7), mode) == pytest.approx(values, abs=1e-12)


def test_antialias_none_is_not_pillows_resize():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    smooth = prepare(picture(pixels), Input(size=16))
    rough = prepare(picture(pixels), Input(size=16, resize={"antialias": "none"}))

    assert smooth.std() < 0.6 * rough.std()


def test_a_window_with_pillows_resize_works_on_floats():
    declared = Input(size=(2, 2), intensity={"window": (0, 1000)})
    values = np.full((8, 8), 1.5)

    assert prepare(ct(values), declared)[0] == pytest.approx(np.full((2, 2), 0.0015))
