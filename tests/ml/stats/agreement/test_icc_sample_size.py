import numpy as np
import pytest

from ml.stats.agreement.icc import icc
from ml.stats.agreement.icc_sample_size import icc_test_size, icc_width_size


@pytest.mark.parametrize(
    ("least", "expected", "readers", "cases"),
    # Walter, Eliasziw, Donner (1998), table II: alpha 0.05, power 80 %, rounded up
    [(0.0, 0.2, 2, 152), (0.6, 0.8, 2, 39), (0.6, 0.8, 3, 27), (0.8, 0.9, 2, 46)],
)  # fmt: skip
def test_table_of_walter(least, expected, readers, cases):
    assert icc_test_size(expected, least, readers) == pytest.approx(cases, abs=1)


def test_the_test_has_its_power():
    rng = np.random.default_rng(6)
    n = icc_test_size(0.8, 0.6, 3)
    won = []
    for _ in range(400):
        ratings = rng.normal(size=(n, 1)) * 0.8**0.5 + rng.normal(size=(n, 3)) * 0.2**0.5
        won.append(icc(ratings, "one-way:1", null=0.6).extra["p"] < 0.05)

    assert np.mean(won) == pytest.approx(0.8, abs=0.06)


def test_the_interval_has_its_width():
    rng = np.random.default_rng(7)
    n = icc_width_size(0.8, 0.2, 3)
    widths = []
    for _ in range(300):
        ratings = rng.normal(size=(n, 1)) * 0.8**0.5 + rng.normal(size=(n, 3)) * 0.2**0.5
        estimate = icc(ratings, "one-way:1")
        widths.append(estimate.high - estimate.low)

    assert np.mean(widths) == pytest.approx(0.2, abs=0.02)


def test_bonetts_correction_for_two_readers():
    """8 * 1.96^2 * .3^2 * 1.7^2 / (2 * .2^2) + 1 = 100.9, and 3.5 more."""
    assert icc_width_size(0.7, 0.2, 2) == 105
    # no correction with three: 8 * 1.96^2 * .3^2 * 2.4^2 / (6 * .2^2) + 1 = 67.4
    assert icc_width_size(0.7, 0.2, 3) == 68


def test_more_is_needed_for_less():
    assert icc_test_size(0.7, 0.6, 2) > icc_test_size(0.8, 0.6, 2)
    assert icc_test_size(0.8, 0.6, 2, power=0.9) > icc_test_size(0.8, 0.6, 2)
    assert icc_test_size(0.8, 0.6, 2, alpha=0.025) > icc_test_size(0.8, 0.6, 2)
    assert icc_width_size(0.8, 0.1, 2) > icc_width_size(0.8, 0.2, 2)
    assert icc_width_size(0.8, 0.2, 2) > icc_width_size(0.8, 0.2, 4)


@pytest.mark.parametrize(
    "call",
    [lambda: icc_test_size(0.5, 0.6, 2), lambda: icc_test_size(0.8, 0.6, 1),
     lambda: icc_test_size(1.0, 0.6, 2), lambda: icc_width_size(0.8, 0, 2),
     lambda: icc_width_size(1.0, 0.2, 2), lambda: icc_width_size(0.8, 0.2, 1)],
)  # fmt: skip
def test_refusals(call):
    with pytest.raises(ValueError):
        call()
