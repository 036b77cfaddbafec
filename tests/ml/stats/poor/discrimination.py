"""Calls of the measures of discrimination."""

from inspect import signature

from ml.stats.discrimination import (
    auroc,
    auroc_interval,
    average_precision,
    delong,
    likelihood_ratios,
    mann_whitney,
    margins,
    membership,
    multiclass,
    operating_point,
    paired_calls,
    paired_ratios,
    partial_auc,
    predictive_values,
    rates,
    roc,
    sample_size,
    verification_bias,
)
from ml.stats.proportion import INTERVALS
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _with_settings(measure, options):
    """FEW, looked up when called, for measures that simulate."""
    takes = "settings" in signature(measure).parameters
    return {**options, "settings": FEW} if takes else options


def _scored(measure, *given, **options):
    return lambda rows: measure(
        rows.scores, rows.present, *given, clusters=rows.clusters,
        **_with_settings(measure, options),
    )  # fmt: skip


def _plain(measure, **options):
    return lambda rows: measure(rows.scores, rows.present, **options)


def _classes(measure, **options):
    return lambda rows: measure(
        rows.logits, rows.label, rows.clusters, **_with_settings(measure, options)
    )


def _called(measure, *given, **options):
    def call(rows: Rows):
        calls = rates.Calls.of(rows.called, rows.present, rows.clusters)
        return measure(*given, calls, **_with_settings(measure, options))

    return call


def _paired(measure, *given, **options):
    def call(rows: Rows):
        calls = paired_calls.PairedCalls.of(rows.called, rows.called_b, rows.present, rows.clusters)
        return measure(*given, calls, **_with_settings(measure, options))

    return call


def _two_scores(measure, **options):
    return lambda rows: measure(
        rows.scores, rows.scores_b, rows.present, rows.clusters,
        **_with_settings(measure, options),
    )  # fmt: skip


def _unpaired(rows: Rows):
    return delong.compare_unpaired(
        rows.scores, rows.present, rows.scores_b, rows.present, rows.clusters, rows.clusters
    )


def _many(rows: Rows):
    return delong.compare_many([rows.scores, rows.scores_b], rows.present, rows.clusters)


def _margin(test):
    return lambda rows: test(
        delong.compare_paired(rows.scores, rows.scores_b, rows.present, rows.clusters), 0.1
    )


def _predictive(answer, prevalence=0.3):
    return lambda rows: predictive_values.predictive_value(
        answer, rows.called, rows.present, prevalence, rows.clusters
    )


def _verified(rows: Rows):
    return verification_bias.begg_greenes(
        rows.called, rows.present, rows.called_b, rows.clusters, FEW
    )


def _operating(measure, rate=0.7, **options):
    return _scored(measure, rate, **options)


