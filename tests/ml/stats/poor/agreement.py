"""Calls of the measures of agreement."""

import numpy as np

from ml.stats.agreement import (
    alternative_annotator,
    bland_altman,
    bland_altman_regression,
    bland_altman_replicates,
    cohen,
    comparison,
    concordance,
    dawid_skene,
    deviation,
    fleiss_test,
    icc,
    icc_sample_size,
    individual_agreement,
    interchangeability,
    kappa,
    kendall,
    krippendorff,
    leave_one_reader_out,
    limit_intervals,
    limits_sample_size,
    measurement_error,
    method_regression,
    percent,
    reader_bias,
    sample_size,
    scale,
    symmetry,
)
from ml.stats.agreement.anova import mean_squares
from ml.stats.agreement.chance_corrected import IDS, chance_corrected
from ml.stats.agreement.pair_scores import category_scores, number_scores
from ml.stats.agreement.ratings import table_of_ratings
from ml.stats.clusters import Clusters
from tests.ml.stats.poor.rows import CLASSES, FEW, cohort


def _codes(measure, *arguments, **options):
    return lambda rows: measure(
        rows.answers, *arguments, clusters=rows.clusters, settings=FEW, **options
    )


def _numbers(measure, *arguments, **options):
    return lambda rows: measure(
        rows.numbers, *arguments, clusters=rows.clusters, settings=FEW, **options
    )


def _pair(measure, *arguments, **options):
    return lambda rows: measure(
        rows.a, rows.b, *arguments, clusters=rows.clusters, settings=FEW, **options
    )


def _repeated(measure, *arguments, **options):
    """Two numbers of each case by either method."""
    return lambda rows: measure(
        rows.numbers[:, :2], np.stack([rows.a, rows.b], axis=1), *arguments,
        clusters=rows.clusters, settings=FEW, **options,
    )  # fmt: skip


def _model_codes(measure, *arguments, **options):
    return lambda rows: measure(
        rows.answers, rows.label, *arguments, clusters=rows.clusters, settings=FEW, **options
    )


def _model_numbers(measure, *arguments, **options):
    return lambda rows: measure(
        rows.numbers, rows.a, *arguments, clusters=rows.clusters, settings=FEW, **options
    )


def _scored_codes(measure, weights="linear", **options):
    return lambda rows: measure(
        category_scores(rows.answers, rows.label, CLASSES, weights), clusters=rows.clusters,
        settings=FEW, **options,
    )  # fmt: skip


def _scored_numbers(measure, distance="squared", **options):
    return lambda rows: measure(
        number_scores(rows.numbers, rows.a, distance), clusters=rows.clusters, settings=FEW,
        **options,
    )  # fmt: skip


def _but(name, call):
    """A result without one of its fields."""
    return lambda rows: {at: one for at, one in vars(call(rows)).items() if at != name}


def _table(measure, *arguments, categories=CLASSES, **options):
    def call(rows):
        answers = np.minimum(rows.answers[:, :2], categories - 1)
        return measure(table_of_ratings(answers, categories), *arguments, **options)

    return call


def _clustered_kappa(interval):
    return lambda rows: cohen.cohen_kappa_clustered(
        rows.answers[:, :2], CLASSES, rows.clusters or Clusters.singles(rows.n), "linear", FEW,
        interval=interval,
    )  # fmt: skip


def _two_halves(rows):
    answers = np.minimum(rows.answers[:, :2], 1)
    return comparison.independent_kappas([answers[rows.group == "left"],
                                          answers[rows.group != "left"]])  # fmt: skip


_COEFFICIENTS = {
    f"{name}_{weights}_{way}": _codes(chance_corrected, name, CLASSES, weights, interval=way)
    for name in IDS
    for weights in ("identity", "quadratic")
    for way in ("linearised", "bootstrap")
}
_DIFFERENCES = {
    f"paired_difference_{name}_{way}": lambda rows, name=name, way=way: (
        comparison.paired_difference(
            rows.answers[:, :2], rows.answers[:, 1:], name, CLASSES, "linear", rows.clusters,
            FEW, interval=way,
        )
    )
    for name in IDS
    for way in ("linearised", "bootstrap")
}  # fmt: skip
_ALPHAS = {
    f"alpha_{scale_name}_{way}": _codes(
        krippendorff.alpha, scale_name, interval=way, circumference=CLASSES,
        distance=1 - np.eye(CLASSES),
        categories=CLASSES if scale_name in ("nominal", "ordinal", "custom") else None,
    )
    for scale_name in krippendorff.SCALES
    for way in ("linearised", "bootstrap")
}  # fmt: skip
_ICCS = {f"icc_{form}": _numbers(icc.icc, form) for form in icc.FORMS}

