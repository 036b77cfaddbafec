"""Volumes from NIfTI and DICOM series, prepared as MONAI's transforms do it, and back again."""

import io
import warnings

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from ml.imaging.declared import Input
from ml.imaging.decode import decode, media_type
from ml.imaging.mask import decode_mask
from ml.imaging.picture import ImageError
from ml.imaging.prepare import prepare_volume
from ml.imaging.series import volume_of
from ml.imaging.volume import NIFTI, Volume, turned
from tests.ml.imaging.test_mask import nifti

GRID = np.diag([1.5, 2.0, 3.0, 1.0])
VALUES = np.random.default_rng(4).normal(0, 300, (12, 9, 7)).astype(np.float32)


def declared(**more):
    return Input.model_validate({"dims": 3, "size": [6, 6, 6], **more})


def volume(values=VALUES, affine=GRID):
    return turned(values, affine)


def code_of(files):
    with pytest.raises(ImageError) as caught:
        volume_of(files)
    return caught.value.code


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_a_nifti_volume_is_turned_to_right_front_and_up(flips):
    affine = GRID @ np.diag([*flips, 1.0])
    data = nifti(VALUES, affine)

    found = volume_of([data])

    straight = VALUES[tuple(slice(None, None, flip) for flip in flips)]
    np.testing.assert_array_equal(found.values, straight)
    np.testing.assert_allclose(found.spacing_mm, (1.5, 2.0, 3.0))
    assert media_type(data) == NIFTI
    mask = decode_mask(nifti((VALUES > 0).astype(np.uint8), affine), 1)
    np.testing.assert_allclose(mask.grid, found.affine.ravel())


def test_a_volume_is_shown_by_its_middle_slice_front_above_and_the_right_at_the_left():
    values = np.zeros((4, 5, 3), np.float32)
    values[3, 4, 1] = 1  # right, front, middle

    picture = decode(nifti(values, GRID))

    assert (picture.width, picture.height, picture.frames) == (4, 5, 3)
    assert np.argwhere(np.asarray(picture.eight_bits) == 255).tolist() == [[0, 0]]


def test_colour_and_numbers_that_are_none_are_no_volume():
    assert code_of([nifti(np.zeros((3, 3, 3), np.complex64))]) == "image_unreadable"
    assert code_of([nifti(np.full((3, 3, 3), np.nan, np.float32))]) == "image_unreadable"
    assert code_of([nifti(np.zeros((3, 3, 3, 2), np.float32))]) == "image_unreadable"
    assert code_of([]) == "no_image"
    assert code_of([nifti(VALUES), nifti(VALUES)]) == "image_unsupported"


