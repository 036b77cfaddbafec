"""Answers to attacked copies beside those to the images as they are, case by case."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.answered import answers, answers_by_class, pairs
from ml.checks.scored import OperatingPoint, clusters_at
from ml.evidence.passes import AS_IT_IS, FGSM, NOISE, PGD, CaseOutputs
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters

IN_WORDS = {FGSM: "one step (FGSM)", PGD: "several steps (PGD)", NOISE: "random signs"}
UNKNOWN = -1  # of an answer to a copy that failed, or a label that is none


@dataclass(frozen=True)
class Attacked:
    """Cases that were attacked; m of them.

    Attributes:
        rows: (m,) of the evidence.
        eps: that were tried, of 255, rising.
        own: (m,) answer to the image as it is, a place in the classes or 1 present, 0 absent.
        after: by method, (m, eps) answers to the copies; UNKNOWN where a copy failed.
        label: (m,) what the answer should be; UNKNOWN where there is no label.
        slope: (m,) how the log-odds of the answer change with all intensities, at most.
        drawn_from: cases of the cohort, of which these are drawn.
    """

    rows: IntArray
    eps: tuple[float, ...]
    own: IntArray
    after: Mapping[str, IntArray]
    label: IntArray
    slope: FloatArray
    clusters: Clusters
    drawn_from: int

    @property
    def methods(self) -> list[str]:
        return list(self.after)

    @property
    def on_purpose(self) -> list[str]:
        return [name for name in self.after if name != NOISE]

    def known(self, method: str, at: int) -> BoolArray:
        """(m,) the copy was answered."""
        return np.asarray(self.after[method][:, at] != UNKNOWN)

    def turned(self, method: str, at: int) -> BoolArray:
        """(m,) the answer to the copy is another one."""
        return np.asarray(self.known(method, at) & (self.after[method][:, at] != self.own))

    def count(self, method: str, at: int) -> int:
        return int(self.turned(method, at).sum())

    @property
    def flat(self) -> BoolArray:
        """(m,) nothing that is done to the picture has, to first order, any effect."""
        return np.asarray(self.slope == 0)

    def ids(self, evidence: Evidence, chosen: BoolArray | IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    @property
    def failed(self) -> BoolArray:
        """(m,) some copy was not answered."""
        missing = [(one == UNKNOWN).any(axis=1) for one in self.after.values()]
        return np.asarray(np.any(missing, axis=0))

    @property
    def size_words(self) -> str:
        """ "40 of 300 cases, drawn by the seed"."""
        return words.drawn(self.rows.size, self.drawn_from)


def attacked_cases(evidence: Evidence, point: OperatingPoint) -> Attacked | None:
    """The cases that were attacked; None where nothing says what the outputs of copies mean."""
    found, prediction = evidence.attacks, evidence.prediction
    assert found is not None
    assert prediction is not None
    if found.probabilities is None or found.score is None or found.slope is None:
        return None
    (first,) = found.version(method=AS_IT_IS)
    rows = np.flatnonzero(np.isfinite(found.score[:, first]))
    by_class = bool(rows.size) and answers_by_class(evidence, prediction, rows)
    methods = dict.fromkeys(str(one) for one in found.keys["method"] if one != AS_IT_IS)
    after = {
        name: np.stack(
            [
                _answers(found, rows, at, point, by_class=by_class)
                for at in found.version(method=name)
            ],
            axis=1,
        )
        for name in methods
    }
    sizes = dict.fromkeys(float(one) for one in found.keys["eps"] if float(one) > 0)
    return Attacked(
        rows=rows,
        eps=tuple(sizes),
        own=_answers(found, rows, first, point, by_class=by_class),
        after=after,
        label=_labels(evidence, rows, prediction.classes if by_class else ()),
        slope=found.slope[rows],
        clusters=clusters_at(evidence, rows),
        drawn_from=len(evidence.case_ids),
    )


def _answers(
    found: CaseOutputs, rows: IntArray, at: int, point: OperatingPoint, *, by_class: bool
) -> IntArray:
    assert found.probabilities is not None
    assert found.score is not None
    score = found.score[rows, at]
    probabilities = found.probabilities[rows, at] if by_class else pairs(score)
    known = np.asarray(np.isfinite(probabilities).all(axis=1))
    answer, _ = answers(np.where(known[:, None], probabilities, 0.0), point, by_class=by_class)
    return np.where(known, answer, UNKNOWN).astype(np.int64)


def _labels(evidence: Evidence, rows: IntArray, classes: tuple[str, ...]) -> IntArray:
    """What the answers should be: places in the classes, or 1 present and 0 absent."""
    if evidence.present is None:
        return np.full(rows.size, UNKNOWN, np.int64)
    if not classes:
        return np.asarray(evidence.present[rows])
    place = {name: at for at, name in enumerate(classes)}
    return np.array([place.get(evidence.label[row] or "", UNKNOWN) for row in rows], np.int64)
