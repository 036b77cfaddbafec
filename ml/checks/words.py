"""Numbers as the report writes them: one rounding rule, applied here and nowhere else."""

from ml.estimate import Estimate, counted
from ml.limits import Limit

RATES = frozenset({
    "sensitivity", "specificity", "ppv", "npv", "error_rate", "slice_error_rate", "share_called",
    "missed", "invented", "epistemic_share", "sampling_change", "risk_at_coverage", "share_sure",
    "error_when_sure", "deferred_at_target", "guaranteed_coverage", "conformal_coverage",
    "conformal_single", "flip_rate", "accuracy", "mates_change", "high_when_right",
    "confident_findings", "stopped", "copies",
    "duplicates", "label_conflicts", "leaked", "prevalence", "labelled", "missing",
    "gradient_share", "dead_units", "saturated_share", "zero_gradient", "map_survives",
    "class_survives", "quadrant", "pointing_game", "relevance_mass", "relevance_rank", "mask_area",
    "mass_gain", "pointing_gain", "mass_below_readers", "pointing_below_readers",
    "false_alarms", "ood_fpr95_id_positive", "ood_fpr95_ood_positive",
})  # fmt: skip
# Whole numbers by what they are.
STEPS = frozenset({"severity_borne", "image_groups", "largest_group"})
_MOST_PLACES = 6
NAMES = {
    "gain": "Gain of the map",
    "order_gap": "Gap between both orders",
    "baseline_agreement": "Agreement of two replacements",
    "comprehensiveness": "Fall without the most important",
    "sufficiency": "Fall with the most important alone",
    "comprehensiveness_gain": "That fall against chance",
    "sufficiency_gain": "That rest against chance",
    "faithfulness_correlation": "Correlation of map and fall",
    "correlation_gain": "That correlation against chance",
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "ece": "Calibration error of P(finding)",
    "ece_top_label": "Calibration error of the answer",
    "ece_debiased": "Calibration error without bin noise",
    "intercept": "Calibration intercept",
    "slope": "Calibration slope",
    "oe_ratio": "Observed over expected findings",
    "brier": "Brier score",
    "auroc_difference": "Difference of the AUROC",
    "sensitivity_difference": "Difference of the sensitivity",
    "specificity_difference": "Difference of the specificity",
    "brier_scaled": "Scaled Brier score",
    "log_loss": "Log loss",
    "auroc_gap": "Gap of the AUROC",
    "sensitivity_gap": "Gap of the sensitivity",
    "specificity_gap": "Gap of the specificity",
    "intercept_heterogeneity": "Heterogeneity of the calibration intercept",
    "error_rate": "Error rate",
    "slice_error_rate": "Error rate of the slice",
    "slice_effect": "Errors of the worst slice minus others of its mix",
    "slice_effect_confirmed": "Errors of the worst slice minus others of its mix, confirmed",
    "auroc_failure": "AUROC of wrong answers",
    "aurc": "Area under risk and coverage",
    "e_aurc": "Area under risk and coverage above the best order",
    "aurc_gain": "Area under risk and coverage below a random order",
    "augrc": "Area under generalised risk and coverage",
    "e_augrc": "Area under generalised risk and coverage above the best order",
    "augrc_gain": "Area under generalised risk and coverage below a random order",
    "risk_at_coverage": "Errors among the surest",
    "share_sure": "Share of answers that claim to be sure",
    "error_when_sure": "Errors where it claims to be sure",
    "deferred_at_target": "Cases for a reader at the target of errors",
    "guaranteed_coverage": "Cases kept with a promise for new ones",
    "conformal_coverage": "Prediction sets that hold the truth",
    "conformal_mean_size": "Classes in a prediction set",
    "conformal_single": "Prediction sets of one class",
    "accuracy": "Accuracy",
    "accuracy_loss": "Accuracy lost",
    "auroc_loss": "AUROC lost",
    "mean_accuracy_loss": "Accuracy lost on average",
    "dice_loss": "Dice lost",
    "mean_dice_loss": "Dice lost on average",
    "volume_change": "Change of the marked area, over the reference’s",
    "mask_agreement": "Agreement of masks that moved along",
    "interpolation_agreement": "Agreement of a mask with itself, moved there and back",
    "flip_rate": "Answers that change",
    "severity_borne": "Severity borne",
    "eps_median": "Change at which half of the answers have changed",
    "zero_gradient": "Cases whose answer has no gradient",
    "score_change": "Change of P(finding) under small moves",
    "map_agreement": "Agreement of maps that moved along",
    "mates_change": "Cases that change with others in the batch",
    "mean_shift": "Shift from stored statistics",
    "log_variance_ratio": "Logarithm of variance over stored variance",
    "accuracy_regained": "Accuracy regained by other statistics",
    "auroc_regained": "AUROC regained by other statistics",
    "gradient_share": "Cases in which the layer has a gradient",
    "gradient_decades": "Powers of ten from the median layer’s gradient",
    "dead_units": "Units that are never active",
    "saturated_share": "Cases in which the activation is saturated",
    "map_survives": "Maps that stay once nothing learned is left",
    "class_survives": "Maps that are those of another class too",
    "map_similarity": "Likeness of maps once nothing learned is left",
    "map_similarity_unsigned": "Likeness without its sign once nothing learned is left",
    "class_similarity": "Likeness of the maps of other classes",
    "map_sensitivity": "Largest change of a map under small noise",
    "shift_sensitivity": "Change of a map by a constant",
    "map_similarity_smooth": "Likeness of smooth maps once nothing learned is left",
    "seed_similarity": "Likeness of maps when the method draws again",
    "complexity_rise": "Rise of complexity once nothing learned is left",
    "pointing_game": "Maps that are largest in the mask",
    "relevance_mass": "Positive evidence in the mask",
    "relevance_rank": "Most relevant pixels in the mask",
    "attribution_localisation": "Evidence in the mask over chance",
    "map_iou": "IoU of map and mask at half of the maximum",
    "map_iou_best": "IoU of map and mask at the best threshold",
    "map_ap": "Average precision of a map’s pixels",
    "mask_area": "Share of the picture that is marked",
    "mass_gain": "Evidence in the mask beyond that of another map",
    "pointing_gain": "Maps that are largest in the mask, beyond another map",
    "mass_below_readers": "Evidence in the mask below that of two readers",
    "pointing_below_readers": "Maps that are largest in the mask, below two readers",
    "quadrant": "Cases whose map is faithful, plausible",
    "entropy_rise": "Rise of its doubt under corruption",
    "total_rise": "Rise of total uncertainty under corruption",
    "epistemic_rise": "Rise of epistemic uncertainty under corruption",
    "rises_with_errors": "Rank correlation of uncertainty and errors under corruption",
    "error_correlation": "Correlation with being wrong",
    "mean_uncertainty": "Mean uncertainty",
    "epistemic_share": "Epistemic share of the uncertainty",
    "uncertainty_correlation": "Correlation of aleatoric and epistemic",
    "high_when_right": "Right answers of which the uncertainty is called high",
    "noise_correlation": "Rank correlation with noise of the images",
    "blur_correlation": "Rank correlation with blur of the images",
    "reader_disagreement_correlation": "Rank correlation with disagreement of readers",
    "sampling_change": "Change by the second half of the samples",
    "loss_correlation": "Correlation of doubt with 1 − Dice",
    "loss_aurc": "Area under 1 − Dice and coverage",
    "mask_doubt": "Mean doubt about a mask",
    "membership_auroc": "Training images told by their loss",
    "generalisation_gap": "Gap between training and other cases",
    "reliance": "Reliance on a place of the image",
    "removed": "Change of P(finding) with a place filled",
    "blotted": "Change of P(finding) with a place at the mean",
    "put_in": "Change of P(finding) with a place put in",
    "dependence": "Dependence on metadata, given the label",
    "copies": "Copies of training images",
    "prevalence": "Prevalence",
    "labelled": "Cases with a label",
    "missing": "Cases that lack it",
    "leaked": "Cases that are in the reference",
    "duplicates": "Cases whose image is there again",
    "label_conflicts": "Cases whose duplicates carry another label",
    "image_groups": "Different images",
    "largest_group": "Cases of the largest group",
    "confident_findings": "Foreign cases called a finding with confidence",
    "ood_auroc": "AUROC of foreign cases",
    "ood_aupr_out": "AUPR, foreign cases positive",
    "ood_aupr_in": "AUPR, audited cases positive",
    "ood_fpr95_id_positive": "Foreign accepted with 95 % of audited cases",
    "ood_fpr95_ood_positive": "Audited stopped with 95 % of foreign cases",
    "stopped": "Foreign cases stopped",
    "false_alarms": "Audited cases stopped",
    "threshold": "Threshold of the alarm",
    "net_benefit": "Net benefit",
    "net_benefit_gain": "Net benefit over the better of treating all and none",
    "share_called": "Share called present",
    "number_needed_to_evaluate": "Number needed to evaluate",
    "alpha": "Krippendorff’s alpha",
    "kappa_fleiss": "Fleiss’ kappa",
    "kappa_conger": "Conger’s kappa",
    "kappa_weighted": "Mean kappa of pairs of readers",
    "icc": "Intraclass correlation",
    "reader_bias": "Deviation of a reader",
    "reader_heterogeneity": "Test that readers are alike",
    "interchangeability": "Disagreement added by the model",
    "reader_reader": "Agreement of two readers",
    "model_reader": "Agreement of model and reader",
    "individual_agreement": "Coefficient of individual agreement",
    "loo_kappa": "Kappa with the other readers",
    "alt_winning_rate": "Readers the model can replace",
    "alt_advantage": "Cases where the model is as good as a reader",
    "model_beside_readers": "Cases where the model is within the readers",
    "dice": "Dice",
    "iou": "IoU",
    "surface_dice": "Surface Dice",
    "hd95": "95 % Hausdorff distance",
    "assd": "Average surface distance",
    "volume_similarity": "Volume similarity",
    "volume_difference": "Relative volume difference",
    "missed": "Structures missed whole",
    "invented": "Structures invented",
    "reader_dice": "Dice of two readers",
    "reader_surface_dice": "Surface Dice of two readers",
    "reader_hd95": "95 % Hausdorff distance of two readers",
    "reader_assd": "Average surface distance of two readers",
    "model_reader_dice": "Dice of the model and a reader",
    "model_reader_difference": "Dice of the model and a reader minus that of two readers",
    "reader_consensus_dice": "Dice of a reader and the others’ majority",
    "model_consensus_dice": "Dice of the model and that majority",
    "model_minus_readers": "Dice of the model minus that of a reader",
    "repeat_difference": "Difference of two runs",
    "batch_difference": "Difference alone or in another batch",
    "program_difference": "Difference of the two runtimes",
}


