"""The chance-corrected coefficients in one frame: weights, missing answers, intervals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.ratings import category_counts, resampled_sums
from ml.stats.agreement.weights import Weights, resolved
from ml.stats.arrays import FloatArray, IntArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import NO_SPREAD, Interval, percentile_interval

Coefficient = Literal[
    "percent_agreement", "brennan_prediger", "gwet_ac", "fleiss", "conger", "krippendorff"
]
Way = Literal["linearised", "bootstrap"]

IDS: dict[Coefficient, str] = {
    "percent_agreement": "percent_agreement",
    "brennan_prediger": "brennan_prediger",
    "gwet_ac": "gwet_ac",
    "fleiss": "kappa_fleiss",
    "conger": "kappa_conger",
    "krippendorff": "alpha",
}
NO_ROOM = 1e-12  # chance agreement this close to 1 leaves nothing to explain
EQUAL = "Not estimated: all answers are equal, so chance agreement is complete."
ALONE = "Not estimated: no case was answered by two readers."
ONE_READER = "Not estimated: fewer than two readers answered."
ONE_CATEGORY = "Not estimated: fewer than two answers are declared."


@dataclass(frozen=True)
class Frame:
    """What a coefficient needs of the answers: sums over cases, and which cases count."""

    coefficient: Coefficient
    per_case: FloatArray  # (m, q) of the used cases
    counts: FloatArray  # (m, k)
    codes: FloatArray  # (m, readers) answers of the used cases
    rows: IntArray  # (m,) which of all cases are used
    weights: FloatArray  # (k, k)
    readers: int
    n: int  # cases with two answers or more
    n_all: int  # cases given

    def parts(self, sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, observed and chance agreement from sums over cases (r, q); NaN: undefined."""
        if self.coefficient == "krippendorff":
            return _krippendorff(sums, self.weights)
        observed = ratio(sums[:, 0], sums[:, 1])
        chance = self.chance(sums[:, 2:], sums[:, 2])
        room = np.where(np.isfinite(observed), 1 - chance, 0.0)
        return ratio(observed - chance, room, least=NO_ROOM), observed, chance

    def values(self, sums: FloatArray) -> FloatArray:
        return self.parts(sums)[0]

    def chance(self, sums: FloatArray, cases: FloatArray) -> FloatArray:
        """Chance agreement (r,) from the sums after the first two columns."""
        size = self.weights.shape[0]
        if self.coefficient == "percent_agreement":
            return np.zeros(cases.size)
        if self.coefficient == "brennan_prediger":
            return np.full(cases.size, self.weights.sum() / size**2)
        if self.coefficient == "conger":
            table = sums[:, 1:].reshape(-1, self.readers, size)
            share = ratio(table, np.broadcast_to(table.sum(axis=2, keepdims=True), table.shape))
            total = share.sum(axis=1)
            # Mean over pairs of different readers: all pairs less each reader with itself.
            own = np.einsum("rgk,rgl,kl->r", share, share, self.weights, optimize=True)
            pairs = self.readers * (self.readers - 1)
            between: FloatArray = (_form(total, self.weights) - own) / pairs
            return between
        share = sums[:, 1:] / np.maximum(cases, 1)[:, None]
        if self.coefficient == "gwet_ac":
            scale = float(self.weights.sum()) / (size * (size - 1))
            spread: FloatArray = scale * (share * (1 - share)).sum(axis=1)
            return spread
        return _form(share, self.weights)

    def replicates(self, clusters: Clusters, settings: Settings) -> FloatArray:
        """The coefficient in each bootstrap replicate of the clusters of the used cases."""
        by_reader = self.coefficient == "conger"
        rows = np.nan_to_num(self.codes + 1, nan=0.0) if by_reader else self.counts
        return self.values(resampled_sums(self.per_case, rows, clusters, settings))


