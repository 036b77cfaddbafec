"""The plumb figure: dot, interval, allowed side and limit on one axis."""

import re

import pytest

from portal.ui.plumb import CARD, axis_range, plumb, sentence

from . import samples


def test_its_sentence_has_all_five_numbers() -> None:
    text = sentence(samples.SENSITIVITY, samples.SENSITIVITY_LIMIT, "fail")
    assert text == "Sensitivity 33.7 % with interval 30.4 % to 36.7 %; limit ≥ 90 %; fail"


def test_the_allowed_side_follows_the_direction() -> None:
    def allowed(direction: str) -> float:
        drawing = plumb(samples.AUROC, samples.LIMIT | {"direction": direction}, "fail")
        return float(re.findall(r'class="ok" x="([\d.]+)"', drawing)[0])

    assert allowed("min") > allowed("max") == 10


def test_without_a_limit_there_is_no_line() -> None:
    assert "lim" not in plumb(samples.AUROC, None, "info")


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        ("auroc", 0.9, (0.7, 1.0)),
        ("auroc", 0.6, (0.5, 1.0)),
        ("auroc", 0.3, (0.0, 1.0)),
        ("sensitivity", 0.1, (0.0, 1.0)),
        ("ece", 0.31, (0.0, 0.4)),
        ("alpha", -0.2, (-1.0, 1.0)),
        ("intercept", -1.2, (-1.5, 1.5)),
        ("ece", 0.0, (0.0, 1.5e-9)),
    ],
)
def test_the_axis_holds_the_value(
    measure: str, value: float, expected: tuple[float, float]
) -> None:
    found = axis_range(samples.estimate(measure, value), None)
    assert found == pytest.approx(expected)


def test_beside_a_finding_the_ends_are_written() -> None:
    assert ">100 %<" in plumb(samples.SENSITIVITY, None, "info", shape=CARD)


def test_a_distance_is_drawn_and_said_in_its_unit() -> None:
    apart = samples.estimate("hd95", 3.214, low=2.1, high=4.5, extra={"unit": "mm"})
    limit = samples.LIMIT | {"measure": "hd95", "value": 3.0, "direction": "max"}
    assert sentence(apart, limit, "caution") == (
        "95 % Hausdorff distance 3.214 mm with interval 2.100 to 4.500 mm; limit ≤ 3 mm; caution"
    )
    assert ">0.00 mm<" in plumb(apart, limit, "caution", shape=CARD)
