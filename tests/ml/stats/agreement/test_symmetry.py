import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ml.stats.agreement.symmetry import bhapkar, bowker, mcnemar, stuart_maxwell

COHEN_1968 = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
# Stuart (1955): unaided vision of 7,477 women, right eye by left eye.
VISION = np.array(
    [[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]]
)
tables = hnp.arrays(np.int64, st.integers(2, 4).map(lambda k: (k, k)), elements=st.integers(0, 6))


def test_published_vision_of_women():
    """Stuart 11.96, Bhapkar 11.98, Bowker 19.11 (Stuart 1955; Bhapkar 1966; Agresti 2002)."""
    assert stuart_maxwell(VISION).statistic == pytest.approx(11.957, abs=5e-4)
    assert stuart_maxwell(VISION).df == 3
    assert bhapkar(VISION).statistic == pytest.approx(11.976, abs=5e-4)
    assert bowker(VISION).statistic == pytest.approx(19.107, abs=5e-4)
    assert bowker(VISION).df == 6


def test_three_answers_by_the_closed_form_of_fleiss_and_everitt():
    """Fleiss, Everitt (1971); equal margins of one answer do not remove it from the test."""
    d = COHEN_1968.sum(axis=1) - COHEN_1968.sum(axis=0)
    mean = (COHEN_1968 + COHEN_1968.T) / 2
    a, b, c = mean[0, 1], mean[0, 2], mean[1, 2]
    expected = (c * d[0] ** 2 + b * d[1] ** 2 + a * d[2] ** 2) / (2 * (a * b + a * c + b * c))

    found = stuart_maxwell(COHEN_1968)
    assert d[1] == 0
    assert found.statistic == pytest.approx(expected)
    assert found.df == 2


def test_mcnemar_by_hand():
    """9 against 6 discordant cases."""
    table = np.array([[40, 9], [6, 45]])
    exact = stats.binomtest(6, 15, 0.5).pvalue

    assert mcnemar(table, "asymptotic").statistic == pytest.approx(9 / 15)
    assert mcnemar(table, "corrected").statistic == pytest.approx(4 / 15)
    assert mcnemar(table).p == pytest.approx(exact)
    assert mcnemar(table, "mid-p").p == pytest.approx(exact - stats.binom.pmf(6, 15, 0.5))


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_by_enumeration(b, c):
    table = np.array([[3, b], [c, 4]])
    chance = stats.binom.pmf(np.arange(b + c + 1), b + c, 0.5)
    gap = np.abs(2 * np.arange(b + c + 1) - b - c)

    assert mcnemar(table).p == pytest.approx(min(1, chance[gap >= abs(b - c)].sum()))
    middle = chance[gap > abs(b - c)].sum() + chance[gap == abs(b - c)].sum() / 2
    if b != c:
        assert mcnemar(table, "mid-p").p == pytest.approx(middle)
    assert 0 <= mcnemar(table, "mid-p").p <= mcnemar(table).p
    swapped = mcnemar(table.T)
    assert swapped.p == pytest.approx(mcnemar(table).p)


@given(tables)
@settings(max_examples=60, deadline=None)
def test_names_of_answers_and_order_of_readers_do_not_matter(table):
    order = np.random.default_rng(int(table.sum())).permutation(len(table))
    for test in (bowker, stuart_maxwell, bhapkar):
        once = test(table)
        for other in (table.T, table[np.ix_(order, order)]):
            again = test(other)
            assert again.df == once.df
            assert (again.p is None) == (once.p is None)
            if once.p is not None:
                assert again.statistic == pytest.approx(once.statistic, abs=1e-9)
                assert 0 <= once.p <= 1


def test_two_answers_are_mcnemars_test():
    table = np.array([[40, 9], [3, 45]])
    expected = mcnemar(table, "asymptotic")

    for test in (bowker, stuart_maxwell):
        assert test(table).statistic == pytest.approx(expected.statistic)
        assert test(table).p == pytest.approx(expected.p)


def test_an_unused_answer_changes_nothing():
    wider = np.zeros((4, 4))
    wider[np.ix_([0, 1, 3], [0, 1, 3])] = COHEN_1968

    for test in (stuart_maxwell, bhapkar):
        assert test(wider).statistic == pytest.approx(test(COHEN_1968).statistic)
        assert test(wider).df == 2
    assert bowker(wider).statistic == pytest.approx(bowker(COHEN_1968).statistic)
    assert (bowker(wider).df, bowker(wider, "observed").df) == (6, 3)


def test_blocks_that_are_never_mixed_up_have_a_constraint_each():
    one, other = np.array([[5, 4], [1, 6]]), np.array([[3, 2], [7, 8]])
    both = np.zeros((4, 4))
    both[:2, :2], both[2:, 2:] = one, other
    found = stuart_maxwell(both)

    assert found.df == 2
    assert found.statistic == pytest.approx(9 / 5 + 25 / 9)


def test_nothing_to_test():
    for table, test in itertools.product(
        (np.diag([4, 5]), np.zeros((2, 2))),
        (bowker, stuart_maxwell, bhapkar, lambda t: mcnemar(t, "asymptotic")),
    ):
        found = test(table)
        assert found.p is None
        assert found.reason.startswith("Not tested")
    assert mcnemar(np.diag([4, 5])).p == mcnemar(np.diag([4, 5]), "mid-p").p == 1
    assert "same direction" in bhapkar(np.array([[0, 5], [0, 0]])).reason


def test_refusals():
    for call in (
        lambda: mcnemar(COHEN_1968),
        lambda: mcnemar(np.eye(2), "chi2"),
        lambda: bowker(np.eye(2), "some"),
        lambda: bowker(np.ones((2, 3))),
    ):
        with pytest.raises(ValueError, match=r"expected|must be"):
            call()


def test_dropping_equal_margins_is_another_test_and_says_so():
    """Cohen (1968): one answer is given 60 times by both readers, to different cases."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]], dtype=float)
    kept = stuart_maxwell(table)
    dropped = stuart_maxwell(table, equal_margins="dropped")

    assert (round(kept.statistic, 4), kept.df) == (13.5135, 2)
    # What is left is a table of two answers, 18 against 2: McNemar's (18 - 2)^2 / 20.
    assert (dropped.statistic, dropped.df) == (pytest.approx(12.8), 1)
    assert dropped.n == 120
    assert "irr" in dropped.convention
    assert "irr" not in kept.convention
    with pytest.raises(ValueError, match="equal_margins"):
        stuart_maxwell(table, equal_margins="halved")
