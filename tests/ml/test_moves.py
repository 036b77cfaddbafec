"""Moves: where each place comes from, exactly where that is a pixel, and by no blur elsewhere."""

import hashlib

import numpy as np
import pytest

from ml.moves import MIRRORS, MOVES, Move, Way, inside, move, moved, moves_for
from tests.elsewhere import said_elsewhere

SIDES = (40, 56)
ALL = (*MOVES, *MIRRORS)


def waves(rows, columns):
    """A smooth picture that can be asked at any place, and is like itself nowhere else."""
    return 0.5 + 0.2 * np.sin(0.31 * rows + 0.2) * np.cos(0.23 * columns) + 0.002 * (rows - columns)


def picture():
    rows, columns = np.indices(SIDES, dtype=float)
    return waves(rows, columns)[:, :, None]


def noise(channels=1):
    return np.random.default_rng(3).random((*SIDES, channels))


def direction(case, seed=1):
    """Of a case's translation, read off its shift by one pixel."""
    found, clean = move("translation")(noise(), 2, case, seed)[:, :, 0], noise()[:, :, 0]
    inner = (slice(2, -2), slice(2, -2))
    ways = [
        (down, right)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0))
        if np.array_equal(found[inner], np.roll(clean, (-down, -right), (0, 1))[inner])
    ]
    (way,) = ways
    return way


@pytest.mark.parametrize(("step", "pixels"), [(2, 1), (3, 2), (4, 4), (5, 8)])
def test_a_whole_shift_is_exact_and_repeats_the_border(step, pixels):
    clean = noise()
    down, right = direction("c")
    wide = np.pad(clean, ((8, 8), (8, 8), (0, 0)), mode="edge")
    top, left = 8 + pixels * down, 8 + pixels * right
    expected = wide[top : top + SIDES[0], left : left + SIDES[1]]

    assert np.array_equal(move("translation")(clean, step, "c", 1), expected)


def test_half_a_pixel_is_between_pixels_and_no_blur():
    """Of waves of four pixels, linear interpolation would leave seven tenths."""
    columns = np.arange(64.0)
    fine = np.tile(np.cos(np.pi / 2 * columns + 0.3), (8, 1))[:, :, None]
    between = moved(fine, Way(shift=(0.0, 0.5)))[:, 8:-8, 0]
    expected = np.cos(np.pi / 2 * (columns + 0.5) + 0.3)[8:-8]

    gain = (between[0] @ expected) / (expected @ expected)
    assert 0.95 < gain < 1.0
    assert np.abs(between - expected).max() < 0.05
    smooth = moved(picture(), Way(shift=(0.5, 0.0)))[4:-4, 4:-4, 0]
    rows, places = np.indices(SIDES, dtype=float)
    assert smooth[4:-4, 4:-4] == pytest.approx(waves(rows + 0.5, places)[8:-8, 8:-8], abs=1e-5)


def test_the_direction_is_that_of_case_and_seed_and_of_every_step():
    ways = {case: direction(case) for case in map(str, range(40))}

    assert len(set(ways.values())) == 4, "all four directions"
    assert any(direction(case, seed=2) != way for case, way in ways.items())
    for case, (down, right) in list(ways.items())[:4]:
        for step, pixels in enumerate(move("translation").values, 1):
            way = move("translation").drawn_way(step, case, 1)
            assert way.shift == (pixels * down, pixels * right)
    turns = {
        tuple(np.sign(move("rotation").drawn_way(step, case, 1).matrix[1][0]) for step in (1, 5))
        for case in map(str, range(20))
    }
    assert turns == {(1, 1), (-1, -1)}


def test_another_process_moves_alike():
    code = (
        "import hashlib, numpy as np; from ml.moves import moves_for;"
        "y, x = np.mgrid[:9, :7]; p = ((x * y) % 5 / 5.0)[:, :, None];"
        "print(hashlib.sha256(b''.join(one(p, 1, 'c', 9).tobytes()"
        " for one in moves_for())).hexdigest())"
    )
    said = said_elsewhere(code)
    y, x = np.mgrid[:9, :7]
    here = ((x * y) % 5 / 5.0)[:, :, None]
    copies = b"".join(one(here, 1, "c", 9).tobytes() for one in moves_for())

    assert said.strip() == hashlib.sha256(copies).hexdigest()


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_turn_is_about_the_middle_and_by_its_degrees(step):
    one = move("rotation")
    degrees = one.values[step - 1]
    found = one(picture(), step, "c", 1)[:, :, 0]
    rows, columns = np.indices(SIDES, dtype=float)
    y, x = rows - 19.5, columns - 27.5
    fits = []
    for way in (1, -1):
        radians = way * np.pi * degrees / 180
        read = (
            19.5 + y * np.cos(radians) - x * np.sin(radians),
            27.5 + y * np.sin(radians) + x * np.cos(radians),
        )
        within = (read[0] > 8) & (read[0] < 31) & (read[1] > 8) & (read[1] < 47)
        fits.append(np.abs(found - waves(*read))[within].max())

    assert min(fits) < 1e-4
    assert max(fits) > 1e-3


