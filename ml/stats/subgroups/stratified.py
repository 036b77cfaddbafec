"""Two by two tables in strata: common odds ratio, and whether it is common."""

import numpy as np
from scipy import optimize, stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_share
from ml.stats.interval import STATISTIC

Tables = IntArray | FloatArray


def mantel_haenszel(tables: Tables, *, level: float = 0.95) -> Estimate:
    """Mantel-Haenszel odds ratio common to all strata.

    Args:
        tables: (strata, 2, 2) counts [[a, b], [c, d]]; odds ratio ad / bc.
        level: of the interval.

    Returns:
        Interval: log-normal with the Robins-Breslow-Greenland variance, which holds for few
        large and for many small strata. Undefined when the ratio is 0/0 or infinite.

    Raises:
        ValueError: for another shape or level, or counts that are negative or not finite.

    Example:
        >>> round(mantel_haenszel(np.array([[[10, 5], [4, 12]], [[8, 6], [3, 9]]])).value, 3)
        4.965

    Source:
        Mantel, Haenszel (1959). Robins, Breslow, Greenland (1986), Biometrics 42:311-323.
    """
    level = checked_share("level", level)
    used = _used(tables)
    a, b, c, d, total = _cells(used)
    r, s = a * d / total, b * c / total
    n, convention = int(used.sum()), "ad / bc, weights 1 / stratum size"
    if r.sum() <= 0 or s.sum() <= 0:
        which = "not defined" if r.sum() == s.sum() else ("0" if r.sum() <= 0 else "infinite")
        reason = f"Not estimated: the odds ratio is {which} (empty cells in every stratum)."
        return undefined("odds_ratio_mh", reason, n=n, convention=convention)
    p, q = (a + d) / total, (b + c) / total
    big_r, big_s = float(r.sum()), float(s.sum())
    variance = (
        (p * r).sum() / (2 * big_r**2)
        + (p * s + q * r).sum() / (2 * big_r * big_s)
        + (q * s).sum() / (2 * big_s**2)
    )
    value = big_r / big_s
    spread = float(np.exp(stats.norm.ppf((1 + level) / 2) * variance**0.5))
    return Estimate(
        "odds_ratio_mh", value, value / spread, value * spread, level, n, convention=convention,
        method="log-normal, Robins-Breslow-Greenland variance",
        extra={"strata": used.shape[0], "strata_left_out": _given(tables) - used.shape[0],
               "log_variance": float(variance)},
    )  # fmt: skip


def cochran_mantel_haenszel(tables: Tables, *, correction: bool = False) -> Estimate:
    """Test that row and column are unrelated within strata, 1 degree of freedom.

    Args:
        tables: as ``mantel_haenszel``.
        correction: subtract one half from the absolute difference (never below 0).

    Returns:
        Chi-squared as value; ``extra`` holds ``df`` and ``p``.

    Example:
        >>> table = np.array([[[10, 5], [4, 12]], [[8, 6], [3, 9]]])
        >>> round(cochran_mantel_haenszel(table).value, 3)
        7.764

    Source:
        Mantel, Haenszel (1959); Cochran (1954). As stats::mantelhaen.test.
    """
    used = _used(tables)
    a, b, c, d, total = _cells(used)
    expected = (a + b) * (a + c) / total
    more_than_one = np.maximum(total - 1, 1)  # a stratum of one case has variance 0 anyway
    variance = (a + b) * (c + d) * (a + c) * (b + d) / (total**2 * more_than_one)
    convention = "continuity correction" if correction else "no continuity correction"
    return _test(
        "cmh", abs(float((a - expected).sum())) - (0.5 if correction else 0.0), variance, used,
        convention,
    )  # fmt: skip


