"""Whether an answer is the expected value, number by number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml.estimate import Estimate

RELATIVE = 1e-9


def plain(answer: Any) -> Any:
    """An answer as JSON would hold it: estimates become their value, arrays lists, NaN None."""
    if isinstance(answer, Estimate):
        return answer.value
    if isinstance(answer, np.ndarray | np.generic):
        return plain(answer.tolist())
    if isinstance(answer, Mapping):
        return {str(key): plain(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(value) for value in answer]
    if isinstance(answer, float) and math.isnan(answer):
        return None
    return answer


def same(answer: Any, expected: Any, tol: float) -> bool:
    """True when every number lies within ``tol`` (or 1e-9 of it); texts and shapes are equal.

    An object may say more than was expected, never less.
    """
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return bool(answer is expected or answer == expected) and type(answer) is type(expected)
    if isinstance(expected, Mapping):
        return isinstance(answer, Mapping) and all(
            key in answer and same(answer[key], value, tol) for key, value in expected.items()
        )
    if isinstance(expected, Sequence):
        return (
            isinstance(answer, Sequence)
            and not isinstance(answer, str)
            and len(answer) == len(expected)
            and all(same(a, e, tol) for a, e in zip(answer, expected, strict=True))
        )
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return False
    if math.isinf(expected) or math.isinf(answer):
        return bool(answer == expected)
    return bool(abs(answer - expected) <= max(tol, RELATIVE * abs(expected)))
