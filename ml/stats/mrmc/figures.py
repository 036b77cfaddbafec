"""Figures of merit of each modality and reader, and what each becomes without one unit."""

from dataclasses import dataclass, replace

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.clusters import Clusters, too_few
from ml.stats.mrmc.study import MrmcStudy

_BUT_SIGN = np.int64(2**63 - 1)


@dataclass(frozen=True, eq=False)
class Figures:
    """A figure of merit per modality and reader.

    Attributes:
        name: of the figure, e.g. ``auc``.
        values: (modalities, readers); NaN where a reading has none.
        left_out: (modalities, readers, units) the figure without each unit; equal to the value
            where the reader did not read the unit.
        n, n_events: cases of the study that enter, and those with the finding.
        placements: (modalities, readers, cases) for the AUC: share of opposite cases that each
            case is ranked on the right side of; NaN where not read.
        study: the scores behind it, where there are such.
    """

    name: str
    values: FloatArray
    left_out: FloatArray
    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    n: int
    n_events: int
    placements: FloatArray | None = None
    study: MrmcStudy | None = None
    threshold: float | None = None
    design: str = "crossed"

    @property
    def too_few_units(self) -> str | None:
        """The sentence that refuses an interval over so few clusters; None where there is none.

        Cases that are their own units are judged by the methods themselves.
        """
        units = None if self.study is None else self.study.clusters
        if units is None or units.each_alone:
            return None
        return too_few(replace(units, count=self.left_out.shape[2]))

    def part(self, modalities: list[int], readers: list[int]) -> "Figures":
        """Some modalities and readers by index."""
        at = np.ix_(modalities, readers)
        study = self.study
        return Figures(
            self.name, self.values[at], self.left_out[at],
            tuple(self.modalities[i] for i in modalities),
            tuple(self.readers[j] for j in readers), self.n, self.n_events,
            None if self.placements is None else self.placements[at],
            None if study is None else study.part(modalities=modalities, readers=readers),
            self.threshold, self.design,
        )  # fmt: skip


def auc_figures(study: MrmcStudy) -> Figures:
    """Empirical AUC of each reader in each modality, ties one half, with the closed jackknife.

    Leaving a case out changes the AUC by its own placement only, so that all leave-one-out
    values cost one sort: with finding (m A - V10) / (m - 1), without (n A - V01) / (n - 1).

    Args:
        study: scores with any cells missing.

    Returns:
        Figures with NaN where a reader scored no case of one kind.

    Example:
        >>> study = MrmcStudy.of(["a"] * 4, [1] * 4, [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 1, 1],
        ...                      higher_means="present")
        >>> auc_figures(study).values.tolist()
        [[0.75]]

    Source:
        DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44:837-845 (placements); leave-one-out
        form: Hanley, Hajian-Tilaki (1997), Academic Radiology 4:49-58.
    """
    shape = study.scores.shape
    flat = study.scores.reshape(-1, shape[2])
    read = ~np.isnan(flat)
    complete = bool(read.all())
    wins = _wins(flat, study.present, complete=complete)
    positive, negative = _read_of_each_kind(read, study.present, complete=complete)
    won = wins @ study.present.astype(np.float64)[:, None]
    values = ratio(won, positive * negative)
    placements = _share(wins, np.where(study.present, negative, positive))
    if study.clusters is None or study.clusters.each_alone:
        less = np.where(study.present, (positive - 1) * negative, positive * (negative - 1))
        left_out = _share(np.subtract(won, wins, out=wins), less)
        if not complete:
            left_out = np.where(read, left_out, values)
    else:
        left_out = _without_clusters(flat, study.present, wins, won, study.clusters)
    if not complete:
        placements[~read] = np.nan
    return Figures(
        "auc", values.reshape(shape[:2]), left_out.reshape(*shape[:2], -1), study.modalities,
        study.readers, shape[2], int(study.present.sum()), placements.reshape(shape), study,
        design="crossed" if complete else study.design,
    )  # fmt: skip


def _read_of_each_kind(
    read: BoolArray, present: BoolArray, *, complete: bool
) -> tuple[FloatArray, FloatArray]:
    """Cases with and without the finding of each reading, (q, 1); one row where all are alike."""
    if complete:
        m = float(present.sum())
        return np.array([[m]]), np.array([[present.size - m]])
    m_each = (read & present).sum(axis=1, keepdims=True).astype(np.float64)
    n_each = (read & ~present).sum(axis=1, keepdims=True).astype(np.float64)
    return m_each, n_each


