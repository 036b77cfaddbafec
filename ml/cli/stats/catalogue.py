"""Every measure that can be asked for at the command line, and the table it needs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.cli.stats.shapes import SHAPES, Given
from ml.stats.agreement.bland_altman import bland_altman, bland_altman_log
from ml.stats.agreement.bland_altman_regression import bland_altman_regression
from ml.stats.agreement.bland_altman_replicates import within_subject_sd
from ml.stats.agreement.concordance import lin_ccc, overall_ccc
from ml.stats.agreement.deviation import coverage_probability, total_deviation_index
from ml.stats.agreement.icc import icc, icc_one_way, icc_two_way
from ml.stats.agreement.icc_sample_size import icc_test_size, icc_width_size
from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss
from ml.stats.agreement.kendall import kendall_w
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.limits_sample_size import limits_size
from ml.stats.agreement.measurement_error import sdc, sem
from ml.stats.agreement.method_regression import deming, passing_bablok
from ml.stats.bootstrap import Settings
from ml.stats.calibration.brier import brier
from ml.stats.calibration.calibration_error import ece, ece_debiased, ece_top_label
from ml.stats.calibration.recalibration import intercept, slope
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.average_precision import auprc_trapezoid, average_precision
from ml.stats.discrimination.delong import compare_bootstrap, compare_paired
from ml.stats.discrimination.likelihood_ratios import diagnostic_odds_ratio, likelihood_ratio
from ml.stats.discrimination.mann_whitney import mann_whitney
from ml.stats.discrimination.multiclass import hand_till, macro_ovr_auroc, top_1_accuracy
from ml.stats.discrimination.operating_point import (
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    youden_threshold,
)
from ml.stats.discrimination.paired_calls import PairedCalls, compare_rates
from ml.stats.discrimination.paired_ratios import (
    compare_predictive_values,
    relative_predictive_value,
)
from ml.stats.discrimination.partial_auc import partial_auc, two_way_partial_auc
from ml.stats.discrimination.rates import (
    INDICES,
    SHARES,
    Calls,
    expected_cost,
    f_beta,
    index,
    rate,
)
from ml.stats.discrimination.sample_size import (
    for_auroc_difference,
    for_auroc_width,
    for_sensitivity_width,
)
from ml.stats.means import case_mean, case_median


@dataclass(frozen=True)
class Measure:
    """A public function of ``ml.stats``, and the shape of table whose arrays it takes first."""

    function: Callable[..., object]
    shape: str
    fixed: Mapping[str, object] = field(default_factory=dict)  # parameters that are not asked for
    defaults: Mapping[str, object] = field(default_factory=dict)  # of options, where it has none
    # Where it takes one object made of the arrays and their clusters: its parameter, and how.
    made: tuple[str, Callable[..., object]] | None = None

    @property
    def summary(self) -> str:
        """The first line of the function's documentation."""
        line: str = (inspect.getdoc(self.function) or "").partition("\n")[0]
        return line if line.endswith(".") else f"{line}."

    @property
    def given(self) -> tuple[str, ...]:
        """Parameters that need no option."""
        return (*self._arrays, *SHAPES[self.shape].named, *self.fixed)

    @property
    def _arrays(self) -> tuple[str, ...]:
        """The parameters that the arrays of the table are for: the first that are not fixed."""
        if self.made is not None:
            return (self.made[0],)
        names = [name for name in inspect.signature(self.function).parameters
                 if name not in self.fixed]  # fmt: skip
        return tuple(names[: SHAPES[self.shape].n_arrays])

    def call(self, given: Given, settings: Settings, options: Mapping[str, object]) -> object:
        """The measure of a table."""
        parameters = inspect.signature(self.function).parameters
        named: dict[str, Any] = {**self.defaults, **self.fixed, **options}
        named |= {name: value for name, value in given.named.items() if name in parameters}
        if "settings" in parameters:
            named["settings"] = settings
        elif "level" in parameters:
            named["level"] = settings.level
        if self.made is not None:
            name, make = self.made
            return self.function(**{name: make(*given.arrays, given.clusters)}, **named)
        if "clusters" in parameters and given.clusters is not None:
            named["clusters"] = given.clusters
        return self.function(**dict(zip(self._arrays, given.arrays, strict=True)), **named)


def _scored(function: Callable[..., object], **fixed: object) -> Measure:
    return Measure(function, "scores", fixed)


