"""Whether two readers use the answers alike: McNemar, Bowker, Stuart-Maxwell, Bhapkar."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from ml.stats.agreement.ratings import checked_table
from ml.stats.arrays import FloatArray


@dataclass(frozen=True)
class SymmetryTest:
    """A test of paired answers; both numbers are None, with a reason, where it can't be made."""

    id: str
    statistic: float | None  # chi-square; None also for exact tests
    df: int | None
    p: float | None
    n: int  # cases
    n_discordant: int  # cases answered differently
    convention: str
    reason: str | None = None


_SAME = "Not tested: the readers gave every case the same answer."


def mcnemar(
    table: FloatArray,
    method: Literal["asymptotic", "corrected", "exact", "mid-p"] = "exact",
) -> SymmetryTest:
    """McNemar's test that two readers say the first of two answers equally often.

    Args:
        table: (2, 2) cases by answer of the first and second reader.
        method: asymptotic (chi-square), corrected (with Edwards' continuity correction), exact
            (binomial, two-sided) or mid-p (exact less half the probability of what was seen).

    Returns:
        Without discordant case: p is 1 for the exact tests, undefined for the others.

    Raises:
        ValueError: for another shape or method.

    Example:
        >>> round(mcnemar(np.array([[40, 9], [6, 45]])).p, 4)
        0.6072

    Source:
        McNemar (1947), Psychometrika 12:153-157; Edwards (1948), Psychometrika 13:185-187;
        mid-p: Fagerland, Lydersen, Laake (2013), BMC Medical Research Methodology 13:91.
    """
    table = checked_table(table)
    if table.shape != (2, 2):
        raise ValueError(f"expected a (2, 2) table, got {table.shape}; see bowker for more")
    b, c, n = int(table[0, 1]), int(table[1, 0]), int(table.sum())
    apart = b + c
    if method in ("exact", "mid-p"):
        p = min(1.0, 2 * float(stats.binom.cdf(min(b, c), apart, 0.5)))
        if method == "mid-p":
            seen = float(stats.binom.pmf(min(b, c), apart, 0.5))
            p = 1 - seen / 2 if b == c else 2 * float(stats.binom.cdf(min(b, c), apart, 0.5)) - seen
            p = 1.0 if apart == 0 else p
        return SymmetryTest("mcnemar", None, None, p, n, apart, f"{method}, two-sided")
    if method not in ("asymptotic", "corrected"):
        raise ValueError(f"method must be asymptotic, corrected, exact or mid-p, got {method!r}")
    if apart == 0:
        return SymmetryTest("mcnemar", None, None, None, n, 0, method, _SAME)
    gap = max(abs(b - c) - 1, 0) if method == "corrected" else abs(b - c)
    chi2 = gap**2 / apart
    return SymmetryTest("mcnemar", chi2, 1, float(stats.chi2.sf(chi2, 1)), n, apart, method)


def bowker(table: FloatArray, degrees: Literal["all", "observed"] = "all") -> SymmetryTest:
    """Bowker's test that the table is symmetric.

    Args:
        table: (k, k) cases by answer of the first and second reader.
        degrees: of freedom: all pairs of answers, k(k-1)/2, or only the observed, i.e. pairs that
            occur. A pair that never occurs adds nothing to the statistic.

    Example:
        >>> found = bowker(np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]]))
        >>> round(found.statistic, 4), found.df
        (14.4667, 3)

    Source:
        Bowker (1948), Journal of the American Statistical Association 43:572-574.
    """
    if degrees not in ("all", "observed"):
        raise ValueError(f"degrees must be all or observed, got {degrees!r}")
    table = checked_table(table)
    upper = np.triu_indices(table.shape[0], 1)
    b, c = table[upper], table.T[upper]
    n, apart = int(table.sum()), int((b + c).sum())
    seen = b + c > 0
    df = int(seen.sum()) if degrees == "observed" else int(seen.size)
    convention = f"{degrees} pairs of answers"
    if apart == 0:
        return SymmetryTest("bowker", None, None, None, n, 0, convention, _SAME)
    chi2 = float(((b - c)[seen] ** 2 / (b + c)[seen]).sum())
    return SymmetryTest("bowker", chi2, df, float(stats.chi2.sf(chi2, df)), n, apart, convention)


def stuart_maxwell(
    table: FloatArray, *, equal_margins: Literal["kept", "dropped"] = "kept"
) -> SymmetryTest:
    """Stuart-Maxwell test that two readers use all answers equally often.

    Answers on which the readers never differ are left out, and lower the degrees of freedom; an
    answer that both give equally often, but to different cases, stays in.

    Args:
        table: (k, k) cases by answer of the first and second reader.
        equal_margins: "dropped" takes answers that both readers give equally often out of the
            table, with their cases, before the test, as the function stuart.maxwell.mh of R's
            irr 0.84.1 does. That is another test of fewer cases, and no Stuart-Maxwell
            statistic; it is here to be told apart from one.

    Example:
        >>> round(stuart_maxwell(np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])).statistic, 4)
        13.5135

    Source:
        Stuart (1955), Biometrika 42:412-416; Maxwell (1970), British Journal of Psychiatry
        116:651-655.
    """
    if equal_margins not in ("kept", "dropped"):
        raise ValueError(f"equal_margins must be kept or dropped, got {equal_margins!r}")
    convention = "marginal homogeneity"
    if equal_margins == "dropped":
        table = checked_table(table)
        used = table.sum(axis=1) != table.sum(axis=0)
        if not used.any():
            n = int(table.sum())
            return SymmetryTest("stuart_maxwell", None, None, None, n, 0, convention, _SAME)
        table = table[np.ix_(used, used)]
        convention += " of the answers with unequal margins, as irr 0.84.1; other cases left out"
    return replace(_homogeneity(table, "stuart_maxwell"), convention=convention)


def bhapkar(table: FloatArray) -> SymmetryTest:
    """Bhapkar's test of the same hypothesis: Wald instead of score, W = S / (1 - S / n).

    Example:
        >>> round(bhapkar(np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])).statistic, 4)
        14.4928

    Source:
        Bhapkar (1966), Journal of the American Statistical Association 61:228-235; Keefe (1982),
        The American Statistician 36:130-132 (relation to Stuart's statistic).
    """
    return _homogeneity(table, "bhapkar")


def _homogeneity(table: FloatArray, name: str) -> SymmetryTest:
    table = checked_table(table)
    n, apart = int(table.sum()), int(table.sum() - np.trace(table))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    # An answer on which the readers never differ has difference and variance 0.
    used = (rows + columns - 2 * np.diagonal(table)) > 0
    if apart == 0:
        return SymmetryTest(name, None, None, None, n, 0, "marginal homogeneity", _SAME)
    gap = (rows - columns)[used][:-1]
    both = -(table + table.T)[np.ix_(used, used)]
    both[np.diag_indices_from(both)] = (rows + columns - 2 * np.diagonal(table))[used]
    covariance = both[:-1, :-1]
    df = int(np.linalg.matrix_rank(covariance))
    # Answers may fall into blocks that are never mixed up: one constraint per block.
    chi2 = float(gap @ np.linalg.pinv(covariance, hermitian=True) @ gap)
    if name == "bhapkar":
        if chi2 >= n * (1 - 1e-12):
            reason = "Not tested: every case differs in the same direction."
            return SymmetryTest(name, None, None, None, n, apart, "marginal homogeneity", reason)
        chi2 /= 1 - chi2 / n
    p = float(stats.chi2.sf(chi2, df))
    return SymmetryTest(name, chi2, df, p, n, apart, "marginal homogeneity")
