"""The answer to each case, how sure of it the model is, and whether it is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ml.checks import words
from ml.checks.scored import OperatingPoint, Scored, clusters_at
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction
from ml.stats.arrays import BoolArray, ratio
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.decomposition import entropy_parts

ABSENT_PRESENT = ("absent", "present")
_SUM_TOLERANCE = 1e-3  # of probabilities that exclude each other
SCORE = "score"


@dataclass(frozen=True)
class Answered:
    """Labelled cases with probabilities; m of them, k classes."""

    rows: IntArray  # (m,) rows of the evidence
    classes: tuple[str, ...]  # (k,) absent and present, or the kinds of a model of several
    probabilities: FloatArray  # (m, k), rows sum to 1
    label: IntArray  # (m,) place in `classes`
    answer: IntArray  # (m,) place in `classes`
    clusters: Clusters
    confidence: Mapping[str, FloatArray] = field(repr=False)  # by kind (m,); higher is surer
    how: str  # what an answer is, in words
    by_class: bool  # answers are kinds; else whether the finding is there

    @property
    def wrong(self) -> BoolArray:
        return np.asarray(self.answer != self.label)

    @cached_property
    def claimed(self) -> FloatArray:
        """(m,) the probability that the model itself gives its answer of being right."""
        return self.probabilities[np.arange(self.rows.size), self.answer]

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    def surest(self, chosen: IntArray) -> IntArray:
        """Some of the cases, the surest first."""
        return chosen[np.argsort(-self.confidence[SCORE][chosen], kind="stable")]

    @property
    def size_words(self) -> str:
        return f"{words.cases(self.rows.size)}, {self.how}"


def answered_cases(evidence: Evidence, scored: Scored, point: OperatingPoint) -> Answered:
    """The labelled cases with a score, answered by class where the model knows the cohort's.

    A model whose classes are the cohort's, more than two and exclusive, answers with its most
    probable class. Any other says whether the finding is there, at the operating point.
    """
    prediction, samples, rows = evidence.prediction, evidence.samples, scored.rows
    assert prediction is not None
    by_class = answers_by_class(evidence, prediction, rows)
    if by_class:
        assert prediction.probabilities is not None
        classes, probabilities = prediction.classes, prediction.probabilities[rows]
        place = {name: at for at, name in enumerate(classes)}
        label = np.array([place[evidence.label[row] or ""] for row in rows], np.int64)
        how = f"answered by the most probable of {len(classes)} classes"
        sampled = None if samples is None else samples.probabilities[:, rows]
    else:
        classes, label, probabilities = ABSENT_PRESENT, scored.present, pairs(scored.scores)
        how = f"answered with present from {point.words} upwards"
        sampled = None if samples is None else pairs(samples.score[:, rows])
    answer, score = answers(probabilities, point, by_class=by_class)
    return Answered(
        rows=rows,
        classes=classes,
        probabilities=probabilities,
        label=label.astype(np.int64),
        answer=answer,
        clusters=clusters_at(evidence, rows),
        confidence={SCORE: score} | _of_samples(sampled),
        how=how,
        by_class=by_class,
    )


def answers(
    probabilities: FloatArray, point: OperatingPoint, *, by_class: bool
) -> tuple[IntArray, FloatArray]:
    """The answer to each case, as a place in its classes, and how sure it is: (m,) each."""
    if by_class:
        return probabilities.argmax(axis=1).astype(np.int64), probabilities.max(axis=1)
    score = probabilities[:, 1]
    return (score >= point.threshold).astype(np.int64), sureness(score, point.threshold)


def pairs(score: FloatArray) -> FloatArray:
    """(..., 2) absent and present, of P(finding)."""
    return np.stack([1 - score, score], axis=-1)


def sureness(score: FloatArray, threshold: float) -> FloatArray:
    """How far a score is from the operating point, as the odds see it: 0.5 to 1.

    The larger of both probabilities after the odds were divided by those of the threshold. At 0.5
    it is the larger of P(finding) and 1 - P(finding).

    >>> sureness(np.array([0.2, 0.9]), 0.5), sureness(np.array([0.2, 0.9]), 0.2).round(3)
    (array([0.8, 0.9]), array([0.5  , 0.973]))
    """
    if threshold != 0.5:
        above, below = score * (1 - threshold), (1 - score) * threshold
        score = np.nan_to_num(ratio(above, above + below), nan=0.5)
    return np.maximum(score, 1 - score)


def answers_by_class(evidence: Evidence, prediction: Prediction, rows: IntArray) -> bool:
    """Whether the answer is one of the cohort's own classes, more than two and exclusive."""
    if prediction.probabilities is None or len(prediction.classes) < 3:
        return False
    if set(prediction.classes) != set(evidence.classes):
        return False
    sums = prediction.probabilities[rows].sum(axis=1)
    return bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all())


def _of_samples(sampled: FloatArray | None) -> dict[str, FloatArray]:
    """Confidence by total and epistemic uncertainty, where every case has all of its samples."""
    if sampled is None or not np.isfinite(sampled).all():
        return {}
    parts = entropy_parts(sampled, unit="bits")
    return {"total": -parts.total, "epistemic": -parts.epistemic}
