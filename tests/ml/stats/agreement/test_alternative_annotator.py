import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.alternative_annotator import adjusted_p, alt_test
from ml.stats.agreement.pair_scores import category_scores, number_scores
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


@pytest.fixture
def answers(rng):
    truth = rng.integers(0, 3, size=(60, 1)).astype(float)
    readers = np.where(rng.random((60, 4)) < 0.35, rng.integers(0, 3, size=(60, 4)), truth)
    readers[rng.random(readers.shape) < 0.15] = np.nan
    model = np.where(rng.random(60) < 0.2, 0.0, truth[:, 0])
    return readers, model


def naive(readers, model, epsilon, numeric=False):
    """The paper, reader by reader and case by case."""

    def score(answer, others):
        if numeric:
            return -np.sqrt(np.mean([(answer - other) ** 2 for other in others]))
        return np.mean([answer == other for other in others])

    found = []
    for j in range(readers.shape[1]):
        model_wins, reader_wins = [], []
        for row, answer in zip(readers, model, strict=True):
            others = [x for i, x in enumerate(row) if i != j and not np.isnan(x)]
            if np.isnan(row[j]) or np.isnan(answer) or not others:
                continue
            f, h = score(answer, others), score(row[j], others)
            model_wins.append(f >= h or np.isclose(f, h))
            reader_wins.append(h >= f or np.isclose(f, h))
        behind = np.array(reader_wins, float) - np.array(model_wins, float)
        p = stats.ttest_1samp(behind, epsilon, alternative="less").pvalue
        found.append((np.mean(model_wins), np.mean(reader_wins), p))
    return np.array(found)


@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_reader_by_reader(answers, epsilon, numeric):
    readers, model = answers
    scores = number_scores(readers, model) if numeric else category_scores(readers, model, 3)
    found = alt_test(scores, epsilon, settings=FEW)
    known = naive(readers, model, epsilon, numeric)

    assert [r.model for r in found.readers] == pytest.approx(known[:, 0])
    assert [r.reader for r in found.readers] == pytest.approx(known[:, 1])
    assert [r.p for r in found.readers] == pytest.approx(known[:, 2])
    assert [r.p_adjusted for r in found.readers] == pytest.approx(
        stats.false_discovery_control(known[:, 2], method="by")
    )
    won = stats.false_discovery_control(known[:, 2], method="by") <= 0.05
    assert [r.won for r in found.readers] == won.tolist()
    assert found.winning_rate.value == won.mean()
    assert found.passed == (won.mean() >= 0.5)
    assert found.advantage.value == pytest.approx(known[:, 0].mean())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_p(p):
    p = np.array(p)
    for ours, theirs in (("BY", "by"), ("BH", "bh")):
        if p.size:
            assert adjusted_p(p, ours) == pytest.approx(
                stats.false_discovery_control(p, method=theirs)
            )
    assert adjusted_p(p, "none").tolist() == p.tolist()


def test_epsilon_and_procedure_matter(answers):
    readers, model = answers
    scores = category_scores(readers, np.roll(model, 1), 3)
    granted = alt_test(scores, 0.9, procedure="none", settings=FEW).winning_rate.value

    assert granted == 1 > alt_test(scores, 0.0, settings=FEW).winning_rate.value
    for reader in alt_test(category_scores(readers, model, 3), settings=FEW).readers:
        assert reader.p_adjusted >= reader.p


def test_copies_of_a_case_are_one_case(answers):
    """Every case three times over, by patient: the same p as without copies."""
    readers, model = (np.repeat(values, 3, axis=0) for values in answers)
    patients = Clusters.of(np.repeat(np.arange(60), 3), "patient")
    one = alt_test(category_scores(*answers, 3), settings=FEW)
    three = alt_test(category_scores(readers, model, 3), clusters=patients, settings=FEW)

    assert [r.p for r in three.readers] == pytest.approx([r.p for r in one.readers], rel=0.05)
    assert [three.advantage.low, three.advantage.high] == pytest.approx(
        [one.advantage.low, one.advantage.high]
    )


