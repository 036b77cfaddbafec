"""What a measure is called, in which unit it is written and on which axis it is drawn."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["rate", "score", "number"]


@dataclass(frozen=True)
class Measure:
    """One kind of number of an audit."""

    name: str
    unit: Unit = "number"
    axis: tuple[float, float] | None = None  # the range a reader expects; None: from zero up


MEASURES: dict[str, Measure] = {
    "auroc": Measure("AUC", "score", (0.5, 1.0)),
    "sensitivity": Measure("Sensitivity", "rate", (0.0, 1.0)),
    "specificity": Measure("Specificity", "rate", (0.0, 1.0)),
    "ppv": Measure("Positive predictive value", "rate", (0.0, 1.0)),
    "npv": Measure("Negative predictive value", "rate", (0.0, 1.0)),
    "ece": Measure("ECE", "score"),
    "ece_top_label": Measure("ECE, top label", "score"),
    "ece_debiased": Measure("ECE, debiased", "score"),
    "intercept": Measure("Calibration intercept"),
    "slope": Measure("Calibration slope"),
    "brier": Measure("Brier score", "score"),
    "alpha": Measure("Krippendorff’s alpha", "score", (0.0, 1.0)),
    "kappa_fleiss": Measure("Fleiss’ kappa", "score", (0.0, 1.0)),
    "kappa_conger": Measure("Conger’s kappa", "score", (0.0, 1.0)),
    "kappa_weighted": Measure("Weighted kappa", "score", (0.0, 1.0)),
    "icc": Measure("Intraclass correlation", "score", (0.0, 1.0)),
}


def measure(measure_id: str) -> Measure:
    """The measure behind an id; a qualifier after a colon belongs to its name.

    >>> measure("auroc").name, measure("alpha:texture").name, measure("wall_time").name
    ('AUC', 'Krippendorff’s alpha, texture', 'Wall time')
    """
    base, _, qualifier = measure_id.partition(":")
    known = MEASURES.get(base) or Measure(base.replace("_", " ").capitalize())
    if not qualifier:
        return known
    return Measure(f"{known.name}, {qualifier.replace('_', ' ')}", known.unit, known.axis)
