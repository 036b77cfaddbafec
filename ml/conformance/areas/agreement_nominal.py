"""Answers on nominal and ordinal scales: kappas, alpha, AC1, symmetry of tables."""

from functools import cache
from typing import Any

import numpy as np

from ml.conformance.answer import Answer, Answers, NotOffered
from ml.conformance.areas.agreement_numeric import published_numeric
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.agreement.chance_corrected import Coefficient, chance_corrected
from ml.stats.agreement.cohen import CohenKappa, cohen_kappa, two_reader_indices
from ml.stats.agreement.fleiss_test import fleiss_test
from ml.stats.agreement.kappa import pairwise_kappa
from ml.stats.agreement.krippendorff import SCALES, alpha
from ml.stats.agreement.ratings import checked_table, ratings_of_table
from ml.stats.agreement.symmetry import SymmetryTest, bowker, mcnemar, stuart_maxwell
from ml.stats.agreement.weights import FAMILIES, Weights, agreement_weights, custom_weights
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings

_FEW = Settings(draws=64)  # the interval is not asked for


@cache
def _codes(case: Case) -> tuple[FloatArray, FloatArray]:
    """Ratings as codes, and the values of the answers that occur."""
    if case.input["kind"] == "contingency_table":
        table = checked_table(case.numbers("table"))
        return ratings_of_table(table), np.arange(1.0, table.shape[0] + 1)
    if case.input["kind"] != "ratings_matrix":
        raise NotOffered(f"not ratings: {case.input['kind']}")
    ratings = case.numbers("ratings")
    # The reference programs count the answers that occur, whatever labels the study declared.
    values = np.unique(ratings[~np.isnan(ratings)])
    codes = np.where(np.isnan(ratings), np.nan, np.searchsorted(values, ratings))
    return codes, values


def _weights(case: Case, params: Params) -> Weights:
    name, values = params.get("weights", "unweighted"), _codes(case)[1]
    if name == "custom":
        chosen = {key: np.array(params[key], dtype=float)
                  for key in ("agreement", "disagreement") if key in params}  # fmt: skip
        return custom_weights(**(chosen or _declared_custom(case)))
    if name not in (*FAMILIES, "unweighted"):
        raise NotOffered(f"weights {name}")
    return agreement_weights(values.size, name, values)


def _declared_custom(case: Case) -> dict[str, FloatArray]:
    """The matrix that another expected value of the case declares with its kappa."""
    for row in case.expected:
        for key in ("agreement", "disagreement"):
            if key in row.params:
                return {key: np.array(row.params[key], dtype=float)}
    raise NotOffered("custom weights without a matrix")


@cache
def _coefficient(case: Case, coefficient: Coefficient, weights: str) -> Estimate:
    codes, values = _codes(case)
    return chance_corrected(
        codes, coefficient, values.size, _weights(case, {"weights": weights}), settings=_FEW,
        divisor="n" if case.input["kind"] == "contingency_table" else "n-1",
    )  # fmt: skip


def _framed(coefficient: Coefficient, field: str) -> Answer:
    def answer(case: Case, params: Params) -> Any:
        found = _coefficient(case, coefficient, params.get("weights", "unweighted"))
        if field == "value":
            return found.value
        return [found.low, found.high] if field == "ci" else found.extra.get("se")

    return answer


def _cohen(case: Case, params: Params) -> CohenKappa:
    return cohen_kappa(case.numbers("table"), _weights(case, params))


def _mcnemar_chi2(case: Case, params: Params) -> Any:
    corrected = bool(params.get("correction"))
    return mcnemar(case.numbers("table"), "corrected" if corrected else "asymptotic").statistic


def _alpha(case: Case, params: Params) -> Any:
    if "level" not in params:
        return _framed("krippendorff", "value")(case, params)
    scale = params["level"]
    if scale not in SCALES:
        raise NotOffered(f"level {scale}")
    codes, values = _codes(case)
    numbers = case.numbers("ratings") if scale in ("interval", "ratio") else codes
    return alpha(numbers, scale, settings=_FEW, categories=values.size).value


