"""Scores of foreign inputs from what a pass has left, against pytorch-ood and the forwards.

Features are drawn: not below 0, around a mean of each class, with most of their spread in few
directions. What a neighbour costs depends on them, so that is measured on others too. Fitting and
scoring are measured together, in seconds of the processor, of one thread.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.engine import CLOCK
from benchmarks.features import CLASSES, KINDS, Cached, drawn
from benchmarks.measuring import Result, Skipped, attempted, least, seconds
from benchmarks.peers import peer_module
from ml.stats.arrays import FloatArray
from ml.stats.ood import feature_scores, head_scores, logit_scores
from ml.stats.ood.nearest import Work, kth_distance

CASES, WIDTH, NEIGHBOUR, RUNS = 10_000, 1024, 5, 5
SHORT, OF_SHORT = 0.05, 50  # seconds of a call, below which so many are made: one says little
OF_A_FORWARD = 0.03  # share of the forwards' time that all scores together may take
NEAREST = "kNN"
GOALS = {f"{NEAREST}, features of a trained network": 5.0}  # of the others 1


@dataclass(frozen=True)
class Detector:
    """Ours and the peer's, each fitted and asked anew; theirs = factor * ours + offset."""

    name: str
    ours: Callable[[Cached], FloatArray]
    peer: Callable[[Cached], Any]
    factor: float = 1.0
    offset: float = 0.0
    tolerance: float = 2e-3  # of the spread of scores, which the peer's single precision takes
    disorder: float = 1e-5  # of the correlation of ranks


def detectors(cases: int) -> tuple[Detector, ...]:
    """All that are computed from cached arrays, and how pytorch-ood's differ by a constant.

    Its MSP is the probability with a minus, its GEN a mean over classes. Its covariances are sums
    that are not divided by the number of cases: Mahalanobis distances are 2 n times smaller (it
    keeps the half of a Gaussian's exponent), relative ones n times.
    """
    plain, features = logit_scores, feature_scores
    return (
        Detector("MSP", _new(plain.max_softmax), _of_logits("softmax", "MaxSoftmax"), offset=-1),
        Detector("max logit", _new(plain.max_logit), _of_logits("maxlogit", "MaxLogit")),
        Detector("energy", _new(plain.energy), _of_logits("energy", "EnergyBased")),
        Detector("entropy", _new(plain.entropy), _of_logits("entropy", "Entropy")),
        Detector("GEN", _new(plain.generalized_entropy), _of_logits("gen", "GEN"), 1 / CLASSES),
        Detector("KL matching", lambda c: plain.kl_matching(c.new_logits, c.logits), _kl_matching),
        Detector(
            "Mahalanobis", partial(_ours_gaussian, features.mahalanobis),
            partial(_gaussian, "mahalanobis", "Mahalanobis"), 1 / (2 * cases),
        ),
        Detector(
            "relative Mahalanobis", partial(_ours_gaussian, features.relative_mahalanobis),
            partial(_gaussian, "rmd", "RMD"), 1 / cases,
        ),
        Detector(NEAREST, lambda c: features.knn_distance(c.new, c.features, NEIGHBOUR), _nearest),
        # The peer finds its principal space in single precision: close variances are mixed.
        Detector("ViM", _ours_vim, _vim, tolerance=0.05, disorder=2e-3),
        Detector("ReAct", _ours_react, _react),
        Detector("SHE", _ours_she, _she),
    )  # fmt: skip


def run() -> Iterator[Result | Skipped]:
    for one in detectors(CASES):
        if one.name == NEAREST:
            yield from attempted(*(partial(among_neighbours, one, kind) for kind in KINDS))
        else:
            yield from attempted(partial(against_pytorch_ood, one))


def against_pytorch_ood(one: Detector, given: Cached | None = None) -> Result:
    """One score, fitted on cached arrays and asked of as many others."""
    given = given or drawn(CASES, WIDTH)
    agree = agreeing(one, given)
    ours, peer = partial(one.ours, given), partial(one.peer, given)
    runs = RUNS if seconds(peer, CLOCK) > SHORT else OF_SHORT
    found = least(ours, peer, runs, CLOCK)
    return Result(
        name=f"ood: {one.name}", ours=found.ours, peer=found.peer, peer_name="pytorch-ood",
        ratio=found.peer / found.ours, goal=GOALS.get(one.name, 1.0), unit="s", agree=agree,
        n=f"{CASES:,} fitted, {CASES:,} scored, {WIDTH:,} features, one thread, {found.words}",
    )  # fmt: skip