def frame(
    ratings: FloatArray, coefficient: Coefficient, categories: int, weights: str | Weights
) -> Frame | str:
    """The sums of a coefficient, or the sentence why there is none.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing.
        coefficient, categories, weights: as ``chance_corrected``.

    Raises:
        ValueError: as ``chance_corrected``.

    Example:
        >>> table = np.array([[0, 0], [1, 1], [0, 1]])
        >>> frame(table, "fleiss", 2, "identity").per_case[:, 0].tolist()  # agreement of each case
        [1.0, 1.0, 0.0]
        >>> frame(np.array([[0, np.nan]]), "fleiss", 2, "identity")
        'Not estimated: no case was answered by two readers.'
    """
    if coefficient not in IDS:
        raise ValueError(f"coefficient must be one of {', '.join(IDS)}, got {coefficient!r}")
    table = resolved(weights, categories).table
    counts = category_counts(ratings, categories)
    codes = np.asarray(ratings, dtype=np.float64)
    n_all = codes.shape[0]
    answers = counts.sum(axis=1)
    n = int((answers >= 2).sum())
    if coefficient == "conger":
        codes = codes[:, ~np.isnan(codes).all(axis=0)]  # who never answered has no habits
        if codes.shape[1] < 2:
            return ONE_READER
    if n == 0:
        return ALONE
    if categories < 2 and coefficient in ("gwet_ac", "brennan_prediger"):
        return ONE_CATEGORY
    # Single answers count among the sampled cases (Gwet), though they agree with nobody.
    least = 2 if coefficient == "krippendorff" else 1
    rows = np.flatnonzero(answers >= least)
    if rows.size < n_all:
        counts, codes, answers = counts[rows], codes[rows], answers[rows]
    agreeing = (counts * (counts @ table - 1)).sum(axis=1)
    if coefficient == "krippendorff":
        columns = [np.ones((rows.size, 1)), answers[:, None],
                   (agreeing / (answers - 1))[:, None], counts]  # fmt: skip
    else:
        pairs = answers * (answers - 1)
        columns = [(agreeing / np.maximum(pairs, 1))[:, None], (answers >= 2.0)[:, None],
                   np.ones((rows.size, 1))]  # fmt: skip
        if coefficient == "conger":
            given = codes[:, :, None] == np.arange(categories)
            columns.append(given.reshape(rows.size, -1))
        elif coefficient in ("fleiss", "gwet_ac"):
            columns.append(counts / answers[:, None])
    per_case = np.concatenate(columns, axis=1).astype(np.float64)
    return Frame(
        coefficient, per_case, counts, codes, rows, table, codes.shape[1], n, n_all,
    )  # fmt: skip


def chance_corrected(
    ratings: FloatArray,
    coefficient: Coefficient,
    categories: int,
    weights: str | Weights = "identity",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Way = "linearised",
    population: int | None = None,
    divisor: Literal["n-1", "n"] = "n-1",
) -> Estimate:
    """One agreement coefficient of two or more readers, with answers missing.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where a reader did not answer. Only
            Conger's coefficient needs a column to be one reader throughout.
        coefficient: percent_agreement (weighted; no chance), brennan_prediger (chance 1/k; for
            two answers PABAK), gwet_ac (AC1; AC2 with weights), fleiss (Scott's pi for two
            readers), conger (Cohen's kappa for two readers), krippendorff (alpha).
        categories: number of declared answers; gwet_ac and brennan_prediger depend on it.
        weights: a family's name, see ``agreement_weights``, or a matrix as ``custom_weights``.
        clusters: independent units; None means every case is its own.
        settings: level; draws and seed for the bootstrap.
        interval: linearised (t interval with units - 1 degrees of freedom, cut at 1) or
            bootstrap of clusters (percentile).
        population: number of units (cases, or clusters) in the finite population they were
            sampled from; None means it is infinite. Linearised only.
        divisor: of the linearised variance. "n" is what contingency-table programs use.

    Returns:
        Undefined, with a reason, when no case has two answers or chance agreement is complete.
        ``extra``: observed and chance agreement, se, df, p (of no more than chance).

    Raises:
        ValueError: for codes outside the declared answers, an unknown option, or a population
            smaller than the sample.

    Example:
        >>> table = np.array([[0, 0], [1, 1], [0, 1], [1, 1]])
        >>> round(chance_corrected(table, "gwet_ac", 2).value, 4)
        0.5294

    Source:
        Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., chapters 2-5; Gwet (2008),
        British Journal of Mathematical and Statistical Psychology 61:29-48.
    """
    if coefficient not in IDS:
        raise ValueError(f"coefficient must be one of {', '.join(IDS)}, got {coefficient!r}")
    chosen = resolved(weights, categories)
    measure, convention = IDS[coefficient], _convention(coefficient, chosen, categories)
    if interval not in ("linearised", "bootstrap"):
        raise ValueError(f"interval must be linearised or bootstrap, got {interval!r}")
    if divisor not in ("n-1", "n"):
        raise ValueError(f"divisor must be n-1 or n, got {divisor!r}")
    found = frame(ratings, coefficient, categories, chosen)
    if isinstance(found, str):
        return undefined(measure, found, convention=convention)
    own = checked_clusters(clusters, found.n_all).where(found.rows)
    if population is not None and not population >= own.count:
        raise ValueError(f"a population of {population} cannot hold {own.count} sampled units")
    value, observed, chance = (
        float(part[0]) for part in found.parts(found.per_case.sum(axis=0)[None, :])
    )
    if not np.isfinite(value):
        return undefined(measure, EQUAL, n=found.n, convention=convention)
    extra = {**own.extra, "observed": observed, "chance": chance}
    if interval == "bootstrap":
        refusal = too_few(own)
        reach = (
            Interval(None, None, "", refusal)
            if refusal
            else percentile_interval(found.replicates(own, settings), own, settings)
        )
    else:
        spread = own.sums(deviations(found))[:, 0]
        error = standard_error(spread, own.count, population, divisor)
        reach, p = t_interval(value, error, own, settings.level, population)
        extra |= {"se": error, "df": own.count - 1, "p": p}
    return Estimate(
        measure, value, reach.low, reach.high, settings.level, found.n, convention=convention,
        method=reach.method, reason=reach.reason, extra=extra,
    )  # fmt: skip


