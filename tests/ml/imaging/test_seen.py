"""What a network was given is shown as it was given: sides, order and contrast."""

import numpy as np

from ml.imaging.declared import Input
from ml.imaging.seen import seen


def test_a_picture_is_shown_from_its_lowest_to_its_highest_value():
    array = np.array([[[-2.0, 0.0], [2.0, 2.0]]], np.float32)

    assert np.asarray(seen(array, Input(size=(2, 2)))).tolist() == [[0, 128], [255, 255]]


def test_colour_and_the_other_layout():
    array = np.zeros((2, 3, 3), np.float32)
    array[1, 2, 0] = 1  # red, bottom right
    last = Input(size=(2, 3), layout="NHWC", colour="rgb")
    first = Input(size=(2, 3), colour="rgb")

    assert seen(array, last).getpixel((2, 1)) == (255, 0, 0)
    assert seen(np.moveaxis(array, -1, 0), first).getpixel((2, 1)) == (255, 0, 0)


def test_a_volume_is_shown_by_its_three_middle_slices():
    volume = np.zeros((1, 3, 5, 7), np.float32)
    volume[0, 1, 0, 6] = 1  # in the middle of the first axis only
    declared = Input.model_validate({"dims": 3, "size": [3, 5, 7]})

    sheet = np.asarray(seen(volume, declared))

    assert sheet.shape == (5, 7 + 2 + 7 + 2 + 5)
    assert np.argwhere(sheet == 255).tolist() == [[0, 6]]
    volume[0, 1, 2, 3] = 1  # the very middle: in all three
    assert np.argwhere(np.asarray(seen(volume, declared)) == 255).tolist() == [
        [0, 6], [1, 12], [1, 20], [2, 3],
    ]  # fmt: skip
