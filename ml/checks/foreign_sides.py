"""The cohorts of a question about foreign inputs: cases that can be looked at, their outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ml.checks.scored import clusters_at
from ml.evidence.facts import Fact
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction, Samples
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.decomposition import entropy_parts

Features = NDArray[np.floating]
LAYER = "penultimate"
_SMALLEST = 1e-300  # a probability of 0, where its logarithm is wanted
_DIGITS = 12
_NO_LOGITS = 1e-6  # log sum exp of log-probabilities is 0 but for rounding


@dataclass(frozen=True)
class Side:
    """Cases of one cohort that the model answered; n of them.

    Attributes:
        rows: (n,) of the evidence.
        logits: (n, c) raw ones, or log-probabilities where ``no_logits`` says why.
        classes: (c,) names.
        features: (n, d) what the last linear layer reads, in the precision it was kept in; None
            where nothing was tapped.
        doubt: (n,) mutual information of several answers, bits; None without them.
        gradients: (n,) scores that take gradients, by name; NaN where there is none.
        failed: ids without an answer, or without the features that others have.
        shared: ids whose image is in another cohort too, so that they are not looked at here.
    """

    name: str
    evidence: Evidence
    rows: IntArray
    logits: FloatArray
    no_logits: str
    classes: tuple[str, ...]
    positive: BoolArray  # (c,)
    features: Features | None
    doubt: FloatArray | None
    gradients: Mapping[str, FloatArray]
    failed: tuple[str, ...]
    shared: tuple[str, ...]

    @property
    def n(self) -> int:
        return int(self.rows.size)

    @cached_property
    def clusters(self) -> Clusters:
        return clusters_at(self.evidence, self.rows)

    @cached_property
    def probabilities(self) -> FloatArray:
        found: FloatArray = special.softmax(self.logits, axis=1)
        return found

    @cached_property
    def predicted(self) -> IntArray:
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> FloatArray:
        """(n,) of the answer, 0..1."""
        return np.asarray(self.probabilities.max(axis=1))

    @cached_property
    def known_wrong(self) -> BoolArray:
        """(n,) a label of one of the model's own classes says that the answer is wrong."""
        labels = [self.evidence.label[row] for row in self.rows]
        answers = [self.classes[at] for at in self.predicted]
        return np.array(
            [label in self.classes and label != answer
             for label, answer in zip(labels, answers, strict=True)], dtype=bool
        )  # fmt: skip

    def called(self, threshold: float) -> BoolArray:
        """(n,) called present at an operating point, by an answer that is a finding itself."""
        assert self.evidence.prediction is not None
        score = self.evidence.prediction.score[self.rows]
        return np.asarray((score >= threshold) & self.positive[self.predicted])

    def ids(self, chosen: IntArray | BoolArray) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in self.rows[chosen])

    def fact(self, name: str) -> list[Fact]:
        return [self.evidence.facts[name][row] for row in self.rows]

    def where(self, chosen: IntArray) -> "Side":
        """Some of the cases."""
        return replace(
            self,
            rows=self.rows[chosen],
            logits=self.logits[chosen],
            features=None if self.features is None else self.features[chosen],
            doubt=None if self.doubt is None else self.doubt[chosen],
            gradients={name: of[chosen] for name, of in self.gradients.items()},
        )


def side_of(name: str, evidence: Evidence, elsewhere: frozenset[str] = frozenset()) -> Side:
    """The cases of a cohort that can be looked at.

    Args:
        name: of the cohort; "" of the audited one.
        evidence: with a prediction.
        elsewhere: SHA-256 of images that another cohort has: their cases are left out.
    """
    prediction = evidence.prediction
    assert prediction is not None
    answered = np.isfinite(prediction.score)
    features = (evidence.features or {}).get(LAYER)
    if features is not None:
        answered &= np.isfinite(features).all(axis=1)
    again = np.zeros(answered.size, dtype=np.bool_)
    for at, images in enumerate(evidence.images):
        again[at] = bool(elsewhere.intersection(images))
    rows = np.flatnonzero(answered & ~again)
    logits, why, classes, positive = _outputs(prediction, rows)
    ids = evidence.case_ids
    return Side(
        name=name,
        evidence=evidence,
        rows=rows,
        logits=logits,
        no_logits=why,
        classes=classes,
        positive=positive,
        features=None if features is None else features[rows],
        doubt=_doubt(evidence.samples, rows, exclusive=prediction.exclusive),
        gradients={name: of[rows] for name, of in (evidence.gradient_scores or {}).items()},
        failed=tuple(ids[row] for row in np.flatnonzero(~answered & ~again)),
        shared=tuple(ids[row] for row in np.flatnonzero(again)),
    )


def images_of(evidences: Sequence[Evidence]) -> frozenset[str]:
    """SHA-256 of every image of some cohorts."""
    return frozenset(one for evidence in evidences for images in evidence.images for one in images)


def _outputs(
    prediction: Prediction, rows: IntArray
) -> tuple[FloatArray, str, tuple[str, ...], BoolArray]:
    """Logits of classes that exclude each other, and why they are none; names, which are findings.

    A model of findings that do not exclude each other is taken as "finding present or not".
    """
    raw = None if prediction.raw is None else prediction.raw[rows]
    of_logits = prediction.kind == "logits" and raw is not None
    if prediction.exclusive and prediction.probabilities is not None:
        named = np.array([name in prediction.positive for name in prediction.classes])
        shares = np.log(np.maximum(prediction.probabilities[rows], _SMALLEST))
        if not of_logits:
            why = "The model declares probabilities: what a logit says beyond them is not known."
            return shares, why, prediction.classes, named
        assert raw is not None
        if raw.size and (np.abs(special.logsumexp(raw, axis=1)) < _NO_LOGITS).all():
            why = "Its outputs are logarithms of probabilities, of an ensemble's mean for example."
            return raw, why, prediction.classes, named
        return raw, "", prediction.classes, named
    names = ("absent", ", ".join(prediction.positive))
    two = np.array([False, True])
    if of_logits and len(prediction.classes) == 1:
        assert raw is not None
        return np.column_stack([np.zeros(rows.size), raw[:, 0]]), "", names, two
    score = prediction.score[rows].clip(0, 1)
    both = np.log(np.maximum(np.column_stack([1 - score, score]), _SMALLEST))
    why = (
        "Its findings do not exclude each other: they are taken as one, present or not."
        if len(prediction.classes) > 1
        else "The model declares probabilities: what a logit says beyond them is not known."
    )
    return both, why, names, two


def _doubt(samples: Samples | None, rows: IntArray, *, exclusive: bool) -> FloatArray | None:
    if samples is None:
        return None
    found = samples.probabilities[:, rows]
    if not exclusive or found.shape[2] < 2:
        score = samples.score[:, rows]
        found = np.stack([1 - score, score], axis=2)
    if not np.isfinite(found).all():
        return None
    # Answers that are equal differ by rounding alone, which must not rank cases.
    return np.asarray(entropy_parts(found, unit="bits").epistemic.round(_DIGITS))