def _light(case: Case, params: Params) -> Any:
    codes, values = _codes(case)
    return pairwise_kappa(codes, values.size, "identity", settings=_FEW).mean


def _fleiss(field: str) -> Answer:
    def answer(case: Case, params: Params) -> Any:
        codes, values = _codes(case)
        found = fleiss_test(codes, values.size, settings=_FEW)
        if field == "per_category":
            return {f"{value:g}": one.value
                    for value, one in zip(values, found.per_category, strict=True)}  # fmt: skip
        return getattr(found, field)

    return answer


def _stuart_maxwell(case: Case) -> SymmetryTest:
    """As irr computed the references: where margins are equal that is not the test of the paper.

    In agree-cohen1968 and agree-fce1969 one answer has equal margins. irr drops it and gives 12.8
    and 4.5 with one degree of freedom; Stuart's statistic, our default, is 13.51 and 2.72 with two.
    """
    return stuart_maxwell(case.numbers("table"), equal_margins="dropped")


def _published(case: Case, params: Params) -> Any:
    if case.input["kind"] != "contingency_table":
        return published_numeric(case, params)
    answer = {"kappa": _cohen(case, {}).kappa.value}
    try:
        custom = _declared_custom(case)
    except NotOffered:
        return answer
    return answer | {
        "weighted_kappa": cohen_kappa(case.numbers("table"), custom_weights(**custom)).kappa.value
    }


def _published_alpha(case: Case, params: Params) -> Any:
    return {scale: _alpha(case, {"level": scale})
            for scale in ("nominal", "ordinal", "interval", "ratio")}  # fmt: skip


_FRAMED: dict[str, Coefficient] = {
    "percent_agreement": "percent_agreement",
    "gwet_ac": "gwet_ac",
    "fleiss_kappa_gwet": "fleiss",
    "scott_pi": "fleiss",
    "conger_kappa": "conger",
    "brennan_prediger": "brennan_prediger",
    "krippendorff_alpha_gwet": "krippendorff",
    "krippendorff_alpha": "krippendorff",
}

ANSWERS: Answers = {
    **{f"{name}{end}": _framed(coefficient, field)
       for name, coefficient in _FRAMED.items()
       for end, field in (("", "value"), ("_se", "se"), ("_ci", "ci"))},
    "krippendorff_alpha": _alpha,
    "cohen_kappa": lambda case, params: _cohen(case, params).kappa,
    "cohen_kappa_se": lambda case, params: _cohen(case, params).se,
    "cohen_kappa_se_null": lambda case, params: _cohen(case, params).se_null,
    "cohen_kappa_z": lambda case, params: _cohen(case, params).z,
    "kappa_max": lambda case, _: two_reader_indices(case.numbers("table")).kappa_max,
    "pabak": lambda case, _: two_reader_indices(case.numbers("table")).pabak,
    "stuart_maxwell_chi2": lambda case, _: _stuart_maxwell(case).statistic,
    "stuart_maxwell_p": lambda case, _: _stuart_maxwell(case).p,
    "bowker_chi2": lambda case, _: bowker(case.numbers("table")).statistic,
    "mcnemar_chi2": _mcnemar_chi2,
    "mcnemar_exact_p": lambda case, _: mcnemar(case.numbers("table"), "exact").p,
    "fleiss_kappa": _fleiss("kappa"),
    "fleiss_kappa_se_null": _fleiss("se_null"),
    "fleiss_kappa_z": _fleiss("z"),
    "fleiss_kappa_per_category": _fleiss("per_category"),
    "conger_kappa_exact": _framed("conger", "value"),
    "light_kappa": _light,
    "published": _published,
    "published_alpha": _published_alpha,
    "published_fleiss_kappa": _fleiss("kappa"),
}  # fmt: skip
