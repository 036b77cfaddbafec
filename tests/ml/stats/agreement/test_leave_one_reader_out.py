from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ml.stats.agreement.icc import icc_two_way
from ml.stats.agreement.leave_one_reader_out import (
    leave_one_out_categories,
    leave_one_out_numbers,
)
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


@pytest.fixture
def answers(rng):
    truth = rng.integers(0, 3, size=(60, 1)).astype(float)
    readers = np.where(rng.random((60, 4)) < 0.3, rng.integers(0, 3, size=(60, 4)), truth)
    readers[rng.random(readers.shape) < 0.15] = np.nan
    model = np.where(rng.random(60) < 0.2, 0.0, truth[:, 0])
    model[5] = np.nan
    return readers, model


def references(readers, model, column, consensus):
    """Rows, and the weights of the consensus of the others, case by case."""
    for row, (answers, of_model) in enumerate(zip(readers, model, strict=True)):
        others = [a for j, a in enumerate(answers) if j != column and not np.isnan(a)]
        if np.isnan(answers[column]) or np.isnan(of_model) or not others:
            continue
        counts = Counter(others)
        if consensus == "majority":
            counts = {a: 1 for a, n in counts.items() if n == max(counts.values())}
        total = sum(counts.values())
        yield row, {a: n / total for a, n in counts.items()}


def naive(readers, model, column, score, weights, consensus):
    first, second, weight = [], [], []
    for row, shares in references(readers, model, column, consensus):
        for answer, share in shares.items():
            first.append((readers[row, column], model[row]))
            second.append(answer)
            weight.append(share)
    found = []
    for who in range(2):
        given = [pair[who] for pair in first]
        if score == "kappa":
            found.append(cohen_kappa_score(
                given, second, sample_weight=weight, labels=[0, 1, 2],
                weights=None if weights == "identity" else weights,
            ))  # fmt: skip
        else:
            power = {"identity": 0, "linear": 1, "quadratic": 2}[weights]
            away = np.abs(np.array(given) - np.array(second)) / 2
            agreed = (away == 0) if power == 0 else 1 - away**power
            found.append(np.average(agreed, weights=weight))
    return found


@pytest.mark.parametrize("consensus", ["majority", "each"])
@pytest.mark.parametrize("score", ["agreement", "kappa"])
@pytest.mark.parametrize("weights", ["identity", "linear", "quadratic"])
def test_reader_by_reader(answers, score, weights, consensus):
    readers, model = answers
    found = leave_one_out_categories(
        readers, model, 3, score, weights, settings=FEW, consensus=consensus
    )
    known = np.array([naive(readers, model, j, score, weights, consensus) for j in range(4)])

    assert [one.reader.value for one in found.per_reader] == pytest.approx(known[:, 0])
    assert [one.model.value for one in found.per_reader] == pytest.approx(known[:, 1])
    assert found.reader.value == pytest.approx(known[:, 0].mean())
    assert found.model.value == pytest.approx(known[:, 1].mean())
    assert found.difference.value == pytest.approx((known[:, 1] - known[:, 0]).mean())
    assert found.higher_is_better


@pytest.mark.parametrize("score", ["agreement", "kappa"])
def test_the_paired_interval(answers, score):
    readers, model = answers
    found = leave_one_out_categories(
        readers, model, 3, score, clusters=Clusters.of(np.arange(60) // 5, "patient"), settings=FEW
    )
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 12, size=(64, 12))
    by_hand = []
    for units in drawn:
        rows = (5 * units[:, None] + np.arange(5)).ravel()
        one = leave_one_out_categories(readers[rows], model[rows], 3, score, settings=FEW)
        by_hand.append([one.reader.value, one.model.value, one.difference.value])
    ends = np.quantile(by_hand, [0.025, 0.975], axis=0).T

    for estimate, known in zip((found.reader, found.model, found.difference), ends, strict=True):
        assert [estimate.low, estimate.high] == pytest.approx(known)
    assert "12 patients" in found.difference.method


