"""A limit, where it comes from, and the platform's own where nobody declared one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from ml.estimate import JsonObject

Direction = Literal["min", "max"]
Origin = Literal["pre-registered", "regulator", "literature", "platform-default"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
_KEYS = frozenset({"check", "measure", "value", "direction", "origin", "reference"})


@dataclass(frozen=True)
class Limit:
    """One line a measure must stay on the right side of."""

    check: str
    measure: str
    value: float
    direction: Direction  # "min": the measure must reach it; "max": must not pass it
    origin: Origin
    reference: str = ""  # where the number comes from, a sentence

    def to_json(self) -> JsonObject:
        return {
            "check": self.check,
            "measure": self.measure,
            "value": self.value,
            "direction": self.direction,
            "origin": self.origin,
            "reference": self.reference,
        }


def read_limit(at: int, row: object) -> tuple[Limit | None, list[str]]:
    """One limit as a protocol writes it, or None with every problem that it has.

    Args:
        at: its place in the list, from 1; named in the problems.

    Example:
        >>> read_limit(2, "auroc")
        (None, ['Limit 2 must hold check, measure, value and direction.'])
    """
    if not isinstance(row, Mapping):
        return None, [f"Limit {at} must hold check, measure, value and direction."]
    problems = []
    unknown = sorted(str(key) for key in row if key not in _KEYS)
    if unknown:
        problems.append(f"Limit {at} holds unknown keys: {', '.join(unknown)}.")
    for key in ("check", "measure"):
        if not isinstance(row.get(key), str) or not str(row[key]).strip():
            problems.append(f"Limit {at} names no {key}.")
    number = finite_number(row.get("value"))
    if number is None:
        problems.append(f"Limit {at} has no number as value: {row.get('value')!r}.")
    if row.get("direction") not in get_args(Direction):
        problems.append(
            f"Limit {at} must have the direction min or max, got {row.get('direction')!r}."
        )
    if row.get("origin") not in ORIGINS:
        problems.append(
            f"Limit {at} must say its origin ({', '.join(ORIGINS)}), got {row.get('origin')!r}."
        )
    if not isinstance(row.get("reference", ""), str | None):
        problems.append(f"Limit {at} must have a text as reference.")
    if problems or number is None:
        return None, problems
    limit = Limit(
        str(row["check"]),
        str(row["measure"]),
        number,
        row["direction"],
        row["origin"],
        row.get("reference") or "",
    )
    return limit, []


def finite_number(value: object) -> float | None:
    """A number as a protocol writes it; None for anything else, truth values among it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if isfinite(number) else None


def _platform(check: str, measure: str, value: float, direction: Direction, why: str) -> Limit:
    return Limit(check, measure, value, direction, "platform-default", why)


