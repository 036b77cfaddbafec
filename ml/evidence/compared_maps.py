"""Maps of changed networks and pictures, as numbers: how far each is from that of the network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FURTHER = "further"  # a column, and of params: methods whose maps are compared and not kept
NUMBERS = ("alike", "changed", "rise")
Stage = tuple[str, int]


@dataclass(frozen=True)
class ComparedMaps:
    """Of n cases and m changes, by one method.

    Attributes:
        keys: (m,) order and stage, as the randomise pass calls its rows.
        mapped: (n,) the network as it is gave a map.
        numbers: (n, m, 3) NUMBERS, of ``ml.stats.explanation.likeness``; NaN where there is none.
    """

    keys: tuple[Stage, ...]
    mapped: BoolArray
    numbers: FloatArray

    def of(self, name: str, key: Stage) -> FloatArray:
        """(n,) NaN where there is no such change."""
        if key not in self.keys:
            return np.full(self.mapped.size, np.nan)
        return np.asarray(self.numbers[:, self.keys.index(key), NUMBERS.index(name)])

    def stages(self, order: str) -> list[Stage]:
        """Of this order, those that some case has."""
        return [
            key for key in self.keys
            if key[0] == order and np.isfinite(self.of("changed", key)).any()
        ]  # fmt: skip


def written(found: Mapping[str, Mapping[Stage, Sequence[float]]]) -> bytes:
    """Of one case, by method and change; null where a number is undefined."""
    told = {
        method: [
            [order, stage, *(None if np.isnan(one) else round(one, 9) for one in numbers)]
            for (order, stage), numbers in changes.items()
        ]
        for method, changes in found.items()
    }
    return json.dumps(told, separators=(",", ":"), allow_nan=False).encode()


def compared_of(told: Sequence[bytes | None]) -> dict[str, ComparedMaps]:
    """By method, of all n cases.

    Args:
        told: (n,) what :func:`written` made of each; None where the case was not run.

    Raises:
        ValueError: where it is nothing of the kind.
    """
    cases = [_read(one) for one in told]
    found = {}
    for method in dict.fromkeys(name for case in cases for name in case):
        keys = tuple(dict.fromkeys(key for case in cases for key in case.get(method, {})))
        numbers = np.full((len(cases), len(keys), len(NUMBERS)), np.nan)
        for row, case in enumerate(cases):
            for key, values in case.get(method, {}).items():
                numbers[row, keys.index(key)] = values
        mapped = np.array([method in case for case in cases], dtype=np.bool_)
        found[method] = ComparedMaps(keys, mapped, numbers)
    return found


def _read(told: bytes | None) -> dict[str, dict[Stage, list[float]]]:
    """Of one case, by method and change; a child may have written anything."""
    try:
        given: dict[str, list[list[Any]]] = json.loads(told or b"{}")
        return {
            str(method): {
                (str(order), int(stage)): [np.nan if one is None else float(one) for one in of]
                for order, stage, *of in changes
                if len(of) == len(NUMBERS)
            }
            for method, changes in given.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("it does not say how alike maps are") from error
