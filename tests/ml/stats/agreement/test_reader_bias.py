import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.reader_bias import MIN_APART, reader_bias
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters

FEW = Settings(draws=200)


@pytest.fixture
def incomplete(rng):
    """200 cases, each read by three of six readers; the last says 1 twice as often."""
    table = np.full((200, 6), np.nan)
    for case in range(200):
        readers = rng.permutation(6)[:3]
        table[case, readers] = rng.random(3) < np.where(readers == 5, 0.6, 0.3)
    return table


def naive(values, reader):
    """Every case of a reader that another one answered, one after the other."""
    found = []
    for row in values:
        others = [x for at, x in enumerate(row) if at != reader and not np.isnan(x)]
        if not np.isnan(row[reader]) and others:
            found.append(row[reader] - np.mean(others))
    return np.array(found)


def test_by_hand():
    """Reader 1 says 1 on 2 of 3 cases; the others, on the same cases, 0.5, 0 and 0."""
    table = np.array([[1, 1, 0], [1, 0, np.nan], [0, 0, 0], [np.nan, 1, 1], [1, np.nan, np.nan]])
    found = reader_bias(table, 1, least=2)

    assert found.readers[0].bias.value == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.readers[0].bias.n == 3
    assert found.readers[0].bias.extra["mean"] == pytest.approx(2 / 3)
    assert found.readers[0].bias.extra["mean_others"] == pytest.approx(0.5 / 3)
    assert found.readers[0].bias.extra["n_apart"] == 2
    assert found.readers[2].bias.value == pytest.approx((-1 + 0 + 0) / 3)
    assert np.isnan(found.away[4]).all()
    assert found.away[0].tolist() == [0.5, 0.5, -1]


def test_equals_the_slow_way(incomplete):
    found = reader_bias(incomplete, 1, settings=FEW)

    for one in found.readers:
        apart = naive(incomplete, one.column)
        assert one.bias.value == pytest.approx(apart.mean())
        assert one.bias.n == apart.size
        assert one.bias.extra["n_apart"] == (apart != 0).sum()
        assert one.p == pytest.approx(stats.ttest_1samp(apart, 0).pvalue)
        assert "bootstrap over 200 cases" in one.bias.method  # drawn, whoever read them
        assert one.bias.extra["n_clusters"] == apart.size


def test_the_deviating_reader_stands_out(incomplete):
    found = reader_bias(incomplete, 1, settings=FEW)

    assert found.readers[5].bias.low > 0.1
    assert found.readers[5].p < 1e-4
    assert found.heterogeneity.p < 1e-3
    assert reader_bias(incomplete, 0, settings=FEW).readers[5].bias.high < -0.1


