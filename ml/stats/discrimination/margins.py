"""Whether one AUROC is no worse than, or as good as, another up to a stated margin."""

from dataclasses import dataclass

from scipy import stats

from ml.stats.asked import checked_share
from ml.stats.discrimination.delong import AurocComparison


@dataclass(frozen=True)
class MarginTest:
    """A difference held against a margin."""

    margin: float
    p: float | None  # one-sided; the larger of two for equivalence
    low: float | None  # interval whose place shows the same as p
    high: float | None
    level: float  # of that interval
    shown: bool | None  # p below alpha; None when not tested
    method: str
    reason: str | None = None


def non_inferiority(
    comparison: AurocComparison, margin: float, *, alpha: float = 0.025
) -> MarginTest:
    """Test that a is not worse than b by ``margin`` or more: H0 a - b <= -margin.

    Args:
        comparison: of the two AUROCs.
        margin: above 0, in units of the AUROC, stated before the data are seen.
        alpha: one-sided level.

    Returns:
        ``low`` is the lower bound at 1 - alpha: non-inferiority is shown when it lies above
        -margin. Not tested where the difference has no variance.

    Raises:
        ValueError: for a margin or an alpha that is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from ml.stats.discrimination.delong import compare_paired
        >>> present = np.array([0, 0, 0, 1, 1, 1])
        >>> a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
        >>> round(non_inferiority(compare_paired(a, b, present), 0.05).p, 4)
        0.0416

    Source:
        Obuchowski (1997). Testing for equivalence of diagnostic tests. AJR 168:13-17.
    """
    _check(margin, alpha)
    method = f"one-sided {comparison.method}, margin {margin:g}"
    missing = _missing(comparison)
    if missing:
        return MarginTest(margin, None, None, None, 1 - alpha, None, method, missing)
    value, error, law = _parts(comparison)
    p = float(law.sf((value + margin) / error))
    low = value - float(law.ppf(1 - alpha)) * error
    return MarginTest(margin, p, low, None, 1 - alpha, p < alpha, method)


def equivalence(comparison: AurocComparison, margin: float, *, alpha: float = 0.05) -> MarginTest:
    """Two one-sided tests that a and b differ by less than ``margin`` either way.

    Args:
        comparison, margin: as for ``non_inferiority``.
        alpha: level of each of the two tests.

    Returns:
        The interval at 1 - 2 alpha: equivalence is shown when it lies inside ±margin.

    Raises:
        ValueError: as ``non_inferiority``.

    Example:
        >>> import numpy as np
        >>> from ml.stats.discrimination.delong import compare_paired
        >>> present = np.array([0, 0, 0, 1, 1, 1])
        >>> a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
        >>> equivalence(compare_paired(a, b, present), 0.05).shown
        False

    Source:
        Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15:657-680.
    """
    _check(margin, alpha)
    method = f"two one-sided tests, {comparison.method}, margin {margin:g}"
    missing = _missing(comparison)
    if missing:
        return MarginTest(margin, None, None, None, 1 - 2 * alpha, None, method, missing)
    value, error, law = _parts(comparison)
    p = max(float(law.sf((value + margin) / error)), float(law.cdf((value - margin) / error)))
    reach = float(law.ppf(1 - alpha)) * error
    return MarginTest(
        margin, p, value - reach, value + reach, 1 - 2 * alpha, p < alpha, method
    )  # fmt: skip


def _check(margin: float, alpha: float) -> None:
    if not 0 < margin < 1:
        raise ValueError(f"margin must be between 0 and 1, got {margin}")
    if not checked_share("alpha", alpha) < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5, got {alpha}")


def _missing(comparison: AurocComparison) -> str | None:
    if comparison.statistic is not None:
        return None
    return (
        "Not tested: "
        + (comparison.reason or "the difference has no standard error.").split(": ", 1)[-1]
    )


def _parts(comparison: AurocComparison) -> tuple[float, float, "stats.rv_continuous"]:
    assert comparison.difference.value is not None
    assert comparison.standard_error is not None
    law = stats.norm() if comparison.df is None else stats.t(comparison.df)
    return comparison.difference.value, comparison.standard_error, law
