"""Which measure answers which reference value: one module per area says it in a table."""

from ml.conformance.answer import Answers
from ml.conformance.areas import (
    agreement_nominal,
    agreement_numeric,
    calibration,
    comparison,
    discrimination,
    explanation,
    mrmc,
    ood,
    robustness,
    segmentation,
    subgroups,
    uncertainty,
)

# by area of the reference case
ANSWERS: dict[str, Answers] = {
    "agreement": {**agreement_nominal.ANSWERS, **agreement_numeric.ANSWERS},
    "calibration": calibration.ANSWERS,
    "decision_curve": subgroups.ANSWERS,
    "discrimination": discrimination.ANSWERS,
    "explanation": explanation.ANSWERS,
    "fairness": subgroups.ANSWERS,
    "mrmc": mrmc.ANSWERS,
    "multiplicity": comparison.ANSWERS,
    "ood": ood.ANSWERS,
    "paired_comparison": comparison.ANSWERS,
    "robustness": robustness.ANSWERS,
    "segmentation": segmentation.ANSWERS,
    "selective_prediction": uncertainty.ANSWERS,
    "shift": ood.ANSWERS,
    "subgroup": subgroups.ANSWERS,
    "uncertainty": uncertainty.ANSWERS,
}
