"""What the charts of a reader study are drawn from."""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.judge import judge
from ml.checks.reader_analysis import BesideReaders
from ml.checks.reader_study import ReaderStudy
from ml.checks.registry import State
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.protocol import Protocol
from ml.stats.arrays import FloatArray
from ml.stats.mrmc.curve import average_curve, reader_curve
from ml.stats.mrmc.study import MrmcStudy

MOST_POINTS = 101  # of a drawn curve


def reader_forest(
    check: str, title: str, subtitle: str, named: Sequence[tuple[str, Estimate]]
) -> JsonObject:
    """Readers and their means on one axis, nothing judged."""
    return _forest(check, title, subtitle, [(label, one, None) for label, one in named])


def difference_forest(
    check: str, title: str, subtitle: str, estimates: Sequence[Estimate], protocol: Protocol
) -> JsonObject:
    """Differences against their limit, with the fixed-reader and fixed-case results beneath."""
    rows = []
    limit = None
    for estimate in estimates:
        own = protocol.limit(check, estimate.id)
        state = judge(estimate, own).value if own is not None else None
        limit = limit or own
        label = estimate.id.partition(":")[2]
        for suffix, said in (
            (":fixed-readers", ", these readers"), (":fixed-cases", ", these cases")
        ):  # fmt: skip
            label = label.replace(suffix, said)
        rows.append((label, estimate, state))
    series = _forest(check, title, subtitle, rows)
    if limit is not None:
        series["limit"] = limit.to_json()
    return series


def reader_roc(
    check: str,
    found: ReaderStudy,
    means: Sequence[Estimate],
    beside: Sequence[BesideReaders],
) -> JsonObject:
    """The reader-averaged curve of each arm, each reader's thin behind it, and the model's."""
    several = len(found.arms) > 1
    curves: list[JsonValue] = []
    for i, (arm, mean) in enumerate(zip(found.arms, means, strict=True)):
        each: list[JsonValue] = [
            {"label": reader, "points": points}
            for j, reader in enumerate(found.study.readers)
            if (points := _single(found.study, i, j))
        ]
        curves.append(
            {
                "label": arm if several else "readers",
                "role": "readers",
                "points": _rounded(average_curve(found.study, i)),
                "readers": each,
                "auc": mean.to_json(),
            }
        )
    if beside and not several:
        curves.append(
            {
                "label": "model",
                "role": "model",
                "points": _single(beside[0].study, 0, 0),
                "readers": [],
                "auc": beside[0].model.to_json(),
            }
        )
    said = " and ".join(
        f"{words.decimal(mean.value)}{f' in {arm}' if several else ''}"
        for arm, mean in zip(found.arms, means, strict=True)
        if mean.value is not None
    )
    return {
        "kind": "reader-roc",
        "check": check,
        "title": f"Readers’ mean area is {said}" if said else "No area could be estimated",
        "subtitle": (
            f"Mean sensitivity of {len(found.study.readers)} readers at each specificity; thin: "
            f"each reader; {words.cases(len(found.study.cases))}"
        ),
        "curves": curves,
    }


def _forest(
    check: str, title: str, subtitle: str, rows: Sequence[tuple[str, Estimate, str | None]]
) -> JsonObject:
    listed: list[JsonValue] = [
        {
            "label": label,
            "estimate": estimate.to_json(),
            "state": state
            or (State.INFO if estimate.value is not None else State.NOT_ASSESSED).value,
        }
        for label, estimate, state in rows
    ]
    return {
        "kind": "forest", "check": check, "title": title, "subtitle": subtitle, "unit": "",
        "rows": listed, "limit": None,
    }  # fmt: skip


def _single(study: MrmcStudy, modality: int, reader: int) -> list[JsonValue]:
    """One reader's curve; of many steps, its heights at a hundred equal steps."""
    points = _rounded(reader_curve(study, modality, reader))
    if len(points) <= MOST_POINTS:
        return points
    return _rounded(average_curve(study.part(readers=[reader]), modality, points=MOST_POINTS))


def _rounded(curve: FloatArray) -> list[JsonValue]:
    """Points of a curve without those on a straight line between their neighbours."""
    if len(curve) > 2:
        before, after = np.diff(curve, axis=0)[:-1], np.diff(curve, axis=0)[1:]
        turn = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-12
        curve = curve[np.r_[True, turn, True]]
    return [[round(float(x), 6), round(float(y), 6)] for x, y in curve]
