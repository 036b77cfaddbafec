"""Probabilities against what happened."""

from functools import cache
from typing import Any

import numpy as np
from scipy import special

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.calibration import multiclass, scores
from ml.stats.calibration.binned_error import binned_error
from ml.stats.calibration.brier import brier
from ml.stats.calibration.curve import Curve, calibration_curve
from ml.stats.calibration.decomposition import corp, murphy
from ml.stats.calibration.joint_fit import JointFit, joint_fit
from ml.stats.calibration.recalibrators import platt, temperature
from ml.stats.calibration.smooth_error import smooth_error
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.multiclass import hand_till, macro_ovr_auroc, top_1_accuracy

_QUICK = Settings(draws=1)  # values are compared here, not intervals


@cache
def _binary(case: Case) -> tuple[FloatArray, IntArray]:
    return case.numbers("p"), case.numbers("y").astype(np.int64)


@cache
def _fit(case: Case) -> JointFit:
    return joint_fit(*_binary(case))


@cache
def _curve(case: Case, smoother: str) -> Curve:
    return calibration_curve(*_binary(case), settings=_QUICK, smoother=smoother)


def _smoother(params: Params) -> str:
    words = params["smoother"]
    for smoother, sign in (
        ("lowess", "lowess"), ("loess direct", "direct"), ("loess interpolate", "interpolate")
    ):  # fmt: skip
        if sign in words:
            return smoother
    raise NotOffered(words)


def _ends(estimate: Any) -> list[Any]:
    return [estimate.low, estimate.high]


def _c_statistic(case: Case, _: Params) -> Any:
    """Ties within 1/5000: inferred from the values of rms, not read in its code."""
    probabilities, outcomes = _binary(case)
    return auroc(np.floor(probabilities * 5000), outcomes)


def _binned(case: Case, params: Params, norm: str) -> Any:
    scheme = "equal mass" if params["scheme"].startswith("equal mass") else "equal width"
    return binned_error(
        *_binary(case), settings=_QUICK, bins=params["bins"], scheme=scheme, norm=norm
    )


def _distances(case: Case, params: Params) -> list[Any]:
    curve = _curve(case, _smoother(params))
    return [curve.e50, curve.e90, curve.emax]


def _val_prob(case: Case, params: Params) -> dict[str, Any]:
    curve = _curve(case, _smoother(params))
    return {"Emax": curve.emax.value, "E90": curve.e90.value, "Eavg": curve.ici.value}


def _hosmer_lemeshow(case: Case, params: Params) -> dict[str, Any]:
    result = scores.hosmer_lemeshow(*_binary(case), groups=params["groups"])
    return {"chi2": result.value, **result.extra}


def _corp(case: Case, _: Params) -> dict[str, Any]:
    parts = corp(*_binary(case), settings=_QUICK)
    return {
        "mcb": parts.miscalibration.value,
        "dsc": parts.discrimination.value,
        "unc": parts.uncertainty.value,
        "recalibrated": parts.score - (parts.miscalibration.value or 0.0),
    }


def _murphy(case: Case, params: Params) -> dict[str, Any]:
    parts = murphy(*_binary(case), bins=params["bins"])
    values = {name: part.value for name, part in parts.items()}
    return {**values, "within_bin_variance_minus_2cov": values["residual"]}


def _unreliability(case: Case, _: Params) -> dict[str, Any]:
    result = _fit(case).unreliability
    return {"U": result.value, "p": result.extra["p"]}


@cache
def _held_out(case: Case, scaled: bool) -> tuple[FloatArray, IntArray]:
    logits, label = case.numbers("logits"), case.numbers("y").astype(np.int64)
    first = case.input["calibration_rows"]
    if scaled:
        repaired = temperature(logits[:first], label[:first]).apply(logits[first:])
        return repaired, label[first:]
    return special.softmax(logits[first:], axis=1), label[first:]


