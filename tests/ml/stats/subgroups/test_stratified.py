import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.simpson import simpson, strata_tables
from ml.stats.subgroups.stratified import breslow_day, cochran_mantel_haenszel, mantel_haenszel

# Bickel, Hammel, O'Connell (1975), Science 187:398: admitted by sex in six departments
BERKELEY = np.array(
    [[[512, 89], [313, 19]], [[353, 17], [207, 8]], [[120, 202], [205, 391]],
     [[138, 131], [279, 244]], [[53, 94], [138, 299]], [[22, 24], [351, 317]]]
)  # fmt: skip


def test_berkeley_as_r_has_it():
    found = mantel_haenszel(BERKELEY)

    assert found.value == pytest.approx(0.9046968, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.7719074, 1.0603298), abs=1e-6)
    assert cochran_mantel_haenszel(BERKELEY).value == pytest.approx(1.5246067, abs=1e-6)
    # R's default is with correction: X-squared = 1.4269, p-value = 0.2323
    corrected = cochran_mantel_haenszel(BERKELEY, correction=True)
    assert corrected.value == pytest.approx(1.4269, abs=1e-4)
    assert corrected.extra["p"] == pytest.approx(0.2323, abs=1e-4)
    assert breslow_day(BERKELEY).value == pytest.approx(18.8255137, abs=1e-6)
    assert breslow_day(BERKELEY, tarone=True).value == pytest.approx(18.8255013, abs=1e-6)
    assert breslow_day(BERKELEY).extra["df"] == 5


def test_one_stratum_is_the_odds_ratio():
    table = np.array([[[10, 5], [4, 12]]])
    found = mantel_haenszel(table)

    assert found.value == pytest.approx(10 * 12 / (5 * 4))
    # RBG reduces to Woolf's variance there.
    assert found.extra["log_variance"] == pytest.approx(1 / 10 + 1 / 5 + 1 / 4 + 1 / 12)
    known = stats.chi2_contingency(table[0], correction=False).statistic
    assert cochran_mantel_haenszel(table).value == pytest.approx(known * 30 / 31)


def test_equal_strata_have_no_heterogeneity():
    table = np.array([[[10, 5], [4, 12]]] * 3)

    assert breslow_day(table).value == pytest.approx(0, abs=1e-9)
    assert mantel_haenszel(table).value == pytest.approx(6)


def test_strata_that_say_nothing_change_nothing():
    more = np.concatenate([BERKELEY, [[[5, 0], [3, 0]], [[0, 0], [4, 4]]]])

    assert mantel_haenszel(more).value == mantel_haenszel(BERKELEY).value
    assert mantel_haenszel(more).extra["strata_left_out"] == 2
    assert breslow_day(more).extra["df"] == 5


@pytest.mark.parametrize(
    ("table", "which"), [([[5, 0], [0, 5]], "infinite"), ([[0, 5], [5, 0]], "is 0")]
)
def test_no_odds_ratio(table, which):
    tables = np.array([table])

    assert which in mantel_haenszel(tables).reason
    assert breslow_day(tables).value is None


def test_nothing_to_compare():
    empty = np.zeros((0, 2, 2))

    assert mantel_haenszel(empty).value is None
    assert cochran_mantel_haenszel(empty).value is None
    assert "fewer than two strata" in breslow_day(np.array([[[10, 5], [4, 12]]])).reason


@pytest.mark.parametrize(
    "tables", [np.ones((2, 2)), np.full((1, 2, 2), -1), [[[np.nan, 1], [1, 1]]]]
)
def test_malformed(tables):
    with pytest.raises(ValueError, match=r"expected|must be finite"):
        mantel_haenszel(tables)


_stratum = st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2)


@given(st.lists(_stratum, min_size=1, max_size=4))
def test_turning_the_table_inverts_the_odds_ratio(strata):
    tables = np.array(strata)
    found, turned = mantel_haenszel(tables), mantel_haenszel(tables[:, ::-1])
    test, other = breslow_day(tables), breslow_day(tables[:, :, ::-1])

    if found.value is None:
        assert turned.value is None
        return
    assert found.value == pytest.approx(1 / turned.value)
    assert (found.low, found.high) == pytest.approx((1 / turned.high, 1 / turned.low))
    assert mantel_haenszel(tables.transpose(0, 2, 1)).value == pytest.approx(found.value)
    if test.value is not None:
        assert test.value == pytest.approx(other.value, abs=1e-6)
        assert test.value >= 0


def test_berkeley_turns_around():
    found = simpson(BERKELEY)

    assert found.pooled.value == pytest.approx(1.84108, abs=1e-5)  # 1198·1278 / (557·1493)
    assert found.stratified.value < 1
    assert found.reverses
    assert "turns around" in found.sentence


def test_a_difference_that_vanishes_and_one_that_stays():
    # Within each stratum no difference; the first group is mostly in the easy stratum.
    vanishes = simpson(np.array([[[80, 20], [40, 10]], [[10, 20], [50, 100]]]))
    stays = simpson(np.array([[[80, 20], [50, 50]], [[40, 10], [25, 25]]]))
    nothing = simpson(np.array([[[5, 0], [0, 5]]]))

    assert vanishes.vanishes
    assert not vanishes.reverses
    assert "can no longer be told" in vanishes.sentence
    assert stays.sentence is None
    assert nothing.sentence is None


def test_tables_of_strata():
    first = np.array([1, 1, 0, 0, 1], bool)
    right = np.array([1, 0, 1, 0, 1], bool)
    strata = Groups.of(["x", "x", "x", "y", None])

    assert strata_tables(first, right, strata).tolist() == [[[1, 1], [1, 0]], [[0, 0], [0, 1]]]


@pytest.mark.parametrize("dtype", [int, np.uint8, float])
def test_rows_and_columns_of_0_and_1_are_no_codes(rng, dtype):
    first, outcome = rng.random(50) < 0.4, rng.random(50) < 0.6
    strata = Groups.of(["x", "y"] * 25)

    found = strata_tables(first.astype(dtype), outcome.astype(dtype), strata)

    assert found.tolist() == strata_tables(first, outcome, strata).tolist()
    assert found.sum() == 50
    with pytest.raises(ValueError, match="one length"):
        strata_tables(first[:-1], outcome, strata)
    with pytest.raises(ValueError, match="0 or 1"):
        strata_tables(first, np.full(50, np.nan), strata)
