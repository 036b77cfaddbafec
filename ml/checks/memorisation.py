"""Does it give away its training images, and how much better is it on them?"""

from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.memorised_series import copies_series, forest, losses_series
from ml.checks.memorised_sides import LEAST, NEAR, Answers, Copies, answers_of, copies_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import operating_point, settings_of, unknown_finding, unknown_point
from ml.estimate import Estimate
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS
from ml.stats.discrimination.delong import compare_unpaired
from ml.stats.discrimination.membership import membership_auroc, membership_gap
from ml.stats.proportion import proportion

ID = "memorisation"
QUESTION = "Does it give away its training images, and how much better is it on them?"
TOLD = "membership_auroc"
GAP = "generalisation_gap"
_FEW = "No interval: one of the cohorts has fewer than 10 independent units."
_WORSE = 0.95  # of the training cases of its class have a lower loss than a case that is listed


@audit_check(
    ID,
    title="Memorisation",
    question=QUESTION,
    needs=("labels", "prediction", "reference"),
    task="classification",
    uses=("described",),
)
def memorisation(evidence: Evidence, protocol: Protocol) -> CheckResult:
    training = evidence.reference
    assert training is not None
    assert evidence.prediction is not None
    point = operating_point(evidence.prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol))
    labels, theirs = ({one for one in side.label if one} for side in (evidence, training))
    sides = [answers_of(one, point.threshold, by_class=labels <= theirs)
             for one in (evidence, training)]  # fmt: skip
    copies = copies_of(evidence, training)
    settings = settings_of(protocol)
    held = _Held(sides[0], sides[1], copies, settings)
    beside = [held.copies_finding(), *held.failed_findings(), *unknown_finding(ID, evidence)]
    estimates = [*held.estimates(), *held.shares()]
    findings = (*findings_of(ID, estimates, protocol, held.wordings(estimates)), *beside)
    series = [copies_series(ID, evidence, copies)]
    if held.others.n and held.training.n:
        series = [
            forest(ID, estimates), losses_series(ID, held.training, held.others), *series
        ]  # fmt: skip
    return result_of(QUESTION, estimates, findings, series)


