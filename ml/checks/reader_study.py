"""A cohort's readings as a reader study: whose score of which case counts, and in which arm."""

from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.answers import AnswerTable, arm_tables, natural, present_code
from ml.checks.scored import clusters_at
from ml.evidence.tables import Evidence, Question
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.clusters import too_few
from ml.stats.mrmc.study import MrmcStudy

LEAST = 5  # cases of each kind that a reader scored in an arm; below, the reader is left out there
CUT = 0.5  # between the two answers of a binary question
NO_ARM = "no arm"


@dataclass(frozen=True)
class Scale:
    """How an answer to a question is a score of the finding."""

    how: str  # in words
    binary: bool
    first: float = 0.0  # the answer that counts as 0 of a binary question
    sign: float = 1.0  # -1 where declared from present to absent


@dataclass(frozen=True)
class ReaderStudy:
    """Scores of the arms, the cases they are of, and what was left out of them."""

    question: Question
    scale: Scale
    study: MrmcStudy  # arms as modalities
    rows: IntArray  # (cases,) of the evidence
    thin: tuple[str, ...]  # readers who scored too few cases, a phrase each
    partly: IntArray  # rows of the evidence left out because not every reader scored them
    said: str  # what else was left out, sentences

    @property
    def crossed(self) -> bool:
        """True when every reader scored every case in every arm."""
        return bool(self.study.read.all())

    @property
    def arms(self) -> tuple[str, ...]:
        return self.study.modalities

    @property
    def asked(self) -> str:
        return f"question “{self.question.id}”, {self.scale.how}"


def reader_study(evidence: Evidence) -> ReaderStudy | str:
    """The first declared question whose answers score the finding, as a study of its arms.

    Labels, readings and identities of readers are promised by the check's needs.

    Returns:
        Why there is none, a sentence.
    """
    found = _question(evidence)
    if isinstance(found, str):
        return found
    question, scale = found
    assert evidence.readings is not None
    assert evidence.present is not None
    tables = arm_tables(evidence.readings, question, len(evidence.case_ids))
    readers = sorted({name for table in tables for name in table.readers}, key=natural)
    scores = _cube(tables, readers, scale)
    labelled = evidence.present >= 0
    unlabelled = int((~labelled & ~np.isnan(scores).all(axis=(0, 1))).sum())
    scores[:, :, ~labelled] = np.nan
    if np.isnan(scores).all():
        return "No case with a label was read. Add labels, or readings of the labelled cases."
    missing = _one_class(evidence, scores)
    if missing is not None:
        return missing
    several = len(tables) > 1
    arms = [table.arm or (NO_ARM if several else "readers") for table in tables]
    thin = _leave_out_thin(scores, evidence.present == 1, arms, readers)
    some: BoolArray = np.asarray(~np.isnan(scores).all(axis=2))  # (arms, readers)
    for arm, many in zip(arms, some.sum(axis=1), strict=True):
        if many < 2:
            where = f" in the arm {arm}" if several else ""
            return (
                f"{'One reader' if many else 'No reader'} scored at least {LEAST} labelled cases "
                f"with the finding and {LEAST} without{where}, and two are needed to say anything "
                "about readers. Add readings of more readers or cases."
            )
    kept = np.flatnonzero(some.any(axis=0))
    scores, readers = scores[:, kept], [readers[at] for at in kept]
    rows = np.flatnonzero(~np.isnan(scores).all(axis=(0, 1)))
    partly = np.zeros(0, dtype=np.int64)
    clusters = clusters_at(evidence, rows)
    if not clusters.each_alone and np.isnan(scores[:, :, rows]).any():
        # No method here serves missing readings and clusters of cases together.
        whole: BoolArray = np.asarray(~np.isnan(scores).any(axis=(0, 1)))
        if not _enough(whole, evidence.present == 1):
            return (
                f"Cases share {clusters.words}, and not every reader scored every case"
                f"{' in every arm' if several else ''}: no analysis here serves both. "
                "Complete the readings, or give one case per unit."
            )
        partly, rows = rows[~whole[rows]], np.flatnonzero(whole)
        clusters = clusters_at(evidence, rows)
    few = too_few(clusters)
    if few is not None:
        return f"There are only {clusters.words}, too few to say how another sample would turn out."
    study = MrmcStudy(
        scores[:, :, rows], evidence.present[rows] == 1, tuple(arms), tuple(readers),
        tuple(evidence.case_ids[row] for row in rows), clusters,
    )  # fmt: skip
    return ReaderStudy(question, scale, study, rows, thin, partly, _said(tables, unlabelled))


