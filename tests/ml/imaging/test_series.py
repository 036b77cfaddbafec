"""Slices and frames in patient space: tilted, turned over, rescaled one by one."""

import io

import numpy as np
import pytest

from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.handcrafted import described
from ml.imaging.picture import ImageError
from ml.imaging.prepare import prepare_volume
from ml.imaging.series import volume_of
from tests.ml.imaging.enhanced import enhanced, item, saved, series

VALUES = np.random.default_rng(7).integers(0, 2000, (5, 6, 4)).astype(np.int16)


def code_of(files):
    with pytest.raises(ImageError) as caught:
        volume_of(files)
    return caught.value.code


def test_frames_of_an_enhanced_file_are_the_slices_of_a_series():
    files = series(VALUES, slopes={2: 3, 4: 2})

    classic = volume_of(files[::-1])
    found = volume_of([saved(enhanced(files, order=[3, 1, 0, 4, 2]))])

    np.testing.assert_array_equal(found.values, classic.values)
    np.testing.assert_allclose(found.affine, classic.affine)
    assert (found.spacing_mm, found.stacked, found.notes) == ((0.75, 0.5, 2.5), 2, ())
    slopes = np.array([1, 1, 3, 1, 2])[:, None, None]
    # LPS to RAS: columns and rows run the other way.
    np.testing.assert_array_equal(
        found.values, (VALUES * slopes - 1024.0)[:, ::-1, ::-1].transpose(2, 1, 0)
    )


def test_the_picture_of_an_enhanced_file_is_rescaled_by_its_own_frame():
    files = series(VALUES, slopes={2: 3})

    picture = decode(saved(enhanced(files)))

    assert picture.frames == 5
    np.testing.assert_array_equal(picture.values, VALUES[2] * 3.0 - 1024)


def test_several_enhanced_files_make_one_volume():
    files = series(VALUES)

    found = volume_of([saved(enhanced(files[3:])), saved(enhanced(files[:3]))])

    np.testing.assert_array_equal(found.values, volume_of(files).values)


def test_how_values_are_shown_turns_none_of_a_volume():
    shown = series(VALUES, PhotometricInterpretation="MONOCHROME1")

    np.testing.assert_array_equal(volume_of(shown).values, volume_of(series(VALUES)).values)


def test_an_enhanced_file_has_the_plain_numbers_of_its_series():
    files = series(VALUES)
    whole, dataset = described(files), enhanced(files)

    found = described([saved(dataset)])

    assert found.pixels == whole.pixels
    dataset.PerFrameFunctionalGroupsSequence[
        1
    ].PlanePositionSequence = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    assert described([saved(dataset)]).pixels != whole.pixels  # its middle frame, as a picture


@pytest.mark.parametrize("change", ["twice", "gap", "turned", "nowhere", "few"])
def test_frames_that_make_no_volume(change):
    dataset = enhanced(series(VALUES))
    groups = dataset.PerFrameFunctionalGroupsSequence
    if change == "twice":
        groups[1].PlanePositionSequence = groups[0].PlanePositionSequence
    elif change == "gap":
        groups[4].PlanePositionSequence[0].ImagePositionPatient = [10, 20, 45]
    elif change == "turned":
        groups[2].PlaneOrientationSequence = [item(ImageOrientationPatient=[0, 1, 0, 1, 0, 0])]
    elif change == "nowhere":
        del dataset.PerFrameFunctionalGroupsSequence
    else:
        dataset.PerFrameFunctionalGroupsSequence = list(groups)[:3]

    assert code_of([saved(dataset)]) == "series_geometry"