CLUSTERED = {
    **_COEFFICIENTS,
    **_DIFFERENCES,
    **_ALPHAS,
    **_ICCS,
    "alpha_of_numbers": _numbers(krippendorff.alpha, "interval"),
    "alpha_of_numbers_linearised": _numbers(krippendorff.alpha, "interval", interval="linearised"),
    "icc_one_way": _numbers(icc.icc_one_way),
    "icc_two_way": _numbers(icc.icc_two_way),
    "icc_null": _numbers(icc.icc, "random:agreement:1", null=0.5),
    "percent_auto": lambda rows: percent.percent_agreement(
        rows.answers[:, :2], CLASSES, "identity", rows.clusters, FEW
    ),
    "percent_bootstrap": _codes(percent.percent_agreement, CLASSES, interval="bootstrap"),
    "specific_agreement": _codes(percent.specific_agreement, CLASSES),
    "kappa_fleiss": _codes(kappa.kappa_fleiss, CLASSES),
    "kappa_conger": _codes(kappa.kappa_conger, CLASSES),
    "pairwise_kappa": _codes(kappa.pairwise_kappa, CLASSES),
    "fleiss_test": _codes(fleiss_test.fleiss_test, CLASSES),
    "cohen_clustered": _clustered_kappa("yang_zhou"),
    "cohen_clustered_bootstrap": _clustered_kappa("bootstrap"),
    "lin_ccc": _pair(concordance.lin_ccc),
    "overall_ccc": _numbers(concordance.overall_ccc),
    "kendall_w": _numbers(kendall.kendall_w),
    "kendall_w_of_codes": _codes(kendall.kendall_w, tie_correction=False),
    "bland_altman": _pair(bland_altman.bland_altman),
    "bland_altman_t": _pair(bland_altman.bland_altman, multiplier="t", interval="approximate"),
    "bland_altman_1986": _pair(bland_altman.bland_altman, interval="approximate-1986"),
    "bland_altman_log": lambda rows: bland_altman.bland_altman_log(
        rows.probabilities, rows.classes[:, 0], rows.clusters, FEW
    ),
    "bland_altman_regression": _pair(bland_altman_regression.bland_altman_regression),
    # One of their estimates has no value by design.
    "bland_altman_regression_even": _but(
        "spread_slope",
        _pair(bland_altman_regression.bland_altman_regression, changing_spread=False),
    ),
    "replicates_constant": _repeated(bland_altman_replicates.bland_altman_replicates, "constant"),
    "replicates_linked": _repeated(bland_altman_replicates.bland_altman_replicates, "linked"),
    "within_subject_sd": _numbers(bland_altman_replicates.within_subject_sd),
    "individual_agreement": _repeated(individual_agreement.individual_agreement),
    "individual_agreement_a": _repeated(individual_agreement.individual_agreement, "a"),
    "sem_agreement": _numbers(measurement_error.sem),
    "sem_consistency": _numbers(measurement_error.sem, "consistency"),
    "sdc": _numbers(measurement_error.sdc, cases=3),
    "tdi_normal": _pair(deviation.total_deviation_index),
    "tdi_approximate": _pair(deviation.total_deviation_index, 0.9, "approximate"),
    "tdi_none": _pair(deviation.total_deviation_index, 0.9, "none"),
    "coverage_probability": _pair(deviation.coverage_probability, 0.5),
    "deming": _pair(method_regression.deming),
    "deming_bootstrap": _pair(method_regression.deming, bootstrap=True),
    "passing_bablok": _pair(method_regression.passing_bablok),
    "reader_bias": _codes(reader_bias.reader_bias, 1),
    "reader_bias_of_numbers": _numbers(reader_bias.reader_bias),
    "alt_test": _scored_codes(alternative_annotator.alt_test),
    "alt_test_of_numbers": _scored_numbers(alternative_annotator.alt_test, procedure="BH"),
    "interchangeability": _scored_codes(interchangeability.interchangeability, margin=0.2),
    "interchangeability_of_numbers": _but(
        "williams", _scored_numbers(interchangeability.interchangeability)
    ),
    "agreement_ceiling": _scored_codes(interchangeability.agreement_ceiling),
    "agreement_ceiling_of_numbers": _scored_numbers(
        interchangeability.agreement_ceiling, "absolute"
    ),
    "one_out_share": _model_codes(
        leave_one_reader_out.leave_one_out_categories, CLASSES, "agreement", consensus="each"
    ),
    "one_out_kappa": _model_codes(
        leave_one_reader_out.leave_one_out_categories, CLASSES, "kappa", "quadratic"
    ),
    "one_out_kappa_exchangeable": _model_codes(
        leave_one_reader_out.leave_one_out_categories, CLASSES, exchangeable=True
    ),
    "one_out_squared": _model_numbers(leave_one_reader_out.leave_one_out_numbers),
    "one_out_absolute": _model_numbers(
        leave_one_reader_out.leave_one_out_numbers, "absolute", consensus="median"
    ),
    "one_out_icc": _model_numbers(leave_one_reader_out.leave_one_out_numbers, "icc"),
}
SIMULATED: set[str] = set()
IN_UNITS = {"coverage_probability"}  # an option is in the unit of the numbers
OTHERS = {
    "cohen_kappa": _table(cohen.cohen_kappa),
    "cohen_kappa_quadratic": _table(cohen.cohen_kappa, "quadratic"),
    "cohen_kappa_of_ratings": lambda rows: cohen.cohen_kappa_of_ratings(
        rows.answers[:, :2], CLASSES
    ),
    "two_reader_indices": _table(cohen.two_reader_indices),
    "two_reader_indices_of_two": _table(cohen.two_reader_indices, categories=2),
    "independent_kappas": _two_halves,
    "dawid_skene": lambda rows: dawid_skene.dawid_skene(rows.answers, CLASSES),
    "mean_squares": lambda rows: mean_squares(rows.numbers),
    "mcnemar_exact": _table(symmetry.mcnemar, categories=2),
    "mcnemar_mid_p": _table(symmetry.mcnemar, "mid-p", categories=2),
    "mcnemar_asymptotic": _table(symmetry.mcnemar, "asymptotic", categories=2),
    "mcnemar_corrected": _table(symmetry.mcnemar, "corrected", categories=2),
    "bowker": _table(symmetry.bowker),
    "bowker_observed": _table(symmetry.bowker, "observed"),
    "stuart_maxwell": _table(symmetry.stuart_maxwell),
    "stuart_maxwell_dropped": _table(symmetry.stuart_maxwell, equal_margins="dropped"),
    "bhapkar": _table(symmetry.bhapkar),
}

