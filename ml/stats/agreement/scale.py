"""In words how good an agreement is: the published scales, with the doubt of the estimate."""

from dataclasses import dataclass

from scipy import stats

from ml.stats.asked import checked_share

# Lower end of each band and its name, best first; everything below the last is its band too.
SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "landis_koch": (
        (0.8, "almost perfect"), (0.6, "substantial"), (0.4, "moderate"), (0.2, "fair"),
        (0.0, "slight"), (-1.0, "poor"),
    ),
    "fleiss": ((0.75, "excellent"), (0.4, "intermediate to good"), (-1.0, "poor")),
    "altman": (
        (0.8, "very good"), (0.6, "good"), (0.4, "moderate"), (0.2, "fair"), (-1.0, "poor"),
    ),
}  # fmt: skip

_MOST_SE = 1000.0  # beyond, the share of a band is rounding


@dataclass(frozen=True)
class Band:
    """One grade of a scale."""

    name: str
    low: float
    high: float
    probability: float  # that the true coefficient lies in this band
    cumulative: float  # in this band or a better one


@dataclass(frozen=True)
class Benchmarked:
    """A coefficient's grade: the best one that is reached with the asked certainty."""

    scale: str
    bands: tuple[Band, ...]  # best first
    grade: str | None
    certainty: float
    reason: str | None = None


def benchmark(
    value: float, se: float, scale: str = "landis_koch", *, certainty: float = 0.95
) -> Benchmarked:
    """Grade of an agreement coefficient that says no more than its standard error allows.

    The coefficient is taken as normal around its estimate, cut to -1..1. The grade is the best
    band whose probability, together with all better ones, reaches the asked certainty.

    Args:
        value: the coefficient, -1..1.
        se: its standard error, above 0 and not the one of a test of no agreement.
        scale: landis_koch, fleiss or altman.
        certainty: 0..1, customarily 0.95.

    Raises:
        ValueError: for another scale, a value outside -1..1, or se not above 0 or above 1,000.

    Example:
        >>> benchmark(0.65, 0.08).grade
        'moderate'

    Source:
        Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., chapter 6; scales: Landis, Koch
        (1977), Biometrics 33:159-174; Fleiss (1981), Statistical Methods for Rates and
        Proportions; Altman (1991), Practical Statistics for Medical Research.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    if not -1 <= value <= 1 or not 0 < se <= _MOST_SE:
        raise ValueError(f"expected a value in -1..1 and se in 0..1,000, got {value} and {se}")
    checked_share("certainty", certainty)
    bands, high, sum_so_far = [], 1.0, 0.0
    whole = _between(-1.0, 1.0, value, se)
    for low, name in SCALES[scale]:
        share = _between(low, high, value, se) / whole
        sum_so_far = min(1.0, sum_so_far + share)
        bands.append(Band(name, low, high, share, sum_so_far))
        high = low
    grade = next((band.name for band in bands if band.cumulative >= certainty), bands[-1].name)
    return Benchmarked(scale, tuple(bands), grade, certainty)


def _between(low: float, high: float, value: float, se: float) -> float:
    return float(stats.norm.cdf((high - value) / se) - stats.norm.cdf((low - value) / se))
