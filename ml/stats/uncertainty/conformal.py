"""Split conformal sets of classes: thresholds, sets, and the coverage they keep."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.asked import checked_count, checked_number, checked_share
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.calibration.multiclass import checked_classes
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.proportion import proportion
from ml.stats.sums import mean_estimate

SCORES = ("lac", "aps", "raps")


@dataclass(frozen=True)
class Thresholds:
    """Where sets are cut; infinity means every class is in the set."""

    values: FloatArray  # (g,) one per group; one in all where there are no groups
    score: str
    alpha: float
    by: str  # "all" | "class" | "group"
    penalty: float = 0.01
    allowed: int = 5


def conformal_quantile(scores: FloatArray, alpha: float) -> float:
    """The ceil((n+1)(1-alpha))-th smallest score; infinity where n is too small for one.

    Example:
        >>> conformal_quantile(np.array([0.1, 0.2, 0.3, 0.4]), 0.4)
        0.3
        >>> conformal_quantile(np.array([0.1]), 0.1)
        inf

    Source:
        Vovk, Gammerman, Shafer (2005); Lei et al. (2018), JASA 113:1094-1111.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or np.isnan(scores).any():
        raise ValueError(f"expected (n,) scores without NaN, got {scores.shape}")
    rank = _rank(scores.size, alpha)
    return float(np.sort(scores)[rank - 1]) if rank <= scores.size else float("inf")


def _rank(n: int, alpha: float) -> int:
    """The place of the threshold among n calibration scores; above n there is none."""
    alpha = checked_share("alpha", alpha)
    # 0.9·20 must not become 18.000000000000004 and then 19.
    return int(np.ceil((n + 1) * (1 - alpha) - 1e-9))


def class_scores(
    probabilities: FloatArray,
    score: str,
    *,
    uniform: FloatArray | None = None,
    penalty: float = 0.01,
    allowed: int = 5,
) -> FloatArray:
    """Non-conformity of every class, (n, k); higher means less fitting.

    Args:
        probabilities: (n, k) rows that sum to 1.
        score: "lac" 1 - p; "aps" sum of the probabilities at least as large, ties included;
            "raps" the same plus penalty·max(0, rank - allowed).
        uniform: (n,) random numbers 0..1 that take off a share of the class's own probability
            (randomised APS and RAPS, exact coverage); None does not randomise.
        penalty, allowed: of RAPS.

    Raises:
        ValueError: for an unknown score, or probabilities that are none.

    Example:
        >>> class_scores(np.array([[0.7, 0.2, 0.1]]), "aps").round(2).tolist()
        [[0.7, 0.9, 1.0]]

    Source:
        Sadinle, Lei, Wasserman (2019), JASA 114:223-234 (LAC); Romano, Sesia, Candès (2020),
        NeurIPS (APS); Angelopoulos et al. (2021), ICLR (RAPS).
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {SCORES}, got {score!r}")
    penalty = checked_number("penalty", penalty)
    allowed = checked_count("allowed", allowed, 0)
    probabilities, _ = checked_classes(probabilities, np.zeros(len(probabilities), np.int64))
    if score == "lac":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    mass = ranked.cumsum(axis=1)
    place = np.broadcast_to(np.arange(ranked.shape[1]), ranked.shape)
    # Every class of a tie takes the sum up to the tie's end.
    last = np.ones(ranked.shape, dtype=np.bool_)
    last[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    ends = np.where(last, place, ranked.shape[1])
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    total = np.take_along_axis(mass, ends, axis=1)
    if uniform is not None:
        total = total - uniform[:, None] * ranked
    if score == "raps":
        total = total + penalty * np.maximum(0, place + 1 - allowed)
    result = np.empty(total.shape)
    np.put_along_axis(result, order, total, axis=1)
    return result


def fit(
    probabilities: FloatArray,
    label: IntArray,
    alpha: float,
    *,
    score: str = "lac",
    by: str = "all",
    group: IntArray | None = None,
    seed: int | None = None,
    penalty: float = 0.01,
    allowed: int = 5,
) -> Thresholds:
    """Thresholds from calibration cases that the model has not seen.

    Args:
        probabilities: (n, k); label: (n,) 0..k-1.
        alpha: share of sets that may miss the truth.
        score: one of ``SCORES``.
        by: "all"; "class" (class-conditional: one threshold per true class); "group" (Mondrian).
        group: (n,) 0..g-1, for "group".
        seed: randomises APS and RAPS; None does not.
        penalty, allowed: of RAPS.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> p = np.tile([[0.8, 0.2]], (9, 1))
        >>> fit(p, np.zeros(9, int), 0.1).values.round(2).tolist()
        [0.2]

    Source:
        Vovk (2012), ACML (conditional validity, Mondrian); scores as ``class_scores``.
    """
    probabilities, label = checked_classes(probabilities, label)
    uniform = None if seed is None else np.random.default_rng(seed).random(label.size)
    every = class_scores(probabilities, score, uniform=uniform, penalty=penalty, allowed=allowed)
    own = every[np.arange(label.size), label]
    if by == "all":
        values = [conformal_quantile(own, alpha)]
    elif by == "class":
        values = [conformal_quantile(own[label == k], alpha) for k in range(every.shape[1])]
    elif by == "group" and group is not None and np.shape(group) == label.shape:
        group = _checked_group(group)
        if (group < 0).any():
            raise ValueError("groups must be 0 or above")
        groups = int(np.max(group, initial=-1)) + 1
        values = [conformal_quantile(own[group == g], alpha) for g in range(groups)]
    else:
        raise ValueError(f'by must be "all", "class", or "group" with (n,) groups, got {by!r}')
    return Thresholds(np.array(values), score, alpha, by, penalty, allowed)


def sets(
    thresholds: Thresholds,
    probabilities: FloatArray,
    *,
    group: IntArray | None = None,
    seed: int | None = None,
) -> BoolArray:
    """Which classes are in each case's set, (n, k); a set may be empty.

    Args:
        thresholds: from ``fit``.
        probabilities: (n, k).
        group: (n,) for Mondrian thresholds; a group never seen gets all classes.
        seed: randomises, as in ``fit``; use another one than there.

    Raises:
        ValueError: where groups are missing, for probabilities that are none, or of another
            number of classes than the thresholds are.

    Example:
        >>> cut = Thresholds(np.array([0.5]), "lac", 0.1, "all")
        >>> sets(cut, np.array([[0.7, 0.3]])).tolist()
        [[True, False]]
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    uniform = None if seed is None else np.random.default_rng(seed).random(len(probabilities))
    scores = class_scores(
        probabilities, thresholds.score, uniform=uniform,
        penalty=thresholds.penalty, allowed=thresholds.allowed,
    )  # fmt: skip
    limits = thresholds.values[None, :]
    if thresholds.by == "group":
        if group is None or np.shape(group) != probabilities.shape[:1]:
            raise ValueError("Mondrian thresholds need the (n,) group of every case")
        group = _checked_group(group)
        known = np.append(thresholds.values, np.inf)
        never = (group < 0) | (group >= thresholds.values.size)
        limits = known[np.where(never, thresholds.values.size, group)][:, None]
    elif limits.shape[1] not in (1, scores.shape[1]):
        raise ValueError(
            f"thresholds of {limits.shape[1]} classes do not cut {scores.shape[1]} classes"
        )
    inside: BoolArray = scores <= limits
    return inside


