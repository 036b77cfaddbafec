import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.agreement.individual_agreement import individual_agreement
from ml.stats.agreement.interchangeability import agreement_ceiling, interchangeability
from ml.stats.agreement.pair_scores import PairScores, category_scores, number_scores
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


def drawn(count=12):
    return np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, count, (64, count))


@pytest.fixture
def numeric(rng):
    true = rng.normal(size=(24, 1)) * 3
    return true + rng.normal(size=(24, 3)), true[:, 0] + 1.5 * rng.normal(size=24)


def test_binary_by_hand():
    """Readers agree on 3 of 4 cases; the model with each of them on 1, 1, 1/2, 0 of pairs."""
    readers = np.array([[0.0, 0], [1, 1], [0, 1], [1, 1]])
    found = interchangeability(category_scores(readers, np.array([0.0, 1, 1, 0]), 2))

    assert found.reader_reader.value == pytest.approx(3 / 4)
    assert found.model_reader.value == pytest.approx(2.5 / 4)
    assert found.difference.value == pytest.approx(0.125)
    assert found.relative.value == pytest.approx(2 * (1.5 / 4 - 1 / 4) / (1 / 4))
    assert found.coefficient.value == pytest.approx((1 / 4) / (1.5 / 4))
    assert found.williams.value == pytest.approx(2.5 / 3)
    assert found.human.tolist() == [1, 1, 0, 1]
    assert found.model.tolist() == [1, 1, 0.5, 0]


def test_squared_differences(numeric):
    readers, model = numeric
    found = interchangeability(number_scores(readers, model), settings=FEW)
    among = np.mean([(readers[:, a] - readers[:, b]) ** 2 for a, b in ((0, 1), (0, 2), (1, 2))])
    beside = ((model[:, None] - readers) ** 2).mean()

    assert found.difference.value == pytest.approx(beside - among)
    assert found.relative.value == pytest.approx((beside - among) / (among / 2))
    assert found.coefficient.value == pytest.approx(among / beside)
    assert found.williams.value is None


def test_the_interval_is_the_percentiles_of_resampled_patients(numeric):
    readers, model = numeric
    found = interchangeability(
        number_scores(readers, model), 2.0, Clusters.of(np.arange(24) // 2, "patient"), FEW
    )
    by_hand = []
    for row in drawn():
        rows = (2 * row[:, None] + np.arange(2)).ravel()
        one = interchangeability(number_scores(readers[rows], model[rows]), settings=FEW)
        by_hand.append([one.difference.value, one.coefficient.value, one.relative.value])
    ends = np.quantile(by_hand, [0.025, 0.975], axis=0).T

    assert [found.difference.low, found.difference.high] == pytest.approx(ends[0])
    assert [found.coefficient.low, found.coefficient.high] == pytest.approx(ends[1])
    assert [found.relative.low, found.relative.high] == pytest.approx(ends[2])
    assert found.p == pytest.approx((1 + (np.array(by_hand)[:, 0] >= 2).sum()) / 65)
    assert "12 patients" in found.difference.method


def test_a_model_that_is_one_more_reader_is_interchangeable():
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 2, size=(600, 1))
    answers = np.where(rng.random((600, 4)) < 0.1, 1 - truth, truth).astype(float)
    wrong = np.where(rng.random(600) < 0.3, 1 - truth[:, 0], truth[:, 0]).astype(float)
    same = interchangeability(category_scores(answers[:, :3], answers[:, 3], 2), 0.05)
    worse = interchangeability(category_scores(answers[:, :3], wrong, 2), 0.05)

    assert same.interchangeable is True
    assert same.p < 0.025
    assert worse.interchangeable is False
    # disagreement .1 * .9 * 2 = .18 among readers and .3 * .9 + .1 * .7 = .34 with the model
    assert worse.difference.value == pytest.approx(0.16, abs=0.03)
    assert worse.p > 0.9
    assert interchangeability(category_scores(answers[:, :3], wrong, 2)).interchangeable is None


def test_the_whole_interval_must_lie_below_the_margin(numeric):
    scores = number_scores(*numeric)
    found = interchangeability(scores, settings=FEW).difference

    for margin, verdict in ((found.value, False), (found.high * 0.999, False),
                            (found.high * 1.001, True)):  # fmt: skip
        assert interchangeability(scores, margin, settings=FEW).interchangeable is verdict


def test_readers_may_be_exchangeable(numeric):
    """Any answers of a case may change places."""
    readers, model = numeric
    shuffled = np.random.default_rng(1).permuted(readers, axis=1)
    one = interchangeability(number_scores(readers, model), settings=FEW)
    other = interchangeability(number_scores(shuffled, model), settings=FEW)

    assert one.difference.value == pytest.approx(other.difference.value)
    assert one.difference.high == pytest.approx(other.difference.high)


def test_a_case_with_many_readers_weighs_as_one_with_two():
    readers = np.array([[0.0, 0, np.nan, np.nan], [0, 0, 1, 1]])
    found = interchangeability(category_scores(readers, np.array([0.0, 0]), 2))

    assert found.reader_reader.value == pytest.approx((1 + 2 / 6) / 2)
    assert found.model_reader.value == pytest.approx((1 + 2 / 4) / 2)


