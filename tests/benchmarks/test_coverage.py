"""The stored coverage table is whole, holds 93 to 97 % or says why not, and is of this code."""

import re

import pytest

from benchmarks.coverage.page import PAGE, outside, page, stored
from benchmarks.coverage.scenarios import all_scenarios
from benchmarks.coverage.simulating import _named, simulate

SCENARIOS = {scenario.name: scenario for scenario in all_scenarios()}
STORED = stored()


def test_every_scenario_is_in_the_table_and_nothing_else():
    assert list(STORED) == list(SCENARIOS)


def test_the_page_is_made_from_the_stored_results():
    assert PAGE.read_text(encoding="utf-8") == page(list(STORED.values()))


@pytest.mark.parametrize("name", SCENARIOS)
def test_coverage_lies_in_93_to_97_per_cent_or_has_its_reason(name):
    row = STORED[name]
    assert row["runs"] == SCENARIOS[name].runs
    if outside(row):
        assert len(str(row["reason"])) > 40
        assert row["coverage"] > 0.88, "a reason does not excuse everything"
    assert row["reason"] == SCENARIOS[name].reason


@pytest.mark.parametrize("name", ["auroc-0.8-20+80", "auroc-0.95-200+800"])
def test_a_new_run_of_a_part_covers_as_often_as_the_table_says(name):
    again = simulate(SCENARIOS[name], runs=400, processes=1)
    assert again.coverage == pytest.approx(STORED[name]["coverage"], abs=4 * again.error)
    assert again.truth == STORED[name]["truth"]


def test_the_number_of_processes_changes_nothing():
    scenario = SCENARIOS["auroc-0.8-20+80"]
    assert simulate(scenario, runs=100, processes=1) == simulate(scenario, runs=100, processes=2)


@pytest.mark.parametrize(
    "asked",
    [r"auroc-0\.(6|98)-20\+80", r"auroc-0\.(6|98)-200\+800", r"(kappa|cohen).*-30$",
     r"alpha-.*-30$",
     r"(kappa|cohen).*-300$", r"alpha-.*-300$", r"ece", r"cluster", r"mrmc", r"pairwise-dice"],
)  # fmt: skip
def test_what_must_be_measured_is(asked):
    assert any(re.search(asked, name) for name in STORED)


def test_no_two_scenarios_share_a_name():
    assert len(all_scenarios()) == len(SCENARIOS)


def test_a_method_without_numbers_is_still_a_phrase():
    """The degrees of freedom go with the word before them."""
    assert _named("linearised over 24 cases (Gwet 2014), t with 23 df, cut at 1") == (
        "linearised (Gwet 2014), t, cut at 1"
    )
    assert _named("Student t, 59 df") == "Student t"
