"""The cases a check of scores against labels can use, and what becomes of the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ml.checks import words
from ml.checks.registry import CheckResult, Finding, State, not_assessed
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction
from ml.protocol import DEFAULT_THRESHOLD, Protocol
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

NAMED_IDS = 5  # of unknown cases, named in the sentence


@dataclass(frozen=True)
class Scored:
    """Cases with a label, split by whether the model could be run on them."""

    rows: IntArray  # (m,) rows of the evidence with label and score
    scores: FloatArray  # (m,)
    present: IntArray  # (m,) 1 or 0
    clusters: Clusters  # of `rows`
    failed: IntArray  # rows with a label and no score
    unlabelled: int  # cases without a label, never used
    source: str = "model"  # of the prediction: "model" | "uploaded"

    @property
    def no_score(self) -> str:
        """What a case of `failed` has, in words: nobody ran anything on an uploaded table."""
        return "no prediction" if self.source == "uploaded" else "no score (inference failed)"

    @property
    def n_events(self) -> int:
        return int(self.present.sum())

    @property
    def size_words(self) -> str:
        """ "3,000 cases (1,500 with the finding) in 1,271 groups"."""
        return (
            f"{words.cases(self.rows.size)} ({words.count(self.n_events)} with the finding)"
            f"{in_clusters(self.clusters)}"
        )

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        """Case ids of some of `rows`, given as indices into them."""
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])


def scored_cases(evidence: Evidence) -> Scored:
    """Split the labelled cases; the check's `needs` promise labels and a prediction."""
    assert evidence.present is not None
    assert evidence.prediction is not None
    labelled = evidence.present >= 0
    has_score = np.isfinite(evidence.prediction.score)
    rows = np.flatnonzero(labelled & has_score)
    return Scored(
        rows=rows,
        scores=evidence.prediction.score[rows].clip(0.0, 1.0),
        present=evidence.present[rows],
        clusters=clusters_at(evidence, rows),
        failed=np.flatnonzero(labelled & ~has_score),
        unlabelled=int((~labelled).sum()),
        source=evidence.prediction.source,
    )


def clusters_at(evidence: Evidence, rows: IntArray) -> Clusters:
    """The independent units of some rows."""
    return Clusters.of(evidence.cluster[rows], evidence.cluster_kind)


def in_clusters(clusters: Clusters) -> str:
    return "" if clusters.each_alone else f" in {clusters.words}"


def settings_of(protocol: Protocol) -> Settings:
    return Settings(protocol.draws, protocol.seed, protocol.level)


def failed_finding(check: str, evidence: Evidence, scored: Scored, becomes: str) -> list[Finding]:
    """Cases with a label and no score, as a finding of its own; [] when there are none.

    Args:
        becomes: what the check does with them, e.g. "are left out of the AUROC".
    """
    if scored.failed.size == 0:
        return []
    ids = tuple(evidence.case_ids[row] for row in scored.failed)
    total = scored.failed.size + scored.rows.size
    failures: dict[str, int] = {}
    for case_id in ids:
        code = (evidence.prediction.failures if evidence.prediction else {}).get(case_id, "unknown")
        failures[code] = failures.get(code, 0) + 1
    codes = ", ".join(f"{code}: {words.count(n)}" for code, n in sorted(failures.items()))
    return [
        Finding(
            f"{check}.failed-cases",
            State.CAUTION,
            f"There is {scored.no_score} for {words.count(len(ids))} of {words.cases(total)}.",
            why=f"They {becomes}. Error codes: {codes}.",
            cases=ids,
            action="Add these cases to the table of predictions, or correct their rows."
            if scored.source == "uploaded"
            else "Open these cases and mend what stopped the model.",
        )
    ]


def unrun_finding(check: str, failures: Mapping[str, str]) -> list[Finding]:
    """Drawn cases that a pass could not run, as a finding of its own; [] when there are none.

    Args:
        failures: case id -> error code.
    """
    if not failures:
        return []
    counts = sorted(Counter(failures.values()).items())
    codes = ", ".join(f"{code}: {words.count(n)}" for code, n in counts)
    return [
        Finding(
            f"{check}.failed-cases",
            State.CAUTION,
            f"{words.count(len(failures))} of the cases that were drawn could not be run.",
            why=f"They are left out. Error codes: {codes}.",
            cases=tuple(failures),
            action="Open these cases and mend what stopped the model.",
        )
    ]


def failed_copies_finding(check: str, cases: tuple[str, ...], copy: str) -> list[Finding]:
    """Cases of which some changed copy has no answer, as a finding; [] when there are none.

    Args:
        copy: what the copies are: "corrupted copy".
    """
    if not cases:
        return []
    return [
        Finding(
            f"{check}.failed-copies",
            State.CAUTION,
            f"Of {words.cases(len(cases))} some {copy} could not be answered.",
            why="They are left out where that is so.",
            cases=cases,
            action="Open these cases and mend what stopped the model.",
        )
    ]