_SOUND = cohort()


def _with(measure, *arguments):
    return lambda **numbers: measure(*arguments, **numbers)


_LIMITS = {"mean": 0.1, "sd": 1.0, "accepted": 4.0, "multiplier": 1.96, "level": 0.95}
_KAPPAS = {"kappa_null": 0.2, "kappa": 0.6, "power": 0.8, "significance": 0.05}
# Measures and plans that take single numbers -> sound ones, each of which is then spoiled.
NUMBERS = {
    "icc_test_size": (
        icc_sample_size.icc_test_size,
        {"expected": 0.8, "least": 0.6, "readers": 2, "alpha": 0.05, "power": 0.8},
    ),
    "icc_width_size": (
        icc_sample_size.icc_width_size,
        {"expected": 0.8, "width": 0.2, "readers": 3, "level": 0.95},
    ),
    "limits_power": (limits_sample_size.limits_power, {"n": 50, **_LIMITS}),
    "limits_size": (limits_sample_size.limits_size, {**_LIMITS, "power": 0.8}),
    "limit_factors": (
        limit_intervals.limit_factors, {"n": 20, "multiplier": 1.96, "level": 0.95},
    ),
    "tolerance_factor": (
        limit_intervals.tolerance_factor, {"n": 20, "coverage": 0.9, "confidence": 0.95},
    ),
    "kappa_sample_size_gof": (
        sample_size.kappa_sample_size_gof, {**_KAPPAS, "prevalence": 0.3},
    ),
    "kappa_sample_size": (
        lambda one, other, **numbers: sample_size.kappa_sample_size(
            prevalences=(one, other), **numbers
        ),
        {**_KAPPAS, "one": 0.3, "other": 0.35},
    ),
    "benchmark": (scale.benchmark, {"value": 0.6, "se": 0.1, "certainty": 0.95}),
    "bland_altman": (
        _with(bland_altman.bland_altman, _SOUND.a, _SOUND.b), {"multiplier": 1.96},
    ),
    "bland_altman_regression": (
        _with(bland_altman_regression.bland_altman_regression, _SOUND.a, _SOUND.b, None, FEW),
        {"multiplier": 1.96},
    ),
    "bland_altman_replicates": (
        _with(bland_altman_replicates.bland_altman_replicates, _SOUND.numbers, _SOUND.numbers,
              "constant", None, FEW),
        {"multiplier": 1.96},
    ),
    "sdc": (_with(measurement_error.sdc, _SOUND.numbers), {"multiplier": 1.96, "cases": 2}),
    "total_deviation_index": (
        _with(deviation.total_deviation_index, _SOUND.a, _SOUND.b), {"coverage": 0.9},
    ),
    "coverage_probability": (
        _with(deviation.coverage_probability, _SOUND.a, _SOUND.b), {"distance": 0.5},
    ),
    "deming": (_with(method_regression.deming, _SOUND.a, _SOUND.b), {"error_ratio": 1.0}),
    "icc": (_with(icc.icc, _SOUND.numbers), {"null": 0.0}),
    "cohen_kappa": (_with(cohen.cohen_kappa, np.eye(2) + 3), {"level": 0.95}),
    "two_reader_indices": (_with(cohen.two_reader_indices, np.eye(2) + 3), {"level": 0.95}),
    "cohen_kappa_of_ratings": (
        _with(cohen.cohen_kappa_of_ratings, _SOUND.answers[:, :2]),
        {"categories": 3, "level": 0.95},
    ),
    "chance_corrected": (
        _with(chance_corrected, _SOUND.answers, "gwet_ac"), {"categories": 3, "population": 60},
    ),
    "percent_agreement": (
        _with(percent.percent_agreement, _SOUND.answers), {"categories": 3},
    ),
    "alpha": (
        _with(krippendorff.alpha, _SOUND.answers, "ordinal", None, FEW), {"categories": 3},
    ),
    "alpha_circular": (
        _with(krippendorff.alpha, _SOUND.answers, "circular", None, FEW), {"circumference": 3},
    ),
    "dawid_skene": (
        _with(dawid_skene.dawid_skene, _SOUND.answers),
        {"categories": 3, "most": 50, "tolerance": 1e-6},
    ),
    "interchangeability": (
        _with(interchangeability.interchangeability,
              category_scores(_SOUND.answers, _SOUND.label, CLASSES)),
        {"margin": 0.1},
    ),
    "alt_test": (
        _with(alternative_annotator.alt_test,
              category_scores(_SOUND.answers, _SOUND.label, CLASSES)),
        {"epsilon": 0.2, "q": 0.05, "min_cases": 30},
    ),
    "reader_bias": (_with(reader_bias.reader_bias, _SOUND.numbers), {"least": 30}),
}  # fmt: skip

