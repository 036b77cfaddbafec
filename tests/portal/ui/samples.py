"""Results as the engine hands them over, with made-up values: one series of every drawn kind."""

import math
from typing import Any

LIMIT = {
    "check": "discrimination",
    "measure": "auroc",
    "value": 0.85,
    "direction": "min",
    "origin": "pre-registered",
    "reference": "",
}
SENSITIVITY_LIMIT = LIMIT | {
    "check": "operating-point",
    "measure": "sensitivity",
    "value": 0.9,
    "origin": "platform-default",
}


def estimate(measure: str, value: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": measure,
        "convention": "",
        "value": value,
        "low": None,
        "high": None,
        "level": 0.95,
        "n": 3000,
        "n_events": 1500,
        "method": "",
        "reason": None,
        "extra": {},
    } | changes


AUROC = estimate(
    "auroc",
    0.8211,
    low=0.7963,
    high=0.8432,
    method="cluster bootstrap, 2000 draws, seed 20261123",
    extra={"n_clusters": 1271, "cluster_kind": "group"},
)
SENSITIVITY = estimate(
    "sensitivity",
    506 / 1500,
    low=0.304,
    high=0.367,
    n=1500,
    method="Wilson",
    extra={"numerator": 506, "denominator": 1500},
)
UNDEFINED = estimate("slope", None, reason="all scores are equal", level=None)

FINDING = {
    "id": "operating-point.sensitivity",
    "state": "fail",
    "claim": "It misses two findings in three at its declared threshold.",
    "why": "At the threshold of 0.5 the model calls 994 of 1,500 images with the finding absent.",
    "measure": "sensitivity",
    "limit": SENSITIVITY_LIMIT,
    "cases": [f"case-{k}" for k in range(994)],
    "action": "do not deploy at 0.5; see the other thresholds",
}


def _curve(area: float, n: int = 60) -> list[list[float]]:
    power = area / (1 - area)
    return [[k / n, 1 - (1 - k / n) ** power] for k in range(n + 1)]


def roc(area: float = 0.8211) -> dict[str, Any]:
    points = _curve(area)
    return {
        "kind": "roc",
        "check": "discrimination",
        "title": "The ranking is fair; the threshold is not",
        "subtitle": "ROC with 95 % band from group bootstrap",
        "points": points,
        "band": [[f, max(t - 0.04, 0.0), min(t + 0.03, 1.0)] for f, t in points],
        "auc": AUROC | {"value": area},
        "operating": {"threshold": 0.5, "fpr": 0.02, "tpr": points[2][1]},
    }


def reader_roc() -> dict[str, Any]:
    """Two arms and a model; one arm has no area."""
    none = estimate("auroc", None, reason="a reader scored no case without it", level=None)
    curves = [
        ("aided", "readers", 0.88, estimate("auroc", 0.88, low=0.83, high=0.93, n=90)),
        ("unaided", "readers", 0.8, none),
        ("model", "model", 0.85, estimate("auroc", 0.85, low=0.77, high=0.91, n=90)),
    ]
    return {
        "kind": "reader-roc",
        "check": "mrmc",
        "title": "Readers’ mean area is 0.880 in aided",
        "subtitle": "Mean sensitivity of 2 readers at each specificity",
        "curves": [
            {
                "label": label,
                "role": role,
                "points": _curve(area, 20),
                "readers": [
                    {"label": name, "points": _curve(area + apart, 5)}
                    for name, apart in (("R1", 0.03), ("R2", -0.03))
                    if role == "readers"
                ],
                "auc": auc,
            }
            for label, role, area, auc in curves
        ],
    }


def _bin(k: int, n: int, observed: float) -> dict[str, Any]:
    return {
        "low": k / 10,
        "high": (k + 1) / 10,
        "n": n,
        "events": round(n * observed),
        "mean": (k + 0.5) / 10,
        "observed": observed if n else None,
        "observed_low": max(observed - 0.4 / math.sqrt(n), 0.0) if n else None,
        "observed_high": min(observed + 0.4 / math.sqrt(n), 1.0) if n else None,
    }


