"""What the chart and the table of duplicates are drawn from."""

import numpy as np

from ml.checks import words
from ml.checks.duplicate_groups import NEAR, Duplicates
from ml.estimate import JsonObject, JsonValue, rounded

_BINS = 25


def similarity_series(check: str, found: Duplicates) -> JsonObject:
    """How alike every case is to the one that is most alike, by whether their labels agree."""
    alike, labels = found.alike, found.evidence.label
    rows = np.flatnonzero(alike.place >= 0)
    agree = np.array([labels[row] == labels[alike.place[row]] for row in rows], dtype=np.bool_)
    values = alike.similarity[rows]
    edges = np.linspace(min(0.5, float(values.min(initial=0.5))), 1.0, _BINS + 1)
    n = int((found.repeated & found.known).sum())
    return {
        "kind": "score-histogram",
        "check": check,
        "title": f"{words.count(n)} of {words.cases(int(found.known.sum()))} have a duplicate",
        "subtitle": "Correlation of each case’s thumbnail with that of the case most like it: "
        "upwards where both have the same label, downwards where they have not",
        "edges": [rounded(float(edge), 6) for edge in edges],
        "present": [int(one) for one in np.histogram(values[agree], edges)[0]],
        "absent": [int(one) for one in np.histogram(values[~agree], edges)[0]],
        "groups": {
            "present": "same label", "absent": "another label",
            "axis": "Correlation with the case most like it",
        },
        "threshold": NEAR,
    }  # fmt: skip


def cases_series(check: str, found: Duplicates) -> JsonObject:
    """Every case with its group and the case that is most alike."""
    evidence, alike = found.evidence, found.alike
    fields: list[JsonValue] = [
        "case_id", "group", "cases of the group", "most alike", "similarity",
        "same bytes or pixels", "label", "labels differ",
    ]  # fmt: skip
    rows: list[JsonValue] = [
        [
            case_id,
            f"g{int(found.group[at]) + 1:05d}",
            int(found.sizes[at]),
            evidence.case_ids[alike.place[at]] if alike.place[at] >= 0 else None,
            None if np.isnan(alike.similarity[at]) else round(float(alike.similarity[at]), 6),
            int(found.exact[at]),
            evidence.label[at],
            int(found.mixed[at]),
        ]
        for at, case_id in enumerate(evidence.case_ids)
    ]
    return {
        "kind": "table",
        "check": check,
        "title": "Every case with its group and the case that is most alike",
        "subtitle": "A group is what counts as one image",
        "fields": fields,
        "rows": rows,
    }
