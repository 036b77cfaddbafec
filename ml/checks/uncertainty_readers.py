"""Is it unsure where readers disagree?"""

from itertools import combinations

import numpy as np

from ml.checks import words
from ml.checks.answers import AnswerTable, answer_tables
from ml.checks.judge import Wording
from ml.checks.reader_model import first_answered
from ml.checks.sampled import HIGH, Sampled
from ml.checks.scored import in_clusters
from ml.checks.uncertainty_related import Related, goes_with, related, unrelated
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings

MEASURE = "reader_disagreement_correlation"
_NO_READERS = (
    "Whether its uncertainty goes with disagreement of readers is not assessed: no case with an "
    "answer of the model was read by two readers."
)
_ALIKE = (
    "Whether its uncertainty goes with disagreement of readers is not assessed: their answers are "
    "equally far apart in every case."
)


def readers_part(
    evidence: Evidence, protocol: Protocol, sampled: Sampled, settings: Settings
) -> Related:
    """Rank correlation of each kind of uncertainty with how far readers are apart.

    The question is the first one that the model has an answer to, else the first of the cohort.
    """
    table = _question(evidence, protocol)
    if table is None:
        return unrelated(MEASURE, _NO_READERS)
    apart = disagreement(table)[sampled.rows]
    read = np.flatnonzero(np.isfinite(apart))
    if not read.size:
        return unrelated(MEASURE, _NO_READERS)
    if np.ptp(apart[read]) == 0:
        return unrelated(MEASURE, _ALIKE, n=read.size)
    what = (
        "share of pairs of readers who differ"
        if table.question.scale == "nominal"
        else "mean difference of pairs of readers"
    )
    estimates = related(
        MEASURE, apart, sampled, settings, f"{table.asked}; with the {what}{table.set_aside}"
    )
    wording = _wording(evidence, sampled, table, apart, estimates)
    return Related(estimates, {estimates[0].id: wording})


def disagreement(table: AnswerTable) -> FloatArray:
    """How far the readers of each case are apart, (n,); NaN with fewer than two answers.

    The mean over pairs of readers: of a nominal question 1 where they differ, of an ordinal one
    the steps between their answers, of numbers their difference.
    """
    total, pairs = np.zeros(len(table.codes)), np.zeros(len(table.codes))
    for a, b in combinations(table.codes.T, 2):
        both = np.isfinite(a) & np.isfinite(b)
        gap = np.abs(a[both] - b[both])
        total[both] += gap > 0 if table.question.scale == "nominal" else gap
        pairs[both] += 1
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def _question(evidence: Evidence, protocol: Protocol) -> AnswerTable | None:
    if evidence.readings is None:
        return None
    tables = answer_tables(evidence.readings, len(evidence.case_ids))
    usable = [table for table in tables if (table.per_case >= 2).any()]
    if not usable:
        return None
    found = first_answered(evidence, protocol, usable)
    return usable[0] if isinstance(found, str) else found[0]


def _wording(
    evidence: Evidence, sampled: Sampled, table: AnswerTable, apart: FloatArray,
    estimates: list[Estimate],
) -> Wording:  # fmt: skip
    total, aleatoric, epistemic = estimates
    read = np.flatnonzero(np.isfinite(apart))
    differ = int((apart[read] > 0).sum())
    listed = _unnoticed(sampled, apart, read)
    used = f"{words.cases(read.size)}{in_clusters(sampled.clusters.where(read))}"
    return Wording(
        f"Where readers disagree on {table.question.id}, its total uncertainty {goes_with(total)}: "
        f"rank correlation {words.decimal(total.value or 0.0)}.",
        why=f"Aleatoric {words.measured(aleatoric)}, epistemic {words.measured(epistemic)}. Two or "
        f"more readers answered {used}, and differ on {words.count(differ)}. Listed: "
        f"{words.cases(listed.size)} of the quarter that they dispute most of which it is surer "
        "than of half of these cases.",
        cases=sampled.ids(evidence, listed),
    )


def _unnoticed(sampled: Sampled, apart: FloatArray, read: IntArray) -> IntArray:
    """Cases that readers dispute although the model does not doubt, most disputed first."""
    doubt, gap = sampled.bits["total"][read], apart[read]
    disputed = (gap > 0) & (gap >= np.quantile(gap, HIGH))
    chosen = np.flatnonzero(disputed & (doubt <= np.median(doubt)))
    return read[chosen[np.lexsort((doubt[chosen], -gap[chosen]))]]
