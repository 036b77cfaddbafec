"""How far several answers to a corrupted copy are apart, beside those to the image as it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.checks import words
from ml.checks.answered import pairs
from ml.checks.stress_measures import version_id
from ml.checks.stressed import Stressed
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.bootstrap import Settings, replicate_sums
from ml.stats.clusters import Clusters
from ml.stats.interval import percentile_interval
from ml.stats.means import mean_difference
from ml.stats.uncertainty.decomposition import entropy_parts

KINDS = ("total", "epistemic")
FOLD = 2  # errors have doubled
_RISE = "uncertainty of the copy minus that of the image as it is, paired by case, both of {}"
Place = tuple[str, int]  # corruption and severity


@dataclass(frozen=True)
class Doubts:
    """Uncertainty of the m cases of a stress test, "present or not", in bits.

    Attributes:
        clean: by kind, (m,) of the images as they are; NaN where an answer failed.
        copies: the same of each version.
        draws: answers to each.
        how: what they are, in words.
        failed: ids of cases of which an answer failed.
    """

    clean: Mapping[str, FloatArray]
    copies: Mapping[Place, Mapping[str, FloatArray]]
    draws: int
    how: str
    failed: tuple[str, ...]

    def known(self, place: Place) -> IntArray:
        """Places of cases with an uncertainty of the image and of this copy."""
        return np.flatnonzero(
            np.isfinite(self.clean["total"]) & np.isfinite(self.copies[place]["total"])
        )


def doubts_of(evidence: Evidence, stressed: Stressed) -> Doubts | None:
    """The uncertainty of the cases that were stressed; None where copies were answered once."""
    found = evidence.corrupted_samples
    if found is None or found.score is None or found.score.shape[2] < 2:
        return None
    rows = stressed.clean.rows
    keys = list(zip(found.keys["corruption"], found.keys["severity"], strict=True))
    copies = {
        (str(name), int(severity)): _parts(found.scores_of(rows, at))
        for at, (name, severity) in enumerate(keys)
    }
    (as_they_are,) = (place for place in copies if place[1] == 0)
    clean = copies.pop(as_they_are)
    if set(copies) != set(stressed.versions):
        raise ValueError("the copies that were sampled are not those that were stressed")
    draws = found.score.shape[2]
    of_what = {"members": "members", "dropout": "samples of its dropout"}.get(found.kind, "samples")
    lost = np.isnan(clean["total"])
    for one in copies.values():
        lost = lost | np.isnan(one["total"])
    failed = stressed.ids(evidence, np.flatnonzero(lost))
    return Doubts(clean, copies, draws, f"{words.count(draws)} {of_what}", failed)


def _parts(score: FloatArray) -> dict[str, FloatArray]:
    """Total and epistemic uncertainty (m,) of (m, t) answers; NaN where one of them failed."""
    known = np.isfinite(score).all(axis=1)
    parts = entropy_parts(pairs(score[known].clip(0, 1).T), unit="bits") if known.any() else None
    found = {}
    for kind in KINDS:
        found[kind] = np.full(known.size, np.nan)
        if parts is not None:
            found[kind][known] = getattr(parts, kind)
    return found


def rises_of(stressed: Stressed, doubts: Doubts, settings: Settings) -> dict[str, Estimate]:
    """By id: the rise of each kind under each version, corruption and all, and with errors."""
    found: list[Estimate] = []
    for kind in KINDS:
        convention, clean = _RISE.format(doubts.how), doubts.clean[kind]

        def rise(name: str, copies: FloatArray, over: str = "", *, clean: FloatArray = clean,
                 convention: str = convention) -> Estimate:  # fmt: skip
            return mean_difference(
                name, copies, clean, stressed.clusters, settings, convention=f"{convention}{over}"
            ).in_unit("bits")

        for place, of in doubts.copies.items():
            found.append(rise(version_id(f"{kind}_rise", *place), of[kind]))
        means = {
            name: np.mean(
                [of[kind] for place, of in doubts.copies.items() if place[0] == name], axis=0
            )
            for name in stressed.distortions
        }
        found += [
            rise(f"{kind}_rise:{name}", mean, "; mean over severities")
            for name, mean in means.items()
        ]
        overall = np.mean(list(means.values()), axis=0)
        found.append(rise(f"{kind}_rise", overall, "; mean over severities, then corruptions"))
        found.append(_with_errors(kind, stressed, doubts, settings))
    return {one.id: one for one in found}


def _with_errors(
    kind: str, stressed: Stressed, doubts: Doubts, settings: Settings
) -> Estimate:  # fmt: skip
    """Rank correlation, over versions and the images as they are, of mean uncertainty and errors.

    Of the cases that have all of them. Patients are drawn; versions are what they are.
    """
    name = f"rises_with_errors:{kind}"
    doubt = np.stack([doubts.clean[kind], *(of[kind] for of in doubts.copies.values())], axis=1)
    right = [stressed.right, *(stressed.versions[place].right for place in doubts.copies)]
    wrong = 1 - np.stack(right, axis=1)
    kept = np.flatnonzero(np.isfinite(doubt).all(axis=1) & np.isfinite(wrong).all(axis=1))
    convention = (
        "Spearman over corruptions, severities and the images as they are, of mean uncertainty "
        "and share of wrong answers"
    )
    if not kept.size:
        return undefined(name, "Not estimated: no case has all answers.", convention=convention)
    both = np.concatenate([doubt[kept], wrong[kept]], axis=1)
    value = _ranked(both.mean(axis=0)[None])[0]
    if not np.isfinite(value):
        reason = "Not estimated: errors or uncertainty are the same under every corruption."
        return undefined(name, reason, n=int(kept.size), convention=convention)
    clusters: Clusters = stressed.clusters.where(kept)
    drawn = _ranked(replicate_sums(clusters.sums(both), settings) / kept.size)
    interval = percentile_interval(drawn, clusters, settings, scale=1.0)
    return Estimate(
        name, float(value), interval.low, interval.high, settings.level, int(kept.size),
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**clusters.extra, "n_versions": doubt.shape[1]},
    )  # fmt: skip


def _ranked(both: FloatArray) -> FloatArray:
    """Spearman's correlation of the two halves of each row; NaN where one does not vary."""
    half = both.shape[1] // 2
    first, second = (
        stats.rankdata(part.round(12), axis=1) for part in (both[:, :half], both[:, half:])
    )
    one = first - first.mean(axis=1, keepdims=True)
    two = second - second.mean(axis=1, keepdims=True)
    size = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    product = (one * two).sum(axis=1)
    found: FloatArray = np.divide(product, size, out=np.full(len(both), np.nan), where=size > 0)
    return found


def doubled(
    stressed: Stressed, losses: Mapping[Place, Estimate]
) -> dict[str, int]:  # fmt: skip
    """By corruption, the first severity at which errors are at least twice those as they are.

    And shown to be more at all: the interval of the loss of accuracy lies above 0. Where no answer
    to an image as it is is wrong, nothing can double, and the first shown loss is taken.

    Args:
        stressed: the cases.
        losses: of accuracy, by corruption and severity.
    """
    found: dict[str, int] = {}
    for (name, severity), loss in losses.items():
        shown = loss.low is not None and loss.low > 0
        if shown and name not in found:
            clean, there = errors_at(stressed, (name, severity))
            if there >= FOLD * clean:
                found[name] = severity
    return found


def errors_at(stressed: Stressed, place: Place) -> tuple[float, float]:
    """Share of wrong answers to the images as they are and to copies, of cases that have both."""
    version = stressed.versions[place]
    known = version.known
    return float(1 - stressed.right[known].mean()), float(version.wrong[known].mean())
