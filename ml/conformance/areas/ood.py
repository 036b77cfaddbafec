"""Foreign inputs, and shift between two samples."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings
from ml.stats.ood.detection import Detection, detection
from ml.stats.ood.feature_scores import (
    fit_gaussians,
    knn_distance,
    mahalanobis,
    relative_mahalanobis,
)
from ml.stats.ood.logit_scores import energy, entropy, max_logit, max_softmax
from ml.stats.ood.multivariate_shift import MMD, frechet_distance, mmd
from ml.stats.ood.shift import (
    energy_distance,
    kolmogorov_smirnov,
    population_stability_index,
    standardized_mean_difference,
    wasserstein_1,
)

_ONCE = Settings(draws=1)  # only values are asked for
_LOGITS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "msp": max_softmax,
    "max_logit": max_logit,
    "energy_T1": energy,
    "energy_T2": lambda logits: energy(logits, 2.0),
    "entropy": entropy,
}


@cache
def _scores(case: Case, detector: str, sample: str) -> FloatArray:
    if detector in _LOGITS:
        return _LOGITS[detector](case.numbers(f"{sample}_logits"))
    features, training = case.numbers(f"{sample}_x"), case.numbers("train_x")
    if detector == "knn5":
        return knn_distance(features, training, 5)
    fitted = fit_gaussians(training, np.array(case.input["train_y"]), ddof="N")
    if detector == "mahalanobis":
        return mahalanobis(features, fitted)
    if detector == "relative_mahalanobis":
        return relative_mahalanobis(features, fitted)
    raise NotOffered(detector)


@cache
def _detection(case: Case, detector: str) -> Detection:
    return detection(_scores(case, detector, "id"), _scores(case, detector, "ood"), settings=_ONCE)


def _of(field: str) -> Callable[[Case, Params], Any]:
    return lambda case, params: getattr(_detection(case, params["detector"]), field)


def _samples(case: Case, params: Params) -> tuple[FloatArray, FloatArray]:
    one, two = case.numbers("reference"), case.numbers("target")
    feature = params.get("feature")
    return (one, two) if feature is None else (one[:, feature], two[:, feature])


def _ks(case: Case, params: Params) -> Any:
    test = kolmogorov_smirnov(*_samples(case, params))
    return {"stat": test.statistic[0], "p_asymp": test.p[0]}


def _psi(case: Case, params: Params) -> Any:
    if not params["bins"].startswith("deciles of reference"):
        raise NotOffered(params["bins"])
    return population_stability_index(*_samples(case, params), 10, params["floor"])


@cache
def _mmd(case: Case) -> MMD:
    return mmd(*_samples(case, {}), settings=_ONCE)


def _frechet(case: Case, params: Params) -> Any:
    if params["cov"] != "ddof=1":
        raise NotOffered(params["cov"])
    return frechet_distance(*_samples(case, params), ddof="N-1").value


ANSWERS: Answers = {
    "ks": _ks,
    "wasserstein1": lambda case, params: wasserstein_1(*_samples(case, params), settings=_ONCE),
    "energy_distance": lambda case, params: energy_distance(
        *_samples(case, params), settings=_ONCE
    ),
    "smd": lambda case, params: standardized_mean_difference(
        *_samples(case, params), settings=_ONCE
    ),
    "psi": _psi,
    "median_heuristic_bandwidth": lambda case, _: _mmd(case).bandwidth,
    "mmd2_unbiased": lambda case, _: _mmd(case).unbiased,
    "mmd2_biased": lambda case, _: _mmd(case).biased,
    "frechet_distance": _frechet,
    "score_id": lambda case, params: _scores(case, params["detector"], "id"),
    "score_ood": lambda case, params: _scores(case, params["detector"], "ood"),
    "auroc": _of("auroc"),
    "aupr_out": _of("aupr_out"),
    "aupr_in": _of("aupr_in"),
    "fpr95_id_positive": _of("fpr95_id_positive"),
    "fpr95_ood_positive": _of("fpr95_ood_positive"),
    "detection_error": _of("detection_error"),
}
