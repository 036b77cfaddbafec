"""What foreign and corrupted inputs cost: scores against a peer's and against the forwards that
made what they read, each corruption against the forward that follows it.

In seconds of the processor, of one thread: what else runs hardly changes them, so the forward is
measured once.
"""

import statistics
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import detectors, engine
from benchmarks.engine import CLOCK, chosen
from benchmarks.measuring import Result, Skipped, attempted, seconds
from ml.corruptions import corruption, pack
from ml.corruptions.modality import PACKS
from ml.corruptions.registry import SEVERITIES
from ml.zoo.pictures import drawn_picture

NETWORK, RUNS = "DenseNet121", 5


def run() -> Iterator[Result | Skipped]:
    with threadpool_limits(1):
        yield detectors.beside_the_forwards(seconds_of_a_forward(), NETWORK)
        yield from detectors.run()
        names = [one.id for name in PACKS for one in pack(name)]
        yield from attempted(*(partial(beside_a_forward, name) for name in names))


def beside_a_forward(name: str) -> Result:
    """A corruption at all severities, against the forward on the runtime that is chosen."""
    one, forward = corruption(name), seconds_of_a_forward()
    picture = drawn_picture(one.pack, engine.SIDE)

    def copies() -> list[Any]:
        return [one(picture, severity, "case", 1) for severity in range(1, SEVERITIES + 1)]

    agree = sound(copies(), copies())
    ours = statistics.median(seconds(copies, CLOCK) for _ in range(RUNS)) / SEVERITIES
    return Result(
        name=f"ood: corruption {name}",
        ours=ours,
        peer=forward,
        peer_name=f"the forward of {NETWORK} ({chosen(NETWORK).name})",
        ratio=forward / ours,
        goal=1,
        unit="s for a picture",
        n=f"{engine.SIDE} x {engine.SIDE} x {picture.shape[2]}, one thread",
        agree=agree,
    )


@cache
def seconds_of_a_forward() -> float:
    """Of one picture in a batch."""
    net = chosen(NETWORK)
    net.run()
    return statistics.median(seconds(net.run, CLOCK) for _ in range(RUNS)) / engine.BATCH


def sound(first: list[Any], again: list[Any]) -> bool:
    """The same twice, finite, in range."""
    return all(
        np.array_equal(a, b) and bool(np.isfinite(a).all()) and a.min() >= 0 and a.max() <= 1
        for a, b in zip(first, again, strict=True)
    )
