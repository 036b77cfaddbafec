"""Calls of the analyses of several readers and cases."""

import numpy as np

from ml.stats.mrmc import (
    bdg,
    components,
    curve,
    dbm,
    figures,
    froc,
    froc_curve,
    lroc,
    margin,
    obuchowski_rockette,
    sample_size,
    simulate,
    standalone,
)
from ml.stats.mrmc.study import MrmcStudy
from tests.ml.stats.poor.rows import FEW, Rows, cohort

_INFERENCES = ("RRRC", "FRRC", "RRFC")
_MARKS = ("AFROC", "AFROC1", "wAFROC", "wAFROC1", "HrAuc")


def _study(rows: Rows) -> MrmcStudy:
    """Two modalities read by the readers of the rows."""
    readers = rows.numbers.shape[1]
    other = np.stack([rows.scores, rows.scores_b, rows.a])[:readers]
    return _of(rows, np.stack([rows.numbers.T, other]))


def _of(rows: Rows, scores: np.ndarray) -> MrmcStudy:
    names = ("plain", "aided", "third")[: scores.shape[0]]
    return MrmcStudy(
        scores, rows.present, names, tuple("xyz"[: scores.shape[1]]),
        tuple(str(case) for case in range(rows.n)), rows.clusters,
    )  # fmt: skip


def _one_modality(rows: Rows) -> MrmcStudy:
    return _of(rows, np.stack([rows.scores, rows.scores_b, rows.a])[None])


def _one_reader(rows: Rows) -> MrmcStudy:
    return _of(rows, np.stack([rows.scores, rows.scores_b])[:, None])


def _nested(rows: Rows, axis: str) -> MrmcStudy:
    """Every case read by one reader alone, or in one modality alone."""
    scores = np.stack([[rows.scores, rows.scores_b], [rows.b, rows.a]])
    # Pairs of cases, one of each kind, stay together.
    number = np.argsort(np.argsort(rows.b, kind="stable"), kind="stable") % 2
    first = number == 0
    if axis == "readers":
        scores[:, 0, ~first] = np.nan
        scores[:, 1, first] = np.nan
    else:
        scores[0, :, ~first] = np.nan
        scores[1, :, first] = np.nan
    return _of(rows, scores)


def _marks(rows: Rows) -> froc.FrocStudy:
    """A mark beside lesions in every third case, and on the lesion of most cases with one."""
    beside = np.flatnonzero(rows.b > 0)
    on = np.flatnonzero((rows.present == 1) & (rows.called == 1))
    case = np.r_[beside, on]
    both = np.r_[case, case], np.repeat([0, 1], case.size)
    rating = np.r_[rows.scores[case], rows.scores_b[case]]
    lesion = np.tile(np.r_[np.zeros(beside.size, int), np.ones(on.size, int)], 2)
    return froc.FrocStudy.of(
        np.zeros(both[0].size, int), both[1], both[0], lesion, rating,
        lesions_per_case=rows.present, modalities=["plain"], readers=["x", "y"],
    )  # fmt: skip


def _analysed(of, how, inference):
    return lambda rows: obuchowski_rockette.obuchowski_rockette(of(rows), how, inference, FEW)


def _shared(figure, inference="RRRC", how="jackknife"):
    return lambda rows: obuchowski_rockette.obuchowski_rockette(
        figure(_study(rows), 0.2), how, inference, FEW
    )


def _alone(method, how="jackknife"):
    return lambda rows: standalone.model_against_readers(_one_modality(rows), 0, method, how, FEW)


def _gallas(*arguments, of=_study, **options):
    return lambda rows: bdg.gallas_bdg(of(rows), *arguments, FEW, **options)


def _froc_analysed(figure):
    return lambda rows: obuchowski_rockette.obuchowski_rockette(
        froc.froc_figures(_marks(rows), figure), "jackknife", "RRRC", FEW
    )


def _margin(claim):
    def call(rows):
        found = obuchowski_rockette.obuchowski_rockette(_study(rows), settings=FEW)
        return [margin.margin_test(one, 0.1, claim) for one in found.differences]

    return call


def _read(points):
    """The numbers of a curve."""
    return np.asarray(points).ravel().tolist()


def _froc_curve(rows):
    found = froc_curve.froc_curve(_marks(rows), 0, 0)
    return [froc_curve.sensitivity_at(found, 0.5), froc_curve.efroc_area(found)]


def _lroc(figure):
    return lambda rows: lroc.lroc_figure(
        rows.scores[rows.present == 0], rows.scores[rows.present == 1],
        rows.called[rows.present == 1], figure, 0.5,
    )  # fmt: skip


