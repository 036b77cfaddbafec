"""What the charts of foreign cohorts are drawn from."""

from collections.abc import Mapping, Sequence

import numpy as np

from ml.checks import words
from ml.checks.foreign_guard import GUARDS, Guard
from ml.checks.foreign_measures import Alarm, Group
from ml.checks.foreign_scores import LABELS, Score
from ml.checks.foreign_sides import Side
from ml.estimate import Estimate, JsonObject, JsonValue, rounded

_BINS = 20


def forest(
    check: str, groups: Sequence[Group], names: Sequence[str], estimates: Mapping[str, Estimate]
) -> JsonObject:
    """AUROC by cohort and score."""
    rows: list[JsonValue] = [
        {
            "label": f"{group.name}: {GUARDS.get(name) or LABELS[name]}",
            "estimate": estimates[f"ood_auroc:{group.name}/{name}"].to_json(),
            "state": "info",
        }
        for group in groups
        for name in names
    ]
    first = names[0]
    low = min(groups, key=lambda group: _value(estimates, group, first))
    return {
        "kind": "forest",
        "check": check,
        "title": (
            f"{LABELS.get(first) or GUARDS[first]} tells {low.name} from the audited cohort with "
            f"an AUROC of {words.decimal(_value(estimates, low, first))}, the lowest of "
            f"{words.count(len(groups))}"
        ),
        "subtitle": "AUROC of foreign against audited cases by cohort and score; 0.5 is chance",
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def _value(estimates: Mapping[str, Estimate], group: Group, name: str) -> float:
    return estimates[f"ood_auroc:{group.name}/{name}"].value or 0.0


def histogram(check: str, own: Side, group: Group, score: Score, alarm: Alarm) -> JsonObject:
    """Scores of a foreign cohort upwards, those of the audited cohort downwards."""
    theirs = group.of(score)
    both = np.concatenate([score.own, theirs])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    threshold = alarm.threshold.threshold
    beyond = "" if threshold is None else (
        f"{words.count(int(alarm.stops(theirs).sum()))} of {words.cases(group.n)} of {group.name} "
        f"lie above the threshold of {score.label}"
    )  # fmt: skip
    return {
        "kind": "score-histogram",
        "check": check,
        "title": beyond or f"{score.label} of {group.name} and of the audited cohort",
        "subtitle": (
            f"{score.label} of {words.cases(group.n)} of {group.name}, upwards, and of "
            f"{words.cases(own.n)} of the audited cohort, downwards; {_BINS} bins of equal width"
        ),
        "edges": [rounded(float(edge), 6) for edge in edges],
        "present": [int(n) for n in np.histogram(theirs, edges)[0]],
        "absent": [int(n) for n in np.histogram(score.own, edges)[0]],
        "groups": {"present": group.name, "absent": "audited cohort", "axis": score.label},
        "threshold": rounded(threshold, 6),
    }


def points(
    check: str, sides: Sequence[Side], alarm: Alarm | None, guard: Guard | None
) -> JsonObject:
    """Every foreign case with its answer, p-value and count of unknown facts."""
    rows: list[JsonValue] = []
    for side in sides:
        p = None if alarm is None else alarm.p_values(alarm.score.foreign[side.name])
        facts = None if guard is None else guard.score.foreign[side.name]
        for at, row in enumerate(side.rows):
            rows.append([
                side.name,
                side.evidence.case_ids[row],
                side.classes[side.predicted[at]],
                round(float(side.confidence[at]), 6),
                None if alarm is None
                else rounded(float(alarm.score.foreign[side.name][at]), 6),
                None if p is None else round(float(p[at]), 6),
                None if facts is None else int(facts[at]),
            ])  # fmt: skip
    label = "none" if alarm is None else alarm.score.label
    return {
        "kind": "points",
        "check": check,
        "title": "Every foreign case with its answer",
        "subtitle": f"score: {label}, higher is more foreign; p: conformal, low is foreign; "
        "unknown facts: of the file, that no audited case has",
        "fields": ["cohort", "case_id", "answer", "confidence", "score", "p", "unknown_facts"],
        "rows": rows,
    }
