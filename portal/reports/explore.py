"""Per-case points of a report for its explore page, and the views it opens on."""

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

from portal.reports.frozen import Case, Frozen

_BINS = 15  # as the reliability curve of the calibration check
_SPREAD = 0.32  # half the height over which equal labels are spread, so that points show
_NEAREST = 1e-7  # to 0 and to 1, where odds have no end
_MOST_VALUES = 6  # a covariate with more is not offered as a colour

LOG_ODDS = "log odds of the score"
ID, OUTCOME, LABEL = "case", "outcome", "reference label"
SPREAD = "reference label, spread"
FPR, TPR = "1 − specificity at its score", "sensitivity at its score"
MODEL_DICE, READER_DICE = "Dice of the model to the reference", "Dice of two readers"
BIN_MEAN, BIN_RATE = "mean score of its bin", "share with finding in its bin"


@dataclass(frozen=True)
class View:
    id: str
    title: str
    lead: str
    note: str
    x: str
    y: str
    colour: str


def views(frozen: Frozen) -> list[View]:
    """What can be looked at, in the order of the buttons."""
    found = []
    if _scored(frozen):
        score = score_field(frozen)
        found = [
            View(
                "scores",
                "Scores by label",
                "Every case by its score and its reference label.",
                "Height within a label is random (seeded) and means nothing: it only keeps points "
                "apart. 1 is with the finding, 0 without, −1 without a label. Log odds across pull "
                "scores near 0 and 1 apart.",
                score,
                SPREAD,
                OUTCOME,
            ),
            View(
                "roc",
                "ROC, case by case",
                "The ROC curve: each case stands where it would be if its own score were the "
                "threshold.",
                "Choose a stretch of the curve to open the cases whose scores lie there.",
                FPR,
                TPR,
                LABEL,
            ),
            View(
                "calibration",
                "Calibration bins",
                f"The {_BINS} bins of equal width: mean score and share with the finding.",
                "All cases of a bin lie on one point: select it to open them.",
                BIN_MEAN,
                BIN_RATE,
                "",
            ),
        ]
    if frozen.of_masks:
        found += _mask_views(frozen)
    for question in _numeric_questions(frozen):
        asked = frozen.names.of(question)
        mean, spread = _reading_fields(asked)
        found.append(
            View(
                f"readings-{question}",
                f"Readings of {asked}",
                f"Every case by the mean answer on {asked} and by how far readers lie apart.",
                "The range is the highest answer less the lowest; points are spread a little.",
                mean,
                spread,
                "readings",
            )
        )
    return found


def find_view(frozen: Frozen, wanted: str) -> View | None:
    found = views(frozen)
    return next((view for view in found if view.id == wanted), found[0] if found else None)


def points(frozen: Frozen) -> dict[str, Any]:
    """The series of kind "points" that the page draws: fields, and one row for each case."""
    columns: dict[str, Callable[[Case], Any]] = {ID: lambda case: case.case_id}
    if _scored(frozen):
        columns |= _score_columns(frozen)
    if frozen.of_masks:
        columns |= _mask_columns(frozen)
    for question in _numeric_questions(frozen):
        columns |= _reading_columns(question, frozen.names.of(question))
    for name in _few_valued(frozen):
        said = frozen.names.of(name)
        columns[said if said not in columns else name] = _covariate(name)
    rows = [[get(case) for get in columns.values()] for case in frozen.cases]
    return {"fields": list(columns), "rows": rows}


def _mask_views(frozen: Frozen) -> list[View]:
    """Overlap against size: small structures overlap less, whoever draws them."""
    size, note = size_field(frozen), "A case without the pair that is asked for is not drawn."
    found = []
    if any(case.model_dice is not None for case in frozen.cases):
        found.append(
            View(
                "dice",
                "Model by size",
                "Every case by how large its structures are and how far the model’s masks overlap "
                "the reference.",
                note,
                size,
                MODEL_DICE,
                "",
            )
        )
    if any(case.reader_dice is not None for case in frozen.cases):
        found.append(
            View(
                "reader-dice",
                "Readers by size",
                "Every case by how large its structures are and how far two readers overlap.",
                note,
                size,
                READER_DICE,
                "",
            )
        )
    if len(found) == 2:
        found.append(
            View(
                "both",
                "Model and readers",
                "Every case by how far two readers overlap and how far the model overlaps the "
                "reference.",
                note,
                READER_DICE,
                MODEL_DICE,
                "",
            )
        )
    return found


def size_field(frozen: Frozen) -> str:
    unit = (frozen.cohort.get("masks") or {}).get("unit")
    return f"mean size of its masks, {unit}" if unit else "mean size of its masks"


def _mask_columns(frozen: Frozen) -> dict[str, Callable[[Case], Any]]:
    return {
        size_field(frozen): _mean_size,
        MODEL_DICE: lambda case: case.model_dice,
        READER_DICE: lambda case: case.reader_dice,
    }