def test_interval_of_the_advantage(answers):
    readers, model = answers
    found = alt_test(category_scores(readers, model, 3), settings=FEW).advantage
    rows = np.flatnonzero((~np.isnan(readers)).sum(axis=1) >= 2)
    drawn = [
        np.repeat(rows, row.astype(int)) for block in draw_counts(rows.size, FEW) for row in block
    ]
    by_hand = [naive(readers[chosen], model[chosen], 0.2)[:, 0].mean() for chosen in drawn]

    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))


def test_a_model_that_never_loses():
    truth = np.tile([0.0, 1.0], 20)
    same = alt_test(category_scores(np.stack([truth] * 3, axis=1), truth, 2))

    assert same.readers[0].p == pytest.approx(0.8**40)
    assert same.passed is True
    assert not same.advantage.has_interval
    worst = alt_test(category_scores(np.stack([truth] * 3, axis=1), 1 - truth, 2))
    assert worst.readers[0].p == 1
    assert worst.winning_rate.value == 0
    none = alt_test(category_scores(np.stack([truth] * 3, axis=1), truth, 2), 0.0)
    assert none.winning_rate.value == 0, "without epsilon a tie shows nothing"


def test_exchangeable_readers(answers):
    readers, model = answers
    scores = category_scores(readers, model, 3)
    shuffled = category_scores(np.random.default_rng(0).permuted(readers, axis=1), model, 3)
    one, other = (alt_test(s, settings=FEW, exchangeable=True) for s in (scores, shuffled))

    assert one.winning_rate.value is None
    assert "numbered within a case" in one.winning_rate.reason
    assert one.passed is None
    assert one.advantage.value == pytest.approx(other.advantage.value)
    assert one.advantage.low == pytest.approx(other.advantage.low)


def test_readers_with_few_cases_are_not_tested(answers):
    readers, model = answers
    readers = readers.copy()
    readers[25:, 0] = np.nan
    found = alt_test(category_scores(readers, model, 3), settings=FEW)

    assert found.readers[0].p is None
    assert "fewer than 30" in found.readers[0].reason
    assert found.winning_rate.extra["denominator"] == 3
    few = alt_test(category_scores(readers[:20], model[:20], 3), settings=FEW)
    assert few.winning_rate.value is few.passed is None
    assert few.advantage.value is not None


def test_nothing_to_compare():
    found = alt_test(category_scores(np.ones((40, 1)), np.ones(40), 2))

    assert found.winning_rate.value is found.advantage.value is None


@pytest.mark.parametrize(
    "arguments", [{"epsilon": 1.0}, {"q": 0.0}, {"procedure": "Holm"}, {"epsilon": -0.1}]
)
def test_refusals(answers, arguments):
    with pytest.raises(ValueError):
        alt_test(category_scores(*answers, 3), **arguments)


def test_half_of_the_readers_is_a_pass():
    """Two careless readers are replaced, two perfect ones are not."""
    truth = np.tile([0.0, 1.0], 60)
    wrong = [
        np.arange(120) % 5 < 2,
        np.arange(120) % 7 < 3,
        np.zeros(120, bool),
        np.zeros(120, bool),
    ]
    readers = np.stack([np.where(w, 1 - truth, truth) for w in wrong], axis=1)
    model = np.where(np.arange(120) % 11 == 0, 1 - truth, truth)
    found = alt_test(category_scores(readers, model, 2), 0.0, settings=FEW)

    assert [reader.won for reader in found.readers] == [True, True, False, False]
    assert found.winning_rate.value == 0.5
    assert found.passed is True


def test_few_clusters_test_no_reader():
    answers = np.random.default_rng(5).integers(0, 2, size=(60, 4)).astype(float)
    scores = category_scores(answers[:, :3], answers[:, 3], 2)
    few, enough = (alt_test(scores, clusters=Clusters.of(np.arange(60) % k)) for k in (9, 10))
    assert few.winning_rate.value is None
    assert "clusters" in few.winning_rate.reason
    assert all(reader.p is None and "clusters" in reader.reason for reader in few.readers)
    assert enough.winning_rate.value is not None
