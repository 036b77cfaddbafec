import numpy as np
import pytest

from ml.stats.agreement.bland_altman import bland_altman
from ml.stats.agreement.limits_sample_size import limits_power, limits_size
from ml.stats.bootstrap import Settings


def test_the_examples_of_other_implementations():
    """MedCalc's manual: mean 0.001167, SD 0.001129, limit 0.004, power 80 %: 83 cases.

    SimplyAgree::blandPowerCurve's manual has 145 for 0, 3.3 and 8: its noncentral t is an
    approximation, by which MedCalc's example would need 79, where the power is 78.6 %.
    """
    assert limits_size(0.001167, 0.001129, 0.004) == 83
    assert limits_size(0, 3.3, 8) == 144


@pytest.mark.parametrize(("mean", "n"), [(0.0, 60), (0.4, 90)])
def test_the_power_is_that_of_samples(mean, n):
    rng = np.random.default_rng(9)
    accepted, shown = 2.75, []
    for _ in range(2000):
        away = rng.normal(mean, 1.0, n)
        found = bland_altman(away, np.zeros(n), settings=Settings(draws=1), interval="approximate")
        shown.append(found.upper.high < accepted and found.lower.low > -accepted)

    assert limits_power(n, mean, 1.0, accepted) == pytest.approx(np.mean(shown), abs=0.035)


def test_the_size_is_the_smallest():
    for mean in (0.0, -0.3, 0.3):
        n = limits_size(mean, 1.0, 2.8, power=0.9)
        assert limits_power(n, mean, 1.0, 2.8) >= 0.9 > limits_power(n - 1, mean, 1.0, 2.8)
    assert limits_size(-0.3, 1.0, 2.8) == limits_size(0.3, 1.0, 2.8)


def test_no_number_is_enough():
    assert limits_size(0.0, 1.0, 1.9) is None
    assert limits_size(1.0, 1.0, 2.9) is None
    assert limits_size(0.0, 1.0, 1.96001) is None


@pytest.mark.parametrize(
    "call",
    [lambda: limits_power(1, 0, 1, 3), lambda: limits_power(9, 0, 0, 3),
     lambda: limits_power(9, 0, 1, 0), lambda: limits_size(0, 1, 3, power=1.0),
     lambda: limits_size(0, 0, 3), lambda: limits_size(0, -1, 3)],
)  # fmt: skip
def test_refusals(call):
    with pytest.raises(ValueError):
        call()


def test_the_least_that_can_be_asked():
    assert 0 < limits_power(2, 0.0, 1.0, 50.0) < limits_power(3, 0.0, 1.0, 50.0) <= 1
    assert limits_power(20, 0.0, 1.0, 2.0, multiplier=0.5) > limits_power(20, 0.0, 1.0, 2.0)