BOTH_BOOTSTRAPS = ("percentile", "bca")
CLUSTERED = {
    "membership_auroc": lambda rows: membership.membership_auroc(
        rows.a, rows.b, rows.label, rows.label, rows.clusters, rows.clusters, FEW
    ),
    "membership_gap": lambda rows: membership.membership_gap(
        "gap", rows.a, rows.b, rows.label, rows.label, rows.clusters, rows.clusters, FEW
    ),
    "auroc": _scored(auroc.auroc),
    **{f"auroc.{method}": _scored(auroc.auroc, method=method) for method in auroc_interval.METHODS},
    "average_precision": _scored(average_precision.average_precision),
    "auprc_trapezoid": _scored(average_precision.auprc_trapezoid),
    **{
        f"{name}.{kind}": _scored(measure, *given, interval=kind)
        for kind in BOTH_BOOTSTRAPS
        for name, measure, given in (
            ("average_precision", average_precision.average_precision, ()),
            ("auprc_trapezoid", average_precision.auprc_trapezoid, ()),
            ("partial_auc", partial_auc.partial_auc, ("specificity", 0.6, 1.0)),
            ("partial_auc_sensitivity", partial_auc.partial_auc, ("sensitivity", 0.6, 1.0)),
            ("two_way_partial_auc", partial_auc.two_way_partial_auc, (0.5, 0.5)),
        )
    },
    "partial_auc.corrected": _scored(
        partial_auc.partial_auc, "specificity", 0.6, 1.0, corrected=True
    ),
    **{
        f"{measure.__name__}.{kind}": _operating(measure, interval=kind)
        for kind in (*BOTH_BOOTSTRAPS, "agresti_coull")
        for measure in (
            operating_point.sensitivity_at_specificity,
            operating_point.specificity_at_sensitivity,
        )
    },
    "sensitivity_at_specificity.attainable": _operating(
        operating_point.sensitivity_at_specificity, between="attainable"
    ),
    "roc_band": _scored(roc.roc_band),
    "hand_till": _classes(multiclass.hand_till),
    "macro_ovr_auroc": _classes(multiclass.macro_ovr_auroc),
    "top_1_accuracy": _classes(multiclass.top_1_accuracy),
    "compare_paired": _two_scores(delong.compare_paired),
    "compare_bootstrap": _two_scores(delong.compare_bootstrap),
    "compare_bootstrap.bca": _two_scores(delong.compare_bootstrap, interval="bca"),
    "compare_unpaired": _unpaired,
    "compare_many": _many,
    "non_inferiority": _margin(margins.non_inferiority),
    "equivalence": _margin(margins.equivalence),
    **{f"rate.{name}": _called(rates.rate, name) for name in rates.SHARES},
    **{
        f"rate.{interval}": _called(rates.rate, "sensitivity", interval=interval)
        for interval in INTERVALS
    },
    **{f"index.{name}": _called(rates.index, name) for name in rates.INDICES},
    "f_beta": _called(rates.f_beta),
    "f_2": _called(rates.f_beta, beta=2.0),
    "expected_cost": _called(rates.expected_cost, cost_miss=5, cost_false_alarm=1),
    "expected_cost.normalised": _called(
        rates.expected_cost, cost_miss=5, cost_false_alarm=1, prevalence=0.2,
        normalised=True,
    ),
    **{
        f"likelihood_ratio.{sign}.{rule}": _called(
            likelihood_ratios.likelihood_ratio, sign, zero_cell=rule
        )
        for sign in ("positive", "negative")
        for rule in ("no_interval", "half")
    },
    **{
        f"diagnostic_odds_ratio.{rule}": _called(
            likelihood_ratios.diagnostic_odds_ratio, zero_cell=rule
        )
        for rule in ("no_interval", "half")
    },
    "ppv": _predictive("ppv"),
    "npv": _predictive("npv"),
    **{
        f"compare_rates.{rate}.{interval}": _paired(
            paired_calls.compare_rates, rate, interval=interval
        )
        for rate in ("sensitivity", "specificity")
        for interval in ("tango", "newcombe")
    },
    **{
        f"compare_predictive_values.{answer}.{method}": _paired(
            paired_ratios.compare_predictive_values, answer, method=method
        )
        for answer in ("ppv", "npv")
        for method in ("weighted", "generalised")
    },
    "relative_ppv": _paired(paired_ratios.relative_predictive_value, "ppv"),
    "relative_npv": _paired(paired_ratios.relative_predictive_value, "npv"),
    "relative_lr_plus": _paired(paired_ratios.relative_likelihood_ratio, "positive"),
    "relative_lr_minus": _paired(paired_ratios.relative_likelihood_ratio, "negative"),
    "begg_greenes": _verified,
}  # fmt: skip
OTHERS = {
    "roc_curve": _plain(roc.roc_curve),
    "youden_threshold": _plain(operating_point.youden_threshold),
    "mann_whitney": _plain(mann_whitney.mann_whitney),
    "mann_whitney.continuity": _plain(mann_whitney.mann_whitney, continuity=True),
    "multiclass_auto_direction": lambda rows: multiclass.multiclass_auto_direction(
        rows.scores, rows.label
    ),
}
SIMULATED: set[str] = set()


def _of_table(measure, *given, **options):
    return lambda **numbers: measure(
        *given, rates.Calls.table(tp=31, fp=8, fn=9, tn=52), **numbers, **options
    )


def _of_curve(measure, *given):
    rows = cohort()
    return lambda **numbers: measure(rows.scores, rows.present, *given, **numbers)


def _of_comparison(test):
    rows = cohort()
    found = delong.compare_paired(rows.scores, rows.scores_b, rows.present)
    return lambda **numbers: test(found, **numbers)


