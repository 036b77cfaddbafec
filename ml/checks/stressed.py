"""Answers to corrupted copies beside those to the images as they are, case by case."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.answered import Answered, answered_cases, answers, pairs
from ml.checks.scored import OperatingPoint, Scored, clusters_at
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters


@dataclass(frozen=True)
class Version:
    """Answers to one corruption at one severity; (m,) each, NaN where the copy failed."""

    right: FloatArray  # 1, 0
    flipped: FloatArray  # 1 where the answer is another than on the image as it is
    claimed: FloatArray  # probability of being right that the model gives its own answer
    score: FloatArray  # P(finding)

    @property
    def known(self) -> BoolArray:
        return np.asarray(np.isfinite(self.score))

    def sure(self, claim: float) -> BoolArray:
        return self.known & (np.nan_to_num(self.claimed) >= claim)

    @property
    def wrong(self) -> BoolArray:
        return np.asarray(self.right == 0)

    @property
    def doubt(self) -> FloatArray:
        return entropy_bits(self.score)


@dataclass(frozen=True)
class Stressed:
    """Labelled cases whose corrupted copies were run; m of them."""

    clean: Answered
    score: FloatArray  # (m,) P(finding) of the images as they are
    present: IntArray  # (m,)
    versions: Mapping[tuple[str, int], Version]  # by corruption and severity
    distortions: Mapping[str, Distortion]
    failed: tuple[str, ...]  # ids of cases of which some copy failed
    asked: int  # labelled cases with a score, of which these are drawn
    offered: int  # corruptions that fit the images, of which these were run

    @property
    def right(self) -> FloatArray:
        return (~self.clean.wrong).astype(np.float64)

    @property
    def doubt(self) -> FloatArray:
        return entropy_bits(self.score)

    @property
    def clusters(self) -> Clusters:
        return self.clean.clusters

    def of(self, corruption: str) -> list[Version]:
        """Its versions, from severity 1."""
        return [
            self.versions[corruption, severity]
            for severity in range(1, len(self.distortions[corruption].values) + 1)
        ]

    def each(self) -> Iterator[tuple[str, int, Version]]:
        for (corruption, severity), version in self.versions.items():
            yield corruption, severity, version

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return self.clean.ids(evidence, chosen)

    def lost(self, corruption: str, severities: Collection[int]) -> IntArray:
        """Places of the cases right as they are and wrong at one of these severities."""
        asked = [self.versions[corruption, severity].wrong for severity in severities]
        return np.flatnonzero(np.stack(asked).any(axis=0) & (self.right == 1))

    def lost_words(self, where: str) -> str:
        """What becomes of those, as it follows "3 cases"."""
        return f"answered wrongly {where} alone"

    @property
    def n(self) -> int:
        return int(self.clean.rows.size)

    @property
    def size_words(self) -> str:
        """ "60 of 300 cases, drawn by the seed"."""
        return words.drawn(self.clean.rows.size, self.asked)

    @property
    def is_part(self) -> bool:
        """The protocol chose some of the corruptions that fit the images."""
        return len(self.distortions) < self.offered

    @property
    def number_words(self) -> str:
        return number_words(len(self.distortions), self.offered)

    @property
    def all_words(self) -> str:
        return all_words(len(self.distortions), self.offered)


def number_words(n: int, offered: int) -> str:
    """How many corruptions were run of how many that fit.

    >>> number_words(21, 21), number_words(9, 21)
    ('21 corruptions', '9 of 21 corruptions, chosen by the protocol')
    """
    if n == offered:
        return "1 corruption" if n == 1 else f"{words.count(n)} corruptions"
    return f"{words.count(n)} of {words.count(offered)} corruptions, chosen by the protocol"


def all_words(n: int, offered: int) -> str:
    """What a mean is over.

    >>> all_words(21, 21), all_words(9, 21)
    ('all corruptions', 'the 9 corruptions that were run')
    """
    if n == offered:
        return "all corruptions"
    return "the one corruption that was run" if n == 1 else f"the {n} corruptions that were run"


def entropy_bits(score: FloatArray) -> FloatArray:
    """Doubt of an answer, "present or not", in bits; NaN where there is none.

    >>> entropy_bits(np.array([0.5, 1.0])).round(3).tolist()
    [1.0, 0.0]
    """
    inside = score.clip(1e-300, 1 - 2**-53)
    return np.asarray(-(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)))


def at_severity(distortion: Distortion, severity: int) -> str:
    """ "severity 2 (standard deviation in pixels of the input: 1)"."""
    value = f"{distortion.values[severity - 1]:g}".replace("-", "−")
    return f"severity {severity} ({distortion.parameter}: {value})"


def stressed_cases(evidence: Evidence, scored: Scored, point: OperatingPoint) -> Stressed | None:
    """The cases that can be compared; None where the pass says nothing of what outputs mean."""
    found = evidence.corruptions
    assert found is not None
    if found.score is None or found.probabilities is None:
        return None
    chosen = np.arange(scored.rows.size)
    if found.ran is not None:
        chosen = np.flatnonzero(found.ran[scored.rows])
    rows = scored.rows[chosen]
    kept = Scored(
        rows=rows, scores=scored.scores[chosen], present=scored.present[chosen],
        clusters=clusters_at(evidence, rows), failed=scored.failed, unlabelled=scored.unlabelled,
        source=scored.source,
    )  # fmt: skip
    clean = answered_cases(evidence, kept, point)
    keys = zip(found.keys["corruption"], found.keys["severity"], strict=True)
    versions = {
        (str(corruption), int(severity)): _version(clean, found, at, point)
        for at, (corruption, severity) in enumerate(keys)
    }
    missing = np.zeros(rows.size, dtype=bool)
    for one in versions.values():
        missing |= ~one.known
    return Stressed(
        clean=clean,
        score=kept.scores,
        present=kept.present,
        versions=versions,
        distortions=found.distortions,
        failed=clean.ids(evidence, np.flatnonzero(missing)),
        asked=int(scored.rows.size),
        offered=found.offered or len(found.distortions),
    )


def _version(clean: Answered, found: CaseOutputs, at: int, point: OperatingPoint) -> Version:
    assert found.probabilities is not None
    assert found.score is not None
    score = found.score[clean.rows, at]
    probabilities = found.probabilities[clean.rows, at] if clean.by_class else pairs(score)
    known = np.asarray(np.isfinite(probabilities).all(axis=1))
    filled = np.where(known[:, None], probabilities, 0.0)
    answer, _ = answers(filled, point, by_class=clean.by_class)
    claimed = filled[np.arange(answer.size), answer]

    def where_known(values: FloatArray | BoolArray) -> FloatArray:
        return np.where(known, values.astype(np.float64), np.nan)

    return Version(
        right=where_known(answer == clean.label),
        flipped=where_known(answer != clean.answer),
        claimed=where_known(claimed),
        score=where_known(score),
    )
