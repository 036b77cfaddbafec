import numpy as np
import pytest

from ml.stats.arrays import (
    checked_binary,
    checked_probabilities,
    ratio,
    squares_around_mean,
)


def test_ratio_has_no_value_at_or_below_the_least():
    got = ratio(np.array([1.0, 1.0, 4.0, 3.0]), np.array([0.0, -1.0, 2.0, 0.5]), least=0.5)
    assert np.isnan(got[[0, 1, 3]]).all()
    assert got[2] == 2.0
    assert ratio(np.array([1.0]), np.array([0.25])).tolist() == [4.0]
    assert ratio(np.ones((2, 1)), np.array([1.0, 2.0])).tolist() == [[1.0, 0.5], [1.0, 0.5]]


def test_squares_around_the_mean_are_those_of_numbers_and_none_of_rounding():
    numbers = np.array([[1.0, 2, 4, -3], [0.1, 0.1, 0.1, 0.1], [1e-9, 2e-9, 0, 0], [5, 5, 5, 5]])
    sums = (np.full(4, 4.0), numbers.sum(axis=1), (numbers**2).sum(axis=1))
    got = squares_around_mean(*sums)
    assert got[[0, 2]] == pytest.approx(4 * numbers.var(axis=1)[[0, 2]])
    assert got[[1, 3]].tolist() == [0.0, 0.0]
    nothing = np.zeros(1)
    assert squares_around_mean(nothing, nothing, nothing).tolist() == [0.0]
    # Of 0.1 three times, rounding leaves 3e-18 or so: a spread that is none.
    three = squares_around_mean(np.array([3.0]), np.array([0.3]), np.array([0.03 + 3e-18]))
    assert three.tolist() == [0.0]


def test_one_is_present():
    scores, present = checked_binary([3, 4], [0, 1])
    assert present.tolist() == [False, True]
    assert scores.dtype == np.float64
    assert checked_binary(np.array([0.5]), np.array([True]))[1].tolist() == [True]


def test_rounding_is_cut_and_logits_are_refused():
    found, _ = checked_probabilities(np.array([-1e-9, 1 + 1e-9]), np.array([0, 1]))
    assert found.tolist() == [0.0, 1.0]
    edge = np.array([-1e-6, 1 + 1e-6])
    assert checked_probabilities(edge, np.array([0, 1]))[0].tolist() == [0.0, 1.0]
    for wrong in (1.1, -0.1, 1 + 1.2e-6, -1.2e-6):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            checked_probabilities(np.array([0.4, wrong, 0.5]), np.array([1, 1, 0]))
    nothing, _ = checked_probabilities(np.array([]), np.array([]))
    assert nothing.size == 0


@pytest.mark.parametrize(
    ("scores", "present", "message"),
    [
        ([0.5, np.nan], [1, 1], "finite"),
        ([0.5, np.inf], [1, 1], "finite"),
        ([0.5, 0.5], [1, 2], "0 or 1"),
        ([0.5], [0, 1], "two"),
        ([[0.5]], [[1]], "two"),
    ],
)
def test_refuses(scores, present, message):
    with pytest.raises(ValueError, match=message):
        checked_binary(np.array(scores), np.array(present))
