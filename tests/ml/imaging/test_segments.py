"""DICOM segmentations as masks, on the grid of their image or their own."""

import contextlib

import numpy as np
import pytest

from ml.imaging.mask import decode_mask
from ml.imaging.picture import ImageError
from ml.imaging.segments import grid_of
from ml.imaging.series import volume_of
from tests.ml.imaging.enhanced import enhanced, saved, segmentation, series

IMAGE = np.zeros((5, 6, 4), np.int16)
DRAWN = np.random.default_rng(3).random((2, 6, 4)) > 0.5


def in_ras(planes):
    """(slices, rows, columns) as the volume of the series has them."""
    return planes[:, ::-1, ::-1].transpose(2, 1, 0)


def code_of(dataset, structures=1, **options):
    with pytest.raises(ImageError) as caught:
        decode_mask(saved(dataset), structures, **options)
    return caught.value.code


@pytest.fixture(scope="module")
def files():
    return series(IMAGE)


@pytest.fixture(scope="module")
def grid(files):
    return grid_of(files)


def test_frames_are_placed_by_where_they_lie(files, grid):
    """Slices 4 and 1 are marked, in this order; three have no frame."""
    mask = decode_mask(saved(segmentation(files, [(4, 1, DRAWN[0]), (1, 1, DRAWN[1])])), 1, grid)

    expected = np.zeros((5, 6, 4))
    expected[4], expected[1] = DRAWN
    np.testing.assert_array_equal(mask.labels, in_ras(expected))
    np.testing.assert_allclose(mask.grid, volume_of(files).affine.ravel())
    assert mask.spacing_mm == (0.75, 0.5, 2.5)


def test_segments_are_structures_by_their_number(files, grid):
    other = ~DRAWN[0]

    mask = decode_mask(saved(segmentation(files, [(2, 2, DRAWN[0]), (2, 1, other)])), 2, grid)

    expected = np.zeros((5, 6, 4))
    expected[2] = 2 * DRAWN[0] + other
    np.testing.assert_array_equal(mask.labels, in_ras(expected))


def test_without_an_image_the_grid_is_from_the_first_to_the_last_frame(files):
    mask = decode_mask(saved(segmentation(files, [(4, 7, DRAWN[0]), (1, 7, DRAWN[1]),
                                                  (2, 7, DRAWN[1])])), 1)  # fmt: skip

    expected = np.stack([DRAWN[1], DRAWN[1], 0 * DRAWN[0], DRAWN[0]])
    np.testing.assert_array_equal(mask.labels, in_ras(expected))
    assert mask.spacing_mm == (0.75, 0.5, 2.5)


def test_half_of_a_fraction_is_marked(files, grid):
    plane = np.array([[0, 49, 50, 51, 100, 1]] * 4).T

    mask = decode_mask(
        saved(segmentation(files, [(0, 1, plane)], kind="FRACTIONAL", most=100)), 1, grid
    )

    expected = np.zeros((5, 6, 4))
    expected[0] = plane >= 50
    np.testing.assert_array_equal(mask.labels, in_ras(expected))


def test_a_label_map_says_its_segments_itself(files, grid):
    plane = np.arange(24).reshape(6, 4) % 3

    mask = decode_mask(
        saved(segmentation(files, [(3, 1, plane)], kind="LABELMAP", segments=[1, 2])), 2, grid
    )

    np.testing.assert_array_equal(mask.labels[:, :, 3], in_ras(plane[None])[:, :, 0])


def test_one_picture_takes_a_segmentation_of_its_size(files):
    flat = saved(segmentation(files, [(0, 1, DRAWN[0])], flat=True))

    mask = decode_mask(flat, 1, flat=True)

    np.testing.assert_array_equal(mask.labels, DRAWN[0])
    assert (mask.spacing_mm, mask.grid) == (None, None)
    several = segmentation(files, [(0, 1, DRAWN[0]), (1, 1, DRAWN[0])], flat=True)
    assert code_of(several, flat=True) == "mask_grid"


def test_a_tilted_series_has_its_segmentation_too():
    files = series(IMAGE, step=(0, 0.7, 2.5))

    mask = decode_mask(saved(segmentation(files, [(3, 1, DRAWN[0])])), 1, grid_of(files))

    expected = np.zeros((5, 6, 4))
    expected[3] = DRAWN[0]
    np.testing.assert_array_equal(mask.labels, in_ras(expected))


