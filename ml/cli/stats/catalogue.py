"""Every measure that can be asked for at the command line, and the table it needs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.cli.stats.shape import Given
from ml.cli.stats.shapes import SHAPES
from ml.stats.agreement.bland_altman import bland_altman, bland_altman_log
from ml.stats.agreement.bland_altman_regression import bland_altman_regression
from ml.stats.agreement.bland_altman_replicates import within_subject_sd
from ml.stats.agreement.chance_corrected import chance_corrected
from ml.stats.agreement.cohen import cohen_kappa, two_reader_indices
from ml.stats.agreement.concordance import lin_ccc, overall_ccc
from ml.stats.agreement.dawid_skene import dawid_skene
from ml.stats.agreement.deviation import coverage_probability, total_deviation_index
from ml.stats.agreement.fleiss_test import fleiss_test
from ml.stats.agreement.icc import icc, icc_one_way, icc_two_way
from ml.stats.agreement.icc_sample_size import icc_test_size, icc_width_size
from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss
from ml.stats.agreement.kendall import kendall_w
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.limits_sample_size import limits_size
from ml.stats.agreement.measurement_error import sdc, sem
from ml.stats.agreement.method_regression import deming, passing_bablok
from ml.stats.agreement.percent import percent_agreement, specific_agreement
from ml.stats.agreement.reader_bias import reader_bias
from ml.stats.agreement.sample_size import kappa_sample_size_gof
from ml.stats.agreement.scale import benchmark
from ml.stats.agreement.symmetry import bhapkar, bowker, mcnemar, stuart_maxwell
from ml.stats.bootstrap import Settings
from ml.stats.calibration.binned_error import binned_error, null_distribution, sweep_error
from ml.stats.calibration.brier import brier
from ml.stats.calibration.calibration_error import ece, ece_debiased, ece_top_label
from ml.stats.calibration.curve import calibration_curve
from ml.stats.calibration.decomposition import corp, murphy
from ml.stats.calibration.joint_fit import joint_fit
from ml.stats.calibration.multiclass import brier_multiclass, classwise_error, nll, top_label_error
from ml.stats.calibration.recalibration import intercept, slope
from ml.stats.calibration.reliability import reliability
from ml.stats.calibration.scores import (
    hosmer_lemeshow,
    log_loss,
    observed_expected,
    scaled_brier,
    spiegelhalter,
)
from ml.stats.calibration.smooth_error import smooth_error
from ml.stats.comparison.p_adjust import p_adjust
from ml.stats.comparison.paired import cohens_dz, paired_t, permutation_test, tost
from ml.stats.comparison.ranking import friedman, rank_stability
from ml.stats.comparison.signed_rank import hodges_lehmann, sign_test, wilcoxon_signed_rank
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
from ml.stats.means import case_mean, case_median, mean_difference
from ml.stats.mrmc.bdg import gallas_bdg
from ml.stats.mrmc.dbm import dorfman_berbaum_metz
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.ood.detection import detection
from ml.stats.ood.shift import (
    energy_distance,
    kolmogorov_smirnov,
    population_stability_index,
    standardized_mean_difference,
    wasserstein_1,
)
from ml.stats.robustness.degradation import degradation
from ml.stats.segmentation.cases import over_cases
from ml.stats.segmentation.readers import model_beside_readers, pairwise_mean
from ml.stats.subgroups.auroc_gap import max_auroc_gap
from ml.stats.subgroups.calls import group_rates
from ml.stats.subgroups.detectable import detectable_difference
from ml.stats.subgroups.gaps import (
    demographic_parity,
    difference_to_overall,
    equal_opportunity,
    equalized_odds,
    max_gap,
)
from ml.stats.subgroups.heterogeneity import rate_heterogeneity
from ml.stats.subgroups.permutation import permutation_gap
from ml.stats.subgroups.shrinkage import shrunken_rates
from ml.stats.subgroups.stratified import breslow_day, cochran_mantel_haenszel, mantel_haenszel
from ml.stats.subgroups.worst import worst_group
from ml.stats.uncertainty.decomposition import entropy_parts, variance_parts, variation_ratio
from ml.stats.uncertainty.gaussian import (
    check_score,
    crps,
    ence,
    gaussian_nll,
    interval_coverage,
    interval_score,
    miscalibration,
    sharpness,
)
from ml.stats.uncertainty.selective import (
    FORMS,
    area,
    coverage_at_risk,
    deferral,
    failure_auroc,
    guaranteed_coverage,
    risk_at_coverage,
    risk_coverage,
)
from ml.stats.utility.cost import cost_curve
from ml.stats.utility.net_benefit import net_benefit
from ml.stats.utility.workload import number_needed_to_evaluate, number_needed_to_screen


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
    def takes_clusters(self) -> bool:
        """Whether its answer heeds which rows belong together."""
        if self.made is not None or self.shape in ("study", "grouped-calls"):
            return True  # they are part of the object it takes
        return self.takes("clusters") or self.takes("reference_clusters")

    def takes(self, parameter: str) -> bool:
        """Whether its function has a parameter of that name."""
        return parameter in inspect.signature(self.function).parameters

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
    "log_loss": _scored(log_loss),
    "scaled_brier": _scored(scaled_brier),
    "observed_expected": _scored(observed_expected),
    "spiegelhalter": _scored(spiegelhalter),
    "hosmer_lemeshow": _scored(hosmer_lemeshow),
    "joint_fit": _scored(joint_fit),
    "binned_error": _scored(binned_error),
    "ece_sweep": _scored(sweep_error),
    "ece_null": _scored(null_distribution),
    "smooth_ece": _scored(smooth_error),
    "corp": _scored(corp),
    "murphy": _scored(murphy),
    "calibration_curve": _scored(calibration_curve),
    "reliability": _scored(reliability),
    "nll": Measure(nll, "classes"),
    "brier_multiclass": Measure(brier_multiclass, "classes"),
    "top_label_error": Measure(top_label_error, "classes"),
    "classwise_error": Measure(classwise_error, "classes"),
    "brier": _scored(brier),
    "ece": _scored(ece),
    "ece_top_label": _scored(ece_top_label),
    "ece_debiased": _scored(ece_debiased),
    "intercept": _scored(intercept),
    "slope": _scored(slope),
}
AGREEMENT = {
    "percent_agreement": Measure(percent_agreement, "readings"),
    "specific_agreement": Measure(specific_agreement, "readings"),
    **{
        name: Measure(chance_corrected, "readings", {"coefficient": coefficient})
        for name, coefficient in (
            ("ac1", "gwet_ac"),
            ("brennan_prediger", "brennan_prediger"),
            ("fleiss", "fleiss"),
            ("conger", "conger"),
            ("alpha_gwet", "krippendorff"),
        )
    },
    "fleiss_test": Measure(fleiss_test, "readings"),
    "dawid_skene": Measure(dawid_skene, "readings"),
    "cohen_kappa": Measure(cohen_kappa, "two-answers"),
    "two_reader_indices": Measure(two_reader_indices, "two-answers"),
    "mcnemar": Measure(mcnemar, "two-answers"),
    "bowker": Measure(bowker, "two-answers"),
    "stuart_maxwell": Measure(stuart_maxwell, "two-answers"),
    "bhapkar": Measure(bhapkar, "two-answers"),
    "kappa_benchmark": Measure(benchmark, "none"),
    "kappa_size": Measure(kappa_sample_size_gof, "none"),
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
    "reader_bias": Measure(reader_bias, "readings-numbers"),
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

READER_STUDIES = {
    "obuchowski_rockette": Measure(obuchowski_rockette, "study"),
    "dorfman_berbaum_metz": Measure(dorfman_berbaum_metz, "study"),
    "gallas_bdg": Measure(gallas_bdg, "study"),
}
UNCERTAINTY = {
    "entropy_parts": Measure(entropy_parts, "members"),
    "variance_parts": Measure(variance_parts, "members"),
    "variation_ratio": Measure(variation_ratio, "members"),
    **{form: Measure(area, "confidence", {"form": form}) for form in FORMS},
    "risk_coverage": Measure(risk_coverage, "confidence"),
    "risk_at_coverage": Measure(risk_at_coverage, "confidence"),
    "coverage_at_risk": Measure(coverage_at_risk, "confidence"),
    "failure_auroc": Measure(failure_auroc, "confidence"),
    "guaranteed_coverage": Measure(guaranteed_coverage, "confidence"),
    "deferral": Measure(deferral, "confidence"),
    "crps": Measure(crps, "gaussian"),
    "gaussian_nll": Measure(gaussian_nll, "gaussian"),
    "sharpness": Measure(sharpness, "gaussian"),
    "interval_coverage": Measure(interval_coverage, "gaussian"),
    "check_score": Measure(check_score, "gaussian"),
    "interval_score": Measure(interval_score, "gaussian"),
    "miscalibration": Measure(miscalibration, "gaussian"),
    "ence": Measure(ence, "gaussian"),
}
FOREIGN = {
    "ood_detection": Measure(detection, "foreign"),
    "ks": Measure(kolmogorov_smirnov, "two-samples"),
    "wasserstein": Measure(wasserstein_1, "two-samples"),
    "energy_distance": Measure(energy_distance, "two-samples"),
    "smd": Measure(standardized_mean_difference, "two-samples"),
    "psi": Measure(population_stability_index, "two-samples"),
}
COMPARISON = {
    "p_adjust": Measure(p_adjust, "p-values"),
    "paired_t": _pair(paired_t),
    "cohens_dz": _pair(cohens_dz),
    "mean_difference": _pair(mean_difference, measure="difference"),
    "permutation_test": _pair(permutation_test),
    "tost": _pair(tost),
    "wilcoxon": _pair(wilcoxon_signed_rank),
    "hodges_lehmann": _pair(hodges_lehmann),
    "sign_test": _pair(sign_test),
    "friedman": Measure(friedman, "methods"),
    "rank_stability": Measure(rank_stability, "methods"),
    "degradation": _pair(degradation),
}
SUBGROUPS = {
    "group_rates": Measure(group_rates, "grouped-calls"),
    "max_gap": Measure(max_gap, "grouped-calls"),
    "demographic_parity": Measure(demographic_parity, "grouped-calls"),
    "equal_opportunity": Measure(equal_opportunity, "grouped-calls"),
    "equalized_odds": Measure(equalized_odds, "grouped-calls"),
    "difference_to_overall": Measure(difference_to_overall, "grouped-calls"),
    "rate_heterogeneity": Measure(rate_heterogeneity, "grouped-calls"),
    "permutation_gap": Measure(permutation_gap, "grouped-calls"),
    "worst_group": Measure(worst_group, "grouped-calls"),
    "shrunken_rates": Measure(shrunken_rates, "grouped-calls"),
    "max_auroc_gap": Measure(max_auroc_gap, "grouped-scores"),
    "mantel_haenszel": Measure(mantel_haenszel, "strata"),
    "cochran_mantel_haenszel": Measure(cochran_mantel_haenszel, "strata"),
    "breslow_day": Measure(breslow_day, "strata"),
    "detectable_difference": Measure(detectable_difference, "none"),
}
UTILITY = {
    "net_benefit": _scored(net_benefit),
    "cost_curve": _scored(cost_curve),
    "number_needed_to_evaluate": Measure(number_needed_to_evaluate, "calls"),
    "number_needed_to_screen": Measure(number_needed_to_screen, "calls"),
}

SEGMENTATION = {
    "mask_mean": Measure(over_cases, "mask-cases", {"measure": "mean", "average": "mean"}),
    "mask_median": Measure(over_cases, "mask-cases", {"measure": "median", "average": "median"}),
    "pairwise_dice": Measure(pairwise_mean, "mask-pairs", {"measure": "pairwise_dice"}),
    "model_beside_readers": Measure(model_beside_readers, "mask-pairs"),
}

MEASURES: dict[str, Measure] = {
    **DISCRIMINATION, **CALIBRATION, **AGREEMENT, **READER_STUDIES, **UNCERTAINTY, **FOREIGN,
    **COMPARISON, **SEGMENTATION, **SUBGROUPS, **UTILITY, **GENERAL,
}  # fmt: skip
