"""Paired and stratified comparisons, and many p-values at once."""

from typing import Any

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.stats.comparison.p_adjust import METHODS, p_adjust
from ml.stats.comparison.paired import cohens_dz, paired_t
from ml.stats.comparison.ranking import friedman
from ml.stats.comparison.signed_rank import hodges_lehmann, sign_test, wilcoxon_signed_rank


def _p_adjust(case: Case, params: Params) -> Any:
    if params["method"] not in METHODS:
        raise NotOffered(params["method"])
    return p_adjust(case.numbers("p"), params["method"])


def _paired_t(case: Case, params: Params) -> Any:
    test = paired_t(case.numbers("a"), case.numbers("b"))
    mean = test.estimate
    return {
        "t": test.statistic, "df": test.df, "p": test.p, "mean": mean.value,
        "ci": [mean.low, mean.high],
    }  # fmt: skip


def _wilcoxon(case: Case, params: Params) -> Any:
    test = wilcoxon_signed_rank(
        case.numbers("a"), case.numbers("b"), zeros=params.get("zeros", "dropped"),
        continuity=params["continuity"],
    )  # fmt: skip
    return {"V": test.statistic, "p": test.p}


def _friedman(case: Case, params: Params) -> Any:
    test = friedman(case.numbers("matrix"))
    return {"chi2": test.chi2, "df": test.df, "p": test.p}


ANSWERS: Answers = {
    "p_adjust": _p_adjust,
    "paired_t": _paired_t,
    "wilcoxon_signed_rank": _wilcoxon,
    "hodges_lehmann": lambda case, _: hodges_lehmann(
        case.numbers("a"), case.numbers("b"), zeros="dropped"
    ),
    "sign_test_p": lambda case, _: sign_test(case.numbers("a"), case.numbers("b")).p,
    "cohens_dz": lambda case, _: cohens_dz(case.numbers("a"), case.numbers("b")),
    "friedman": _friedman,
    "mean_ranks": lambda case, _: friedman(case.numbers("matrix")).mean_ranks,
}
