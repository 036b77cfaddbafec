import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage
from scipy.spatial.distance import cdist

from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.surface import _border, _percentile, boundary_iou, surface_distances
from ml.stats.segmentation.surfels import areas, surfels
from tests.ml.stats.segmentation.conftest import box, mask_pairs


def naive_border(mask):
    """Voxels with a face neighbour outside, one by one."""
    found = np.zeros_like(mask)
    for at in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                beside = at.copy()
                beside[axis] += step
                inside = 0 <= beside[axis] < mask.shape[axis] and mask[tuple(beside)]
                found[tuple(at)] |= not inside
    return found


def naive(a, b, spacing):
    """Every border voxel against every other one."""
    return cdist(np.argwhere(naive_border(a)) * spacing, np.argwhere(naive_border(b)) * spacing)


@given(mask_pairs)
def test_the_border_is_what_erosion_takes_away(pair):
    mask = pair[0]
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    eroded = ndimage.binary_erosion(mask, cross, border_value=0)

    assert (_border(mask) == (mask & ~eroded)).all()
    assert (_border(mask) == naive_border(mask)).all()


@settings(max_examples=60, deadline=None)
@given(mask_pairs)
def test_all_distances_equal_a_search_of_all_pairs(pair):
    a, b = pair
    spacing = (0.7, 1.3, 2.0)[: a.ndim]
    found = surface_distances(MaskPair.of(a, b, spacing))
    if not a.any() or not b.any():
        assert (found.hausdorff_mm is None) == (not a.any() and not b.any())
        return
    table = naive(a, b, spacing)
    to_b, to_a = table.min(axis=1), table.min(axis=0)

    assert found.hausdorff_mm == pytest.approx(max(to_b.max(), to_a.max()))
    assert found.hausdorff_percentile_mm(95) == pytest.approx(
        max(np.percentile(to_b, 95), np.percentile(to_a, 95))
    )
    assert found.pooled_percentile_mm(95) == pytest.approx(np.percentile(np.r_[to_b, to_a], 95))
    assert found.assd_mm == pytest.approx(np.r_[to_b, to_a].mean())
    assert found.masd_mm == pytest.approx((to_b.mean() + to_a.mean()) / 2)
    assert found.directed_mean_mm == pytest.approx((to_a.mean(), to_b.mean()))
    assert found.surface_dice(1.0) == pytest.approx((np.r_[to_b, to_a] <= 1.0).mean())


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("surface", ["voxel", "surfel"])
@given(pair=mask_pairs)
def test_distances_are_even_and_scale_with_the_voxel(surface, pair):
    one = surface_distances(MaskPair.of(*pair), surface)
    turned = surface_distances(MaskPair.of(*pair[::-1]), surface)
    large = surface_distances(MaskPair.of(*pair, (2.0,) * pair[0].ndim), surface)

    assert one.hausdorff_mm == turned.hausdorff_mm
    if one.hausdorff_mm is not None:
        assert large.hausdorff_mm == pytest.approx(2 * one.hausdorff_mm)
        assert large.assd_mm == pytest.approx(2 * one.assd_mm)
        assert large.surface_dice(2.0) == pytest.approx(one.surface_dice(1.0))
        assert 0 <= one.surface_dice(0.5) <= one.surface_dice(5.0) <= 1


@pytest.mark.parametrize("surface", ["voxel", "surfel"])
def test_equal_masks_are_at_distance_0(surface):
    mask = box((6, 6, 6), (1, 1, 1), (4, 5, 4))
    found = surface_distances(MaskPair.of(mask, mask), surface)

    assert (found.hausdorff_mm, found.assd_mm, found.surface_dice(0)) == (0, 0, 1)
    assert boundary_iou(MaskPair.of(mask, mask)) == 1


def test_a_missed_structure_counts_as_the_diagonal_and_never_vanishes():
    pair = MaskPair.of(np.zeros((3, 4)), box((3, 4), (0, 0), (2, 2)), (1.0, 1.0))
    found = surface_distances(pair)

    assert pair.image_diagonal_mm == pytest.approx(5)
    assert found.hausdorff_mm == found.hausdorff_percentile_mm(95) == pytest.approx(5)
    assert found.assd_mm == found.masd_mm == found.pooled_percentile_mm() == pytest.approx(5)
    assert found.surface_dice(1.0) == 0


def test_two_empty_masks_have_no_distance():
    found = surface_distances(MaskPair.of(np.zeros((3, 3)), np.zeros((3, 3))))

    assert (found.hausdorff_mm, found.assd_mm, found.masd_mm) == (None, None, None)
    assert found.surface_dice(1.0) is None
    assert found.directed_mean_mm is None
    assert boundary_iou(MaskPair.of(np.zeros((3, 3)), np.zeros((3, 3)))) is None


