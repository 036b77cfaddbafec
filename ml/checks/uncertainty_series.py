"""What the charts of uncertainty are drawn from."""

import numpy as np

from ml.checks import words
from ml.checks.sampled import BOTH, EXPERT, GROUPS, NOT_KNOWN, REACQUIRE, Sampled
from ml.estimate import JsonObject, JsonValue
from ml.evidence.tables import Evidence, FloatArray
from ml.stats.uncertainty.selective import area, risk_coverage

_POINTS = 100  # of a curve
_LINES = {
    True: "limits set by right answers of half of the patients",
    False: "third quartiles of this cohort",
}
_CURVES = {
    "total": "total",
    "aleatoric": "aleatoric",
    "epistemic": "epistemic",
    "score": "score alone",
}


def scatter_series(check: str, evidence: Evidence, sampled: Sampled) -> JsonObject:
    """Every case by both kinds of its uncertainty, and what is called high."""
    bits, variance = sampled.bits, sampled.variance
    rows: list[JsonValue] = [
        [
            evidence.case_ids[row],
            round(float(bits["aleatoric"][at]), 6),
            round(float(bits["epistemic"][at]), 6),
            round(float(bits["total"][at]), 6),
            round(float(variance["epistemic"][at]), 8),
            None if sampled.wrong[at] == NOT_KNOWN else int(sampled.wrong[at]),
            sampled.group[at],
        ]
        for at, row in enumerate(sampled.rows)
    ]
    counts: list[JsonValue] = [_count(name, sampled) for name in GROUPS]
    expert, again, both = (
        words.count(sampled.of_group(name).size) for name in (EXPERT, REACQUIRE, BOTH)
    )
    return {
        "kind": "uncertainty-scatter",
        "check": check,
        "title": (
            f"Of {words.cases(sampled.rows.size)}, {expert} ask for an expert, {again} for "
            f"another image, {both} for both"
        ),
        "subtitle": (
            f"{words.cases(sampled.rows.size)}, {sampled.answers_words}; uncertainty of the "
            f"finding in bits; lines: {_LINES[sampled.set_by_right]}"
        ),
        "limits": {name: round(value, 6) for name, value in sampled.high.items()},
        "rows": rows,
        "groups": counts,
    }


def _count(name: str, sampled: Sampled) -> JsonObject:
    rows = sampled.of_group(name)
    known = rows[sampled.known[rows]]
    return {
        "group": name,
        "n": int(rows.size),
        "n_labelled": int(known.size),
        "n_wrong": int((sampled.wrong[known] == 1).sum()),
    }


def risk_series(check: str, sampled: Sampled) -> JsonObject:
    """What is left to err on when the most uncertain cases are handed over, by each kind."""
    known = np.flatnonzero(sampled.known)
    wrong = sampled.wrong[known]
    curves: list[JsonValue] = []
    for kind, label in _CURVES.items():
        if kind not in sampled.bits:
            continue
        confidence = -sampled.bits[kind][known]
        curve = risk_coverage(confidence, wrong)
        found = area(confidence, wrong).value
        curves.append(
            {
                "kind": kind,
                "label": label,
                "aurc": None if found is None else round(found, 6),
                "points": curve_points(curve.coverage, curve.risk),
            }
        )
    best = risk_coverage(-wrong.astype(np.float64), wrong)
    error = float(wrong.mean())
    at = risk_coverage(-sampled.bits["total"][known], wrong)
    left = float(at.risk[max(0, int(np.ceil(0.8 * known.size)) - 1)])
    return {
        "kind": "risk-coverage",
        "check": check,
        "title": (
            f"Without the most uncertain fifth, {words.per_cent(left)} are called wrongly instead "
            f"of {words.per_cent(error)}"
        ),
        "subtitle": (
            f"{words.cases(known.size)} with a label, {words.count(int(wrong.sum()))} called "
            f"wrongly at {sampled.point.words}; the most uncertain are handed over first"
        ),
        "curves": curves,
        "best": curve_points(best.coverage, best.risk),
        "error_rate": round(error, 6),
    }


def curve_points(coverage: FloatArray, risk: FloatArray) -> list[JsonValue]:
    """At most a hundred points of a curve, its ends among them."""
    chosen = np.unique(np.linspace(0, coverage.size - 1, _POINTS).round().astype(int))
    return [[round(float(coverage[at]), 6), round(float(risk[at]), 6)] for at in chosen]
