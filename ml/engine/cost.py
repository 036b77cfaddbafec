"""What a pass costs, declared before it runs: forwards, backwards and bytes for every case."""

from collections.abc import Iterable
from dataclasses import dataclass

# A forward and backward of the plain walk, in forwards of the way outputs are computed: the walk is
# not fused while it takes gradients. Measured by `python -m benchmarks explain`.
ROW = 64  # bytes of the names in a row of a table, about
BACKWARD = 4.0


@dataclass(frozen=True)
class Sizes:
    """What the bytes of evidence hang on; the defaults stand for what is not known yet.

    Attributes:
        outputs: of the model, per case.
        positions: of a map.
        features: numbers of a layer.
    """

    outputs: int = 2
    positions: int = 1024
    features: int = 2048


@dataclass(frozen=True)
class Cost:
    """Of one case.

    Attributes:
        forwards: of the whole network.
        backwards: through the whole network. Through the tail behind a kept value counts as none.
        bytes: of evidence, before compression.
    """

    forwards: float
    backwards: float = 0.0
    bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.bytes + other.bytes,
        )


@dataclass(frozen=True)
class Estimated:
    """Of a whole plan on one machine."""

    seconds: float
    bytes: int


def estimate(costs: Iterable[tuple[Cost, int]], seconds_per_forward: float) -> Estimated:
    """What passes take on the machine where a forward was timed.

    Args:
        costs: the cost of a case, and for how many cases, of each pass.
        seconds_per_forward: of one case, as the run of two cases at intake measured it.

    Example:
        >>> estimate([(Cost(1, 0, 100), 1000), (Cost(30, 0, 500), 1000)], 0.02)
        Estimated(seconds=620.0, bytes=600000)
    """
    seconds, size = 0.0, 0
    for cost, cases in costs:
        seconds += cases * seconds_per_forward * (cost.forwards + BACKWARD * cost.backwards)
        size += cases * cost.bytes
    return Estimated(seconds, size)
