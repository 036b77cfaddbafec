import pytest

from ml.checks import words
from ml.estimate import Estimate
from ml.limits import Limit


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.3373, "33.7"), (0.9993, "99.93"), (0.99, "99.0"), (1.0, "100"), (0.0, "0")],
)
def test_rates(share, text):
    assert words.rate(share) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.8211, "0.821"), (-0.0286, "−0.029"), (-0.0001, "0.000"), (1, "1.000")]
)
def test_decimals(number, text):
    assert words.decimal(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.5"), (0.0001, "0.0001"), (1.0, "1"), (0.25, "0.25")]
)
def test_thresholds(number, text):
    assert words.threshold(number) == text


def test_value_with_interval():
    assert words.measured(Estimate("auroc", 0.8211, 0.796, 0.8431)) == "0.821 [0.796, 0.843]"
    assert words.measured(Estimate("npv", 0.9993, 0.99791, 1)) == "99.93 % [99.79, 100]"
    apart = Estimate("hd95", 3.5, 2.25, 4.0).in_unit("mm")
    assert words.measured(apart) == "3.500 mm [2.250, 4.000]"
    assert words.measured(Estimate("auroc", None, reason="Not estimated.")) == "Not estimated."


def test_difference_of_rates():
    assert words.points(0.30953) == "31.0 points"
    assert words.points(-0.563) == "−56.3 points"
    assert words.points(0.25) == "25.0 points"


def test_cases():
    assert (words.cases(1), words.cases(1500)) == ("1 case", "1,500 cases")


def test_a_limit_is_said_in_the_unit_of_what_is_held_against_it():
    at_most = Limit("segmentation", "hd95", 3.0, "max", "pre-registered")
    assert words.limit_words(at_most, "mm") == "at most 3 mm (pre-registered)"
    assert words.limit_words(at_most) == "at most 3 (pre-registered)"
    at_least = Limit("operating-point", "sensitivity", 0.9, "min", "regulator")
    assert words.limit_words(at_least, "mm") == "at least 90 % (regulator)"
