"""`readings.csv`: every answer of every reader, checked against the questions declared."""

from collections.abc import Mapping

from ml.estimate import JsonObject
from ml.intake.cohort_manifest import IMPLIED_QUESTION, CohortManifest, QuestionSpec
from ml.intake.folder import Folder
from ml.intake.predictions import finite
from ml.intake.refusal import Problems, Refused, refuse
from ml.intake.tables import Row, bad_id, read_csv

TABLE = "readings.csv"
_COLUMNS = {"reader_id", "case_id", "score", "label", "question", "arm", "seconds", "roi"}


def read_readings(
    folder: Folder, manifest: CohortManifest, case_ids: set[str], problems: Problems
) -> tuple[list[JsonObject], dict[str, QuestionSpec]]:
    """The readings and the questions they answer.

    Raises:
        Refused: when the table as a whole cannot be read; bad rows go to ``problems``.
    """
    table = read_csv(folder, TABLE, required=["reader_id", "case_id"], problems=problems)
    _check_header(table.columns, problems)
    questions = dict(manifest.questions)
    # Readers who give the class itself answer a question that needs no declaration.
    if not questions and manifest.classes and "score" not in table.columns:
        questions[IMPLIED_QUESTION] = QuestionSpec(scale="nominal", values=manifest.classes)
    readings: list[JsonObject] = []
    seen: set[tuple[object, ...]] = set()
    for row in table.rows:
        try:
            reading = _reading(row, questions, case_ids)
        except Refused as refused:
            problems.extend(refused.refusals)
            continue
        key = tuple(reading[name] for name in ("reader_id", "case_id", "question", "arm"))
        if key in seen:
            problems.add(
                "reading_duplicate",
                "This reader has answered this question for this case before.",
                file=TABLE,
                row=row.number,
            )
        seen.add(key)
        readings.append(reading)
    return readings, questions


def _check_header(columns: tuple[str, ...], problems: Problems) -> None:
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        problems.add(
            "csv_header",
            f"The column {unknown[0]} is not known; there are {', '.join(sorted(_COLUMNS))}.",
            file=TABLE,
            row=1,
        )
    if "score" not in columns and "label" not in columns:
        problems.add("csv_header", "There is neither a score nor a label.", file=TABLE, row=1)


def _reading(row: Row, questions: Mapping[str, QuestionSpec], case_ids: set[str]) -> JsonObject:
    """One checked row.

    Raises:
        Refused: case_id, label_unknown_case, question_unknown, label_value.
    """
    case_id, reader_id = row.get("case_id"), row.get("reader_id")
    wrong = bad_id(case_id) or bad_id(reader_id)
    if wrong:
        raise _bad(row, "case_id", wrong)
    if case_id not in case_ids:
        raise _bad(row, "label_unknown_case", f"The case {case_id} is not in cases.csv.")
    question = row.get("question") or (next(iter(questions)) if len(questions) == 1 else None)
    if question is None or question not in questions:
        raise _bad(
            row,
            "question_unknown",
            f"Declare the question {question or 'that is answered here'} in cohort.yaml, "
            "with its scale and values.",
        )
    score, label = row.get("score"), row.get("label")
    if (score is None) == (label is None):
        raise _bad(row, "label_value", "A reading has a score or a label, and only one of them.")
    complaint = _off_scale(questions[question], score, label)
    if complaint:
        raise _bad(row, "label_value", complaint)
    seconds = row.get("seconds")
    if seconds is not None and (finite(seconds) or -1) < 0:
        raise _bad(row, "label_value", f"Seconds must be a number above 0, got '{seconds[:40]}'.")
    return {
        "reader_id": reader_id,
        "case_id": case_id,
        "question": question,
        "score": finite(score),
        "label": label,
        "arm": row.get("arm"),
        "seconds": finite(seconds),
    }


def _bad(row: Row, code: str, message: str) -> Refused:
    return refuse(code, message, file=TABLE, row=row.number)


def _off_scale(question: QuestionSpec, score: str | None, label: str | None) -> str | None:
    """Why an answer does not lie on its question's scale; None when it does."""
    number = finite(score)
    if score is not None and number is None:
        return f"The score must be a number with a decimal point, got '{score[:40]}'."
    if question.scale == "interval":
        ends = [end for end in map(finite, question.values) if end is not None]
        if number is None:
            return "The question is on an interval scale: give a score, not a label."
        if len(ends) >= 2 and not min(ends) <= number <= max(ends):
            return f"The score {score} is outside {min(ends):g} to {max(ends):g}."
        return None
    if label is not None:
        known = label in question.values
    else:
        known = number in [finite(value) for value in question.values]
    allowed = ", ".join(question.values[:12])
    return None if known else f"The answer {score or label} is none of {allowed}."
