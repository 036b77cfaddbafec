"""Readings of one question as a table of cases by readers, and the model's answer beside them."""

import re
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction, Question, Readings

_PRESENT_ABSENT = ({"present", "absent"}, {"yes", "no"})
_SAYS_PRESENT = frozenset({"present", "yes"})


@dataclass(frozen=True)
class AnswerTable:
    """Answers to one question; NaN where a reader did not answer a case.

    With exchangeable readers a column is only the first, second, ... answer to each case.
    """

    question: Question
    codes: FloatArray  # (n, readers) place in the question's values; numbers on interval scales
    numbers: FloatArray  # (n, readers) the answers as numbers, NaN where they are none
    readers: tuple[str, ...]
    undeclared: int  # answers outside the declared values, left out
    repeated: int  # second answers of a reader to a case, left out
    arm: str = ""  # of a reader study: the only one whose answers are here

    @property
    def per_case(self) -> IntArray:
        """(n,) how many readers answered."""
        counts: IntArray = (~np.isnan(self.codes)).sum(axis=1)
        return counts

    @property
    def asked(self) -> str:
        """What opens the convention of every measure."""
        return f"question “{self.question.id}”" + (f", arm “{self.arm}”" if self.arm else "")

    @property
    def set_aside(self) -> str:
        """What ends it: answers that were left out."""
        return "".join(
            f"; {words.count(number)} {what} left out"
            for number, what in (
                (self.undeclared, "answers outside the declared values"),
                (self.repeated, "repeated answers of a reader to a case"),
            )
            if number
        )

    @property
    def numeric(self) -> bool:
        """True when every answer is a number on a scale with an order."""
        answered = ~np.isnan(self.codes)
        return (
            self.question.scale != "nominal"
            and bool(answered.any())
            and bool(np.isfinite(self.numbers[answered]).all())
        )


def answer_tables(readings: Readings, n_cases: int) -> list[AnswerTable]:
    """One table for each declared question that has answers, in declared order.

    Of a reader study with several arms, the first arm of each question: answers that a reader
    gave with and without help are not two readers' answers.
    """
    rows: dict[str, list[int]] = {name: [] for name in readings.questions}
    for at, name in enumerate(readings.question):
        first = rows[name][0] if rows[name] else at
        if not readings.arm or readings.arm[at] == readings.arm[first]:
            rows[name].append(at)
    return [
        _table(readings, readings.questions[name], at, n_cases) for name, at in rows.items() if at
    ]


def arm_tables(readings: Readings, question: Question, n_cases: int) -> list[AnswerTable]:
    """Answers to one question, a table for each arm of a reader study; arms by name."""
    rows: dict[str, list[int]] = {}
    for at, name in enumerate(readings.question):
        if name == question.id:
            rows.setdefault(readings.arm[at] if readings.arm else "", []).append(at)
    return [_table(readings, question, rows[arm], n_cases) for arm in sorted(rows, key=natural)]


def _table(readings: Readings, question: Question, rows: list[int], n_cases: int) -> AnswerTable:
    place = {value: at for at, value in enumerate(question.values)}
    numeric = {float(value): at for value, at in place.items() if value.lstrip("-").isdecimal()}
    columns: dict[str, int] = {}
    if not readings.exchangeable:
        names = sorted({readings.reader[row] for row in rows}, key=natural)
        columns = {name: at for at, name in enumerate(names)}
    cells: dict[tuple[int, int], tuple[float, float]] = {}
    answered = np.zeros(n_cases, dtype=np.int64)
    undeclared = repeated = 0
    for row in rows:
        case, number = int(readings.case_index[row]), float(readings.number[row])
        code = number
        if question.scale != "interval":
            # A score of 5.0 is the answer "5": tables write whole numbers either way.
            code = float(place.get(readings.value[row], numeric.get(number, -1)))
        if np.isnan(code) or (question.scale != "interval" and code < 0):
            undeclared += 1
            continue
        column = int(answered[case]) if readings.exchangeable else columns[readings.reader[row]]
        if (case, column) in cells:
            repeated += 1
            continue
        answered[case] += 1
        cells[case, column] = (code, number)
    width = int(answered.max(initial=0)) if readings.exchangeable else len(columns)
    codes = np.full((n_cases, width), np.nan)
    numbers = np.full((n_cases, width), np.nan)
    for (case, column), (code, number) in cells.items():
        codes[case, column], numbers[case, column] = code, number
    readers = tuple(columns) or tuple(f"reading {at + 1}" for at in range(width))
    arm = readings.arm[rows[0]] if readings.arm else ""
    return AnswerTable(question, codes, numbers, readers, undeclared, repeated, arm)


def natural(name: str) -> list[int | str]:
    """R2 before R10; text and numbers alternate, so that like is compared with like."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


@dataclass(frozen=True)
class ModelAnswers:
    """The model as one more reader of a question."""

    codes: FloatArray | None  # (n,) NaN where the case failed
    how: str  # how its score became an answer, or why it could not


def model_answers(
    evidence: Evidence, prediction: Prediction, question: Question, threshold: float | None
) -> ModelAnswers:
    """The model's answer on the readers' own scale, where it has one.

    Possible for a question with two values that mean present and absent (words, or classes of
    the cohort of which one is positive), and for a question whose values are the model's
    classes. No other scale is guessed.
    """
    values = question.values
    code = present_code(evidence, values)
    if code is not None and threshold is not None:
        codes = np.where(prediction.score >= threshold, code, 1 - code)
        codes = np.where(np.isnan(prediction.score), np.nan, codes)
        return ModelAnswers(codes, f"score ≥ {threshold:g} reads as {values[code]}")
    if set(values) == set(prediction.classes) and prediction.probabilities is not None:
        place = np.array([values.index(name) for name in prediction.classes], dtype=np.float64)
        failed = np.isnan(prediction.probabilities).any(axis=1)
        top = np.nan_to_num(prediction.probabilities, nan=0.0).argmax(axis=1)
        return ModelAnswers(np.where(failed, np.nan, place[top]), "its most probable class")
    scale = ", ".join(values[:6]) if values else "numbers"
    return ModelAnswers(
        None, f"readers answer “{question.id}” with {scale}; the model has no such scale"
    )


def present_code(evidence: Evidence, values: tuple[str, ...]) -> int | None:
    """Which of two values means present; None when that is not plain."""
    if len(values) != 2:
        return None
    if {value.lower() for value in values} in _PRESENT_ABSENT:
        return 0 if values[0].lower() in _SAYS_PRESENT else 1
    positive = [value in evidence.positive for value in values]
    if all(value in evidence.classes for value in values) and sum(positive) == 1:
        return positive.index(True)
    return None