def name_of(measure: str) -> str:
    """The measure in words, with its question or group in brackets."""
    base, _, part = measure.partition(":")
    return NAMES.get(base, base) + (f" ({part})" if part else "")


def is_rate(measure: str) -> bool:
    return measure.partition(":")[0] in RATES


def count(number: int) -> str:
    return f"{number:,}"


def decimal(number: float) -> str:
    """Three decimals, typographic minus.

    >>> decimal(-0.0286)
    '−0.029'
    """
    text = f"{number:,.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def rate(share: float) -> str:
    """Per cent without its sign: one decimal, two above 99 so that 1 in 1,500 stays visible.

    >>> rate(0.3373), rate(0.99933), rate(1.0)
    ('33.7', '99.93', '100')
    """
    per_cent = share * 100
    if per_cent in (0.0, 100.0):
        return f"{per_cent:.0f}"
    return f"{per_cent:.2f}" if per_cent > 99 else f"{per_cent:.1f}"


def per_cent(share: float) -> str:
    return f"{rate(share)} %"


def points(difference: float) -> str:
    """A difference of rates: "31.0 points"."""
    return f"{difference * 100:,.1f} points".replace("-", "−")


def amount(value: float, low: float | None, high: float | None, *, per_cent: bool) -> str:
    """A size with its interval, to so many places that none of them vanishes.

    >>> amount(0.08, 0.0684, 0.0921, per_cent=True), amount(0.3101, None, None, per_cent=False)
    ('8.0 points [6.8, 9.2]', '0.310')
    >>> amount(0.0123, 0.0004, 0.0241, per_cent=True)
    '1.23 points [0.04, 2.41]'
    """
    numbers = [x * (100 if per_cent else 1) for x in (value, low, high) if x is not None]
    places = 1 if per_cent else 3
    while places < _MOST_PLACES and any(x and not round(x, places) for x in numbers):
        places += 1
    size, *ends = (f"{x:,.{places}f}".replace("-", "−") for x in numbers)
    text = f"{size} points" if per_cent else size
    return f"{text} [{', '.join(ends)}]" if low is not None and high is not None else text