# Measures and plans of single numbers, and numbers that each of them takes.
IN_UNITS: set[str] = set()
NUMBERS = {
    "table": (rates.Calls.table, {"tp": 3, "fp": 1, "fn": 2, "tn": 4}),
    "rate": (_of_table(rates.rate, "sensitivity"), {"level": 0.9}),
    "f_beta": (_of_table(rates.f_beta), {"beta": 2.0}),
    "expected_cost": (
        _of_table(rates.expected_cost),
        {"cost_miss": 5.0, "cost_false_alarm": 1.0, "prevalence": 0.2},
    ),
    "likelihood_ratio": (_of_table(likelihood_ratios.likelihood_ratio, "positive"), {"level": 0.9}),
    "diagnostic_odds_ratio": (_of_table(likelihood_ratios.diagnostic_odds_ratio), {"level": 0.9}),
    "predictive_value": (
        lambda **numbers: predictive_values.predictive_value(
            "ppv", cohort().called, cohort().present, **numbers
        ),
        {"prevalence": 0.2, "level": 0.9},
    ),
    "partial_auc": (_of_curve(partial_auc.partial_auc, "specificity"), {"low": 0.8, "high": 1.0}),
    "two_way_partial_auc": (
        _of_curve(partial_auc.two_way_partial_auc),
        {"least_sensitivity": 0.5, "least_specificity": 0.4},
    ),
    "sensitivity_at_specificity": (
        _of_curve(operating_point.sensitivity_at_specificity), {"specificity": 0.8}
    ),
    "specificity_at_sensitivity": (
        _of_curve(operating_point.specificity_at_sensitivity), {"sensitivity": 0.8}
    ),
    "top_1_accuracy": (
        lambda **numbers: multiclass.top_1_accuracy(cohort().logits, cohort().label, **numbers),
        {"level": 0.9},
    ),
    "compare_paired": (
        lambda **numbers: delong.compare_paired(
            cohort().scores, cohort().scores_b, cohort().present, **numbers
        ),
        {"level": 0.9},
    ),
    "compare_unpaired": (
        lambda **numbers: delong.compare_unpaired(
            cohort().scores, cohort().present, cohort().scores_b, cohort().present, **numbers
        ),
        {"level": 0.9},
    ),
    "non_inferiority": (_of_comparison(margins.non_inferiority), {"margin": 0.1, "alpha": 0.025}),
    "equivalence": (_of_comparison(margins.equivalence), {"margin": 0.1, "alpha": 0.05}),
    "tango": (paired_calls.tango, {"only_a": 4, "only_b": 1, "n": 30, "level": 0.9}),
    "newcombe_paired": (
        paired_calls.newcombe_paired,
        {"both": 20, "only_a": 4, "only_b": 1, "neither": 5, "level": 0.9},
    ),
    "boyd_logit": (average_precision.boyd_logit, {"value": 0.6, "n_events": 20, "level": 0.9}),
    "wald": (auroc_interval._wald, {"value": 0.8, "variance": 0.01, "level": 0.9}),
    "logit_delong": (auroc_interval._logit_delong, {"value": 0.8, "variance": 0.01, "level": 0.9}),
    "hanley_mcneil_variance": (
        auroc_interval.hanley_mcneil_variance,
        {"value": 0.8, "n_present": 20, "n_absent": 30},
    ),
    "variance_per_present": (
        sample_size.variance_per_present, {"auroc": 0.8, "absent_per_present": 2.0}
    ),
    "for_auroc_width": (
        sample_size.for_auroc_width,
        {"auroc": 0.8, "half_width": 0.05, "absent_per_present": 2.0, "level": 0.9},
    ),
    "for_auroc_difference": (
        sample_size.for_auroc_difference,
        {"auroc_a": 0.85, "auroc_b": 0.8, "correlation": 0.3, "absent_per_present": 2.0,
         "alpha": 0.05, "power": 0.8},
    ),
    "for_sensitivity_width": (
        sample_size.for_sensitivity_width,
        {"sensitivity": 0.9, "width": 0.1, "prevalence": 0.2, "level": 0.9},
    ),
}  # fmt: skip
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "ridge_logistic": "weights; their AUROC is what is measured",
    "cross_fitted_logistic": "log odds of each case, whose AUROC is what is measured",
    "cross_fitted_neighbours": "shares of neighbours, likewise",
    "dealt_folds": "folds for both",
    "auroc_interval": "auroc's part that makes the interval",
    "auroc_variance": "auroc's part that makes the variance",
    "bootstrap_auroc": "replicates for the measures that are called here",
    "left_out_auroc": "the jackknife for BCa",
    "obuchowski_covariance": "of placements, for compare_paired",
    "delong_covariance": "of placements, for compare_paired",
    "delong_variance": "of placements, for auroc",
    "placements": "arrays, for auroc",
    "bootstrapped": "the interval of curve_estimate",
    "curve_estimate": "what partial_auc and operating points are made by",
}
