"""Measures and plans of single numbers: an answer, or a refusal in words, whatever the number.

And that no public function of a room is left out of what is tried.
"""

import ast
import inspect
import pkgutil
import warnings
from importlib import import_module

import pytest

from ml.stats.bootstrap import Settings
from tests.ml.stats.poor.rows import NUMBERS as MEASURED
from tests.ml.stats.poor.rows import changed, cohort
from tests.ml.stats.poor.verdict import estimates, flaws, unexplained
from tests.ml.stats.test_poor_rows import ROOMS

LISTED = [at for at in ROOMS if hasattr(ROOMS[at], "NOT_MEASURES")]
NUMBERS = {f"{at}.{name}": call for at in LISTED for name, call in ROOMS[at].NUMBERS.items()}
BAD = (float("nan"), float("inf"), -float("inf"), -1, 0, 1, 1.5, 1e308, -1e308, 1e-308)


def _tried(call):
    """What is wrong with an answer or a refusal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return flaws(call())
    except Exception as error:  # every kind is judged
        return [text] if (text := unexplained(error)) else []


@pytest.mark.parametrize("measure", NUMBERS)
def test_bad_numbers_get_an_answer_or_a_refusal_in_words(measure):
    call, sound = NUMBERS[measure]
    assert not flaws(call(**sound))

    wrong = []
    for name in sound:
        for bad in BAD:
            spoiled = {**sound, name: bad}
            wrong += [f"{name}={bad}: {flaw}" for flaw in _tried(lambda one=spoiled: call(**one))]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("at", ROOMS)
@pytest.mark.parametrize("draws", [0, 1])
def test_a_single_draw_or_none_shows_no_spread(at, draws, monkeypatch):
    room = ROOMS[at]
    monkeypatch.setattr(room, "FEW", Settings(draws=draws))

    wrong = []
    for name, call in (room.CLUSTERED | room.OTHERS).items():
        wrong += [f"{name}: {flaw}" for flaw in _tried(lambda one=call: one(cohort()))]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("at", LISTED)
def test_the_unit_of_the_numbers_decides_no_interval(at):
    """A power of two changes no digit: what has an interval in one unit has one in another."""
    room = ROOMS[at]
    small = changed(cohort(), MEASURED, lambda numbers: numbers * 2.0**-100)

    for name, call in (room.CLUSTERED | room.OTHERS).items():
        if name not in room.IN_UNITS:
            expected, found = (
                [(one.id, one.value is None, one.has_interval) for one in estimates(call(rows))]
                for rows in (cohort(), small)
            )
            assert found == expected, name


@pytest.mark.parametrize("at", LISTED)
def test_a_value_lies_within_its_interval(at):
    room = ROOMS[at]
    for name, call in (room.CLUSTERED | room.OTHERS).items():
        for one in estimates(call(cohort())):
            if one.low is not None and one.high is not None:
                assert one.low <= one.value + 1e-12, (name, one)
                assert one.value <= one.high + 1e-12, (name, one)


@pytest.mark.parametrize("at", LISTED)
def test_every_public_function_is_tried_or_named_with_its_reason(at):
    package = import_module(f"ml.stats.{at}")
    public = set()
    for file in pkgutil.iter_modules(package.__path__):
        module = import_module(f"ml.stats.{at}.{file.name}")
        public |= {
            name
            for name, one in vars(module).items()
            if callable(one) and not name.startswith("_") and not inspect.isclass(one)
            and getattr(one, "__module__", "") == module.__name__
        }  # fmt: skip
    tree = ast.parse(inspect.getsource(ROOMS[at]))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named = set(ROOMS[at].NOT_MEASURES)

    assert public - used - named == set()
    assert named - public == set()
