"""Answers that are numbers: ICC, Bland-Altman, concordance, W."""

from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.agreement.anova import MeanSquares, mean_squares
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


def _published_icc(case: Case, params: Params) -> Any:
    return {FORMS[form].shrout_fleiss or "": _icc(case, form).value for form in _FORMS.values()}


ANSWERS: Answers = {
    "anova_ms": _anova,
    "icc": _form,
    "icc_F": _f,
    "icc_ci": lambda case, params: _interval(_form(case, params), params),
    "icc_p": lambda case, params: _form(case, params).extra["p"],
    "kendall_w": lambda case, params: _kendall(case, bool(params["tie_correction"])),
    "kendall_w_chi2": lambda case, params: _kendall(
        case, bool(params["tie_correction"])
    ).extra["chi2"],
    "published_icc": _published_icc,
    "sdc_agreement": lambda case, params: sdc(_ratings(case), "agreement"),
    "sem_agreement": lambda case, params: sem(_ratings(case), "agreement"),
    "sem_consistency": lambda case, params: sem(_ratings(case), "consistency"),
}  # fmt: skip
