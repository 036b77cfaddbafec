"""One-shot variance of reader-averaged figures (Barrett, Clarkson, Gallas): any design."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.mrmc.moments import APART, PairSums, auc_sums, share_sums
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.mrmc.wald import wald

Statistic = Literal["U", "V"]  # unbiased, or of the empirical distribution (never negative)
Endpoint = Literal["auc", "sensitivity", "specificity"]

_NORMAL_FROM = 50  # degrees of freedom from which the reference program takes the normal

# Sums that contain equal indices -> sums over different ones. Rows 1-4: same reader; 5-8:
# two readers; within each: same pair of cases, same positive, same negative, all different.
_APART = np.block([[APART, np.zeros((4, 4))], [-APART, APART]])


@dataclass(frozen=True, eq=False)
class Bdg:
    """Result of the one-shot analysis.

    Attributes:
        moments: by pair of modalities, (8,) second moments M1..M8, NaN where the design has
            no such pair; ``moments_v`` of the empirical distribution.
        coefficients: by pair of modalities, (8,) weight of each moment in the covariance.
        covariances: by pair of modalities, of their reader-averaged figures.
        means: one per modality; differences: of each pair, first minus second.
    """

    statistic: Statistic
    moments: dict[tuple[str, str], FloatArray]
    moments_v: dict[tuple[str, str], FloatArray]
    coefficients: dict[tuple[str, str], FloatArray]
    covariances: dict[tuple[str, str], float]
    means: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Pair:
    moments: FloatArray
    biased: FloatArray
    weights: FloatArray
    value: float  # covariance under the chosen statistic
    spread: FloatArray  # (3,) components negative, positive, reader of the V-statistic
    df: FloatArray  # (3,) units less one of each


def gallas_bdg(
    study: MrmcStudy,
    statistic: Statistic = "U",
    endpoint: Endpoint = "auc",
    settings: Settings = DEFAULT,
    *,
    threshold: float | None = None,
    whole_df: bool = True,
    null: float | None = 0.5,
) -> Bdg:
    """Reader-averaged figures and differences with their variance, for any pattern of readings.

    Every reading counts by its pairs of cases, so readers and cases may be missing, split over
    readers (split-plot), or nested. Readers and cases are both random.

    Args:
        study: scores; cells may be missing.
        statistic: U is unbiased, its variance of a difference can be negative; V is that of
            the empirical distribution, biased upwards.
        endpoint: auc, or sensitivity / specificity at the threshold.
        settings: level.
        threshold: of a binary endpoint.
        whole_df: degrees of freedom rounded down, and the normal above 50, as the reference
            program has it; False takes t with the exact ones.
        null: tested value of a modality's mean; None for no test.

    Returns:
        A negative variance gives no interval and no p, but a reason and a note.

    Raises:
        ValueError: for another statistic or endpoint, a missing threshold, or clustered cases
            (the method takes cases as independent).

    Example:
        >>> rng = np.random.default_rng(1)
        >>> truth = np.arange(60) % 2
        >>> study = MrmcStudy(rng.normal(size=(2, 4, 60)) + truth, truth, ("a", "b"),
        ...                   tuple("wxyz"), tuple(str(case) for case in range(60)))
        >>> gallas_bdg(study).moments["a", "b"].shape
        (8,)

    Source:
        Gallas (2006), Academic Radiology 13:353-362; Gallas, Bandos, Samuelson, Wagner (2009),
        Communications in Statistics A 38:2586-2603; Gallas, Brown (2008), Neural Networks
        21:387-397; binary: Gallas, Pennello, Myers (2007), JOSA A 24:B70-B80; least degrees of
        freedom: Gaylor, Hopper (1969), Technometrics 11:691-706.
    """
    if statistic not in ("U", "V"):
        raise ValueError(f"statistic must be U or V, got {statistic!r}")
    if study.clusters is not None and not study.clusters.each_alone:
        raise ValueError("this analysis takes cases as independent: use the jackknife of clusters")
    sums = _sums(study, endpoint, threshold)
    many, readers = len(study.modalities), len(study.readers)
    pairs = {
        (a, b): _pair(sums, a, b, readers, statistic) for a in range(many) for b in range(a, many)
    }
    won, count = sums.won.reshape(many, -1).sum(axis=1), sums.pairs.reshape(many, -1).sum(axis=1)
    values = [float(w / c) if c > 0 else float("nan") for w, c in zip(won, count, strict=True)]
    say = f"{endpoint}, {statistic}-statistic, one-shot, readers weighted by their pairs"

    def estimate(name: str, value: float, parts: list[_Pair], signs: list[float]) -> Estimate:
        n, events = len(study.cases), int(study.present.sum())
        if not np.isfinite(value):
            reason = "Not estimated: no reader scored cases of both kinds."
            return undefined(name, reason, n=n, n_events=events, convention=say)
        variance, df = _variance(parts, signs)
        rounded, method = _df(df, whole_df)
        single = len(parts) == 1
        found = wald(
            name, value, variance, rounded, settings.level, n=n, n_events=events, convention=say,
            method=method, null=null if single else 0.0,
        )  # fmt: skip
        normal = wald(name, value, variance, None, settings.level, n=n, n_events=events,
                      convention=say, method="z", null=null if single else 0.0)  # fmt: skip
        exact = float(df) if np.isfinite(df) else None
        extra = {**found.extra, "df_bdg": exact, "p_normal": normal.extra["p"]}
        return Estimate(
            name, found.value, found.low, found.high, found.level, n, events, say, found.method,
            found.reason, extra,
        )  # fmt: skip

    means = tuple(
        estimate(f"{endpoint}:{name}", values[a], [pairs[a, a]], [1.0])
        for a, name in enumerate(study.modalities)
    )
    differences = tuple(
        estimate(
            f"difference:{study.modalities[a]}-{study.modalities[b]}", values[a] - values[b],
            [pairs[a, a], pairs[b, b], pairs[a, b]], [1.0, 1.0, -2.0],
        )
        for a, b in combinations(range(many), 2)
    )  # fmt: skip
    named = {(study.modalities[a], study.modalities[b]): pair for (a, b), pair in pairs.items()}
    notes = [
        f"{found.id}: the estimated variance is negative ({found.extra['variance']:.4g}); "
        "no test is made."
        for found in (*means, *differences)
        if isinstance(found.extra.get("variance"), float) and found.extra["variance"] < 0  # type: ignore[operator]
    ]
    return Bdg(
        statistic,
        {key: pair.moments for key, pair in named.items()},
        {key: pair.biased for key, pair in named.items()},
        {key: pair.weights for key, pair in named.items()},
        {key: pair.value for key, pair in named.items()},
        means, differences, tuple(notes),
    )  # fmt: skip


def _sums(study: MrmcStudy, endpoint: Endpoint, threshold: float | None) -> PairSums:
    if endpoint == "auc":
        return auc_sums(study)
    if endpoint not in ("sensitivity", "specificity"):
        raise ValueError(f"endpoint must be auc, sensitivity or specificity, got {endpoint!r}")
    if threshold is None:
        raise ValueError("a binary endpoint needs a threshold")
    return share_sums(study, threshold, of_present=endpoint == "sensitivity")


def _pair(sums: PairSums, a: int, b: int, readers: int, statistic: Statistic) -> _Pair:
    def eight(table: FloatArray) -> FloatArray:
        block = table[:, a * readers : (a + 1) * readers, b * readers : (b + 1) * readers]
        return np.concatenate([np.einsum("ijj->i", block), block.sum(axis=(1, 2))])

    numer, denom = eight(sums.numer), eight(sums.denom)
    apart, terms = _APART @ numer, _APART @ denom
    biased = _divided(numer, denom)
    moments = _divided(apart, terms)
    whole = denom[7]
    weights = _divided(terms, np.full(8, whole))
    weights[7] -= 1
    used = moments if statistic == "U" else biased
    needed = np.abs(weights) > 0
    value = float((weights[needed] * used[needed]).sum()) if whole > 0 else float("nan")
    filled = np.nan_to_num(biased)
    spread = np.array([filled[6] - filled[7], filled[5] - filled[7], filled[3] - filled[7]])
    shares = np.array([weights[[0, 2, 4, 6]].sum(), weights[[0, 1, 4, 5]].sum(), weights[:4].sum()])
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.round(1 / shares - 1)
    return _Pair(moments, biased, weights, value, spread, df)


def _variance(parts: list[_Pair], signs: list[float]) -> tuple[float, float]:
    """Variance of a mean or difference, and its degrees of freedom (NaN when negative)."""
    variance = sum(sign * part.value for sign, part in zip(signs, parts, strict=True))
    if not variance > 0:
        return variance, float("nan")
    spread = sum(sign * part.spread for sign, part in zip(signs, parts, strict=True))
    own = parts[:1] if len(parts) == 1 else parts[:2]
    df = np.min([part.df for part in own], axis=0)
    usable = np.isfinite(df) & (df > 0)  # a single reader or imagined case adds no spread
    if not usable.any():
        return variance, float("nan")
    below = float((np.asarray(spread)[usable] ** 2 / df[usable] ** 3).sum())
    found = variance**2 / below if below > 0 else float("inf")
    return variance, max(found, float(df[usable].min()))


def _df(df: float, whole: bool) -> tuple[float | None, str]:
    if not whole:
        return (None, "z interval") if df == float("inf") else (df, "t interval, BDG df")
    if df > _NORMAL_FROM:
        return None, "z interval (BDG degrees of freedom above 50)"
    return (float(np.floor(df)) if np.isfinite(df) else df), "t interval, BDG df rounded down"


def _divided(top: FloatArray, bottom: FloatArray) -> FloatArray:
    result: FloatArray = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return result
