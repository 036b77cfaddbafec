"""Prepared volumes as the slices that they were acquired in, whichever way their axes run."""

import numpy as np
import pytest

from ml.engine.cases import Case, prepared
from ml.imaging.declared import Input
from ml.imaging.prepare import prepare_volume
from ml.imaging.series import volume_of
from ml.imaging.stack import sliced_along, stack_of
from ml.imaging.volume import turned
from tests.ml.imaging.test_mask import nifti
from tests.ml.imaging.test_volume import slices

SIDES = (6, 8, 10)  # right, front, top


def corner(axes, spacing=(1.0, 1.0, 4.0)):
    """A volume with one bright voxel: left, front and bottom; prepared for a model."""
    values = np.zeros(SIDES, np.float32)
    values[0, -1, 0] = 1
    size = [dict(zip("RLAPSI", (6, 6, 8, 8, 10, 10), strict=True))[letter] for letter in axes]
    declared = Input.model_validate({"dims": 3, "size": size, "orientation": axes})
    volume = turned(values, np.diag([*spacing, 1.0]))
    array, placed = prepare_volume(volume, declared)
    stack = stack_of(placed, volume.spacing_mm, None, declared, array.shape[1:])
    return array[0], stack


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "ILP", "PSR"])
@pytest.mark.parametrize(
    ("spacing", "runs", "bright"),
    [
        ((1.0, 1.0, 4.0), "SPL", (0, 0, 5)),  # bottom slice, front above, left at the right
        ((1.0, 4.0, 1.0), "AIL", (7, 9, 5)),
        ((4.0, 1.0, 1.0), "RIP", (0, 9, 0)),
        ((1.0, 1.0, 1.0), "SPL", (0, 0, 5)),
    ],
)
def test_slices_lie_as_people_look_at_them(axes, spacing, runs, bright):
    array, stack = corner(axes, spacing)
    found = stack.slices(array)

    assert stack.runs == runs
    assert tuple(np.argwhere(found == 1)[0]) == bright
    own = dict(zip("RAS", spacing, strict=True))
    pair = {"L": "R", "P": "A", "I": "S"}
    assert stack.spacing_mm == pytest.approx([own[pair.get(one, one)] for one in runs])
    assert [stack.runs[stack.axis(letter)] in pair for letter, pair in
            (("R", "RL"), ("P", "AP"), ("S", "SI"))] == [True] * 3  # fmt: skip


def test_to_write_to_slices_is_to_write_to_the_volume():
    array, stack = corner("SAR")
    stack.slices(array)[3, 2, 1] = 7

    assert array.max() == 7
    assert np.argwhere(stack.slices(array) == 7).tolist() == [[3, 2, 1]]


def test_voxels_have_the_length_that_resampling_and_resizing_give_them():
    """30 voxels of 2 mm, one every 3 mm: 20 of them, resized to 5: 12 mm each."""
    values, affine = np.zeros((30, 8, 8), np.float32), np.diag([2.0, 1.0, 1.0, 1.0])
    volume = turned(values, affine)
    given = {"dims": 3, "size": [5, 8, 4], "spacing_mm": [3.0, 1.0, 1.0]}
    for spacing, length in ((given["spacing_mm"], 12.0), (None, 12.0)):
        declared = Input.model_validate(given | {"spacing_mm": spacing})
        array, placed = prepare_volume(volume, declared)
        stack = stack_of(placed, volume.spacing_mm, None, declared, array.shape[1:])
        assert stack.runs == "RIP"
        assert stack.spacing_mm == pytest.approx((length, 2.0, 1.0))


def test_a_series_says_which_way_its_slices_follow_each_other(tmp_path):
    """Pixels of 0.66 mm every 2.5 mm; a NIfTI whose voxels are all unlike is told by the oddest."""
    files = slices()
    paths = [tmp_path / f"{at}.dcm" for at in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    declared = Input.model_validate({"dims": 3, "size": [8, 8, 4]})

    assert volume_of(files).stacked == 2
    found = prepared(Case("a", tuple(paths)), declared)
    assert found.stacked == 2
    assert prepared_nifti(tmp_path, declared).stacked is None
    assert sliced_along((0.5, 0.6, 0.5)) == sliced_along((0.5, 0.8, 0.55)) == 1
    assert sliced_along((0.9, 1.0, 6.0)) == 2
    assert sliced_along((1.0, 1.0, 1.005)) == 2


def prepared_nifti(tmp_path, declared):
    (tmp_path / "a.nii").write_bytes(nifti(np.zeros((4, 4, 4), np.float32)))
    return prepared(Case("a", (tmp_path / "a.nii",)), declared)