def test_a_tilted_gantry_is_taken_and_said():
    """Slices stay as they are, and the affine says where each of them lies."""
    shifted = (0, 0.7, 2.5)

    found = volume_of(series(VALUES, step=shifted))

    assert found.notes == ("gantry_tilt",)
    straight = volume_of(series(VALUES))
    np.testing.assert_array_equal(found.values, straight.values)
    corner = np.array([3, 5, 0, 1])  # the first pixel of the lowest slice, in RAS
    np.testing.assert_allclose((found.affine @ corner)[:3], [-10, -20, 30])
    up = np.array([3, 5, 4, 1])
    np.testing.assert_allclose((found.affine @ up)[:3], [-10, -22.8, 40])
    heard = []
    declared = Input.model_validate({"dims": 3, "size": [4, 4, 4]})
    prepare_volume(found, declared, lambda step, text, values: heard.append(text))
    assert any("tilted gantry" in text for text in heard)


def test_oblique_slices_are_not_tilted_ones():
    angle = np.radians(20)
    step = (0, -2.5 * np.sin(angle), 2.5 * np.cos(angle))

    found = volume_of(series(VALUES, tilted=20, step=step))

    assert found.notes == ()
    np.testing.assert_allclose(found.spacing_mm, (0.75, 0.5, 2.5), rtol=1e-6)


def test_slices_that_are_not_transverse_say_so():
    files = series(VALUES, tilted=90, step=(0, 2.5, 0))

    found = volume_of(files)

    assert (found.notes, found.stacked) == (("not_transverse",), 1)
    assert found.values.shape == (4, 5, 6)


def test_a_series_upside_down_is_the_same_volume():
    upright = volume_of(series(VALUES))

    turned_over = volume_of(series(VALUES[::-1], start=(10, 20, 40), step=(0, 0, -2.5)))

    np.testing.assert_array_equal(turned_over.values, upright.values)
    np.testing.assert_allclose(turned_over.affine, upright.affine)


@pytest.mark.parametrize("step", [(0, 4, 2.5), (0, 0, 0)])
def test_a_stack_that_is_sheared_too_far_or_flat(step):
    assert code_of(series(VALUES, step=step)) == "series_geometry"


def test_a_slice_that_is_shifted_alone_is_no_tilt():
    aside = series(VALUES, start=(11, 20, 30))

    assert code_of([*series(VALUES)[:4], aside[4]]) == "series_geometry"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (lambda s: s[:2] + s[3:], "series_geometry"),  # one is missing
        (lambda s: [*s, s[2]], "series_geometry"),  # one is there twice
        (lambda s: [*s[:4], series(VALUES, PatientID="q")[4]], "series_identity"),
        (lambda s: [*s[:4], series(VALUES, PixelSpacing=[0.5, 0.8])[4]], "series_geometry"),
    ],
)
def test_rows_26_and_27_of_the_matrix(files, code):
    assert code_of(files(series(VALUES))) == code


@pytest.mark.parametrize("tilted", [None, 15])
def test_a_series_lies_where_simpleitk_puts_it(tmp_path, tilted):
    sitk = pytest.importorskip("SimpleITK")
    angle = np.radians(tilted or 0)
    step = (0, -2.5 * np.sin(angle), 2.5 * np.cos(angle))
    files = series(VALUES, tilted=tilted, step=step)
    for number, data in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(data)

    image = sitk.ReadImage([str(tmp_path / f"{number}.dcm") for number in range(5)])
    found = volume_of(files)

    theirs = sitk.GetArrayFromImage(image)  # (slices, rows, columns)
    for index in np.ndindex(4, 6, 5):
        world = np.array(image.TransformIndexToPhysicalPoint([int(at) for at in index]))
        voxel = np.linalg.inv(found.affine) @ [-world[0], -world[1], world[2], 1]
        at = tuple(np.rint(voxel[:3]).astype(int))
        assert np.abs(voxel[:3] - at).max() < 1e-3
        assert found.values[at] == theirs[index[::-1]]


def test_a_file_of_several_frames_without_places_is_no_volume():
    dataset = enhanced(series(VALUES))
    del dataset.PerFrameFunctionalGroupsSequence
    file = io.BytesIO(saved(dataset))

    with pytest.raises(ImageError, match="each of its frames"):
        volume_of([file.getvalue()])
