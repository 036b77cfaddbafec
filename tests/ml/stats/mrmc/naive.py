"""Slow and plain re-computations, to check the fast ones against."""

from itertools import product

import numpy as np

from ml.stats.mrmc.study import MrmcStudy


def study_of(scores, present) -> MrmcStudy:
    scores = np.asarray(scores, dtype=float)
    labels = [tuple(f"{kind}{at}" for at in range(n)) for kind, n in zip("mrc", scores.shape)]  # noqa: B905
    return MrmcStudy(scores, np.asarray(present), *labels)


def drawn(seed=0, shape=(2, 3, 14), ties=False, missing=0.0) -> MrmcStudy:
    rng = np.random.default_rng(seed)
    present = np.arange(shape[2]) % 2
    scores = rng.normal(size=shape) + present
    if ties:
        scores = np.round(scores)
    scores[rng.random(shape) < missing] = np.nan
    return study_of(scores, present)


def naive_auc(scores, present) -> float:
    wins = [
        (p > n) + 0.5 * (p == n)
        for p, n in product(scores[present == 1], scores[present == 0])
        if not (np.isnan(p) or np.isnan(n))
    ]
    return float(np.mean(wins)) if wins else float("nan")


def naive_left_out(study: MrmcStudy, units=None) -> np.ndarray:
    units = np.arange(len(study.cases)) if units is None else np.asarray(units)
    found = np.empty((*study.scores.shape[:2], units.max() + 1))
    for i, j, unit in np.ndindex(found.shape):
        keep = units != unit
        found[i, j, unit] = naive_auc(study.scores[i, j, keep], study.present[keep])
    return found


def kernel(study: MrmcStudy) -> np.ndarray:
    """(modality, reader, negative, positive) successes, NaN where not read."""
    positive = study.scores[:, :, None, study.present]
    negative = study.scores[:, :, ~study.present, None]
    apart = positive - negative
    return np.where(np.isnan(apart), np.nan, (apart > 0) + 0.5 * (apart == 0))


def naive_moments(study: MrmcStudy, a: int, b: int) -> np.ndarray:
    """M1..M8 by going through all pairs of readings and pairs of cases."""
    success = kernel(study)
    readers, negatives, positives = success.shape[1:]
    total, count = np.zeros(8), np.zeros(8)
    index = list(product(range(readers), range(negatives), range(positives)))
    for (r, n, p), (s, o, q) in product(index, index):
        value = success[a, r, n, p] * success[b, s, o, q]
        if np.isnan(value):
            continue
        kind = (0 if r == s else 4) + {(1, 1): 0, (0, 1): 1, (1, 0): 2, (0, 0): 3}[
            (int(n == o), int(p == q))
        ]
        total[kind] += value
        count[kind] += 1
    return np.divide(total, count, out=np.full(8, np.nan), where=count > 0)
