"""The alternative annotator test: does the model stand for the others better than a reader?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from ml.estimate import Estimate, undefined
from ml.stats.agreement.pair_scores import PairScores
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import MIN_CLUSTERS, Clusters, checked_clusters
from ml.stats.interval import percentile_interval

Procedure = Literal["BY", "BH", "none"]

MIN_CASES = 30  # of one reader, below which the paper does not test
_NONE = "Not estimated: no reader answered a case that another reader and the model answered."


@dataclass(frozen=True)
class ReplacedReader:
    """One reader left out, and the model in that place."""

    column: int
    n: int
    model: float | None  # share of cases where the model stands for the others at least as well
    reader: float | None  # share of cases where the reader does
    p: float | None  # one-sided, of the model being epsilon or more behind
    p_adjusted: float | None
    won: bool
    reason: str | None = None


@dataclass(frozen=True)
class AltTest:
    """Winning rate and advantage of the model."""

    winning_rate: Estimate  # omega, share of readers that the model can replace
    advantage: Estimate  # rho, mean share of cases where the model is at least as good
    readers: tuple[ReplacedReader, ...]
    passed: bool | None  # omega of one half or more


def alt_test(
    scores: PairScores,
    epsilon: float = 0.2,
    q: float = 0.05,
    procedure: Procedure = "BY",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    exchangeable: bool = False,
    min_cases: int = MIN_CASES,
) -> AltTest:
    """Leave each reader out in turn and let the model take the place.

    On each case reader and model are scored by their mean score with the other readers; a tie
    counts for both. The model wins a reader when its share of cases is not epsilon or more
    below the reader's, by a one-sided t test of the paired differences (with clusters as
    units), adjusted over readers. It passes when it wins at least half of them.

    Args:
        scores: of every pair. The mean squared difference orders cases as the paper's RMSE.
        epsilon: the advantage granted to the model for costing less: the paper takes 0.2 against
            experts, 0.15 against trained readers, 0.1 against crowds; 0 for none.
        q: false discovery rate.
        procedure: ``BY`` Benjamini-Yekutieli, as the paper; ``BH`` Benjamini-Hochberg; ``none``.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed, for the interval of the advantage.
        exchangeable: columns are not readers. The test of single readers has no meaning then; the
            advantage is that over all answers.
        min_cases: readers with fewer cases are not tested; nor are those whose cases come in
            fewer than ten clusters.

    Returns:
        The winning rate (a share of these readers, without an interval), the advantage, and every
        reader. Where all differences of a reader are equal there is no variance for a t test: p is
        the largest probability of such a sample under the null, (1 - epsilon)^units, or 1 if the
        reader is always better.

    Raises:
        ValueError: for epsilon or q outside 0..1, or another procedure.

    Example:
        >>> from ml.stats.agreement.pair_scores import category_scores
        >>> truth = np.tile([0.0, 1.0], 20)
        >>> found = alt_test(category_scores(np.stack([truth] * 3, axis=1), truth, 2))
        >>> found.winning_rate.value, found.advantage.value
        (1.0, 1.0)

    Source:
        Calderon, Reichart, Dror (2025), The Alternative Annotator Test for LLM-as-a-Judge, ACL;
        Benjamini, Yekutieli (2001), Annals of Statistics 29:1165-1188.
    """
    if not 0 <= epsilon < 1 or not 0 < q < 1:
        raise ValueError(f"epsilon and q must lie in 0..1, got {epsilon} and {q}")
    if procedure not in ("BY", "BH", "none"):
        raise ValueError(f"procedure must be BY, BH or none, got {procedure!r}")
    of_reader, of_model = scores.with_others()
    given = ~np.isnan(of_reader)
    tol = 1e-12 * float(np.nanmax(np.abs(scores.values), initial=1e-300))
    model_wins = np.where(given, of_model >= of_reader - tol, 0.0)
    reader_wins = np.where(given, of_reader >= of_model - tol, 0.0)
    convention = (
        f"alt-test, {scores.name}, epsilon {epsilon:g}, {procedure} at {q:g}; ties count for both"
    )
    rows = np.flatnonzero(given.any(axis=1))
    if rows.size == 0:
        none = [undefined(name, _NONE, convention=convention)
                for name in ("alt_winning_rate", "alt_advantage")]  # fmt: skip
        return AltTest(none[0], none[1], (), None)
    own = checked_clusters(clusters, given.shape[0]).where(rows)
    per_unit = own.sums(
        np.hstack([given[rows].astype(np.float64), model_wins[rows], reader_wins[rows]])
    )
    advantage = _advantage(per_unit, rows.size, own, settings, convention, exchangeable)
    if exchangeable:
        reason = (
            "Not estimated: readers are only numbered within a case, so no single one can be "
            "replaced."
        )
        rate = undefined("alt_winning_rate", reason, n=rows.size, convention=convention)
        return AltTest(rate, advantage, (), None)
    least_units = 1 if own.each_alone else MIN_CLUSTERS
    readers = _tested(per_unit, given.shape[1], epsilon, min_cases, least_units)
    readers = _adjusted(readers, q, procedure)
    tested = [reader for reader in readers if reader.p is not None]
    if not tested:
        reason = f"Not estimated: no reader has {min_cases} cases to be tested on."
        if any(reader.n >= min_cases for reader in readers):
            reason = (
                f"Not estimated: no reader has cases in {least_units} clusters to be tested on."
            )
        rate = undefined("alt_winning_rate", reason, n=rows.size, convention=convention)
        return AltTest(rate, advantage, readers, None)
    won = sum(reader.won for reader in tested)
    rate = Estimate(
        "alt_winning_rate", won / len(tested), n=rows.size, convention=convention,
        reason="No interval: a share of these readers, each tested.",
        extra={**own.extra, "numerator": won, "denominator": len(tested),
               "readers_not_tested": len(readers) - len(tested)},
    )  # fmt: skip
    return AltTest(rate, advantage, readers, 2 * won >= len(tested))


def _advantage(
    per_unit: FloatArray, n: int, own: Clusters, settings: Settings, convention: str,
    exchangeable: bool,
) -> Estimate:  # fmt: skip
    k = per_unit.shape[1] // 3

    def mean_share(sums: FloatArray) -> FloatArray:
        cases, wins = sums[:, :k], sums[:, k : 2 * k]
        if exchangeable:
            return ratio(wins.sum(axis=1), cases.sum(axis=1))
        share = np.divide(wins, cases, out=np.zeros_like(wins), where=cases > 0)
        return ratio(share.sum(axis=1), (cases > 0).sum(axis=1).astype(np.float64))

    value = float(mean_share(per_unit.sum(axis=0)[None, :])[0])
    interval = percentile_interval(mean_share(replicate_sums(per_unit, settings)), own, settings)
    low, high, method = interval.low, interval.high, interval.method
    reason = interval.reason
    over = "all answers" if exchangeable else "mean over readers"
    return Estimate(
        "alt_advantage", value, low, high, settings.level, n,
        convention=f"{convention}; {over}", method=method, reason=reason, extra={**own.extra},
    )  # fmt: skip


def _tested(
    per_unit: FloatArray, k: int, epsilon: float, min_cases: int, least_units: int
) -> tuple[ReplacedReader, ...]:
    found = []
    for column in range(k):
        cases, model, reader = per_unit[:, [column, k + column, 2 * k + column]].T
        n = int(cases.sum())
        if n == 0:
            why = "no case in common with another reader and the model"
            found.append(ReplacedReader(column, 0, None, None, None, None, False, why))
            continue
        shares = float(model.sum() / n), float(reader.sum() / n)
        used = cases > 0
        p, reason = None, f"fewer than {min_cases} cases"
        if n >= min_cases and used.sum() < least_units:
            reason = f"cases in fewer than {least_units} clusters"
        elif n >= min_cases:
            p, reason = _p((reader - model)[used], cases[used], epsilon), ""
        found.append(ReplacedReader(column, n, *shares, p, None, False, reason or None))
    return tuple(found)


def _p(behind: FloatArray, cases: FloatArray, epsilon: float) -> float:
    """One-sided p of a mean difference of epsilon or more, units as given."""
    units, n = behind.size, float(cases.sum())
    mean = float(behind.sum()) / n
    rest = behind - mean * cases
    variance = units / max(units - 1, 1) * float(rest @ rest) / n**2
    if units < 2 or variance <= 1e-24:
        # No more than a share of 1 - epsilon of units can be without a loss under the null.
        return float((1 - epsilon) ** units) if mean <= 0 else 1.0
    return float(special.stdtr(units - 1, (mean - epsilon) / variance**0.5))


def _adjusted(
    readers: tuple[ReplacedReader, ...], q: float, procedure: Procedure
) -> tuple[ReplacedReader, ...]:
    tested = [reader for reader in readers if reader.p is not None]
    p = np.array([reader.p for reader in tested], dtype=np.float64)
    adjusted = dict(zip((r.column for r in tested), adjusted_p(p, procedure), strict=True))
    return tuple(
        reader if reader.p is None else ReplacedReader(
            reader.column, reader.n, reader.model, reader.reader, reader.p,
            float(adjusted[reader.column]), bool(adjusted[reader.column] <= q), reader.reason,
        )
        for reader in readers
    )  # fmt: skip


def adjusted_p(p: FloatArray, procedure: Procedure) -> FloatArray:
    """P values adjusted so that those of q or less are rejected at false discovery rate q.

    Example:
        >>> adjusted_p(np.array([0.01, 0.04]), "BH").tolist()
        [0.02, 0.04]
    """
    m = p.size
    if m == 0 or procedure == "none":
        return p
    factor = m * (float((1 / np.arange(1, m + 1)).sum()) if procedure == "BY" else 1.0)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * factor / np.arange(1, m + 1)
    smallest = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    found = np.empty(m)
    found[order] = smallest
    return found
