"""What reader studies refuse, and what they answer without an interval."""

from dataclasses import replace

import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.mrmc.curve import average_curve, reader_curve
from ml.stats.mrmc.dbm import dorfman_berbaum_metz
from ml.stats.mrmc.figures import sensitivity_figures
from ml.stats.mrmc.froc import FrocStudy
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.simulate import simulate, structure
from ml.stats.mrmc.standalone import model_against_readers
from ml.stats.mrmc.study import MrmcStudy

STUDY = simulate(structure("HL"), 4, 30, 30, seed=3)


def clustered(count: int) -> MrmcStudy:
    return replace(STUDY, clusters=Clusters.of(np.arange(60) % count, "patient"))


def test_a_study_refuses_clusters_of_other_cases():
    for clusters in (Clusters.singles(59), Clusters(np.arange(60), 7)):
        with pytest.raises(ValueError, match="cluster"):
            replace(STUDY, clusters=clusters)


def test_few_clusters_say_nothing_of_other_cases():
    found = obuchowski_rockette(clustered(9))
    expected = obuchowski_rockette(STUDY)
    for one, other in zip(
        (*found.means, *found.differences), (*expected.means, *expected.differences), strict=True
    ):
        assert one.value == pytest.approx(other.value)
        assert one.low is None
        assert "9 patients" in one.reason
    assert found.test is None
    with pytest.raises(ValueError, match="RRFC"):
        dorfman_berbaum_metz(clustered(9))
    assert obuchowski_rockette(clustered(10)).differences[0].has_interval


def test_the_clusters_that_count_are_those_of_the_figure():
    """Ten patients, of whom five have the finding: their sensitivity rests on five."""
    patients = Clusters.of(np.arange(60) % 5 + 5 * STUDY.present, "patient")
    study = replace(STUDY, clusters=patients)
    assert obuchowski_rockette(study).differences[0].has_interval
    found = obuchowski_rockette(sensitivity_figures(study, 1.0)).differences[0]
    assert found.low is None
    assert "only 5 patients" in found.reason


def test_few_clusters_are_enough_where_cases_are_fixed():
    assert obuchowski_rockette(clustered(9), inference="RRFC").differences[0].has_interval
    assert dorfman_berbaum_metz(clustered(9), "RRFC").differences[0].has_interval
    assert model_against_readers(clustered(9).part(modalities=[0]), 0, "1T-RRFC").mean.has_interval


def test_a_model_beside_readers_of_few_clusters_has_no_interval():
    found = model_against_readers(clustered(9).part(modalities=[0]), 0)
    assert found.difference.value == pytest.approx(found.readers.mean() - found.model)
    assert found.difference.low is None
    assert found.cov2 is None
    assert found.notes == (found.difference.reason,)


@pytest.mark.parametrize("reader", [-1, 4, 0.5])
def test_a_curve_of_no_reader_is_refused(reader):
    with pytest.raises(ValueError, match="reader"):
        reader_curve(STUDY, 0, reader)
    with pytest.raises(ValueError, match="modality"):
        average_curve(STUDY, -1)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [("lesions_per_case", [0, 1.5]), ("lesions_per_case", [0, np.nan]), ("case", [0.5, 1]),
     ("lesion", [0, 0.2]), ("lesions_per_case", [0, -1])],
)  # fmt: skip
def test_marks_that_are_no_whole_numbers_are_refused(column, wrong):
    sound = {"case": [0, 1], "lesion": [0, 1], "lesions_per_case": [0, 1]}
    given = {**sound, column: wrong}
    with pytest.raises(ValueError, match=column):
        FrocStudy.of(
            [0, 0], [0, 0], given["case"], given["lesion"], [2.0, 3.0],
            lesions_per_case=given["lesions_per_case"], modalities=["a"], readers=["x"],
        )  # fmt: skip


@pytest.mark.parametrize("truth", [np.nan, 0.5, 2])
def test_a_truth_that_is_none_is_refused_by_its_own_words(truth):
    with pytest.raises(ValueError, match="present must be 0 or 1"):
        MrmcStudy.of(["a"] * 2, [1, 1], [1, 2], [1.0, 2.0], [1, truth], higher_means="present")


def test_missing_clusters_are_no_cluster():
    with pytest.raises(ValueError, match="cluster code is missing"):
        MrmcStudy.of(
            ["a"] * 2, [1, 1], [1, 2], [1.0, 2.0], [1, 0], higher_means="present",
            cluster=[1.0, np.nan],
        )  # fmt: skip