def breslow_day(tables: Tables, *, tarone: bool = False) -> Estimate:
    """Test that the odds ratio is the same in every stratum.

    Args:
        tables: as ``mantel_haenszel``.
        tarone: with Tarone's correction for using the Mantel-Haenszel odds ratio.

    Returns:
        Chi-squared as value; ``extra`` holds ``df`` (strata - 1) and ``p``. Strata with an empty
        row or column say nothing of the odds ratio and are left out.

    Example:
        >>> table = np.array([[[10, 5], [4, 12]], [[8, 6], [3, 9]]])
        >>> round(breslow_day(table).value, 4)
        0.1202

    Source:
        Breslow, Day (1980), Statistical Methods in Cancer Research I, section 4.4. Tarone (1985),
        Biometrika 72:91-95.
    """
    used = _used(tables)
    name = "breslow_day_tarone" if tarone else "breslow_day"
    convention = "at the Mantel-Haenszel odds ratio" + (", Tarone's correction" if tarone else "")
    common = mantel_haenszel(used)
    n = int(used.sum())
    if common.value is None:
        return undefined(name, common.reason or "", n=n, convention=convention)
    if used.shape[0] < 2:
        reason = "Not estimated: fewer than two strata inform about the odds ratio."
        return undefined(name, reason, n=n, convention=convention)
    a, b, c, d, _ = _cells(used)
    fitted = np.array(
        [_fitted(*row, common.value) for row in zip(a + b, c + d, a + c, strict=True)]
    )
    variance = 1 / (1 / fitted + 1 / (a + b - fitted) + 1 / (a + c - fitted) + 1 / (d - a + fitted))
    value = float(((a - fitted) ** 2 / variance).sum())
    if tarone:
        value -= float((a - fitted).sum() ** 2 / variance.sum())
    df = used.shape[0] - 1
    return Estimate(
        name, value, n=n, convention=convention, method="chi-squared", reason=STATISTIC,
        extra={"df": df, "p": float(stats.chi2.sf(value, df)), "strata": used.shape[0],
               "strata_left_out": _given(tables) - used.shape[0]},
    )  # fmt: skip


def _fitted(row: float, other_row: float, column: float, odds_ratio: float) -> float:
    """First cell of a table with given margins and odds ratio."""
    low, high = max(0.0, column - other_row), min(row, column)

    def excess(cell: float) -> float:
        return cell * (other_row - column + cell) - odds_ratio * (row - cell) * (column - cell)

    # Below 0 at the low end and above 0 at the high one, whatever the odds ratio.
    return float(optimize.brentq(excess, low, high, xtol=1e-13, rtol=1e-14))


def _test(
    name: str, distance: float, variance: FloatArray, used: FloatArray, convention: str
) -> Estimate:
    n = int(used.sum())
    spread = float(variance.sum())
    if spread <= 0:
        reason = "Not estimated: no stratum has two rows and two columns that occur."
        return undefined(name, reason, n=n, convention=convention)
    value = max(0.0, distance) ** 2 / spread
    return Estimate(
        name, value, n=n, convention=convention, method="chi-squared", reason=STATISTIC,
        extra={"df": 1, "p": float(stats.chi2.sf(value, 1))},
    )  # fmt: skip


def _used(tables: Tables) -> FloatArray:
    """Strata with both rows and both columns; the others inform about nothing here."""
    tables = np.asarray(tables, dtype=np.float64)
    if tables.ndim != 3 or tables.shape[1:] != (2, 2):
        raise ValueError(f"expected (strata, 2, 2) counts, got {tables.shape}")
    if not np.isfinite(tables).all() or (tables < 0).any():
        raise ValueError("counts must be finite and not negative")
    full = (tables.sum(axis=1) > 0).all(axis=1) & (tables.sum(axis=2) > 0).all(axis=1)
    chosen: FloatArray = tables[full]
    return chosen


def _given(tables: Tables) -> int:
    return int(np.asarray(tables).shape[0])


def _cells(used: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    return used[:, 0, 0], used[:, 0, 1], used[:, 1, 0], used[:, 1, 1], used.sum(axis=(1, 2))
