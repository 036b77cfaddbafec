"""Several readers, several modalities, the same cases."""

from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Any, cast

import numpy as np

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.mrmc.bdg import Bdg, gallas_bdg
from ml.stats.mrmc.components import Components
from ml.stats.mrmc.covariance import Covariance
from ml.stats.mrmc.dbm import DbmAnalysis, dorfman_berbaum_metz
from ml.stats.mrmc.figures import (
    Figures,
    auc_figures,
    sensitivity_figures,
    specificity_figures,
)
from ml.stats.mrmc.froc import FrocFigure, FrocStudy, froc_figures
from ml.stats.mrmc.obuchowski_rockette import Inference, OrAnalysis, obuchowski_rockette
from ml.stats.mrmc.sample_size import cases_needed
from ml.stats.mrmc.standalone import Method, model_against_readers
from ml.stats.mrmc.study import MrmcStudy

COVARIANCES: dict[str, Covariance] = {
    "jackknife": "jackknife",
    "DeLong": "delong",
    "unbiased": "unbiased",
}
INFERENCES: dict[tuple[str, str], Inference] = {
    ("random", "random"): "RRRC",
    ("fixed", "random"): "FRRC",
    ("random", "fixed"): "RRFC",
}

# Data sets whose own labels of treatments start at 0.
FROM_ZERO = ("mrmc-vandyke", "mrmc-penedo")


@cache
def _study(case: Case) -> MrmcStudy:
    columns = case.columns()
    return MrmcStudy.of(
        columns["treatment"],
        columns["reader"],
        columns["case"],
        np.array(columns["rating"], dtype=np.float64),
        np.array(columns["truth"], dtype=np.int64),
        higher_means="present",
    )


@cache
def _froc(case: Case) -> FrocStudy:
    columns = {name: np.array(texts) for name, texts in case.columns().items()}
    many = np.r_[
        np.zeros(int(case.input["n_normal"]), dtype=np.int64),
        np.array(case.input["lesions_per_abnormal_case"]),
    ]
    return FrocStudy.of(
        columns["treatment"].astype(int) - 1,
        columns["reader"].astype(int) - 1,
        columns["case"].astype(int) - 1,
        columns["lesion"].astype(int),
        columns["rating"].astype(float),
        lesions_per_case=many,
        modalities=[str(at + 1) for at in range(int(case.input["treatments"]))],
        readers=[str(at + 1) for at in range(int(case.input["readers"]))],
    )


@cache
def _figures(case: Case, name: str, threshold: str | None) -> Figures:
    if name in ("empirical_auc", "Wilcoxon"):
        return auc_figures(_study(case))
    if name in ("binary_sens", "binary_spec") and threshold and threshold.startswith("rating>="):
        make = sensitivity_figures if name == "binary_sens" else specificity_figures
        return make(_study(case), float(threshold.removeprefix("rating>=")))
    if name in ("wAFROC", "wAFROC1", "AFROC", "AFROC1", "HrAuc"):
        return froc_figures(_froc(case), cast(FrocFigure, name))
    raise NotOffered(f"figure of merit {name}")


@cache
def _analysed(
    case: Case, name: str, threshold: str | None, covariance: str, inference: Inference
) -> OrAnalysis:
    if covariance not in COVARIANCES:
        raise NotOffered(f"covariance {covariance}")
    figures = _figures(case, name, threshold)
    return obuchowski_rockette(figures, COVARIANCES[covariance], inference)


def _or(case: Case, params: Params) -> OrAnalysis:
    inference = INFERENCES[params["readers"], params["cases"]]
    name, threshold = params["metric"], params.get("threshold")
    return _analysed(case, name, threshold, params["covariance"], inference)


def _components(found: OrAnalysis) -> Components:
    assert found.components is not None
    return found.components


def or_variance_components(case: Case, params: Params) -> Any:
    found = _components(_or(case, params))
    return {
        "reader": found.reader, "treatment:reader": found.modality_reader, "Error": found.error,
        "Cov1": found.cov1, "Cov2": found.cov2, "Cov3": found.cov3,
    }  # fmt: skip


