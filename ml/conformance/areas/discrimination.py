"""Scores and calls against the truth."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.auroc_interval import hanley_mcneil_variance
from ml.stats.discrimination.average_precision import auprc_trapezoid, average_precision
from ml.stats.discrimination.delong import (
    AurocComparison,
    compare_many,
    compare_paired,
    compare_unpaired,
)
from ml.stats.discrimination.likelihood_ratios import diagnostic_odds_ratio, likelihood_ratio
from ml.stats.discrimination.mann_whitney import mann_whitney
from ml.stats.discrimination.multiclass import multiclass_auto_direction
from ml.stats.discrimination.operating_point import (
    sensitivity_at_specificity,
    youden_threshold,
)
from ml.stats.discrimination.paired_calls import PairedCalls, RateComparison, compare_rates
from ml.stats.discrimination.paired_ratios import (
    ScoreTest,
    compare_predictive_values,
    relative_likelihood_ratio,
    relative_predictive_value,
)
from ml.stats.discrimination.partial_auc import partial_auc
from ml.stats.discrimination.placements import delong_variance, placements
from ml.stats.discrimination.predictive_values import Answer, predictive_value
from ml.stats.discrimination.rates import Calls, f_beta, index, rate
from ml.stats.proportion import INTERVALS, agresti_coull

_FEW = Settings(draws=64)  # where only the value is asked for


def _scores(case: Case, name: str) -> FloatArray:
    return np.array(case.input["scores"][name], dtype=np.float64)


def _truth(case: Case) -> IntArray:
    return np.array(case.input["y"], dtype=np.int64)


def _pair(case: Case, params: Params) -> tuple[FloatArray, IntArray]:
    return _scores(case, params["score"]), _truth(case)


@cache
def _calls(case: Case) -> Calls:
    return Calls.table(*(int(case.input[cell]) for cell in ("tp", "fp", "fn", "tn")))


def _ends(estimate: Estimate) -> list[float | None]:
    return [estimate.low, estimate.high]


def _auroc(case: Case, params: Params) -> Estimate:
    return auroc(*_pair(case, params))


def _auroc_se(case: Case, params: Params) -> float:
    placed = placements(*_pair(case, params))
    if params["method"] == "delong":
        return float(delong_variance(placed) ** 0.5)
    if params["method"] == "hanley_mcneil_1982":
        sizes = placed.of_present.size, placed.of_absent.size
        return float(hanley_mcneil_variance(placed.value, *sizes) ** 0.5)
    raise NotOffered(f"standard error {params['method']}")


def _auroc_ci(case: Case, params: Params) -> list[float | None]:
    if params["method"] not in ("delong_wald", "delong_logit"):
        raise NotOffered(f"interval {params['method']}")
    settings = Settings(level=params["level"])
    if params["method"] == "delong_wald":
        return _ends(auroc(*_pair(case, params), settings=settings, method="delong_wald"))
    return _ends(auroc(*_pair(case, params), settings=settings, method="logit_delong"))


def _mann_whitney_p(case: Case, params: Params) -> float | None:
    if not params["tie_correction"]:
        raise NotOffered("ties without correction")
    return mann_whitney(*_pair(case, params), continuity=params["continuity"]).p


def _partial_auc(corrected: bool) -> Callable[[Case, Params], Estimate]:
    def answer(case: Case, params: Params) -> Estimate:
        low, high = params["range"]
        return partial_auc(
            *_pair(case, params), params["focus"], low, high, settings=_FEW, corrected=corrected
        )

    return answer


def _youden(case: Case, params: Params) -> float | None:
    """The value; threshold and rates are held against ``params`` first."""
    found = youden_threshold(*_pair(case, params))
    named = {"thresholds": "threshold", "sens": "sensitivity", "spec": "specificity"}
    for key, own in named.items():
        number = found.extra[own]
        if not isinstance(number, float) or abs(number - params[key]) > 1e-9:
            raise ValueError(f"{own} is {number}, expected {params[key]}")
    return found.value


def _sens_at_spec(case: Case, params: Params) -> Estimate:
    if params["interpolation"] != "linear on the ROC polygon":
        raise NotOffered(f"interpolation {params['interpolation']}")
    return sensitivity_at_specificity(*_pair(case, params), params["spec"], settings=_FEW)


def _compared(found: AurocComparison) -> dict[str, Any]:
    return {
        "diff": found.difference.value, "se": found.standard_error, "z": found.statistic,
        "p": found.p, "ci": _ends(found.difference), "cov": found.covariance,
    }  # fmt: skip


def _delong_paired(case: Case, params: Params) -> dict[str, Any]:
    a, b = (_scores(case, params[name]) for name in ("a", "b"))
    return _compared(compare_paired(a, b, _truth(case)))


def _delong_omnibus(case: Case, params: Params) -> dict[str, Any]:
    found = compare_many([_scores(case, name) for name in params["scores"]], _truth(case))
    return {"chi2": found.chi2, "df": found.df, "p": found.p}


def _delong_unpaired(case: Case, params: Params) -> dict[str, Any]:
    scores, truth = _pair(case, params)
    group = np.array(case.input["gender"])
    a, b = group == params["a"], group == params["b"]
    found = compare_unpaired(scores[a], truth[a], scores[b], truth[b])
    return {
        "auc_a": found.difference.extra["auroc_a"], "auc_b": found.difference.extra["auroc_b"],
        "D": found.statistic, "df": found.df, "p": found.p,
    }  # fmt: skip


def _auto_direction(case: Case, params: Params) -> Estimate:
    truth = np.array(case.input[params["response"]], dtype=np.int64)
    return multiclass_auto_direction(_scores(case, params["score"]), truth)


def _published(case: Case, params: Params) -> dict[str, Any]:
    if "rating" in case.input["scores"]:
        scores, truth = _scores(case, "rating"), _truth(case)
        placed = placements(scores, truth)
        variance = hanley_mcneil_variance(
            placed.value, placed.of_present.size, placed.of_absent.size
        )
        return {"auc": placed.value, "se": float(variance**0.5)}
    truth = _truth(case)
    s100b = auroc(_scores(case, "s100b"), truth, method="delong_wald")
    found = compare_paired(_scores(case, "wfns"), _scores(case, "s100b"), truth)
    return {
        "auc_s100b": s100b.value, "ci_s100b": _ends(s100b),
        "auc_wfns": auroc(_scores(case, "wfns"), truth).value,
        "auc_ndka": auroc(_scores(case, "ndka"), truth).value,
        "delong_wfns_s100b": {"z": found.statistic, "p": found.p},
    }  # fmt: skip


def _rate(name: str) -> Callable[[Case, Params], Estimate]:
    return lambda case, params: rate(name, _calls(case))


def _rate_ci(name: str) -> Callable[[Case, Params], list[float | None]]:
    def answer(case: Case, params: Params) -> list[float | None]:
        method = params["method"]
        if method not in INTERVALS:
            raise NotOffered(f"interval {method}")
        found = rate(name, _calls(case), interval=method)
        if method == "agresti_coull" and found.value is not None:
            # The expected ends are those of the formula, not cut at 1.
            return list(agresti_coull(found.value, found.n, 0.95, cut=False))
        return _ends(found)

    return answer


def _with_ends(estimate: Estimate) -> list[float | None]:
    return [estimate.value, *_ends(estimate)]


def _lr_ci(sign: Any) -> Callable[[Case, Params], list[float | None]]:
    def answer(case: Case, params: Params) -> list[float | None]:
        if params["method"] != "simel_log":
            raise NotOffered(f"interval {params['method']}")
        return _ends(likelihood_ratio(sign, _calls(case)))

    return answer


def _dor_ci(case: Case, params: Params) -> list[float | None]:
    if params["method"] != "woolf":
        raise NotOffered(f"interval {params['method']}")
    return _ends(diagnostic_odds_ratio(_calls(case)))


def _at_prevalence(answer: Any) -> Callable[[Case, Params], Estimate]:
    return lambda case, params: predictive_value(
        answer, _calls(case).called, _calls(case).positive, params["prevalence"]
    )


_SCORES: Answers = {
    "auroc": _auroc,
    "auroc_se": _auroc_se,
    "auroc_ci": _auroc_ci,
    "mann_whitney_u": lambda case, params: mann_whitney(*_pair(case, params)).u,
    "mann_whitney_p": _mann_whitney_p,
    "partial_auc": _partial_auc(corrected=False),
    "partial_auc_mcclish": _partial_auc(corrected=True),
    "youden_max": _youden,
    "sens_at_spec": _sens_at_spec,
    "delong_paired": _delong_paired,
    "delong_omnibus": _delong_omnibus,
    "delong_unpaired": _delong_unpaired,
    "hand_till_m_proc": _auto_direction,
    "published": _published,
    "average_precision": lambda case, params: average_precision(*_pair(case, params)),
    "auprc_trapezoid": lambda case, params: auprc_trapezoid(*_pair(case, params), settings=_FEW),
}

_TABLE: Answers = {
    **{name: _rate(name) for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy")},
    **{
        f"{name}_ci": _rate_ci(name)
        for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    },
    "lr_plus": lambda case, params: likelihood_ratio("positive", _calls(case)),
    "lr_minus": lambda case, params: likelihood_ratio("negative", _calls(case)),
    "lr_plus_ci": _lr_ci("positive"),
    "lr_minus_ci": _lr_ci("negative"),
    "epiR_lr": lambda case, params: {
        "pos": _with_ends(likelihood_ratio("positive", _calls(case))),
        "neg": _with_ends(likelihood_ratio("negative", _calls(case))),
    },
    "dor": lambda case, params: diagnostic_odds_ratio(_calls(case)),
    "dor_ci": _dor_ci,
    "mcc": lambda case, params: index("mcc", _calls(case), _FEW),
    "f1": lambda case, params: f_beta(_calls(case), settings=_FEW),
    "balanced_accuracy": lambda case, params: index("balanced_accuracy", _calls(case), _FEW),
    "youden_j": lambda case, params: index("informedness", _calls(case), _FEW),
    "cohen_kappa": lambda case, params: index("cohen_kappa", _calls(case), _FEW),
    "ppv_at_prevalence": _at_prevalence("ppv"),
    "npv_at_prevalence": _at_prevalence("npv"),
}


@cache
def _tests(case: Case) -> tuple[PairedCalls, PairedCalls]:
    """Test 2 as a against test 1 as b, and the other way round."""
    rows = case.input["counts"]
    return (
        PairedCalls.table({(row["d"], row["y2"], row["y1"]): row["n"] for row in rows}),
        PairedCalls.table({(row["d"], row["y1"], row["y2"]): row["n"] for row in rows}),
    )


def _mcnemar(found: RateComparison) -> dict[str, Any]:
    return {"chi2": found.chi2, "p": found.p, "diff": found.difference.value}


def _score(found: ScoreTest) -> dict[str, Any]:
    return {"stat": found.chi2, "p": found.p, "diff": found.difference.value}


def _relative_values(case: Case, params: Params) -> dict[str, Any]:
    ppv, npv = (relative_predictive_value(kind, _tests(case)[0]) for kind in _KINDS)
    return {
        "rppv": ppv.ratio.value, "rppv_p": ppv.p, "rnpv": npv.ratio.value, "rnpv_p": npv.p,
    }  # fmt: skip


def _relative_ratios(case: Case, params: Params) -> dict[str, Any]:
    calls = _tests(case)[1]
    plus = relative_likelihood_ratio("positive", calls)
    minus = relative_likelihood_ratio("negative", calls)
    return {
        "rpdlr": plus.ratio.value, "p_pos": plus.p, "rndlr": minus.ratio.value, "p_neg": minus.p,
    }  # fmt: skip


_KINDS: tuple[Answer, Answer] = ("ppv", "npv")
_PAIRED: Answers = {
    "mcnemar_sensitivity": lambda case, params: _mcnemar(
        compare_rates("sensitivity", _tests(case)[0])
    ),
    "mcnemar_specificity": lambda case, params: _mcnemar(
        compare_rates("specificity", _tests(case)[0])
    ),
    "exact_binomial_p": lambda case, params: {
        "sens": compare_rates("sensitivity", _tests(case)[0]).p_exact,
        "spec": compare_rates("specificity", _tests(case)[0]).p_exact,
    },
    "ppv_generalized_score": lambda case, params: _score(
        compare_predictive_values("ppv", _tests(case)[0], method="generalised")
    ),
    "npv_generalized_score": lambda case, params: _score(
        compare_predictive_values("npv", _tests(case)[0], method="generalised")
    ),
    "ppv_weighted_generalized_score": lambda case, params: _score(
        compare_predictive_values("ppv", _tests(case)[0])
    ),
    "npv_weighted_generalized_score": lambda case, params: _score(
        compare_predictive_values("npv", _tests(case)[0])
    ),
    "relative_pv": _relative_values,
    "dlr_regression": _relative_ratios,
}

ANSWERS: Answers = {**_PAIRED, **_SCORES, **_TABLE}
