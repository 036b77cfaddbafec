"""Answers to moved copies beside those to the images as they are, case by case."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from ml.checks import words
from ml.checks.answered import answers, answers_by_class, pairs
from ml.checks.scored import OperatingPoint, clusters_at
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters

# Up to where a move is small: the same picture as far as a reader is concerned. A mirror never is.
SMALL = {"translation": 2.0, "rotation": 2.0, "crop": 0.04, "padding": 0.04}


def is_small(move: str, value: float) -> bool:
    """Whether a reader would see the same picture after a move by so much.

    >>> is_small("translation", 2.0), is_small("mirror-left-right", 1.0)
    (True, False)
    """
    return value <= SMALL.get(move, 0.0)


One = TypeVar("One")


@dataclass(frozen=True)
class Copy:
    """Answers to one step of a move; (m,) each, NaN where the copy failed."""

    flipped: FloatArray  # 1 where the answer is another than on the image as it is
    change: FloatArray  # how far P(finding) moves, 0..1
    agreement: FloatArray  # of the maps, -1..1; NaN too where there is none
    score: FloatArray  # P(finding)

    @property
    def known(self) -> BoolArray:
        return np.asarray(np.isfinite(self.flipped))


@dataclass(frozen=True)
class OnMoves(Generic[One]):
    """Cases whose moved copies were run, n of them, with what is known of each step of a move."""

    rows: IntArray  # (n,) of the evidence
    clusters: Clusters
    copies: Mapping[tuple[str, int], One]  # by move and step, from 1
    moves: Mapping[str, Distortion]
    asked: int  # cases that could have been run, of which these are drawn

    def of(self, move: str) -> list[One]:
        """Its copies, from step 1."""
        return [self.copies[move, step] for step in range(1, len(self.moves[move].values) + 1)]

    def small(self) -> Iterator[tuple[str, int, One]]:
        """Moves after which a reader would see the same picture."""
        for (move, step), copy in self.copies.items():
            if is_small(move, self.moves[move].values[step - 1]):
                yield move, step, copy

    @property
    def image(self) -> str:
        """What was moved: "picture" or "volume"."""
        return "volume" if self.unit == "voxels" else "picture"

    @property
    def unit(self) -> str:
        """What shifts are counted in: "pixels" or "voxels"."""
        voxels = any("voxel" in one.parameter for one in self.moves.values())
        return "voxels" if voxels else "pixels"

    def said(self, move: str, step: int) -> str:
        """What an image is, as it follows "when the picture is"."""
        return self.moves[move].said[step - 1]

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    @property
    def size_words(self) -> str:
        """ "60 of 300 cases, drawn by the seed"."""
        return words.drawn(self.rows.size, self.asked)


@dataclass(frozen=True)
class Shifted(OnMoves[Copy]):
    """Cases with a score whose moved copies were run, with or without a label."""

    score: FloatArray  # (n,) P(finding) of the images as they are
    margin: FloatArray  # (n,) how far a probability must go for another answer
    by_class: bool  # answers are kinds; else whether the finding is there
    point: OperatingPoint

    @property
    def incomplete(self) -> IntArray:
        """Places of cases of which some copy failed."""
        known = np.stack([copy.known for copy in self.copies.values()])
        return np.flatnonzero(~known.all(axis=0))


def shifted_cases(
    evidence: Evidence, found: CaseOutputs, prediction: Prediction, point: OperatingPoint
) -> Shifted | None:
    """The cases that can be compared; None where the pass says nothing of what outputs mean."""
    if found.score is None or found.probabilities is None:
        return None
    scored = np.isfinite(prediction.score)
    rows = np.flatnonzero(scored if found.ran is None else scored & found.ran)
    by_class = bool(rows.size) and answers_by_class(evidence, prediction, rows)
    score = prediction.score[rows].clip(0.0, 1.0)
    shown = pairs(score)
    if by_class:
        assert prediction.probabilities is not None
        shown = prediction.probabilities[rows]
    answer, _ = answers(shown, point, by_class=by_class)
    keys = zip(found.keys["move"], found.keys["step"], strict=True)
    copies = {}
    for at, (move, step) in enumerate(keys):
        of_copy = found.score[rows, at]
        theirs = found.probabilities[rows, at] if by_class else pairs(of_copy)
        known = np.asarray(np.isfinite(theirs).all(axis=1))
        other, _ = answers(np.where(known[:, None], theirs, 0.0), point, by_class=by_class)
        nothing = np.full(rows.size, np.nan)
        copies[str(move), int(step)] = Copy(
            flipped=np.where(known, (other != answer).astype(np.float64), np.nan),
            change=np.where(known, np.abs(of_copy - score), np.nan),
            agreement=nothing if found.map_agreement is None else found.map_agreement[rows, at],
            score=np.where(known, of_copy, np.nan),
        )
    return Shifted(
        rows=rows,
        clusters=clusters_at(evidence, rows),
        score=score,
        margin=_margin(shown, score, point, by_class=by_class),
        by_class=by_class,
        point=point,
        copies=copies,
        moves=found.distortions,
        asked=int(scored.sum()),
    )


def _margin(
    shown: FloatArray, score: FloatArray, point: OperatingPoint, *, by_class: bool
) -> FloatArray:
    """To the threshold; of kinds, from the most probable to the next."""
    if not by_class:
        return np.abs(score - point.threshold)
    ordered = np.sort(shown, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])