def or_test(case: Case, params: Params) -> Any:
    analysis = _or(case, params)
    found, test = _components(analysis), analysis.test
    assert test is not None
    answer = {
        "MS(T)": found.ms_modality, "MS(T:R)": found.ms_interaction, "Cov1": found.cov1,
        "Cov2": found.cov2, "Cov3": found.cov3, "Denominator": test.denominator,
        "p-value": test.p,
    }  # fmt: skip
    if test.kind == "chi2":
        return {**answer, "X2": test.statistic, "df": test.df1}
    return {**answer, "F": test.statistic, "df1": test.df1, "df2": test.df2}


def _place(case: Case, metric: str, params: Params) -> int:
    """Which of the rows with equal params is asked: they list pairs and modalities in order."""
    alike = [row.params for row in case.expected if row.metric == metric and row.params == params]
    return next(at for at, found in enumerate(alike) if found is params)


def _row(found: Estimate) -> dict[str, Any]:
    extra = found.extra
    return {
        "estimate": found.value, "se": extra["se"], "df": extra["df"],
        "ci": [found.low, found.high], "p": extra["p"],
    }  # fmt: skip


def or_difference(case: Case, params: Params) -> Any:
    analysis = _or(case, params)
    at = _place(case, "or_difference", params)
    a, b = list(combinations(analysis.modalities, 2))[at]
    return {"comparison": f"{a} - {b}", **_row(analysis.differences[at])}


def or_mean(case: Case, params: Params) -> Any:
    analysis = _or(case, params)
    at = _place(case, "or_mean", params)
    return {"test": analysis.modalities[at], **_row(analysis.means[at])}


def reader_auc(case: Case, params: Params) -> Any:
    figures = _figures(case, "empirical_auc", None)
    rows = [
        {"treatment": modality, "reader": reader, "auc": figures.values[i, j]}
        for i, modality in enumerate(figures.modalities)
        for j, reader in enumerate(figures.readers)
    ]
    return sorted(rows, key=lambda row: (row["treatment"], row["reader"]))


def fom(case: Case, params: Params) -> Any:
    return _figures(case, params["fom"], None).values


def variance_components(case: Case, params: Params) -> Any:
    found = _components(_analysed(case, params["fom"], None, "jackknife", "RRRC"))
    return {
        "VarR": found.reader, "VarTR": found.modality_reader, "Cov1": found.cov1,
        "Cov2": found.cov2, "Cov3": found.cov3, "Var": found.error,
    }  # fmt: skip


@cache
def _dbm(case: Case, name: str, inference: Inference) -> DbmAnalysis:
    return dorfman_berbaum_metz(_figures(case, name, None), inference)


def _rjafroc(case: Case, params: Params) -> OrAnalysis | DbmAnalysis:
    analysis = cast(Inference, params["analysis"])
    if params["method"] == "DBM":
        return _dbm(case, params["fom"], analysis)
    return _analysed(case, params["fom"], None, "jackknife", analysis)


def test(case: Case, params: Params) -> Any:
    analysis = _rjafroc(case, params)
    found = analysis.test
    assert found is not None
    treatment: Mapping[str, Any] = {"DF": found.df1, "MS": found.numerator, "p": found.p}
    if found.kind == "chi2":
        return {
            "Error": {"MS": found.denominator, "Chisq": None, "DF": None, "p": None},
            "Treatment": {**treatment, "Chisq": found.statistic},
        }
    if params["method"] == "OR" and params["analysis"] == "RRFC":
        inner = {"DF": found.df2, "MS": found.denominator, "F": None, "p": None}
        return {"T": {**treatment, "F": found.statistic}, "TR": inner}
    return {
        "Error": {"DF": found.df2, "MS": found.denominator, "FStat": None, "p": None},
        "Treatment": {**treatment, "FStat": found.statistic},
    }


def differences(case: Case, params: Params) -> Any:
    analysis = _rjafroc(case, params)
    names = _figures(case, params["fom"], None).modalities
    first = 0 if case.id in FROM_ZERO else 1
    labels = [f"trt{at + first}" for at in range(len(names))]
    return [
        {
            "pair": f"{a}-{b}", "Estimate": found.value, "StdErr": found.extra["se"],
            "DF": found.extra["df"], "t": found.extra["statistic"], "PrGTt": found.extra["p"],
            "z": found.extra["statistic"], "PrGTz": found.extra["p"],
            "CILower": found.low, "CIUpper": found.high,
        }
        for (a, b), found in zip(combinations(labels, 2), analysis.differences, strict=True)
    ]  # fmt: skip


