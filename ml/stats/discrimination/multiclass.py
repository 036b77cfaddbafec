"""AUROCs and accuracy of more than two classes."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.auroc_bootstrap import Ranked
from ml.stats.interval import percentile_interval
from ml.stats.proportion import proportion

_Weighted = Callable[[FloatArray], FloatArray]  # from counts (c, units) to (c,)


def hand_till(
    scores: FloatArray,
    truth: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Hand and Till's M: mean over pairs of classes of how well each of the two is told apart.

    For classes i and j, A(i|j) is the AUROC of the score of i among cases of i and j;
    M averages (A(i|j) + A(j|i)) / 2 over all pairs. It does not depend on how common the
    classes are. No pair is ever flipped.

    Args:
        scores: (n, k) a column per class, higher means that class. Columns are compared
            between cases, so logits and their probabilities give different values: say which.
        truth: (n,) codes 0..k-1.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed of the percentile bootstrap.

    Returns:
        Undefined when one of the k classes has no case: M of fewer classes is another measure.

    Raises:
        ValueError: for other shapes, NaN, or codes outside 0..k-1.

    Example:
        >>> scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
        >>> hand_till(scores, np.array([0, 1, 2])).value
        1.0

    Source:
        Hand, Till (2001). A simple generalisation of the area under the ROC curve for multiple
        class classification problems. Machine Learning 45:171-186.
    """
    scores, truth = _checked(scores, truth)
    k = scores.shape[1]

    def parts(units: Clusters) -> list[_Weighted]:
        return [
            _pair(scores[:, of], truth, of, other, units).auroc
            for a, b in combinations(range(k), 2)
            for of, other in ((a, b), (b, a))
        ]

    convention = "Hand & Till (2001): mean of A(i|j) over ordered pairs of classes; not flipped"
    return _mean("hand_till", convention, scores, truth, parts, clusters, settings)