CLUSTERED = {
    **{
        f"or_{how}_{inference}": _analysed(_study, how, inference)
        for how in ("jackknife", "bootstrap")
        for inference in _INFERENCES
    },
    "or_one_modality": _analysed(_one_modality, "jackknife", "RRRC"),
    "or_one_reader": _analysed(_one_reader, "jackknife", "FRRC"),
    "or_cases_in_readers": _analysed(lambda r: _nested(r, "readers"), "jackknife", "RRRC"),
    "or_cases_in_modalities": _analysed(
        lambda r: _nested(r, "modalities"), "jackknife", "RRRC"
    ),
    "or_sensitivity": _shared(figures.sensitivity_figures),
    "or_specificity": _shared(figures.specificity_figures, "FRRC"),
    "or_specificity_bootstrap": _shared(figures.specificity_figures, how="bootstrap"),
    **{f"dbm_{inference}": lambda rows, inference=inference: dbm.dorfman_berbaum_metz(
        _study(rows), inference, FEW) for inference in _INFERENCES},
    **{f"standalone_{method}": _alone(method) for method in standalone.SAYS},
    "standalone_bootstrap": _alone("1T-RRRC", "bootstrap"),
    "margin_non_inferiority": _margin("non-inferiority"),
    "margin_superiority": _margin("superiority"),
    "margin_equivalence": _margin("equivalence"),
}  # fmt: skip
SIMULATED = {
    *(f"or_bootstrap_{inference}" for inference in _INFERENCES),
    "or_specificity_bootstrap", "standalone_bootstrap",
}  # fmt: skip
IN_UNITS = {name for name in CLUSTERED if "sensitivity" in name or "specificity" in name} | {
    "bdg_sensitivity",
    "bdg_specificity",
}  # their threshold is in the unit of the scores
# These refuse clustered cases, or cannot hold them.
OTHERS = {
    **{
        f"or_{how}_{inference}": _analysed(_study, how, inference)
        for how in ("delong", "unbiased")
        for inference in _INFERENCES
    },
    "standalone_delong": _alone("1T-RRRC", "delong"),
    "bdg_u": _gallas("U", "auc"),
    "bdg_v": _gallas("V", "auc", whole_df=False),
    "bdg_sensitivity": _gallas("U", "sensitivity", threshold=0.2),
    "bdg_specificity": _gallas("V", "specificity", threshold=0.2),
    "bdg_one_modality": _gallas("U", "auc", of=_one_modality),
    "bdg_one_reader": _gallas("V", "auc", of=_one_reader),
    "bdg_cases_in_readers": _gallas("U", "auc", of=lambda rows: _nested(rows, "readers")),
    "bdg_cases_in_modalities": _gallas("V", "auc", of=lambda rows: _nested(rows, "modalities")),
    **{f"or_{figure}": _froc_analysed(figure) for figure in _MARKS},
    "froc_curve": _froc_curve,
    "lroc_area": _lroc("ALROC"),
    "lroc_share": _lroc("PCL"),
    "reader_curve": lambda rows: _read(curve.reader_curve(_study(rows), 0, 0)),
    **{
        f"average_curve_{how}": lambda rows, how=how: _read(
            curve.average_curve(_study(rows), 1, how, 11)
        )
        for how in ("vertical", "horizontal", "diagonal", "pooled")
    },
}

_PILOT = components.Components(
    0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024, 0.005, 0.003, 0.0005
)
_PLAN = {"pilot_cases": 114, "effect": 0.05, "readers": 6, "alpha": 0.05}
_FOUND = obuchowski_rockette.obuchowski_rockette(_study(cohort()))
NUMBERS = {
    **{
        f"power_{inference}": (
            lambda inference=inference, **n: sample_size.power(_PILOT, inference=inference, **n),
            {**_PLAN, "cases": 170},
        )
        for inference in _INFERENCES
    },
    "cases_needed": (
        lambda **n: sample_size.cases_needed(_PILOT, **n),
        {**_PLAN, "target": 0.8, "most": 2000},
    ),
    "power_grid": (
        lambda readers, cases, **n: sample_size.power_grid(
            _PILOT, readers=[readers], cases=[cases], **n
        ),
        {**_PLAN, "cases": 170},
    ),
    "margin_test": (
        lambda **n: margin.margin_test(_FOUND.differences[0], **n),
        {"margin": 0.1, "alpha": 0.025},
    ),
    "sensitivity_figures": (
        lambda **n: obuchowski_rockette.obuchowski_rockette(
            figures.sensitivity_figures(_study(cohort()), **n)
        ),
        {"threshold": 0.2},
    ),
    "gallas_bdg": (
        lambda **n: bdg.gallas_bdg(_study(cohort()), endpoint="sensitivity", **n),
        {"threshold": 0.2, "null": 0.5},
    ),
    "standalone": (
        lambda **n: standalone.model_against_readers(_one_modality(cohort()), **n), {"model": 0},
    ),
    "sensitivity_at": (
        lambda **n: froc_curve.sensitivity_at(froc_curve.froc_curve(_marks(cohort()), 0, 0), **n),
        {"beside_per_case": 0.5},
    ),
    "froc_curve": (
        lambda **n: froc_curve.efroc_area(froc_curve.froc_curve(_marks(cohort()), **n)),
        {"modality": 0, "reader": 1},
    ),
    "lroc_figure": (
        lambda **n: lroc.lroc_figure([1.0, 0.5], [2.0, 3.0], [1, 0], "ALROC", **n), {"upto": 0.5},
    ),
    "reader_curve": (
        lambda **n: _read(curve.reader_curve(_study(cohort()), **n)),
        {"modality": 0, "reader": 1},
    ),
    "average_curve": (
        lambda **n: _read(curve.average_curve(_study(cohort()), **n)),
        {"modality": 0, "points": 11},
    ),
    "structure": (
        lambda **n: simulate.structure("HL", **n),
        {"auc": 0.855, "modalities": 2, "effect": 0.1, "spread": 1.0},
    ),
    "simulate": (
        lambda **n: simulate.simulate(simulate.structure("HL"), **n).scores.sum().item(),
        {"readers": 3, "with_finding": 5, "without": 5, "seed": 1},
    ),
}  # fmt: skip

_STEP = "a step of an analysis, handed what the analysis has checked"
NOT_MEASURES = {
    "components": _STEP,
    "mean_squares": _STEP,
    "covariance_of": _STEP,
    "auc_figures": _STEP,
    "auc_sums": _STEP,
    "share_sums": _STEP,
    "error_variance": _STEP,
    "f_test": _STEP,
    "chi2_test": _STEP,
    "quantile": _STEP,
    "two_sided": _STEP,
    "wald": _STEP,
    "lroc_curve": "gives the points of lroc_figure",
    "null_of": "changes a model, and measures nothing",
}
