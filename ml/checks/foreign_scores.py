"""Every score of foreignness that evidence allows, fitted where it has to be, or why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ml.checks.foreign_sides import Side
from ml.estimate import counted
from ml.evidence.passes import ODIN
from ml.evidence.tables import FloatArray, IntArray
from ml.stats.clusters import MIN_CLUSTERS
from ml.stats.ood import head_scores, logit_scores
from ml.stats.ood.feature_scores import (
    fit_gaussians,
    knn_distance,
    mahalanobis,
    relative_mahalanobis,
    virtual_logit,
)
from ml.stats.ood.head_scores import Head, linear_head

FOLDS = 5
NEIGHBOUR = 5
LABELS = {
    "msp": "MSP",
    "max-logit": "max logit",
    "energy": "energy",
    "entropy": "entropy",
    "gen": "GEN",
    "mutual-information": "mutual information",
    "mahalanobis": "Mahalanobis",
    "relative-mahalanobis": "relative Mahalanobis",
    "knn": "kNN",
    "vim": "ViM",
    "react": "ReAct",
    "she": "SHE",
    "kl-matching": "KL matching",
    "odin": "ODIN",
    "gradnorm": "GradNorm",
}
GRADIENTS = frozenset({"odin", "gradnorm"})  # where a protocol asks for them
_OF_LOGITS = frozenset({"max-logit", "energy", "vim", "react"})
_OF_FEATURES = frozenset(
    {"mahalanobis", "relative-mahalanobis", "knn", "vim", "react", "she", "gradnorm"}
)
_WIDEST = 4096  # features whose principal space is looked for

Scorer = Callable[[Side], FloatArray]
Fit = Callable[[Side], Scorer]  # raises ValueError with why it cannot be


@dataclass(frozen=True)
class Score:
    """One score of the audited cases (n,) and of each foreign cohort's; higher = more foreign."""

    name: str
    own: FloatArray
    foreign: Mapping[str, FloatArray]
    how: str  # what it was fitted on, in words; "" where nothing is

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True)
class Scores:
    found: tuple[Score, ...]
    missing: Mapping[str, str]  # name -> why


def scores_of(
    own: Side, foreign: Sequence[Side], reference: Side | None = None, *, seed: int = 0,
    gradients: bool = False,
) -> Scores:  # fmt: skip
    """All scores that can be computed.

    Args:
        own: of the audited cohort.
        foreign: cohorts, each with a case at least.
        reference: of development, which statistics are fitted on; None fits them on the audited
            cohort, in folds of whole patients: each case is held against the other folds, and a
            foreign case against each fold's statistics, whose mean is taken.
        seed: of the folds.
        gradients: those of gradients are asked for too.
    """
    found, missing = [], {}
    head = _head([own, *foreign, *([reference] if reference else [])])
    fits = _fits(head)
    for name in [one for one in LABELS if gradients or one not in GRADIENTS]:
        try:
            reason = _lacking(name, own, foreign, reference)
            if reason:
                raise ValueError(reason)
            if name in _PLAIN:
                score = _PLAIN[name]
                found.append(Score(name, score(own), {s.name: score(s) for s in foreign}, ""))
            else:
                found.append(_fitted(name, fits[name], own, foreign, reference, seed))
        except ValueError as reason_why:
            missing[name] = str(reason_why)
    return Scores(tuple(found), missing)


def _mutual_information(side: Side) -> FloatArray:
    assert side.doubt is not None
    return side.doubt


def _norm_of_gradient(side: Side) -> FloatArray:
    """Of the last layer: a product of arrays that are there, for which nothing is run."""
    return head_scores.gradnorm(_wide(side), side.logits)


_PLAIN: dict[str, Scorer] = {
    "msp": lambda side: logit_scores.max_softmax(side.logits),
    "max-logit": lambda side: logit_scores.max_logit(side.logits),
    "energy": lambda side: logit_scores.energy(side.logits),
    "entropy": lambda side: logit_scores.entropy(side.logits),
    "gen": lambda side: logit_scores.generalized_entropy(side.logits),
    "mutual-information": _mutual_information,
    "odin": lambda side: side.gradients[ODIN],
    "gradnorm": _norm_of_gradient,
}


def _fits(head: Head | str) -> dict[str, Fit]:
    return {
        "mahalanobis": partial(_gaussian, measure=mahalanobis),
        "relative-mahalanobis": partial(_gaussian, measure=relative_mahalanobis),
        "knn": _nearest,
        "vim": partial(_virtual, head=head),
        "react": partial(_cut, head=head),
        "she": _hopfield,
        "kl-matching": lambda fit: lambda side: logit_scores.kl_matching(side.logits, fit.logits),
    }


def _lacking(name: str, own: Side, foreign: Sequence[Side], reference: Side | None) -> str:
    """Why a score cannot be, as far as that is known before it is tried."""
    every = [own, *foreign]
    if name == "mutual-information" and any(side.doubt is None for side in every):
        return "there is one answer to each case, and several are needed."
    if name in GRADIENTS and (why := _no_gradients(name, every)):
        return why
    if name in _OF_FEATURES:
        if any(side.features is None for side in every):
            return "there are no features, which take a model that can be looked into."
        if reference is not None and reference.features is None:
            return "the reference cohort has no features."
    if name in _OF_LOGITS and own.no_logits:
        return f"{own.no_logits[0].lower()}{own.no_logits[1:]}"
    if name not in _PLAIN:
        fit = reference or own
        if fit.clusters.count < MIN_CLUSTERS:
            return (
                f"there are {fit.clusters.words} to fit it on, and at least {MIN_CLUSTERS} "
                "are needed."
            )
    return ""