def _temperature(case: Case, _: Params) -> float:
    logits, label = case.numbers("logits"), case.numbers("y").astype(np.int64)
    first = case.input["calibration_rows"]
    return temperature(logits[:first], label[:first]).parameters[0]


def _top_label(case: Case, params: Params, scaled: bool = False, norm: str = "l1") -> Any:
    return multiclass.top_label_error(
        *_held_out(case, scaled), settings=_QUICK, bins=params["bins"], norm=norm
    )


ANSWERS: Answers = {
    "n": lambda case, _: _fit(case).slope.n,
    "events": lambda case, _: _fit(case).slope.n_events,
    "calibration_in_the_large_intercept": lambda case, _: _fit(case).intercept,
    "calibration_intercept_ci": lambda case, _: _ends(_fit(case).intercept),
    "calibration_slope": lambda case, _: _fit(case).slope,
    # R's glm takes the information of its last step but one.
    "calibration_slope_ci": lambda case, _: _ends(
        joint_fit(*_binary(case), information="last step").slope
    ),
    "calibration_intercept_joint": lambda case, _: _fit(case).intercept_joint,
    "oe_ratio": lambda case, _: scores.observed_expected(*_binary(case)),
    "oe_ratio_ci": lambda case, _: _ends(scores.observed_expected(*_binary(case))),
    "brier": lambda case, _: brier(*_binary(case), settings=_QUICK),
    "brier_scaled": lambda case, _: scores.scaled_brier(*_binary(case), settings=_QUICK),
    "log_loss": lambda case, _: scores.log_loss(*_binary(case), settings=_QUICK),
    "spiegelhalter_z": lambda case, _: scores.spiegelhalter(*_binary(case)),
    "spiegelhalter_p": lambda case, _: scores.spiegelhalter(*_binary(case)).extra["p"],
    "ici": lambda case, params: _curve(case, _smoother(params)).ici,
    "e50_e90_emax": _distances,
    "eci": lambda case, params: _curve(case, _smoother(params)).eci,
    "valprob_lowess": _val_prob,
    "hosmer_lemeshow": _hosmer_lemeshow,
    "corp_brier": _corp,
    "murphy_brier": _murphy,
    "unreliability_u": _unreliability,
    "nagelkerke_r2": lambda case, _: _fit(case).nagelkerke,
    "c_statistic": _c_statistic,
    "platt_scaling": lambda case, _: dict(zip("ab", platt(*_binary(case)).parameters, strict=True)),
    "ece": lambda case, params: _binned(case, params, "l1"),
    "mce": lambda case, params: _binned(case, params, "max"),
    "ece_l2": lambda case, params: _binned(case, params, "l2"),
    "ece_l2_debiased_sq": lambda case, params: _binned(case, params, "l2 debiased squared"),
    "smece": lambda case, _: smooth_error(*_binary(case), settings=_QUICK),
    "temperature": _temperature,
    "nll": lambda case, _: multiclass.nll(*_held_out(case, False), settings=_QUICK),
    "nll_scaled": lambda case, _: multiclass.nll(*_held_out(case, True), settings=_QUICK),
    "brier_multiclass": lambda case, _: multiclass.brier_multiclass(
        *_held_out(case, False), settings=_QUICK
    ),
    "accuracy": lambda case, _: top_1_accuracy(*_held_out(case, False)),
    "macro_ovr_auroc": lambda case, _: macro_ovr_auroc(*_held_out(case, False)),
    "hand_till_auc": lambda case, _: hand_till(*_held_out(case, False)),
    "top_label_ece": _top_label,
    "top_label_ece_scaled": lambda case, params: _top_label(case, params, scaled=True),
    "top_label_rmsce": lambda case, params: _top_label(case, params, norm="l2"),
    "classwise_ece": lambda case, params: multiclass.classwise_error(
        *_held_out(case, False), settings=_QUICK, bins=params["bins"]
    ),
}
