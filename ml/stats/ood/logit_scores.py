"""How foreign an input looks from a classifier's logits; every score is higher for more foreign."""

import numpy as np
from scipy import special

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import SMALLEST, checked_count, checked_number, checked_size


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
    logits = _checked(logits)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    best = logits.argmax(axis=1)
    others = shifted.copy()
    others[np.arange(len(logits)), best] = 0.0
    # The sum of the others keeps its digits where 1 - p would round to 0.
    score: FloatArray = others.sum(axis=1) / shifted.sum(axis=1)
    return score


def max_logit(logits: FloatArray) -> FloatArray:
    """Minus the largest logit; higher = more foreign.

    Example:
        >>> max_logit(np.array([[2.0, -1.0]])).tolist()
        [-2.0]

    Source:
        Hendrycks et al. (2022), ICML (Scaling Out-of-Distribution Detection).
    """
    score: FloatArray = -_checked(logits).max(axis=1)
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
    logits = _checked(logits)
    temperature = checked_number("temperature", temperature, above=SMALLEST)
    if len(logits) and (np.abs(special.logsumexp(logits, axis=1)) < 1e-9).all():
        raise ValueError("expected logits, got log-probabilities: their energy is always 0")
    score: FloatArray = -temperature * special.logsumexp(logits / temperature, axis=1)
    return score


def entropy(logits: FloatArray) -> FloatArray:
    """Shannon entropy of the softmax in nats; higher = more foreign.

    Example:
        >>> entropy(np.array([[0.0, 0.0]])).round(4).tolist()
        [0.6931]

    Source:
        Shannon (1948), Bell System Technical Journal 27:379-423.
    """
    score: FloatArray = special.entr(special.softmax(_checked(logits), axis=1)).sum(axis=1)
    return score


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
    p = np.sort(special.softmax(_checked(logits), axis=1), axis=1)
    p = p if top is None else p[:, -checked_count("top", top, 1, p.shape[1]) :]
    score: FloatArray = (p**gamma * (1 - p).clip(0) ** gamma).sum(axis=1)
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
    p, typical = special.softmax(logits, axis=1), special.softmax(reference, axis=1)
    means = np.stack([typical[classes == c].mean(axis=0) for c in np.unique(classes)])
    smallest = np.finfo(np.float64).tiny
    cross = p @ np.log(np.maximum(means, smallest)).T
    score: FloatArray = (-special.entr(p).sum(axis=1)[:, None] - cross).min(axis=1)
    return np.maximum(score, 0.0)  # rounding may pass below 0


def _checked(logits: FloatArray) -> FloatArray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"expected (n, 2 classes or more) logits, got {logits.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite: leave failed cases out and count them")
    return checked_size("logits", logits)