@pytest.mark.parametrize(
    "other",
    [
        {"start": (10.2, 20, 30)}, {"start": (10, 20, 31)}, {"start": (10, 20, 300)},
        {"tilted": 10}, {"start": (11.5, 20, 30)},
    ],
)  # fmt: skip
def test_a_segmentation_of_another_grid(grid, other):
    marked = np.ones((6, 4))
    assert code_of(segmentation(series(IMAGE, **other), [(0, 1, marked)]), grid=grid) == "mask_grid"


@pytest.mark.parametrize("spacing", [[0.5, 0.5], [1.0, 1.5], [0.25, 0.375]])
def test_pixels_of_another_size(grid, spacing):
    """Of twice the size, each lies on a voxel and stands for four."""
    files = series(IMAGE, PixelSpacing=spacing)
    assert code_of(segmentation(files, [(0, 1, DRAWN[0][:3, :2])]), grid=grid) == "mask_grid"


@pytest.mark.parametrize(
    ("frames", "structures", "change", "code"),
    [
        ([(0, 1, DRAWN[0]), (0, 2, DRAWN[0])], 2, {}, "mask_values"),  # one voxel, two segments
        ([(0, 3, DRAWN[0])], 2, {}, "mask_values"),
        ([(0, 1, DRAWN[0]), (0, 2, ~DRAWN[0])], 1, {}, "mask_values"),
        ([(0, 1, DRAWN[0])], 1, {"SegmentationType": ""}, "mask_unsupported"),
        ([(0, 1, DRAWN[0])], 1, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "mask_unsupported"),
        ([(0, 1, DRAWN[0])], 1, {"SegmentationType": "FRACTIONAL"}, "mask_values"),
        ([(0, 1, DRAWN[0])], 1, {"NumberOfFrames": 9}, "pixel_length"),
        ([(0, 1, DRAWN[0])], 1, {"Rows": 60000, "Columns": 60000}, "pixel_length"),
        ([(0, 1, DRAWN[0])], 1, {"PerFrameFunctionalGroupsSequence": None}, "mask_grid"),
        ([(0, 1, DRAWN[0])], 1, {"PixelData": None}, "missing_attribute"),
    ],
)
def test_segmentations_that_cannot_be_used(files, grid, frames, structures, change, code):
    dataset = segmentation(files, frames)
    for name, value in change.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    assert code_of(dataset, structures, grid=grid) == code


def test_frames_that_are_not_evenly_apart(files):
    positions = [(0, 1, DRAWN[0]), (1, 1, DRAWN[0]), (2, 1, DRAWN[0])]
    dataset = segmentation(files, positions)
    place = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    place.ImagePositionPatient = [10, 20, 34]
    assert code_of(dataset) == "mask_grid"


def test_random_bytes_in_segmentations_and_frames_never_do_worse_than_a_refusal(files, grid):
    generator = np.random.default_rng(2)
    masked = saved(segmentation(files, [(4, 1, DRAWN[0]), (1, 1, DRAWN[1])]))
    for whole, read in (
        (masked, lambda data: decode_mask(data, 1, grid)),
        (masked, lambda data: decode_mask(data, 1)),
        (saved(enhanced(files)), lambda data: volume_of([data])),
    ):
        for _ in range(100):
            data = bytearray(whole)
            for at in generator.integers(132, len(data), size=4):
                data[at] = generator.integers(0, 256)
            with contextlib.suppress(ImageError):
                assert read(bytes(data)) is not None


def test_an_empty_segmentation_is_an_empty_mask(files, grid):
    mask = decode_mask(saved(segmentation(files, [(0, 1, 0 * DRAWN[0])])), 1, grid)

    assert mask.labels.shape == (4, 6, 5)
    assert not mask.labels.any()


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_what_highdicom_writes_is_read_as_it_was_drawn(files, grid, kind):
    highdicom = pytest.importorskip("highdicom")
    from pydicom.sr.codedict import codes

    from tests.ml.imaging.enhanced import opened

    drawn = np.zeros((5, 6, 4), np.uint8)
    drawn[1], drawn[4] = DRAWN
    source = [opened(data) for data in files]
    for one in source:
        one.FrameOfReferenceUID, one.StudyID, one.AccessionNumber = "1.2.7", "", ""
    described = highdicom.seg.SegmentDescription(
        segment_number=1, segment_label="Lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    theirs = highdicom.seg.Segmentation(
        source, drawn if kind == "BINARY" else drawn.astype(np.float32),
        highdicom.seg.SegmentationTypeValues[kind], [described], "1.2.8.3", 1, "1.2.8.1", 1,
        "Nobody", "None", "1", "0",
    )  # fmt: skip

    mask = decode_mask(saved(theirs), 1, grid)

    np.testing.assert_array_equal(mask.labels, in_ras(drawn))
