"""Non-inferiority, superiority and equivalence of a difference against a margin."""

from dataclasses import dataclass
from typing import Literal

from ml.estimate import Estimate
from ml.stats.mrmc.wald import quantile, two_sided

Claim = Literal["non-inferiority", "superiority", "equivalence"]


@dataclass(frozen=True)
class MarginTest:
    """Verdict on a claim; ``shown`` None when the difference cannot be tested."""

    claim: Claim
    margin: float
    alpha: float  # one-sided
    shown: bool | None
    p: float | None
    low: float | None  # one-sided lower bound of the difference
    high: float | None  # one-sided upper bound
    reason: str | None = None


def margin_test(
    difference: Estimate, margin: float, claim: Claim = "non-inferiority", alpha: float = 0.025
) -> MarginTest:
    """Test a difference (new minus standard, higher is better) against a margin.

    Args:
        difference: of a reader study, with se and df in ``extra``.
        margin: 0 or more, in the unit of the figure, fixed before the study.
        claim: non-inferiority (difference > -margin), superiority (> +margin), or equivalence
            (both one-sided tests within -margin..margin).
        alpha: one-sided level.

    Raises:
        ValueError: for a negative margin, another claim, or alpha outside 0..0.5.

    Example:
        >>> d = Estimate("difference:a-b", 0.0, extra={"se": 0.01, "df": None})
        >>> margin_test(d, 0.05).shown
        True

    Source:
        Chen, Petrick, Sahiner (2012), Academic Radiology 19:1158-1165; two one-sided tests:
        Schuirmann (1987), J Pharmacokinetics and Biopharmaceutics 15:657-680.
    """
    if claim not in ("non-inferiority", "superiority", "equivalence"):
        raise ValueError(f"claim must be non-inferiority, superiority or equivalence: {claim!r}")
    if not 0 <= margin < float("inf") or not 1e-12 < alpha < 0.5:
        raise ValueError("expected a margin of 0 or more and a one-sided alpha below one half")
    se, df = difference.extra.get("se"), difference.extra.get("df")
    if difference.value is None or not isinstance(se, float) or se <= 0:
        reason = f"Not tested: {difference.reason or 'the difference has no standard error.'}"
        return MarginTest(claim, margin, alpha, None, None, None, None, reason)
    freedom = float(df) if isinstance(df, int | float) else None
    half = quantile(1 - 2 * alpha, freedom) * se

    def above(limit: float, sign: float = 1.0) -> float:
        t = sign * (difference.value - limit) / se  # type: ignore[operator]
        tail = two_sided(t, freedom) / 2
        return tail if t >= 0 else 1 - tail

    if claim == "equivalence":
        p = max(above(-margin), above(margin, -1.0))
    else:
        p = above(-margin if claim == "non-inferiority" else margin)
    return MarginTest(
        claim, margin, alpha, p < alpha, p, difference.value - half, difference.value + half
    )
