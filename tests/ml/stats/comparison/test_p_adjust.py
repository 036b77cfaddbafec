from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.comparison.p_adjust import METHODS, p_adjust

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=7).map(np.array)


def closed(p, local):
    """Adjusted by closure: the largest local p-value of all subsets that hold the hypothesis."""
    m = len(p)
    subsets = [s for size in range(1, m + 1) for s in combinations(range(m), size)]
    return [max(local(p[list(s)]) for s in subsets if i in s) for i in range(m)]


def simes(p):
    return min(1.0, float((len(p) * np.sort(p) / np.arange(1, len(p) + 1)).min()))


@settings(max_examples=30, deadline=None)
@given(p_values)
def test_holm_and_hommel_are_closed_tests(p):
    assert p_adjust(p, "holm") == pytest.approx(closed(p, lambda q: min(1, len(q) * q.min())))
    assert p_adjust(p, "hommel") == pytest.approx(closed(p, simes))


@given(p_values)
def test_order_between_methods_and_permutation(p):
    got = {method: p_adjust(p, method) for method in METHODS}
    chain = ["BH", "hommel", "hochberg", "holm", "bonferroni"]
    for less, more in pairwise(chain):
        assert (got[less] <= got[more] + 1e-12).all()
    assert (got["BH"] <= got["BY"] + 1e-12).all()
    for method in METHODS:
        assert p_adjust(p[::-1], method) == pytest.approx(got[method][::-1])


def test_benjamini_hochberg_1995_rejects_four_and_bonferroni_three():
    """Their section 3.2: 15 p-values of myocardial infarction; BH rejects 4, Bonferroni 3."""
    p = np.array([
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ])  # fmt: skip
    assert (p_adjust(p, "BH") <= 0.05).sum() == 4
    assert (p_adjust(p, "bonferroni") <= 0.05).sum() == 3
    assert p_adjust(p, "BY")[0] == pytest.approx(0.0015 * (1 / np.arange(1, 16)).sum())


@given(p_values, st.floats(0.001, 0.999))
def test_hochberg_rejects_from_the_largest_that_holds(p, level):
    """His rule: with p(j) <= level / (m - j + 1), the j smallest are rejected; the greatest j."""
    ordered, m = np.sort(p), len(p)
    held = [j for j in range(1, m + 1) if ordered[j - 1] <= level / (m - j + 1)]
    rejected = p_adjust(ordered, "hochberg") <= level * (1 + 1e-12)
    assert rejected.sum() == max(held, default=0)
    assert p_adjust(np.array([0.01, 0.02, 0.03]), "hochberg") == pytest.approx([0.03] * 3)


def test_refusals():
    with pytest.raises(ValueError, match="leave tests"):
        p_adjust(np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match="expected one of"):
        p_adjust(np.array([0.5]), "sidak")
    for outside in ([0.5, -0.01], [1.01, 0.5], [[0.5]]):
        with pytest.raises(ValueError, match="leave tests"):
            p_adjust(np.array(outside))


@pytest.mark.parametrize("method", METHODS)
def test_no_test_and_one_test_need_no_adjustment(method):
    assert p_adjust(np.array([]), method).size == 0
    assert p_adjust(np.array([0.3]), method).tolist() == [0.3]
