"""Rows that hold too little, or hold it badly, for every measure of ml/stats to be tried on."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=60, seed=7)
N, CLASSES, READERS = 40, 3, 3


@dataclass(frozen=True)
class Rows:
    """One cohort in every form that a measure asks for; the first axis is always the case."""

    present: np.ndarray  # (n,) 0 and 1
    called: np.ndarray  # (n,) 0 and 1
    called_b: np.ndarray
    error: np.ndarray  # (n,) 0 and 1
    scores: np.ndarray  # (n,) any number
    scores_b: np.ndarray
    probabilities: np.ndarray  # (n,) 0..1
    label: np.ndarray  # (n,) 0..2
    classes: np.ndarray  # (n, 3) probabilities that add up to 1
    logits: np.ndarray  # (n, 3)
    members: np.ndarray  # (n, 4, 3) probabilities of an ensemble; measures want (4, n, 3)
    answers: np.ndarray  # (n, 3) codes 0..2, NaN where a reader gave none
    numbers: np.ndarray  # (n, 3) numbers of three readers, NaN where missing
    a: np.ndarray  # (n,) numbers, NaN where missing
    b: np.ndarray
    group: np.ndarray  # (n,) words, "" where unknown
    clusters: Clusters | None = None

    @property
    def n(self) -> int:
        return self.present.shape[0]

    def where(self, chosen: object) -> "Rows":
        """Some rows, and their clusters."""
        kept = {one.name: getattr(self, one.name)[chosen] for one in fields(self)[:-1]}
        own = None if self.clusters is None else self.clusters.where(np.arange(self.n)[chosen])
        return Rows(**kept, clusters=own)


OUTCOMES = ("present", "called", "called_b", "error")
SCORES = ("scores", "scores_b")
NUMBERS = (*SCORES, "logits", "numbers", "a", "b")
SHARES = ("probabilities", "classes", "members")


def cohort(seed: int = 3, n: int = N) -> Rows:
    """A cohort with nothing wrong in it."""
    rng = np.random.default_rng(seed)
    present = np.arange(n) % 2
    truth = rng.normal(size=n)
    logits = rng.normal(size=(n, CLASSES))
    label = np.arange(n) % CLASSES
    logits[np.arange(n), label] += 1
    answers = np.where(rng.random((n, READERS)) < 0.7, label[:, None], (label[:, None] + 1) % 3)
    answers = answers.astype(float)
    answers[::9, 1] = np.nan
    numbers = truth[:, None] + rng.normal(0, 0.4, (n, READERS))
    scores = present + rng.normal(size=n)
    members = rng.dirichlet((2, 1, 1), (n, 4))
    return Rows(
        present, (scores > 0.5).astype(int), (rng.random(n) < 0.3 + 0.4 * present).astype(int),
        (rng.random(n) < 0.3).astype(int), scores, present + rng.normal(size=n),
        1 / (1 + np.exp(-scores)), label, np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        logits, members, answers, numbers, truth + 0.0, truth + rng.normal(0, 0.3, n),
        np.array(["left", "right"])[(np.arange(n) // 2) % 2],
    )  # fmt: skip


def changed(rows: Rows, names: tuple[str, ...], how: Callable[[np.ndarray], np.ndarray]) -> Rows:
    return replace(rows, **{name: how(np.array(getattr(rows, name))) for name in names})


def with_first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(column: np.ndarray) -> np.ndarray:
        column = column.astype(float)
        column[:1] = value
        return column

    return put


def with_ends(column: np.ndarray) -> np.ndarray:
    column = column.astype(float)
    column[:1], column[1:2] = 8e307, -8e307
    return column


def only_first(column: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(column))[:, None] == 0, column, np.nan)


def uniform(column: np.ndarray) -> np.ndarray:
    return np.full(column.shape, column.reshape(-1)[0])


def perfect(rows: Rows) -> Rows:
    share = np.where(rows.present == 1, 0.9, 0.1)
    return replace(
        rows, scores=share, scores_b=share, probabilities=share, called=rows.present,
        called_b=rows.present, error=np.zeros(rows.n, int), a=rows.b, b=rows.b,
        answers=np.repeat(rows.label[:, None], READERS, axis=1).astype(float),
        numbers=np.repeat(rows.a[:, None], READERS, axis=1),
        classes=np.eye(CLASSES)[rows.label], logits=20 * np.eye(CLASSES)[rows.label],
    )  # fmt: skip


def tied(rows: Rows) -> Rows:
    """Scores, shares and numbers of few values, so that many cases are alike."""
    halves = changed(rows, NUMBERS, lambda c: np.round(c * 2) / 2)
    return changed(halves, ("probabilities",), lambda c: np.round(c * 20) / 20)


def flat(rows: Rows) -> Rows:
    third = np.full(rows.classes.shape, 1 / CLASSES)
    return replace(
        changed(rows, (*NUMBERS, "probabilities", "answers"), uniform), classes=third,
        members=np.full(rows.members.shape, 1 / CLASSES),
    )  # fmt: skip


def missing(rows: Rows) -> Rows:
    """Every second answer is missing, one case has none, one reader read nothing."""

    def lose(column: np.ndarray) -> np.ndarray:
        column = column.astype(float)
        column[::2, 0] = np.nan
        column[1::2, 1] = np.nan
        column[:3] = np.nan
        column[:, -1] = np.nan
        return column

    gone = changed(rows, ("answers", "numbers"), lose)
    return changed(gone, ("a",), with_first(np.nan))


def of_clusters(codes: Callable[[int], np.ndarray]) -> Callable[[Rows], Rows]:
    return lambda rows: replace(rows, clusters=Clusters.of(codes(rows.n), "patient"))


# What is wrong with the rows -> how to make them so. An answer or a refusal in words is right.
SPOILS: dict[str, Callable[[Rows], Rows]] = {
    "nothing": lambda rows: rows,
    "no row": lambda rows: rows.where(slice(0, 0)),
    "one row": lambda rows: rows.where(slice(0, 1)),
    "two rows": lambda rows: rows.where(slice(0, 2)),
    "one row often": lambda rows: rows.where(np.zeros(12, int)),
    "ten rows": lambda rows: rows.where(slice(0, 10)),
    "one class": lambda rows: rows.where(rows.present == 1),
    "no class": lambda rows: rows.where(rows.present == 0),
    "one label": lambda rows: rows.where(rows.label == 1),
    "one group": lambda rows: rows.where(rows.group == "left"),
    "a group of one": lambda rows: replace(rows, group=np.array(["a"] + ["b"] * (rows.n - 1))),
    "perfect": perfect,
    "tied": tied,
    "flat": flat,
    "missing": missing,
    "all missing": lambda rows: changed(rows, ("answers", "numbers"), lambda c: c * np.nan),
    "one reader": lambda rows: changed(rows, ("answers", "numbers"), lambda c: c[:, :1]),
    "no reader": lambda rows: changed(rows, ("answers", "numbers"), lambda c: c[:, :0]),
    "one case answered": lambda rows: changed(rows, ("answers", "numbers"), only_first),
    "a number is NaN": lambda rows: changed(rows, (*NUMBERS, *SHARES), with_first(np.nan)),
    "a number is infinite": lambda rows: changed(rows, (*NUMBERS, *SHARES), with_first(np.inf)),
    "an answer is 7": lambda rows: changed(rows, ("answers",), with_first(7)),
    "an answer is a half": lambda rows: changed(rows, ("answers",), with_first(0.5)),
    "an answer is infinite": lambda rows: changed(rows, ("answers",), with_first(np.inf)),
    "the largest number": lambda rows: changed(rows, NUMBERS, with_first(1.7e308)),
    "huge numbers": lambda rows: changed(rows, NUMBERS, lambda c: c * 1e307),
    "tiny numbers": lambda rows: changed(rows, NUMBERS, lambda c: c * 1e-307),
    "an outcome is NaN": lambda rows: changed(rows, OUTCOMES, with_first(np.nan)),
    "an outcome is 2": lambda rows: changed(rows, OUTCOMES, with_first(2)),
    "a share is 1.5": lambda rows: changed(rows, SHARES, with_first(1.5)),
    "ends of a float": lambda rows: changed(rows, NUMBERS, with_ends),
    "outcomes are words": lambda rows: changed(rows, OUTCOMES, lambda c: np.where(c, "yes", "no")),
    "one cluster": of_clusters(lambda n: np.zeros(n, int)),
    "two clusters": of_clusters(lambda n: np.arange(n) % 2),
    "pairs": of_clusters(lambda n: np.arange(n) // 2),
    "one large cluster": of_clusters(lambda n: np.maximum(np.arange(n) - n // 2, 0)),
    "flat pairs": lambda rows: SPOILS["pairs"](flat(rows)),
    "perfect pairs": lambda rows: SPOILS["pairs"](perfect(rows)),
}

# Rows that no measure with clusters may accept.
FOREIGN: dict[str, Callable[[Rows], Rows]] = {
    "fewer clusters than rows": lambda rows: replace(rows, clusters=Clusters.singles(rows.n - 1)),
    "more clusters than rows": lambda rows: replace(rows, clusters=Clusters.singles(rows.n + 1)),
    "a code outside": lambda rows: replace(rows, clusters=Clusters(np.arange(rows.n), 5)),
}

# The same cohort in another form: every value must stay.
SAME: dict[str, Callable[[Rows], Rows]] = {
    "other order": lambda rows: rows.where(np.random.default_rng(5).permutation(rows.n)),
    "every case its own cluster": lambda rows: replace(rows, clusters=Clusters.singles(rows.n)),
    "outcomes as booleans": lambda rows: changed(rows, OUTCOMES, lambda c: c == 1),
    "outcomes as numbers": lambda rows: changed(rows, OUTCOMES, lambda c: c.astype(float)),
    "outcomes as bytes": lambda rows: changed(rows, OUTCOMES, lambda c: c.astype(np.uint8)),
}
