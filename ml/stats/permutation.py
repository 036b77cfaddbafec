"""Random relabelling of independent units: permuted samples and flipped signs."""

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray

_EXACT = 12  # units up to which all 2**units sign patterns are enumerated
_SLACK = 1e-12  # relative; a relabelling that repeats the observed sum must count as equal


def permuted_members(member: BoolArray, draws: int, seed: int) -> FloatArray:
    """Membership of the first sample under random relabelling, (units, draws) of 0 and 1.

    Args:
        member: (units,) true in the first sample; every column keeps their number.
        draws: columns.
        seed: of the random numbers.

    Example:
        >>> permuted_members(np.array([True, False, False]), 5, 1).sum(axis=0).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    generator = np.random.Generator(np.random.SFC64([seed, member.size]))
    columns = np.repeat(member.astype(np.float64)[:, None], draws, axis=1)
    shuffled: FloatArray = generator.permuted(columns, axis=0)
    return shuffled


def signs(units: int, draws: int, seed: int) -> tuple[FloatArray, bool]:
    """Sign patterns (patterns, units) of -1 and 1, and whether they are all there are.

    Example:
        >>> patterns, complete = signs(2, 100, 1)
        >>> patterns.tolist(), complete
        ([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], True)
    """
    if units <= _EXACT:
        bits = np.arange(2**units)[:, None] >> np.arange(units) & 1
        every: FloatArray = (2 * bits - 1).astype(np.float64)
        return every, True
    generator = np.random.Generator(np.random.SFC64([seed, units]))
    some: FloatArray = (2 * generator.integers(0, 2, size=(draws, units)) - 1).astype(np.float64)
    return some, False


def p_value(observed: float, relabelled: FloatArray, *, complete: bool) -> float:
    """Share of relabellings at least as extreme; the observed one counts when they were sampled.

    Example:
        >>> p_value(2.0, np.array([1.0, 2.0, 3.0]), complete=False)
        0.75

    Source:
        Phipson, Smyth (2010), Statistical Applications in Genetics 9:39.
    """
    reach = observed - _SLACK * max(1.0, abs(observed))
    hits = int((relabelled >= reach).sum())
    return hits / relabelled.size if complete else (hits + 1) / (relabelled.size + 1)
