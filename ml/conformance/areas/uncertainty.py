"""Doubt, and what it is good for: decomposition, conformal sets, selective prediction."""

from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.uncertainty import conformal, decomposition, gaussian, selective

_QUICK = Settings(draws=1)  # values are compared here, not intervals


@cache
def _entropy(case: Case) -> decomposition.EntropyParts:
    return decomposition.entropy_parts(case.numbers("probs"))


@cache
def _variance(case: Case) -> decomposition.VarianceParts:
    return decomposition.variance_parts(case.numbers("probs"))


def _total_entropy(case: Case, params: Params) -> FloatArray:
    if params["log"] != "natural":
        raise NotOffered(str(params))
    return _entropy(case).total


def _identity(case: Case, _: Params) -> FloatArray:
    parts = _variance(case)
    return parts.total - parts.aleatoric - parts.epistemic


@cache
def _mixture(case: Case) -> decomposition.VarianceParts:
    return decomposition.gaussian_parts(case.numbers("mean"), case.numbers("variance"))


@cache
def _prediction(case: Case) -> gaussian.Gaussian:
    parts = _mixture(case)
    return gaussian.Gaussian(parts.mean, parts.total**0.5, case.numbers("y"))


def _interval_coverage(case: Case, _: Params) -> dict[str, Any]:
    shares = ("0.5", "0.8", "0.9", "0.95")
    return {
        share: gaussian.interval_coverage(_prediction(case), float(share), settings=_QUICK).value
        for share in shares
    }


@cache
def _confidence(case: Case) -> tuple[FloatArray, IntArray]:
    return case.numbers("confidence"), case.numbers("error").astype(np.int64)


def _area(form: str) -> Any:
    return lambda case, _: selective.area(*_confidence(case), settings=_QUICK, form=form)


def _risk_at_coverage(case: Case, _: Params) -> dict[str, Any]:
    at = ("0.5", "0.7", "0.8", "0.9", "1.0")
    return {
        share: selective.risk_at_coverage(
            *_confidence(case), float(share), settings=_QUICK
        ).value
        for share in at
    }  # fmt: skip


def _coverage_at_risk(case: Case, _: Params) -> dict[str, Any]:
    at = ("0.01", "0.05", "0.1")
    return {
        risk: selective.coverage_at_risk(*_confidence(case), float(risk), settings=_QUICK).value
        for risk in at
    }


@cache
def _thresholds(case: Case, score: str, by: str) -> conformal.Thresholds:
    first = case.input["n_cal"]
    return conformal.fit(
        case.numbers("probs")[:first], case.numbers("y")[:first].astype(np.int64),
        case.input["alpha"], score=score, by=by,
    )  # fmt: skip


@cache
def _sets(case: Case, score: str) -> BoolArray:
    first = case.input["n_cal"]
    return conformal.sets(_thresholds(case, score, "all"), case.numbers("probs")[first:])


def _coverage(case: Case, score: str) -> Any:
    first = case.input["n_cal"]
    return conformal.coverage(_sets(case, score), case.numbers("y")[first:].astype(np.int64))


def _members(case: Case, score: str) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in _sets(case, score)]


ANSWERS: Answers = {
    "predictive_mean": lambda case, _: _entropy(case).mean,
    "total_entropy": _total_entropy,
    "aleatoric_expected_entropy": lambda case, _: _entropy(case).aleatoric,
    "epistemic_mutual_information": lambda case, _: _entropy(case).epistemic,
    "normalized_entropy": lambda case, _: _entropy(case).normalised,
    "variation_ratio": lambda case, _: decomposition.variation_ratio(case.numbers("probs")),
    "max_prob_uncertainty": lambda case, _: decomposition.max_probability_uncertainty(
        case.numbers("probs")
    ),
    "aleatoric_variance_per_class": lambda case, _: _variance(case).aleatoric,
    "epistemic_variance_per_class": lambda case, _: _variance(case).epistemic,
    "total_variance_identity": _identity,
    "mixture_mean": lambda case, _: _mixture(case).mean,
    "aleatoric_variance": lambda case, _: _mixture(case).aleatoric,
    "epistemic_variance": lambda case, _: _mixture(case).epistemic,
    "total_variance": lambda case, _: _mixture(case).total,
    "gaussian_crps_mean": lambda case, _: gaussian.crps(_prediction(case), settings=_QUICK),
    "gaussian_nll_mean": lambda case, _: gaussian.gaussian_nll(_prediction(case), settings=_QUICK),
    "pit": lambda case, _: gaussian.pit(_prediction(case)),
    "interval_coverage": _interval_coverage,
    "sharpness_rms_sd": lambda case, _: gaussian.sharpness(_prediction(case), settings=_QUICK),
    "uct_crps": lambda case, _: gaussian.crps(_prediction(case), settings=_QUICK),
    "uct_nll": lambda case, _: gaussian.gaussian_nll(_prediction(case), settings=_QUICK),
    "uct_sharpness": lambda case, _: gaussian.sharpness(_prediction(case), settings=_QUICK),
    "uct_interval_score": lambda case, _: gaussian.interval_score(
        _prediction(case), settings=_QUICK
    ),
    "uct_check_score": lambda case, _: gaussian.check_score(_prediction(case), settings=_QUICK),
    "uct_mace": lambda case, _: gaussian.miscalibration(
        _prediction(case), settings=_QUICK, form="mace"
    ),
    "uct_rmsce": lambda case, _: gaussian.miscalibration(
        _prediction(case), settings=_QUICK, form="rmsce"
    ),
    "uct_miscal_area": lambda case, _: gaussian.miscalibration(
        _prediction(case), settings=_QUICK, form="area"
    ),
    "lac_qhat": lambda case, _: _thresholds(case, "lac", "all").values[0],
    "lac_sets": lambda case, _: _members(case, "lac"),
    "lac_coverage": lambda case, _: _coverage(case, "lac"),
    "lac_mean_size": lambda case, _: conformal.mean_size(_sets(case, "lac")),
    "aps_qhat": lambda case, _: _thresholds(case, "aps", "all").values[0],
    "aps_sets": lambda case, _: _members(case, "aps"),
    "aps_coverage": lambda case, _: _coverage(case, "aps"),
    "class_conditional_qhat": lambda case, _: _thresholds(case, "lac", "class").values,
    **{form: _area(form) for form in selective.FORMS},
    "auroc_failure": lambda case, _: selective.failure_auroc(*_confidence(case)),
    "risk_at_coverage": _risk_at_coverage,
    "coverage_at_risk": _coverage_at_risk,
}
