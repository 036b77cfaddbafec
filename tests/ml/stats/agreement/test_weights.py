import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.agreement.weights import FAMILIES, agreement_weights, custom_weights, resolved

APART = {
    "linear": lambda a, b, low, high: abs(a - b),
    "quadratic": lambda a, b, low, high: (a - b) ** 2,
    "radical": lambda a, b, low, high: math.sqrt(abs(a - b)),
    "ratio": lambda a, b, low, high: ((a - b) / (a + b)) ** 2,
    "circular": lambda a, b, low, high: math.sin(math.pi * (a - b) / (high - low + 1)) ** 2,
    "bipolar": lambda a, b, low, high: (
        0 if a == b else (a - b) ** 2 / ((a + b - 2 * low) * (2 * high - a - b))
    ),
    "ordinal": lambda a, b, low, high: math.comb(int(abs(a - b)) + 1, 2),
}


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_families_by_their_formula_pair_by_pair(name, size):
    table = agreement_weights(size, name).table
    apart = np.array(
        [[APART[name](a, b, 1, size) for b in range(1, size + 1)] for a in range(1, size + 1)]
    )

    assert table == pytest.approx(1 - apart / apart.max())


def test_five_ordered_answers_by_hand():
    """Gwet (2014), section 3.5: ordinal weights of the extremes' neighbours."""
    assert agreement_weights(5, "ordinal").table[0].tolist() == pytest.approx([1, 0.9, 0.7, 0.4, 0])
    assert agreement_weights(5, "quadratic").table[0].tolist() == pytest.approx(
        [1, 15 / 16, 12 / 16, 7 / 16, 0]
    )


@given(st.sampled_from(FAMILIES), st.integers(2, 7))
def test_every_family_is_symmetric_with_one_on_the_diagonal(name, size):
    table = agreement_weights(size, name).table

    assert (table == table.T).all()
    assert (np.diagonal(table) == 1).all()
    assert table.max() <= 1
    assert table.min() >= 0


def test_values_matter_where_distances_do():
    values = np.array([0.0, 1, 10])

    assert agreement_weights(3, "linear", values).table[0, 1] == pytest.approx(0.9)
    assert agreement_weights(3, "ordinal", values).table[0, 1] == pytest.approx(2 / 3)


def test_zero_on_a_ratio_scale_agrees_with_itself():
    table = agreement_weights(3, "ratio", np.array([0.0, 1, 2])).table

    assert table[0, 0] == 1
    assert np.isfinite(table).all()


def test_a_matrix_of_ones_own_points_the_way_its_name_says():
    apart = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])

    assert custom_weights(disagreement=apart).table == pytest.approx(1 - apart / 6)
    assert custom_weights(agreement=1 - apart / 6).table == pytest.approx(1 - apart / 6)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"agreement": np.eye(2), "disagreement": np.zeros((2, 2))},
        {"agreement": np.zeros((2, 2))},
        {"agreement": np.array([[1, 2.0], [2, 1]])},
        {"disagreement": np.eye(2)},
        {"disagreement": np.array([[0, 1.0], [2, 0]])},
        {"disagreement": np.array([[0, -1.0], [-1, 0]])},
        {"agreement": np.ones((2, 3))},
    ],
)
def test_what_is_no_such_matrix_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|must be"):
        custom_weights(**wrong)


def test_wrong_names_values_and_sizes_are_refused():
    for call in (
        lambda: agreement_weights(3, "cubic"),
        lambda: agreement_weights(3, "linear", np.array([1.0, 1, 2])),
        lambda: agreement_weights(2, "ratio", np.array([-1.0, 1])),
        lambda: resolved(custom_weights(agreement=np.eye(3)), 2),
    ):
        with pytest.raises(ValueError, match=r"weights|values"):
            call()


def test_one_answer_has_one_weight():
    for name, size in itertools.product(FAMILIES, [1]):
        assert agreement_weights(size, name).table.tolist() == [[1.0]]