def threshold(number: float) -> str:
    """As short as it can be said: 0.5, 0.0001."""
    return f"{number:.10f}".rstrip("0").rstrip(".")


def measured(estimate: Estimate) -> str:
    """Value and interval: "0.821 [0.796, 0.843]", rates in per cent, distances in their unit.

    >>> measured(Estimate("hd95", 3.5, 2.25, 4.0).in_unit("mm"))
    '3.500 mm [2.250, 4.000]'
    >>> measured(Estimate("severity_borne", 3.0, 2.0, 5.0))
    '3 [2, 5]'
    """
    if estimate.value is None:
        return estimate.reason or "not estimated"
    inner, unit = (rate, " %") if is_rate(estimate.id) else (decimal, after(estimate.unit))
    if estimate.id.partition(":")[0] in STEPS:
        inner = threshold
    text = inner(estimate.value) + unit
    if estimate.low is not None and estimate.high is not None:
        text += f" [{inner(estimate.low)}, {inner(estimate.high)}]"
    return text


def after(unit: str) -> str:
    """A unit as it follows a number; nothing where there is none.

    >>> f"2.000{after('mm')}", f"0.900{after('')}"
    ('2.000 mm', '0.900')
    """
    return f" {unit}" if unit else ""


def limit_words(limit: Limit, unit: str = "") -> str:
    """ "at least 90 % (platform default)"; in the unit of the estimate that is held against it."""
    side = "at least" if limit.direction == "min" else "at most"
    if is_rate(limit.measure):
        value = f"{limit.value * 100:g} %"
    else:
        value = f"{limit.value:g}{after(unit)}"
    return f"{side} {value.replace('-', '−')} ({limit.origin.replace('platform-', 'platform ')})"


def of_counts(estimate: Estimate) -> str:
    """ ", 506 of 1,500" where the estimate is a share of whole cases."""
    part, whole = estimate.extra.get("numerator"), estimate.extra.get("denominator")
    if isinstance(part, int) and isinstance(whole, int):
        return f", {count(part)} of {count(whole)}"
    return ""


def cases(number: int) -> str:
    return counted(number, "case")


def drawn(number: int, asked: int) -> str:
    """Of how many cases how many were run.

    >>> drawn(60, 300), drawn(60, 60)
    ('60 of 300 cases, drawn by the seed', '60 cases')
    """
    return (
        cases(number)
        if number == asked
        else f"{count(number)} of {cases(asked)}, drawn by the seed"
    )


def p_value(p: float) -> str:
    """
    >>> p_value(0.0004), p_value(0.0312)
    ('p < 0.001', 'p = 0.031')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