DEFAULT_LIMITS = (
    _platform(
        "discrimination", "auroc", 0.85, "min",
        "The platform asks for 0.85 where nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "operating-point", "sensitivity", 0.90, "min",
        "The platform asks that nine of ten cases with the finding are found where nobody declared "
        "a limit.",
    ),
    _platform(
        "operating-point", "specificity", 0.80, "min",
        "The platform asks that four of five cases without the finding are left alone where nobody "
        "declared a limit.",
    ),
    _platform(
        "calibration", "ece_top_label", 0.05, "max",
        "The platform lets confidence and accuracy differ by five points on average where nobody "
        "declared a limit.",
    ),
    _platform(
        "subgroups", "auroc_gap", 0.10, "max",
        "The platform lets the AUROC of two groups differ by a tenth where nobody declared a "
        "limit.",
    ),
    _platform(
        "subgroups", "sensitivity_gap", 0.10, "max",
        "The platform lets the sensitivity of two groups differ by ten points where nobody "
        "declared a limit.",
    ),
    _platform(
        "subgroups", "specificity_gap", 0.10, "max",
        "The platform lets the specificity of two groups differ by ten points where nobody "
        "declared a limit.",
    ),
    _platform(
        "worst-slice", "slice_effect", 0.10, "max",
        "The platform lets a slice of cases have ten more errors in a hundred than others with "
        "the same share of cases with the finding where nobody declared a limit.",
    ),
    _platform(
        "clinical-utility", "net_benefit_gain", 0.0, "min",
        "A model that is worth less than treating everyone or no one does more harm than good; "
        "the platform asks for no more than that where nobody declared a limit.",
    ),
    _platform(
        "uncertainty", "auroc_failure:total", 0.5, "min",
        "Uncertainty that is no higher in wrong answers than in right ones warns of nothing; the "
        "platform asks for no more than that where nobody declared a limit.",
    ),
    _platform(
        "uncertainty", "sampling_change", 0.10, "max",
        "The platform lets the second half of the samples change the mean epistemic uncertainty "
        "by a tenth where nobody declared a limit.",
    ),
    _platform(
        "selective-prediction", "aurc_gain", 0.0, "min",
        "A confidence that is no higher in right answers than in wrong ones saves nothing when the "
        "least certain cases are handed over; the platform asks for no more than that where nobody "
        "declared a limit.",
    ),
    _platform(
        "selective-prediction", "error_when_sure", 0.05, "max",
        "Of answers that claim to be right in 95 of 100 cases, five in a hundred may be wrong.",
    ),
    _platform(
        "stress", "accuracy_loss", 0.05, "max",
        "The platform accepts that five more answers in a hundred are wrong on a corrupted image "
        "where nobody declared a margin; no clinical claim is behind it.",
    ),
    _platform(
        "stress", "severity_borne", 2.0, "min",
        "The platform asks that corruption of the two mildest severities costs no more than the "
        "margin where nobody declared a limit.",
    ),
    _platform(
        "stress", "error_when_sure", 0.10, "max",
        "The platform lets one in ten answers be wrong that claims to be sure of a corrupted image "
        "where nobody declared a limit.",
    ),
    _platform(
        "normalisation", "mean_shift", 0.5, "max",
        "The platform lets images of a group lie half a stored standard deviation from what layers "
        "expect, on average, where nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "normalisation", "log_variance_ratio", 0.7, "max",
        "The platform lets the variance of what layers are given be twice or half the stored one, "
        "on average, where nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "handcrafted-baseline", "auroc_difference:model-handcrafted", 0.0, "min",
        "A network that ranks no better than a regression on plain numbers of images and files "
        "adds nothing; the platform asks for no more than that where nobody declared a limit.",
    ),
    _platform(
        "cohort-fitness", "auroc:files", 0.70, "max",
        "The platform takes a cohort as confounded whose files, whatever they show, tell cases "
        "with the finding from others with an AUROC above 0.70; no clinical claim is behind it.",
    ),
    _platform(
        "handcrafted-baseline", "auroc:files", 0.70, "max",
        "The platform takes a cohort as confounded whose files, whatever they show, tell cases "
        "with the finding from others with an AUROC above 0.70; no clinical claim is behind it.",
    ),
    _platform(
        "memorisation", "membership_auroc", 0.60, "max",
        "Chance is 0.5; the platform lets the loss tell a training image from another in three of "
        "five pairs where nobody declared a limit.",
    ),
    _platform(
        "memorisation", "generalisation_gap:accuracy", 0.05, "max",
        "The platform lets accuracy be five points better on training cases than on others where "
        "nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "gradient-flow", "gradient_share", 0.10, "min",
        "A layer that moves the answer in fewer than one case in ten is as good as not there; "
        "the platform asks for no more where nobody declared a limit.",
    ),
    _platform(
        "gradient-flow", "gradient_decades", -4.0, "min",
        "A layer whose gradient is ten thousand times smaller than the median layer’s did not "
        "learn beside it; the platform’s own line where nobody declared a limit.",
    ),
    _platform(
        "gradient-flow", "dead_units", 0.10, "max",
        "The platform lets one unit in ten be active in none of the cases where nobody declared a "
        "limit; no clinical claim is behind it.",
    ),
    _platform(
        "gradient-flow", "saturated_share", 0.5, "max",
        "The platform lets an activation be saturated in half of the cases where nobody declared a "
        "limit; no clinical claim is behind it.",
    ),
    _platform(
        "segmentation", "dice", 0.80, "min",
        "The platform asks for a mean Dice of 0.80 where nobody declared a limit; no clinical "
        "claim is behind it.",
    ),
    _platform(
        "segmentation-panel", "model_minus_readers", -0.05, "min",
        "The platform lets a model fall five hundredths of Dice behind a reader where nobody "
        "declared a limit.",
    ),
    Limit(
        "agreement", "alpha", 0.667, "min", "literature",
        "Krippendorff (2004), Content Analysis, 2nd ed., p. 241: the lowest conceivable limit for "
        "tentative conclusions.",
    ),
    _platform(
        "ai-vs-readers", "interchangeability", 0.05, "max",
        "The platform lets a model in a reader’s place add five disagreements in a hundred pairs "
        "of answers where nobody declared a limit.",
    ),
    *(
        _platform(
            "mrmc", f"{figure}_difference:model-readers", -0.05, "min",
            f"The platform lets a model’s {name} fall five hundredths behind that of an average "
            "reader where nobody declared a margin; no clinical claim is behind it.",
        )
        for figure, name in (
            ("auroc", "AUROC"), ("sensitivity", "sensitivity"), ("specificity", "specificity")
        )
    ),
)  # fmt: skip

