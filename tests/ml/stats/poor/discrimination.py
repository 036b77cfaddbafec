"""Calls of the measures of discrimination."""

from ml.stats.discrimination import (
    auroc,
    average_precision,
    delong,
    likelihood_ratios,
    mann_whitney,
    margins,
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
from ml.stats.discrimination.auroc_interval import METHODS
from ml.stats.proportion import INTERVALS
from tests.ml.stats.poor.rows import FEW, Rows


def _scored(measure, *given, **options):
    return lambda rows: measure(
        rows.scores, rows.present, *given, clusters=rows.clusters, settings=FEW, **options
    )


def _plain(measure, **options):
    return lambda rows: measure(rows.scores, rows.present, **options)


def _classes(measure, **options):
    return lambda rows: measure(rows.logits, rows.label, rows.clusters, **options)


def _called(measure, *given, **options):
    def call(rows: Rows):
        calls = rates.Calls.of(rows.called, rows.present, rows.clusters)
        return measure(*given, calls, **options)

    return call


def _paired(measure, *given, **options):
    def call(rows: Rows):
        calls = paired_calls.PairedCalls.of(rows.called, rows.called_b, rows.present, rows.clusters)
        return measure(*given, calls, **options)

    return call


def _two_scores(measure, **options):
    return lambda rows: measure(rows.scores, rows.scores_b, rows.present, rows.clusters, **options)


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
        rows.called, rows.present, 1 - rows.error, rows.clusters, FEW
    )


def _operating(measure, rate=0.7, **options):
    return _scored(measure, rate, **options)


BOTH_BOOTSTRAPS = ("percentile", "bca")
CLUSTERED = {
    "auroc": _scored(auroc.auroc),
    **{f"auroc.{method}": _scored(auroc.auroc, method=method) for method in METHODS},
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
    "hand_till": _classes(multiclass.hand_till, settings=FEW),
    "macro_ovr_auroc": _classes(multiclass.macro_ovr_auroc, settings=FEW),
    "top_1_accuracy": _classes(multiclass.top_1_accuracy),
    "compare_paired": _two_scores(delong.compare_paired),
    "compare_bootstrap": _two_scores(delong.compare_bootstrap, settings=FEW),
    "compare_bootstrap.bca": _two_scores(delong.compare_bootstrap, settings=FEW, interval="bca"),
    "compare_unpaired": _unpaired,
    "compare_many": _many,
    "non_inferiority": _margin(margins.non_inferiority),
    "equivalence": _margin(margins.equivalence),
    **{f"rate.{name}": _called(rates.rate, name) for name in rates.SHARES},
    **{
        f"rate.{interval}": _called(rates.rate, "sensitivity", interval=interval)
        for interval in INTERVALS
    },
    **{f"index.{name}": _called(rates.index, name, settings=FEW) for name in rates.INDICES},
    "f_beta": _called(rates.f_beta, settings=FEW),
    "f_2": _called(rates.f_beta, beta=2.0, settings=FEW),
    "expected_cost": _called(rates.expected_cost, cost_miss=5, cost_false_alarm=1, settings=FEW),
    "expected_cost.normalised": _called(
        rates.expected_cost, cost_miss=5, cost_false_alarm=1, prevalence=0.2, settings=FEW,
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
    "for_auroc_width": lambda _: sample_size.for_auroc_width(0.8, 0.05),
    "for_auroc_difference": lambda _: sample_size.for_auroc_difference(0.85, 0.8),
    "for_sensitivity_width": lambda _: sample_size.for_sensitivity_width(0.9, 0.1, 0.2),
}
SIMULATED: set[str] = set()
