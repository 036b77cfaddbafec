"""Which reader and question a finding is about, and what each reader answered on a case."""

from dataclasses import dataclass

from portal.reports.frozen import Case, Frozen, Json
from portal.ui import numbers


@dataclass(frozen=True)
class About:
    """Of whom and of what a finding speaks; both empty where it speaks of all."""

    reader: str = ""
    question: str = ""


@dataclass(frozen=True)
class Answer:
    reader: str
    text: str
    is_about: bool  # of the reader whom the finding is about


def about(frozen: Frozen, finding: Json | None) -> About:
    """Read from the id of the finding's measure: "reader_bias:R8=present:Cardiomegaly"."""
    question = next(iter(frozen.questions), "")
    part = str((finding or {}).get("measure") or "").partition(":")[2]
    if not part:
        return About("", question)
    for name in frozen.questions:
        if part == name or part.endswith(f":{name}"):
            question = name
            part = part[: -len(name)].rstrip(":")
            break
    fits = [r for r in readers(frozen) if part == r or part.startswith((f"{r}=", f"{r}:"))]
    return About(max(fits, key=len, default=""), question)


def readers(frozen: Frozen) -> list[str]:
    """Everybody who answered something, in the order of the readings."""
    return list(dict.fromkeys(str(row[0]) for case in frozen.cases for row in case.readings))


def answers(case: Case, of: About) -> list[Answer]:
    """Of every reader of the case on the question, under the reader's name."""
    given: dict[str, list[str]] = {}
    for reader, question, score, label in case.readings:
        if str(question) == of.question:
            given.setdefault(str(reader), []).append(answer_text(score, label))
    return [
        Answer(reader, "; ".join(texts), reader == of.reader) for reader, texts in given.items()
    ]


def answer_text(score: float | None, label: str | None) -> str:
    """What a reader answered, as it was written."""
    if label:
        return str(label)
    return "not given" if score is None else numbers.plain(float(score))