def _mean_size(case: Case) -> float | None:
    """Of the masks that people or the reference drew, each counted once; the model's is not."""
    sizes: dict[tuple[str, str], float] = {}
    for structure, a, b, size_a, size_b, _ in case.masks:
        for whose, size in ((a, size_a), (b, size_b)):
            if whose.startswith(("reader:", "reference")) and size is not None:
                sizes[structure, whose] = size
    return round(sum(sizes.values()) / len(sizes), 6) if sizes else None


def score_field(frozen: Frozen) -> str:
    return f"P({frozen.finding_name})"


def _scored(frozen: Frozen) -> bool:
    return any(case.score is not None for case in frozen.cases)


def _score_columns(frozen: Frozen) -> dict[str, Callable[[Case], Any]]:
    jitter = random.Random(20261123)
    heights = [jitter.uniform(-_SPREAD, _SPREAD) for _ in frozen.cases]
    judged = [c for c in frozen.cases if c.score is not None and c.present is not None]
    present = sorted(c.score or 0.0 for c in judged if c.present)
    absent = sorted(c.score or 0.0 for c in judged if not c.present)
    bins = _bins(judged)

    def spread(case: Case) -> float:
        row = -1 if case.present is None else int(case.present)
        return round(row + heights[case.position], 4)

    def in_bin(part: int) -> Callable[[Case], float | None]:
        return lambda case: bins[_bin(case.score)][part] if _is_judged(case) else None

    return {
        score_field(frozen): lambda case: case.score,
        LOG_ODDS: lambda case: log_odds(case.score),
        SPREAD: spread,
        LABEL: lambda case: case.label or "none",
        OUTCOME: lambda case: case.word,
        FPR: lambda case: _share_from(absent, case.score),
        TPR: lambda case: _share_from(present, case.score),
        BIN_MEAN: in_bin(0),
        BIN_RATE: in_bin(1),
    }


def log_odds(score: float | None) -> float | None:
    """Pulls apart what lies at 0 and 1; a score that is exactly 0 or 1 stands at ±16.

    >>> [log_odds(score) for score in (None, 0.5, 0.0001, 0.0)]
    [None, 0.0, -9.2102, -16.1181]
    """
    if score is None:
        return None
    p = min(max(score, _NEAREST), 1 - _NEAREST)
    return round(log(p / (1 - p)), 4)


def _is_judged(case: Case) -> bool:
    return case.score is not None and case.present is not None


def _share_from(scores: list[float], threshold: float | None) -> float | None:
    """The share of sorted scores at or above a threshold."""
    if threshold is None or not scores:
        return None
    return round(1 - bisect_left(scores, threshold) / len(scores), 6)


def _bin(score: float | None) -> int:
    return min(int((score or 0.0) * _BINS), _BINS - 1)


def _bins(judged: list[Case]) -> dict[int, tuple[float, float]]:
    members: dict[int, list[Case]] = {}
    for case in judged:
        members.setdefault(_bin(case.score), []).append(case)
    return {
        k: (
            round(sum(case.score or 0.0 for case in cases) / len(cases), 6),
            round(sum(bool(case.present) for case in cases) / len(cases), 6),
        )
        for k, cases in members.items()
    }


def _numeric_questions(frozen: Frozen) -> list[str]:
    """Questions whose answers are numbers and that some case has two of."""
    return [
        question
        for question in frozen.questions
        if any(len(_answers(case, question)) > 1 for case in frozen.cases)
    ]


def _answers(case: Case, question: str) -> list[float]:
    return [float(row[2]) for row in case.readings if row[1] == question and row[2] is not None]


def _reading_fields(question: str) -> tuple[str, str]:
    return f"mean {question}", f"range of {question}, spread"


def _reading_columns(question: str, asked: str) -> dict[str, Callable[[Case], Any]]:
    mean, spread = _reading_fields(asked)
    jitter = random.Random(f"20261123 {question}")

    def middle(case: Case) -> float | None:
        answers = _answers(case, question)
        return (
            round(sum(answers) / len(answers) + jitter.uniform(-0.08, 0.08), 4) if answers else None
        )

    def apart(case: Case) -> float | None:
        answers = _answers(case, question)
        if len(answers) < 2:
            return None
        return round(max(answers) - min(answers) + jitter.uniform(-0.3, 0.3), 4)

    return {
        mean: middle,
        spread: apart,
        "readings": lambda case: str(len({row[0] for row in case.readings})),
    }


def _few_valued(frozen: Frozen) -> list[str]:
    names = dict.fromkeys(name for case in frozen.cases for name in case.covariates)
    return [
        name
        for name in names
        if len({case.covariates.get(name) for case in frozen.cases}) <= _MOST_VALUES
    ]


def _covariate(name: str) -> Callable[[Case], Any]:
    return lambda case: case.covariates.get(name)