def reliability() -> dict[str, Any]:
    counts = [2387, 46, 19, 24, 7, 21, 25, 30, 0, 441]
    observed = [0.373, 0.9, 0.93, 0.95, 0.9, 1.0, 1.0, 0.97, 0.0, 0.99]
    bins = [_bin(k, n, p) for k, (n, p) in enumerate(zip(counts, observed, strict=True))]
    return {
        "kind": "reliability",
        "check": "calibration",
        "title": "A score below 0.1 means a finding in 37 % of cases",
        "subtitle": "Reliability, ten bins, 95 % intervals; grey: where a perfect model would fall",
        "bins": bins,
        "band": [
            {
                "mean": b["mean"],
                "low": max(b["mean"] - 0.5 / math.sqrt(b["n"]), 0.0),
                "high": min(b["mean"] + 0.5 / math.sqrt(b["n"]), 1.0),
            }
            for b in bins
            if b["n"]
        ],
        "histogram": {k: v for k, v in histogram().items() if k in ("edges", "present", "absent")},
    }


def histogram() -> dict[str, Any]:
    present = [891, 43, 30, 20, 16, 15, 14, 14, 15, 18, 20, 22, 19, 17, 20, 24, 24, 30, 48, 200]
    absent = [1490, 3, 2, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    return {
        "kind": "score-histogram",
        "check": "discrimination",
        "title": "Most findings are scored near zero",
        "subtitle": "Scores of 3,000 cases",
        "edges": [k / 20 for k in range(21)],
        "present": present,
        "absent": absent,
        "threshold": 0.5,
    }


def forest() -> dict[str, Any]:
    rows = [
        ("All cases", 3000, 0.821, 0.796, 0.843, "fail"),
        ("Short side below 225 px", 934, 0.882, 0.848, 0.914, "caution"),
        ("225 px exactly", 329, 0.863, 0.794, 0.933, "caution"),
        ("Above 225 px, and a label that is far too long", 1737, 0.793, 0.759, 0.823, "fail"),
        ("High contrast", 1000, 0.921, 0.9, 0.94, "pass"),
    ]
    drawn = [
        {
            "label": label,
            "estimate": estimate("auroc", value, low=low, high=high, n=n),
            "state": state,
            "all": label == "All cases",
        }
        for label, n, value, low, high, state in rows
    ]
    missing = estimate("auroc", None, n=6, reason="only 6 cases", level=None)
    drawn.append({"label": "Grey images", "estimate": missing, "state": "not assessed"})
    return {
        "kind": "forest",
        "check": "discrimination",
        "title": "AUC by image-derived subgroup",
        "subtitle": "Square: below the limit. Triangle: interval straddles it. Diamond: all cases.",
        "unit": "",
        "rows": drawn,
        "limit": LIMIT,
    }


def operating_curve(smallest: float = 0.0001) -> dict[str, Any]:
    thresholds = [smallest ** (1 - k / 40) for k in range(41)]
    return {
        "kind": "operating-curve",
        "check": "operating-point",
        "title": "What other thresholds would give",
        "subtitle": "For orientation only: choosing a threshold here uses up the test set",
        "rows": [
            {
                "threshold": t,
                "sensitivity": 0.68 - 0.35 * k / 40,
                "specificity": 1 - 0.14 * (1 - k / 40) ** 2,
            }
            for k, t in enumerate(thresholds)
        ],
        "threshold": 0.5,
    }


def decision_curve(prevalence: float = 0.3) -> dict[str, Any]:
    rows = []
    for t in (k / 50 for k in range(1, 41)):
        own = prevalence * 0.9 - (1 - prevalence) * 0.2 * t / (1 - t)
        everyone = prevalence - (1 - prevalence) * t / (1 - t)
        rows.append(
            {
                "threshold": t,
                "net_benefit": own,
                "low": own - 0.03,
                "high": own + 0.03,
                "treat_all": everyone,
                "avoided": (own - everyone) * (1 - t) / t,
            }
        )
    return {
        "kind": "decision-curve",
        "check": "clinical-utility",
        "title": "It beats treating everyone and no one at most thresholds",
        "subtitle": "Net benefit of 3,000 cases; prevalence 30 %",
        "rows": rows,
        "threshold": 0.5,
        "prevalence": prevalence,
    }


def agreement_matrix() -> dict[str, Any]:
    values = [
        [None, 0.71, 0.46, 0.28, 0.34],
        [0.71, None, 0.69, 0.51, 0.37],
        [0.46, 0.69, None, 0.63, 0.31],
        [0.28, 0.51, 0.63, None, None],
        [0.34, 0.37, 0.31, None, None],
    ]
    return {
        "kind": "agreement-matrix",
        "check": "agreement",
        "title": "Readers agree with each other more than with the model",
        "subtitle": "Pairwise weighted kappa, quadratic weights",
        "labels": ["R1", "R2", "R3", "R4", "Model"],
        "values": values,
        "n": [[2 if v is None else 120 for v in row] for row in values],
        "measure": "kappa_weighted",
    }


def ratings() -> dict[str, Any]:
    return {
        "kind": "rating-distribution",
        "check": "agreement",
        "title": "The middle category is used most",
        "subtitle": "All readings of the question",
        "question": "malignancy",
        "values": ["1", "2", "3", "4", "5"],
        "counts": [712, 1203, 2615, 1277, 1012],
        "readers_per_case": {"1": 777, "2": 499, "3": 482, "4": 896},
    }


def ceiling() -> dict[str, Any]:
    return {
        "kind": "reader-ceiling",
        "check": "ai-vs-readers",
        "title": "The model agrees with readers nearly as often as they do",
        "subtitle": "Share of equal answers on each case",
        "edges": [k / 10 for k in range(11)],
        "readers": [4, 0, 0, 61, 0, 0, 102, 0, 0, 233],
        "model": [21, 0, 0, 70, 0, 0, 88, 0, 0, 221],
        "readers_mean": 0.812,
        "model_mean": 0.777,
    }


def case_values() -> dict[str, Any]:
    values = [0.0, 0.61, 0.78, 0.8, 0.83, 0.91]
    return {
        "kind": "case-values",
        "check": "segmentation",
        "title": "Dice of ball is 0.655 on average",
        "subtitle": "One dot per case or pair",
        "measure": "dice",
        "structure": "ball",
        "rows": [
            {
                "label": "Model against reference",
                "estimate": estimate("dice", 0.655, low=0.4, high=0.85, n=6),
                "points": [[f"case-{at}", value] for at, value in enumerate(values)],
                "drawn_every": 1,
                "quantiles": [0.0, 0.65, 0.79, 0.82, 0.91],
            },
            {
                "label": "Reader against reader",
                "estimate": estimate("reader_dice", None, reason="no case has a value", n=0),
                "points": [],
                "drawn_every": 1,
                "quantiles": [],
            },
        ],
    }


def uncertainty_scatter(n: int = 12) -> dict[str, Any]:
    groups = ["trust", "expert-review", "re-acquire", "both"]
    rows = [
        [f"case-{at}", 0.9 * at / n, 0.1 * (at * 5 % n) / n, 0.0, 0.001 * at,
         (0, 1, 0, None)[at % 4], groups[2 * (at > 0.7 * n) + (at * 5 % n > 0.7 * n)]]
        for at in range(n)
    ]  # fmt: skip
    for row in rows:
        row[3] = row[1] + row[2]
    return {
        "kind": "uncertainty-scatter",
        "title": "Of 12 cases, 3 ask for an expert, 3 for another image, 1 for both",
        "limits": {"aleatoric": 0.63, "epistemic": 0.07},
        "rows": rows,
        "groups": [
            {
                "group": name,
                "n": sum(row[6] == name for row in rows),
                "n_labelled": sum(row[6] == name and row[5] is not None for row in rows),
                "n_wrong": sum(row[6] == name and row[5] == 1 for row in rows),
            }
            for name in groups
        ],
    }


def map_scatter() -> dict[str, Any]:
    rows = [[f"case-{at}", -0.4 + 0.3 * at, 0.1 * at, at % 2 == 0] for at in range(8)]
    counts = {"both": 3, "faithful only": 3, "plausible only": 1, "neither": 1}
    return {
        "kind": "map-scatter",
        "title": "Faithful and plausible, case by case",
        "line": 0.1,
        "rows": rows,
        "counts": counts,
    }


def risk_coverage() -> dict[str, Any]:
    kinds = {
        "total": "total", "aleatoric": "aleatoric", "epistemic": "epistemic",
        "score": "score alone",
    }  # fmt: skip
    return {
        "kind": "risk-coverage",
        "title": "Without the most uncertain fifth, 4.0 % are called wrongly instead of 10.0 %",
        "curves": [
            {"kind": kind, "label": label, "aurc": 0.02 + 0.01 * at,
             "points": [[0.25, 0.0], [0.5, 0.02 * at], [1.0, 0.1]]}
            for at, (kind, label) in enumerate(kinds.items())
        ],
        "best": [[0.25, 0.0], [0.9, 0.0], [1.0, 0.1]],
        "error_rate": 0.1,
    }  # fmt: skip


def risk_coverage_of_masks() -> dict[str, Any]:
    kinds = ("disagreement", "volume", "entropy", "band")
    return risk_coverage() | {
        "title": "Without the fifth on which its samples disagree most, lesion has a Dice of 0.9",
        "risk": "1 − Dice",
        "curves": [
            {"kind": kind, "label": kind, "aurc": 0.2, "points": [[0.5, 0.1], [1.0, 0.25]]}
            for kind in kinds
        ],
    }


def selective_risk() -> dict[str, Any]:
    """The same kind with a band and a target, as selective prediction draws it."""
    kinds = {
        "confidence": "confidence", "by-total": "total uncertainty",
        "by-epistemic": "epistemic uncertainty",
    }  # fmt: skip
    series = risk_coverage()
    curves = [
        curve | {"kind": kind, "label": label}
        for curve, (kind, label) in zip(series["curves"], kinds.items(), strict=False)
    ]
    band = [[0.25, 0.0, 0.03], [0.5, 0.01, 0.05], [1.0, 0.08, 0.12]]
    return series | {"curves": curves, "band": band, "target": 0.05}


_ENDS = ("", "_low", "_high")


def stress_curves() -> dict[str, Any]:
    def row(severity: int, loss: float) -> dict[str, Any]:
        return {
            "severity": severity, "value": 0.02 * severity, "n": 60, "accuracy": 0.9 - loss,
            "low": 0.85 - loss, "high": 0.95 - loss, "auroc": 0.93 - loss, "flip_rate": 2 * loss,
            **{f"{name}_lost{end}": loss for name in ("accuracy", "auroc") for end in _ENDS},
            **{f"entropy_rise{end}": 0.05 * severity for end in _ENDS},
            "flip_rate_low": None, "flip_rate_high": None,
            "claimed": 0.9, "entropy_bits": 0.3, "brier": 0.1 + loss, "calibration_error": loss,
        }  # fmt: skip

    def panel(title: str, step: float, first: int | None) -> dict[str, Any]:
        return {
            "corruption": title.lower(), "title": title,
            "parameter": "standard deviation, as a share of the intensity range",
            "first_too_much": first, "rows": [row(s, step * s) for s in range(1, 6)],
        }  # fmt: skip

    panels = [panel("Gaussian noise", 0.08, 2), panel("Gamma", 0.0, None)]
    panels += [panel("Bias field", 0.01, None), panel("Low resolution", 0.02, None)]
    return {
        "kind": "stress-curves", "title": "1 of 4 corruptions is too much for it",
        "accuracy": 0.9, "auroc": 0.93, "line": 0.85, "panels": panels,
    }  # fmt: skip


def stress_curves_of_masks() -> dict[str, Any]:
    def row(severity: int) -> dict[str, Any]:
        loss = 0.04 * severity
        parts = ("dice_lost", "volume_change", "missed", "invented")
        return {
            "severity": severity, "value": 0.02 * severity, "n": 60, "dice": 0.9 - loss,
            "low": 0.85 - loss, "high": 0.95 - loss,
            **{f"{name}{end}": loss for name in parts for end in _ENDS},
            "invented": None, "invented_low": None, "invented_high": None,
        }  # fmt: skip

    panel = {
        "corruption": "gaussian-noise", "title": "Gaussian noise",
        "parameter": "standard deviation, as a share of the intensity range",
        "first_too_much": 3, "rows": [row(s) for s in range(1, 6)],
    }  # fmt: skip
    return {
        "kind": "stress-curves", "measure": "dice", "structure": "lesion",
        "title": "1 of 1 corruptions are too much for its masks of lesion at some severity",
        "dice": 0.9, "line": 0.85, "panels": [panel],
    }  # fmt: skip


def attack_curves() -> dict[str, Any]:
    def line(method: str, label: str, share: float) -> dict[str, Any]:
        points = [
            {"eps": eps, "n": 40, "turned": int(40 * share * at / 5), "flip_rate": share * at / 5,
             "low": max(0.0, share * at / 5 - 0.1), "high": min(1.0, share * at / 5 + 0.1),
             "accuracy": None if at == 1 else 0.9 - share * at / 6}
            for at, eps in enumerate((0.25, 0.5, 1.0, 2.0, 4.0), 1)
        ]  # fmt: skip
        return {
            "method": method, "label": label, "on_purpose": method != "noise", "points": points,
        }  # fmt: skip

    return {
        "kind": "attack-curves", "check": "adversarial-lite", "title": "34 of 40 answers turn",
        "subtitle": "", "lines": [
            line("noise", "random, of the same size", 0.0),
            line("fgsm", "one step (FGSM)", 0.6), line("pgd", "several steps (PGD)", 0.9),
        ],
    }  # fmt: skip


def removal_curves() -> dict[str, Any]:
    def line(fall: float) -> list[dict[str, Any]]:
        return [
            {"share": at / 10, "value": 2.4 - fall * at / 10,
             "low": 2.2 - fall * at / 10, "high": 2.6 - fall * at / 10}
            for at in range(11)
        ]  # fmt: skip

    said = (("Grad-CAM", 5.0), ("a random map", 3.5), ("edges", 3.7), ("the centre", 3.6))
    return {
        "kind": "removal-curves", "check": "explanation-faithfulness",
        "title": "Mean score while pictures go away", "subtitle": "40 cases",
        "unit": "Log-odds of tumour",
        "panels": [
            {"title": title, "lines": {"morf": line(fall), "lerf": line(3.5)}}
            for title, fall in said
        ],
    }  # fmt: skip


def layer_profile() -> dict[str, Any]:
    rows = [
        {"layer": f"block{at}.norm", "facts": ["batch", 64, 64],
         "values": [0.05 * at, 0.1, 0.4 + 0.1 * at, 0.9]}
        for at in range(8)
    ]  # fmt: skip
    columns = [
        {"title": f"{what}, site = {site}", "drawn": f"site = {site}" if what == "Shift" else ""}
        for site in "AB"
        for what in ("Shift", "Log variance ratio")
    ]
    return {
        "kind": "layer-profile", "check": "normalisation", "title": "How far images lie",
        "subtitle": "", "y": "Shift, standard deviations", "scale": "linear", "limit": 0.5,
        "facts": ["Kind", "Channels", "Kept"], "columns": columns, "rows": rows,
    }  # fmt: skip


def every_kind() -> list[dict[str, Any]]:
    return [
        *(roc(), reliability(), histogram(), forest()),
        *(operating_curve(), agreement_matrix(), ratings(), ceiling(), case_values()),
        *(decision_curve(), reader_roc(), uncertainty_scatter(), risk_coverage()),
        map_scatter(),
        risk_coverage_of_masks(),
        selective_risk(),
        stress_curves(),
        stress_curves_of_masks(),
        attack_curves(),
        removal_curves(),
        layer_profile(),
    ]
