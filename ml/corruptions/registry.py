"""The corruptions that this installation knows. A pack for a modality adds its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.drawn import drawn
from ml.imaging.intensity import once_if_grey

FloatArray = NDArray[np.float64]
SEVERITIES = 5
OURS = "ours"
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
        pack: the set it belongs to: "generic", "dicom-path", or one of a modality.
        formula: what becomes of an intensity x, in words or signs; for the documentation.
        source: the publication that it follows, or "ours".
        same_draw: what is drawn of a case is the same at every severity: a metal rod stays where
            it is and a file that is read wrongly stays wrong; only the parameter grows.
        of: pictures that can suffer it: "any", "gray" or "rgb".
    """

    id: str
    title: str
    parameter: str
    values: tuple[float, ...]
    harmless: float
    apply: Apply
    pack: str = "generic"
    formula: str = ""
    source: str = OURS
    same_draw: bool = False
    of: Literal["any", "gray", "rgb"] = "any"

    def __post_init__(self) -> None:
        away = [abs(value - self.harmless) for value in self.values]
        if len(self.values) != SEVERITIES or sorted(set(away)) != away or not away[0]:
            raise ValueError(f"{self.id}: {SEVERITIES} values, each further from harmless")

    def __call__(self, picture: FloatArray, severity: int, case: str, seed: int) -> FloatArray:
        """The corrupted picture, cut to 0..1 as a detector or a stored file is; never rounded.

        Args:
            picture: (height, width, channels) 0..1. Channels that are all alike stay alike: a
                grey picture gets no coloured noise.
            severity: 1 to 5; 0 is the picture as it is.
            case: its id. Random numbers depend on seed, case, corruption and severity alone.
            seed: of the pass.

        Returns:
            (height, width, channels) 0..1, of the picture's type.

        Raises:
            ValueError: for another severity.
        """
        if not 0 <= severity <= SEVERITIES:
            raise ValueError(f"severity is 0 to {SEVERITIES}, not {severity}")
        if severity == 0:
            return picture.copy()
        drawn_for = (seed, case, self.id) if self.same_draw else (seed, case, self.id, severity)
        value, numbers = self.value(severity), drawn(*drawn_for)
        return once_if_grey(picture, lambda one: self.apply(one, value, numbers).clip(0, 1))

    def value(self, severity: int) -> float:
        """Of the parameter, at a severity from 1 to 5."""
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


def known_ids() -> tuple[str, ...]:
    """Of every corruption, in the order they were added."""
    return tuple(_known)


def pack(name: str) -> tuple[Corruption, ...]:
    """The corruptions of a pack, in the order they were added."""
    return tuple(one for one in _known.values() if one.pack == name)
