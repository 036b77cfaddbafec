"""How foreign an input looks from a classifier's logits; every score is higher for more foreign."""

import numpy as np

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import LARGEST, SMALLEST, checked_count, checked_number, checked_size


def max_softmax(logits: FloatArray) -> FloatArray:
    """1 - largest softmax probability; higher = more foreign.

    Args:
        logits: (n, classes), two classes or more; a binary model's single logit z is given
            as (0, z).

    Returns:
        (n,) in 0..1.

    Raises:
        ValueError: for another shape or numbers that are not finite (all functions here).

    Example:
        >>> max_softmax(np.array([[0.0, 0.0]])).tolist()
        [0.5]

    Source:
        Hendrycks, Gimpel (2017), ICLR (MSP).
    """
    softmax = _Softmax(logits)
    score: FloatArray = softmax.others / softmax.total
    return score


def max_logit(logits: FloatArray) -> FloatArray:
    """Minus the largest logit; higher = more foreign.

    Example:
        >>> max_logit(np.array([[2.0, -1.0]])).tolist()
        [-2.0]

    Source:
        Hendrycks et al. (2022), ICML (Scaling Out-of-Distribution Detection).
    """
    score: FloatArray = -np.ascontiguousarray(_checked(logits).T).max(axis=0)
    return score


def energy(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Free energy -T log sum exp(z / T); higher = more foreign.

    Args:
        logits: (n, classes) raw logits. Log-probabilities have energy 0 at T = 1, all alike,
            and are refused.
        temperature: above 0; not the temperature of a calibration.

    Raises:
        ValueError: for log-probabilities, or a temperature not above 0.

    Example:
        >>> energy(np.array([[0.0, 0.0]])).round(4).tolist()
        [-0.6931]

    Source:
        Liu et al. (2020), NeurIPS (Energy-based Out-of-distribution Detection).
    """
    temperature = checked_number("temperature", temperature, above=SMALLEST)
    plain = _Softmax(logits).log_sum
    if plain.size and abs(plain[0]) < 1e-9 and (np.abs(plain) < 1e-9).all():
        raise ValueError("expected logits, got log-probabilities: their energy is always 0")
    if temperature == 1:
        return -plain
    warm: FloatArray = _Softmax(np.asarray(logits, dtype=np.float64) / temperature).log_sum
    return -temperature * warm


def entropy(logits: FloatArray) -> FloatArray:
    """Shannon entropy of the softmax in nats; higher = more foreign.

    Example:
        >>> entropy(np.array([[0.0, 0.0]])).round(4).tolist()
        [0.6931]

    Source:
        Shannon (1948), Bell System Technical Journal 27:379-423.
    """
    return _Softmax(logits).entropy


def generalized_entropy(
    logits: FloatArray, gamma: float = 0.1, top: int | None = None
) -> FloatArray:
    """Sum of p^gamma (1 - p)^gamma over the largest probabilities; higher = more foreign.

    Args:
        logits: (n, classes).
        gamma: 0..1, exclusive of 0; the paper uses 0.1.
        top: how many of the largest probabilities; None means all classes.

    Example:
        >>> generalized_entropy(np.array([[0.0, 0.0]]), gamma=0.5).round(9).tolist()
        [1.0]

    Source:
        Liu, Lochman, Zach (2023), CVPR (GEN); there the score is its negative.
    """
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be above 0 and at most 1, got {gamma}")
    softmax = _Softmax(logits)
    p = np.concatenate([np.ones((1, softmax.total.size)), softmax.shares]) / softmax.total
    if top is not None:
        p = np.sort(p, axis=0)[-checked_count("top", top, 1, len(p)) :]
    score: FloatArray = ((p * (1 - p).clip(0)) ** gamma).sum(axis=0)
    return score


def kl_matching(
    logits: FloatArray, reference_logits: FloatArray, reference_classes: IntArray | None = None
) -> FloatArray:
    """Least KL divergence to a typical softmax of a class; higher = more foreign.

    Args:
        logits: (n, classes) inputs to score.
        reference_logits: (m, classes) in-distribution inputs, not those scored.
        reference_classes: (m,) class of each; None takes the predicted class.

    Returns:
        (n,) min over classes seen of KL(p || mean softmax of that class), nats.

    Example:
        >>> own = np.array([[2.0, 0.0]])
        >>> kl_matching(own, own).round(9).tolist()
        [0.0]

    Source:
        Hendrycks et al. (2022), ICML, section 4 (KL matching).
    """
    logits, reference = _checked(logits), _checked(reference_logits)
    if logits.shape[1] != reference.shape[1] or not len(reference):
        raise ValueError(f"expected the same classes, got {logits.shape} and {reference.shape}")
    classes = reference.argmax(axis=1) if reference_classes is None else reference_classes
    classes = np.asarray(classes)
    if classes.shape != reference.shape[:1]:
        raise ValueError(f"expected a class for each of {len(reference)}, got {classes.shape}")
    own, typical = _probabilities(logits), _probabilities(reference)
    means = np.stack([typical[:, classes == c].mean(axis=1) for c in np.unique(classes)])
    smallest = np.finfo(np.float64).tiny
    cross = np.log(np.maximum(means, smallest)) @ own
    score: FloatArray = -_Softmax(logits).entropy - cross.max(axis=0)
    return np.maximum(score, 0.0)  # rounding may pass below 0


class _Softmax:
    """The softmax of logits (n, classes) without the order of classes, which few scores need.

    The exponential of the largest is 1 and not computed: of few classes that is much of the work.

    Attributes:
        largest: (n,) logit.
        below: (classes - 1, n) all other logits, less the largest.
        shares: (classes - 1, n) their exponentials.
        others: (n,) sum of these: it has digits where 1 - the largest probability has none.
        total: (n,) sum of all exponentials.
    """

    def __init__(self, logits: FloatArray) -> None:
        rows = np.ascontiguousarray(_checked(logits).T)
        self.largest, self.below = rows[0], np.empty((len(rows) - 1, rows.shape[1]))
        for other, row in zip(self.below, rows[1:], strict=True):
            np.minimum(self.largest, row, out=other)
            self.largest = np.maximum(self.largest, row)
        self.below -= self.largest
        self.shares = np.exp(self.below)
        self.others: FloatArray = self.shares.sum(axis=0)
        self.total: FloatArray = 1 + self.others

    @property
    def log_sum(self) -> FloatArray:
        found: FloatArray = self.largest + np.log(self.total)
        return found

    @property
    def entropy(self) -> FloatArray:
        mean: FloatArray = (self.shares * self.below).sum(axis=0) / self.total
        found: FloatArray = np.log(self.total) - mean
        return found


def _probabilities(logits: FloatArray) -> FloatArray:
    """(classes, n) of logits (n, classes): sums over few classes are fast so."""
    rows = np.ascontiguousarray(logits.T)
    rows = np.exp(rows - rows.max(axis=0))
    found: FloatArray = rows / rows.sum(axis=0)
    return found


def _checked(logits: FloatArray) -> FloatArray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"expected (n, 2 classes or more) logits, got {logits.shape}")
    largest = max(logits.max(initial=0.0), -logits.min(initial=0.0))
    if SMALLEST <= largest <= LARGEST:  # so none is missing either
        return logits
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite: leave failed cases out and count them")
    return checked_size("logits", logits)