def test_masks_of_many_voxels_are_searched_by_threads_with_the_same_result(monkeypatch):
    a, b = box((40, 40, 9), (2, 3, 1), (30, 31, 8)), box((40, 40, 9), (4, 3, 1), (33, 30, 7))
    alone = surface_distances(MaskPair.of(a, b))
    monkeypatch.setattr("ml.stats.segmentation.nearest._MANY", 0)
    threaded = surface_distances(MaskPair.of(a, b))

    assert threaded.from_prediction.tolist() == alone.from_prediction.tolist()
    assert threaded.hausdorff_mm == alone.hausdorff_mm


def test_a_negative_tolerance_is_refused():
    mask = np.ones((2, 2), bool)
    with pytest.raises(ValueError, match="tolerance_mm"):
        surface_distances(MaskPair.of(mask, mask)).surface_dice(-1)


def test_one_pixel_is_a_diamond():
    """Half a pixel's diagonal from each of its four corners."""
    mask = np.pad(np.ones((1, 1), bool), 1)
    at, length = surfels(mask, (1.0, 1.0))

    assert len(at) == 4
    assert length == pytest.approx(np.full(4, 0.5**0.5))


def test_one_voxel_is_an_octahedron():
    """Eight triangles with sides of half a face diagonal: area sqrt(3) in all, of edge 1/sqrt 2."""
    _, area = surfels(np.pad(np.ones((1, 1, 1), bool), 1), (1.0, 1.0, 1.0))

    assert len(area) == 8
    assert area.sum() == pytest.approx(3**0.5)


def test_a_flat_border_has_the_area_of_its_faces():
    spacing = (2.0, 0.5, 0.7)
    table = areas(spacing)
    # Corners are numbered in the order of itertools.product: the first four lie at index 0.
    assert table[0b00001111] == pytest.approx(0.5 * 0.7)
    assert table[0b00110011] == pytest.approx(2.0 * 0.7)
    assert table[0b01010101] == pytest.approx(2.0 * 0.5)


@pytest.mark.parametrize("spacing", [(1.0, 1.3), (1.0, 1.3, 0.6)])
def test_inside_and_outside_have_the_same_surface(spacing):
    table = areas(spacing)

    assert table[0] == table[-1] == 0
    assert (table[1:-1] > 0).all()
    assert table == pytest.approx(table[::-1])


def test_surfels_of_a_large_ball_come_near_its_area():
    index = np.indices((41, 41, 41)) - 20
    ball = (index**2).sum(axis=0) <= 18**2
    _, area = surfels(np.pad(ball, 1), (1.0, 1.0, 1.0))

    # Steps make a surface longer than the smooth one, by less than a tenth.
    assert 4 * np.pi * 18**2 < area.sum() < 1.1 * 4 * np.pi * 18**2


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (2.0, 0.5, 1.0)])
@pytest.mark.parametrize("apart", [0, 1, 3, 4, 5, 9, 25])
@pytest.mark.parametrize("reach", [4, 1])
def test_near_by_look_up_and_far_by_tree_are_the_same_distance(monkeypatch, spacing, apart, reach):
    monkeypatch.setattr("ml.stats.segmentation.nearest.REACH", reach)
    a, b = np.zeros((2, 14, 12, 44), bool)
    a[3:9, 2:9, 3:12] = True
    b[2:9, 3:10, 3 + apart : 13 + apart] = True
    b[12, 10, 40] = True  # one voxel far from everything
    expected = naive(a, b, np.array(spacing))
    found = surface_distances(MaskPair.of(a, b, spacing))

    assert found.from_prediction == pytest.approx(expected.min(axis=1), rel=1e-12)
    assert found.from_reference == pytest.approx(expected.min(axis=0), rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_a_neighbour_along_a_diagonal_does_not_hide_a_nearer_one(seed):
    rng = np.random.default_rng(seed)
    a = rng.random((30, 30, 30)) < 0.004
    b = (a & (rng.random(a.shape) < 0.6)) | (rng.random(a.shape) < 0.0015)
    spacing = rng.choice([0.5, 1.0, 2.0], size=3)
    expected = naive(a, b, spacing)
    found = surface_distances(MaskPair.of(a, b, tuple(spacing)))

    assert found.from_prediction == pytest.approx(expected.min(axis=1), rel=1e-12)
    assert found.from_reference == pytest.approx(expected.min(axis=0), rel=1e-12)


@pytest.mark.parametrize("percentile", [0, 12.5, 50, 95, 100])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_percentiles_are_those_of_numpy(percentile, n, rng):
    values = rng.integers(0, 5, n).astype(float)
    assert _percentile(values, percentile) == pytest.approx(np.percentile(values, percentile))


@pytest.mark.parametrize("how", [np.transpose, lambda mask: mask[:, ::2], lambda mask: mask[:, 8:]])
def test_the_order_of_the_memory_does_not_matter(how):
    draw = np.random.default_rng(3)
    one, other = (how(draw.random((32, 32)) < 0.1) for _ in range(2))
    copied = surface_distances(MaskPair.of(one.copy(), other.copy()))
    assert surface_distances(MaskPair.of(one, other)).hausdorff_mm == copied.hausdorff_mm
