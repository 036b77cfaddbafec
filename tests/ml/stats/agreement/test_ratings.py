import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ml.stats.agreement.ratings import (
    _patterns,
    category_counts,
    ratings_of_table,
    resampled_sums,
    table_of_ratings,
)
from ml.stats.bootstrap import Settings, replicate_sums
from ml.stats.clusters import Clusters

tables = hnp.arrays(np.int64, st.integers(2, 4).map(lambda k: (k, k)), elements=st.integers(0, 5))


@given(tables)
def test_a_table_survives_the_way_to_ratings_and_back(table):
    assert (table_of_ratings(ratings_of_table(table), len(table)) == table).all()


@given(
    hnp.arrays(float, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.integers(0, 3))
)
def test_patterns_are_the_distinct_rows(rows):
    found = _patterns(rows)
    distinct, number = np.unique(rows, axis=0, return_counts=True)

    assert (rows[found.first] == distinct).all()
    assert (found.multiplicity == number).all()


def test_many_valued_rows_are_sorted_and_too_many_valued_ones_refused(rng):
    rows = rng.integers(0, 60, (200, 5)).astype(float)
    distinct, number = np.unique(rows, axis=0, return_counts=True)

    assert (rows[_patterns(rows).first] == distinct).all()
    assert (_patterns(rows).multiplicity == number).all()
    assert _patterns(rng.integers(0, 9, (10, 40)).astype(float)) is None
    assert _patterns(np.zeros((0, 3))) is None


@pytest.mark.parametrize("wrong", [[[0.5]], [[-1.0]], [[2.0]], [[np.inf]], [0.0]])
def test_what_is_no_declared_code_is_refused(wrong):
    with pytest.raises(ValueError, match=r"codes|expected"):
        category_counts(np.array(wrong), 2)


@pytest.mark.parametrize("wrong", [[[1.0]], [[1, 2]], [[1, 2], [0.5, 1]], [[1, -1], [1, 1]]])
def test_what_is_no_table_of_counts_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|counts"):
        ratings_of_table(np.array(wrong))


def test_answers_of_one_reader_alone_are_left_out():
    ratings = np.array([[0, 1], [np.nan, 1], [1, 1]])

    assert table_of_ratings(ratings, 2).tolist() == [[0, 1], [0, 1]]


def test_resampling_through_patterns_where_they_pay_else_case_by_case(rng):
    rows = rng.integers(0, 2, (200, 3)).astype(float)
    per_case, few = rows @ np.diag([1.0, 2, 3]), Settings(draws=4000)
    alone, pairs = Clusters.singles(200), Clusters.of(np.arange(200) // 2)
    by_case = replicate_sums(per_case, few)
    by_pattern = resampled_sums(per_case, rows, alone, few)

    assert not np.array_equal(by_pattern, by_case)
    assert by_pattern.mean(axis=0) == pytest.approx(by_case.mean(axis=0), rel=0.01)
    assert np.cov(by_pattern.T) == pytest.approx(np.cov(by_case.T), rel=0.15, abs=25)
    many = np.arange(200.0)[:, None]
    assert np.array_equal(resampled_sums(per_case, None, alone, few), by_case)
    assert np.array_equal(resampled_sums(per_case, many, alone, few), by_case)
    assert np.array_equal(
        resampled_sums(per_case, rows, pairs, few), replicate_sums(pairs.sums(per_case), few)
    )
