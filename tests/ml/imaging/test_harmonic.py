"""A filled box is smooth, whole and nothing else is touched."""

import numpy as np
import pytest

from ml.imaging.harmonic import harmonic_fill

BOXES = [(3, 4, 5, 6), (0, 0, 4, 4), (0, 3, 2, 5), (8, 10, 4, 6), (0, 0, 12, 7), (5, 5, 1, 1)]


def picture(channels=1):
    return np.random.default_rng(1).random((12, 16, channels))


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_filled_pixel_is_the_mean_of_its_neighbours_and_the_rest_stays(box, channels):
    given = picture(channels)
    found = harmonic_fill(given, box)

    top, left, rows, columns = box
    place = np.zeros(given.shape[:2], bool)
    place[top : top + rows, left : left + columns] = True
    assert np.array_equal(found[~place], given[~place])
    for y, x in np.argwhere(place):
        near = [found[a, b] for a, b in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
                if 0 <= a < 12 and 0 <= b < 16]  # fmt: skip
        assert found[y, x] == pytest.approx(np.mean(near, axis=0), abs=1e-9)
    assert found[place].max() <= given[~place].max()
    assert found[place].min() >= given[~place].min()


def test_a_plane_is_filled_as_it_was():
    rows, columns = np.indices((12, 16)) / 16
    plane = (0.3 * rows + 0.7 * columns)[:, :, None]
    spoilt = plane.copy()
    spoilt[3:8, 4:10] = 5

    assert harmonic_fill(spoilt, (3, 4, 5, 6)) == pytest.approx(plane)


@pytest.mark.parametrize(
    "box", [(0, 0, 12, 16), (-1, 0, 3, 3), (0, 0, 13, 3), (2, 2, 0, 3), (2, 14, 3, 3)]
)
def test_a_box_without_a_rim_or_outside_is_refused(box):
    with pytest.raises(ValueError, match="box"):
        harmonic_fill(picture(), box)