def _pair(function: Callable[..., object], **fixed: object) -> Measure:
    return Measure(function, "pairs", fixed)


def _called(function: Callable[..., object], **fixed: object) -> Measure:
    return Measure(function, "calls", fixed, made=("calls", Calls.of))


def _called_twice(function: Callable[..., object], **fixed: object) -> Measure:
    return Measure(function, "paired-calls", fixed, made=("calls", PairedCalls.of))


DISCRIMINATION = {
    "auroc": _scored(auroc),
    "mann_whitney": _scored(mann_whitney),
    "average_precision": _scored(average_precision),
    "auprc_trapezoid": _scored(auprc_trapezoid),
    "partial_auc": _scored(partial_auc),
    "two_way_partial_auc": _scored(two_way_partial_auc),
    "sensitivity_at_specificity": _scored(sensitivity_at_specificity),
    "specificity_at_sensitivity": _scored(specificity_at_sensitivity),
    "youden_threshold": _scored(youden_threshold),
    "auroc_paired": Measure(compare_paired, "two-scores"),
    "auroc_paired_bootstrap": Measure(compare_bootstrap, "two-scores"),
    "hand_till": Measure(hand_till, "classes"),
    "macro_ovr_auroc": Measure(macro_ovr_auroc, "classes"),
    "top_1_accuracy": Measure(top_1_accuracy, "classes"),
    **{name: _called(rate, name=name) for name in SHARES},
    **{name: _called(index, name=name) for name in INDICES},
    "f_beta": _called(f_beta),
    "expected_cost": _called(expected_cost),
    "lr_positive": _called(likelihood_ratio, sign="positive"),
    "lr_negative": _called(likelihood_ratio, sign="negative"),
    "dor": _called(diagnostic_odds_ratio),
    "sensitivity_paired": _called_twice(compare_rates, rate="sensitivity"),
    "specificity_paired": _called_twice(compare_rates, rate="specificity"),
    "ppv_paired": _called_twice(compare_predictive_values, answer="ppv"),
    "npv_paired": _called_twice(compare_predictive_values, answer="npv"),
    "ppv_ratio": _called_twice(relative_predictive_value, answer="ppv"),
    "npv_ratio": _called_twice(relative_predictive_value, answer="npv"),
    "auroc_size": Measure(for_auroc_width, "none"),
    "auroc_difference_size": Measure(for_auroc_difference, "none"),
    "sensitivity_size": Measure(for_sensitivity_width, "none"),
}
CALIBRATION = {
    "brier": _scored(brier),
    "ece": _scored(ece),
    "ece_top_label": _scored(ece_top_label),
    "ece_debiased": _scored(ece_debiased),
    "intercept": _scored(intercept),
    "slope": _scored(slope),
}
AGREEMENT = {
    "alpha": Measure(alpha, "readings", defaults={"scale": "nominal"}),
    "kappa_fleiss": Measure(kappa_fleiss, "readings"),
    "kappa_conger": Measure(kappa_conger, "readings"),
    "icc": Measure(icc, "readings-numbers"),
    "icc_one_way": Measure(icc_one_way, "readings-numbers"),
    "icc_two_way": Measure(icc_two_way, "readings-numbers"),
    "sem": Measure(sem, "readings-numbers"),
    "sdc": Measure(sdc, "readings-numbers"),
    "kendall_w": Measure(kendall_w, "readings-numbers"),
    "overall_ccc": Measure(overall_ccc, "readings-numbers"),
    "within_subject_sd": Measure(within_subject_sd, "readings-numbers"),
    "lin_ccc": _pair(lin_ccc),
    "bland_altman": _pair(bland_altman),
    "bland_altman_log": _pair(bland_altman_log),
    "bland_altman_regression": _pair(bland_altman_regression),
    "deming": _pair(deming),
    "passing_bablok": _pair(passing_bablok),
    "total_deviation_index": _pair(total_deviation_index),
    "coverage_probability": _pair(coverage_probability),
    "icc_test_size": Measure(icc_test_size, "none"),
    "icc_width_size": Measure(icc_width_size, "none"),
    "limits_size": Measure(limits_size, "none"),
}
GENERAL = {
    "mean": Measure(case_mean, "values", {"measure": "mean"}),
    "median": Measure(case_median, "values", {"measure": "median"}),
}

MEASURES: dict[str, Measure] = {**DISCRIMINATION, **CALIBRATION, **AGREEMENT, **GENERAL}
