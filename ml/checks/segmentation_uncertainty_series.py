"""What the charts of the uncertainty of masks are drawn from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ml.checks import words
from ml.checks.uncertainty_series import curve_points
from ml.estimate import JsonObject, JsonValue
from ml.stats.uncertainty.selective import loss_area, loss_coverage

if TYPE_CHECKING:
    from ml.checks.segmentation_uncertainty import Doubted

_CURVES = {
    "disagreement": "disagreement of samples",
    "volume": "variation of volume",
    "entropy": "entropy inside",
    "band": "entropy of the band",
}
_FIELDS = (
    "Case", "1 − Dice", "Disagreement of samples", "Variation of volume", "Entropy inside, bits",
    "Entropy of the band, bits", "Epistemic part of the band, bits",
)  # fmt: skip


def risk_series(check: str, one: "Doubted") -> Iterator[JsonObject]:
    """What is lost on the masks that are kept when the most doubtful are handed over.

    All curves are of the cases in which every doubt is defined, so that their areas compare;
    nothing is drawn where there is none.
    """
    known = np.flatnonzero(np.all([~np.isnan(one.doubts[kind]) for kind in _CURVES], axis=0))
    if not known.size:
        return
    loss = one.loss[known]
    curves: list[JsonValue] = []
    for kind, label in _CURVES.items():
        confidence = -one.doubts[kind][known]
        curve = loss_coverage(confidence, loss)
        curves.append(
            {
                "kind": kind,
                "label": label,
                "aurc": round(loss_area(confidence, loss).value or 0.0, 6),
                "points": curve_points(curve.coverage, curve.risk),
            }
        )
    best = loss_coverage(-loss, loss)
    kept = loss_coverage(-one.doubts["disagreement"][known], loss)
    mean, left = float(loss.mean()), kept.risk[max(0, int(np.ceil(0.8 * known.size)) - 1)]
    yield {
        "kind": "risk-coverage",
        "check": check,
        "title": (
            f"Without the fifth on which its samples disagree most, {one.name} has a Dice of "
            f"{words.decimal(1 - float(left))} instead of {words.decimal(1 - mean)}"
        ),
        "subtitle": (
            f"{words.cases(known.size)} with a reference and every doubt defined, "
            f"{one.answers_words}; the most doubtful are handed over first"
        ),
        "risk": "1 − Dice",
        "curves": curves,
        "best": curve_points(best.coverage, best.risk),
        "error_rate": round(mean, 6),
    }


def cases_series(check: str, one: "Doubted") -> JsonObject:
    """Every case by its loss and each of its doubts, as a table."""
    columns = [one.loss, *one.doubts.values()]
    rows: list[JsonValue] = [
        [
            one.evidence.case_ids[row],
            *(None if np.isnan(column[at]) else round(float(column[at]), 6) for column in columns),
        ]
        for at, row in enumerate(one.rows)
    ]
    return {
        "kind": "points",
        "check": check,
        "title": f"Doubt about {one.name} and its loss, case by case",
        "fields": list(_FIELDS),
        "rows": rows,
    }
