import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.agreement.pair_scores import PairScores, category_scores, number_scores, together


def answers(seed, n=8, k=3, values=3):
    rng = np.random.default_rng(seed)
    readers = rng.integers(0, values, size=(n, k)).astype(float)
    readers[rng.random(readers.shape) < 0.25] = np.nan
    model = rng.integers(0, values, size=n).astype(float)
    model[rng.random(n) < 0.1] = np.nan
    return readers, model


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_pair_one_by_one(seed):
    readers, model = answers(seed)
    both = np.column_stack([readers, model])
    equal = category_scores(readers, model, 3).values
    linear = category_scores(readers, model, 3, "linear").values
    squared = number_scores(readers, model).values
    absolute = number_scores(readers, model, "absolute").values
    for i in range(8):
        for a in range(4):
            for b in range(4):
                x, y = both[i, a], both[i, b]
                if np.isnan(x) or np.isnan(y):
                    assert np.isnan([s[i, a, b] for s in (equal, linear, squared, absolute)]).all()
                else:
                    assert equal[i, a, b] == (x == y)
                    assert linear[i, a, b] == 1 - abs(x - y) / 2
                    assert squared[i, a, b] == (x - y) ** 2
                    assert absolute[i, a, b] == abs(x - y)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_means_one_by_one(seed, numeric):
    readers, model = answers(seed)
    scores = number_scores(readers, model) if numeric else category_scores(readers, model, 3)
    means = scores.means()
    of_reader, of_model = scores.with_others()
    sign = -1 if numeric else 1
    for i in range(8):
        pairs = [scores.values[i, a, b] for a in range(3) for b in range(a)]
        pairs = [pair for pair in pairs if not np.isnan(pair)]
        with_model = [s for s in scores.values[i, 3, :3] if not np.isnan(s)]
        assert means.pairs[i] == len(pairs)
        assert means.answers[i] == len(with_model)
        assert means.both[i] == (len(pairs) > 0 and len(with_model) > 0)
        if pairs:
            assert means.human[i] == pytest.approx(np.mean(pairs))
        if with_model:
            assert means.model[i] == pytest.approx(np.mean(with_model))
        for reader in range(3):
            others = [j for j in range(3) if j != reader and not np.isnan(readers[i, j])]
            if np.isnan(readers[i, reader]) or np.isnan(model[i]) or not others:
                assert np.isnan(of_reader[i, reader])
                assert np.isnan(of_model[i, reader])
            else:
                known = sign * np.mean(scores.values[i, reader, others])
                assert of_reader[i, reader] == pytest.approx(known)
                known = sign * np.mean(scores.values[i, 3, others])
                assert of_model[i, reader] == pytest.approx(known)


def test_own_scores():
    values = np.ones((2, 3, 3))
    values[1, 0, 2] = values[1, 2, 0] = 0.5

    assert PairScores(values, True, "Dice").means().model.tolist() == [1.0, 0.75]


def test_refusals():
    uneven = np.ones((1, 3, 3))
    uneven[0, 0, 1] = 0
    for values, words in (
        (np.ones((2, 3)), "expected scores"), (np.ones((2, 3, 4)), "expected scores"),
        (np.full((1, 2, 2), np.inf), "finite"), (uneven, "symmetric"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            PairScores(values, True, "Dice")
    with pytest.raises(ValueError, match="model answer for each"):
        together(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="distance must"):
        number_scores(np.ones((3, 2)), np.ones(3), "cubic")
    with pytest.raises(ValueError, match="codes"):
        category_scores(np.ones((3, 2)), np.full(3, 2.0), 2)
    with pytest.raises(ValueError, match="weights must"):
        category_scores(np.ones((3, 2)), np.ones(3), 2, "cubic")
