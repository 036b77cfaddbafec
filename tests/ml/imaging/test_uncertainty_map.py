"""The picture of doubt: bounded, coarsened by the largest, and back from its bytes."""

import zlib

import numpy as np
import pytest

from ml.imaging import uncertainty_map
from ml.imaging.uncertainty_map import (
    MOST_BYTES,
    MapError,
    UncertaintyMap,
    coarsened,
    coded,
    pack,
    step_for,
    unpack,
)


def a_map(shape=(6, 5), seed=0):
    codes = np.random.default_rng(seed).integers(0, 256, (2, *shape), dtype=np.uint8)
    return UncertaintyMap(codes, 1, shape, (1.0, 2.0), None)


def test_a_map_comes_back_from_its_bytes():
    found = unpack(pack(a_map()))

    np.testing.assert_array_equal(found.codes, a_map().codes)
    assert (found.step, found.shape, found.spacing_mm, found.grid) == (1, (6, 5), (1.0, 2.0), None)
    assert pack(found) == pack(a_map())


def test_half_a_step_is_the_most_that_coding_loses():
    bits = np.random.default_rng(1).random(1000)

    assert np.abs(coded(bits) / 255 - bits).max() <= 0.5 / 255 + 1e-12


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_cell_holds_the_largest_of_its_voxels(step):
    codes = np.random.default_rng(2).integers(0, 256, (7, 9, 4), dtype=np.uint8)

    found = coarsened(codes, step)

    assert found.shape == tuple(-(-side // step) for side in codes.shape)
    for place in np.ndindex(*found.shape):
        cell = tuple(slice(step * at, step * (at + 1)) for at in place)
        assert found[place] == codes[cell].max()


def test_no_map_is_larger_than_its_bound(monkeypatch):
    monkeypatch.setattr(uncertainty_map, "MOST_CELLS", 1000)
    shape = (40, 30, 9)
    step = step_for(shape)
    assert step == 3
    cells = tuple(-(-side // step) for side in shape)
    noise = np.random.default_rng(3).integers(0, 256, (2, *cells), dtype=np.uint8)

    data = pack(UncertaintyMap(noise, step, shape, None, tuple(range(16))))

    assert len(data) <= 2 * 1000 + (1 << 16)
    assert unpack(data).grid == tuple(map(float, range(16)))
    assert MOST_BYTES > 2 << 21


def test_bytes_that_are_no_map_are_refused():
    good = pack(a_map())
    head, _, body = good.partition(b"}\n")
    for data in (
        b"", b"PLUMBMASK1\n{}", good[:-4], good[: len(head)], head + b"}\nx" + body,
        good.replace(b'"step":1', b'"step":2'), good.replace(b"[6,5]", b"[6,0]"),
        good.replace(b"[6,5]", b"[6,9]"), head + b"}\n" + zlib.compress(b"x" * 999),
    ):  # fmt: skip
        with pytest.raises(MapError):
            unpack(data)
