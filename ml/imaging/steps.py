"""How an image is told of on its way into a network: after every declared step, in order."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import Input, Intensity, Resize

Values = NDArray[np.generic]
# Called with the name of a step, what it did in words, and the values it left.
Tell = Callable[[str, str, Values], None]


def nobody(step: str, says: str, values: Values) -> None:
    """Where nobody asks."""


def of_cut(intensity: Intensity) -> str:
    """
    Example:
        >>> of_cut(Intensity(window=(-1000, 400)))
        'cut to -1000 to 400, which becomes 0 to 1'
    """
    low, high = intensity.window or intensity.clip or (0.0, 1.0)
    said = f"cut to {low:g} to {high:g}"
    return f"{said}, which becomes 0 to 1" if intensity.window else said


def of_resize(size: tuple[int, ...], resize: Resize) -> str:
    """
    Example:
        >>> of_resize((224, 224), Resize())
        'to 224 x 224, bilinear, smoothed before it is made smaller'
    """
    smoothed = "not smoothed first" if resize.antialias == "none" else "smoothed before it is made"
    said = f"to {sides(size)}, {resize.mode}, {smoothed}"
    return said if resize.antialias == "none" else f"{said} smaller"


def of_numbers(intensity: Intensity) -> str:
    """
    Example:
        >>> of_numbers(Intensity(scale=255, mean=0.5, std=[0.2]))
        'divided by 255, less 0.5, divided by 0.2'
    """
    said = [f"divided by {intensity.scale:g}"] if intensity.scale != 1 else []
    said += [f"less {_each(intensity.mean)}"] if intensity.mean is not None else []
    said += [f"divided by {_each(intensity.std)}"] if intensity.std is not None else []
    return ", ".join(said)


def of_layout(declared: Input) -> str:
    """
    Example:
        >>> of_layout(Input(size=(2, 2)))
        'channels first (NCHW), 32-bit numbers'
        >>> of_layout(Input.model_validate({"dims": 3, "patch": {"size": [4, 4, 4]}}))
        'channels first (NCHW), 32-bit numbers; the network is led over it by patches of 4 x 4 x 4'
    """
    first = "channels first (NCHW)" if declared.layout == "NCHW" else "channels last (NHWC)"
    said = f"{first}, 32-bit numbers"
    if declared.patch is not None:
        said += f"; the network is led over it by patches of {sides(declared.patch.size)}"
    return said


def sides(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


def _each(value: float | list[float]) -> str:
    return ", ".join(f"{one:g}" for one in (value if isinstance(value, list) else [value]))
