"""A number travels with its interval and n; an undefined one is a sentence."""

import math

import pytest

from ml.estimate import Estimate
from portal.ui import numbers
from portal.ui.estimates import limit_text, margin, show

from . import samples


def test_a_score_has_three_decimals_and_its_clusters() -> None:
    shown = show(samples.AUROC)
    assert (shown.value, shown.interval) == ("0.821", "[0.796, 0.843]")
    assert shown.n == "3,000 cases in 1,271 groups"


def test_clusters_are_named_after_the_cohort_where_the_estimate_does_not_say() -> None:
    unsaid = samples.estimate("auroc", 0.9, n=40, extra={"n_clusters": 20})
    assert show(unsaid).n == "40 cases in 20 groups"
    assert show(unsaid, "patient").n == "40 cases in 20 patients"


def test_a_rate_is_in_per_cent_with_its_counts() -> None:
    shown = show(samples.SENSITIVITY)
    assert (shown.value, shown.interval) == ("33.7 %", "[30.4, 36.7]")
    assert shown.n == "506 of 1,500"


def test_an_undefined_value_is_its_reason() -> None:
    shown = show(samples.UNDEFINED)
    assert shown.value == ""
    assert shown.reason == "all scores are equal"


def test_under_ten_cases_a_rate_is_its_counts_only() -> None:
    few = samples.estimate("ppv", 7 / 9, n=9, extra={"numerator": 7, "denominator": 9})
    shown = show(few)
    assert shown.value == "7 of 9"
    assert "%" not in shown.value + shown.interval


def test_a_missing_interval_says_why() -> None:
    shown = show(samples.estimate("auroc", 0.9, reason="only 2 patients", level=None))
    assert shown.value == "0.900"
    assert shown.interval == ""
    assert shown.remark == "only 2 patients"


def test_a_one_sided_bound_is_said_in_words() -> None:
    assert show(samples.estimate("specificity", 1.0, low=0.9975)).interval == "at least 99.75 %"


DISTANCE = samples.estimate(
    "hd95", 3.214, low=2.1, high=4.5, method="bootstrap", n=120, extra={"unit": "mm"}
)
AT_MOST = {**samples.LIMIT, "check": "segmentation", "measure": "hd95", "value": 3.0,
           "direction": "max"}  # fmt: skip


def test_a_distance_is_written_in_its_unit() -> None:
    """A limit has none of its own: a protocol does not know whether files say voxel sizes."""
    shown = show(DISTANCE)
    assert (shown.value, shown.interval) == ("3.214 mm", "[2.100, 4.500]")
    assert limit_text(AT_MOST, DISTANCE) == "≤ 3 mm"
    assert limit_text(AT_MOST) == "≤ 3 mm or voxels"
    assert margin(DISTANCE, AT_MOST) == "−0.214 mm"
    assert show({**DISTANCE, "extra": {"unit": "voxels"}}).value == "3.214 voxels"
    assert show({**DISTANCE, "high": None}).interval == "at least 2.100 mm"
    assert show({**DISTANCE, "low": None}).interval == "at most 4.500 mm"


def test_a_number_that_is_counted_in_nothing_has_no_unit() -> None:
    share = {**samples.SENSITIVITY, "extra": {**samples.SENSITIVITY["extra"], "unit": "fraction"}}
    assert show(share).value == "33.7 %"
    assert margin(share, samples.SENSITIVITY_LIMIT) == "−56.3 points"
    assert show({**samples.AUROC, "extra": {"unit": "fraction"}}).value == "0.821"


def test_takes_what_the_engine_returns() -> None:
    assert show(Estimate("brier", 0.3158, n=10)).value == "0.316"


@pytest.mark.parametrize(
    ("estimate", "limit", "expected"),
    [
        (samples.AUROC, samples.LIMIT, "−0.029"),
        (samples.SENSITIVITY, samples.SENSITIVITY_LIMIT, "−56.3 points"),
        (samples.UNDEFINED, samples.LIMIT, ""),
        (samples.AUROC, {**samples.LIMIT, "value": 0.8, "direction": "max"}, "−0.021"),
        (samples.AUROC, {**samples.LIMIT, "value": 0.85, "direction": "max"}, "+0.029"),
    ],
)
def test_margin(estimate: dict[str, object], limit: dict[str, object], expected: str) -> None:
    assert margin(estimate, limit) == expected


def test_limits_are_written_as_they_were_typed() -> None:
    assert limit_text(samples.LIMIT) == "≥ 0.85"
    assert limit_text(samples.SENSITIVITY_LIMIT) == "≥ 90 %"


@pytest.mark.parametrize("seconds", [0, 0.99, 9.96, 59.6, 3599.6, 86399.7, 1e6])
def test_every_duration_has_a_form(seconds: float) -> None:
    text = numbers.duration(seconds)
    assert not any(part in text for part in ("60 s", "60 min", "24 h"))
    assert math.isfinite(len(text))
