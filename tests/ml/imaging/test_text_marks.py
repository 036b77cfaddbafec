"""Lines of text in pictures are marked, anatomy and noise are not."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ml.imaging.decode import decode
from ml.imaging.deid.engine import deidentify, seen
from ml.imaging.deid.text_marks import text_marks
from tests.ml.imaging.deid_files import KEY, fixture, small, written

pytestmark = pytest.mark.filterwarnings("ignore")
US = "1.2.840.10008.5.1.4.1.1.6.1"


def shown(name):
    return decode(fixture(name)).eight_bits


def with_text(picture, size=14, fill=255, text="DOE^JANE 1950-01-02"):
    copy = picture.copy()
    ImageDraw.Draw(copy).text((20, 30), text, fill=fill, font=ImageFont.load_default(size))
    return copy


@pytest.mark.parametrize("size", [8, 12, 16, 24, 32])
@pytest.mark.parametrize("fill", [255, 180])
def test_a_line_on_a_scan_is_marked_where_it_stands(size, fill):
    scan = shown("CT_small.dcm").resize((512, 512))
    assert text_marks(scan) == []

    found = text_marks(with_text(scan, size, fill))

    assert found
    for top, left, bottom, right in found:
        assert 28 <= top < bottom <= 34 + 2 * size
        assert 18 <= left < right <= 20 + 12 * size


def test_dark_text_on_a_bright_picture_is_marked_too():
    bright = Image.new("L", (300, 200), 230)

    assert text_marks(bright) == []
    assert text_marks(with_text(bright, fill=10))


@pytest.mark.parametrize("name", ["examples_rgb_color.dcm", "examples_palette.dcm"])
def test_text_of_real_ultrasound_is_marked(name):
    assert len(text_marks(shown(name))) > 5


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm"]
)
def test_scans_without_text_are_not_marked(name):
    assert text_marks(shown(name)) == []


def test_noise_is_not_marked(rng):
    for _ in range(5):
        assert text_marks(Image.fromarray(rng.integers(0, 256, (200, 300), np.uint8))) == []


def test_a_large_picture_is_marked_at_its_own_scale():
    large = Image.new("L", (4200, 1000))

    (box,) = text_marks(with_text(large, size=48, text="HHHHHHHH"))

    assert 20 <= box[0] < box[2] <= 100


def state(dataset, picture):
    return seen(deidentify(written(dataset), KEY), picture).burned_in


def test_what_a_file_says_of_itself_is_not_believed_against_the_picture():
    dataset = small(US, BurnedInAnnotation="NO")
    plain = Image.new("L", (300, 200))

    assert state(dataset, plain).state == "declared"
    looked = state(dataset, with_text(plain))
    assert looked.state == "needs_review"
    assert "line of text" in looked.reasons[-1]
    assert state(small(), with_text(plain)).state == "needs_review"
    assert state(small(), None).state == "needs_review"
    assert state(small("1.2.840.10008.5.1.4.1.1.66.4"), None).state == "clear"
