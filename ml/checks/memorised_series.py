"""What the charts and tables of memorisation are drawn from."""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.memorised_sides import Answers, Copies
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.tables import Evidence

_BINS = 20
_TOLD = "membership_auroc"


def forest(check: str, estimates: Sequence[Estimate]) -> JsonObject:
    """How well the loss tells training images from others, over all classes and in each."""
    told = [one for one in estimates if one.id.partition(":")[0] == _TOLD]
    rows: list[JsonValue] = [
        {
            "label": one.id.partition(":")[2] or "all classes, weighted",
            "estimate": one.to_json(),
            "state": "info",
        }
        for one in told
        if one.value is not None
    ]
    value = told[0].value
    return {
        "kind": "forest",
        "check": check,
        "title": (
            "Training images and others cannot be compared"
            if value is None
            else f"The loss tells training images from others with {words.decimal(value)}"
        ),
        "subtitle": "P(loss of a training case below that of another of its class); 0.5 is chance",
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def losses_series(check: str, training: Answers, others: Answers) -> JsonObject:
    """Losses of training cases upwards, those of the others downwards."""
    top = float(max(training.loss.max(), others.loss.max()))
    edges = np.linspace(0, top if top > 0 else 1.0, _BINS + 1)
    return {
        "kind": "score-histogram",
        "check": check,
        "title": (
            f"The median loss is {words.decimal(float(np.median(training.loss)))} on training "
            f"cases and {words.decimal(float(np.median(others.loss)))} on others"
        ),
        "subtitle": (
            f"Loss of {words.cases(training.n)} of the training cohort, upwards, and of "
            f"{words.cases(others.n)} that are no copies, downwards; {_BINS} bins of equal width"
        ),
        "edges": [rounded(float(edge), 6) for edge in edges],
        "present": [int(n) for n in np.histogram(training.loss, edges)[0]],
        "absent": [int(n) for n in np.histogram(others.loss, edges)[0]],
        "groups": {"present": "training", "absent": "others", "axis": "Loss"},
        "threshold": None,
    }


def copies_series(check: str, evidence: Evidence, copies: Copies) -> JsonObject:
    """Every audited case with the training case that is most alike."""
    rows: list[JsonValue] = [
        [
            case_id,
            copies.twin[at] or None,
            None if np.isnan(copies.similarity[at]) else round(float(copies.similarity[at]), 6),
            int(copies.exact[at]),
            int(copies.near[at]),
        ]
        for at, case_id in enumerate(evidence.case_ids)
    ]
    return {
        "kind": "points",
        "check": check,
        "title": "Every case with the training image that is most alike",
        "subtitle": "Correlation of thumbnails; exact: the same pixels",
        "fields": ["case_id", "training case", "similarity", "exact copy", "near copy"],
        "rows": rows,
    }
