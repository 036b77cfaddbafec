"""Holes filled linearly: against the equations written down again, and against the peer."""

import numpy as np
import pytest

from ml.imaging.linear_fill import halved, linear_fill


def told_again(picture, gone):
    """Each unknown's equation as it is read, solved as a full matrix."""
    height, width = gone.shape
    places = np.argwhere(gone)
    number = {tuple(place): at for at, place in enumerate(places)}
    system = np.zeros((len(places), len(places)))
    given = np.zeros((len(places), picture.shape[2]))
    for at, (y, x) in enumerate(places):
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                there = (y + down, x + right)
                inside = 0 <= there[0] < height and 0 <= there[1] < width
                if (down, right) == (0, 0) or not inside:
                    continue
                weight = 1 / 12 if down and right else 1 / 6
                system[at, at] += weight
                if there in number:
                    system[at, number[there]] -= weight
                else:
                    given[at] += weight * picture[there]
    filled = picture.copy()
    filled[gone] = np.linalg.solve(system, given)
    return filled


def holes(kind, height, width, source):
    if kind == "scattered":
        return source.random((height, width)) < 0.6
    if kind == "one left":
        gone = np.ones((height, width), bool)
        gone[0, -1] = False
        return gone
    grid = np.hypot(*np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j])
    return grid < 0.9 if kind == "middle" else grid > 0.4


@pytest.mark.parametrize("kind", ["scattered", "middle", "rim", "one left"])
@pytest.mark.parametrize(("height", "width"), [(17, 11), (8, 30), (1, 9), (5, 1)])
def test_positions_are_what_their_equations_say(kind, height, width):
    source = np.random.default_rng([height, width])
    picture = source.normal(size=(height, width, 3)) * [1, 10, 1000]
    gone = holes(kind, height, width, source)
    if gone.all():
        gone[0, 0] = False

    found = linear_fill(picture, gone)

    assert found == pytest.approx(told_again(picture, gone), rel=1e-9, abs=1e-9)
    assert (found[~gone] == picture[~gone]).all()


def test_nothing_is_brighter_or_darker_than_what_is_left():
    source = np.random.default_rng(2)
    picture, gone = source.random((40, 50, 1)), source.random((40, 50)) < 0.9
    found = linear_fill(picture, gone)[gone]
    assert picture[~gone].min() <= found.min() <= found.max() <= picture[~gone].max()


def test_a_plane_comes_back_wherever_it_is_cut_inside():
    rows, columns = np.mgrid[:20, :30]
    plane = np.stack([3.0 * rows - columns, 0 * rows + 7.0], axis=-1)
    gone = np.zeros((20, 30), bool)
    gone[2:18, 3:28] = True
    assert linear_fill(np.where(gone[..., None], np.inf, plane), gone) == pytest.approx(plane)


def test_where_nothing_is_left_nothing_is_filled():
    with pytest.raises(ValueError, match="nothing is left"):
        linear_fill(np.zeros((3, 3, 1)), np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="no holes of"):
        linear_fill(np.zeros((3, 3, 1)), np.ones((3, 4), bool))
    picture = np.arange(9.0).reshape(3, 3, 1)
    whole = linear_fill(picture, np.zeros((3, 3), bool))
    assert (whole == picture).all()
    assert whole is not picture


@pytest.mark.parametrize("sides", [(1, 1), (1, 40), (37, 64)])
def test_an_order_holds_each_position_once(sides):
    assert sorted(halved(*sides).tolist()) == list(range(sides[0] * sides[1]))


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_the_peer_fills_alike(percent):
    """Quantus 0.6.0 without its noise; it solves the same system by another order."""
    peer = pytest.importorskip("quantus.functions.perturb_func", reason="Quantus is not installed")
    source = np.random.default_rng(percent)
    picture = source.random((48, 56, 3))
    order = source.permutation(48 * 56)[: 48 * 56 * percent // 100]
    gone = np.zeros((48, 56), bool)
    gone.ravel()[order] = True

    theirs = peer.noisy_linear_imputation(picture.transpose(2, 0, 1), order, noise=0.0)

    assert linear_fill(picture, gone) == pytest.approx(theirs.transpose(1, 2, 0), abs=1e-12)
