"""Power of a reader study, and the readers and cases that it needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_number, checked_share
from ml.stats.mrmc.components import Components
from ml.stats.mrmc.obuchowski_rockette import POPULATION, Inference

_MOST = 10_000_000  # readers or cases of a plan


@dataclass(frozen=True)
class Power:
    """Power of one planned study; cases None when no allowed number reaches the power asked."""

    readers: int
    cases: int | None
    power: float | None
    df: float | None
    noncentrality: float | None
    reason: str | None = None


def power(
    pilot: Components,
    pilot_cases: int,
    effect: float,
    readers: int,
    cases: int,
    *,
    alpha: float = 0.05,
    inference: Inference = "RRRC",
) -> Power:
    """Power to find a true difference between two modalities read by all readers.

    Args:
        pilot: components of a pilot study; a negative modality x reader variance counts as 0.
        pilot_cases: its number of cases; error and covariances shrink as pilot_cases / cases,
            so the planned share of cases with the finding must be that of the pilot.
        effect: true difference of the figure of merit.
        readers, cases: of the planned study.
        alpha: two-sided significance level.
        inference: the population the answer shall hold for.

    Raises:
        ValueError: for fewer than two random readers, numbers of readers or cases that are not
            whole and above 0, or a pilot without modality x reader variance.

    Example:
        >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024, 0.005, 0.003,
        ...                    0.0005)
        >>> round(power(pilot, 114, 0.05, 6, 171).power, 2)
        0.81

    Source:
        Hillis, Obuchowski, Berbaum (2011), Academic Radiology 18:129-142.
    """
    if inference not in POPULATION:
        raise ValueError(f"inference must be RRRC, FRRC or RRFC, got {inference!r}")
    if pilot.modality_reader is None:
        raise ValueError("the pilot needs two or more modalities and readers")
    checked_count("readers", readers, 1 if inference == "FRRC" else 2, _MOST)
    checked_count("cases", cases, 1, _MOST)
    checked_count("pilot_cases", pilot_cases, 1, _MOST)
    checked_share("alpha", alpha)
    checked_number("effect", effect)
    shrink = pilot_cases / cases
    spread = max(pilot.modality_reader, 0.0)
    shared = max(pilot.cov2 - pilot.cov3, 0.0)
    own = pilot.error - pilot.cov1
    if inference == "FRRC":
        below = shrink * (own + (readers - 1) * shared)
        df = float("inf")
    else:
        # Expected mean square of modality x reader in the planned study.
        inner = spread + shrink * (own - shared)
        below = inner + (readers * shrink * shared if inference == "RRRC" else 0.0)
        df = (readers - 1) * (below / inner) ** 2 if inner > 0 else float("inf")
    if not below > 0:
        reason = "Not estimated: the expected error variance is not above 0."
        return Power(readers, cases, None, None, None, reason)
    delta = readers * effect**2 / 2 / below
    if delta == 0:
        reached = alpha  # the noncentral distributions are not exact there
    elif math.isinf(df):
        reached = stats.ncx2.sf(stats.chi2.isf(alpha, 1), 1, delta)
    else:
        reached = stats.ncf.sf(stats.f.isf(alpha, 1, df), 1, df, delta)
    return Power(readers, cases, float(reached), None if math.isinf(df) else df, delta)


def cases_needed(
    pilot: Components,
    pilot_cases: int,
    effect: float,
    readers: int,
    *,
    target: float = 0.8,
    alpha: float = 0.05,
    inference: Inference = "RRRC",
    most: int = 2000,
) -> Power:
    """The least number of cases that reaches the power, up to ``most``.

    Power need not rise with cases for every pilot, but the least number is found by bisection,
    as power does rise where variances fall.

    Example:
        >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024, 0.005, 0.003,
        ...                    0.0005)
        >>> cases_needed(pilot, 114, 0.05, 6).power >= 0.8
        True

    Source:
        As ``power``.
    """

    checked_share("target", target)

    def at(cases: int) -> Power:
        return power(pilot, pilot_cases, effect, readers, cases, alpha=alpha, inference=inference)

    def enough(cases: int) -> bool:
        reached = at(cases).power
        return reached is not None and reached >= target

    if not enough(most):
        reason = f"Not reached: {readers} readers and {most:,} cases give less than {target:.0%}."
        return Power(readers, None, at(most).power, None, None, reason)
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return at(high)


def power_grid(
    pilot: Components,
    pilot_cases: int,
    effect: float,
    readers: Sequence[int],
    cases: Sequence[int],
    *,
    alpha: float = 0.05,
    inference: Inference = "RRRC",
) -> FloatArray:
    """Power for every number of readers (rows) and cases (columns); NaN where undefined.

    Example:
        >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024, 0.005, 0.003,
        ...                    0.0005)
        >>> grid = power_grid(pilot, 114, 0.05, [4, 8], [100, 200])
        >>> bool(grid[1, 1] > grid[0, 0])
        True

    Source:
        As ``power``.
    """
    rows = []
    for j in readers:
        found = [
            power(pilot, pilot_cases, effect, j, k, alpha=alpha, inference=inference).power
            for k in cases
        ]
        rows.append([np.nan if value is None else value for value in found])
    return np.array(rows, dtype=np.float64).reshape(len(readers), len(cases))