def among_neighbours(one: Detector, kind: str) -> Result:
    """Distances on features of one kind, with the share of pairs that bounds did not rule out."""
    _peer("knn")  # before a network is trained for it
    given, work = KINDS[kind](CASES, WIDTH), Work()
    kth_distance(given.new, given.features, NEIGHBOUR, unit=True, work=work)
    found = against_pytorch_ood(replace(one, name=f"{one.name}, {kind}"), given)
    share = 100 * work.in_single / work.pairs
    said = f"{share:.3g} % of pairs compared in full, {work.in_double / CASES:.3g} a case exactly"
    return replace(found, n=f"{found.n}; {said}")


def beside_the_forwards(forward: float, network: str) -> Result:
    """All scores together, against the forwards that made what they read.

    Args:
        forward: seconds of one case.
    """
    given, every = drawn(CASES, WIDTH), detectors(CASES)
    found = [one.ours(given) for one in every]
    ours = sum(
        statistics.median(seconds(partial(one.ours, given), CLOCK) for _ in range(RUNS))
        for one in every
    )
    return Result(
        name="ood: all scores of cached arrays", ours=ours, peer=forward * CASES,
        peer_name=f"the forwards of {network} that made them", ratio=forward * CASES / ours,
        goal=1 / OF_A_FORWARD, unit="s", n=f"{CASES:,} cases, {WIDTH:,} features, one thread",
        agree=all(one.shape == (CASES,) and bool(np.isfinite(one).all()) for one in found),
    )  # fmt: skip


def agreeing(one: Detector, given: Cached, tolerance: float | None = None) -> bool:
    """Whether the two give the same, but for the constants, and in the same order."""
    tolerance = one.tolerance if tolerance is None else tolerance
    ours = one.ours(given) * one.factor + one.offset
    theirs = np.asarray(one.peer(given), dtype=np.float64)
    off = float(np.abs(ours - theirs).max())
    ranks = np.corrcoef(ours.argsort().argsort(), theirs.argsort().argsort())[0, 1]
    return off <= tolerance * float(np.ptp(theirs)) and bool(ranks > 1 - one.disorder)


def _new(score: Callable[[FloatArray], FloatArray]) -> Callable[[Cached], FloatArray]:
    return lambda c: score(c.new_logits.astype(np.float64))


def _ours_gaussian(measure: Callable[..., FloatArray], c: Cached) -> FloatArray:
    return measure(c.new, feature_scores.fit_gaussians(c.features, c.classes))


def _ours_vim(c: Cached) -> FloatArray:
    return feature_scores.virtual_logit(
        c.new, c.new_logits, c.features, c.logits, dimension=c.new.shape[1] // 2,
        origin=c.head.origin,
    )  # fmt: skip


def _ours_react(c: Cached) -> FloatArray:
    return head_scores.react(c.new, c.head, head_scores.react_threshold(c.features))


def _ours_she(c: Cached) -> FloatArray:
    return head_scores.hopfield(c.new, c.new_logits.argmax(axis=1), c.features, c.classes)


def _peer(module: str) -> Any:
    return peer_module(f"pytorch_ood.detector.{module}")


def _tensors(*arrays: Any) -> list[Any]:
    import torch

    return [torch.from_numpy(np.ascontiguousarray(one)) for one in arrays]


def _of_logits(module: str, name: str) -> Callable[[Cached], Any]:
    def score(c: Cached) -> Any:
        return getattr(_peer(module), name).score(*_tensors(c.new_logits))

    return score


def _kl_matching(c: Cached) -> Any:
    known, new = _tensors(c.logits, c.new_logits)
    return _peer("klmatching").KLMatching(None).fit_logits(known).predict_logits(new)


def _gaussian(module: str, name: str, c: Cached) -> Any:
    known, classes, new = _tensors(c.features, c.classes, c.new)
    return getattr(_peer(module), name)(None).fit_features(known, classes).predict_features(new)


def _nearest(c: Cached) -> Any:
    known, classes, new = _tensors(c.features, c.classes, c.new)
    found = _peer("knn").KNN(None, k=NEIGHBOUR)
    return found.fit_features(known, classes).predict_features(new)


def _vim(c: Cached) -> Any:
    known, classes, new, weights, bias = _tensors(c.features, c.classes, c.new, c.weights.T, c.bias)
    found = _peer("vim").ViM(None, c.new.shape[1] // 2, weights, bias)
    return found.fit_features(known, classes).predict_features(new)


def _layer(c: Cached) -> Callable[[Any], Any]:
    weights, bias = _tensors(c.weights, c.bias)
    return lambda features: features @ weights + bias


def _react(c: Cached) -> Any:
    known, classes, new = _tensors(c.features, c.classes, c.new)
    found = _peer("react").ReAct(None, _layer(c))
    return found.fit_feature_maps(known, classes).predict_feature_maps(new)


def _she(c: Cached) -> Any:
    known, classes, new = _tensors(c.features, c.classes, c.new)
    return _peer("she").SHE(None, _layer(c)).fit_features(known, classes).predict_features(new)
