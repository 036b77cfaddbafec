"""Does it see more than plain numbers of the images and files tell?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.checks import words
from ml.checks.handcrafted_columns import Column, columns_of
from ml.checks.handcrafted_series import forest, points
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import (
    OperatingPoint,
    Scored,
    at_operating_point,
    clusters_at,
    settings_of,
    unknown_finding,
)
from ml.estimate import Estimate, undefined
from ml.evidence.described import CaseImages
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.protocol import Protocol
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS, Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.delong import compare_paired
from ml.stats.discrimination.ridge_logistic import FOLDS, PENALTY, cross_fitted_logistic

ID = "handcrafted-baseline"
QUESTION = "Does it see more than plain numbers of the images and files tell?"
ALL, PIXELS, FILES = "handcrafted", "pixels", "files"
GAIN = "auroc_difference:model-handcrafted"
_NAMED, _DRAWN = 3, 8  # single numbers that a sentence names, and that are drawn
_NO_COLUMNS = {
    ALL: "No number of the images or files differs between cases.",
    PIXELS: "No number of the images differs between cases.",
    FILES: "The files of all cases are written alike: there is nothing to tell them apart by.",
}


@audit_check(
    ID,
    title="Handcrafted baseline",
    question=QUESTION,
    needs=("labels", "prediction", "described"),
    task="classification",
)
def handcrafted_baseline(evidence: Evidence, protocol: Protocol) -> CheckResult:
    at = at_operating_point(ID, QUESTION, evidence, protocol, "are left out of the comparison")
    if isinstance(at, CheckResult):
        return at
    assert evidence.described is not None
    unread = _unread(evidence.described, at.scored, evidence)
    beside = [*at.failed, *unread, *unknown_finding(ID, evidence)]
    compared = _Compared.of(evidence, at.scored, at.point, protocol)
    if isinstance(compared, str):
        return not_assessed(QUESTION, compared, findings=beside)
    settings = settings_of(protocol)
    estimates = compared.estimates(settings)
    alone = compared.single(settings)
    by_id = {one.id: one for one in estimates}
    findings = (
        *findings_of(ID, estimates, protocol, _wordings(evidence, compared, by_id)),
        *beside,
    )
    series = [forest(ID, by_id, alone), points(ID, compared.ids(evidence), compared.columns_shown)]
    return result_of(QUESTION, estimates, findings, series)


@dataclass(frozen=True)
class _Compared:
    """The model and the plain numbers on the same m cases.

    Attributes:
        rows: (m,) of the evidence.
        scores: (m,) of the model.
        odds: by ``ALL``, ``PIXELS`` and ``FILES`` (m,) log odds of a fit to other patients; a kind
            without a number that varies is not there.
    """

    rows: IntArray
    scores: FloatArray
    present: BoolArray
    clusters: Clusters
    point: OperatingPoint
    columns: tuple[Column, ...]
    odds: dict[str, FloatArray]

    @classmethod
    def of(
        cls, evidence: Evidence, scored: Scored, point: OperatingPoint, protocol: Protocol
    ) -> "_Compared | str":
        """The comparison, or why there is none."""
        assert evidence.described is not None
        chosen = np.flatnonzero(evidence.described.known[scored.rows])
        rows, present = scored.rows[chosen], scored.present[chosen] == 1
        clusters = clusters_at(evidence, rows)
        if (few := _too_few(clusters, present)) is not None:
            return few
        columns = columns_of(evidence, evidence.described, rows)
        kinds = {
            ALL: columns,
            PIXELS: [one for one in columns if one.of == PIXELS],
            FILES: [one for one in columns if one.of == FILES],
        }
        odds = {
            kind: cross_fitted_logistic(
                np.column_stack([one.values for one in own]), present, clusters, seed=protocol.seed
            ).log_odds
            for kind, own in kinds.items()
            if own
        }
        return cls(rows, scored.scores[chosen], present, clusters, point, tuple(columns), odds)

    def estimates(self, settings: Settings) -> list[Estimate]:
        """The gain over all numbers first, then each AUROC."""
        model = auroc(self.scores, self.outcomes, self.clusters, settings)
        return [
            self._gain(settings.level),
            model.renamed("auroc:model"),
            *(self._fitted(kind, settings) for kind in (ALL, PIXELS, FILES)),
        ]

    def _gain(self, level: float) -> Estimate:
        if ALL not in self.odds:
            return undefined(GAIN, f"Not estimated: {_lower(_NO_COLUMNS[ALL])}", n=self.rows.size)
        found = compare_paired(
            self.scores, self.odds[ALL], self.outcomes, self.clusters, level=level
        )
        return found.difference.renamed(
            GAIN,
            convention="AUROC of the model minus that of the fitted numbers, on the same cases; "
            f"{found.method}, the fits taken as they are",
        )

    def _fitted(self, kind: str, settings: Settings) -> Estimate:
        if kind not in self.odds:
            reason = f"Not estimated: {_lower(_NO_COLUMNS[kind])}"
            return undefined(f"auroc:{kind}", reason, n=self.rows.size)
        found = auroc(self.odds[kind], self.outcomes, self.clusters, settings)
        return found.renamed(
            f"auroc:{kind}",
            convention=f"{found.convention}; logistic regression, ridge {PENALTY:g} on "
            f"standardised numbers, cross-fitted in {FOLDS} folds of whole {self.clusters.kind}s",
        )

    @cached_property
    def ranked(self) -> list[tuple[Column, float]]:
        """Each number with its AUROC, those that tell most first; AUROCs are never flipped."""
        found = [(one, self._alone(one, Settings(draws=0)).value) for one in self.columns]
        known = [(one, value) for one, value in found if value is not None]
        return sorted(known, key=lambda pair: -round(abs(pair[1] - 0.5), 12))

    def single(self, settings: Settings) -> list[tuple[Column, Estimate]]:
        """The numbers that tell most by themselves, with intervals."""
        return [
            (one, self._alone(one, settings).renamed(f"auroc:{one.name}"))
            for one, _ in self.ranked[:_DRAWN]
        ]

    def _alone(self, column: Column, settings: Settings) -> Estimate:
        known = np.flatnonzero(~np.isnan(column.values))
        return auroc(
            column.values[known], self.outcomes[known], self.clusters.where(known), settings
        )

    @property
    def outcomes(self) -> IntArray:
        return self.present.astype(np.int64)

    @property
    def called(self) -> BoolArray:
        """(m,) by the model."""
        return np.asarray(self.scores >= self.point.threshold)

    @property
    def called_by_numbers(self) -> BoolArray:
        """(m,) as many as the model calls present, those of the highest odds."""
        found = np.zeros(self.rows.size, dtype=np.bool_)
        order = np.argsort(-self.odds[ALL], kind="stable")
        found[order[: int(self.called.sum())]] = True
        return found

    @property
    def worse_than_numbers(self) -> BoolArray:
        """(m,) answered wrongly by the model and rightly by the numbers."""
        found: BoolArray = (self.called != self.present) & (self.called_by_numbers == self.present)
        return found

    @property
    def better_than_numbers(self) -> BoolArray:
        found: BoolArray = (self.called == self.present) & (self.called_by_numbers != self.present)
        return found

    def ids(self, evidence: Evidence, chosen: BoolArray | None = None) -> tuple[str, ...]:
        rows = self.rows if chosen is None else self.rows[chosen]
        return tuple(evidence.case_ids[row] for row in rows)

    @property
    def columns_shown(self) -> dict[str, Sequence[float | int | bool]]:
        """What the table of all cases holds."""
        shown: dict[str, Sequence[float | int | bool]] = {"score": self.scores.tolist()}
        shown |= {f"log odds of {kind}": self.odds[kind].tolist() for kind in self.odds}
        shown |= {"present": self.present.astype(int).tolist()}
        if ALL in self.odds:
            shown |= {"only the numbers are right": self.worse_than_numbers.astype(int).tolist()}
        return shown


def _too_few(clusters: Clusters, present: BoolArray) -> str | None:
    with_it = np.unique(clusters.codes[present]).size
    without = clusters.count - with_it
    if min(with_it, without) >= MIN_CLUSTERS:
        return None
    return (
        f"Fitting takes at least {MIN_CLUSTERS} {clusters.kind}s with the finding and as many "
        f"without; there are {words.count(with_it)} and {words.count(without)}."
    )


def _unread(described: CaseImages, scored: Scored, evidence: Evidence) -> list[Finding]:
    lost = scored.rows[~described.known[scored.rows]]
    if not lost.size:
        return []
    ids = tuple(evidence.case_ids[row] for row in lost)
    codes = sorted({described.failures.get(one, "unknown") for one in ids})
    return [
        Finding(
            f"{ID}.unread-images",
            State.CAUTION,
            f"The images of {words.cases(len(ids))} could not be measured.",
            why=f"They are left out of the comparison. Error codes: {', '.join(codes)}.",
            cases=ids,
            action="Open these cases and see what is wrong with their files.",
        )
    ]


def _wordings(
    evidence: Evidence,
    compared: _Compared,
    estimates: dict[str, Estimate],
) -> dict[str, Wording]:
    found = {}
    if estimates[GAIN].value is not None:
        found[GAIN] = _of_gain(evidence, compared, estimates)
    files = estimates[f"auroc:{FILES}"]
    if files.value is not None:
        found[f"auroc:{FILES}"] = _of_files(compared, files)
    return found


def _of_gain(
    evidence: Evidence, compared: _Compared, estimates: dict[str, Estimate]
) -> Wording:  # fmt: skip
    gain, size = estimates[GAIN], words.count(len(compared.columns))
    model, numbers = (words.decimal(estimates[f"auroc:{one}"].value or 0.0)
                      for one in ("model", ALL))  # fmt: skip
    pair = f"AUROC {model} against {numbers}"
    if gain.low is not None and gain.low > 0:
        claim = f"It ranks cases better than {size} plain numbers of images and files do: {pair}."
    elif gain.high is not None and gain.high < 0:
        claim = f"{size} plain numbers of images and files rank cases better than it does: {pair}."
    else:
        claim = f"It is not shown to rank cases better than {size} plain numbers do: {pair}."
    worse, better = compared.worse_than_numbers, compared.better_than_numbers
    return Wording(
        claim,
        why=f"Measured on {words.cases(compared.rows.size)} in {compared.clusters.words}. With as "
        f"many cases called present, only the model is right in {words.count(int(better.sum()))} "
        f"and only the numbers in {words.count(int(worse.sum()))}. Listed: these last ones.",
        cases=compared.ids(evidence, worse),
        action="Ask what the network adds to a regression on such numbers, and look at the listed "
        "cases: they are easy for the numbers and wrong for it.",
    )


def _of_files(compared: _Compared, files: Estimate) -> Wording:
    told = [
        f"{one.name} {words.decimal(value)}" for one, value in compared.ranked if one.of == FILES
    ][:_NAMED]
    named = f" Single facts that tell most, by their AUROC: {', '.join(told)}." if told else ""
    return Wording(
        "How the files are written, whatever they show, tells cases with the finding from others "
        f"with an AUROC of {words.decimal(files.value or 0.0)}.",
        why=f"Sizes, types, bits and colour modes alone.{named} A model can have learnt the "
        "same; its own AUROC does not say.",
        action="Find out why the files of both kinds differ, for example by their source, and "
        "audit on images that were made and stored alike.",
    )


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
