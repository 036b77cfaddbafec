import numpy as np
import pytest

from ml.stats.agreement.icc import icc_one_way, icc_two_way
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=200)


@pytest.mark.parametrize("case", ["agree-shrout-fleiss1979-icc", "agree-irr-video"])
@pytest.mark.parametrize(
    ("measure", "form"), [(icc_one_way, "ICC(1,1)"), (icc_two_way, "ICC(2,1)=ICC(A,1)")]
)
def test_published_values_and_intervals(reference, case, measure, form):
    known = reference(case)
    estimate = measure(known.ratings)

    assert estimate.value == pytest.approx(known.value("icc", form=form), abs=1e-9)
    assert [estimate.low, estimate.high] == pytest.approx(
        known.value("icc_ci", form=form), abs=1e-9
    )
    assert estimate.method == "F distribution"


def test_by_hand():
    """Means 1.5, 3.5, 5.5: between 8, within 0.5; (8 - 0.5) / (8 + 0.5) = 0.8824."""
    assert icc_one_way(np.array([[1.0, 2], [3, 4], [5, 6]])).value == pytest.approx(7.5 / 8.5)


def test_a_constant_difference_between_readers_counts_as_disagreement():
    scores = np.arange(10.0)[:, None] + np.array([0.0, 3.0])

    assert 0 < icc_two_way(scores).value < 0.9


def test_negative_values_are_reported():
    assert icc_one_way(np.array([[1.0, 5], [5, 1], [1, 5]])).value < 0


def test_unequal_numbers_of_scores():
    """A case with one score adds nothing; the others keep their own numbers of scores."""
    ratings = np.array([[1.0, 2, np.nan], [3, 4, 5], [6, 6, np.nan], [7, np.nan, np.nan]])
    estimate = icc_one_way(ratings)

    assert estimate.n == 3
    assert "mean number" in estimate.method
    assert estimate.value == pytest.approx(icc_one_way(ratings[:3]).value)


def test_shift_does_not_matter(rng):
    ratings = rng.normal(size=(30, 3)) + rng.normal(size=(30, 1))

    for measure in (icc_one_way, icc_two_way):
        assert measure(ratings + 1e5).value == pytest.approx(measure(ratings).value, abs=1e-6)


def test_nodules_of_a_patient_are_drawn_together(rng):
    scores = rng.normal(size=(40, 1)) + rng.normal(size=(40, 3))
    repeated = np.repeat(scores, 5, axis=0)
    patients = Clusters.of(np.repeat(np.arange(40), 5), "patient")

    for measure in (icc_one_way, icc_two_way):
        alone, clustered = measure(repeated), measure(repeated, patients, FEW)
        assert "40 patients" in clustered.method
        assert clustered.high - clustered.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize("measure", [icc_one_way, icc_two_way])
def test_equal_scores_are_undefined(measure):
    estimate = measure(np.full((20, 3), 0.1))

    assert estimate.value is None
    assert "all scores are equal" in estimate.reason


@pytest.mark.parametrize("measure", [icc_one_way, icc_two_way])
def test_one_case_is_undefined(measure):
    assert measure(np.array([[1.0, 2.0]])).value is None


def test_perfect_agreement_has_no_f_interval():
    estimate = icc_one_way(np.repeat(np.arange(5.0)[:, None], 2, axis=1))

    assert estimate.value == 1
    assert not estimate.has_interval
    assert "scores of each case are equal" in estimate.reason
