"""A limit, where it comes from, and the platform's own where nobody declared one."""

from dataclasses import dataclass
from typing import Literal, get_args

from ml.estimate import JsonObject

Direction = Literal["min", "max"]
Origin = Literal["pre-registered", "regulator", "literature", "platform-default"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


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
