"""The corruptions that this installation knows. A pack for a modality adds its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.drawn import drawn

FloatArray = NDArray[np.float64]
SEVERITIES = 5
Apply = Callable[[FloatArray, float, np.random.Generator], FloatArray]


@dataclass(frozen=True)
class Corruption:
    """One way in which a picture can be worse.

    Attributes:
        id: kebab-case; in evidence and keys, never reused.
        parameter: what the values are, with the unit.
        values: one for each severity, from 1 to 5, ever further from ``harmless``.
        harmless: the value of the parameter at which nothing happens.
        apply: takes a picture (height, width, channels) with intensities from 0 to 1, a value and
            a source of random numbers; gives the same shape.
        pack: the set it belongs to: "generic", or one of a modality.
    """

    id: str
    title: str
    parameter: str
    values: tuple[float, ...]
    harmless: float
    apply: Apply
    pack: str = "generic"

    def __post_init__(self) -> None:
        away = [abs(value - self.harmless) for value in self.values]
        if len(self.values) != SEVERITIES or sorted(set(away)) != away or not away[0]:
            raise ValueError(f"{self.id}: {SEVERITIES} values, each further from harmless")

    def __call__(self, picture: FloatArray, severity: int, case: str, seed: int) -> FloatArray:
        """The corrupted picture, cut to 0..1 as a detector or a stored file is; never rounded.

        Args:
            picture: (height, width, channels) 0..1. Channels that are all alike stay alike: a
                grey picture gets no coloured noise.
            severity: 1 to 5.
            case: its id. Random numbers depend on seed, case, corruption and severity alone.
            seed: of the pass.

        Returns:
            (height, width, channels) 0..1.

        Raises:
            ValueError: for another severity.
        """
        if not 1 <= severity <= SEVERITIES:
            raise ValueError(f"severity is 1 to {SEVERITIES}, not {severity}")
        grey = bool((picture == picture[:, :, :1]).all())
        numbers = drawn(seed, case, self.id, severity)
        found = self.apply(picture[:, :, :1] if grey else picture, self.value(severity), numbers)
        return np.broadcast_to(found.clip(0, 1), picture.shape)

    def value(self, severity: int) -> float:
        return self.values[severity - 1]


_known: dict[str, Corruption] = {}


def add(one: Corruption) -> None:
    """Make a corruption known.

    Raises:
        ValueError: if another one has its id.
    """
    if one.id in _known:
        raise ValueError(f"two corruptions are called {one.id!r}")
    _known[one.id] = one


def corruption(name: str) -> Corruption:
    """The corruption of that id.

    Raises:
        LookupError: if there is none.
    """
    if name not in _known:
        raise LookupError(f"there is no corruption {name!r}; there are {', '.join(_known)}")
    return _known[name]


def pack(name: str) -> tuple[Corruption, ...]:
    """The corruptions of a pack, in the order they were added."""
    return tuple(one for one in _known.values() if one.pack == name)
