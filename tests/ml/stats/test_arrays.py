import numpy as np
import pytest

from ml.stats.arrays import checked_binary, checked_probabilities, ratio


def test_ratio_has_no_value_at_or_below_the_least():
    got = ratio(np.array([1.0, 1.0, 4.0, 3.0]), np.array([0.0, -1.0, 2.0, 0.5]), least=0.5)
    assert np.isnan(got[[0, 1, 3]]).all()
    assert got[2] == 2.0


def test_one_is_present():
    scores, present = checked_binary([0.1, 0.2], [0, 1])
    assert present.tolist() == [False, True]
    assert scores.dtype == np.float64


def test_rounding_is_cut_and_logits_are_refused():
    found, _ = checked_probabilities(np.array([-1e-9, 1 + 1e-9]), np.array([0, 1]))
    assert found.tolist() == [0.0, 1.0]
    for wrong in (1.1, -0.1):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            checked_probabilities(np.array([wrong]), np.array([1]))


@pytest.mark.parametrize(
    ("scores", "present", "message"),
    [
        ([np.nan], [1], "finite"),
        ([0.5], [2], "0 or 1"),
        ([0.5], [0, 1], "two"),
        ([[0.5]], [[1]], "two"),
    ],
)
def test_refuses(scores, present, message):
    with pytest.raises(ValueError, match=message):
        checked_binary(np.array(scores), np.array(present))