@pytest.mark.parametrize(("name", "sign"), [("crop", -1), ("padding", 1)])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_crop_takes_its_share_of_each_side_and_padding_adds_it(name, sign, step):
    one = move(name)
    share = one.values[step - 1]
    found = one(picture(), step, "c", 1)[:, :, 0]
    # From edge to edge the result covers a side shorter, or longer, by the share.
    read = [
        (np.arange(n) + 0.5 - n / 2) * (1 + sign * share) + n / 2 - 0.5 for n in SIDES
    ]  # fmt: skip
    expected = waves(read[0][:, None], read[1][None])
    well = inside(SIDES, one.drawn_way(step, "c", 1))
    well[:8], well[-8:], well[:, :8], well[:, -8:] = False, False, False, False

    assert np.abs(found - expected)[well].max() < 1e-4
    if name == "padding" and step == 5:
        assert np.ptp(found[:, :4], axis=1).max() < 1e-4, "the border is repeated"


def test_mirrors_are_exact():
    clean = noise(3)

    assert np.array_equal(move("mirror-left-right")(clean, 1, "c", 1), clean[:, ::-1])
    assert np.array_equal(move("mirror-up-down")(clean, 1, "c", 1), clean[::-1])


def test_what_is_inside_comes_from_the_picture():
    down, right = direction("c")
    far = inside(SIDES, move("translation").drawn_way(5, "c", 1))
    assert (~far).sum() == 8 * SIDES[1 if down else 0]
    assert far[20 + 10 * down * -1, 28 + 10 * right * -1]
    assert inside(SIDES, move("crop").drawn_way(5, "c", 1)).all()
    assert inside(SIDES, move("mirror-up-down").drawn_way(1, "c", 1)).all()
    padded = inside(SIDES, move("padding").drawn_way(5, "c", 1))
    assert padded[20, 28]
    assert not padded[[0, -1]].any()
    assert not padded[:, [0, -1]].any()
    turned = inside(SIDES, move("rotation").drawn_way(5, "c", 1))
    assert not turned[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    # A disc about the middle stays inside whatever the turn.
    rows, columns = np.indices(SIDES)
    assert turned[np.hypot(rows - 19.5, columns - 27.5) <= 19.5].all()


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_pictures_keep_their_range_shape_colours_and_digits(one):
    grey, colour = np.repeat(noise(), 3, axis=2), noise(3)
    for step in range(1, len(one.values) + 1):
        found = one(grey, step, "c", 1)
        assert found.shape == grey.shape
        assert np.array_equal(found[:, :, 0], found[:, :, 2])
        assert grey.min() <= found.min() <= found.max() <= grey.max()
        whole = one(colour, step, "c", 1)
        alone = one(colour[:, :, 1:2], step, "c", 1)[:, :, 0]
        inner = (slice(4, -4), slice(4, -4))
        assert whole[:, :, 1][inner] == pytest.approx(alone[inner], abs=1e-2)
        assert whole.dtype == colour.dtype
    eight = np.round(picture() * 255) / 255
    between = one(eight, 1, "c", 1) * 255
    is_whole = one.id.startswith("mirror")
    assert (np.abs(between - between.round()).max() < 1e-9) == is_whole


def test_only_legal_mirrors_are_moves():
    plain = ["translation", "rotation", "crop", "padding"]
    assert [one.id for one in moves_for()] == plain
    both = [one.id for one in moves_for(["up-down", "left-right"])]
    assert both == [*plain, "mirror-left-right", "mirror-up-down"]


def test_what_is_no_move_is_refused():
    with pytest.raises(LookupError, match="no move 'shear'"):
        move("shear")
    for step in (0, 6):
        with pytest.raises(ValueError, match="step is 1 to 5"):
            move("crop")(picture(), step, "c", 1)
    with pytest.raises(ValueError, match="a word for each value"):
        Move("x", "X", "x", (2.0, 1.0), ("a", "b"), lambda value, numbers: Way())