_STEP = "a step of a measure, handed what the measure has checked"
_TABLE = "gives a table or factor, no measure"
NOT_MEASURES = {
    "adjusted_p": _STEP,
    "checked_ratings": "refuses, and measures nothing",
    "one_way_rows": _STEP,
    "one_way": _STEP,
    "two_way_rows": _STEP,
    "two_way": _STEP,
    "proportional_bias": _STEP,
    "linked": _STEP,
    "linked_rows": _STEP,
    "mover": _STEP,
    "frame": _STEP,
    "deviations": _STEP,
    "standard_error": _STEP,
    "t_interval": _STEP,
    "kappa_spread": _STEP,
    "checked_pairs": "refuses, and measures nothing",
    "pearson_estimate": _STEP,
    "alpha_replicates": _STEP,
    "together": _TABLE,
    "category_counts": _TABLE,
    "checked_codes": "refuses, and measures nothing",
    "checked_table": "refuses, and measures nothing",
    "ratings_of_table": _TABLE,
    "resampled_sums": _STEP,
    "agreement_weights": _TABLE,
    "custom_weights": _TABLE,
    "checked_distances": "refuses, and measures nothing",
    "resolved": _TABLE,
    "ratio_distance": _TABLE,
    "circular_distance": _TABLE,
}
