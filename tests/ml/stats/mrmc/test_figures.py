import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.clusters import Clusters
from ml.stats.mrmc.curve import average_curve
from ml.stats.mrmc.figures import (
    _untied_wins,
    auc_figures,
    sensitivity_figures,
    specificity_figures,
)
from ml.stats.mrmc.study import MrmcStudy
from tests.ml.stats.mrmc.naive import drawn, naive_auc, naive_left_out, study_of


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_left_out_is_the_auc_without_each_case(ties: bool, missing: float) -> None:
    study = drawn(3, ties=ties, missing=missing)
    np.testing.assert_allclose(
        auc_figures(study).left_out, naive_left_out(study), rtol=0, atol=1e-12
    )


def test_left_out_of_clusters_takes_pairs_inside_off_once() -> None:
    study = drawn(4, ties=True, missing=0.1)
    units = np.repeat(np.arange(7), 2)
    units[-1] = 0
    clustered = MrmcStudy(
        study.scores, study.present, study.modalities, study.readers, study.cases,
        Clusters.of(units, "patient"),
    )  # fmt: skip
    np.testing.assert_allclose(
        auc_figures(clustered).left_out, naive_left_out(study, units), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    "scores",
    [
        [-3.5, -1e-300, 1e-300, 2.0, -2.0, 7e200, -7e200, 0.5],
        [5e-324, -5e-324, 1e-310, -1e-310, 3e-320, 0.0, 1.0, -1.0],  # subnormal
        [1 + at * 2.0**-52 for at in (3, 0, 5, 1, 7, 2, 6, 4)],  # neighbours
        [-1 - at * 2.0**-52 for at in (3, 0, 5, 1, 7, 2, 6, 4)],
        [0.0, -0.0, 1.0, -1.0, 0.25, -0.25, 4.0, -4.0],  # the two zeros are tied
        [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0],
    ],
)
def test_numbers_that_a_sort_by_bits_could_get_wrong(scores: list[float]) -> None:
    values = np.array([scores, scores[::-1], np.roll(scores, 3)])[None]
    study = study_of(values, np.arange(8) % 2)
    found = auc_figures(study)
    expected = [naive_auc(one, study.present.astype(int)) for one in values[0]]
    np.testing.assert_allclose(found.values[0], expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.left_out, naive_left_out(study), rtol=0, atol=1e-15)
    # a missing case takes the other way to the same numbers
    longer = np.concatenate([values, np.full((1, 3, 1), np.nan)], axis=2)
    other = auc_figures(study_of(longer, np.arange(9) % 2))
    np.testing.assert_array_equal(found.values, other.values)
    np.testing.assert_array_equal(found.placements, other.placements[:, :, :8])


@pytest.mark.parametrize("size", [2, 3, 128, 129, 1000])
def test_many_untied_cases(size: int) -> None:
    study = drawn(size, shape=(1, 2, size))
    assert _untied_wins(study.scores[0], study.present) is not None  # else the quick way is lost
    found = auc_figures(study)
    for reader in range(2):
        own = study.scores[0, reader]
        apart = own[study.present][:, None] > own[~study.present]
        assert found.values[0, reader] == pytest.approx(apart.mean(), abs=1e-14)
        np.testing.assert_allclose(found.placements[0, reader, study.present], apart.mean(axis=1))
        np.testing.assert_allclose(found.placements[0, reader, ~study.present], apart.mean(axis=0))


def test_hanley_mcneil_1982_ratings() -> None:
    # Hanley, McNeil (1982), Radiology 143:29-36, table 1: AUC 0.893 (ratings of 109 CT images).
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    scores = np.repeat(np.r_[1:6, 1:6], normal + abnormal)
    present = np.repeat([0, 1], [58, 51])
    found = auc_figures(study_of(scores[None, None], present))
    assert found.values[0, 0] == pytest.approx(0.8932, abs=5e-5)


def test_a_reader_without_one_kind_of_case_has_no_auc() -> None:
    study = drawn()
    study.scores[0, 1, study.present] = np.nan
    found = auc_figures(study).values
    assert np.isnan(found[0, 1])
    assert np.isfinite(found[0, 0])


