"""Segmentations of DICOM series, from a folder that is handed in to the masks that are kept."""

import json

import numpy as np
import pytest

from ml.imaging.mask import unpack
from ml.imaging.series import volume_of
from ml.intake.cohort import read_cohort
from ml.intake.refusal import Refused
from tests.ml.imaging.enhanced import saved, segmentation, series
from tests.ml.intake.build import QUIET, codes

IMAGE = np.zeros((5, 6, 4), np.int16)
SLICES = np.arange(5)[:, None, None] * np.ones((5, 6, 4))  # each another picture
DRAWN = np.zeros((6, 4))
DRAWN[1:4, 1:3] = 1


@pytest.fixture
def folder(tmp_path):
    """One case of five slices, its reference mask and that of one reader as SEG."""
    top = tmp_path / "cohort"
    for name in ("images/a", "masks/r1"):
        (top / name).mkdir(parents=True)
    files = series(IMAGE)
    for number, data in enumerate(files):
        (top / "images" / "a" / f"{number}.dcm").write_bytes(data)
    (top / "masks" / "a.dcm").write_bytes(saved(segmentation(files, [(3, 1, DRAWN)])))
    (top / "masks" / "r1" / "a.dcm").write_bytes(
        saved(segmentation(files, [(2, 1, DRAWN), (3, 1, DRAWN)]))
    )
    (top / "cohort.yaml").write_text("title: T\ntask: segmentation\nclasses: [lesion]\n")
    (top / "cases.csv").write_text("case_id,image,mask\na,images/a/*.dcm,masks/a.dcm\n")
    return top


def read(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    result = read_cohort(folder, out, QUIET)
    return json.loads((out / result["catalogue"]).read_bytes())["cases"][0], out


def test_masks_lie_on_the_grid_of_their_image(folder, tmp_path):
    case, out = read(folder, tmp_path)

    volume = volume_of([path.read_bytes() for path in (folder / "images" / "a").iterdir()])
    kept = {
        name: unpack((out / "files" / entry["sha256"]).read_bytes())
        for name, entry in (("mask", case["mask"]), ("r1", case["reader_masks"]["r1"]))
    }
    assert [int(kept["mask"].labels[:, :, z].sum()) for z in range(5)] == [0, 0, 0, 6, 0]
    assert [int(kept["r1"].labels[:, :, z].sum()) for z in range(5)] == [0, 0, 6, 6, 0]
    assert kept["mask"].shape == volume.values.shape
    assert kept["mask"].same_grid(kept["r1"])
    np.testing.assert_allclose(kept["mask"].grid, volume.affine.ravel())
    assert case["mask"]["voxels"] == [6]


def test_a_segmentation_of_another_series_is_refused(folder, tmp_path):
    other = series(IMAGE, start=(10.3, 20, 30))
    (folder / "masks" / "a.dcm").write_bytes(saved(segmentation(other, [(3, 1, DRAWN)])))

    with pytest.raises(Refused) as refused:
        read(folder, tmp_path)

    assert codes(refused) == ["mask_grid"]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_series_with_a_gap_has_no_grid_for_a_mask(folder, tmp_path):
    (folder / "images" / "a" / "2.dcm").unlink()

    with pytest.raises(Refused) as refused:
        read(folder, tmp_path)

    assert set(codes(refused)) == {"series_geometry"}


def test_the_finding_of_one_picture(folder, tmp_path):
    """A label and a SEG of the one slice that the case has."""
    (folder / "cohort.yaml").write_text(
        "title: T\ntask: classification\nclasses: ['no', 'yes']\npositive: ['yes']\n"
    )
    (folder / "cases.csv").write_text(
        "case_id,image,label,mask\na,images/a/3.dcm,yes,masks/a.dcm\n"
    )
    (folder / "masks" / "r1" / "a.dcm").unlink()

    case, out = read(folder, tmp_path)

    kept = unpack((out / "files" / case["mask"]["sha256"]).read_bytes())
    np.testing.assert_array_equal(kept.labels, DRAWN)


@pytest.mark.parametrize(
    ("row", "files", "notes"),
    [
        ("plain", lambda: series(SLICES), []),
        ("B26-missing", lambda: series(SLICES)[:2] + series(SLICES)[3:], ["series_geometry"]),
        ("B26-twice", lambda: [*series(SLICES), series(SLICES + 9, SOPInstanceUID="1.9")[2]],
         ["series_geometry"]),
        ("B26-spacing", lambda: [*series(SLICES)[:4], series(SLICES, PixelSpacing=[0.5, 0.8])[4]],
         ["series_geometry"]),
        ("B27", lambda: [*series(SLICES)[:4], series(SLICES, PatientID="q")[4]],
         ["series_identity"]),
        ("B28-tilt", lambda: series(SLICES, step=(0, 0.7, 2.5)), ["gantry_tilt"]),
        ("B28-coronal", lambda: series(SLICES, tilted=90, step=(0, 2.5, 0)), ["not_transverse"]),
        ("two views", lambda: series(SLICES)[:2], []),
        ("no place", lambda: series(SLICES, ImagePositionPatient=None), []),
    ],
)  # fmt: skip
def test_what_the_slices_of_a_case_are_is_noted_at_its_first(row, files, notes, folder, tmp_path):
    """Rows 26 to 28 of the matrix: several pictures are no fault of a cohort, and no volume."""
    for old in (folder / "images" / "a").iterdir():
        old.unlink()
    distinct = files()
    for number, data in enumerate(distinct):
        (folder / "images" / "a" / f"{number}.dcm").write_bytes(data)
    (folder / "cohort.yaml").write_text(
        "title: T\ntask: classification\nclasses: ['no', 'yes']\npositive: ['yes']\n"
    )
    (folder / "cases.csv").write_text("case_id,image,label\na,images/a/*.dcm,yes\n")
    for path in (folder / "masks").rglob("*.dcm"):
        path.unlink()

    case, _ = read(folder, tmp_path)

    assert [image.get("notes", []) for image in case["images"]] == [
        notes, *[[]] * (len(distinct) - 1)
    ]  # fmt: skip
