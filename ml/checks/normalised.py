"""How far groups of cases lie from the statistics that a network stores, and what others change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks.answered import answers, answers_by_class, pairs
from ml.checks.columns import columns_of, group_label
from ml.checks.scored import OperatingPoint, clusters_at, settings_of
from ml.estimate import Estimate
from ml.evidence.normalised import AGAIN, OTHERS, STORED, Normalised
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.protocol import Protocol
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings, replicates
from ml.stats.clusters import Clusters
from ml.stats.discrimination.delong import compare_bootstrap
from ml.stats.interval import percentile_interval
from ml.stats.means import case_mean
from ml.stats.proportion import proportion
from ml.stats.robustness.severity import accuracy_loss

ID = "normalisation"
MOVED = 1e-3  # of a probability: what is more is no rounding
ALL = "all cases"
_FEWEST = 10  # cases of a group
_CONVENTIONS = {
    "mean_shift": "shift of the mean, in stored standard deviations: root mean square over "
    "channels",
    "log_variance_ratio": "absolute logarithm of variance over stored variance: mean over channels",
}


@dataclass(frozen=True)
class Site:
    """One group of cases that were run.

    Attributes:
        label: "site = B".
        rows: (m,) of the evidence.
        used: cases that statistics of its own were counted on; 0 where none were.
        is_own: it is one of the groups that statistics were counted for.
    """

    label: str
    rows: IntArray
    used: int = 0
    is_own: bool = True

    @property
    def is_enough(self) -> bool:
        return self.rows.size >= _FEWEST


@dataclass(frozen=True)
class Profile:
    """Of each layer with stored statistics, in their order: (layers,) each."""

    shift: FloatArray  # root mean square over channels of the standardised shift of the mean
    spread: FloatArray  # mean over channels of the absolute log ratio of the variances


@dataclass(frozen=True)
class Measured:
    """Everything that is measured of one run."""

    sites: tuple[Site, ...]
    profiles: Mapping[str, Profile]  # by label
    estimates: Mapping[str, Estimate]
    changed: Mapping[str, IntArray]  # rows of the evidence by measure: the cases behind it
    largest_move: float  # of a probability by other cases in the batch

    def at(self, measure: str, site: Site) -> Estimate | None:
        return self.estimates.get(f"{measure}:{site.label}")


def sites_of(evidence: Evidence, looked: Normalised, protocol: Protocol) -> tuple[Site, ...]:
    """The groups with statistics of their own, then those of columns that the protocol names."""
    ran = np.flatnonzero(looked.ran)
    found = []
    if looked.column in evidence.covariates:
        levels = evidence.covariates[looked.column]
        for level, used in looked.used.items():
            rows = np.array([row for row in ran if levels[row] == level], np.int64)
            label = group_label(looked.column, level, cut=False)
            found.append(Site(label, rows, used))
    else:
        found.append(Site(ALL, ran, looked.used.get("", 0)))
    if protocol.subgroups and ran.size:
        for column in columns_of(evidence, protocol, ran).usable:
            if column.name == looked.column:
                continue
            for code, name in enumerate(column.groups.names):
                rows = ran[np.flatnonzero(column.groups.codes == code)]
                found.append(Site(column.label(name), rows, is_own=False))
    return tuple(found)


def measured_of(
    evidence: Evidence, looked: Normalised, protocol: Protocol, point: OperatingPoint | None
) -> Measured:
    sites, settings = sites_of(evidence, looked, protocol), settings_of(protocol)
    estimates, changed = {}, {}
    mates, moved, largest = _mates(evidence, looked, settings)
    estimates[mates.id], changed[mates.id] = mates, moved
    profiles = {}
    for site in sites:
        if not looked.stored or not site.is_enough:
            continue
        profiles[site.label] = profile_of(looked, site.rows)
        for one in _drift(evidence, looked, site, settings):
            estimates[one.id] = one
        if site.used and point is not None:
            for one, rows in _answers(evidence, looked, site, point, settings):
                estimates[one.id], changed[one.id] = one, rows
    return Measured(sites, profiles, estimates, changed, largest)


def _mates(
    evidence: Evidence, looked: Normalised, settings: Settings
) -> tuple[Estimate, IntArray, float]:
    """Cases whose probabilities move with the cases beside them."""
    rows = np.flatnonzero(looked.ran & np.isfinite(looked.probabilities[OTHERS]).all(axis=1))
    apart = np.abs(looked.probabilities[OTHERS][rows] - looked.probabilities[STORED][rows])
    most = apart.max(axis=1, initial=0.0)
    moved = most > MOVED
    found = proportion(
        "mates_change", moved, clusters_at(evidence, rows), level=settings.level,
        convention=f"share of cases of which a probability changes by more than {MOVED:g} with "
        "other cases in the batch",
        of_what="cases that were run twice",
    )  # fmt: skip
    return found, rows[moved], float(most.max(initial=0.0))


def profile_of(looked: Normalised, rows: IntArray) -> Profile:
    """What the layers are given by some cases, against what they store.

    Means of groups follow from those of cases by addition: every case has as many positions.
    """
    shift, ratio = looked.shift[rows].astype(np.float64), looked.ratio[rows].astype(np.float64)
    parts = np.stack([shift.mean(axis=0), ratio.mean(axis=0), (shift**2).mean(axis=0)])
    return Profile(*_by_layer(parts[:, None, :], looked)[:, 0])


def _by_layer(parts: FloatArray, looked: Normalised) -> FloatArray:
    """(2, c, layers) shift and spread, from means (3, c, kept) of shift, ratio, shift squared."""
    mean, ratio, square = parts
    variance = np.maximum(ratio + square - mean**2, 1e-12)
    sizes = np.array([one.kept for one in looked.stored])
    starts = np.concatenate([[0], sizes.cumsum()[:-1]])
    shift = np.sqrt(np.add.reduceat(mean**2, starts, axis=-1) / sizes)
    spread = np.add.reduceat(np.abs(np.log(variance)), starts, axis=-1) / sizes
    return np.stack([shift, spread])


def _drift(
    evidence: Evidence, looked: Normalised, site: Site, settings: Settings
) -> Iterator[Estimate]:
    profile = profile_of(looked, site.rows)
    clusters = clusters_at(evidence, site.rows)
    kept = looked.shift.shape[1]
    given = [looked.shift[site.rows], looked.ratio[site.rows], looked.shift[site.rows] ** 2]
    ones = np.ones((site.rows.size, 1), np.float64)
    sums = clusters.sums(np.concatenate([*given, ones], axis=1).astype(np.float64))

    def layers(counts: FloatArray) -> FloatArray:
        totals = counts @ sums
        means = (totals[:, :-1] / totals[:, -1:]).reshape(len(counts), 3, kept)
        return np.asarray(_by_layer(means.transpose(1, 0, 2), looked).mean(axis=2).T)

    drawn = replicates(layers, clusters.count, settings, width=3 * kept)
    values = {"mean_shift": profile.shift, "log_variance_ratio": profile.spread}
    for at, (name, of_layers) in enumerate(values.items()):
        # Resampled means scatter once more: their squares gain the same again, which is taken off.
        value = float(of_layers.mean())
        interval = percentile_interval(drawn[:, at], clusters, settings, centre=value)
        yield Estimate(
            f"{name}:{site.label}", value, interval.low, interval.high,
            settings.level, site.rows.size,
            convention=f"{_CONVENTIONS[name]}, mean over layers; of few cases above 0 by chance",
            method=interval.method, reason=interval.reason, extra=clusters.extra,
        )  # fmt: skip


def _answers(
    evidence: Evidence,
    looked: Normalised,
    site: Site,
    point: OperatingPoint,
    settings: Settings,
) -> Iterator[tuple[Estimate, IntArray]]:
    """What statistics of the group's own images change, each with the cases that it rests on."""
    rows = site.rows[np.isfinite(looked.probabilities[AGAIN][site.rows]).all(axis=1)]
    labelled = rows if evidence.present is None else rows[evidence.present[rows] >= 0]
    before, after = (_called(evidence, looked, rows, one, point) for one in (STORED, AGAIN))
    flipped = before != after
    flips = case_mean(
        f"flip_rate:{site.label}", flipped.astype(np.float64), clusters_at(evidence, rows),
        settings, convention="share of answers that change with statistics of its own images",
    )  # fmt: skip
    yield flips, rows[flipped]
    if evidence.present is None or not labelled.size:
        return
    chosen = np.isin(rows, labelled)
    right = [one[chosen] == _labels(evidence, looked, labelled) for one in (after, before)]
    clusters = clusters_at(evidence, labelled)
    yield _regained(site, right, clusters, settings), labelled[right[0] != right[1]]
    compared = compare_bootstrap(
        looked.score[AGAIN][labelled], looked.score[STORED][labelled], evidence.present[labelled],
        clusters, settings,
    ).difference  # fmt: skip
    convention = "AUROC with statistics of its own images minus as it is, paired by case"
    yield compared.renamed(f"auroc_regained:{site.label}", convention=convention), labelled[:0]


def _regained(
    site: Site, right: Sequence[BoolArray], clusters: Clusters, settings: Settings
) -> Estimate:
    after, before = (one.astype(np.float64) for one in right)
    return accuracy_loss(after, before, clusters, settings).renamed(
        f"accuracy_regained:{site.label}",
        convention="accuracy with statistics of its own images minus as it is, paired by case",
    )


def _called(
    evidence: Evidence, looked: Normalised, rows: IntArray, version: str, point: OperatingPoint
) -> IntArray:
    by_class = _by_class(evidence, rows)
    shown = looked.probabilities[version][rows] if by_class else pairs(looked.score[version][rows])
    return answers(shown, point, by_class=by_class)[0]


def _by_class(evidence: Evidence, rows: IntArray) -> bool:
    assert evidence.prediction is not None
    return bool(rows.size) and answers_by_class(evidence, evidence.prediction, rows)


def _labels(evidence: Evidence, looked: Normalised, rows: IntArray) -> IntArray:
    assert evidence.prediction is not None
    assert evidence.present is not None
    if not _by_class(evidence, rows):
        return evidence.present[rows]
    place = {name: at for at, name in enumerate(evidence.prediction.classes)}
    return np.array([place[evidence.label[row] or ""] for row in rows], np.int64)
