"""Estimates of how well scores tell foreign cohorts, and of what a threshold would have stopped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks.foreign_guard import Guard
from ml.checks.foreign_scores import Score, Scores
from ml.checks.foreign_sides import Side
from ml.estimate import Estimate, undefined
from ml.evidence.tables import FloatArray
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters, too_few
from ml.stats.ood.conformal import AlarmThreshold, alarm_threshold, conformal_p_values
from ml.stats.ood.detection import detection
from ml.stats.proportion import proportion

ALL = "all foreign cohorts"
FALSE_ALARMS = 0.05
CONFIDENT = 0.9
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Group:
    """One foreign cohort, or all of them."""

    name: str
    sides: tuple[Side, ...]

    @property
    def n(self) -> int:
        return sum(side.n for side in self.sides)

    @property
    def clusters(self) -> Clusters:
        """Units of one cohort are not those of another, whatever they are called."""
        codes, count = [], 0
        for side in self.sides:
            codes.append(side.clusters.codes + count)
            count += side.clusters.count
        kinds = {side.clusters.kind for side in self.sides}
        kind = kinds.pop() if len(kinds) == 1 else "cluster"
        return Clusters(np.concatenate(codes), count, kind)

    def of(self, score: Score) -> FloatArray:
        return np.concatenate([score.foreign[side.name] for side in self.sides])

    def flags(self, called: Iterable[BoolArray]) -> BoolArray:
        return np.concatenate(list(called))


def groups_of(foreign: Sequence[Side]) -> list[Group]:
    """Each cohort, then all of them where there are several."""
    each = [Group(side.name, (side,)) for side in foreign]
    return each + ([Group(ALL, tuple(foreign))] if len(each) > 1 else [])


def told_apart(own: Side, group: Group, score: Score, settings: Settings) -> list[Estimate]:
    """AUROC, both AUPR and both FPR95 of a score, with intervals where there are enough units."""
    clusters = group.clusters
    few = too_few(clusters) or too_few(own.clusters)
    if few:  # of so few patients the spread says nothing, and no draws are needed
        settings = Settings(1, settings.seed, settings.level)
    found = detection(score.own, group.of(score), own.clusters, clusters, settings)
    parts: tuple[Estimate, ...] = (
        *(found.auroc, found.aupr_out, found.aupr_in),
        *(found.fpr95_id_positive, found.fpr95_ood_positive),
    )
    if few:
        parts = tuple(
            one if one.value is None
            else replace(one, low=None, high=None, level=None, method="", reason=few)
            for one in parts
        )  # fmt: skip
    how = f"; {score.how}" if score.how else ""
    return [
        one.renamed(f"{one.id}:{group.name}/{score.name}", convention=f"{one.convention}{how}")
        for one in parts
    ]


@dataclass(frozen=True)
class Alarm:
    """A threshold of one score that holds the rate of false alarms."""

    score: Score
    threshold: AlarmThreshold
    calibration: FloatArray  # one score for each unit of the audited cohort

    def p_values(self, scores: FloatArray) -> FloatArray:
        return conformal_p_values(scores, self.calibration)

    def stops(self, scores: FloatArray) -> BoolArray:
        return np.asarray(self.p_values(scores) <= FALSE_ALARMS + _ROUNDING)


def alarm_of(own: Side, score: Score, level: float) -> Alarm:
    """Calibrated on the first case of each unit of the audited cohort."""
    first = np.unique(own.clusters.codes, return_index=True)[1]
    calibration = score.own[first]
    return Alarm(score, alarm_threshold(calibration, FALSE_ALARMS, level), calibration)


def threshold_of(alarm: Alarm) -> Estimate:
    """The threshold as an estimate; its range is that of the rate that it will attain."""
    measure, found = f"threshold:{alarm.score.name}", alarm.threshold
    convention = (
        f"stop above; false alarms at most {FALSE_ALARMS:.0%} on average over calibration cases, "
        "conformal"
    ).replace("%", " %")
    if found.threshold is None:
        return undefined(measure, found.reason or "", n=found.n, convention=convention)
    return Estimate(
        measure, found.threshold, n=found.n, convention=convention, level=None,
        reason="It has no interval of its own: what varies is the rate that it attains.",
        extra={"attained_low": found.low, "attained_high": found.high, "alpha": found.alpha},
    )  # fmt: skip


def stopped(group: Group, alarm: Alarm, level: float) -> Estimate:
    measure = f"stopped:{group.name}/{alarm.score.name}"
    if alarm.threshold.threshold is None:
        return undefined(measure, alarm.threshold.reason or "", n=group.n)
    return proportion(
        measure, alarm.stops(group.of(alarm.score)), group.clusters, level=level,
        convention=f"share with a conformal p-value of at most {FALSE_ALARMS:g}",
        of_what="foreign cases",
    )  # fmt: skip


def guard_shares(own: Side, groups: Sequence[Group], guard: Guard, level: float) -> list[Estimate]:
    """What a look at the files alone would have stopped, here and of the audited cohort."""
    name, convention = guard.score.name, guard.rule
    found = [
        proportion(
            f"stopped:{group.name}/{name}", group.of(guard.score) > 0, group.clusters,
            level=level, convention=convention, of_what="foreign cases",
        )
        for group in groups
    ]  # fmt: skip
    false = proportion(
        f"false_alarms:{name}", guard.score.own > 0, own.clusters, level=level,
        convention=f"{convention}; {guard.score.how}", of_what="audited cases",
    )  # fmt: skip
    return [*found, false]


def confident(side: Side, threshold: float) -> BoolArray:
    """(n,) called a finding with a confidence above 0.9."""
    return np.asarray(side.called(threshold) & (side.confidence > CONFIDENT))


def confident_share(group: Group, threshold: float, level: float, *, pooled: bool) -> Estimate:
    flags = group.flags(confident(side, threshold) for side in group.sides)
    return proportion(
        "confident_findings" if pooled else f"confident_findings:{group.name}",
        flags, group.clusters, level=level,
        convention=f"share called a finding at the operating point with a confidence above "
        f"{CONFIDENT:g}; confidence: the largest probability",
        of_what="foreign cases",
    )  # fmt: skip


def best_of(own: Side, everything: Group, scores: Scores) -> Score | None:
    """The score with the highest AUROC on all foreign cases; the first of equal ones."""
    once = Settings(1)
    ranked = [
        (detection(one.own, everything.of(one), settings=once).auroc.value or 0.0, one)
        for one in scores.found
    ]
    return max(ranked, key=lambda pair: pair[0])[1] if ranked and own.n else None