@dataclass(frozen=True)
class _Held:
    """The audited cases held against those that the model was trained on."""

    audited: Answers
    training: Answers
    copies: Copies  # of all rows of the audited cohort
    settings: Settings

    @property
    def others(self) -> Answers:
        """Audited cases that are no copies: of these the model can have no memory."""
        return self.audited.where(np.flatnonzero(~self.copies.any[self.audited.rows]))

    def estimates(self) -> list[Estimate]:
        names = tuple(sorted({*self.training.kind, *self.others.kind}))
        found = [self._told(self.training, self.others, names), *self._gaps(names)]
        both = sorted({*self.training.kind} & {*self.others.kind})
        for name in both if len(both) > 1 else ():
            mine, theirs = (
                one.where(np.flatnonzero([kind == name for kind in one.kind]))
                for one in (self.others, self.training)
            )
            found.append(self._told(theirs, mine, names).renamed(f"{TOLD}:{name}"))
        return found

    def _told(self, training: Answers, others: Answers, names: tuple[str, ...]) -> Estimate:
        found = membership_auroc(
            training.loss, others.loss, training.codes(names), others.codes(names),
            training.clusters, others.clusters, self.settings,
        )  # fmt: skip
        return replace(
            found, convention=f"{found.convention}; probabilities no smaller than {LEAST:g}"
        )  # fmt: skip

    def _gaps(self, names: tuple[str, ...]) -> list[Estimate]:
        """Accuracy and AUROC of training less others, and the loss the other way round: above 0
        the model is better on what it was trained on."""
        training, others = self.training, self.others

        def gap(what: str, mine: Answers, theirs: Answers, of: str) -> Estimate:
            first, second = (
                np.asarray(getattr(one, of), dtype=np.float64) for one in (mine, theirs)
            )
            return membership_gap(
                f"{GAP}:{what}", -first, -second, mine.codes(names), theirs.codes(names),
                mine.clusters, theirs.clusters, self.settings,
            )  # fmt: skip

        auroc = compare_unpaired(
            training.score, training.present, others.score, others.present,
            training.clusters, others.clusters, level=self.settings.level,
        )  # fmt: skip
        said = auroc.difference.renamed(
            f"{GAP}:auroc",
            convention=f"AUROC on training cases less that on others; {auroc.method}",
        )
        if said.value is not None and said.has_interval and not self._enough:
            said = replace(said, low=None, high=None, level=None, method="", reason=_FEW)
        return [
            replace(
                gap("accuracy", training, others, "wrong"),
                convention="accuracy on training cases less that on others at the operating point, "
                "of one mix of classes",
            ),
            said,
            replace(
                gap("loss", training, others, "loss"),
                convention="mean loss on other cases less that on training cases, of one mix of "
                f"classes; probabilities no smaller than {LEAST:g}",
            ),
        ]

    @property
    def _enough(self) -> bool:
        return min(self.training.clusters.count, self.others.clusters.count) >= MIN_CLUSTERS

    def shares(self) -> list[Estimate]:
        """How many audited cases are copies, and the accuracy with and without them."""
        every = self.audited
        copied = self.copies.any[every.rows]
        found = [
            proportion(
                "copies", copied, every.clusters, level=self.settings.level,
                convention="share of labelled, answered cases that are in the training cohort, "
                f"exactly or nearly (correlation of thumbnails above {NEAR:g})",
                of_what="labelled cases",
            )
        ]  # fmt: skip
        for name, chosen in (("copies", copied), ("others", ~copied)):
            rows = np.flatnonzero(chosen)
            found.append(
                proportion(
                    f"accuracy:{name}", ~every.wrong[rows], every.clusters.where(rows),
                    level=self.settings.level,
                    convention="share answered rightly at the operating point",
                    of_what="copies of training cases" if name == "copies" else "other cases",
                )
            )  # fmt: skip
        return found

    def wordings(self, estimates: list[Estimate]) -> dict[str, Wording]:
        by_id = {one.id: one for one in estimates}
        found = {}
        if by_id[TOLD].value is not None:
            found[TOLD] = self._of_told(by_id[TOLD])
        gap = by_id[f"{GAP}:accuracy"]
        if gap.value is not None:
            found[gap.id] = self._of_gap(gap, by_id)
        return found

    def _of_told(self, told: Estimate) -> Wording:
        worse = self._worse_than_training()
        return Wording(
            "Its loss tells a training image from another with a probability of "
            f"{words.decimal(told.value or 0.0)}; 0.5 would be chance.",
            why=f"{words.cases(self.training.n)} of the training cohort in "
            f"{self.training.clusters.words} against {words.cases(self.others.n)} in "
            f"{self.others.clusters.words} that are no copies, within each class. Listed: "
            f"{words.cases(len(worse))} with a larger loss than {_WORSE:.0%} of the training cases "
            "of their class.".replace("%", " %"),
            cases=worse,
            action="Take the weights for as confidential as the images that they were made from, "
            "and expect less on new patients than on the training cases.",
        )

    def _worse_than_training(self) -> tuple[str, ...]:
        line = {
            name: np.quantile(
                self.training.loss[[kind == name for kind in self.training.kind]], _WORSE
            )
            for name in set(self.training.kind)
        }
        others = self.others
        beyond = [
            at for at in range(others.n)
            if others.kind[at] in line and others.loss[at] > line[others.kind[at]]
        ]  # fmt: skip
        beyond.sort(key=lambda at: (-others.loss[at], at))
        return others.ids(np.array(beyond, dtype=np.int64))

    def _of_gap(self, gap: Estimate, by_id: dict[str, Estimate]) -> Wording:
        value = gap.value or 0.0
        side = "better" if value >= 0 else "worse"
        others = self.others
        parts = [
            f"{what} {words.measured(by_id[f'{GAP}:{name}'])}"
            for name, what in (("auroc", "AUROC"), ("loss", "mean loss"))
            if by_id[f"{GAP}:{name}"].value is not None
        ]
        more = f" The gap of the others: {'; '.join(parts)}." if parts else ""
        return Wording(
            f"On its training cases its accuracy is {words.points(abs(value))} {side} than on "
            "others.",
            why=f"Classes weighted alike.{more} Listed: {words.cases(int(others.wrong.sum()))} "
            "that are no copies and are answered wrongly.",
            cases=others.ids(others.wrong),
            action="Judge it by other cases than those it was trained on, and ask how training was "
            "stopped.",
        )

    def copies_finding(self) -> Finding:
        exact, near = (int(one.sum()) for one in (self.copies.exact, self.copies.near))
        n = self.copies.exact.size
        ids = self.audited.evidence.case_ids
        why = (
            f"The same pixels, or thumbnails that correlate above {NEAR:g}. Copies are left out of "
            "the comparison with training cases."
            if self.copies.by_pixels
            else "Only whole files were compared: near copies, and copies in another format, are "
            "not found so."
        )
        if not exact and not near:
            return Finding(
                f"{ID}.copies",
                State.PASS if self.copies.by_pixels else State.INFO,
                f"None of {words.cases(n)} was found in the training cohort.",
                why=why,
            )
        return Finding(
            f"{ID}.copies",
            State.FAIL if exact else State.CAUTION,
            f"Of {words.cases(n)}, {words.count(exact)} are exact and {words.count(near)} near "
            "copies of training images.",
            why=f"{why} Listed: exact ones first.",
            cases=tuple(ids[at] for at in np.flatnonzero(self.copies.exact))
            + tuple(ids[at] for at in np.flatnonzero(self.copies.near)),
            action="Take them out of the test cohort: answers to images that were trained on say "
            "nothing of new ones.",
        )

    def failed_findings(self) -> list[Finding]:
        found = []
        for side, name in ((self.audited, "audited"), (self.training, "training")):
            if side.failed:
                ids = tuple(one if name == "audited" else f"reference/{one}" for one in side.failed)
                found.append(
                    Finding(
                        f"{ID}.failed-{name}",
                        State.CAUTION,
                        f"There is no score for {words.cases(len(ids))} of the {name} cohort.",
                        why="They are left out here.",
                        cases=ids,
                        action="Open these cases and mend what stopped the model.",
                    )
                )
        return found
