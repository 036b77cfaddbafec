"""Populations whose true values are known: what the samples of a scenario are drawn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.stats.segmentation.readers import MaskPairs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Binormal:
    """Scores of equal spread with and without the finding; AUROC = Phi(shift / sqrt 2)."""

    auroc: float
    present: int
    absent: int

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        shift = 2**0.5 * float(stats.norm.ppf(self.auroc))
        present = np.r_[np.ones(self.present, np.int64), np.zeros(self.absent, np.int64)]
        return rng.normal(size=present.size) + shift * present, present


@dataclass(frozen=True)
class ClusteredBinormal:
    """Images of patients; images of one patient share part of their score's spread."""

    auroc: float
    patients: int
    images: int  # of each patient
    shared: float  # share of the variance that a patient's images have in common, 0..1

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, IntArray, IntArray]:
        shift = 2**0.5 * float(stats.norm.ppf(self.auroc))
        patient = np.repeat(np.arange(self.patients), self.images)
        # Half of the patients have the finding, in all of their images.
        present = (patient % 2 == 0).astype(np.int64)
        common = rng.normal(size=self.patients)[patient] * self.shared**0.5
        own = rng.normal(size=patient.size) * (1 - self.shared) ** 0.5
        return common + own + shift * present, present, patient


@dataclass(frozen=True)
class ClusteredCalls:
    """Right and wrong calls of patients' images, beta-binomial."""

    share: float
    patients: int
    images: int
    correlation: float  # intraclass, 0..1

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], IntArray]:
        size = 1 / self.correlation - 1
        of_patient = rng.beta(self.share * size, (1 - self.share) * size, self.patients)
        patient = np.repeat(np.arange(self.patients), self.images)
        return rng.random(patient.size) < of_patient[patient], patient


@dataclass(frozen=True)
class ClusteredPairs:
    """Overlaps of every two readers of patients' images; two to four readers of an image."""

    overlap: float  # mean of all pairs, 0..1
    patients: int
    images: int
    correlation: float  # of two pairs of a patient, 0..1

    def draw(self, rng: np.random.Generator) -> tuple[MaskPairs, IntArray]:
        size = 1 / self.correlation - 1
        of_patient = rng.beta(self.overlap * size, (1 - self.overlap) * size, self.patients)
        patient = np.repeat(np.arange(self.patients), self.images)
        number = rng.choice([1, 3, 6], patient.size)  # pairs of two, three and four readers
        case = np.repeat(np.arange(patient.size), number)
        mean = of_patient[patient[case]].clip(1e-6, 1 - 1e-6)
        value = rng.beta(20 * mean, 20 * (1 - mean))
        return MaskPairs(case, value, np.zeros(case.size, dtype=np.bool_), patient.size), patient


@dataclass(frozen=True)
class Readers:
    """Readers who answer by the same habits, independently given the case's true class."""

    prevalence: tuple[float, ...]  # of each class, adds up to 1
    right: float  # probability of the true class; the rest is spread over its neighbours
    readers: int
    cases: int

    @property
    def habits(self) -> FloatArray:
        """(k, k) probability of each answer given each class: the further away, the rarer."""
        size = len(self.prevalence)
        away = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
        weight = np.where(away == 0, 0.0, 0.5**away)
        wrong = (1 - self.right) * weight / weight.sum(axis=1, keepdims=True)
        habits: FloatArray = np.where(away == 0, self.right, wrong)
        return habits

    @property
    def pair(self) -> FloatArray:
        """(k, k) probability of each pair of answers of two readers to one case."""
        habits = self.habits
        pair: FloatArray = np.einsum("z,za,zb->ab", np.array(self.prevalence), habits, habits)
        return pair

    def kappa(self, weights: FloatArray) -> float:
        """Weighted kappa; all readers share their margins, so Cohen's, Fleiss' and alpha agree."""
        margin = self.pair.sum(axis=0)
        chance = float(margin @ weights @ margin)
        return (float((self.pair * weights).sum()) - chance) / (1 - chance)

    def gwet(self) -> float:
        """AC1."""
        margin = self.pair.sum(axis=0)
        chance = float((margin * (1 - margin)).sum() / (margin.size - 1))
        return (float(np.trace(self.pair)) - chance) / (1 - chance)

    def ordinal_alpha(self) -> float:
        """Krippendorff's alpha with the ordinal distance, of endlessly many cases."""
        margin = self.pair.sum(axis=0)
        middle = np.cumsum(margin) - margin / 2
        distance = (middle[:, None] - middle[None, :]) ** 2
        return 1 - float((self.pair * distance).sum() / (margin @ distance @ margin))

    def draw(self, rng: np.random.Generator) -> FloatArray:
        truth = rng.choice(len(self.prevalence), size=self.cases, p=self.prevalence)
        ladder = np.cumsum(self.habits, axis=1)[truth]
        ladder[:, -1] = 1.0  # rounding must not leave a gap at the top
        uniform = rng.random((self.cases, self.readers))
        answers: FloatArray = (uniform[:, :, None] > ladder[:, None, :]).sum(axis=2).astype(float)
        return answers


@dataclass(frozen=True)
class Calibrated:
    """Probabilities that are right."""

    a: float  # of the Beta distribution they come from
    b: float
    cases: int

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        probability = rng.beta(self.a, self.b, self.cases)
        return probability, (rng.random(self.cases) < probability).astype(np.int64)


@dataclass(frozen=True)
class ClusteredScores:
    """Numbers that readers gave to cases of patients; everything normal, whole variance 1."""

    patients: int
    cases: int  # of each patient
    readers: int
    of_patient: float  # shares of the variance; the rest is error
    of_case: float

    @property
    def icc(self) -> float:
        """Intraclass correlation of a single score, and overall concordance: no reader bias."""
        return self.of_patient + self.of_case

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        patient = np.repeat(np.arange(self.patients), self.cases)
        size = (patient.size, self.readers)
        scores = rng.normal(size=(self.patients, 1))[patient] * self.of_patient**0.5
        scores = scores + rng.normal(size=(size[0], 1)) * self.of_case**0.5
        scores = scores + rng.normal(size=size) * (1 - self.icc) ** 0.5
        return scores, patient
