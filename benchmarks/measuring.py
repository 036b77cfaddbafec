"""How a benchmark is measured and written down."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial


@dataclass(frozen=True)
class Result:
    """One line of `python -m benchmarks NAME --json`; times are medians."""

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
            f"{self.name}: {self.ratio:.2f}x {self.peer_name} (goal {self.goal:g}x); "
            f"{self.ours:.4g} against {self.peer:.4g} {self.unit}, {self.n}{verdict}"
        )


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
