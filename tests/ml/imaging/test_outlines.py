"""Lines around masks: where they run, whose they are, and that nothing else is touched."""

import numpy as np
import pytest
from PIL import Image

from ml.imaging.outlines import MARKED, REFERENCE, outlined, rim


def square(side, where, label=1):
    labels = np.zeros((side, side), np.uint8)
    labels[where] = label
    return labels


def where(picture, colour):
    return (np.asarray(picture) == colour).all(axis=2)


def test_a_line_is_the_outermost_pixels_of_a_mask_and_the_rest_stays():
    marked = square(20, np.s_[5:12, 6:15])
    picture = Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) // 2)

    found = outlined(picture, marked, None)

    line = rim(marked > 0)
    assert line.sum() == 2 * 7 + 2 * 9 - 4
    assert not line[6:11, 7:14].any()
    assert np.array_equal(where(found, MARKED), line)
    assert np.array_equal(np.asarray(found)[~line], np.asarray(picture.convert("RGB"))[~line])


def test_a_mask_at_the_border_is_closed_there():
    assert rim(square(4, np.s_[:, :2]) > 0).sum() == 8


@pytest.mark.parametrize("reference", [np.s_[5:12, 6:15], np.s_[2:9, 2:9]])
def test_the_reference_is_dashed_and_seen_even_under_the_models_line(reference):
    marked, known = square(20, np.s_[5:12, 6:15]), square(20, reference)

    found = outlined(Image.new("L", (20, 20)), marked, known)

    dashes = where(found, REFERENCE)
    assert dashes.any()
    assert (dashes <= rim(known > 0)).all()
    assert dashes.sum() < rim(known > 0).sum(), "it is not drawn through"
    assert (where(found, MARKED) | dashes)[rim(marked > 0)].all()


def test_structures_that_touch_have_a_line_between_them():
    both = square(12, np.s_[2:10, 2:6]) + square(12, np.s_[2:10, 6:10], 2)

    line = where(outlined(Image.new("L", (12, 12)), both, None), MARKED)

    assert line[2:10, 5].all()
    assert line[2:10, 6].all()