# Asked where foreign cohorts are handed in, and no part of the default protocol of other audits.
FOREIGN_LIMITS = (
    _platform(
        "ood-detection", "confident_findings", 0.05, "max",
        "The platform lets one foreign image in twenty be called a finding with a confidence above "
        "0.9 where nobody declared a limit; no clinical claim is behind it.",
    ),
)  # fmt: skip

# Asked where a protocol names the check and no limits; no part of the default protocol.
REQUESTED_LIMITS = (
    _platform(
        "explanation-faithfulness", "gain:random", 0.1, "min",
        "A tenth of log-odds is 2.5 points of a probability of one half; a map that gains less "
        "over a random one explains nothing. No clinical claim is behind it.",
    ),
    _platform(
        "shift-consistency", "flip_rate", 0.05, "max",
        "The platform lets one answer in twenty change when the picture is moved a little where "
        "nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "shift-consistency", "mask_agreement", 0.90, "min",
        "The platform asks that masks move along with the picture, under the small move that suits "
        "a case least, to a mean Dice of 0.90 where nobody declared a limit; no clinical claim is "
        "behind it.",
    ),
    _platform(
        "explanation-sanity", "map_survives", 0.5, "max",
        "A map that stays in most cases once nothing learned is left shows the picture more than "
        "the network; the platform’s own line where nobody declared a limit.",
    ),
    _platform(
        "explanation-sanity", "class_survives", 0.5, "max",
        "A map that is in most cases that of another class too does not explain one answer; the "
        "platform’s own line where nobody declared a limit.",
    ),
    _platform(
        "shortcut", "reliance", 0.05, "max",
        "The platform lets what lies at one place, and is no part of a patient, move P(finding) by "
        "five hundredths where nobody declared a limit; no clinical claim is behind it.",
    ),
    _platform(
        "shortcut", "dependence", 0.10, "max",
        "The platform lets P(finding) differ by a tenth between images of one label that were made "
        "or stored in different ways where nobody declared a limit; no clinical claim is behind "
        "it.",
    ),
    _platform(
        "stress", "dice_loss", 0.05, "max",
        "The platform lets the mean Dice fall by five hundredths on corrupted images where nobody "
        "declared a limit; no clinical claim is behind it.",
    ),
)  # fmt: skip