def _question(evidence: Evidence) -> tuple[Question, Scale] | str:
    assert evidence.readings is not None
    answered = set(evidence.readings.question)
    undirected = ""
    for name, question in evidence.readings.questions.items():
        if name not in answered:
            continue
        scale = _scale(evidence, question)
        if scale is not None:
            return question, scale
        if question.scale == "interval":
            undirected = undirected or name
    if undirected:
        return (
            f"Nobody declared what a higher answer to “{undirected}” means. List the two ends of "
            "its scale under 'values' in cohort.yaml, from absent to present."
        )
    return (
        "No question asks readers to score the finding. Ask for a score on an ordinal or interval "
        "scale, declared from absent to present, or for present and absent."
    )


def _scale(evidence: Evidence, question: Question) -> Scale | None:
    values = question.values
    if question.scale == "interval":
        ends = _ends(values)
        if ends is None:
            return None
        return Scale(
            f"scores from {values[0]} (absent) to {values[-1]} (present), as declared",
            binary=False, sign=1.0 if ends[0] < ends[1] else -1.0,
        )  # fmt: skip
    code = present_code(evidence, values)
    if code is not None:
        return Scale(f"{values[code]} counts as present", binary=True, first=float(1 - code))
    if question.scale == "nominal":
        return None
    return Scale(
        f"answers in their declared order, from {values[0]} (absent) to {values[-1]} (present)",
        binary=False,
    )


def _ends(values: tuple[str, ...]) -> tuple[float, float] | None:
    """The declared ends of an interval scale, in the order they were declared."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    if len(numbers) < 2 or not np.isfinite(numbers).all() or numbers[0] == numbers[-1]:
        return None
    return numbers[0], numbers[-1]


def _cube(tables: list[AnswerTable], readers: list[str], scale: Scale) -> FloatArray:
    """(arms, readers, n) scores, higher means present; NaN where a reader gave none."""
    n = len(tables[0].codes)
    scores = np.full((len(tables), len(readers), n), np.nan)
    for at, table in enumerate(tables):
        place = [readers.index(name) for name in table.readers]
        scores[at, place] = table.codes.T
    if scale.binary:
        return np.where(np.isnan(scores), np.nan, (scores != scale.first).astype(np.float64))
    return scores * scale.sign


def _one_class(evidence: Evidence, scores: FloatArray) -> str | None:
    assert evidence.present is not None
    kinds = np.unique(evidence.present[~np.isnan(scores).all(axis=(0, 1))])
    if kinds.size == 2:
        return None
    return (
        f"Every labelled case that was read {'has' if kinds[0] == 1 else 'lacks'} the finding; "
        "cases with and without it are needed."
    )


def _enough(read: BoolArray, present: BoolArray) -> bool:
    return bool((read & present).sum() >= LEAST and (read & ~present).sum() >= LEAST)


def _leave_out_thin(
    scores: FloatArray, present: BoolArray, arms: list[str], readers: list[str]
) -> tuple[str, ...]:
    """Take readers who scored too few cases out of the arm, in place; a phrase for each."""
    phrases = []
    for i, arm in enumerate(arms):
        for j, reader in enumerate(readers):
            read = ~np.isnan(scores[i, j])
            if not read.any() or _enough(read, present):
                continue
            having = f"{words.count(int((read & present).sum()))} with the finding"
            lacking = f"{words.count(int((read & ~present).sum()))} without"
            where = f" in {arm}" if len(arms) > 1 else ""
            phrases.append(f"{reader}{where} ({having}, {lacking})")
            scores[i, j] = np.nan
    return tuple(phrases)


def _said(tables: list[AnswerTable], unlabelled: int) -> str:
    counts = (
        (unlabelled, "read cases have no label and are left out"),
        (sum(table.undeclared for table in tables), "answers lie outside the declared values"),
        (sum(table.repeated for table in tables), "second answers to a case are left out"),
    )
    return " ".join(f"{words.count(n)} {what}." for n, what in counts if n)