@cache
def _bdg(case: Case, statistic: str) -> Bdg:
    return gallas_bdg(_study(case), "U" if statistic == "Ustat" else "V")


def imrmc(case: Case, params: Params) -> Any:
    found = _bdg(case, params["statistic"])
    names = _study(case).modalities
    of = dict(zip(names, found.means, strict=True))

    def row(a: str, b: str | None, of_row: Estimate) -> dict[str, Any]:
        extra = of_row.extra
        return {
            "A": f"m{a}", "B": "NO_MOD" if b is None else f"m{b}", "AUCA": of[a].value,
            "varAUCA": of[a].extra["variance"], "AUCB": None if b is None else of[b].value,
            "diff": None if b is None else of_row.value,
            "var_diff": None if b is None else extra["variance"], "dfBDG": extra["df_bdg"],
            "p": extra["p"], "ci": [of_row.low, of_row.high], "p_normal": extra["p_normal"],
        }  # fmt: skip

    pairs = zip(combinations(names, 2), found.differences, strict=True)
    rows = [row(a, None, of[a]) for a in names] + [row(a, b, diff) for (a, b), diff in pairs]
    return rows[_place(case, "imrmc", params)]


def bdg_moments(case: Case, params: Params) -> Any:
    found = _bdg(case, params["statistic"])
    names = _study(case).modalities
    pairs = [*((a, a) for a in names), *combinations(names, 2)]
    return [
        {
            "modalityID.1": f"m{a}", "modalityID.2": f"m{b}",
            **{f"M{at + 1}": value for at, value in enumerate(found.moments[a, b])},
        }
        for a, b in pairs
    ]  # fmt: skip


def cad_vs_readers(case: Case, params: Params) -> Any:
    method = cast(Method, params["method"])
    found = model_against_readers(_figures(case, params["fom"], None), 0, method)
    extra, whole = found.difference.extra, found.components
    mean, difference = ([of.low, of.high] for of in (found.mean, found.difference))
    answer = {
        "fomCAD": found.model, "fomRAD": found.readers, "avgRadFom": found.mean.value,
        "CIAvgRadFom": mean, "CIAvgRad": mean, "avgDiffFom": found.difference.value,
        "CIAvgDiffFom": difference, "varR": found.variance_readers,
        "varError": found.variance_error, "cov2": found.cov2, "Tstat": extra["statistic"],
        "df": extra["df"], "pval": extra["p"],
    }  # fmt: skip
    if whole is None or found.test is None:
        return answer
    return {
        **answer, "varDiffFom": found.variance_readers, "varR": whole.reader,
        "varTR": whole.modality_reader, "cov1": whole.cov1, "cov2": whole.cov2,
        "cov3": whole.cov3, "varError": whole.error, "FStat": found.test.statistic,
        "ndf": found.test.df1,
    }  # fmt: skip


def sample_size(case: Case, params: Params) -> Any:
    if params["analysis"] != "RRRC":
        raise NotOffered(f"sample size for {params['analysis']}")
    pilot = _components(_analysed(case, "Wilcoxon", None, "jackknife", "RRRC"))
    found = cases_needed(
        pilot, len(_study(case).cases), params["effect"], params["J"], target=params["power"],
        alpha=params["alpha"],
    )  # fmt: skip
    return {"KRRRC": found.cases, "powerRRRC": found.power}


def published(case: Case, params: Params) -> Any:
    found = _analysed(case, "empirical_auc", None, "jackknife", "RRRC")
    test, difference = found.test, found.differences[0]
    assert test is not None
    return {
        "F": test.statistic, "ddf": round(test.df2 or 0.0, 2), "p": test.p,
        "diff": difference.value, "ci": [difference.low, difference.high],
    }  # fmt: skip


ANSWERS: Answers = {
    "or_variance_components": or_variance_components,
    "or_test": or_test,
    "or_difference": or_difference,
    "or_mean": or_mean,
    "reader_auc": reader_auc,
    "fom": fom,
    "variance_components": variance_components,
    "test": test,
    "differences": differences,
    "imrmc": imrmc,
    "bdg_moments": bdg_moments,
    "cad_vs_readers": cad_vs_readers,
    "sample_size": sample_size,
    "published": published,
}