def deviations(found: Frame) -> FloatArray:
    """What each used case adds to the coefficient's deviation, (m,); they sum to 0.

    Args:
        found: the sums of a coefficient that is defined.

    Example:
        >>> table = np.array([[0, 0], [1, 1], [0, 1], [1, 1]])
        >>> deviations(frame(table, "percent_agreement", 2, "identity")).tolist()
        [0.0625, 0.0625, -0.1875, 0.0625]

    Source:
        Gwet (2014), sections 5.3-5.4: linearisation over cases, chance agreement included.
    """
    sums = found.per_case.sum(axis=0)[None, :]
    value, _, chance = (float(part[0]) for part in found.parts(sums))
    m = found.rows.size
    if found.coefficient == "krippendorff":
        return _krippendorff_deviations(found)
    many = found.per_case[:, 1]
    own = (m / many.sum()) * (found.per_case[:, 0] - chance * many) / (1 - chance)
    change = _chance_change(found, chance)
    total: FloatArray = (own - value - (1 - value) * change / (1 - chance)) / m
    return total


def _chance_change(found: Frame, chance: float) -> FloatArray:
    """How much each case moves chance agreement, times the number of cases: (m,)."""
    m, size = found.rows.size, found.weights.shape[0]
    if found.coefficient in ("percent_agreement", "brennan_prediger"):
        return np.zeros(m)
    if found.coefficient == "conger":
        given = found.per_case[:, 3:].reshape(m, found.readers, size)
        number = given.sum(axis=(0, 2))
        share = given.sum(axis=0) / number[:, None]
        others = (share.sum(axis=0) - share) @ found.weights  # (readers, k)
        answered = given.sum(axis=2)
        pull = np.einsum("igk,gk->ig", given, others) - answered * (share * others).sum(axis=1)
        pairs = found.readers * (found.readers - 1)
        moved: FloatArray = 2 * (pull * (m / number)).sum(axis=1) / pairs
        return moved
    own = found.per_case[:, 3:]
    share = own.mean(axis=0)
    if found.coefficient == "gwet_ac":
        per_case = found.weights.sum() / (size * (size - 1)) * (own @ (1 - share))
    else:
        per_case = own @ (found.weights @ share)
    change: FloatArray = 2 * (per_case - chance)
    return change


