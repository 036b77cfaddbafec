"""The pages and the sentences of an audit write a number in the same unit."""

from ml.checks.words import NAMES, RATES, STEPS
from portal.ui.measures import measure


def test_what_sentences_give_per_cent_is_given_per_cent_on_pages():
    shown = {name for name in {*NAMES, *RATES} if measure(name).unit == "rate"}
    assert shown == RATES


def test_steps_are_whole_numbers_in_both():
    assert {name for name in NAMES if measure(name).unit == "step"} == STEPS


def test_an_axis_holds_what_a_measure_can_be():
    for name in NAMES:
        axis = measure(name).axis
        assert axis is None or axis in ((0.0, 1.0), (0.5, 1.0), (-1.0, 1.0), (0.0, 5.0)), name
