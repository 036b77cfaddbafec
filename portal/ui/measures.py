"""In which unit a measure is written and on which axis it is drawn; its name is the engine's."""

from dataclasses import dataclass
from typing import Literal

from ml.checks.words import NAMES
from portal.ui.names import readable

Unit = Literal["rate", "score", "number", "step"]  # a step is a whole number


@dataclass(frozen=True)
class Measure:
    """One kind of number of an audit."""

    name: str
    unit: Unit = "number"
    axis: tuple[float, float] | None = None  # the range a reader expects; None: from zero up
    counted_in: str = ""  # before an estimate says it: what a limit of a protocol may be held to


_UNITS: dict[str, tuple[Unit, tuple[float, float] | None]] = {
    "auroc": ("score", (0.5, 1.0)),
    "sensitivity": ("rate", (0.0, 1.0)),
    "specificity": ("rate", (0.0, 1.0)),
    "ppv": ("rate", (0.0, 1.0)),
    "npv": ("rate", (0.0, 1.0)),
    "error_rate": ("rate", (0.0, 1.0)),
    "slice_error_rate": ("rate", (0.0, 1.0)),
    "share_called": ("rate", (0.0, 1.0)),
    "auroc_difference": ("score", (-1.0, 1.0)),
    "sensitivity_difference": ("score", (-1.0, 1.0)),
    "specificity_difference": ("score", (-1.0, 1.0)),
    "auroc_gap": ("score", (0.0, 1.0)),
    "sensitivity_gap": ("score", (0.0, 1.0)),
    "specificity_gap": ("score", (0.0, 1.0)),
    "ece": ("score", None),
    "ece_top_label": ("score", None),
    "ece_debiased": ("score", None),
    "brier": ("score", None),
    "reliance": ("score", (0.0, 1.0)),
    "dependence": ("score", (-1.0, 1.0)),
    "removed": ("score", (-1.0, 1.0)),
    "blotted": ("score", (-1.0, 1.0)),
    "put_in": ("score", (-1.0, 1.0)),
    "oe_ratio": ("number", None),
    "brier_scaled": ("score", (-1.0, 1.0)),
    "log_loss": ("number", None),
    "auroc_failure": ("score", (0.5, 1.0)),
    "aurc": ("score", None),
    "e_aurc": ("score", None),
    "aurc_gain": ("score", (-1.0, 1.0)),
    "augrc": ("score", None),
    "e_augrc": ("score", None),
    "augrc_gain": ("score", (-1.0, 1.0)),
    "risk_at_coverage": ("rate", (0.0, 1.0)),
    "share_sure": ("rate", (0.0, 1.0)),
    "error_when_sure": ("rate", (0.0, 1.0)),
    "deferred_at_target": ("rate", (0.0, 1.0)),
    "guaranteed_coverage": ("rate", (0.0, 1.0)),
    "conformal_coverage": ("rate", (0.0, 1.0)),
    "conformal_single": ("rate", (0.0, 1.0)),
    "accuracy": ("rate", (0.0, 1.0)),
    "accuracy_loss": ("score", (-1.0, 1.0)),
    "auroc_loss": ("score", (-1.0, 1.0)),
    "mean_accuracy_loss": ("score", (-1.0, 1.0)),
    "dice_loss": ("score", (-1.0, 1.0)),
    "mean_dice_loss": ("score", (-1.0, 1.0)),
    "volume_change": ("score", None),
    "mask_agreement": ("score", (0.0, 1.0)),
    "interpolation_agreement": ("score", (0.0, 1.0)),
    "flip_rate": ("rate", (0.0, 1.0)),
    "severity_borne": ("step", (0.0, 5.0)),
    "score_change": ("score", None),
    "map_agreement": ("score", (-1.0, 1.0)),
    "map_survives": ("rate", (0.0, 1.0)),
    "class_survives": ("rate", (0.0, 1.0)),
    "map_similarity": ("score", (-1.0, 1.0)),
    "map_similarity_unsigned": ("score", (0.0, 1.0)),
    "class_similarity": ("score", (-1.0, 1.0)),
    "map_sensitivity": ("score", None),
    "shift_sensitivity": ("score", None),
    "map_similarity_smooth": ("score", (-1.0, 1.0)),
    "seed_similarity": ("score", (-1.0, 1.0)),
    "pointing_game": ("rate", (0.0, 1.0)),
    "relevance_mass": ("rate", (0.0, 1.0)),
    "relevance_rank": ("rate", (0.0, 1.0)),
    "attribution_localisation": ("number", None),
    "map_iou": ("score", (0.0, 1.0)),
    "map_iou_best": ("score", (0.0, 1.0)),
    "map_ap": ("score", (0.0, 1.0)),
    "mask_area": ("rate", (0.0, 1.0)),
    "mass_gain": ("rate", (-1.0, 1.0)),
    "pointing_gain": ("rate", (-1.0, 1.0)),
    "mass_below_readers": ("rate", (-1.0, 1.0)),
    "pointing_below_readers": ("rate", (-1.0, 1.0)),
    "quadrant": ("rate", (0.0, 1.0)),
    "rises_with_errors": ("score", (-1.0, 1.0)),
    "error_correlation": ("score", (-1.0, 1.0)),
    "uncertainty_correlation": ("score", (-1.0, 1.0)),
    "reader_disagreement_correlation": ("score", (-1.0, 1.0)),
    "noise_correlation": ("score", (-1.0, 1.0)),
    "blur_correlation": ("score", (-1.0, 1.0)),
    "loss_correlation": ("score", (-1.0, 1.0)),
    "loss_aurc": ("score", None),
    "mask_doubt": ("score", None),
    "high_when_right": ("rate", (0.0, 1.0)),
    "epistemic_share": ("rate", (0.0, 1.0)),
    "sampling_change": ("rate", None),
    "confident_findings": ("rate", (0.0, 1.0)),
    "ood_auroc": ("score", (0.0, 1.0)),
    "ood_aupr_out": ("score", (0.0, 1.0)),
    "ood_aupr_in": ("score", (0.0, 1.0)),
    "ood_fpr95_id_positive": ("rate", (0.0, 1.0)),
    "ood_fpr95_ood_positive": ("rate", (0.0, 1.0)),
    "stopped": ("rate", (0.0, 1.0)),
    "false_alarms": ("rate", (0.0, 1.0)),
    "mates_change": ("rate", (0.0, 1.0)),
    "accuracy_regained": ("score", (-1.0, 1.0)),
    "auroc_regained": ("score", (-1.0, 1.0)),
    "gradient_share": ("rate", (0.0, 1.0)),
    "dead_units": ("rate", (0.0, 1.0)),
    "saturated_share": ("rate", (0.0, 1.0)),
    "zero_gradient": ("rate", (0.0, 1.0)),
    "membership_auroc": ("score", (0.0, 1.0)),
    "generalisation_gap": ("score", (-1.0, 1.0)),
    "copies": ("rate", (0.0, 1.0)),
    "prevalence": ("rate", (0.0, 1.0)),
    "labelled": ("rate", (0.0, 1.0)),
    "missing": ("rate", (0.0, 1.0)),
    "leaked": ("rate", (0.0, 1.0)),
    "duplicates": ("rate", (0.0, 1.0)),
    "label_conflicts": ("rate", (0.0, 1.0)),
    "image_groups": ("step", None),
    "largest_group": ("step", None),
    "alpha": ("score", (0.0, 1.0)),
    "kappa_fleiss": ("score", (0.0, 1.0)),
    "kappa_conger": ("score", (0.0, 1.0)),
    "kappa_cohen": ("score", (0.0, 1.0)),
    "kappa_weighted": ("score", (0.0, 1.0)),
    "icc": ("score", (0.0, 1.0)),
    "interchangeability": ("score", (-1.0, 1.0)),
    "loo_kappa": ("score", (0.0, 1.0)),
    "dice": ("score", (0.0, 1.0)),
    "iou": ("score", (0.0, 1.0)),
    "surface_dice": ("score", (0.0, 1.0)),
    "hd95": ("number", None),
    "assd": ("number", None),
    "volume_similarity": ("score", (0.0, 1.0)),
    "volume_difference": ("score", (-1.0, 1.0)),
    "missed": ("rate", (0.0, 1.0)),
    "invented": ("rate", (0.0, 1.0)),
    "reader_dice": ("score", (0.0, 1.0)),
    "reader_surface_dice": ("score", (0.0, 1.0)),
    "reader_hd95": ("number", None),
    "reader_assd": ("number", None),
    "model_reader_dice": ("score", (0.0, 1.0)),
    "model_reader_difference": ("score", (-1.0, 1.0)),
    "reader_consensus_dice": ("score", (0.0, 1.0)),
    "model_consensus_dice": ("score", (0.0, 1.0)),
    "model_minus_readers": ("score", (-1.0, 1.0)),
}
_DISTANCES = frozenset({"hd95", "assd", "reader_hd95", "reader_assd"})
_MORE_NAMES = {"kappa_cohen": "Cohen’s kappa"}


def measure(measure_id: str) -> Measure:
    """The measure behind an id; a qualifier after a colon belongs to its name.

    >>> measure("auroc").name, measure("alpha:texture").name, measure("wall_time").name
    ('AUROC', 'Krippendorff’s alpha (texture)', 'Wall time')
    >>> measure("auroc_gap:height_px").name
    'Gap of the AUROC (height, px)'
    """
    base, _, part = measure_id.partition(":")
    name = NAMES.get(base) or _MORE_NAMES.get(base) or base.replace("_", " ").capitalize()
    unit, axis = _UNITS.get(base, ("number", None))
    counted_in = "mm or voxels" if base in _DISTANCES else ""
    about = readable(part).replace("_", " ")
    if about.endswith(")") and readable(part) != part:  # no brackets inside brackets
        about = about.replace(" (", ", ").rstrip(")")
    return Measure(f"{name} ({about})" if part else name, unit, axis, counted_in)
