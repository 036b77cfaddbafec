"""Moves of volumes: exact where places are voxels, in the plane of slices, by millimetres."""

import hashlib

import numpy as np
import pytest

from ml.imaging.stack import Stack
from ml.moves import MIRRORS, MOVES, Way, move, moved
from ml.volume_moves import DEEP, VolumeWay, in_voxels, moved_volume
from tests.elsewhere import said_elsewhere

SIDES = (40, 20, 24)
STACK = Stack((2, 1, 0), (False, True, True), "SPL", (5.0, 1.0, 1.0))
WAYS = [(axis, sign) for axis in range(3) for sign in (-1, 1)]


def noise(sides=SIDES):
    return np.random.default_rng(3).random(sides, dtype=np.float32)


def shifted(volume, axis, voxels):
    """By hand: every place reads the one so many voxels on; the border is repeated."""
    wide = np.pad(volume, 8, mode="edge")
    start = [8, 8, 8]
    start[axis] += voxels
    return wide[tuple(slice(at, at + n) for at, n in zip(start, volume.shape, strict=True))]


def direction(case, volume, seed=1):
    """The way that a case is shifted, found among all six by its shift of one voxel."""
    found = moved_volume(move("translation"), volume, STACK, 2, case, seed)
    (way,) = [
        (axis, sign) for axis, sign in WAYS if np.array_equal(found, shifted(volume, axis, sign))
    ]
    return way


def test_whole_shifts_are_exact_in_all_six_directions_and_every_step_goes_the_same_way():
    volume, seen = noise(), []
    for number in range(60):
        axis, sign = direction(f"c{number}", volume)
        seen.append((axis, sign))
        for step, voxels in ((3, 2), (4, 4), (5, 8)):
            found = moved_volume(move("translation"), volume, STACK, step, f"c{number}", 1)
            assert np.array_equal(found, shifted(volume, axis, sign * voxels))

    assert {way: seen.count(way) >= 3 for way in WAYS} == dict.fromkeys(WAYS, True)
    assert 10 <= sum(axis == 0 for axis, _ in seen) <= 30, "a third goes across the slices"


def test_of_few_slices_none_is_shifted_across_them():
    few = noise((DEEP - 1, 20, 24))

    assert {direction(f"c{number}", few)[0] for number in range(40)} == {1, 2}


def test_half_a_voxel_is_a_spline_along_its_axis_and_no_blur():
    """Of waves of four slices linear interpolation would leave seven tenths."""
    volume = noise()
    case = next(f"c{n}" for n in range(60) if direction(f"c{n}", volume) == (0, 1))
    wave = np.cos(np.pi / 2 * np.arange(40.0) + 0.3)
    waves = np.broadcast_to(wave[:, None, None], SIDES).astype(np.float32)
    found = moved_volume(move("translation"), waves, STACK, 1, case, 1)

    expected = np.cos(np.pi / 2 * (np.arange(40) + 0.5) + 0.3)
    assert found[8:-8, 3, 3] == pytest.approx(expected[8:-8], abs=0.04)


@pytest.mark.parametrize("name", ["rotation", "crop", "padding"])
def test_in_the_plane_each_slice_is_moved_as_a_picture(name):
    one, volume = move(name), noise()
    found = moved_volume(one, volume, STACK, 3, "c", 1)

    for plane, copy in zip(volume, found, strict=True):
        expected = one(plane[:, :, None].astype(float), 3, "c", 1)[:, :, 0]
        assert copy == pytest.approx(expected, abs=1e-6)


def test_a_turn_keeps_right_angles_in_millimetres():
    """Rows 2 mm apart, columns 1 mm: a ball in the patient stays one."""
    stack = Stack((0, 1, 2), (False,) * 3, "SPL", (5.0, 2.0, 1.0))
    rows, columns = np.mgrid[:40, :80]
    down, right = (rows - 19.5) * 2.0, columns - 39.5
    angle = np.deg2rad(15) * (1 if move("rotation").drawn_way(5, "c", 1).matrix[1][0] > 0 else -1)
    # What lies at (down, right) of the copy is read at the place that the turn takes it to.
    cos, sin = np.cos(angle), np.sin(angle)

    def bump(y, x):
        return np.exp(-(((y - 9) / 5) ** 2 + ((x - 14) / 5) ** 2))

    volume = bump(down, right)[None].astype(np.float32)
    found = moved_volume(move("rotation"), volume, stack, 5, "c", 1)[0]

    expected = bump(cos * down - sin * right, sin * down + cos * right)
    assert found == pytest.approx(expected, abs=0.01)
    plain = moved(volume[0][:, :, None].astype(float), Way(((cos, -sin), (sin, cos))))[:, :, 0]
    assert np.abs(plain - expected).max() > 0.2, "a turn of pixels is another one"


@pytest.mark.parametrize(
    ("runs", "left_right", "up_down"), [("SPL", 2, 0), ("AIL", 2, 1), ("RIP", 0, 1)]
)
def test_mirrors_are_the_patients_whatever_the_plane(runs, left_right, up_down):
    stack, volume = Stack((0, 1, 2), (False,) * 3, runs, (1.0, 1.0, 1.0)), noise((4, 5, 6))

    for name, axis in (("mirror-left-right", left_right), ("mirror-up-down", up_down)):
        found = moved_volume(move(name), volume, stack, 1, "c", 1)
        assert np.array_equal(found, np.flip(volume, axis))


def test_shape_type_and_what_was_given_stay_and_flat_volumes_do_not_change():
    for one in (*MOVES, *MIRRORS):
        volume = noise((33, 5, 7))
        before = volume.copy()
        for step in range(1, len(one.values) + 1):
            found = moved_volume(one, volume, STACK, step, "c", 1)
            assert (found.shape, found.dtype) == (volume.shape, np.float32)
            flat = moved_volume(one, np.full_like(volume, 0.3), STACK, step, "c", 1)
            assert flat == pytest.approx(0.3, abs=1e-6)
        assert np.array_equal(volume, before)
        with pytest.raises(ValueError, match="step is"):
            moved_volume(one, volume, STACK, 6, "c", 1)


def test_words_of_pictures_become_those_of_volumes():
    assert in_voxels(move("translation").said[0]) == "shifted by half a voxel"
    assert in_voxels(move("translation").parameter) == "voxels of the model's input"


def test_another_process_moves_alike():
    code = (
        "import hashlib;"
        "from tests.ml.test_volume_moves import MOVES, STACK, moved_volume, noise;"
        "print(hashlib.sha256(b''.join(moved_volume(one, noise(), STACK, 1, 'c', 9).tobytes()"
        " for one in MOVES)).hexdigest())"
    )
    said = said_elsewhere(code)
    copies = b"".join(
        moved_volume(one, noise(), STACK, 1, "c", 9).tobytes() for one in MOVES
    )  # fmt: skip

    assert said.strip() == hashlib.sha256(copies).hexdigest()


def test_what_is_read_within_a_volume_is_told_from_its_border():
    """A place of the moved volume reads two slices on: the last two lie beyond."""
    across = VolumeWay(way=Way(shift=(2.0, 0.0)), across=True).inside((6, 2, 3))
    assert across.all(axis=(1, 2)).tolist() == [True] * 4 + [False] * 2
    assert across.any(axis=(1, 2)).tolist() == [True] * 4 + [False] * 2
    down = VolumeWay(way=Way(shift=(-1.0, 0.0))).inside((2, 4, 3))
    assert down.all(axis=(0, 2)).tolist() == [False, True, True, True]
    assert VolumeWay(mirrored=1).inside((2, 3, 4)).all()
