"""What a check may look at: arrays only, no paths, no pixels, no identity of a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.estimate import JsonObject
from ml.evidence.blotted import Blotted
from ml.evidence.compared_maps import ComparedMaps
from ml.evidence.described import CaseImages
from ml.evidence.facts import Fact
from ml.evidence.flow import GradientFlow
from ml.evidence.localised import AREA, Localised
from ml.evidence.mask_copies import MaskCopies
from ml.evidence.normalised import STORED, Normalised
from ml.evidence.packed import Float32Array
from ml.evidence.passes import CaseMaps, CaseOutputs
from ml.evidence.sampled_copies import SampledCopies
from ml.evidence.sampled_masks import SampledMasks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Scale = Literal["nominal", "ordinal", "interval"]
SCALES: tuple[Scale, ...] = ("nominal", "ordinal", "interval")


@dataclass(frozen=True)
class Prediction:
    """What a model, or a table handed in its place, says about each case.

    One row per case, in the order of ``Evidence.case_ids``. A case the model could not be run
    on is a row of NaN and an entry in ``failures``: it is never dropped.
    """

    classes: tuple[str, ...]
    positive: tuple[str, ...]  # classes that count as "finding present"
    kind: Literal["probabilities", "logits"]  # as declared, before activation
    probabilities: FloatArray | None  # (n, k) 0..1 after the declared activation
    score: FloatArray  # (n,) P(finding present), 0..1; NaN where the case failed
    failures: Mapping[str, str] = field(default_factory=dict)  # case id -> error code
    source: str = "model"  # "model" | "uploaded"
    operating_points: tuple[tuple[str, float], ...] = ()  # (name, threshold) as declared
    raw: FloatArray | None = None  # (n, k) before activation, NaN as in `probabilities`
    exclusive: bool = True  # classes exclude each other: probabilities add up to 1

    def __post_init__(self) -> None:
        if self.score.ndim != 1:
            raise ValueError(f"score must be (n,), got {self.score.shape}")
        known = self.score[~np.isnan(self.score)]
        # Sums of rounded probabilities may pass 1 in the last digit; logits pass it by far.
        if known.size and (known.min() < -1e-6 or known.max() > 1 + 1e-6):
            raise ValueError(f"score must lie in 0..1, got {known.min():.6g} to {known.max():.6g}")
        shape = (self.score.size, len(self.classes))
        if self.probabilities is not None and self.probabilities.shape != shape:
            raise ValueError(f"probabilities must be {shape}, got {self.probabilities.shape}")
        if self.raw is not None and self.raw.shape != shape:
            raise ValueError(f"raw outputs must be {shape}, got {self.raw.shape}")


@dataclass(frozen=True)
class Question:
    """What readers were asked, and the scale their answers lie on."""

    id: str
    scale: Scale
    values: tuple[str, ...]  # all possible answers, in order; () when the scale is interval

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"question {self.id}: scale must be one of {', '.join(SCALES)}")
        if self.scale != "interval" and not self.values:
            raise ValueError(f"question {self.id}: a {self.scale} scale declares its values")


@dataclass(frozen=True)
class Readings:
    """Every reading of every reader in long form; no reading is merged into another."""

    case_index: IntArray  # (m,) row of Evidence.case_ids
    reader: Sequence[str]  # (m,)
    question: Sequence[str]  # (m,) key of `questions`
    value: Sequence[str]  # (m,) the answer as given
    number: FloatArray  # (m,) the answer as a number, NaN where it is none
    questions: Mapping[str, Question]  # in the order they were declared
    exchangeable: bool  # readers are only numbered within a case, they have no identity
    arm: Sequence[str] = ()  # (m,) of a reader study, "" where there is none; () where none has one

    def __post_init__(self) -> None:
        if len(self.arm) not in (0, len(self.value)):
            raise ValueError(f"expected {len(self.value)} arms, got {len(self.arm)}")
        sizes = {
            self.case_index.size,
            len(self.reader),
            len(self.question),
            len(self.value),
            self.number.size,
        }
        if len(sizes) != 1:
            raise ValueError(f"readings must have one row each, got columns of {sorted(sizes)}")
        unknown = set(self.question) - set(self.questions)
        if unknown:
            raise ValueError(f"readings answer undeclared questions: {', '.join(sorted(unknown))}")


@dataclass(frozen=True)
class Samples:
    """Several answers to each case: of an ensemble's members, of dropout, or as handed in.

    A case without all of them is NaN in every sample and an entry in ``failures``.
    """

    kind: Literal["members", "dropout", "samples"]
    classes: tuple[str, ...]
    probabilities: FloatArray  # (t, n, k) 0..1 after the declared activation
    score: FloatArray  # (t, n) P(finding present), 0..1; NaN where the case failed
    failures: Mapping[str, str] = field(default_factory=dict)  # case id -> error code
    source: str = "model"  # "model" | "uploaded"

    def __post_init__(self) -> None:
        t, n = self.score.shape
        if self.probabilities.shape != (t, n, len(self.classes)):
            raise ValueError(f"probabilities must fit {t} samples of {n} cases")
        if t < 2:
            raise ValueError("one sample says nothing of the spread between them")


REFERENCE, MODEL, CONSENSUS, OTHERS = "reference", "model", "consensus", "others"


@dataclass(frozen=True)
class MaskComparisons:
    """Masks of the same case and structure against each other, one row per pair.

    ``a`` and ``b`` say whose masks: ``reference``, ``model``, ``reader:<id>``, ``consensus`` (the
    majority of all readers) or ``others`` (the majority of the readers but ``a``; for the model
    ``others:reader:<id>``, the readers but that one).
    """

    structures: tuple[str, ...]
    readers: tuple[str, ...]  # ids; only numbers within a case where they are exchangeable
    exchangeable: bool
    case_index: IntArray  # (m,) row of Evidence.case_ids
    structure: IntArray  # (m,) place in `structures`
    a: Sequence[str]  # (m,)
    b: Sequence[str]  # (m,)
    measures: Mapping[str, FloatArray]  # (m,) each; NaN where undefined
    tolerance_mm: float  # of the surface Dice
    in_mm: bool  # False: no file says how large a voxel is, distances are in voxels
    failures: Mapping[str, str] = field(default_factory=dict)  # case id -> error code

    def __post_init__(self) -> None:
        sizes = {self.case_index.size, self.structure.size, len(self.a), len(self.b)}
        sizes |= {column.size for column in self.measures.values()}
        if len(sizes) != 1:
            raise ValueError(f"comparisons must have one row each, got {sorted(sizes)}")

    def rows(self, a: str, b: str) -> IntArray:
        """Rows that compare one with the other; ``reader`` stands for every reader."""
        chosen = [
            at
            for at, (one, other) in enumerate(zip(self.a, self.b, strict=True))
            if one.partition(":")[0] == a and other.partition(":")[0] == b
        ]
        return np.array(chosen, dtype=np.int64)


@dataclass(frozen=True)
class IntakeRecord:
    """What intake read of the model's files, and what the model's author declares."""

    card: JsonObject
    manifest: JsonObject


@dataclass(frozen=True)
class Evidence:
    """One cohort, and what was said about it; n cases in one order everywhere."""

    case_ids: tuple[str, ...]  # (n,)
    cluster: IntArray  # (n,) code of the independent unit a case belongs to
    cluster_kind: Literal["case", "patient", "group"]
    label: tuple[str | None, ...]  # (n,) reference label as given
    present: IntArray | None  # (n,) 1 present, 0 absent, -1 no label; None: no labels at all
    classes: tuple[str, ...]  # of the cohort
    positive: tuple[str, ...]
    covariates: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    prediction: Prediction | None = None
    readings: Readings | None = None
    masks: MaskComparisons | None = None
    intake: IntakeRecord | None = None  # None: no model was handed in
    samples: Samples | None = None
    sampled_masks: SampledMasks | None = None
    no_samples: str = ""  # why there are none and the way out, where that is known
    # Of the model, where a check asks for them; (n, ...) each.
    features: Mapping[str, Float32Array] | None = None  # by layer, (n, d)
    attributions: CaseMaps | None = None
    perturbations: CaseOutputs | None = None
    corruptions: CaseOutputs | None = None
    moves: CaseOutputs | None = None
    randomisations: CaseMaps | None = None
    # Of methods beside that, as numbers: by its name.
    further_randomisations: Mapping[str, ComparedMaps] = field(default_factory=dict)
    normalisations: Normalised | None = None
    gradients: GradientFlow | None = None
    attacks: CaseOutputs | None = None
    blots: Blotted | None = None  # places that recur, taken out and put in
    localisations: Localised | None = None  # maps on the masks of findings, in numbers
    corrupted_masks: MaskCopies | None = None  # against the reference mask
    moved_masks: MaskCopies | None = None  # against the moved mask of the picture
    corrupted_samples: SampledCopies | None = None
    gradient_scores: Mapping[str, FloatArray] | None = None  # of foreign inputs, (n,) by name
    facts: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)  # of the files, (n,) each
    described: CaseImages | None = None  # the images in numbers, where a check asks for them
    images: tuple[tuple[str, ...], ...] = ()  # (n,) SHA-256 of each image; () where nobody asks
    # (n,) SHA-256 of the patient's id, "" where there is none: to be told alike, and no more.
    patients: tuple[str, ...] = ()
    # Cohorts beside this one, run through the same model.
    foreign: Mapping[str, "Evidence"] = field(default_factory=dict)  # by name: to be recognised
    reference: "Evidence | None" = None  # of development
    task: str = "classification"  # of the cohort; "segmentation": it has masks

    def __post_init__(self) -> None:
        n = len(self.case_ids)
        sizes = {"cluster": self.cluster.size, "label": len(self.label)}
        if self.present is not None:
            sizes["present"] = self.present.size
            if not np.isin(self.present, (-1, 0, 1)).all():
                raise ValueError("present must be 1, 0 or -1 (no label)")
        if self.prediction is not None:
            sizes["prediction"] = self.prediction.score.size
        if self.samples is not None:
            sizes["samples"] = self.samples.score.shape[1]
        if self.sampled_masks is not None:
            sizes["sampled masks"] = len(self.sampled_masks.voxels)
        sizes |= {name: len(column) for name, column in self.covariates.items()}
        of_maps = self.further_randomisations
        sizes |= {f"maps by {name}": one.mapped.size for name, one in of_maps.items()}
        sizes |= {f"fact {name}": len(column) for name, column in self.facts.items()}
        if self.images:
            sizes["images"] = len(self.images)
        if self.patients:
            sizes["patients"] = len(self.patients)
        sizes |= {f"features {name}": len(rows) for name, rows in (self.features or {}).items()}
        if self.described is not None:
            sizes["described images"] = len(self.described.pixels)
        for name in ("attributions", "randomisations"):
            if (maps := getattr(self, name)) is not None:
                sizes[name] = len(maps.score)
        for name in ("perturbations", "corruptions", "moves", "attacks"):
            if (versions := getattr(self, name)) is not None:
                sizes[name] = len(versions.outputs)
        if self.blots is not None:
            sizes["blots"] = len(self.blots.outputs)
        if self.localisations is not None:
            sizes["localisations"] = len(self.localisations.numbers[AREA])
        for name in ("corrupted_masks", "moved_masks"):
            if (copies := getattr(self, name)) is not None:
                sizes[name] = len(copies.sizes.marked)
        if self.corrupted_samples is not None:
            sizes["corrupted samples"] = self.corrupted_samples.place.size
        sizes |= {f"score {name}": len(of) for name, of in (self.gradient_scores or {}).items()}
        if self.normalisations is not None:
            sizes["normalisations"] = len(self.normalisations.outputs[STORED])
        if self.gradients is not None:
            sizes["gradients"] = len(self.gradients.norms)
        wrong = {name: size for name, size in sizes.items() if size != n}
        if wrong:
            raise ValueError(f"expected {n} rows for {n} cases, got {wrong}")

    @property
    def n_clusters(self) -> int:
        return int(np.unique(self.cluster).size)

    @property
    def each_case_alone(self) -> bool:
        """True when no two cases share a patient or group."""
        return self.n_clusters == len(self.case_ids)
