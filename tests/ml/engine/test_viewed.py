"""A prepared volume left for the viewer: its voxels, how they lie, and what is not believed."""

import numpy as np
import pytest

from ml.engine import viewed
from ml.engine.cases import Case, prepared
from ml.engine.seen import seen_job
from ml.engine.viewed import own_values, volume_left, write_volume
from ml.imaging.declared import Input
from ml.sandbox.results import ResultError
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

SIDES = (6, 8, 4)
VOXELS = np.arange(6 * 8 * 4, dtype=np.int16).reshape(SIDES) * 5 - 300
PLAIN = {"dims": 3, "size": list(SIDES), "resize": {"mode": "nearest"}}


@pytest.fixture
def case(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(nifti(VOXELS, np.diag([2.0, 1.0, 3.0, 1.0])))
    return Case("c", (path,))


@pytest.mark.parametrize(
    "intensity",
    [
        {},
        {"scale": 255, "mean": 0.5, "std": 0.25},
        {"window": [-300, 700]},
        {"window": [-300, 700], "mean": 0.5, "std": 0.25},
        {"clip": [-300, 700], "scale": 100, "mean": 1.5},
    ],
)
def test_values_come_back_to_the_unit_of_the_file(intensity, case):
    declared = Input.model_validate({**PLAIN, "intensity": intensity})
    slope, intercept = own_values(declared)
    given = prepared(case, declared).array[0]

    np.testing.assert_allclose(slope * given + intercept, VOXELS, atol=1e-3)


def test_it_says_how_its_voxels_lie(case, tmp_path):
    declared = Input.model_validate({**PLAIN, "size": [4, 12, 8], "orientation": "SAR"})
    found = prepared(case, declared)
    told = write_volume(found, declared, tmp_path)
    about, data = volume_left(tmp_path, told)

    assert about["shape"] == [4, 12, 8]
    assert about["axes"] == "SAR"
    # 4 slices of 3 mm, 8 rows of 1 mm as 12, 6 columns of 2 mm as 8.
    assert about["spacing_mm"] == pytest.approx([3.0, 8 / 12, 12 / 8])
    np.testing.assert_array_equal(np.frombuffer(data, "<f4").reshape(4, 12, 8), found.array[0])
    assert (about["low"], about["high"]) == (found.array.min(), found.array.max())


def test_the_job_of_a_volume_leaves_it_and_that_of_a_picture_does_not(case, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    rows = [{"case_id": "c", "images": [str(case.images[0])]}]
    result = seen_job({"input": PLAIN, "cases": rows}, out, QUIET)

    _, data = volume_left(out, result["volume"])
    assert np.frombuffer(data, "<f4").sum() == VOXELS.sum()


def test_a_volume_too_large_to_show_is_not_kept(case, tmp_path, monkeypatch):
    monkeypatch.setattr(viewed, "MOST_VOXELS", 100)
    declared = Input.model_validate(PLAIN)
    about, data = volume_left(tmp_path, write_volume(prepared(case, declared), declared, tmp_path))

    assert data == b""
    assert about["shape"] == list(SIDES)
    assert not (tmp_path / "volume.f32").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": [6, 8, 5]}, "not as many"),
        ({"shape": [6, 8]}, "not as declared"),
        ({"axes": "XYZ"}, "not as declared"),
        ({"spacing_mm": [0, 1, 1]}, "not as declared"),
        ({"slope": float("nan")}, "not as declared|not finite"),
        ({"file": "../../etc/passwd"}, "outside"),
        ({"file": "nothing"}, "not there"),
        ({"more": 1}, "not as declared"),
    ],
)
def test_a_child_may_lie(change, says, case, tmp_path):
    declared = Input.model_validate(PLAIN)
    told = write_volume(prepared(case, declared), declared, tmp_path)

    with pytest.raises(ResultError, match=says):
        volume_left(tmp_path, told | change)


def test_a_voxel_that_is_no_number_is_not_shown(case, tmp_path):
    declared = Input.model_validate(PLAIN)
    told = write_volume(prepared(case, declared), declared, tmp_path)
    (tmp_path / "volume.f32").write_bytes(np.full(SIDES, np.inf, "<f4").tobytes())

    with pytest.raises(ResultError, match="no number"):
        volume_left(tmp_path, told)
