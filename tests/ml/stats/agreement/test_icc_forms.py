"""The ten forms of McGraw and Wong: values, intervals, tests, names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.anova import mean_squares
from ml.stats.agreement.icc import FORMS, icc
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=200)

# Shrout, Fleiss (1979), table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


@pytest.mark.parametrize(
    ("form", "value"),
    [("one-way:1", 0.17), ("random:agreement:1", 0.29), ("mixed:consistency:1", 0.71),
     ("one-way:k", 0.44), ("random:agreement:k", 0.62), ("mixed:consistency:k", 0.91)],
)  # fmt: skip
def test_table_4_of_shrout_and_fleiss(form, value):
    assert icc(SHROUT_FLEISS, form).value == pytest.approx(value, abs=0.005)


@pytest.mark.parametrize(
    ("form", "low", "high"),
    # psych::ICC of the same table, as its documentation prints it (two digits).
    [("one-way:1", -0.13, 0.72), ("random:agreement:1", 0.019, 0.76),
     ("mixed:consistency:1", 0.34, 0.95), ("one-way:k", -0.88, 0.91),
     ("random:agreement:k", 0.071, 0.93), ("mixed:consistency:k", 0.676, 0.99)],
)  # fmt: skip
def test_intervals_of_shrout_and_fleiss(form, low, high):
    estimate = icc(SHROUT_FLEISS, form)

    assert [estimate.low, estimate.high] == pytest.approx([low, high], abs=0.005)
    assert estimate.method == "F distribution"


def test_the_ten_forms_have_their_own_names():
    assert len(FORMS) == 10
    assert len({form.convention for form in FORMS.values()}) == 10
    assert FORMS["random:agreement:k"].convention.startswith("ICC(2,k) = ICC(A,k), two-way random")
    assert FORMS["mixed:agreement:1"].shrout_fleiss is None
    assert FORMS["one-way:k"].symbol == "ICC(k)"


@pytest.mark.parametrize("rest", ["agreement:1", "agreement:k", "consistency:1", "consistency:k"])
def test_random_and_mixed_readers_have_the_same_numbers(rest):
    random, mixed = icc(SHROUT_FLEISS, f"random:{rest}"), icc(SHROUT_FLEISS, f"mixed:{rest}")

    assert (random.value, random.low, random.high) == (mixed.value, mixed.low, mixed.high)
    assert dict(random.extra) == dict(mixed.extra)


def test_f_tests_and_both_degrees_of_freedom():
    """Shrout and Fleiss: F(5, 18) = 1.79 one way, F(5, 15) = 11.03 two ways."""
    one, two = icc(SHROUT_FLEISS, "one-way:1").extra, icc(SHROUT_FLEISS).extra

    assert (one["df1"], one["df2"]) == (5, 18)
    assert one["f"] == pytest.approx(1.79, abs=0.005)
    assert one["p"] == pytest.approx(stats.f.sf(one["f"], 5, 18))
    assert (two["df1"], two["df2"]) == (5, 15)
    assert two["f"] == pytest.approx(11.03, abs=0.005)
    # irr::icc(type = "agreement") prints F(5,4.79) = 11 , p = 0.0113
    assert two["df2_satterthwaite"] == pytest.approx(4.79, abs=0.005)
    assert two["p_satterthwaite"] == pytest.approx(0.0113, abs=0.0001)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_lower_end_is_the_null_that_is_just_rejected(form):
    """The F interval inverts the F test: at the lower end as the null, p is 2.5 %."""
    rng = np.random.default_rng(3)
    ratings = rng.normal(size=(25, 4)) * 0.6 + rng.normal(size=(25, 1))
    estimate = icc(ratings, form)
    test = icc(ratings, form, null=estimate.low).extra

    # The interval of agreement takes Satterthwaite's degrees of freedom at the estimate.
    p = test["p_satterthwaite"] if "agreement" in form else test["p"]
    assert p == pytest.approx(0.025, abs=1e-9)


def test_mean_squares_by_hand():
    """Rows 1,2 / 3,4 / 5,7: cases 61/6, readers 8/3, error 1/6, within 1."""
    table = mean_squares(np.array([[1.0, 2], [3, 4], [5, 7], [np.nan, 1]]))

    assert table.msr == pytest.approx(61 / 6)
    assert table.msc == pytest.approx(8 / 3)
    assert table.mse == pytest.approx(1 / 6)
    assert table.msw == pytest.approx(1)
    assert table.df == {"msr": 2, "msc": 1, "mse": 2, "msw": 3}
    assert table.to_json()["n"] == 3


def test_mean_squares_against_one_way_anova(rng):
    ratings = rng.normal(size=(12, 3)) + rng.normal(size=(12, 1))
    table = mean_squares(ratings)

    assert table.msr / table.msw == pytest.approx(stats.f_oneway(*ratings).statistic)
    assert mean_squares(ratings[:1]) is None
    assert mean_squares(ratings[:, :1]) is None


@pytest.mark.parametrize("form", ["random:agreement:1", "one-way:1", "mixed:consistency:k"])
def test_the_interval_of_clusters_is_a_jackknife_on_fishers_scale(form, rng):
    ratings = np.repeat(rng.normal(size=(12, 3)) + rng.normal(size=(12, 1)), 2, axis=0)
    ratings += rng.normal(size=ratings.shape) * 0.1
    patients = Clusters.of(np.repeat(np.arange(12), 2), "patient")
    estimate = icc(ratings, form, patients)
    single = form.replace(":k", ":1")
    tables = [np.delete(ratings, [2 * unit, 2 * unit + 1], axis=0) for unit in range(12)]

    def turned(one):
        return np.log((1 + 2 * one) / (1 - one)) / 2

    left = np.array([turned(icc(table, single).value) for table in tables])
    error = np.sqrt(11 * left.var())
    half = stats.t.ppf(0.975, 11) * error
    ends = np.array([-half, half]) + turned(icc(ratings, single).value)
    back = (np.exp(2 * ends) - 1) / (np.exp(2 * ends) + 2)
    back = 3 * back / (1 + 2 * back) if form.endswith("k") else back

    assert [estimate.low, estimate.high] == pytest.approx(back)
    assert "12 patients" in estimate.method
    assert "p" not in estimate.extra


def test_a_constant_between_readers_is_perfect_consistency_without_an_interval():
    scores = np.arange(10.0)[:, None] + np.array([0.0, 3.0])
    estimate = icc(scores, "mixed:consistency:1")

    assert estimate.value == 1
    assert not estimate.has_interval
    assert "constant of each reader" in estimate.reason


def test_an_average_of_noise_is_undefined():
    """Every case has the same mean, so nothing of the average is between cases."""
    estimate = icc(np.array([[1.0, 3], [3, 1], [2, 2]]), "one-way:k")

    assert estimate.value is None
    assert "means of all cases are equal" in estimate.reason


def test_negative_averages_are_reported():
    assert icc(np.array([[1.0, 5], [5, 1.5], [1, 5]]), "one-way:k").value < -1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"form": "ICC9"}, "form must be one of"), ({"null": 1.0}, "null ICC must lie"),
     ({"null": -0.1}, "null ICC must lie")],
)  # fmt: skip
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        icc(SHROUT_FLEISS, **arguments)


@pytest.mark.parametrize("ratings", [np.zeros(3), np.array([[1.0, np.inf], [1, 2]])])
def test_malformed_scores_are_refused(ratings):
    with pytest.raises(ValueError):
        icc(ratings)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5), st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from(sorted(FORMS))
)
def test_any_table_gives_an_estimate_or_a_reason(n, readers, seed, form):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, 3, size=(n, readers)).astype(float)
    ratings[rng.random(ratings.shape) < 0.15] = np.nan
    estimate = icc(ratings, form)

    assert (estimate.value is not None) or estimate.reason
    assert estimate.has_interval or estimate.reason
    if estimate.has_interval:
        assert estimate.low <= estimate.value + 1e-9
        assert estimate.value <= estimate.high + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(FORMS)))
def test_order_of_cases_and_readers_and_units_do_not_matter(seed, form):
    rng = np.random.default_rng(seed)
    ratings = rng.normal(size=(9, 4)) + rng.normal(size=(9, 1))
    known = icc(ratings, form)
    for other in (ratings[::-1], ratings[:, [2, 0, 3, 1]], ratings * -2.5 + 7):
        again = icc(other, form)
        assert again.value == pytest.approx(known.value)
        assert (again.low, again.high) == pytest.approx((known.low, known.high))


def test_a_case_left_out_is_not_missed():
    ratings = np.vstack([SHROUT_FLEISS, [[1, np.nan, 3, 4]]])

    assert icc(ratings).value == pytest.approx(icc(SHROUT_FLEISS).value)
    assert icc(ratings).n == 6
    assert icc(ratings, "one-way:1").n == 7


def test_clusters_of_all_rows_may_be_given_with_missing_scores(rng):
    ratings = rng.normal(size=(40, 3)) + rng.normal(size=(40, 1))
    ratings[3, 1] = np.nan
    estimate = icc(ratings, "random:agreement:1", Clusters.of(np.arange(40) // 2), FEW)

    assert estimate.n == 39
    assert estimate.extra["n_clusters"] == 20


def test_an_average_without_a_lower_end_says_why():
    """Means that hardly differ: the single score reaches below -1 / (k - 1)."""
    ratings = np.array([[5.0, 5, 8], [6, 6, 5], [5, 8, 3], [7, 6, 1]])
    single, average = icc(ratings, "random:agreement:1"), icc(ratings, "random:agreement:k")

    assert single.low < -0.5
    assert average.value is not None
    assert not average.has_interval
    assert "no average has a value" in average.reason
    hardly = icc(np.array([[1.0, 3, 2], [3, 2, 1], [2, 1, 3.1]]), "random:agreement:k")
    assert hardly.value is None
    assert "zero or less" in hardly.reason