def test_interval_is_that_of_drawn_clusters(rng):
    values = rng.normal(size=(60, 3))
    values[rng.random((60, 3)) < 0.2] = np.nan
    patients = Clusters.of(np.arange(60) // 3, "patient")
    one = reader_bias(values, None, patients, FEW, least=5).readers[1]
    used = np.flatnonzero((~np.isnan(values)).sum(axis=1) >= 2)
    own = patients.where(used)
    drawn = []
    for counts in draw_counts(own.count, FEW):
        for count in counts:
            rows = np.repeat(used, count[own.codes].astype(int))
            drawn.append(naive(values[rows], 1).mean())

    assert (one.bias.low, one.bias.high) == pytest.approx(np.quantile(drawn, (0.025, 0.975)))
    assert "20 patients" in one.bias.method


def test_patients_widen_it(rng):
    values = np.repeat(rng.integers(0, 2, (40, 3)), 4, axis=0).astype(float)
    alone = reader_bias(values, 1, settings=FEW).readers[0]
    together = reader_bias(values, 1, Clusters.of(np.arange(160) // 4), FEW).readers[0]

    assert together.bias.high - together.bias.low > 1.5 * (alone.bias.high - alone.bias.low)
    assert together.bias.extra["se"] == pytest.approx(
        stats.sem(naive(values[::4], 0))  # four copies of a case are one case
    )


def test_cochrans_media():
    """Cochran (1950), Biometrika 37:256: 69 specimens on four media, Q = 8.05 with 3 df."""
    patterns = {(1, 1, 1, 1): 4, (1, 1, 0, 1): 2, (0, 1, 1, 1): 3, (0, 1, 0, 1): 1,
                (0, 0, 0, 0): 59}  # fmt: skip
    table = np.array([row for row, many in patterns.items() for _ in range(many)], dtype=float)
    test = reader_bias(table, 1, settings=FEW).heterogeneity

    assert test.statistic == pytest.approx(8.05, abs=0.005)
    assert (test.df, test.n) == (3, 69)
    assert test.p == pytest.approx(stats.chi2.sf(test.statistic, 3))


def test_ranks_give_friedmans_test(rng):
    ranks = stats.rankdata(rng.normal(size=(25, 5)), axis=1)
    test = reader_bias(ranks, settings=FEW, least=2).heterogeneity
    expected = stats.friedmanchisquare(*ranks.T)

    assert test.statistic == pytest.approx(expected.statistic)
    assert test.p == pytest.approx(expected.pvalue)


def test_panels_that_never_meet_are_compared_within(rng):
    """Two panels of three readers have 2 + 2 degrees of freedom, and their statistics add up."""
    first, second = (rng.integers(0, 2, (50, 3)).astype(float) for _ in range(2))
    both = np.full((100, 6), np.nan)
    both[:50, :3], both[50:, 3:] = first, second
    tests = [reader_bias(one, 1, settings=FEW).heterogeneity for one in (both, first, second)]

    assert tests[0].df == 4
    assert tests[0].statistic == pytest.approx(tests[1].statistic + tests[2].statistic)


def test_exchanged_answers_hold_the_level(rng):
    """Where readers are interchangeable, 5 % of the tests find a difference."""
    ps = []
    for _ in range(300):
        ease = rng.random((60, 1))
        table = (rng.random((60, 5)) < ease).astype(float)
        table[rng.random((60, 5)) < 0.4] = np.nan
        ps.append(reader_bias(table, 1, settings=Settings(draws=2)).heterogeneity.p)

    assert 0.02 < np.mean(np.array(ps) < 0.05) < 0.09


def test_patients_make_the_test_no_surer(rng):
    """Copies of a case in one patient add nothing."""
    table = rng.integers(0, 2, (60, 3)).astype(float)
    copies = np.repeat(table, 5, axis=0)
    own = Clusters.of(np.repeat(np.arange(60), 5), "patient")
    alone = reader_bias(copies, 1, settings=FEW).heterogeneity
    together = reader_bias(copies, 1, own, FEW).heterogeneity
    one = reader_bias(table, 1, Clusters.of(np.arange(60)), FEW).heterogeneity

    assert "60 patients" in together.convention
    assert alone.statistic == pytest.approx(5 * one.statistic)
    assert together.statistic < alone.statistic / 2


def test_exchangeable_readers_are_refused_with_a_reason(incomplete):
    found = reader_bias(incomplete, 1, exchangeable=True)

    assert found.readers == ()
    assert "exchangeable" in found.reason
    assert found.heterogeneity.p is None
    assert found.heterogeneity.reason.startswith("Not tested: readers are exchangeable")


def test_readers_keep_their_names(incomplete):
    names = [f"R{at}" for at in range(6)]
    found = reader_bias(incomplete, 1, settings=FEW, readers=names)

    assert [one.reader for one in found.readers] == names
    assert reader_bias(incomplete, 1, settings=FEW).readers[0].reader == ""
    with pytest.raises(ValueError, match="expected 6 names"):
        reader_bias(incomplete, 1, readers=names[:5])


def test_few_cases_of_a_reader(incomplete):
    incomplete[40:, 0] = np.nan
    one = reader_bias(incomplete, 1, settings=FEW).readers[0]

    assert one.bias.value is None
    assert "at least 30 are needed" in one.bias.reason
    assert reader_bias(incomplete, 1, settings=FEW, least=2).readers[0].bias.value is not None
    with pytest.raises(ValueError, match="least"):
        reader_bias(incomplete, 1, least=1)


def test_as_many_cases_as_asked_for_are_enough(rng):
    table = rng.integers(0, 2, (31, 2)).astype(float)
    table[30, 0] = np.nan
    one = reader_bias(table, 1, settings=FEW, least=30).readers[0].bias
    more = reader_bias(table, 1, settings=FEW, least=31).readers[0].bias

    assert (one.n, more.n) == (30, 30)
    assert one.value is not None
    assert more.value is None


def test_numbers_of_any_size(rng):
    table = rng.normal(size=(40, 3))
    one, huge, tiny = (
        reader_bias(table * factor, settings=FEW).heterogeneity for factor in (1, 1e160, 1e-160)
    )

    assert one.statistic == pytest.approx(huge.statistic) == pytest.approx(tiny.statistic)


def test_readers_who_hardly_differ_have_no_interval():
    table = np.zeros((50, 3))
    none = reader_bias(table, 1)
    assert [one.bias.value for one in none.readers] == [0, 0, 0]
    assert "differ on 0 of" in none.readers[0].bias.reason
    assert "gave it the same answer" in none.heterogeneity.reason

    table[: MIN_APART - 1, 0] = 1
    few = reader_bias(table, 1)
    assert few.readers[0].bias.value == pytest.approx(4 / 50)
    assert not few.readers[0].bias.has_interval
    assert few.readers[0].p is None
    assert "answers in all" in few.heterogeneity.reason

    table[MIN_APART - 1, 0] = 1
    assert reader_bias(table, 1).readers[0].bias.has_interval


def test_a_constant_difference_has_no_interval():
    table = np.column_stack([np.arange(40.0), np.arange(40.0) + 2])
    one = reader_bias(table).readers[1]

    assert one.bias.value == 2
    assert "alike on every case" in one.bias.reason
    assert one.p is None


def test_few_patients(incomplete):
    found = reader_bias(incomplete, 1, Clusters.of(np.arange(200) % 4, "patient"), FEW)

    assert "only 4 patients" in found.readers[0].bias.reason
    assert found.readers[0].p is None
    assert "at least 10" in found.heterogeneity.reason


def test_nothing_to_compare():
    for table in (np.zeros((0, 3)), np.zeros((4, 1)), np.full((5, 2), np.nan), np.zeros((3, 0))):
        found = reader_bias(table, 1)
        assert all(one.bias.value is None for one in found.readers)
        assert found.heterogeneity.reason == "Not tested: no case was answered by two readers."
    with pytest.raises(ValueError, match="shape"):
        reader_bias(np.zeros(4), 1)


tables = st.integers(0, 10_000).map(
    lambda seed: (
        lambda rng: np.where(
            rng.random((40, 4)) < 0.3, np.nan, rng.integers(0, 3, (40, 4)).astype(float)
        )
    )(np.random.default_rng(seed))
)


@given(tables, st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_order_of_cases_and_readers_does_not_matter(table, seed):
    rng = np.random.default_rng(seed)
    columns = rng.permutation(4)
    turned = table[rng.permutation(40)][:, columns]
    one, other = (reader_bias(t, 1, settings=FEW, least=5) for t in (table, turned))

    for at, column in enumerate(columns):
        assert other.readers[at].bias.value == pytest.approx(one.readers[column].bias.value)
        assert other.readers[at].p == pytest.approx(one.readers[column].p)
    assert other.heterogeneity.statistic == pytest.approx(one.heterogeneity.statistic)


@given(tables)
@settings(max_examples=25, deadline=None)
def test_shares_of_all_answers_add_up_to_nothing(table):
    """What a reader gives more of, it gives less of other answers."""
    each = [reader_bias(table, answer, settings=FEW, least=5) for answer in range(3)]

    for reader in range(4):
        total = sum(found.readers[reader].bias.value for found in each)
        assert total == pytest.approx(0, abs=1e-12)


@given(tables, st.floats(0.001, 1e6), st.floats(-1e6, 1e6))
@settings(max_examples=25, deadline=None)
def test_numbers_keep_their_unit(table, factor, shift):
    one = reader_bias(table, settings=FEW, least=5)
    other = reader_bias(table * factor + shift, settings=FEW, least=5)

    for a, b in zip(one.readers, other.readers, strict=True):
        room = 1e-8 * (abs(shift) + factor)
        assert b.bias.value == pytest.approx(a.bias.value * factor, abs=room)
    assert other.heterogeneity.df == one.heterogeneity.df
    if abs(shift) < 1e3 * factor:
        assert other.heterogeneity.statistic == pytest.approx(one.heterogeneity.statistic, rel=1e-6)


def test_equal_cases_are_drawn_together_and_the_interval_is_the_same(rng):
    """Many equal cases are drawn by their number; as clusters of one they are drawn one by one."""
    table = (rng.random((600, 3)) < [0.5, 0.3, 0.3]).astype(float)
    table[rng.random((600, 3)) < 0.2] = np.nan
    many = Settings(draws=4000)
    together = reader_bias(table, 1, settings=many).readers[0].bias
    # A tiny shift of every number leaves no two cases alike, and the deviations as they are.
    apart = reader_bias(table + rng.normal(0, 1e-9, table.shape), None, settings=many)
    one_by_one = apart.readers[0].bias

    assert together.value == pytest.approx(one_by_one.value, abs=1e-8)
    half = (one_by_one.high - one_by_one.low) / 2
    assert together.low == pytest.approx(one_by_one.low, abs=0.08 * half)
    assert together.high == pytest.approx(one_by_one.high, abs=0.08 * half)
