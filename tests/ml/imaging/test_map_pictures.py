"""Maps as pictures: no value is stretched, no sign is lost, nothing is made up."""

import io

import numpy as np
import pytest
from PIL import Image

from ml.imaging.map_pictures import AGAINST, FOR, MOST_SIDE, map_png, overlay_png
from ml.imaging.preprocess import interpolate


def rgba(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def test_each_position_is_a_pixel_on_one_scale_for_both_signs():
    pixels = rgba(map_png(np.array([[4.0, -4.0, 0.0], [2.0, -2.0, 0.0]])))

    assert pixels.shape == (2, 3, 4)
    assert tuple(pixels[0, 0, :3]) == FOR
    assert tuple(pixels[0, 1, :3]) == AGAINST
    assert tuple(pixels[0, 2, :3]) == (247, 247, 247)
    middle = (np.array(FOR) + 247) / 2
    assert np.abs(pixels[1, 0, :3] - middle).max() <= 1
    assert (pixels[..., 3] == 255).all()


def test_a_map_that_is_positive_nowhere_has_no_orange():
    for data in (map_png(-np.ones((3, 3))), overlay_png(-np.ones((3, 3)), (9, 9))):
        pixels = rgba(data)
        assert (pixels[..., :3] == AGAINST).all()
    nothing = rgba(overlay_png(np.zeros((3, 3)), (9, 9)))
    assert (nothing[..., 3] == 0).all(), "a map of zeros hides nothing"


def test_an_overlay_is_as_clear_as_the_map_is_small_where_the_perturb_pass_reads_it():
    found = np.random.default_rng(3).normal(size=(5, 7))
    pixels = rgba(overlay_png(found, (20, 28)))

    read = interpolate(found / np.abs(found).max(), (20, 28), "bilinear")
    assert np.abs(pixels[..., 3] / 255 - np.abs(read)).max() <= 1 / 127
    sure = np.abs(read) > 0.01
    assert ((pixels[..., 0] == FOR[0]) == (read > 0))[sure].all()


def test_a_large_input_is_drawn_smaller_and_keeps_its_sides_in_proportion():
    assert Image.open(io.BytesIO(overlay_png(np.eye(4), (1000, 500)))).size == (
        MOST_SIDE // 2, MOST_SIDE,
    )  # fmt: skip


@pytest.mark.parametrize(
    "found", [np.array([[np.nan, 1.0]]), np.array([[np.inf]]), np.ones(4), np.ones((0, 3))]
)
def test_what_is_no_map_is_not_drawn(found):
    with pytest.raises(ValueError, match="grid of finite numbers"):
        map_png(found)
    with pytest.raises(ValueError, match="grid of finite numbers"):
        overlay_png(found, (4, 4))