def test_own_scores_have_no_zero_of_disagreement(rng):
    values = rng.normal(size=(12, 3, 3))
    found = interchangeability(PairScores(values + values.transpose(0, 2, 1), True, "kernel"))

    assert found.difference.value is not None
    assert found.coefficient.value is None
    assert "no zero" in found.relative.reason


def test_perfect_agreement():
    found = interchangeability(category_scores(np.ones((12, 2)), np.ones(12), 2), 0.05)

    assert found.difference.value == 0
    assert not found.difference.has_interval
    assert found.interchangeable is None
    assert found.coefficient.value is None
    assert found.williams.value == 1


def test_nothing_to_compare():
    found = interchangeability(category_scores(np.ones((4, 1)), np.ones(4), 2), 0.05)

    assert found.difference.value is None
    assert found.interchangeable is found.p is None
    assert found.rows.size == 0
    assert agreement_ceiling(category_scores(np.ones((4, 1)), np.ones(4), 2)).beside.reason


def test_margin_must_be_positive(numeric):
    with pytest.raises(ValueError, match="margin"):
        interchangeability(number_scores(*numeric), 0.0)


def test_ceiling():
    """Case by case: best, between the readers, worst."""
    readers = np.array([[1.0, 2, 4]] * 3)
    found = agreement_ceiling(number_scores(readers, np.array([2.0, 3.9, 9.0]), "absolute"))

    # readers 1, 2, 4 lie 2, 1.5 and 2.5 from the others: the mean is 2
    assert found.readers[0].tolist() == [-2, -1.5, -2.5]
    # 3.9 lies (1.9 + .1) / 2, (2.9 + .1) / 2 and (2.9 + 1.9) / 2 from those pairs: 1.63
    assert found.model[1] == pytest.approx([-1, -1.5, -2.4])
    assert found.above.value == pytest.approx(2 / 3)
    assert found.beside.value == pytest.approx(2 / 3)
    assert found.beside.low > 0
    worse = agreement_ceiling(number_scores(readers[:1], np.array([4.5]), "absolute"))
    # 1.5, 2 and 3: 2.17, between the mean and the worst
    assert (worse.above.value, worse.beside.value) == (0, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.integers(1, 3), st.booleans())
def test_never_nan(seed, n, k, numeric):
    rng = np.random.default_rng(seed)
    readers = rng.integers(0, 2, size=(n, k)).astype(float)
    readers[rng.random(readers.shape) < 0.3] = np.nan
    model = rng.integers(0, 2, size=n).astype(float)
    scores = number_scores(readers, model) if numeric else category_scores(readers, model, 2)
    found = interchangeability(scores, 0.1, settings=FEW)
    ceiling = agreement_ceiling(scores)
    for estimate in (found.difference, found.reader_reader, found.model_reader, found.relative,
                     found.coefficient, found.williams, ceiling.beside, ceiling.above):  # fmt: skip
        assert estimate.has_interval or estimate.reason


def test_individual_agreement_by_hand():
    """Within: 4 and 4 of a, 4 and 4 of b; between: mean of 1, 9, 1, 1 and of 4, 16, 0, 4."""
    a, b = np.array([[1.0, 3], [2, 4]]), np.array([[2.0, 4], [4, 6]])

    assert individual_agreement(a, b).value == pytest.approx(8 / 9)
    wide = np.array([[0.0, 6], [2, 8]])
    # b with replicates 6 apart counts without a reference only
    both, standard = individual_agreement(a, wide), individual_agreement(a, wide, "a")
    assert both.value / standard.value == pytest.approx((4 + 36) / 2 / 4)


def test_individual_agreement_of_exchangeable_replicates_is_one():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(3000, 1)) + rng.normal(size=(3000, 4))

    assert individual_agreement(values[:, :2], values[:, 2:], settings=FEW).value == pytest.approx(
        1, abs=0.05
    )


def test_individual_agreement_of_clusters(rng):
    a, b = rng.normal(size=(2, 24, 3))
    a[0, 0] = b[1, 2] = np.nan
    found = individual_agreement(a, b, "a", Clusters.of(np.arange(24) // 2), FEW)
    by_hand = []
    for row in drawn():
        rows = (2 * row[:, None] + np.arange(2)).ravel()
        by_hand.append(individual_agreement(a[rows], b[rows], "a", settings=FEW).value)

    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))


def test_individual_agreement_needs_replicates(rng):
    one, two = rng.normal(size=(12, 1)), rng.normal(size=(12, 2))

    assert individual_agreement(two, one).value is None
    assert individual_agreement(two, one, "a").value is not None
    assert individual_agreement(np.ones((12, 2)), np.ones((12, 2))).value is None
    with pytest.raises(ValueError, match="reference"):
        individual_agreement(two, two, "b")
    with pytest.raises(ValueError, match="same cases"):
        individual_agreement(two, two[:3])


def test_ratios_do_not_depend_on_the_unit():
    numbers = np.random.default_rng(6).normal(size=(40, 4))
    one, other = (
        interchangeability(number_scores(numbers[:, :3] * unit, numbers[:, 3] * unit))
        for unit in (1, 2.0**-60)
    )
    assert other.relative.value == pytest.approx(one.relative.value)
    assert other.coefficient.low == pytest.approx(one.coefficient.low)
    assert other.difference.has_interval
