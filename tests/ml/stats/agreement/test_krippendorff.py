import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ml.stats.agreement.krippendorff import alpha, alpha_replicates
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters

FEW = Settings(draws=200)
SCALES = ("nominal", "ordinal", "interval")
APART = np.array([[0, 1, 2, 9], [1, 0, 4, 1], [2, 4, 0, 3], [9, 1, 3, 0.0]])
MORE = {
    "ratio": {},
    "circular": {"circumference": 8},
    "custom": {"distance": APART, "categories": 4},
}

rating_tables = st.tuples(st.integers(1, 12), st.integers(2, 5)).flatmap(
    lambda shape: hnp.arrays(float, shape, elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, 3.0]))
)


def alpha_by_definition(ratings, scale, circumference=8):
    """All pairs of answers within and across cases, one by one (Krippendorff 2011)."""
    cases = [row[~np.isnan(row)] for row in ratings]
    cases = [row for row in cases if row.size >= 2]
    pool = np.concatenate(cases) if cases else np.zeros(0)
    counts = {value: (pool == value).sum() for value in np.unique(pool)}

    def apart(a, b):
        if scale == "nominal":
            return float(a != b)
        if scale == "interval":
            return (a - b) ** 2
        if scale == "ratio":
            return ((a - b) / (a + b)) ** 2 if a + b else 0
        if scale == "circular":
            return np.sin(np.pi * (a - b) / circumference) ** 2
        if scale == "custom":
            return APART[int(a), int(b)]
        low, high = min(a, b), max(a, b)
        between = sum(n for value, n in counts.items() if low <= value <= high)
        return (between - (counts[a] + counts[b]) / 2) ** 2

    observed = sum(
        apart(a, b) / (row.size - 1) for row in cases for a, b in itertools.permutations(row, 2)
    )
    expected = sum(apart(a, b) for a, b in itertools.permutations(pool, 2)) / max(pool.size - 1, 1)
    return 1 - observed / expected if expected else None


@pytest.mark.parametrize("case", ["agree-krippendorff-canonical", "agree-irr-video"])
@pytest.mark.parametrize("scale", SCALES)
def test_published(reference, case, scale):
    known = reference(case)

    estimate = alpha(known.ratings - 1, scale, settings=FEW)

    assert estimate.value == pytest.approx(known.value("krippendorff_alpha", level=scale), abs=1e-9)


