"""The audited cases and those of the training cohort, and which of the first are copies."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.checks.foreign_sides import Side, side_of
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters
from ml.stats.ood.copies import nearest_copy

NEAR = 0.99  # correlation of thumbnails above which two images are near copies
LEAST = 1e-7  # a probability that float32 outputs cannot tell from 0
PRESENT_ABSENT = ("absent", "present")


@dataclass(frozen=True)
class Answers:
    """Labelled cases of one cohort that the model answered; n of them.

    Attributes:
        rows: (n,) of the evidence.
        loss: (n,) minus the logarithm of the probability of what the label says.
        kind: (n,) names of the true classes, as both cohorts know them.
        wrong: (n,) at the operating point.
        unlabelled, failed: cases that are not here.
    """

    evidence: Evidence
    rows: IntArray
    loss: FloatArray
    kind: tuple[str, ...]
    score: FloatArray
    present: IntArray
    wrong: BoolArray
    clusters: Clusters
    unlabelled: int
    failed: tuple[str, ...]

    @property
    def n(self) -> int:
        return int(self.rows.size)

    def codes(self, names: tuple[str, ...]) -> IntArray:
        return np.array([names.index(one) for one in self.kind], dtype=np.int64)

    def where(self, chosen: IntArray) -> "Answers":
        rows = self.rows[chosen]
        return Answers(
            self.evidence, rows, self.loss[chosen], tuple(self.kind[at] for at in chosen),
            self.score[chosen], self.present[chosen], self.wrong[chosen],
            self.clusters.where(chosen), self.unlabelled, self.failed,
        )  # fmt: skip

    def ids(self, chosen: IntArray | BoolArray) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in self.rows[chosen])


def answers_of(evidence: Evidence, threshold: float, *, by_class: bool) -> Answers:
    """The labelled cases that the model answered.

    Args:
        evidence: with labels and a prediction.
        threshold: at which a score is called present.
        by_class: cases are of the class of their label; else present or absent.
    """
    assert evidence.prediction is not None
    assert evidence.present is not None
    side = side_of("", evidence)
    kept = np.flatnonzero(evidence.present[side.rows] >= 0)
    rows = side.rows[kept]
    present = evidence.present[rows]
    score = evidence.prediction.score[rows].clip(0, 1)
    labels = tuple(str(evidence.label[row]) for row in rows)
    clusters = Clusters.of(evidence.cluster[rows], evidence.cluster_kind)
    unlabelled = evidence.present < 0
    return Answers(
        evidence=evidence,
        rows=rows,
        loss=_losses(side, kept, labels, present),
        kind=labels if by_class else tuple(PRESENT_ABSENT[int(one)] for one in present),
        score=score,
        present=present,
        wrong=np.asarray((score >= threshold) != (present == 1)),
        clusters=clusters,
        unlabelled=int(unlabelled.sum()),
        failed=tuple(
            case_id
            for case_id, no_label in zip(evidence.case_ids, unlabelled, strict=True)
            if not no_label and case_id in set(side.failed)
        ),
    )


def _losses(
    side: Side, kept: IntArray, labels: tuple[str, ...], present: IntArray
) -> FloatArray:  # fmt: skip
    """Of the class that the label names; where the model knows no such class, of all that agree
    with it about the finding."""
    logs = special.log_softmax(side.logits[kept], axis=1)
    fits = np.array(
        [
            [name == label for name in side.classes]
            if label in side.classes
            else (side.positive == bool(one)).tolist()
            for label, one in zip(labels, present, strict=True)
        ],
        dtype=np.bool_,
    ).reshape(len(labels), len(side.classes))
    found = special.logsumexp(np.where(fits, logs, -np.inf), axis=1)
    return np.asarray(-np.maximum(found, np.log(LEAST)))


@dataclass(frozen=True)
class Copies:
    """Which of n audited cases are in the training cohort.

    Attributes:
        exact: (n,) the same file, or the same pixels in another.
        near: (n,) not exact, and its thumbnail correlates above 0.99 with that of a training case.
        similarity: (n,) the highest correlation; NaN where thumbnails are not known.
        twin: (n,) id of the training case that is most alike; "" where there is none.
        by_pixels: images could be compared, not only files.
    """

    exact: BoolArray
    near: BoolArray
    similarity: FloatArray
    twin: tuple[str, ...]
    by_pixels: bool

    @property
    def any(self) -> BoolArray:
        return np.asarray(self.exact | self.near)


def copies_of(evidence: Evidence, training: Evidence) -> Copies:
    """Every audited case held against every training case."""
    n = len(evidence.case_ids)
    exact = np.zeros(n, dtype=np.bool_)
    twin, similarity = [""] * n, np.full(n, np.nan)
    own, theirs = evidence.described, training.described
    by_pixels = own is not None and theirs is not None
    if own is not None and theirs is not None:
        found = nearest_copy(
            own.thumbnails.astype(np.float64), theirs.thumbnails.astype(np.float64)
        )
        similarity = found.similarity
        twin = [training.case_ids[at] if at >= 0 else "" for at in found.place]
    for mine, known in (
        (evidence.images, training.images),
        *([] if own is None or theirs is None else [(own.pixels, theirs.pixels)]),
    ):
        first = {one: case for one, case in zip(known, training.case_ids, strict=False) if one}
        for at, one in enumerate(mine):
            if one and one in first:
                exact[at], twin[at] = True, first[one]
    near = ~exact & (np.nan_to_num(similarity, nan=-1.0) > NEAR)
    return Copies(exact, near, similarity, tuple(twin), by_pixels)
