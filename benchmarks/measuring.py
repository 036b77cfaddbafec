"""How a benchmark is measured and written down."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial


@dataclass(frozen=True)
class Result:
    """One line of `python -m benchmarks NAME --json`; times are medians, the least where said."""

    name: str
    ours: float
    peer: float
    peer_name: str
    ratio: float  # peer time over ours
    goal: float  # what the ratio should reach
    unit: str
    n: str  # the size it was measured at
    agree: bool  # the two gave the same answer within the stated tolerance

    def json(self) -> str:
        return json.dumps(asdict(self))

    def words(self) -> str:
        verdict = "" if self.agree else "  THE ANSWERS DIFFER: no result"
        return (
            f"{self.name}: {ratio_words(self.ratio, self.goal)}x {self.peer_name} "
            f"(goal {self.goal:g}x); "
            f"{self.ours:.4g} against {self.peer:.4g} {self.unit}, {self.n}{verdict}"
        )


def ratio_words(ratio: float, goal: float) -> str:
    """With two digits behind the point, or as many as it takes that a missed goal looks missed.

    Example:
        >>> ratio_words(0.847, 0.85), ratio_words(0.857, 0.85)
        ('0.847', '0.86')
    """
    for digits in range(2, 17):
        words = f"{ratio:.{digits}f}"
        if (float(words) < goal) == (ratio < goal):
            return words
    return repr(ratio)


@dataclass(frozen=True)
class Skipped:
    """A comparison that could not be made, and why."""

    name: str
    reason: str

    def json(self) -> str:
        return json.dumps({"name": self.name, "skipped": self.reason})

    def words(self) -> str:
        return f"{self.name}: skipped, {self.reason}"


def attempted(*comparisons: Callable[[], Result | Skipped]) -> Iterator[Result | Skipped]:
    """Each comparison in turn; one whose peer is not installed is skipped and said."""
    for compare in comparisons:
        try:
            yield compare()
        except ModuleNotFoundError as error:
            inner = compare.func if isinstance(compare, partial) else compare
            name = f"{inner.__module__.removeprefix('benchmarks.')}.{inner.__name__}"
            yield Skipped(name, f"its peer {error.name} is not installed: `make bench` does that")


Clock = Callable[[], float]


def seconds(call: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    began = clock()
    call()
    return clock() - began


def alternated(
    ours: Callable[[], object],
    peer: Callable[[], object],
    runs: int,
    clock: Clock = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of both, run in turn so that a busy machine slows both alike.

    Args:
        clock: ``time.process_time`` where both use the processor alone and one thread: what else
            runs on the machine hardly changes it.
    """
    pairs = [(seconds(ours, clock), seconds(peer, clock)) for _ in range(runs)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


@dataclass(frozen=True)
class Least:
    """The least seconds of both sides, and how far single pairs of runs say otherwise."""

    ours: float
    peer: float
    ratios: tuple[float, ...]  # peer over ours, of each pair

    @property
    def words(self) -> str:
        middle = statistics.median(self.ratios)
        return (
            f"the least of {len(self.ratios)} runs each; the median of their ratios is {middle:.2f}"
        )


def least(
    ours: Callable[[], object],
    peer: Callable[[], object],
    runs: int,
    clock: Clock = time.process_time,
) -> Least:
    """The least seconds of both, run in turn.

    For calls that do the same work each time and last so long that others come between: what
    those take is only ever added; on a shared machine a call was seen to take half as long again.
    """
    pairs = [(seconds(ours, clock), seconds(peer, clock)) for _ in range(runs)]
    return Least(min(a for a, _ in pairs), min(b for _, b in pairs), tuple(b / a for a, b in pairs))
