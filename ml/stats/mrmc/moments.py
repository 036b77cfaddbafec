"""Products of successes over pairs of cases, from which every U-statistic variance is made."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray
from ml.stats.mrmc.study import MrmcStudy

_CHUNK = 4_000_000  # successes held at once

# From sums that contain equal indices to sums over different ones, per pair of readings:
# same pair of cases; same case with the finding; same case without; both different.
APART = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [-1, 0, 1, 0], [1, -1, -1, 1]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums over pairs of readings a, b (modality x reader, flattened).

    Attributes:
        numer, denom: (4, q, q) sums of success products, and their numbers of terms: the same
            pair of cases; the same case with the finding (row sums); the same case without it
            (column sums); all pairs with all. Terms of a coarser sum contain the finer ones.
        won, pairs: (q,) successes and pairs of each reading; won / pairs is its figure.
    """

    numer: FloatArray
    denom: FloatArray
    won: FloatArray
    pairs: FloatArray


def auc_sums(study: MrmcStudy) -> PairSums:
    """Pair sums whose success is to score the case with the finding higher; ties one half.

    Args:
        study: any cells may be missing.

    Example:
        >>> study = MrmcStudy.of(["a"] * 4, [1] * 4, [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 1, 1],
        ...                      higher_means="present")
        >>> sums = auc_sums(study)
        >>> float(sums.won[0] / sums.pairs[0])
        0.75

    Source:
        Gallas (2006), Academic Radiology 13:353-362; Gallas, Brown (2008), Neural Networks
        21:387-397 (arbitrary designs).
    """
    flat = study.scores.reshape(-1, len(study.cases))
    positive, negative = flat[:, study.present], flat[:, ~study.present]
    has_pos, has_neg = ~np.isnan(positive), ~np.isnan(negative)
    q, n = negative.shape
    same = np.zeros((q, q))
    rows = np.zeros(positive.shape)
    columns = np.zeros((q, n))
    step = max(1, _CHUNK // max(q * n, 1))
    for start in range(0, positive.shape[1], step):
        apart = positive[:, start : start + step, None] - negative[:, None, :]
        success = np.where(np.isnan(apart), 0.0, (np.sign(apart) + 1) / 2)
        rows[:, start : start + step] = success.sum(axis=2)
        columns += success.sum(axis=1)
        each = success.reshape(q, -1)
        same += each @ each.T
    return _sums(same, rows, columns, has_pos.astype(np.float64), has_neg.astype(np.float64))


def share_sums(study: MrmcStudy, threshold: float, *, of_present: bool) -> PairSums:
    """Pair sums of a binary decision: sensitivity, or specificity when ``of_present`` is False.

    One imagined case of the other kind stands for the threshold, so that the moments of pairs
    serve shares too.

    Example:
        >>> study = MrmcStudy.of(["a"] * 2, [1] * 2, [1, 2], [1, 3], [1, 1],
        ...                      higher_means="present")
        >>> sums = share_sums(study, 2, of_present=True)
        >>> float(sums.won[0] / sums.pairs[0])
        0.5

    Source:
        Gallas, Pennello, Myers (2007), JOSA A 24:B70-B80.
    """
    flat = study.scores.reshape(-1, len(study.cases))
    among = study.present if of_present else ~study.present
    chosen = flat[:, among]
    read = (~np.isnan(chosen)).astype(np.float64)
    right = (chosen >= threshold if of_present else chosen < threshold).astype(np.float64) * read
    one = np.ones((flat.shape[0], 1))
    same, total = right @ right.T, right.sum(axis=1, keepdims=True)
    if of_present:
        return _sums(same, right, total, read, one)
    return _sums(same, total, right, one, read)


def _sums(
    same: FloatArray, rows: FloatArray, columns: FloatArray, pos: FloatArray, neg: FloatArray
) -> PairSums:
    won = rows.sum(axis=1)
    m, n = pos.sum(axis=1), neg.sum(axis=1)
    both_pos, both_neg = pos @ pos.T, neg @ neg.T
    pairs = m * n
    numer = np.stack([same, rows @ rows.T, columns @ columns.T, np.outer(won, won)])
    denom = np.stack(
        [
            both_pos * both_neg,
            np.outer(n, n) * both_pos,
            np.outer(m, m) * both_neg,
            np.outer(pairs, pairs),
        ]
    )
    return PairSums(numer, denom, won, pairs)
