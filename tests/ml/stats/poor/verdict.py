"""What is wrong with an answer, or with a refusal."""

import math
import traceback
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from ml.estimate import Estimate

ROOT = Path(__file__).parents[4] / "ml"


def estimates(result: object) -> Iterator[Estimate]:
    """Every estimate in a result, in order."""
    if isinstance(result, Estimate):
        yield result
    elif isinstance(result, dict):
        for one in result.values():
            yield from estimates(one)
    elif isinstance(result, list | tuple):
        for one in result:
            yield from estimates(one)
    elif is_dataclass(result):
        for field in fields(result):
            yield from estimates(getattr(result, field.name))


def flaws(result: object) -> list[str]:
    """What a reader of the result would stumble over."""
    found = [
        f"{one.id} has an interval of no width at {one.low}"
        for one in estimates(result)
        if one.low is not None and one.low == one.high
    ]
    found += [
        f"{one.id} has neither an interval nor a reason"
        for one in estimates(result)
        if not one.has_interval and one.method and not one.reason
    ]
    return found + [f"{where} is {number}" for where, number in _numbers(result, "result")]


def _numbers(result: object, where: str) -> Iterator[tuple[str, float]]:
    """Plain numbers that are not finite; arrays may mark a missing case with NaN."""
    if isinstance(result, float) and not math.isfinite(result):
        yield where, result
    elif isinstance(result, list | tuple):
        for at, one in enumerate(result):
            yield from _numbers(one, f"{where}[{at}]")
    elif is_dataclass(result) and not isinstance(result, Estimate):
        for field in fields(result):
            yield from _numbers(getattr(result, field.name), f"{where}.{field.name}")


def unexplained(error: BaseException) -> str | None:
    """Why an exception is no refusal in words; None when it is one."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    raised_by_us = Path(frame.filename).is_relative_to(ROOT)
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    if not isinstance(error, ValueError):
        return f"{type(error).__name__} at {place}: {error}"
    if not raised_by_us:
        return f"a library's own words at {place}: {error}"
    if frame.filename.endswith("ml/estimate.py"):
        return f"an impossible estimate: {error}"
    return None
