"""One scenario simulated many times, and what is counted."""

import re
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from ml.estimate import Estimate, JsonObject

NOMINAL = 0.95
LOW, HIGH = 0.93, 0.97  # a coverage outside needs a reason
_TASK = 50  # simulations handed to a process at once


@dataclass(frozen=True)
class Scenario:
    """A population whose true value is known, and a measure of samples drawn from it."""

    name: str  # stable; rows of the table are found by it
    measure: str  # what is estimated, in words
    design: str  # sample and population, in words
    truth: float
    estimate: Callable[[np.random.Generator], Estimate]  # of one simulated sample
    runs: int = 4000
    reason: str = ""  # why the coverage may lie outside 93 to 97 %


@dataclass(frozen=True)
class Covered:
    """What the simulations of one scenario gave."""

    name: str
    measure: str
    design: str
    method: str  # as the estimate names it, without numbers of the sample
    truth: float
    runs: int
    coverage: float  # share of intervals that hold the truth, of those that exist
    error: float  # Monte Carlo standard error of the coverage
    below: float  # share of intervals that lie wholly below the truth
    above: float
    width: float  # mean, of two-sided intervals
    bias: float  # mean estimate minus truth
    without: float  # share of samples without an interval
    reason: str

    @property
    def needs_reason(self) -> bool:
        return not LOW <= self.coverage <= HIGH

    def to_json(self) -> JsonObject:
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in vars(self).items()
        }


def simulate(scenario: Scenario, *, runs: int | None = None, processes: int = 2) -> Covered:
    """Draw, estimate and count; the same numbers whatever the number of processes."""
    runs = runs or scenario.runs
    tasks = [(at, min(_TASK, runs - at)) for at in range(0, runs, _TASK)]
    if processes > 1:
        # The children are forks: they inherit the scenario, whose functions cannot be sent.
        with ProcessPoolExecutor(
            processes, get_context("fork"), initializer=_inherit, initargs=(scenario.name,)
        ) as pool:
            _inherited[scenario.name] = scenario
            parts = list(pool.map(_of_inherited, tasks))
    else:
        parts = [_some(scenario, task) for task in tasks]
    rows = np.array([row for part, _ in parts for row in part])
    value, low, high = rows.T
    interval = ~np.isnan(low) | ~np.isnan(high)
    # A one-sided interval has no other end: it reaches as far as the measure does.
    low, high = np.nan_to_num(low, nan=-np.inf), np.nan_to_num(high, nan=np.inf)
    low, high, value = low[interval], high[interval], value[np.isfinite(value)]
    held = (low <= scenario.truth) & (scenario.truth <= high)
    coverage = float(held.mean())
    both = np.isfinite(low) & np.isfinite(high)
    return Covered(
        scenario.name,
        scenario.measure,
        scenario.design,
        parts[0][1],
        scenario.truth,
        runs,
        coverage,
        float((coverage * (1 - coverage) / held.size) ** 0.5),
        float((high < scenario.truth).mean()),
        float((low > scenario.truth).mean()),
        float((high - low)[both].mean()),
        float(value.mean() - scenario.truth),
        float(1 - interval.mean()),
        scenario.reason,
    )


_inherited: dict[str, Scenario] = {}
_wanted = ""


def _inherit(name: str) -> None:
    global _wanted
    _wanted = name


def _of_inherited(task: tuple[int, int]) -> tuple[list[tuple[float, float, float]], str]:
    return _some(_inherited[_wanted], task)


def _some(
    scenario: Scenario, task: tuple[int, int]
) -> tuple[list[tuple[float, float, float]], str]:
    """Values and ends of some simulations; None becomes NaN here, where it is only counted."""
    first, number = task
    rows, method = [], ""
    for run in range(first, first + number):
        generator = np.random.default_rng([zlib.crc32(scenario.name.encode()), run])
        made = scenario.estimate(generator)
        method = method or _named(made.method)
        rows.append(tuple(np.nan if x is None else x for x in (made.value, made.low, made.high)))
    return rows, method  # type: ignore[return-value]


def _named(method: str) -> str:
    """A method without the numbers of the sample."""
    return re.sub(
        r" [\d.]+ \(over [\d,]+ \w+\)| over [\d,]+ \w+|, [\d,]+ draws, seed \d+"
        r"|(?:,| with)? [\d.]+ df",
        "",
        method,
    ).strip(", ")