def slices(count=4, **changes):
    """A CT of small slices, one file each; ``changes`` are of the last of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = []
        for number in range(count):
            dataset = dcmread(get_testdata_file("CT_small.dcm"))
            dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.{number}"
            dataset.ImagePositionPatient = [10, 20, 30 + 2.5 * number]
            dataset.PixelData = np.full((128, 128), 100 + number, np.int16).tobytes()
            for name, value in changes.items() if number == count - 1 else ():
                setattr(dataset, name, value)
            file = io.BytesIO()
            dataset.save_as(file)
            files.append(file.getvalue())
    return files


def test_a_series_is_sorted_by_where_its_slices_lie():
    files = slices()
    first = dcmread(io.BytesIO(files[0]))

    found = volume_of([files[2], files[0], files[3], files[1]])

    rows_mm, columns_mm = map(float, first.PixelSpacing)
    np.testing.assert_allclose(found.spacing_mm, (columns_mm, rows_mm, 2.5))
    lowest = 100 * float(first.RescaleSlope) + float(first.RescaleIntercept)
    assert found.values[0, 0].tolist() == [lowest, lowest + 1, lowest + 2, lowest + 3]
    # LPS: the first pixel lies right, front and below; in RAS+ that is the far end of x and y.
    corner = found.affine @ [127, 127, 0, 1]
    np.testing.assert_allclose(corner[:3], [-10, -20, 30])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImagePositionPatient": [10, 20, 40]}, "series_geometry"),
        ({"ImagePositionPatient": [10, 20, 35]}, "series_geometry"),
        ({"ImagePositionPatient": [19, 20, 37.5]}, "series_geometry"),
        ({"ImagePositionPatient": None}, "series_geometry"),
        ({"PixelSpacing": [1, 2]}, "series_geometry"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "series_geometry"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "series_geometry"),
        ({"SeriesInstanceUID": "1.2.3"}, "series_identity"),
        ({"PatientID": "somebody else"}, "series_identity"),
    ],
)
def test_slices_that_make_no_volume_are_refused(changes, code):
    assert code_of(slices(**changes)) == code


def test_one_slice_and_a_mixture_of_files_are_no_volume():
    assert code_of(slices(1)) == "series_geometry"
    assert code_of([slices(1)[0], nifti(VALUES)]) == "image_unsupported"


@pytest.mark.parametrize(
    ("orientation", "spacing", "mode"),
    [
        ("RAS", None, "bilinear"), ("LPS", None, "bilinear"), ("SAL", (2.0, 1.0, 4.0), "bilinear"),
        ("RAS", (1.5, 1.0, 3.7), "bilinear"), ("PIR", (3.1, 3.1, 3.1), "nearest"),
    ],
)  # fmt: skip
def test_preparing_is_what_monais_transforms_do(orientation, spacing, mode):
    monai = pytest.importorskip("monai")
    from monai.data import MetaTensor
    from monai.transforms import Orientation, Resize, ScaleIntensityRange, Spacing

    interpolation = "trilinear" if mode == "bilinear" else "nearest"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        image = MetaTensor(VALUES[None].copy(), affine=GRID)
        image = Orientation(axcodes=orientation, labels=None)(image)
        if spacing is not None:
            image = Spacing(pixdim=spacing, mode=mode, padding_mode="border")(image)
        image = ScaleIntensityRange(-500, 500, 0, 1, clip=True)(image)
        expected = Resize((6, 8, 10), mode=interpolation)(image).numpy()
    assert monai.__version__

    found, _ = prepare_volume(
        volume(),
        declared(
            size=[6, 8, 10], orientation=orientation, spacing_mm=spacing, resize={"mode": mode},
            intensity={"window": [-500, 500]},
        ),
    )  # fmt: skip

    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_axes_that_lie_in_one_plane_are_refused():
    flat = np.array([[1.0, 1, 0, 0], [0, 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(ImageError) as caught:
        prepare_volume(Volume(VALUES, (1.0, 1.0, 1.0), flat), declared(spacing_mm=(2, 2, 2)))

    assert caught.value.code == "image_unreadable"


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL", "IPR"])
@pytest.mark.parametrize("spacing", [None, (1.0, 1.5, 0.75)])
def test_labels_go_back_to_where_they_came_from(orientation, spacing):
    """A structure marked at finer voxels lies on the image's grid where it lay."""
    values = np.zeros((12, 9, 7), np.float32)
    values[2:6, 3:8, 1:4] = 1
    given = declared(
        size=[24, 27, 21] if spacing is None else None, orientation=orientation,
        spacing_mm=spacing and tuple(spacing), resize={"mode": "nearest"},
        **({} if spacing is None else {"patch": {"size": [4, 4, 4]}}),
    )  # fmt: skip

    array, placed = prepare_volume(volume(values), given)
    back = placed.back((array[0] > 0.5).astype(np.uint8))

    assert array.shape[1:] != values.shape
    np.testing.assert_array_equal(back, values.astype(np.uint8))


def test_without_size_and_spacing_nothing_is_resampled():
    given = declared(size=None, patch={"size": [4, 4, 4]}, intensity={"mean": 1.0, "std": 2.0})

    array, _ = prepare_volume(Volume(VALUES, (1.0, 1.0, 1.0), np.eye(4)), given)

    np.testing.assert_allclose(array[0], (VALUES - 1) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"size": [6, 6]}, {"size": None}, {"orientation": "RRS"}, {"orientation": "RA"},
        {"orientation": "XYZ"}, {"spacing_mm": [0, 1, 1]}, {"colour": "rgb"}, {"layout": "NHWC"},
        {"resize": {"mode": "bicubic"}}, {"resize": {"antialias": "pillow"}},
        {"size": [4096, 4096, 4096]}, {"patch": {"size": [4, 4]}}, {"dims": 2},
        {"patch": {"size": [4, 4, 4], "overlap": 0.95}},
    ],
)  # fmt: skip
def test_what_no_volume_can_be_is_refused(more):
    with pytest.raises(ValueError):
        declared(**more)


def test_a_manifest_that_was_written_out_is_read_again():
    given = declared(orientation="LPS", spacing_mm=[1, 1, 2], patch={"size": [4, 4, 4]})

    assert Input.model_validate(given.model_dump(mode="json")) == given
    plain = Input.model_validate({"size": 8})
    assert set(plain.model_dump()) == {
        "dims", "channels", "size", "layout", "colour", "resize", "intensity",
    }  # fmt: skip
