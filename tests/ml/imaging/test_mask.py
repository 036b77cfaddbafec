import gzip
import io

import nibabel
import numpy as np
import pytest
from PIL import Image

from ml.imaging import nifti as niftis
from ml.imaging.mask import Mask, decode_mask, pack, unpack
from ml.imaging.picture import ImageError


def png(pixels, mode=None):
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format="PNG")
    return file.getvalue()


def nifti(values, affine=None, zipped=True):
    image = nibabel.nifti1.Nifti1Image(values, np.eye(4) if affine is None else affine)
    data = image.to_bytes()
    return gzip.compress(data) if zipped else data


def code(data, structures=1):
    with pytest.raises(ImageError) as caught:
        decode_mask(data, structures)
    return caught.value.code


def test_one_structure_may_be_marked_by_any_one_value():
    mask = decode_mask(png([[0, 255], [255, 0]]), 1)

    assert mask.labels.tolist() == [[0, 1], [1, 0]]
    assert mask.spacing_mm is None


def test_several_structures_are_numbered():
    mask = decode_mask(png([[0, 1], [2, 0]]), 2)

    assert mask.of(1).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(
    ("pixels", "structures"), [([[0, 1], [2, 0]], 1), ([[0, 1], [3, 0]], 2), ([[0, 255]], 2)]
)
def test_values_that_stand_for_nothing_are_refused(pixels, structures):
    assert code(png(pixels), structures) == "mask_values"


def test_colours_are_no_labels():
    assert code(png(np.zeros((2, 2)), "RGB")) == "mask_values"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_volume_with_its_spacing(zipped):
    values = np.zeros((3, 4, 5), dtype=np.int16)
    values[1, 2, 3] = 1

    mask = decode_mask(nifti(values, np.diag([0.5, 0.6, 2.5, 1]), zipped), 1)

    assert mask.shape == (3, 4, 5)
    assert mask.spacing_mm == pytest.approx((0.5, 0.6, 2.5))
    assert np.argwhere(mask.labels).tolist() == [[1, 2, 3]]


def test_volumes_are_turned_to_the_same_directions():
    """The same voxel in the world, stored once from left to right and once the other way."""
    right = np.zeros((3, 4, 5), dtype=np.uint8)
    right[0, 1, 2] = 1
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = 2  # the last voxel of the row is where the first one was

    one, other = decode_mask(nifti(right), 1), decode_mask(nifti(right[::-1], turned), 1)

    assert one.labels.tolist() == other.labels.tolist()
    assert one.same_grid(other)


def test_grids_that_lie_apart_are_told():
    moved = np.eye(4)
    moved[2, 3] = 5
    one, other = (decode_mask(nifti(np.ones((2, 2, 2), np.uint8), a), 1) for a in (None, moved))

    assert not one.same_grid(other)
    assert not one.same_grid(decode_mask(nifti(np.ones((2, 2, 3), np.uint8)), 1))
    assert Mask(np.ones((2, 2, 2), np.uint8), None).same_grid(one)  # a file without a world


def test_four_axes_are_too_many_unless_the_last_is_one():
    assert decode_mask(nifti(np.ones((2, 2, 2, 1), np.uint8)), 1).shape == (2, 2, 2)
    assert code(nifti(np.ones((2, 2, 2, 3), np.uint8))) == "mask_values"


@pytest.mark.parametrize("value", [0.5, -1, np.nan])
def test_numbers_that_are_no_labels(value):
    assert code(nifti(np.full((2, 2, 2), value, dtype=np.float32)), 2) == "mask_values"


def test_whole_numbers_stored_as_fractions_are_labels():
    assert decode_mask(nifti(np.full((2, 2, 2), 2.0, np.float64)), 2).labels.max() == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "empty_file", id="empty"),
        pytest.param(b"no mask at all", "mask_unsupported", id="text"),
        pytest.param(b"\xff\xd8\xff\xe0 a JPEG", "mask_unsupported", id="jpeg"),
        pytest.param(b"\x1f\x8b cut", "mask_unreadable", id="gzip-head"),
        pytest.param(nifti(np.ones((4, 4, 4), np.uint8))[:-20], "mask_unreadable", id="nifti-cut"),
        pytest.param(gzip.compress(b"x" * 500), "mask_unreadable", id="gzip-of-text"),
        pytest.param(png(np.ones((9, 9)))[:-30], "mask_unreadable", id="png-cut"),
    ],
)
def test_refuses(data, expected):
    assert code(data) == expected


def test_what_unpacks_to_too_much_is_stopped(monkeypatch):
    monkeypatch.setattr(niftis, "MOST_PIXEL_BYTES", 10_000)

    assert code(gzip.compress(bytes(200_000))) == "pixel_limit"


def test_a_header_that_declares_too_much_is_not_decoded():
    data = bytearray(nifti(np.ones((2, 2, 2), np.uint8), zipped=False))
    data[42:48] = np.array([30_000] * 3, dtype="<i2").tobytes()

    assert code(bytes(data)) == "pixel_limit"


def test_kept_masks_come_back_and_equal_masks_are_equal_bytes():
    mask = decode_mask(nifti(np.eye(4, dtype=np.uint8)[:, :, None]), 1)

    again = unpack(pack(mask))

    assert again.labels.tolist() == mask.labels.tolist()
    assert (again.spacing_mm, again.grid) == (mask.spacing_mm, mask.grid)
    assert pack(again) == pack(mask)


@pytest.mark.parametrize("data", [b"", b"PLUMBMASK1\n{}\n", b"PLUMBMASK1\n[]", b"other"])
def test_a_kept_mask_that_was_changed_is_told(data):
    with pytest.raises(ImageError, match="kept mask"):
        unpack(data)
