"""Groups side by side, and what a decision is worth."""

from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answer, Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.bootstrap import Settings
from ml.stats.subgroups.calls import GroupedCalls, Rate, group_rates
from ml.stats.subgroups.gaps import (
    demographic_parity,
    difference_to_overall,
    equal_opportunity,
    equalized_odds,
)
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import rate_difference
from ml.stats.subgroups.stratified import breslow_day, cochran_mantel_haenszel, mantel_haenszel
from ml.stats.utility.net_benefit import DecisionCurve, decision_curve

_FEW = Settings(draws=200)  # intervals of these are not among the reference values
_THRESHOLDS = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.5)


@cache
def _calls(case: Case) -> GroupedCalls:
    """Cases one by one from the tables of each group (tn, fp, fn, tp)."""
    names = list(case.input["groups"])
    counts = np.array([case.input["groups"][name] for name in names])
    cells = np.tile(np.arange(4), len(names))
    cell = np.repeat(cells, counts.ravel())
    labels = np.repeat(np.repeat(names, 4), counts.ravel())
    return GroupedCalls.of(cell % 2, cell // 2, Groups.of([str(label) for label in labels]))


def _by_group(rate: Rate) -> Answer:
    return lambda case, params: _plainly(params) and group_rates(_calls(case), rate)


def _plainly(params: Params) -> bool:
    if params:
        raise NotOffered(f"params {dict(params)}")
    return True


def _equalized_odds(case: Case, params: Params) -> Estimate:
    if set(params) != {"agg"} or params["agg"] not in ("worst_case", "mean"):
        raise NotOffered(f"params {dict(params)}")
    return equalized_odds(_calls(case), _FEW, aggregate=params["agg"])


def _tpr_to_overall(case: Case, _: Params) -> dict[str, float | None] | None:
    """The reference has no table at all where one group has none."""
    values = {
        name: found.value
        for name, found in difference_to_overall(_calls(case), "tpr", _FEW).items()
    }
    return None if None in values.values() else values


def _pairwise(rate: Rate) -> Answer:
    def answer(case: Case, params: Params) -> dict[str, Any]:
        found = rate_difference(_calls(case), rate, params["a"], params["b"])
        return {
            "diff": found.value, "newcombe_ci": [found.low, found.high],
            "z_pooled": found.extra["z_pooled"], "p": found.extra["p"],
        }  # fmt: skip

    return answer


def _published(case: Case, _: Params) -> dict[str, Any]:
    return {rate: group_rates(_calls(case), rate) for rate in ("fpr", "fnr")}


def _tables(case: Case) -> np.ndarray[Any, np.dtype[np.float64]]:
    return case.numbers("tables")


def _with_test(found: Estimate, *more: str) -> dict[str, Any]:
    return {"chi2": found.value, **{name: found.extra[name] for name in ("p", *more)}}


def _cmh(case: Case, params: Params) -> dict[str, Any]:
    return _with_test(cochran_mantel_haenszel(_tables(case), correction=bool(params["correction"])))


def _odds_ratio_interval(case: Case, _: Params) -> list[float | None]:
    found = mantel_haenszel(_tables(case))
    return [found.low, found.high]


def _curves(case: Case, prevalence: float | None) -> dict[str, DecisionCurve]:
    return {
        name: decision_curve(
            np.array(p, dtype=np.float64), case.numbers("y").astype(np.int64), _THRESHOLDS,
            settings=_FEW, prevalence=prevalence,
        )
        for name, p in case.input["p"].items()
    }  # fmt: skip


def _decision_curve(case: Case, params: Params) -> dict[str, Any]:
    if set(params) - {"prevalence", "rule"} or params.get("rule") not in (
        None, "positive if p >= threshold",
    ):  # fmt: skip
        raise NotOffered(f"params {dict(params)}")
    curves = _curves(case, params.get("prevalence"))
    first = next(iter(curves.values()))
    zero = np.zeros(first.threshold.size)
    shares = zero + first.prevalence, zero + 1 - first.prevalence
    rows = {"all": (first.treat_all, *shares), "none": (zero, zero, zero)}
    rows |= {name: (c.net_benefit, c.tp_rate, c.fp_rate) for name, c in curves.items()}
    return {
        name: {"threshold": first.threshold, "net_benefit": nb, "tp_rate": tp, "fp_rate": fp}
        for name, (nb, tp, fp) in rows.items()
    }


def _avoided(case: Case, params: Params) -> dict[str, Any]:
    curve = next(iter(_curves(case, None).values()))
    return {
        "threshold": curve.threshold, "per_100": curve.interventions_avoided * params["nper"],
    }  # fmt: skip


ANSWERS: Answers = {
    "selection_rate_by_group": _by_group("selection_rate"),
    "tpr_by_group": _by_group("tpr"),
    "fpr_by_group": _by_group("fpr"),
    "fnr_by_group": _by_group("fnr"),
    "accuracy_by_group": _by_group("accuracy"),
    "ppv_by_group": _by_group("ppv"),
    "demographic_parity_difference": lambda case, _: demographic_parity(_calls(case), _FEW),
    "demographic_parity_ratio": lambda case, _: demographic_parity(
        _calls(case), _FEW, kind="ratio"
    ),
    "equalized_odds_difference": _equalized_odds,
    "equal_opportunity_difference": lambda case, _: equal_opportunity(_calls(case), _FEW),
    "tpr_difference_to_overall": _tpr_to_overall,
    "tpr_pairwise": _pairwise("tpr"),
    "fpr_pairwise": _pairwise("fpr"),
    "published": _published,
    "mantel_haenszel_or": lambda case, _: mantel_haenszel(_tables(case)),
    "mantel_haenszel_or_ci": _odds_ratio_interval,
    "cmh_chi2": _cmh,
    "breslow_day": lambda case, _: _with_test(breslow_day(_tables(case)), "df"),
    "breslow_day_tarone": lambda case, _: _with_test(breslow_day(_tables(case), tarone=True), "df"),
    "decision_curve": _decision_curve,
    "net_intervention_avoided": _avoided,
}
