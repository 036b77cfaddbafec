import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.icc import icc
from ml.stats.agreement.measurement_error import sdc, sem
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters


@pytest.fixture
def ratings(rng):
    return rng.normal(size=(20, 3)) + 3 * rng.normal(size=(20, 1)) + np.array([0, 0.5, 1])


def test_by_hand():
    """Rows 1,2 / 3,4 / 5,7: error mean square 1/6, within cases 1."""
    table = np.array([[1.0, 2], [3, 4], [5, 7]])

    assert sem(table, "consistency").value == pytest.approx((1 / 6) ** 0.5)
    assert sem(table, "agreement").value == pytest.approx(1)


def test_two_readers_have_the_sd_of_their_difference_over_root_two(ratings):
    difference = ratings[:, 0] - ratings[:, 1]
    estimate = sem(ratings[:, :2], "consistency")

    assert estimate.value == pytest.approx(difference.std(ddof=1) / 2**0.5)
    ends = difference.std(ddof=1) * np.sqrt(19 / stats.chi2.ppf([0.975, 0.025], 19)) / 2**0.5
    assert [estimate.low, estimate.high] == pytest.approx(ends)
    assert estimate.method == "chi-squared distribution"


def test_agreement_is_the_error_that_the_icc_leaves(ratings):
    """SEM^2 = (1 - ICC(A,1)) * total variance, by definition of the ICC."""
    n, k = ratings.shape
    total = sem(ratings).value ** 2 / (1 - icc(ratings).value)
    between = icc(ratings).value * total
    centred = ratings - ratings.mean(axis=0)
    error = ((centred - centred.mean(axis=1, keepdims=True)) ** 2).sum() / ((n - 1) * (k - 1))
    cases = k * ratings.mean(axis=1).var(ddof=1)

    assert between == pytest.approx((cases - error) / k)


def test_satterthwaite_is_between_its_parts(ratings):
    """Readers far apart: hardly two degrees of freedom are left, and the interval is wide."""
    near, far = sem(ratings), sem(ratings + np.array([0, 20, 40]))

    assert far.high / far.value > 3 > near.high / near.value
    # error alone, were it all: n k - n - k + 1 degrees of freedom
    assert near.high / near.value > np.sqrt(38 / stats.chi2.ppf(0.025, 38))


@pytest.mark.parametrize("definition", ["agreement", "consistency"])
def test_detectable_change(ratings, definition):
    error, change = sem(ratings, definition), sdc(ratings, definition)

    assert change.value == pytest.approx(1.96 * 2**0.5 * error.value)
    assert (change.low, change.high) == pytest.approx(
        (1.96 * 2**0.5 * error.low, 1.96 * 2**0.5 * error.high)
    )
    assert sdc(ratings, definition, cases=4).value == pytest.approx(change.value / 2)
    assert sdc(ratings, definition, multiplier=1.645).value == pytest.approx(
        change.value * 1.645 / 1.96
    )


def test_the_interval_of_clusters_is_that_of_whole_patients(rng):
    ratings = np.repeat(rng.normal(size=(30, 2)), 4, axis=0)
    alone = sem(ratings)
    clustered = sem(ratings, "agreement", Clusters.of(np.repeat(np.arange(30), 4), "patient"))

    assert clustered.value == alone.value
    assert clustered.high - clustered.low > 1.4 * (alone.high - alone.low)
    assert "30 patients" in clustered.method


def test_no_error_has_no_interval():
    estimate = sem(np.repeat(np.arange(5.0)[:, None], 2, axis=1))

    assert estimate.value == 0
    assert not estimate.has_interval
    assert estimate.reason.startswith("No interval")


def test_one_case_is_undefined():
    assert sem(np.array([[1.0, 2.0]])).value is None
    assert sdc(np.array([[1.0, 2.0]])).reason.startswith("Not estimated")


def test_refusals(ratings):
    with pytest.raises(ValueError, match="definition must be"):
        sem(ratings, "both")
    with pytest.raises(ValueError, match=r"above 0|1 at least"):
        sdc(ratings, multiplier=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 3))
def test_never_nan_and_the_unit_carries_over(seed, n, readers):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, 3, size=(n, readers)).astype(float)
    one, ten = sem(ratings, settings=Settings(draws=50)), sem(10 * ratings + 3)

    assert (one.value is None) == (ten.value is None)
    if one.value is not None:
        assert ten.value == pytest.approx(10 * one.value)