def test_shares_at_a_threshold() -> None:
    study = study_of([[[1, 2, 3, 4], [4, 3, np.nan, 1]]], [0, 0, 1, 1])
    sensitivity, specificity = sensitivity_figures(study, 3), specificity_figures(study, 3)
    np.testing.assert_allclose(sensitivity.values, [[1.0, 0.0]])
    np.testing.assert_allclose(specificity.values, [[1.0, 0.0]])
    np.testing.assert_allclose(
        sensitivity_figures(study, 4).left_out[0, 0], [1.0, 0.0]
    )  # the first present case was below
    assert sensitivity.n == 2


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_order_of_cases_and_monotone_transforms_do_not_matter(seed: int) -> None:
    study = drawn(seed, ties=seed % 2 == 0, missing=0.1)
    order = np.random.default_rng(seed).permutation(len(study.cases))
    values = auc_figures(study).values
    shuffled = study_of(study.scores[:, :, order], study.present[order])
    np.testing.assert_allclose(auc_figures(shuffled).values, values, atol=1e-12)
    bent = study_of(np.exp(study.scores), study.present)
    np.testing.assert_allclose(auc_figures(bent).values, values, atol=1e-12)
    for i, j in np.ndindex(values.shape):
        assert values[i, j] == pytest.approx(
            naive_auc(study.scores[i, j], study.present), nan_ok=True
        )


def test_constant_scores_are_one_half() -> None:
    assert auc_figures(study_of(np.ones((1, 2, 6)), [0, 1] * 3)).values.tolist() == [[0.5, 0.5]]


def test_long_arrays_and_orientation() -> None:
    rows = {"modality": ["a"] * 4, "reader": [1] * 4, "case": [1, 2, 3, 4],
            "score": [1.0, 2.0, 3.0, 4.0], "present": [0, 0, 1, 1]}  # fmt: skip
    up = MrmcStudy.of(**rows, higher_means="present")
    down = MrmcStudy.of(**rows, higher_means="absent")
    assert auc_figures(up).values[0, 0] == 1.0
    assert auc_figures(down).values[0, 0] == 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": [1, 1, 3, 4]}, "more than once"),
        ({"score": [1.0, np.nan, 3.0, 4.0]}, "finite"),
        ({"present": [0, 0, 1]}, "equally long"),
        ({"present": [0, 0, 2, 1]}, "0 or 1"),
        ({"higher_means": "up"}, "higher_means"),
    ],
)
def test_malformed_input_is_refused_in_words(change: dict[str, object], words: str) -> None:
    rows: dict[str, object] = {
        "modality": ["a"] * 4, "reader": [1] * 4, "case": [1, 2, 3, 4],
        "score": [1.0, 2.0, 3.0, 4.0], "present": [0, 0, 1, 1], "higher_means": "present",
    }  # fmt: skip
    with pytest.raises(ValueError, match=words):
        MrmcStudy.of(**(rows | change))


def test_a_case_with_two_truths_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one truth"):
        MrmcStudy.of(["a", "b"], [1, 1], [1, 1], [1.0, 2.0], [0, 1], higher_means="present")


def test_designs_are_told_apart() -> None:
    crossed = drawn()
    assert crossed.design == "crossed"
    nested = np.full((2, 3, 42), np.nan)
    for j in range(3):
        nested[:, j, 14 * j : 14 * (j + 1)] = crossed.scores[:, j]
    assert study_of(nested, np.tile(crossed.present, 3)).design == "cases in readers"
    nested = np.full((2, 3, 28), np.nan)
    for i in range(2):
        nested[i, :, 14 * i : 14 * (i + 1)] = crossed.scores[i]
    assert study_of(nested, np.tile(crossed.present, 2)).design == "cases in modalities"
    assert drawn(missing=0.3).design == "incomplete"


def test_the_grid_of_a_mean_curve_finds_the_upper_end_of_every_step() -> None:
    """All false positive shares are points of the grid: the mean of one curve is that curve."""
    present = np.repeat([1, 0], [40, 100])
    study = study_of(np.random.default_rng(6).normal(size=(1, 1, 140)) + present, present)
    scores = study.scores[0, 0]
    falling = np.sort(scores[~study.present])[::-1]
    # with k cases without the finding called, all above the next of them may be called
    upper = [(scores[study.present] > following).mean() for following in [*falling, -np.inf]]
    np.testing.assert_allclose(average_curve(study, 0)[:, 1], upper, rtol=0, atol=1e-12)