def _no_gradients(name: str, every: Sequence[Side]) -> str:
    prediction = every[0].evidence.prediction
    if prediction is not None and not prediction.exclusive and len(prediction.classes) > 1:
        return "its findings do not exclude each other."
    if name != ODIN:
        return ""
    if any(ODIN not in side.gradients for side in every):
        return "its gradients were not taken, which needs a model that can be looked into."
    lost = sum(int(np.isnan(side.gradients[ODIN]).sum()) for side in every)
    if lost == sum(side.n for side in every):
        return "no gradient can be taken through its input, or its logits are not to be had."
    return f"of {counted(lost, 'case')} there is no gradient." if lost else ""


def _fitted(
    name: str, fit: Fit, own: Side, foreign: Sequence[Side], reference: Side | None, seed: int
) -> Score:
    if reference is not None:
        scorer = fit(reference)
        words = f"fitted on the reference cohort, {reference.n:,} cases"
        return Score(name, scorer(own), {side.name: scorer(side) for side in foreign}, words)
    fold = folds_of(own, seed)
    mine = np.empty(own.n)
    theirs = {side.name: np.zeros(side.n) for side in foreign}
    for at in range(FOLDS):
        scorer = fit(own.where(np.flatnonzero(fold != at)))
        held = np.flatnonzero(fold == at)
        mine[held] = scorer(own.where(held))
        for side in foreign:
            theirs[side.name] += scorer(side) / FOLDS
    words = f"cross-fitted on the audited cohort, {FOLDS} folds of whole {own.clusters.kind}s"
    return Score(name, mine, theirs, words)


def folds_of(side: Side, seed: int) -> IntArray:
    """(n,) fold of each case; cases of one cluster share it."""
    order = np.random.default_rng([seed, FOLDS]).permutation(side.clusters.count)
    found: IntArray = (order % FOLDS)[side.clusters.codes].astype(np.int64)
    return found


def _head(sides: Sequence[Side]) -> Head | str:
    """The last layer, from every case of every cohort: it is the model's own, nothing is fitted."""
    if any(side.features is None for side in sides) or any(side.no_logits for side in sides):
        return "its logits and features are not both known"
    features = np.concatenate([_features(side) for side in sides])
    logits = np.concatenate([side.logits for side in sides])
    if sides[0].evidence.prediction is not None and not sides[0].evidence.prediction.exclusive:
        logits = logits[:, 1:]  # the first is 0 by construction
    found = linear_head(features, logits)
    if isinstance(found, str) or logits.shape[1] > 1:
        return found
    return Head(
        np.column_stack([np.zeros_like(found.weights), found.weights]),
        np.concatenate([[0.0], found.bias]),
    )


def _features(side: Side) -> Any:
    """In single precision, as they were kept: scores take what they need more of."""
    assert side.features is not None
    return side.features


def _wide(side: Side) -> FloatArray:
    found: FloatArray = _features(side).astype(np.float64)
    return found


def _gaussian(fit: Side, *, measure: Callable[..., FloatArray]) -> Scorer:
    """Of features in the space that the fitted cases span: the rest has no variance to divide by,
    and a pseudo-inverse leaves it out as well."""
    features = _wide(fit)
    middle = features.mean(axis=0)
    basis = None
    if features.shape[1] > len(features):
        _, sizes, axes = np.linalg.svd(features - middle, full_matrices=False)
        basis = axes[sizes > sizes.max(initial=0) * 1e-10].T
    turned = features - middle if basis is None else (features - middle) @ basis
    if not turned.shape[1]:
        raise ValueError("all fitted cases have the same features.")
    fitted = fit_gaussians(turned, fit.predicted)

    def score(side: Side) -> FloatArray:
        around = _wide(side) - middle
        return measure(around if basis is None else around @ basis, fitted)

    return score


def _nearest(fit: Side) -> Scorer:
    def score(side: Side) -> FloatArray:
        return knn_distance(_features(side), _features(fit), NEIGHBOUR)

    return score


def _virtual(fit: Side, *, head: Head | str) -> Scorer:
    features = _features(fit)
    n, d = features.shape
    if not 2 <= d <= _WIDEST:
        raise ValueError(f"{d:,} features: a principal space is looked for in 2 to {_WIDEST:,}.")
    origin = _wide(fit).mean(axis=0) if isinstance(head, str) else head.origin
    size = max(1, min(1000 if d >= 2048 else 512 if d >= 768 else d // 2, n // 2))

    def score(side: Side) -> FloatArray:
        return virtual_logit(
            _features(side), side.logits, features, fit.logits, dimension=size, origin=origin
        )

    return score


def _cut(fit: Side, *, head: Head | str) -> Scorer:
    if isinstance(head, str):
        raise ValueError(f"{head}.")
    threshold = head_scores.react_threshold(_features(fit))
    return lambda side: head_scores.react(_features(side), head, threshold)


def _hopfield(fit: Side) -> Scorer:
    used = np.flatnonzero(~fit.known_wrong)
    patterns, classes = _features(fit)[used], fit.predicted[used]
    return lambda side: head_scores.hopfield(_features(side), side.predicted, patterns, classes)