def macro_ovr_auroc(
    scores: FloatArray,
    truth: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean over classes of the AUROC of that class against all others.

    Unlike ``hand_till`` it depends on how common the classes are.

    Args:
        scores, truth, clusters, settings: as for ``hand_till``.

    Returns:
        Undefined when one of the k classes has no case, or all cases.

    Raises:
        ValueError: as ``hand_till``.

    Example:
        >>> scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
        >>> macro_ovr_auroc(scores, np.array([0, 1, 2])).value
        1.0

    Source:
        Provost, Domingos (2001), weighted by prevalence there; unweighted mean: Fawcett (2006),
        Pattern Recognition Letters 27:861-874, section 9.
    """
    scores, truth = _checked(scores, truth)

    def parts(units: Clusters) -> list[_Weighted]:
        return [
            Ranked(scores[:, of], truth == of, units.codes).auroc for of in range(scores.shape[1])
        ]

    convention = "one class against the rest, unweighted mean over classes"
    return _mean("macro_ovr_auroc", convention, scores, truth, parts, clusters, settings)


def top_1_accuracy(
    scores: FloatArray,
    truth: IntArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Share of cases whose highest score is that of their class, with a Wilson interval.

    Args:
        scores, truth, clusters: as for ``hand_till``.
        level: of the interval.

    Returns:
        ``extra["tied"]`` counts cases with several highest scores: the first class is taken.

    Raises:
        ValueError: as ``hand_till``.

    Example:
        >>> top_1_accuracy(np.array([[0.8, 0.2], [0.7, 0.3]]), np.array([0, 1])).value
        0.5
    """
    scores, truth = _checked(scores, truth)
    answer = scores.argmax(axis=1)
    tied = int(((scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
    convention = "highest score, the first of equal ones"
    estimate = proportion("accuracy", answer == truth, clusters, level=level, convention=convention)
    if estimate.value is None or not tied:
        return estimate
    return Estimate(
        "accuracy", estimate.value, estimate.low, estimate.high, level, estimate.n,
        convention=convention, method=estimate.method, reason=estimate.reason,
        extra={**estimate.extra, "tied": tied},
    )  # fmt: skip


def multiclass_auto_direction(score: FloatArray, truth: IntArray) -> Estimate:
    """Mean over pairs of classes of the AUROC of one score, each pair turned to 0.5 or more.

    What pROC's ``multiclass.roc`` returns for one score. A score without information is above
    0.5 by it, because each pair takes the direction that suits it: for comparison with
    published numbers only, and without an interval.

    Args:
        score: (n,) one number per case.
        truth: (n,) codes of classes; those that occur are compared.

    Returns:
        Undefined for fewer than two classes.

    Raises:
        ValueError: for unequal shapes or NaN.

    Example:
        >>> multiclass_auto_direction(np.array([3.0, 2, 1]), np.array([0, 1, 2])).value
        1.0

    Source:
        Robin et al. (2011). pROC. BMC Bioinformatics 12:77.
    """
    score, truth = np.asarray(score, dtype=np.float64), np.asarray(truth)
    if score.ndim != 1 or score.shape != truth.shape or not np.isfinite(score).all():
        raise ValueError(f"expected two finite (n,) arrays, got {score.shape} and {truth.shape}")
    convention = (
        "pROC multiclass.roc: each pair of classes in whichever direction the medians point; "
        "optimistic"
    )
    found = np.unique(truth)
    if found.size < 2:
        reason = "Not estimated: there are fewer than two classes."
        return undefined("multiclass_auto_direction", reason, n=score.size, convention=convention)
    values = []
    for a, b in combinations(found, 2):
        rows = np.flatnonzero((truth == a) | (truth == b))
        # pROC decides by the medians of the two classes, not by the larger area.
        sign = 1.0 if np.median(score[truth == a]) <= np.median(score[truth == b]) else -1.0
        ranked = Ranked(sign * score[rows], truth[rows] == b, np.arange(rows.size))
        values.append(float(ranked.auroc(np.ones((1, rows.size)))[0]))
    return Estimate(
        "multiclass_auto_direction", float(np.mean(values)), n=score.size, convention=convention,
        reason="No interval: the directions are chosen by the same cases.",
        extra={"classes": int(found.size), "unit": "fraction"},
    )  # fmt: skip


def _pair(column: FloatArray, truth: IntArray, of: int, other: int, units: Clusters) -> Ranked:
    rows = np.flatnonzero((truth == of) | (truth == other))
    return Ranked(column[rows], truth[rows] == of, units.codes[rows])


def _checked(scores: FloatArray, truth: IntArray) -> tuple[FloatArray, IntArray]:
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    if scores.ndim != 2 or scores.shape[1] < 2 or truth.shape != scores.shape[:1]:
        raise ValueError(
            f"expected (n, k) scores of two or more classes and (n,) codes, got {scores.shape} "
            f"and {truth.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite: leave failed cases out and count them")
    codes = truth.astype(np.int64)
    if (codes != truth).any() or (codes < 0).any() or (codes >= scores.shape[1]).any():
        raise ValueError(f"codes of classes must be whole numbers 0..{scores.shape[1] - 1}")
    return scores, codes


def _mean(
    measure: str,
    convention: str,
    scores: FloatArray,
    truth: IntArray,
    parts_of: Callable[[Clusters], list[_Weighted]],
    clusters: Clusters | None,
    settings: Settings,
) -> Estimate:
    n, k = scores.shape
    sizes = np.bincount(truth, minlength=k)
    if (sizes == 0).any() or (sizes == n).any():
        missing = ", ".join(str(at) for at in np.flatnonzero(sizes == 0))
        reason = f"Not estimated: no case of class {missing or 'any'}."
        return undefined(measure, reason, n=n, convention=convention)
    units = checked_clusters(clusters, n)
    parts = parts_of(units)

    def measured(counts: FloatArray) -> FloatArray:
        total = np.zeros(counts.shape[0])
        for part in parts:
            total += part(counts)
        return total / len(parts)

    value = float(measured(np.ones((1, units.count)))[0])
    extra = {**units.extra, "classes": k, "unit": "fraction"}
    refusal = too_few(units)
    if refusal is None and value in (0.0, 1.0):
        refusal = (
            "No interval: every pair of classes is told apart without an error, so there is no "
            "spread to estimate from."
        )
    if refusal:
        return Estimate(measure, value, n=n, convention=convention, reason=refusal, extra=extra)
    drawn = replicates(measured, units.count, settings, width=n)
    interval = percentile_interval(drawn, units, settings)
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n,
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip
