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


ANSWERS: Answers = {
    "score_id": lambda case, params: _scores(case, params["detector"], "id"),
    "score_ood": lambda case, params: _scores(case, params["detector"], "ood"),
    "auroc": _of("auroc"),
    "aupr_out": _of("aupr_out"),
    "aupr_in": _of("aupr_in"),
    "fpr95_id_positive": _of("fpr95_id_positive"),
    "fpr95_ood_positive": _of("fpr95_ood_positive"),
    "detection_error": _of("detection_error"),
}
