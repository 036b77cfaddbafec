"""Features that detectors are measured on: of a trained network, drawn, and of white noise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.stats.ood import head_scores

CLASSES = 3  # of drawn features
PICTURES, SEED = 1_000, 20261127  # that the network is trained on
_AT_ONCE = 500  # through the network
# Growth and layers of a network of that many features: growth (1 + a + 2 b + 4 c) / 4.
LAYERS = {1024: (32, (7, 12, 24)), 24: (12, (1, 1, 1))}
Float32 = Any  # arrays in single precision, which measures of ml/stats take as well


@dataclass(frozen=True)
class Cached:
    """What a pass left of fitted and of scored cases, in single precision."""

    features: Float32  # (cases, width)
    logits: Float32  # (cases, classes)
    new: Float32
    new_logits: Float32
    weights: Float32  # (width, classes)
    bias: Float32

    @property
    def classes(self) -> NDArray[np.int64]:
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def head(self) -> head_scores.Head:
        return head_scores.Head(self.weights.astype(np.float64), self.bias.astype(np.float64))


@cache
def drawn(cases: int, width: int) -> Cached:
    """Not below 0, around a mean of each class, variance of directions falling as 1 / rank."""
    rng = np.random.default_rng(SEED)
    spread = (1 + np.arange(width)) ** -0.5
    turned = np.linalg.qr(rng.normal(size=(width, width)))[0]
    means = rng.normal(size=(CLASSES, width))

    def features(classes: NDArray[np.int64], scale: float) -> Float32:
        away = (rng.normal(size=(cases, width)) * spread * scale) @ turned * width**0.5 / 4
        return np.maximum(1 + means[classes] / 2 + away, 0).astype(np.float32)

    known = features(rng.integers(0, CLASSES, cases), 1.0)
    new = features(rng.integers(0, CLASSES, cases), 1.5)
    weights = (means.T * (4 / width)).astype(np.float32)
    return _with_head(known, new, weights, rng.normal(size=CLASSES).astype(np.float32) / 10)


@cache
def white_noise(cases: int, width: int) -> Cached:
    """All directions alike, and no point nearer than another: no network's features are."""
    rng = np.random.default_rng(SEED)
    known, new = rng.standard_normal((2, cases, width), dtype=np.float32)
    weights = rng.standard_normal((width, CLASSES), dtype=np.float32)
    return _with_head(known, new, weights, np.zeros(CLASSES, np.float32))


@cache
def of_a_network(cases: int, width: int) -> Cached:
    """Of a DenseNet that was trained to find spots, in simulated pictures that it has not seen.

    The scored ones are noisier than those that it was trained on.
    """
    from ml.zoo.spots import spots
    from ml.zoo.trained import Recipe, features_of, trained

    growth, blocks = LAYERS[width]
    pictures, labels = spots(PICTURES, SEED)
    network = trained(pictures, labels, SEED, Recipe(growth=growth, blocks=blocks))

    def features(seed: int, noise: float) -> Float32:
        seen, _ = spots(cases, seed, noise=noise)
        parts = [features_of(network, seen[at : at + _AT_ONCE]) for at in range(0, cases, _AT_ONCE)]
        return np.concatenate(parts).astype(np.float32)

    last = network.class_layers.out
    weights, bias = last.weight.detach().numpy().T.copy(), last.bias.detach().numpy()
    return _with_head(features(1, 0.1), features(2, 0.15), weights, bias)


def _with_head(known: Float32, new: Float32, weights: Float32, bias: Float32) -> Cached:
    return Cached(known, known @ weights + bias, new, new @ weights + bias, weights, bias)


KINDS: dict[str, Callable[[int, int], Cached]] = {
    "features of a trained network": of_a_network,
    "drawn features": drawn,
    "white noise": white_noise,
}