def _krippendorff_deviations(found: Frame) -> FloatArray:
    m = found.rows.size
    answers, counts = found.per_case[:, 1], found.counts
    mean = answers.mean()
    observed = found.per_case[:, 2].sum() / answers.sum()
    # As published, the pool's correction enters the weight of long cases alone.
    corrected = observed + (1 - observed) / answers.sum()
    share = counts.sum(axis=0) / answers.sum()
    chance = float(share @ found.weights @ share)
    value = (observed - chance) / (1 - chance)
    more = (answers - mean) / mean
    own = found.per_case[:, 2] / mean - corrected * more
    per_case = counts @ (found.weights @ share) / mean - chance * more
    total: FloatArray = (
        (own - chance) / (1 - chance) - value - 2 * (1 - value) * (per_case - chance) / (1 - chance)
    ) / m
    return total


def standard_error(
    spread: FloatArray, units: int, population: int | None = None, divisor: str = "n-1"
) -> float | None:
    """Standard error from the deviations of independent units; None for a single unit.

    Args:
        spread: (units,) what each unit adds to the deviation; they sum to 0.
        units: how many.
        population: units of a finite population that these were drawn from; None: unlimited.
        divisor: "n-1" for a sample's variance, "n" without that correction.

    Example:
        >>> standard_error(np.array([0.5, -0.5]), 2), standard_error(np.array([0.0]), 1)
        (1.0, None)
    """
    if units < 2:
        return None
    finite = 1.0 if population is None else 1 - units / population
    factor = finite * (units / (units - 1) if divisor == "n-1" else 1.0)
    return float(np.sqrt(factor * (spread**2).sum()))


def t_interval(
    value: float, error: float | None, own: Clusters, level: float, population: int | None = None
) -> tuple[Interval, float | None]:
    """t interval cut at 1, and the two-sided p of no agreement beyond chance.

    Args:
        value, error: coefficient and its standard error, None for a single unit.
        own: the independent units.
        level: coverage, between 0 and 1.
        population: as ``standard_error``; named in the method.

    Returns:
        No interval and no p for a single unit, too few clusters, or an error of 0.

    Example:
        >>> found, p = t_interval(0.5, 0.1, Clusters.singles(11), 0.95)  # 0.5 - 2.228 * 0.1
        >>> round(found.low, 4), round(found.high, 4), round(p, 4)
        (0.2772, 0.7228, 0.0005)
    """
    if error is None:
        return Interval(None, None, "", f"No interval: only {own.words}."), None
    if not own.each_alone and (refusal := too_few(own)):
        return Interval(None, None, "", refusal), None
    if error <= 1e-12 * max(1.0, abs(value)):
        return Interval(None, None, "", NO_SPREAD), None
    df = own.count - 1
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    method = f"linearised over {own.words} (Gwet 2014), t with {df:,} df, cut at 1"
    if population is not None:
        method += f"; finite population of {population:,}"
    p = float(2 * stats.t.sf(abs(value) / error, df))
    return Interval(value - half, min(1.0, value + half), method), p


def _krippendorff(
    sums: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    answers = np.maximum(sums[:, 1], 1)
    observed = sums[:, 2] / answers
    # Pairs are drawn without replacement from the pool of answers.
    observed = np.where(sums[:, 1] > 0, (1 - 1 / answers) * observed + 1 / answers, np.nan)
    chance = _form(sums[:, 3:] / answers[:, None], weights)
    room = np.where(np.isfinite(observed), 1 - chance, 0.0)
    return ratio(observed - chance, room, least=NO_ROOM), observed, chance


def _form(shares: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted product of shares with themselves, (r, k) -> (r,)."""
    total: FloatArray = ((shares @ weights) * shares).sum(axis=1)
    return total


def _convention(coefficient: Coefficient, weights: Weights, categories: int) -> str:
    words = {
        "percent_agreement": "mean share of agreeing pairs of readers",
        "brennan_prediger": f"Brennan-Prediger, {categories} answers declared",
        "gwet_ac": f"Gwet AC{1 if weights.name == 'identity' else 2}, "
        f"{categories} answers declared",
        "fleiss": "readers exchangeable (Fleiss; Scott's pi for two)",
        "conger": "each reader's own shares (Conger; Cohen's kappa for two)",
        "krippendorff": "Krippendorff; cases that two or more readers answered",
    }[coefficient]
    return f"{weights.words}; {words}"