def test_complete_data_divide_by_readers_minus_one(reference):
    """A popular package divides by 1 here and reports 0.43088."""
    known = reference("agree-fleiss1971-diagnoses")
    estimate = alpha(known.ratings - 1, "nominal", categories=5, settings=FEW)

    assert estimate.value == pytest.approx(0.433409828282029, abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(ratings=rating_tables)
def test_equals_its_definition(scale, ratings):
    estimate = alpha(ratings, scale, settings=FEW, categories=4)
    by_definition = alpha_by_definition(ratings, scale)

    if by_definition is None:
        assert estimate.value is None
        assert estimate.reason
    else:
        assert estimate.value == pytest.approx(by_definition, abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(ratings=rating_tables)
def test_readers_are_exchangeable(scale, ratings):
    """Any order of the answers within each case gives the same."""
    turned = np.array([np.roll(row, at) for at, row in enumerate(ratings)])

    once = alpha(ratings, scale, settings=FEW, categories=4)
    again = alpha(turned, scale, settings=FEW, categories=4)

    assert (once.value is None) == (again.value is None)
    if once.value is not None:
        assert again.value == pytest.approx(once.value)


@pytest.mark.parametrize("scale", SCALES)
def test_replicates_are_alphas_of_the_drawn_clusters(scale, rng):
    ratings = rng.integers(0, 4, (30, 3)).astype(float)
    ratings[rng.random(ratings.shape) < 0.3] = np.nan
    clusters, settings = Clusters.of(rng.integers(0, 12, 30), "patient"), Settings(draws=10)

    _, replicates = alpha_replicates(ratings, scale, clusters, settings, 4)

    counts = np.concatenate(list(draw_counts(clusters.count, settings)))
    for drawn, value in zip(counts, replicates, strict=True):
        rows = np.repeat(np.arange(30), drawn[clusters.codes].astype(int))
        assert value == pytest.approx(alpha_by_definition(ratings[rows], scale))


def test_perfect_agreement_is_one():
    assert alpha(np.array([[0, 0], [1, 1], [2, 2.0]]), "ordinal").value == 1


def test_single_answer_everywhere_is_undefined_not_one():
    estimate = alpha(np.zeros((20, 3)), "nominal", categories=3)

    assert estimate.value is None
    assert "all answers are equal" in estimate.reason


@pytest.mark.parametrize("value", [0.1, 1e6])
def test_equal_numbers_are_undefined_whatever_their_size(value):
    assert alpha(np.full((20, 3), value), "interval").value is None


def test_no_pair_of_answers():
    estimate = alpha(np.array([[0, np.nan], [np.nan, 1]]), "nominal")

    assert estimate.value is None
    assert "two readers" in estimate.reason


def test_a_declared_but_unused_answer_changes_nothing(rng):
    ratings = rng.integers(0, 3, (40, 3)).astype(float)

    assert (
        alpha(ratings, "ordinal", settings=FEW, categories=7).to_json()
        == alpha(ratings, "ordinal", settings=FEW, categories=3).to_json()
    )


def test_shifted_numbers_give_the_same(rng):
    ratings = rng.normal(size=(40, 3))

    assert alpha(ratings + 1e6, "interval", settings=FEW).value == pytest.approx(
        alpha(ratings, "interval", settings=FEW).value, abs=1e-6
    )


def test_nodules_of_a_patient_are_drawn_together(rng):
    """Copies within a patient add nothing; as independent cases they would."""
    ratings = np.repeat(rng.integers(0, 3, (40, 3)).astype(float), 6, axis=0)
    patients = Clusters.of(np.repeat(np.arange(40), 6), "patient")

    clustered, alone = (alpha(ratings, "nominal", c, FEW) for c in (patients, None))

    assert clustered.high - clustered.low > 1.8 * (alone.high - alone.low)
    assert "40 patients" in clustered.method


def test_answers_outside_the_declared_are_refused():
    with pytest.raises(ValueError, match=r"codes 0\.\.1"):
        alpha(np.array([[0, 2.0]]), "nominal", categories=2)


@pytest.mark.parametrize("scale", MORE)
@given(ratings=rating_tables)
def test_further_scales_equal_their_definition(scale, ratings):
    estimate = alpha(ratings, scale, settings=FEW, **MORE[scale])
    by_definition = alpha_by_definition(ratings, scale)

    if by_definition is None:
        assert estimate.value is None
        assert estimate.reason
    else:
        assert estimate.value == pytest.approx(by_definition, abs=1e-9)


def test_canonical_ratio_scale():
    """Krippendorff (2011): .797 on the ratio scale."""
    nan = np.nan
    rows = [
        "11-1",
        "2232",
        "3333",
        "3333",
        "2222",
        "1234",
        "4444",
        "1121",
        "2222",
        "-555",
        "--11",
        "--3-",
    ]
    ratings = np.array([[nan if mark == "-" else float(mark) for mark in row] for row in rows])

    assert alpha(ratings, "ratio").value == pytest.approx(0.797, abs=5e-4)


@pytest.mark.parametrize("scale", [*SCALES, *MORE])
def test_linearised_error_is_the_jackknife_of_large_samples(scale, rng):
    truth = rng.integers(0, 4, 400)
    ratings = np.where(rng.random((400, 3)) < 0.6, truth[:, None], rng.integers(0, 4, (400, 3)))
    more = MORE.get(scale, {})
    found = alpha(ratings.astype(float), scale, interval="linearised", **more)
    left = [
        alpha(np.delete(ratings, i, axis=0), scale, settings=Settings(draws=1), **more).value
        for i in range(400)
    ]

    assert found.extra["se"] == pytest.approx(np.sqrt(399 * np.var(left)), rel=0.02)
    assert "delta method" in found.method
    drawn = alpha(ratings.astype(float), scale, **more)
    assert drawn.high - drawn.low == pytest.approx(found.high - found.low, rel=0.1)


@pytest.mark.parametrize("interval", ["bootstrap", "linearised"])
def test_perfect_agreement_has_no_interval(interval):
    estimate = alpha(np.repeat([0.0, 1, 2] * 5, 2).reshape(15, 2), "nominal", interval=interval)

    assert estimate.value == 1
    assert not estimate.has_interval
    assert estimate.reason.startswith("No interval")


def test_scales_without_what_they_need_are_refused():
    for scale, more in (
        ("circular", {}), ("custom", {}), ("custom", {"distance": np.eye(2)}),
        ("polar", {}), ("nominal", {"interval": "exact"}),
        ("custom", {"distance": np.array([[0, 1], [2, 0]])}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"scale|interval|distances|symmetric"):
            alpha(np.array([[0, 1.0]] * 3), scale, **more)
    with pytest.raises(ValueError, match="negative"):
        alpha(np.array([[-1.0, 1]]), "ratio")


@pytest.mark.parametrize("scale", ["interval", "ratio"])
@pytest.mark.parametrize("unit", [1e-9, 1e-2, 1e6])
def test_the_linearised_error_does_not_depend_on_the_unit(scale, unit):
    numbers = np.random.default_rng(3).lognormal(size=(40, 3)) + np.arange(40)[:, None]
    expected, found = (
        alpha(numbers * factor, scale, interval="linearised").extra["se"] for factor in (1, unit)
    )
    assert found == pytest.approx(expected, rel=1e-6)


def test_scales_of_too_many_values_are_refused():
    numbers = np.arange(12_000.0).reshape(-1, 2)
    with pytest.raises(ValueError, match="round them"):
        alpha(numbers, "ratio")
    with pytest.raises(ValueError, match="too many"):
        alpha(numbers % 300, "ordinal")