@pytest.mark.parametrize("consensus", ["mean", "median"])
@pytest.mark.parametrize("score", ["squared", "absolute", "icc"])
def test_numbers_reader_by_reader(rng, score, consensus):
    true = rng.normal(size=(40, 1)) * 2 + 100
    readers = true + rng.normal(size=(40, 4))
    readers[rng.random(readers.shape) < 0.2] = np.nan
    model = true[:, 0] + rng.normal(size=40)
    found = leave_one_out_numbers(readers, model, score, settings=FEW, consensus=consensus)
    centre = {"mean": np.nanmean, "median": np.nanmedian}[consensus]
    known = []
    for j in range(4):
        others = np.delete(readers, j, axis=1)
        used = ~np.isnan(readers[:, j]) & ~np.isnan(others).all(axis=1)
        target = centre(others[used], axis=1)
        for who in (readers[used, j], model[used]):
            away = who - target
            known.append({
                "squared": (away**2).mean(), "absolute": np.abs(away).mean(),
                "icc": icc_two_way(np.stack([who, target], axis=1)).value,
            }[score])  # fmt: skip
    known = np.array(known).reshape(4, 2)

    assert [one.reader.value for one in found.per_reader] == pytest.approx(known[:, 0])
    assert [one.model.value for one in found.per_reader] == pytest.approx(known[:, 1])
    assert found.difference.value == pytest.approx((known[:, 1] - known[:, 0]).mean())
    assert found.higher_is_better == (score == "icc")


def test_exchangeable_readers_are_pooled(answers):
    readers, model = answers
    shuffled = np.random.default_rng(0).permuted(readers, axis=1)
    for score in ("agreement", "kappa"):
        one, other = (
            leave_one_out_categories(table, model, 3, score, settings=FEW, exchangeable=True)
            for table in (readers, shuffled)
        )
        assert one.difference.value == pytest.approx(other.difference.value)
        assert one.difference.low == pytest.approx(other.difference.low)
        assert one.per_reader == ()
    numbers = [leave_one_out_numbers(table, model, "icc", settings=FEW, exchangeable=True)
               for table in (readers, shuffled)]  # fmt: skip
    assert numbers[0].model.value == pytest.approx(numbers[1].model.value)


def test_a_reader_as_the_model_is_that_reader(answers):
    """Against the others of column 0, a model that copies column 0 scores the same."""
    readers, _ = answers
    first = leave_one_out_categories(readers, readers[:, 0], 3, settings=FEW).per_reader[0]

    assert first.difference.value == 0
    assert not first.difference.has_interval


def test_undefined():
    one = leave_one_out_categories(np.ones((12, 1)), np.ones(12), 2)
    flat = leave_one_out_categories(np.ones((12, 2)), np.ones(12), 2)
    sure = leave_one_out_categories(np.ones((12, 2)), np.ones(12), 2, "agreement")

    assert one.difference.reason.startswith("Not estimated: no case")
    assert flat.difference.reason.startswith("Not estimated: the score")
    assert sure.reader.value == sure.model.value == 1
    assert not sure.reader.has_interval
    assert leave_one_out_numbers(np.zeros((0, 2)), np.zeros(0)).difference.value is None


def test_a_reader_who_never_answered(answers):
    readers = np.column_stack([answers[0], np.full(60, np.nan)])
    found = leave_one_out_categories(readers, answers[1], 3, settings=FEW)

    assert found.per_reader[4].difference.value is None
    assert found.reader.value == pytest.approx(
        leave_one_out_categories(*answers, 3, settings=FEW).reader.value
    )


@pytest.mark.parametrize(
    "call",
    [lambda r, m: leave_one_out_categories(r, m, 3, "alpha"),
     lambda r, m: leave_one_out_categories(r, m, 3, consensus="staple"),
     lambda r, m: leave_one_out_categories(r, m, 2),
     lambda r, m: leave_one_out_categories(r, m[:3], 3),
     lambda r, m: leave_one_out_numbers(r, m, "dice"),
     lambda r, m: leave_one_out_numbers(r, m, consensus="mode")],
)  # fmt: skip
def test_refusals(answers, call):
    with pytest.raises(ValueError):
        call(*answers)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.integers(1, 3), st.booleans())
def test_never_nan(seed, n, k, exchangeable):
    rng = np.random.default_rng(seed)
    readers = rng.integers(0, 2, size=(n, k)).astype(float)
    readers[rng.random(readers.shape) < 0.3] = np.nan
    model = rng.integers(0, 2, size=n).astype(float)
    for found in (
        *(leave_one_out_categories(readers, model, 2, score, settings=FEW,
                                   exchangeable=exchangeable) for score in ("agreement", "kappa")),
        *(leave_one_out_numbers(readers, model, score, settings=FEW, exchangeable=exchangeable)
          for score in ("squared", "icc")),
    ):  # fmt: skip
        for estimate in (found.reader, found.model, found.difference):
            assert estimate.has_interval or estimate.reason