def coverage(
    members: BoolArray,
    label: IntArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
    n_calibration: int | None = None,
    alpha: float | None = None,
) -> Estimate:
    """Share of sets that hold the truth, with its Clopper-Pearson interval (fixed thresholds).

    Args:
        members: (n, k) from ``sets``.
        label: (n,).
        clusters: independent units, whose effective size the interval takes; None means every
            case is its own.
        level: of the interval.
        n_calibration, alpha: where given, and every case is its own unit, ``extra`` says between
            which values the share would lie at this level if cases are exchangeable and scores
            have no ties (beta-binomial).

    Raises:
        ValueError: for unequal shapes, members other than 0 and 1, labels outside 0..k-1, or
            clusters of other rows.

    Example:
        >>> coverage(np.array([[True, False], [True, True]]), np.array([0, 1])).value
        1.0

    Source:
        Clopper, Pearson (1934); Vovk (2012) and Angelopoulos, Bates (2023), section 3.2. Effective
        size: Korn, Graubard (1998).
    """
    members, label = _members(members), np.asarray(label)
    if label.shape != members.shape[:1]:
        raise ValueError(f"expected (n, k) and (n,), got {members.shape} and {label.shape}")
    if not np.isin(label, np.arange(members.shape[1])).all():
        raise ValueError(f"labels must lie in 0..{members.shape[1] - 1}, one for each column")
    n = int(label.size)
    clusters = checked_clusters(clusters, n)
    held = members[np.arange(n), label.astype(np.int64)]
    found = proportion(
        "conformal_coverage", held, clusters, level=level, interval="clopper_pearson",
        convention="share of sets that hold the true class",
    )  # fmt: skip
    expected: dict[str, JsonValue] = {"held": int(held.sum())}
    if n and n_calibration is not None and alpha is not None and clusters.each_alone:
        n_calibration = checked_count("n_calibration", n_calibration)
        rank = _rank(n_calibration, alpha)
        if rank <= n_calibration:
            law, tail = stats.betabinom(n, rank, n_calibration + 1 - rank), (1 - level) / 2
            expected["expected_low"] = float(law.ppf(tail)) / n
            expected["expected_high"] = float(law.ppf(1 - tail)) / n
    how = found.method and f"{found.method}, thresholds taken as fixed"
    return replace(found, method=how, extra={**found.extra, **expected})


