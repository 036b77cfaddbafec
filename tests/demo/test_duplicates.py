import numpy as np
import pytest
from PIL import Image, ImageFilter

from demo.duplicates import correlation, groups, thumbnail


@pytest.fixture
def pattern():
    values = np.random.default_rng(1).integers(0, 256, (24, 20), dtype=np.uint8)
    return Image.fromarray(values).resize((200, 240), Image.Resampling.BICUBIC)


@pytest.fixture
def another_pattern():
    values = np.random.default_rng(2).integers(0, 256, (24, 20), dtype=np.uint8)
    return Image.fromarray(values).resize((200, 240), Image.Resampling.BICUBIC)


def grouped(*images):
    return groups(np.stack([thumbnail(image) for image in images])).tolist()


def test_an_image_of_another_size_and_brightness_is_a_duplicate(pattern, another_pattern):
    darker = pattern.point(lambda value: value * 0.7 + 20)
    smaller = pattern.resize((120, 140))
    blurred = pattern.filter(ImageFilter.GaussianBlur(1))

    assert grouped(pattern, another_pattern, darker, smaller, blurred) == [0, 1, 0, 0, 0]


def test_a_mirrored_image_is_another_image(pattern):
    assert grouped(pattern, pattern.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == [0, 1]


def test_groups_join_through_a_third():
    angle = np.deg2rad([0, 7, 14, 90])  # neighbours correlate 0.9925, the ends 0.970
    patterns = np.stack((np.cos(angle), np.sin(angle), -np.cos(angle), -np.sin(angle)), axis=1)

    assert groups(patterns).tolist() == [0, 0, 0, 1]


def test_numbers_groups_by_first_appearance(pattern, another_pattern):
    assert grouped(another_pattern, pattern, another_pattern) == [0, 1, 0]


def test_a_plain_image_is_like_no_other(pattern):
    plain = Image.new("L", (50, 50), 90)

    assert grouped(plain, plain, pattern) == [0, 1, 2]


def test_correlation_is_that_of_the_textbook():
    values = np.random.default_rng(3).random((5, 30))

    assert correlation(values) == pytest.approx(np.corrcoef(values))
