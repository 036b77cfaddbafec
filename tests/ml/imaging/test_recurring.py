"""Places that recur: what was drawn is found where it lies, and what was not is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ml.imaging.recurring import FEWEST, overlap, places_of, strokes_of, two_kinds
from ml.zoo.rulers import drawn_into

SIDE, N = 64, 60


def heads(seed=1, n=N, side=SIDE):
    """Smooth blobs that differ from picture to picture, as bodies do; grey levels."""
    rng = np.random.default_rng(seed)
    found = gaussian_filter(rng.normal(size=(n, side, side)), (0, 5, 5))
    found = 90 + 30 * found / found.std()
    return (found + rng.normal(0, 3, found.shape)).clip(0, 255).astype(np.uint8)


def half(seed=2, n=N):
    return np.random.default_rng(seed).random(n) < 0.5


def of(kind, seed=1):
    has = half()
    return drawn_into(heads(seed), has, kind, seed=seed) / 255.0, has


def alike(one, other):
    return np.mean(one == other)


def marks(places):
    return [one for one in places if one.kind in ("mark", "ruler")]


@pytest.mark.parametrize("seed", range(4))
def test_a_ruler_is_found_where_it_lies_with_the_pictures_that_have_it(seed):
    pictures, has = of("ruler", seed)

    found = [one for one in places_of(pictures) if one.kind == "ruler"]

    assert 1 <= len(found) <= 2, "parts of it at most"
    assert max(alike(one.has, has) for one in found) >= 0.75
    for one in found:
        assert overlap(one.box, (8, 2, 44, 10)) > 0.7
        assert one.alike > 0.4


def test_two_letters_at_one_place_are_two_looks_of_it():
    pictures, has = of("letter")

    one, two = marks(places_of(pictures))

    assert one.box == two.box
    assert overlap(one.box, (1, 55, 8, 8)) > 0.7
    assert [one.other, two.other] == [False, True]
    right = (
        max(alike(one.has, has), alike(one.has, ~has)),
        max(alike(two.has, has), alike(two.has, ~has)),
    )
    assert min(right) >= 0.9
    assert not (one.has & two.has).any()


def test_a_bright_strip_is_of_the_border_it_lies_at():
    pictures, has = of("border")

    strips = {one.box: one for one in places_of(pictures) if one.kind == "border"}

    (lower,) = [one for box, one in strips.items() if box[0] > SIDE / 2 and box[3] == SIDE]
    assert alike(lower.has, has) >= 0.95
    assert all(one.has.all() for one in strips.values() if one is not lower and one.box[0] == 0)


def test_a_body_that_reaches_the_border_is_no_strip():
    """Half of the pictures are bright from the left border on to the middle."""
    pictures = heads() / 255.0 * 0.4
    has = half()
    pictures[has, :, :32] += 0.4

    strips = [one for one in places_of(pictures) if one.kind in ("border", "corner")]
    (left,) = [one for one in strips if one.box[1] == 0 and one.box[2] == SIDE]
    assert left.has.all(), "all of one kind: nothing can be put in"
    edge = pictures.copy()
    edge[has, :, 5:32] -= 0.4
    (found,) = [one for one in places_of(edge)
                if one.kind == "border" and one.box[1] == 0 and one.box[2] == SIDE]  # fmt: skip
    assert alike(found.has, has) >= 0.95


@pytest.mark.parametrize("seed", range(4))
def test_nothing_recurs_in_bodies_alone(seed):
    assert marks(places_of(heads(seed) / 255.0)) == []


def test_what_fewer_have_than_asked_is_no_mark():
    has = np.arange(N) < FEWEST - 1
    pictures = drawn_into(heads(), has, "ruler", seed=1) / 255.0

    assert marks(places_of(pictures)) == []


def test_the_order_of_the_pictures_changes_nothing_but_the_order_of_who_has_it():
    pictures, _ = of("letter")
    order = np.random.default_rng(3).permutation(N)

    first, second = places_of(pictures), places_of(pictures[order])

    assert [(one.box, one.kind) for one in first] == [(one.box, one.kind) for one in second]
    one, other = marks(first)[0], marks(second)[0]
    same = np.array_equal(one.has[order], other.has)
    assert same or np.array_equal(~one.has[order], other.has), "two looks may change places"


def test_a_drawn_region_is_had_by_those_with_strokes_in_it():
    pictures, has = of("ruler")

    first = places_of(pictures, [("tag", (8, 0, 44, 12)), ("nothing", (30, 30, 10, 10))])[:2]

    assert [one.name for one in first] == ["tag", "nothing"]
    assert all(one.kind == "region" for one in first)
    assert np.array_equal(first[0].has, has)


def test_strokes_are_thin_and_what_is_wide_is_none():
    picture = np.zeros((1, 32, 32))
    picture[0, 4, 2:30] = 0.6
    picture[0, 12:28, 8:24] = 0.6
    found = strokes_of(picture)[0]

    assert found[4, 5] == pytest.approx(0.6)
    assert found[18:22, 14:18].max() == pytest.approx(0)
    assert np.allclose(strokes_of(1 - picture), strokes_of(picture)), "dark ones as bright ones"


def test_numbers_of_one_kind_are_not_parted():
    rng = np.random.default_rng(5)
    assert two_kinds(rng.normal(size=200)) is None
    assert two_kinds(np.full(9, 0.3)) is None
    apart = np.concatenate([rng.normal(0, 0.05, 50), rng.normal(1, 0.05, 7)])
    assert two_kinds(apart).tolist() == [False] * 50 + [True] * 7