def _share(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """``ratio``, quicker where nothing is divided by zero."""
    if bottom.size and bottom.min() > 0:
        return top / bottom
    return ratio(top, np.broadcast_to(bottom, top.shape))


def sensitivity_figures(study: MrmcStudy, threshold: float) -> Figures:
    """Share of cases with the finding scored at or above the threshold.

    Example:
        >>> study = MrmcStudy.of(["a"] * 3, [1] * 3, [1, 2, 3], [1, 3, 2], [0, 1, 1],
        ...                      higher_means="present")
        >>> sensitivity_figures(study, 3).values.tolist()
        [[0.5]]
    """
    return _shares("sensitivity", study, study.scores >= threshold, study.present, threshold)


def specificity_figures(study: MrmcStudy, threshold: float) -> Figures:
    """Share of cases without the finding scored below the threshold.

    Example:
        >>> study = MrmcStudy.of(["a"] * 3, [1] * 3, [1, 3, 2], [1, 3, 2], [0, 0, 1],
        ...                      higher_means="present")
        >>> specificity_figures(study, 3).values.tolist()
        [[0.5]]
    """
    return _shares("specificity", study, study.scores < threshold, ~study.present, threshold)


def _shares(
    name: str, study: MrmcStudy, right: BoolArray, among: BoolArray, threshold: float
) -> Figures:
    if not np.isfinite(threshold):
        raise ValueError(f"expected a finite threshold, got {threshold}")
    read = study.read[:, :, among]
    hits = right[:, :, among] & read
    units = study.units().where(np.flatnonzero(among))
    shape = read.shape
    counts = units.sums(read.reshape(-1, shape[2]).T.astype(np.float64)).T
    won = units.sums(hits.reshape(-1, shape[2]).T.astype(np.float64)).T
    n, total = counts.sum(axis=1, keepdims=True), won.sum(axis=1, keepdims=True)
    values, left = ratio(total, n), ratio(total - won, n - counts)
    return Figures(
        name, values.reshape(shape[:2]), left.reshape(*shape[:2], -1), study.modalities,
        study.readers, int(among.sum()), int(study.present[among].sum()), None, study, threshold,
        design=study.design,
    )  # fmt: skip


def _wins(flat: FloatArray, present: BoolArray, *, complete: bool) -> FloatArray:
    """(q, cases) opposite cases that each case is ranked rightly against, ties one half."""
    if complete and (untied := _untied_wins(flat, present)) is not None:
        return untied
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    of_present = present[order].astype(np.float64)
    of_absent = 1.0 - of_present
    if not complete:
        missing = np.isnan(ordered)
        of_present[missing] = 0.0
        of_absent[missing] = 0.0
    below, above = np.cumsum(of_absent, axis=1), np.cumsum(of_present, axis=1)
    most = above[:, -1:]
    first = np.ones(flat.shape, dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    run = np.cumsum(first.ravel()) - 1
    ends = np.r_[starts[1:], first.size] - 1

    def middle(running: FloatArray, own: FloatArray) -> FloatArray:
        before = (running - own).ravel()[starts]
        at: FloatArray = ((before + running.ravel()[ends]) / 2)[run].reshape(flat.shape)
        return at

    # A tied run counts up to its middle.
    rightly = of_absent * (most - middle(above, of_present))
    sorted_wins = of_present * middle(below, of_absent) + rightly
    wins = np.empty_like(sorted_wins)
    np.put_along_axis(wins, order, sorted_wins, axis=1)
    return wins


def _untied_wins(flat: FloatArray, present: BoolArray) -> FloatArray | None:
    """The wins where no score is missing and none is tied within a reading; None otherwise.

    A running count of cases with the finding, in the order of the scores, says it all. Sorting
    numbers whose last bits name the case is much quicker than sorting places; that the scores
    then rise strictly shows that giving up these bits did no harm. Reading by reading, because
    small arrays stay in the cache.
    """
    size = present.size
    wins = np.empty(flat.shape)
    place = np.arange(size)
    mask = (1 << max(size - 1, 0).bit_length()) - 1
    total = int(present.sum())
    after = place + (1 - total)
    for scores, own in zip(flat, wins, strict=True):
        keys = scores.copy().view(np.int64)
        # Bits of negative numbers fall as the number rises: turn all of them but the sign.
        keys ^= (keys >> 63) & _BUT_SIGN
        keys &= ~mask
        keys |= place
        keys.sort()
        keys &= mask
        ordered = scores.take(keys)
        if not (ordered[1:] > ordered[:-1]).all():
            return None
        labels = present.take(keys)
        running = total - labels.cumsum()
        running += labels * after
        own[keys] = running
    return wins


def _without_clusters(
    flat: FloatArray, present: BoolArray, wins: FloatArray, won: FloatArray, clusters: Clusters
) -> FloatArray:
    """(q, clusters) AUC without each cluster: pairs inside it must not be taken off twice."""
    read = (~np.isnan(flat)).astype(np.float64)
    m = clusters.sums((read * present).T).T
    n = clusters.sums((read * ~present).T).T
    pos, neg = np.flatnonzero(present), np.flatnonzero(~present)
    by_code = neg[np.argsort(clusters.codes[neg], kind="stable")]
    size = np.bincount(clusters.codes[neg], minlength=clusters.count)
    start = np.cumsum(size) - size
    repeats = size[clusters.codes[pos]]
    p = np.repeat(pos, repeats)
    offset = np.arange(p.size) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    q = by_code[np.repeat(start[clusters.codes[pos]], repeats) + offset]
    inside = np.zeros_like(m)
    for row, scores in enumerate(flat):
        apart = scores[p] - scores[q]
        kernel = np.where(np.isnan(apart), 0.0, (np.sign(apart) + 1) / 2)
        inside[row] = np.bincount(clusters.codes[p], kernel, clusters.count)
    all_m, all_n = m.sum(axis=1, keepdims=True), n.sum(axis=1, keepdims=True)
    return ratio(won - clusters.sums(wins.T).T + inside, (all_m - m) * (all_n - n))
