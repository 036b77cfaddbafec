"""Numbers to positions on paper, and axes with round steps."""

import math
from dataclasses import dataclass

_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Linear:
    """A straight axis from `low` at `start` to `high` at `end`, both in user units of the SVG."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def clamped(self, value: float) -> float:
        return self(min(max(value, self.low), self.high))


def nice_ceiling(value: float) -> float:
    """The smallest round number that is not below the value.

    >>> nice_ceiling(0.357), nice_ceiling(12), nice_ceiling(0.05)
    (0.4, 15.0, 0.05)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(round(step * power, 12) for step in _STEPS if step * power >= value * (1 - 1e-9))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round positions inside [low, high], about as many as asked for.

    >>> ticks(0, 1), ticks(0.7, 1.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0])
    """
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((1.0, 2.0, 5.0, 10.0), key=lambda s: abs(s * power - raw)) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def places(steps: list[float]) -> int:
    """How many decimals the labels of an axis need, the same for all of them.

    >>> places([0.0, 0.2]), places([0.7, 0.75]), places([0.0, 50.0])
    (1, 2, 0)
    """
    return next(
        (d for d in range(6) if all(abs(round(s, d) - s) < 1e-9 for s in steps)),
        6,
    )