def mean_size(
    members: BoolArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Mean number of classes per set, with a bootstrap interval; members (n, k).

    Raises:
        ValueError: for members other than 0 and 1, or clusters of other rows.

    Example:
        >>> mean_size(np.array([[True, False], [True, True]])).value
        1.5
    """
    sizes = _members(members).sum(axis=1).astype(np.float64)
    return mean_estimate(
        "conformal_mean_size", sizes, clusters, settings, convention="classes per set",
        extra={"empty": int((sizes == 0).sum())},
    )  # fmt: skip


def coverage_by(
    members: BoolArray,
    label: IntArray,
    group: IntArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> dict[int, Estimate]:
    """Coverage of every group of cases (give the labels themselves for classes).

    Args:
        members, label, clusters, level: as for ``coverage``.
        group: (n,) whole numbers.

    Returns:
        By group; ids are qualified by it ("conformal_coverage:0").

    Raises:
        ValueError: as ``coverage``, or for groups of other rows.

    Example:
        >>> held = np.array([[True, False], [True, False]])
        >>> [e.value for e in coverage_by(held, np.array([0, 1]), np.array([0, 1])).values()]
        [1.0, 0.0]
    """
    members, label, group = _members(members), np.asarray(label), _checked_group(group)
    if not members.shape[:1] == label.shape == group.shape:
        raise ValueError(
            f"expected (n, k), (n,), (n,), got {members.shape}, {label.shape}, {group.shape}"
        )
    clusters = checked_clusters(clusters, group.size)
    found = {}
    for one in np.unique(group).tolist():
        rows = np.flatnonzero(group == one)
        estimate = coverage(members[rows], label[rows], clusters.where(rows), level=level)
        found[one] = estimate.renamed(f"{estimate.id}:{one}")
    return found


def _members(members: BoolArray) -> BoolArray:
    given = np.asarray(members)
    if given.ndim != 2 or not ((given == 0) | (given == 1)).all():
        raise ValueError(f"sets must be (n, k) of 0 and 1, got {given.shape}")
    inside: BoolArray = given == 1
    return inside


def _checked_group(group: IntArray) -> IntArray:
    given = np.asarray(group)
    if given.ndim != 1 or not np.isfinite(given).all() or (given != np.round(given)).any():
        raise ValueError(f"groups must be (n,) whole numbers, got {given.shape}")
    return given.astype(np.int64)


def risk_controlled_threshold(
    losses: FloatArray, thresholds: FloatArray, alpha: float, *, largest: float = 1.0
) -> float | None:
    """Smallest threshold whose expected loss on a new case is at most alpha; None if there is none.

    Args:
        losses: (n, m) loss of each case at each threshold, not rising with the threshold.
        thresholds: (m,) rising.
        alpha: wanted expected loss, between 0 and ``largest``.
        largest: bound of the loss.

    Raises:
        ValueError: for malformed input or losses that rise.

    Example:
        >>> losses = np.tile([1.0, 0.0], (99, 1))
        >>> risk_controlled_threshold(losses, np.array([0.2, 0.8]), 0.05)
        0.8

    Source:
        Angelopoulos, Bates, Fisch, Lei, Schuster (2024). Conformal Risk Control. ICLR.
    """
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 2 or np.shape(thresholds) != losses.shape[1:] or not losses.size:
        raise ValueError(f"expected (n, m) losses and (m,) thresholds, got {losses.shape}")
    if not (np.isfinite(losses).all() and np.isfinite(thresholds).all()):
        raise ValueError("losses and thresholds must be finite")
    if (np.diff(losses, axis=1) > 1e-12).any() or (np.diff(thresholds) <= 0).any():
        raise ValueError("thresholds must rise and losses must not rise with them")
    if not 0 < alpha < largest or losses.max() > largest:
        raise ValueError(f"alpha must lie between 0 and {largest:g}, losses must not pass it")
    n = losses.shape[0]
    kept = np.flatnonzero((losses.sum(axis=0) + largest) / (n + 1) <= alpha + 1e-12)
    return float(thresholds[kept[0]]) if kept.size else None
