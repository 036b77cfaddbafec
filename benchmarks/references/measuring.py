"""One condition under one seed: an ensemble is trained, its doubt about other pictures split."""

from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from scipy import special
from scipy.optimize import minimize_scalar

from benchmarks.references.pictures import Pictures
from ml.estimate import JsonObject
from ml.stats.bootstrap import Settings
from ml.stats.uncertainty.decomposition import EntropyParts, entropy_parts
from ml.stats.uncertainty.selective import failure_auroc
from ml.zoo.trained import (
    DEFAULT,
    Float32Array,
    FloatArray,
    IntArray,
    Recipe,
    dropout_logits,
    ensemble_logits,
    trained,
)

MEMBERS, SAMPLES = 5, 20
N_TEST, N_HELD = 300, 120
_QUICK = Settings(draws=0)
_QUARTER = 0.75


@dataclass(frozen=True)
class Condition:
    """What the networks were trained on.

    Attributes:
        images: how many.
        label_noise: share of the labels that were turned round, of training and held-out cases.
        image_noise: standard deviation of the noise that was added to every picture, of test
            cases too, as a share of the intensity range: what it hides no training brings back.
    """

    images: int
    label_noise: float = 0.0
    image_noise: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.images}-{self.label_noise:g}-{self.image_noise:g}"


BASE = Condition(800)
SIZES = (Condition(50), Condition(125), Condition(320), BASE)
LABELS = (BASE, Condition(800, label_noise=0.15), Condition(800, label_noise=0.3))
IMAGES = (BASE, Condition(800, image_noise=0.15), Condition(800, image_noise=0.3))
CONDITIONS = tuple(dict.fromkeys((*SIZES, *LABELS, *IMAGES)))


@dataclass(frozen=True)
class Measured:
    """Means over the test cases of one seed, in bits; errors are those of the ensemble's mean.

    Attributes:
        claimed: mean probability that members give their own answers, less how often these are
            right: above 0, they are too sure.
        calibrated_aleatoric, calibrated_epistemic: after each member's logits are divided by the
            temperature that fits held-out cases best.
        failure: AUROC of errors by epistemic uncertainty, with the ends of its interval.
        wrong_high, n_high: errors among the quarter with the highest epistemic uncertainty.
    """

    seed: int
    accuracy: float
    total: float
    aleatoric: float
    epistemic: float
    dropout_aleatoric: float
    dropout_epistemic: float
    calibrated_aleatoric: float
    calibrated_epistemic: float
    claimed: float
    failure: float | None
    failure_low: float | None
    failure_high: float | None
    wrong_high: int
    n_high: int
    wrong: int
    n: int

    def to_json(self) -> JsonObject:
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def measured(
    pictures: Pictures, condition: Condition, seed: int, *, members: int = MEMBERS,
    samples: int = SAMPLES, n_test: int = N_TEST, n_held: int = N_HELD,
    recipe: Recipe = DEFAULT,
) -> Measured:  # fmt: skip
    """Train and measure; the seed draws the split, the noise and the members.

    Raises:
        ValueError: where the pictures are fewer than are asked for.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(pictures.labels))
    test, held, rest = np.split(order, [n_test, n_test + n_held])
    if condition.images > rest.size:
        raise ValueError(f"{rest.size} pictures are left to train on, not {condition.images}")
    values, labels = _noisy(pictures, condition, seed)
    train = rest[: condition.images]
    networks = [
        trained(values[train], labels[train], 1000 * seed + member, recipe)
        for member in range(members)
    ]
    return _of_answers(
        seed,
        ensemble_logits(networks, values[test]),
        dropout_logits(networks[0], values[test], samples, seed),
        ensemble_logits(networks, values[held]),
        labels[held],
        pictures.labels[test],  # as they are: an error is an error against the true label
    )


def _noisy(pictures: Pictures, condition: Condition, seed: int) -> tuple[Float32Array, IntArray]:
    """The larger noise turns the same labels round as the smaller, and more."""
    turned = np.random.default_rng([seed, 2]).random(len(pictures.labels)) < condition.label_noise
    noise = np.random.default_rng([seed, 3]).standard_normal(pictures.values.shape)
    values = pictures.values + condition.image_noise * noise
    return values.astype(np.float32), np.where(turned, 1 - pictures.labels, pictures.labels)


def _of_answers(
    seed: int, test: FloatArray, dropped: FloatArray, held: FloatArray, held_labels: IntArray,
    labels: IntArray,
) -> Measured:  # fmt: skip
    each = special.softmax(test, axis=2)
    parts, dropout = _parts(each), _parts(special.softmax(dropped, axis=2))
    scale = np.array([_temperature(one, held_labels) for one in held])[:, None, None]
    calibrated = _parts(special.softmax(test / scale, axis=2))
    wrong = parts.mean.argmax(axis=1) != labels
    high = parts.epistemic > np.quantile(parts.epistemic, _QUARTER)
    failure = failure_auroc(-parts.epistemic, wrong.astype(np.int64), None, _QUICK)
    return Measured(
        seed=seed,
        accuracy=float(1 - wrong.mean()),
        total=float(parts.total.mean()),
        aleatoric=float(parts.aleatoric.mean()),
        epistemic=float(parts.epistemic.mean()),
        dropout_aleatoric=float(dropout.aleatoric.mean()),
        dropout_epistemic=float(dropout.epistemic.mean()),
        calibrated_aleatoric=float(calibrated.aleatoric.mean()),
        calibrated_epistemic=float(calibrated.epistemic.mean()),
        claimed=float(each.max(axis=2).mean() - (each.argmax(axis=2) == labels).mean()),
        failure=failure.value,
        failure_low=failure.low,
        failure_high=failure.high,
        wrong_high=int(wrong[high].sum()),
        n_high=int(high.sum()),
        wrong=int(wrong.sum()),
        n=int(wrong.size),
    )


def _parts(probabilities: FloatArray) -> EntropyParts:
    return entropy_parts(probabilities, unit="bits")


def _temperature(logits: FloatArray, labels: IntArray) -> float:
    """By which held-out logits (n, 2) are divided so that their log loss is lowest."""

    def loss(logarithm: float) -> float:
        scaled = special.log_softmax(logits / np.exp(logarithm), axis=1)
        return float(-scaled[np.arange(labels.size), labels].mean())

    return float(np.exp(cast(float, minimize_scalar(loss, bounds=(-2, 4), method="bounded").x)))
