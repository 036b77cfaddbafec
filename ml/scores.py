"""From what a network gives to what it means: probabilities by the declared activation."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from ml.intake.model_manifest import Scores

FloatArray = NDArray[np.float64]
SUM_TOLERANCE = 1e-3  # of probabilities that add up to 1 in single precision
_LEAST = 1e-300  # a probability of 0, where its logarithm is wanted


def activated(raw: FloatArray, declared: Scores) -> FloatArray:
    """Probabilities of each row; NaN rows where the numbers are not what was declared.

    Args:
        raw: (..., k) outputs.
        declared: kind and activation.

    Returns:
        (..., k) 0..1. Declared probabilities are taken as they are, never rescaled.

    Example:
        >>> logits = Scores(kind="logits", activation="softmax", classes=["a", "b"], positive=["b"])
        >>> activated(np.array([0.0, 0.0]), logits)
        array([0.5, 0.5])
    """
    usable = np.asarray(np.isfinite(raw).all(axis=-1))
    known = np.where(usable[..., None], raw, 0.0)
    if declared.kind == "logits":
        found = _softmax(known) if declared.activation == "softmax" else _sigmoid(known)
    else:
        usable &= (known.min(axis=-1) >= -SUM_TOLERANCE) & (known.max(axis=-1) <= 1 + SUM_TOLERANCE)
        if declared.softmax:
            usable &= np.abs(known.sum(axis=-1) - 1) <= SUM_TOLERANCE
        found = known.clip(0, 1)
    return np.where(usable[..., None], found, np.nan)


def _softmax(raw: FloatArray) -> FloatArray:
    powers = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return cast(FloatArray, powers / powers.sum(axis=-1, keepdims=True))


def _sigmoid(raw: FloatArray) -> FloatArray:
    # Of the two forms, each is used where it cannot overflow.
    small = np.exp(-np.abs(raw))
    return np.where(raw >= 0, 1 / (1 + small), small / (1 + small))


def mean_outputs(raw: FloatArray, declared: Scores) -> FloatArray:
    """One output for several of the same case: what gives the mean of their probabilities.

    Probabilities are averaged, never logits. Where logits are declared the mean is put back on
    their scale, so that whoever activates an output as declared has the mean.

    Args:
        raw: (t, ..., k) outputs of t members or samples.
        declared: kind and activation.

    Returns:
        (..., k). Where the numbers of one are not what was declared, they stand there as they
        are: the case is turned down as a single model's would be.

    Source:
        Lakshminarayanan, Pritzel, Blundell (2017), NeurIPS, section 2.4.

    Example:
        >>> shares = Scores(kind="probabilities", classes=["a", "b"], positive=["b"])
        >>> mean_outputs(np.array([[1.0, 0.0], [0.5, 0.5]]), shares)
        array([0.75, 0.25])
    """
    each = activated(raw, declared)
    wrong = np.asarray(np.isnan(each).any(axis=-1))
    first = np.take_along_axis(raw, wrong.argmax(axis=0)[None, ..., None], axis=0)[0]
    mean = _as_declared(each.mean(axis=0), declared)
    return np.where(np.asarray(wrong.any(axis=0))[..., None], first, mean)


def _as_declared(probabilities: FloatArray, declared: Scores) -> FloatArray:
    if declared.kind == "probabilities":
        return probabilities
    present = np.log(np.maximum(probabilities, _LEAST))
    if declared.activation == "softmax":
        return present
    return present - np.log(np.maximum(1 - probabilities, np.finfo(np.float64).epsneg))


def finding_score(probabilities: FloatArray, declared: Scores) -> FloatArray:
    """P(finding present): the probabilities of the positive classes, added.

    Where the classes exclude each other, that is also 1 minus the other classes. Of the two, the
    one that adds fewer numbers is taken, and the positive classes themselves when both add as
    many: a model with several kinds of finding and one "none" is scored by 1 - P(none).

    Args:
        probabilities: (..., k) 0..1, NaN rows where a case failed.
        declared: classes, positive classes and activation.

    Returns:
        (...) 0..1, NaN where a case failed.

    Source:
        docs/adr/0008-score-of-several-positive-classes.md

    Example:
        >>> kinds = Scores(kind="probabilities", classes=["a", "b", "none"], positive=["a", "b"])
        >>> finding_score(np.array([[0.25, 0.25, 0.5]]), kinds)
        array([0.5])
    """
    counted = [declared.classes.index(name) for name in declared.positive]
    others = [at for at in range(len(declared.classes)) if at not in counted]
    if declared.softmax and len(others) < len(counted):
        score = 1 - probabilities[..., others].sum(axis=-1)
    else:
        score = probabilities[..., counted].sum(axis=-1)
    return cast(FloatArray, score.clip(0, 1))
