"""Answers that are numbers: ICC, Bland-Altman, concordance, W."""

from functools import cache
from math import isclose
from typing import Any

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.agreement.anova import MeanSquares, mean_squares
from ml.stats.agreement.bland_altman import BlandAltman, bland_altman, bland_altman_log
from ml.stats.agreement.bland_altman_replicates import bland_altman_replicates, within_subject_sd
from ml.stats.agreement.concordance import Concordance, lin_ccc
from ml.stats.agreement.icc import FORMS, icc
from ml.stats.agreement.kendall import kendall_w
from ml.stats.agreement.measurement_error import sdc, sem
from ml.stats.arrays import FloatArray

# the names of the reference rows; agreement of the mixed model has the same numbers
_FORMS = {
    "ICC(1,1)": "one-way:1",
    "ICC(1,k)": "one-way:k",
    "ICC(2,1)=ICC(A,1)": "random:agreement:1",
    "ICC(2,k)=ICC(A,k)": "random:agreement:k",
    "ICC(3,1)=ICC(C,1)": "mixed:consistency:1",
    "ICC(3,k)=ICC(C,k)": "mixed:consistency:k",
}


@cache
def _ratings(case: Case) -> FloatArray:
    """Units by readers; two methods are two readers."""
    if case.input["kind"] == "paired_measurements":
        return np.column_stack([case.numbers("a"), case.numbers("b")])
    return case.numbers("ratings")


@cache
def _icc(case: Case, form: str) -> Estimate:
    return icc(_ratings(case), form)


def _form(case: Case, params: Params) -> Estimate:
    name = str(params["form"])
    if name not in _FORMS:
        raise NotOffered(f"no ICC is named {name}")
    return _icc(case, _FORMS[name])


def _f(case: Case, params: Params) -> Any:
    extra = _form(case, params).extra
    for df in ("df1", "df2"):
        if df in params and params[df] != extra[df]:
            raise NotOffered(f"{df} is {extra[df]} here")
    return extra["f"]


def _interval(estimate: Estimate, params: Params) -> list[float | None]:
    if params.get("level", estimate.level) != estimate.level:
        raise NotOffered(f"level {params['level']}")
    return [estimate.low, estimate.high]


def _anova(case: Case, params: Params) -> Any:
    table = mean_squares(_ratings(case))
    assert isinstance(table, MeanSquares)
    return {"MSR": table.msr, "MSC": table.msc, "MSE": table.mse, "MSW": table.msw}


@cache
def _kendall(case: Case, tie_correction: bool) -> Estimate:
    return kendall_w(_ratings(case), tie_correction=tie_correction)


@cache
def _concordance(case: Case) -> Concordance:
    return lin_ccc(case.numbers("a"), case.numbers("b"))


@cache
def _limits(case: Case, multiplier: float, design: str = "") -> BlandAltman:
    a, b = case.numbers("a"), case.numbers("b")
    if case.input["kind"] == "paired_replicates":
        if design not in ("", "replicates, true value constant"):
            raise NotOffered(f"design {design}")
        return bland_altman_replicates(a, b, "constant", multiplier=multiplier)
    return bland_altman(a, b, multiplier=multiplier)


def _ba(case: Case, params: Params) -> BlandAltman:
    return _limits(case, float(params.get("multiplier", 1.96)), str(params.get("design", "")))


def _pair(lower: Estimate, upper: Estimate) -> list[float | None]:
    return [lower.value, upper.value]


def _proportional(case: Case, params: Params) -> Any:
    r = _ba(case, {}).proportional
    p = r.extra["p"]
    if not isinstance(p, float) or not isclose(p, params["p"], rel_tol=1e-6):
        raise NotOffered(f"p is {p}")
    return r


def _log(case: Case) -> BlandAltman:
    return bland_altman_log(case.numbers("a"), case.numbers("b"))


def _within(case: Case, params: Params) -> Any:
    return {key: within_subject_sd(case.numbers(key)) for key in ("a", "b")}


def published_numeric(case: Case, params: Params) -> Any:
    """What papers print of paired measurements and replicates: bias, SD, limits."""
    if case.input["kind"] not in ("paired_measurements", "paired_replicates"):
        raise NotOffered(f"published values of {case.input['kind']}")
    found = _ba(case, params)
    limits = _pair(found.lower, found.upper)
    if (
        params.get("multiplier") == 2
        and found.bias.value is not None
        and found.sd.value is not None
    ):
        # The paper of 1986 takes its limits from the bias and the SD that it prints, one decimal.
        bias, sd = round(found.bias.value, 1), round(found.sd.value, 1)
        limits = [bias - 2 * sd, bias + 2 * sd]
    return {"bias": found.bias, "sd": found.sd, "loa": limits}


def _published_icc(case: Case, params: Params) -> Any:
    return {FORMS[form].shrout_fleiss or "": _icc(case, form).value for form in _FORMS.values()}


ANSWERS: Answers = {
    "anova_ms": _anova,
    "ba_bias": lambda case, params: _ba(case, params).bias,
    "ba_bias_ci": lambda case, params: _interval(_ba(case, {}).bias, params),
    "ba_loa": lambda case, params: _pair(_ba(case, params).lower, _ba(case, params).upper),
    "ba_loa_se": lambda case, params: _ba(case, {}).upper.extra["se"],
    "ba_loa_se_1986": lambda case, params: _ba(case, {}).upper.extra["se_1986"],
    "ba_log_ratio": lambda case, params: _log(case).bias,
    "ba_log_ratio_loa": lambda case, params: _pair(_log(case).lower, _log(case).upper),
    "ba_proportional_bias_r": _proportional,
    "ba_sd": lambda case, params: _ba(case, params).sd,
    "ba_sd_single": lambda case, params: _ba(case, params).sd,
    "icc": _form,
    "icc_F": _f,
    "icc_ci": lambda case, params: _interval(_form(case, params), params),
    "icc_p": lambda case, params: _form(case, params).extra["p"],
    "kendall_w": lambda case, params: _kendall(case, bool(params["tie_correction"])),
    "kendall_w_chi2": lambda case, params: _kendall(
        case, bool(params["tie_correction"])
    ).extra["chi2"],
    "lin_ccc": lambda case, params: _concordance(case).ccc,
    "lin_ccc_bias_correction": lambda case, params: _concordance(case).bias_correction,
    "lin_ccc_ci": lambda case, params: _interval(_concordance(case).ccc, params),
    "pearson_r": lambda case, params: _concordance(case).pearson,
    "published_icc": _published_icc,
    "sdc_agreement": lambda case, params: sdc(_ratings(case), "agreement"),
    "sem_agreement": lambda case, params: sem(_ratings(case), "agreement"),
    "sem_consistency": lambda case, params: sem(_ratings(case), "consistency"),
    "within_subject_sd": _within,
}  # fmt: skip
