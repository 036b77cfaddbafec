"""What the charts of selective prediction are drawn from."""

import numpy as np

from ml.checks import words
from ml.checks.answered import SCORE, Answered
from ml.checks.uncertainty_series import curve_points
from ml.estimate import JsonObject, JsonValue
from ml.stats.bootstrap import Settings
from ml.stats.uncertainty.risk_band import risk_band
from ml.stats.uncertainty.selective import area, risk_coverage

_NAMES = {
    SCORE: ("confidence", "confidence"),
    "total": ("by-total", "total uncertainty"),
    "epistemic": ("by-epistemic", "epistemic uncertainty"),
}
_QUICK = Settings(draws=0)  # areas are drawn without their intervals


def risk_series(check: str, answered: Answered, target: float, settings: Settings) -> JsonObject:
    """Errors left against the share of cases kept, by each confidence, with a band of the first."""
    wrong = answered.wrong.astype(np.int64)
    curves: list[JsonValue] = []
    for kind, confidence in answered.confidence.items():
        curve = risk_coverage(confidence, wrong)
        found = area(confidence, wrong, settings=_QUICK).value
        curves.append(
            {
                "kind": _NAMES[kind][0],
                "label": _NAMES[kind][1],
                "aurc": None if found is None else round(found, 6),
                "points": curve_points(curve.coverage, curve.risk),
            }
        )
    best = risk_coverage(-wrong.astype(np.float64), wrong)
    band = risk_band(answered.confidence[SCORE], wrong, answered.clusters, settings)
    drawn: list[JsonValue] | None = None
    about = ""
    if band is not None:
        drawn = [[round(float(v), 6) for v in row] for row in zip(*band, strict=True)]
        about = (
            f"; {settings.level * 100:g} % pointwise band, bootstrap of {answered.clusters.words}, "
            f"{settings.draws:,} draws, seed {settings.seed}"
        )
    error = float(wrong.mean())
    return {
        "kind": "risk-coverage",
        "check": check,
        "title": (
            f"How often it is wrong in the cases that it keeps; in all of them "
            f"{words.per_cent(error)}"
        ),
        "subtitle": (
            f"{words.cases(wrong.size)} with a label, {words.count(int(wrong.sum()))} wrong, "
            f"{answered.how}; the least certain are handed over first{about}"
        ),
        "curves": curves,
        "best": curve_points(best.coverage, best.risk),
        "band": drawn,
        "target": target,
        "error_rate": round(error, 6),
    }
