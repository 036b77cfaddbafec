"""How a benchmark is measured and written down."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


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


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternated(
    ours: Callable[[], object], peer: Callable[[], object], runs: int
) -> tuple[float, float]:
    """Median seconds of both, run in turn so that a busy machine slows both alike."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(runs)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
