"""Foreign inputs by the last linear layer: its activations cut, or held against class patterns.

Every score is higher for more foreign.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import SMALLEST, checked_number, checked_share, checked_size
from ml.stats.ood.logit_scores import energy

_NOISE = 1e-5  # singular values below this share of the largest are rounding of single precision
_SINGLE = (1e-15, 1e15)  # sizes whose squares and their sums single precision holds
_ROWS = 256  # cut at once
_SAMPLE = 2**16  # numbers of a sample that says where a rank lies
_MARGIN = 2.5  # square roots of that many numbers, on either side: 8 standard deviations at 0.9
_FIT = 1e-3  # of the spread of the logits, that a linear layer is off by at most


@dataclass(frozen=True)
class Head:
    """A last linear layer: logits = features @ weights + bias."""

    weights: FloatArray  # (d, classes)
    bias: FloatArray  # (classes,)

    @property
    def origin(self) -> FloatArray:
        """(d,) where all logits are 0, as near to 0 as it can be: -pinv(W) b.

        Source:
            Wang et al. (2022), CVPR (ViM), section 4.
        """
        found: FloatArray = -np.linalg.pinv(self.weights.T) @ self.bias
        return found


def linear_head(features: FloatArray, logits: FloatArray) -> Head | str:
    """The layer between penultimate features and logits, solved from what it was seen to do.

    That is exact, not a model of it: a linear layer is known from as many independent inputs as
    it has. Rows may be of any cohort, foreign ones too. A feature that is 0 in all of them gets
    weight 0, which no score of these rows depends on.

    Args:
        features: (n, d) what the layer reads.
        logits: (n, classes) what it gives.

    Returns:
        The layer, or in words why it is not known.

    Raises:
        ValueError: for other shapes or numbers that are not finite.

    Example:
        >>> head = linear_head(np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [5.0]]))
        >>> head.weights.round(6).tolist(), head.bias.round(6).tolist()
        ([[2.0]], [1.0])
    """
    features, logits = _rows(features), _rows(logits)
    if len(features) != len(logits):
        raise ValueError(f"expected logits of {len(features)} rows, got {len(logits)}")
    used = np.flatnonzero((features != 0).any(axis=0))
    if len(features) <= used.size:
        return (
            f"its last layer reads {used.size:,} features that are not always 0, and "
            f"{len(features):,} cases are too few to tell its weights"
        )
    known = np.column_stack([features[:, used], np.ones(len(features))])
    scale = np.abs(known).max(axis=0)
    solved, _, rank, _ = np.linalg.lstsq(known / scale, logits, rcond=_NOISE)
    if rank < known.shape[1]:
        return "features of its last layer move together, so that its weights are not told apart"
    off = np.abs(known / scale @ solved - logits).max()
    if off > _FIT * max(float(logits.std()), np.finfo(np.float64).tiny):
        return "its logits are no linear function of its features"
    solved = solved / scale[:, None]
    weights = np.zeros((features.shape[1], logits.shape[1]))
    weights[used] = solved[:-1]
    return Head(weights, solved[-1])


def react_threshold(training: FloatArray, share: float = 0.9) -> float:
    """The activation that a share of all training activations lies below.

    Args:
        training: (n, d) features of the training set.
        share: 0..1; the paper uses 0.9.

    Example:
        >>> react_threshold(np.array([[0.0, 1.0], [2.0, 10.0]]), 0.5)
        1.5

    Source:
        Sun, Guo, Li (2021), NeurIPS (ReAct), section 3.
    """
    (training,) = as_given(training)
    if not training.size:
        raise ValueError("a threshold needs training features")
    place = checked_share("share", share) * (training.size - 1)
    below = int(place)
    low, high = _of_ranks(training.ravel(), below, min(below + 1, training.size - 1))
    return low + (high - low) * (place - below)


def react(features: FloatArray, head: Head, threshold: float) -> FloatArray:
    """Energy of the logits that remain when activations are cut at a threshold.

    Args:
        features: (n, d) what the last layer reads.
        head: that layer.
        threshold: see :func:`react_threshold`.

    Returns:
        (n,) -log sum exp of the logits of min(features, threshold).

    Raises:
        ValueError: for other shapes or numbers that are not finite.

    Example:
        >>> head = Head(np.array([[1.0, 0.0]]), np.zeros(2))
        >>> react(np.array([[1.0], [9.0]]), head, 1.0).round(4).tolist()
        [-1.3133, -1.3133]

    Source:
        Sun, Guo, Li (2021), NeurIPS (ReAct: Out-of-distribution Detection With Rectified
        Activations), with the energy of Liu et al. (2020) at T = 1.
    """
    (features,) = as_given(features)
    if features.shape[1] != len(head.weights):
        raise ValueError(f"expected {len(head.weights)} features, got {features.shape[1]}")
    if not np.isfinite(threshold):
        raise ValueError(f"the threshold must be finite, got {threshold}")
    weights, most = head.weights.astype(features.dtype), features.dtype.type(threshold)
    logits = np.empty((len(features), weights.shape[1]))
    for start in range(0, len(features), _ROWS):  # what is cut stays near the processor
        part = slice(start, start + _ROWS)
        logits[part] = np.minimum(features[part], most) @ weights
    return energy(logits + head.bias)


def hopfield(
    features: FloatArray, predicted: IntArray, training: FloatArray, training_classes: IntArray
) -> FloatArray:
    """SHE: minus the product with the mean feature of the predicted class.

    Args:
        features: (n, d).
        predicted: (n,) class that the model answers.
        training: (m, d) features of training inputs that the model answers rightly, as far as
            that is known.
        training_classes: (m,) class of each.

    Returns:
        (n,) -<feature, pattern of the class>. Of a class without a training input 0, the least
        that a pattern of activations above 0 can give.

    Raises:
        ValueError: for other shapes or numbers that are not finite.

    Example:
        >>> train = np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
        >>> hopfield(np.array([[1.0, 5.0], [1.0, 5.0]]), np.array([0, 1]), train,
        ...     np.array([0, 0, 1])).tolist()
        [-3.0, -5.0]

    Source:
        Zhang et al. (2023), ICLR (Out-of-Distribution Detection based on In-Distribution Data
        Patterns Memorization with Modern Hopfield Energy), equation 8 (inner product).
    """
    features, training = as_given(features, training)
    predicted, classes = np.asarray(predicted), np.asarray(training_classes)
    if features.shape[1] != training.shape[1]:
        raise ValueError(f"expected {training.shape[1]} features, got {features.shape[1]}")
    if predicted.shape != (len(features),) or classes.shape != (len(training),):
        raise ValueError("expected a class for each row")
    score = np.zeros(len(features))
    for one in np.unique(predicted):
        own = classes == one
        if own.any():
            chosen = predicted == one
            pattern = training[own].mean(axis=0, dtype=np.float64).astype(features.dtype)
            score[chosen] = -(features[chosen] @ pattern)
    return score


def gradnorm(features: FloatArray, logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """GradNorm of the last layer's weights, from what it reads and gives: no backward is needed.

    The gradient of the cross-entropy to equal shares by these weights is the outer product of
    (softmax - 1 / classes) / T and the features, whose L1 norm is the product of both norms.

    Args:
        features: (n, d) what the last layer reads.
        logits: (n, classes) what it gives.
        temperature: above 0, that logits are divided by.

    Returns:
        (n,) minus that norm; higher = more foreign.

    Raises:
        ValueError: for other shapes, or numbers that are not finite.

    Example:
        >>> gradnorm(np.array([[2.0, -1.0]]), np.array([[0.0, 0.0]])).tolist()
        [-0.0]

    Source:
        Huang, Geng, Li (2021), NeurIPS (On the Importance of Gradients for Detecting
        Distributional Shifts in the Wild), equations 4 and 8.
    """
    features, logits = _rows(features), _rows(logits)
    if len(features) != len(logits):
        raise ValueError(f"expected logits of {len(features)} rows, got {len(logits)}")
    temperature = checked_number("temperature", temperature, above=SMALLEST)
    away = special.softmax(logits / temperature, axis=1) - 1 / logits.shape[1]
    norm: FloatArray = np.abs(away).sum(axis=1) / temperature * np.abs(features).sum(axis=1)
    return -norm


def as_given(*given: FloatArray) -> list[FloatArray]:
    """Arrays (n, d) of numbers in single precision where all are, as networks give features.

    Products of them then take half the time. Numbers whose squares single precision cannot hold
    are taken in double, as all others.

    Raises:
        ValueError: for other shapes or numbers that are not finite.

    Example:
        >>> [x.dtype.name for x in as_given(np.ones((2, 3), np.float32))]
        ['float32']
    """
    single = all(np.asarray(x).dtype == np.float32 for x in given)
    if not single or any(_too_large(np.asarray(x)) for x in given):
        return [_rows(x) for x in given]
    for x in given:
        if x.ndim != 2 or x.shape[1] < 1:
            raise ValueError(f"expected (n, d) numbers, got {x.shape}")
    return list(given)


def _of_ranks(numbers: FloatArray, first: int, last: int) -> tuple[float, float]:
    """The numbers of two ranks, from 0, next to each other.

    All are compared with two numbers of a sample that lie on either side of them, and those in
    between alone are put in order: exact, and many times faster than to part all of them.
    """
    step = numbers.size // _SAMPLE | 1  # odd: every column of a table with an even number of them
    sample = np.sort(numbers[::step])
    place, margin = first / step, _MARGIN * sample.size**0.5
    low = sample[max(0, int(place - margin))]
    high = sample[min(sample.size - 1, int(place + margin) + 1)]
    inside = numbers[(numbers >= low) & (numbers <= high)]
    below = int(np.count_nonzero(numbers < low))
    if not below <= first <= last < below + inside.size:  # the sample was unlike the rest
        inside, below = numbers, 0
    ranks = [first - below, last - below]
    found = np.partition(inside, ranks)[ranks]
    return float(found[0]), float(found[1])


def _too_large(numbers: FloatArray) -> bool:
    """For single precision, or not finite."""
    largest = max(numbers.max(initial=0), -numbers.min(initial=0))
    return not (largest == 0 or _SINGLE[0] < largest < _SINGLE[1])


def _rows(numbers: FloatArray) -> FloatArray:
    numbers = np.asarray(numbers, dtype=np.float64)
    if numbers.ndim != 2 or numbers.shape[1] < 1:
        raise ValueError(f"expected (n, d) numbers, got {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("numbers must be finite: leave failed cases out and count them")
    return checked_size("numbers", numbers)