def unknown_finding(check: str, evidence: Evidence) -> list[Finding]:
    """Predictions for cases that the cohort does not have; [] when there are none.

    They belong to no case of the report, so their ids stand in the sentence.
    """
    known = set(evidence.case_ids)
    failures = evidence.prediction.failures if evidence.prediction else {}
    ids = [case_id for case_id in failures if case_id not in known]
    if not ids:
        return []
    named = ", ".join(ids[:NAMED_IDS])
    if len(ids) > NAMED_IDS:
        named += f" and {words.count(len(ids) - NAMED_IDS)} more"
    rows = "1 row for a case" if len(ids) == 1 else f"{words.count(len(ids))} rows for cases"
    return [
        Finding(
            f"{check}.unknown-cases",
            State.CAUTION,
            f"The table has {rows} this cohort does not have: {named}.",
            why="They enter no measure.",
            action="Compare the case ids of the table with those of the cohort.",
        )
    ]


def missing_scores(scored: Scored) -> str | None:
    """Why nothing can be measured, or None."""
    if scored.rows.size:
        return None
    cases = f"any of the {words.cases(scored.failed.size)} with a label"
    if scored.source == "uploaded":
        return f"The table has no prediction for {cases}."
    return f"The model gave no score for {cases}."


def compared_words(evidence: Evidence) -> str:
    """Said where the model's classes are not the cohort's: compared on present or absent only."""
    prediction = evidence.prediction
    if prediction is None or set(prediction.classes) == set(evidence.classes):
        return ""
    return (
        f"Present means {', '.join(prediction.positive)} for the model and "
        f"{', '.join(evidence.positive)} in the cohort."
    )


@dataclass(frozen=True)
class OperatingPoint:
    threshold: float
    origin: str  # where it was declared, in words

    @property
    def words(self) -> str:
        return words.threshold(self.threshold)


def operating_point(prediction: Prediction, protocol: Protocol) -> OperatingPoint | None:
    """The protocol's operating point, else the model's first, else 0.5.

    Returns:
        None when the protocol names one that the model does not declare.
    """
    wanted = protocol.operating_point
    if isinstance(wanted, str):
        declared = dict(prediction.operating_points)
        if wanted not in declared:
            return None
        return OperatingPoint(declared[wanted], f"{wanted}, declared by the model")
    if wanted is not None:
        return OperatingPoint(wanted, "set by the protocol")
    if prediction.operating_points:
        name, value = prediction.operating_points[0]
        return OperatingPoint(value, f"{name}, declared by the model")
    return OperatingPoint(DEFAULT_THRESHOLD, "platform default, none is declared")


@dataclass(frozen=True)
class Calls:
    """The answer to every labelled case; a case without a score counts as answered wrongly."""

    rows: IntArray  # of the evidence
    present: BoolArray
    called: BoolArray  # called present
    clusters: Clusters
    failed: int

    @property
    def wrong(self) -> BoolArray:
        wrong: BoolArray = self.called != self.present
        return wrong

    def where(self, chosen: BoolArray) -> Clusters:
        return self.clusters.where(np.flatnonzero(chosen))


def calls_at(evidence: Evidence, scored: Scored, point: OperatingPoint) -> Calls:
    """Calls at an operating point: scored cases first, then those without a score."""
    assert evidence.present is not None
    rows = np.concatenate([scored.rows, scored.failed])
    present = evidence.present[rows] == 1
    called = np.empty(rows.size, dtype=bool)
    called[: scored.rows.size] = scored.scores >= point.threshold
    called[scored.rows.size :] = ~present[scored.rows.size :]
    return Calls(rows, present, called, clusters_at(evidence, rows), scored.failed.size)


def unknown_point(protocol: Protocol) -> str:
    """Why nothing can be called: the protocol's operating point is not the model's."""
    return (
        f"The protocol names the operating point {protocol.operating_point!r}, which the model "
        "does not declare."
    )


class AtPoint(NamedTuple):
    """What a check of calls starts from."""

    scored: Scored
    point: OperatingPoint
    failed: list[Finding]  # the finding of cases without a score, if there are any


def at_operating_point(
    check: str, question: str, evidence: Evidence, protocol: Protocol, becomes: str
) -> AtPoint | CheckResult:
    """The scored cases and the operating point, or the check's answer that it was not assessed.

    Args:
        becomes: as for ``failed_finding``.
    """
    scored = scored_cases(evidence)
    failed = failed_finding(check, evidence, scored, becomes)
    reason = missing_scores(scored)
    if reason:
        return not_assessed(question, reason, findings=failed)
    assert evidence.prediction is not None
    point = operating_point(evidence.prediction, protocol)
    if point is None:
        return not_assessed(question, unknown_point(protocol), findings=failed)
    return AtPoint(scored, point, failed)
