"""Whether one reader reads differently from the others on the same cases: what is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.answers import AnswerTable, present_code
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.agreement.reader_bias import ReaderDeviation, ReaderHeterogeneity, reader_bias
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS, Clusters
from ml.stats.comparison.p_adjust import p_adjust

MEASURE = "reader_bias"
_NUMBERED = (
    "Not estimated: readers are only numbered within a case here, so nobody can be compared with "
    "the others."
)


@dataclass(frozen=True)
class Compared:
    """One reader against those who answered the same cases, on one question."""

    table: AnswerTable
    reader: str
    answer: str  # whose share is compared; empty: the answers are taken as numbers
    estimate: Estimate
    p: float | None  # adjusted for every test of the check
    others: tuple[str, ...]  # who answered a case of this reader
    alone: IntArray  # rows where no other reader goes as far to its side, widest first
    clusters: Clusters  # of its cases
    is_mirror: bool = False  # two readers, each the other's only one: the second is the first again

    @property
    def value(self) -> float:
        return self.estimate.value or 0.0

    @property
    def weight(self) -> float:
        """What a deviation amounts to: answers that differ by it, of all cases of the reader.

        Twenty points on forty cases weigh less than ten on four thousand. Of numbers the deviation
        is taken as a part of the range that was answered.
        """
        given = self.table.codes if in_steps(self.table) else self.table.numbers
        span = 1.0 if self.answer else float(np.nanmax(given) - np.nanmin(given))
        return abs(self.value) * self.estimate.n / span if span else 0.0

    @property
    def always(self) -> bool:
        """By the same amount on every case: no spread to draw an interval from, and no chance."""
        estimate = self.estimate
        return (
            estimate.value is not None
            and self.p is None
            and self.clusters.count >= MIN_CLUSTERS
            and estimate.extra["n_apart"] == estimate.n
        )

    @property
    def is_told(self) -> bool:
        """Whether there is enough to say something."""
        return self.p is not None or self.always

    def deviates(self, level: float) -> bool:
        """Beyond chance after correction, and by its own interval."""
        low, high = self.estimate.low, self.estimate.high
        if self.p is None or low is None or high is None:
            return self.always
        return self.p <= 1 - level and (low > 0 or high < 0)


@dataclass(frozen=True)
class Deviations:
    """Every reader on every question; nobody where readers have no identity."""

    by_question: tuple[tuple[Compared, ...], ...]  # in the order of the questions
    together: tuple[Estimate, ...]  # tests of all readers of a question at once
    n_tests: int
    level: float

    @property
    def estimates(self) -> list[Estimate]:
        """Of the first question all, of further ones what is defined."""
        if not self.by_question:
            return [undefined(MEASURE, _NUMBERED)]
        first, *further = self.by_question
        shown = [one.estimate for one in first]
        rest = [*self.together, *(one.estimate for row in further for one in row)]
        return shown + [estimate for estimate in rest if estimate.value is not None]

    @property
    def judged(self) -> list[Estimate]:
        """In the order of findings: whose deviation weighs most first, whichever the question."""
        if not self.by_question:
            return self.estimates
        them = sorted((one for row in self.by_question for one in row), key=lambda o: -o.weight)
        return [*(one.estimate for one in them), *self.together]

    def found(self, row: Sequence[Compared]) -> list[Compared]:
        """Who deviates on a question, the weightiest first; of a pair the one that gives more."""
        them = [one for one in row if one.deviates(self.level)]
        them = [one for one in them if one.value > 0 or not is_pair(one, row)]
        return sorted(them, key=lambda one: -one.weight)


def deviations(
    evidence: Evidence, tables: Sequence[AnswerTable], clusters: Clusters, settings: Settings
) -> Deviations:
    """Compare every reader; p-values are adjusted (Holm) for all readers and questions together.

    Args:
        tables: questions that two readers or more answered on some case, the first one first.
        clusters: of all cases.
    """
    assert evidence.readings is not None
    if evidence.readings.exchangeable:
        return Deviations((), (), 0, settings.level)
    rows: list[list[Compared]] = []
    together: list[Estimate] = []
    for table in tables:
        rest = f":{table.question.id}" if rows else ""
        row, tests = _measure(table, _answers(evidence, table), rest, clusters, settings)
        rows.append([replace(one, is_mirror=_repeats(one, row)) for one in row])
        together += tests
    tested = [one for row in rows for one in row if one.p is not None and not one.is_mirror]
    adjusted = p_adjust(np.array([one.p for one in tested], dtype=np.float64), "holm")
    ids = [one.estimate.id for one in tested]
    p = dict(zip(ids, adjusted.tolist(), strict=True))
    by_question = tuple(tuple(_adjusted(one, row, p) for one in row) for row in rows)
    return Deviations(by_question, tuple(together), len(tested), settings.level)


def _answers(evidence: Evidence, table: AnswerTable) -> tuple[str, ...]:
    """Answers whose shares are compared; "" where answers are compared as numbers."""
    values = table.question.values
    if table.question.scale == "interval":
        return ("",)
    if len(values) == 2:
        code = present_code(evidence, values)
        return (values[1 if code is None else code],)
    return ("",) if table.question.scale == "ordinal" else values


def in_steps(table: AnswerTable) -> bool:
    """Ordered words have no numbers: they are taken as equal steps, as weighted kappa does."""
    return table.question.scale == "ordinal" and not table.numeric


def _measure(
    table: AnswerTable, answers: Sequence[str], rest: str, clusters: Clusters, settings: Settings
) -> tuple[list[Compared], list[Estimate]]:
    """Every reader and answer of one question, and the tests of all readers together."""
    rows: list[Compared] = []
    together: list[Estimate] = []
    given = ~np.isnan(table.codes)
    shared = given & (table.per_case >= 2)[:, None]
    meet = given.T.astype(np.int64) @ given
    np.fill_diagonal(meet, 0)
    for answer in answers:
        code = table.question.values.index(answer) if answer else None
        ratings = table.codes if answer or in_steps(table) else table.numbers
        bias = reader_bias(ratings, code, clusters, settings, readers=table.readers)
        values = np.where(given, table.codes == code, np.nan) if answer else ratings
        what = "the answers as steps of the scale" if in_steps(table) else "the answers as numbers"
        said = f"{table.asked}, {f'share of “{answer}”' if answer else what}"
        part = f"={answer}" if len(answers) > 1 else ""
        together.append(_test(bias.heterogeneity, f"{part}{rest}", said + table.set_aside))
        for at, one in enumerate(bias.readers):
            estimate = one.bias.renamed(
                f"{MEASURE}:{one.reader}{part}{rest}",
                convention=f"{said}, less the mean of the others on the same cases"
                f"{table.set_aside}",
            )
            others = tuple(table.readers[k] for k in np.flatnonzero(meet[at]))
            rows.append(
                Compared(
                    table, one.reader, answer, estimate, one.p, others, _alone(values, one),
                    clusters.where(np.flatnonzero(shared[:, at])),
                )
            )  # fmt: skip
    return rows, together


def _alone(values: FloatArray, one: ReaderDeviation) -> IntArray:
    """Rows where the reader lies beyond every other one, on the side it deviates to."""
    sign = -1.0 if (one.bias.value or 0.0) < 0 else 1.0
    mine = sign * values[:, one.column]
    rest = sign * np.delete(values, one.column, axis=1)
    number = (~np.isnan(rest)).sum(axis=1)
    nearest = np.max(np.where(np.isnan(rest), -np.inf, rest), axis=1, initial=-np.inf)
    rows = np.flatnonzero((number > 0) & (mine > nearest))  # not where it did not answer: NaN
    order = np.lexsort((-number[rows], nearest[rows] - mine[rows]))
    chosen: IntArray = rows[order]
    return chosen


def _test(found: ReaderHeterogeneity, part: str, said: str) -> Estimate:
    name, convention = f"reader_heterogeneity{part}", f"{said}; {found.convention}"
    if found.statistic is None:
        return undefined(name, found.reason or "Not tested.", n=found.n, convention=convention)
    p = "" if found.p is None else f", {words.p_value(found.p)}"
    return Estimate(
        name, found.statistic, n=found.n, convention=f"{convention}; chi-square, df {found.df}{p}",
        extra={"df": found.df, "p": found.p}, reason="No interval: it is the statistic of a test.",
    )  # fmt: skip


def _twin(one: Compared, row: Sequence[Compared]) -> Compared:
    """The first of the others, on the same answer."""
    return next(o for o in row if (o.reader, o.answer) == (one.others[0], one.answer))


def is_pair(one: Compared, row: Sequence[Compared]) -> bool:
    """Two readers who share cases with each other only: one comparison, seen from both sides."""
    return len(one.others) == 1 and _twin(one, row).others == (one.reader,)


def _repeats(one: Compared, row: Sequence[Compared]) -> bool:
    readers = one.table.readers
    return is_pair(one, row) and readers.index(one.reader) > readers.index(one.others[0])


def _adjusted(one: Compared, row: Sequence[Compared], p: Mapping[str, float]) -> Compared:
    """The adjusted p-value; that of a mirror image is its twin's."""
    if one.p is None:
        return one
    own = p[_twin(one, row).estimate.id if one.is_mirror else one.estimate.id]
    extra = {**one.estimate.extra, "p_adjusted": own}
    return replace(one, p=own, estimate=replace(one.estimate, extra=extra))
