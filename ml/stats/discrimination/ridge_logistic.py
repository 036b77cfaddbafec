"""Logistic regression on a few numbers per case, held down by a ridge, and cross-fitted."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.asked import checked_count
from ml.stats.clusters import Clusters, checked_clusters

FOLDS = 5
PENALTY = 1.0
_MOST = 1e70  # of a number: the square of its deviation must still be one
_MOST_PENALTY = 1e12
_STEPS, _HALVINGS = 200, 40
_SETTLED = 1e-10  # of the slope's largest part, beside the number of cases


@dataclass(frozen=True)
class RidgeLogistic:
    """log odds = intercept + weights · (x - centre) / scale."""

    intercept: float
    weights: FloatArray  # (m,) of standardised columns
    centre: FloatArray  # (m,)
    scale: FloatArray  # (m,) 1 where a column does not vary

    def log_odds(self, columns: FloatArray) -> FloatArray:
        """(k,) of rows (k, m); a number that is missing counts as the mean of its column."""
        found: FloatArray = self.intercept + self._standardised(columns) @ self.weights
        return found

    def _standardised(self, columns: FloatArray) -> FloatArray:
        scaled = (columns - self.centre) / self.scale
        return np.where(np.isnan(scaled), 0.0, scaled)


@dataclass(frozen=True)
class CrossFittedLogistic:
    """Log odds of n cases, each from a fit to other units."""

    log_odds: FloatArray  # (n,)
    fold: IntArray  # (n,) 0..folds-1


def ridge_logistic(
    columns: FloatArray, present: IntArray | BoolArray, *, penalty: float = PENALTY
) -> RidgeLogistic:
    """Logistic regression with a ridge on standardised columns, by Newton's method.

    Minimises the sum of log losses plus penalty / 2 times the sum of squared weights; the
    intercept is not held down. scikit-learn calls 1 / penalty ``C``.

    Args:
        columns: (n, m) numbers, NaN where one is missing: it counts as the mean of its column.
        present: (n,) 1 or 0.
        penalty: above 0, so that a finite fit exists even where classes separate.

    Returns:
        The fit; columns are standardised by their own mean and standard deviation (divisor n).

    Raises:
        ValueError: for malformed input, one class, or a penalty that is not above 0.

    Example:
        >>> fit = ridge_logistic(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1]))
        >>> fit.weights.round(3).tolist()
        [0.453]

    Source:
        le Cessie, van Houwelingen (1992), Applied Statistics 41:191-201.
    """
    columns, outcomes = _checked(columns, present)
    if not 0 < penalty <= _MOST_PENALTY:
        raise ValueError(f"penalty must lie above 0 and up to {_MOST_PENALTY:g}, got {penalty}")
    if not 0 < outcomes.sum() < outcomes.size:
        raise ValueError("a logistic fit needs cases with and without the finding")
    known = ~np.isnan(columns)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, columns, 0.0).sum(axis=0) / count
    away = np.where(known, columns - centre, 0.0)
    size = np.abs(away).max(axis=0, initial=0.0)
    unit = np.where(size > 0, size, 1.0)  # first, so that no square is too small to be one
    spread = unit * np.sqrt(((away / unit) ** 2).sum(axis=0) / count)
    varies = spread > 1e-12 * np.abs(centre)  # else it is rounding that would be blown up
    scale = np.where(varies, spread, 1.0)
    design = np.column_stack([np.ones(outcomes.size), np.where(varies, away / scale, 0.0)])
    held = np.full(design.shape[1], float(penalty))
    held[0] = 0.0
    found = _newton(design, outcomes, held)
    weights = np.where(varies, found[1:], 0.0)
    return RidgeLogistic(float(found[0]), weights, centre, scale)


def cross_fitted_logistic(
    columns: FloatArray,
    present: IntArray | BoolArray,
    clusters: Clusters | None = None,
    *,
    penalty: float = PENALTY,
    folds: int = FOLDS,
    seed: int = 20261123,
) -> CrossFittedLogistic:
    """Log odds of every case from a fit that saw neither the case nor its unit.

    Units are dealt into folds by the seed, those that hold the finding first and then the
    others, so that every fold has its share of both; else the fits of folds that lack a class
    would lean against it, and an AUROC over all folds would fall below chance.

    Args:
        columns, present, penalty: as ``ridge_logistic``.
        clusters: kept together in one fold; None means every case is its own.
        folds: 2 or more, and no more than there are units with, or without, the finding.
        seed: deals the units.

    Raises:
        ValueError: as ``ridge_logistic``, and for too few units.

    Example:
        >>> x = np.arange(20.0)[:, None]
        >>> found = cross_fitted_logistic(x, np.arange(20) >= 10)
        >>> bool((found.log_odds[:10] < found.log_odds[10:]).all())
        True

    Source:
        Stone (1974), Journal of the Royal Statistical Society B 36:111-147.
    """
    columns, outcomes = _checked(columns, present)
    fold = dealt_folds(outcomes, clusters, folds=folds, seed=seed)
    found = np.empty(outcomes.size)
    for one in range(folds):
        held = fold == one
        fit = ridge_logistic(columns[~held], outcomes[~held], penalty=penalty)
        found[held] = fit.log_odds(columns[held])
    return CrossFittedLogistic(found, fold)


def dealt_folds(
    outcomes: BoolArray, clusters: Clusters | None, *, folds: int = FOLDS, seed: int
) -> IntArray:
    """(n,) the fold of each case, 0..folds-1; see :func:`cross_fitted_logistic`.

    Raises:
        ValueError: for too few units with, or without, the finding.

    Example:
        >>> dealt_folds(np.arange(4) % 2 == 0, None, folds=2, seed=1).tolist()
        [0, 1, 1, 0]
    """
    clusters = checked_clusters(clusters, outcomes.size)
    folds, seed = checked_count("folds", folds, 2), checked_count("seed", seed, 0)
    holds = np.bincount(clusters.codes, outcomes, clusters.count) > 0
    fewest = min(int(holds.sum()), int((~holds).sum()))
    if fewest < folds:
        raise ValueError(
            f"{folds} folds need as many units with and without the finding, got {fewest}"
        )
    order = np.random.default_rng([seed, folds]).permutation(clusters.count)
    order = order[np.argsort(~holds[order], kind="stable")]
    dealt = np.empty(clusters.count, dtype=np.int64)
    dealt[order] = np.arange(clusters.count) % folds
    return dealt[clusters.codes]


def _checked(
    columns: FloatArray, present: IntArray | BoolArray
) -> tuple[FloatArray, BoolArray]:  # fmt: skip
    columns, outcomes = np.asarray(columns, dtype=np.float64), checked_outcomes(present)
    if columns.ndim != 2 or len(columns) != outcomes.size:
        raise ValueError(f"expected (n, m) numbers and (n,) outcomes, got {columns.shape}")
    if (np.abs(columns[~np.isnan(columns)]) > _MOST).any():
        raise ValueError(f"numbers above {_MOST:g} need another unit")
    return columns, outcomes


def _newton(design: FloatArray, outcomes: BoolArray, held: FloatArray) -> FloatArray:
    """The coefficients of the smallest penalised loss; each step is halved until it falls."""
    signed = np.where(outcomes, 1.0, -1.0)

    def loss(at: FloatArray) -> float:
        return float((held * at**2).sum() / 2 - special.log_expit(signed * (design @ at)).sum())

    found = np.zeros(design.shape[1])
    rate = outcomes.mean()
    found[0] = float(np.log(rate / (1 - rate)))
    value = loss(found)
    for _ in range(_STEPS):
        p = special.expit(design @ found)
        slope = design.T @ (p - outcomes) + held * found
        if np.abs(slope).max() <= _SETTLED * outcomes.size:
            break
        curve = design.T @ (design * (p * (1 - p))[:, None]) + np.diag(held)
        curve[0, 0] += 1e-12  # where every case is sure, nothing bends the intercept
        step = np.linalg.solve(curve, slope)
        for _ in range(_HALVINGS):
            if (after := loss(found - step)) <= value:
                break
            step = step / 2
        else:
            break  # no smaller loss can be told from this one
        found, value = found - step, after
    return found
