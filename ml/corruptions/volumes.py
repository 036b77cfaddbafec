"""Corruptions of a volume: in space where the physics is, else slice by slice."""

from collections.abc import Sequence

import numpy as np

from ml.corruptions.registry import SEVERITIES, Corruption
from ml.corruptions.space import IN_SPACE, Float32Array
from ml.drawn import drawn


def corrupted_volume(
    one: Corruption,
    volume: Float32Array,
    spacing_mm: Sequence[float],
    severity: int,
    case: str,
    seed: int,
) -> Float32Array:
    """The corrupted volume, cut to 0..1; never rounded.

    Noise is drawn anew for each slice. What is drawn once for all severities of a case (a place, a
    direction, the lines of k-space that are hit, whether a file is read wrongly) is the same in
    all of its slices: a rod goes through all of them, and slices that are read in turn line by
    line share what happens meanwhile. Besides the volume two of its size are held at most.

    Args:
        volume: (slices, rows, columns) 0..1.
        spacing_mm: between slices, rows, columns.
        severity: 1 to 5; 0 is the volume as it is.
        case: its id. Random numbers depend on seed, case, corruption, severity and slice alone.
        seed: of the pass.

    Returns:
        (slices, rows, columns) 0..1.

    Raises:
        ValueError: for another severity.

    Example:
        >>> from ml.corruptions import corruption
        >>> thin = np.repeat(np.array([0, 1, 0, 1], np.float32), 4).reshape(4, 2, 2)
        >>> thick = corrupted_volume(
        ...     corruption("slice-thickness"), thin, (2.5, 1, 1), 2, "a", 1
        ... )
        >>> thick[:, 0, 0].tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    if not 0 <= severity <= SEVERITIES:
        raise ValueError(f"severity is 0 to {SEVERITIES}, not {severity}")
    if severity == 0:
        return volume.copy()
    value = one.value(severity)
    drawn_for = (seed, case, one.id) if one.same_draw else (seed, case, one.id, severity)
    if one.id in IN_SPACE:
        found = IN_SPACE[one.id](volume, spacing_mm, value, drawn(*drawn_for))
        return np.clip(found, 0, 1, out=None if found is volume else found)
    found = np.empty_like(volume)
    for at, plane in enumerate(volume):
        numbers = drawn(*drawn_for) if one.same_draw else drawn(*drawn_for, at)
        picture = plane[:, :, None].astype(np.float64)
        found[at] = one.apply(picture, value, numbers).clip(0, 1)[:, :, 0]
    return found
