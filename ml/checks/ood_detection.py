"""Does it notice images that are not what it was made for?"""

from collections.abc import Sequence

from ml.checks import foreign_series, foreign_words
from ml.checks.foreign_guard import Guard, guard_of, header_guard_of
from ml.checks.foreign_measures import (
    Alarm,
    Group,
    alarm_of,
    best_of,
    confident_share,
    groups_of,
    guard_shares,
    stopped,
    threshold_of,
    told_apart,
)
from ml.checks.foreign_scores import Score, Scores, scores_of
from ml.checks.foreign_sides import Side, images_of, side_of
from ml.checks.judge import findings_of, result_of
from ml.checks.registry import CheckResult, Finding, audit_check, not_assessed
from ml.checks.scored import OperatingPoint, operating_point, settings_of, unknown_point
from ml.estimate import Estimate
from ml.evidence.facts import MODALITY
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

ID = "ood-detection"
QUESTION = "Does it notice images that are not what it was made for?"


@audit_check(
    ID,
    title="Foreign images",
    question=QUESTION,
    needs=("prediction", "foreign"),
    task="classification",
    uses=("features", "samples", "gradient-scores"),
)
def ood_detection(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.prediction is not None
    point = operating_point(evidence.prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol))
    own = side_of("", evidence)
    audited = images_of([evidence])
    every = [side_of(name, one, audited) for name, one in evidence.foreign.items()]
    reference = None
    if evidence.reference is not None:
        elsewhere = images_of([evidence, *evidence.foreign.values()])
        reference = side_of("reference", evidence.reference, elsewhere)
    left_out = foreign_words.left_out_findings(ID, [*every, *([reference] if reference else [])])
    foreign = [side for side in every if side.n]
    if not own.n or not foreign:
        whose = "the audited cohort" if not own.n else "a foreign cohort"
        reason = f"The model answered no case of {whose}."
        return not_assessed(QUESTION, reason, findings=left_out)
    scores = scores_of(
        own, foreign, reference, seed=protocol.seed, gradients=protocol.gradient_scores
    )
    guard = guard_of(own, foreign, reference, protocol.seed)
    header = header_guard_of(own, foreign, reference, protocol.seed)
    asked = _Asked(evidence, protocol, point, own, groups_of(foreign), scores, guard, header)
    return asked.result(left_out)


class _Asked:
    """One question: its cohorts and scores, from which everything is said."""

    def __init__(
        self, evidence: Evidence, protocol: Protocol, point: OperatingPoint, own: Side,
        groups: list[Group], scores: Scores, guard: Guard | None, header: Guard | None,
    ) -> None:  # fmt: skip
        self.evidence, self.protocol, self.point, self.own = evidence, protocol, point, own
        self.groups, self.scores, self.guard, self.header = groups, scores, guard, header
        self.alarms = [alarm_of(own, one, protocol.level) for one in scores.found]
        best = best_of(own, groups[-1], scores)
        self.best = next((one for one in self.alarms if one.score is best), None)

    def result(self, left_out: Sequence[Finding]) -> CheckResult:
        estimates = self._estimates()
        by_id = {one.id: one for one in estimates}
        modalities = {str(one) for one in self.evidence.facts.get(MODALITY, ())}
        trained_for = modalities.pop() if len(modalities) == 1 else ""
        wordings = {
            **foreign_words.confident_wordings(self.groups, self.point, trained_for),
            **foreign_words.told_wordings(self.own, self.groups, self.scores, self.guard, by_id),
        }
        findings = list(findings_of(ID, estimates, self.protocol, wordings))
        if self.best is not None:
            findings.append(
                foreign_words.threshold_finding(ID, self.groups, self.best, self.guard, by_id)
            )
        if self.header is not None:
            findings.append(
                foreign_words.header_finding(ID, self.groups, self.header, self.best, by_id)
            )
        findings += [*foreign_words.missing_finding(ID, self.scores.missing), *left_out]
        names = [one.name for one in self._all_scores()]
        series = [foreign_series.forest(ID, self.groups, names, by_id)] if names else []
        series += [
            foreign_series.histogram(ID, self.own, group, alarm.score, alarm)
            for group in self.groups
            for alarm in self._drawn()
            if len(group.sides) == 1
        ]
        sides = self.groups[-1].sides
        series.append(foreign_series.points(ID, sides, self.best, self.guard))
        return result_of(QUESTION, estimates, findings, series)

    def _all_scores(self) -> list[Score]:
        return [*self.scores.found, *(one.score for one in self._guards())]

    def _guards(self) -> list[Guard]:
        return [one for one in (self.guard, self.header) if one is not None]

    def _drawn(self) -> list[Alarm]:
        """The first score and the best."""
        first = self.alarms[:1]
        return first + [one for one in self.alarms if one is self.best and one not in first]

    def _estimates(self) -> list[Estimate]:
        level, settings = self.protocol.level, settings_of(self.protocol)
        threshold = self.point.threshold
        found = [confident_share(self.groups[-1], threshold, level, pooled=True)]
        found += [
            confident_share(group, threshold, level, pooled=False)
            for group in self.groups
            if len(group.sides) == 1
        ]
        for group in self.groups:
            for score in self._all_scores():
                found += told_apart(self.own, group, score, settings)
        found += [threshold_of(alarm) for alarm in self.alarms]
        found += [stopped(group, alarm, level) for group in self.groups for alarm in self.alarms]
        for guard in self._guards():
            found += guard_shares(self.own, self.groups, guard, level)
        return found
