"""What the files alone would have stopped, and which of their facts tell cohorts apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ml.checks.foreign_scores import FOLDS, Score, folds_of
from ml.checks.foreign_sides import Side
from ml.evidence.facts import HEADER, Fact, is_number
from ml.evidence.tables import FloatArray

NAME = "file-facts"
LABEL = "file facts alone"
OF_HEADER = "dicom-header"
GUARDS = {NAME: LABEL, OF_HEADER: "DICOM header alone"}


@dataclass(frozen=True)
class Guard:
    """A score: how many facts of a case no fitted case has; None where files say nothing."""

    score: Score
    facts: tuple[str, ...]
    rule: str = "share with a fact that no fitted case has"


def guard_of(own: Side, foreign: Sequence[Side], reference: Side | None, seed: int) -> Guard | None:
    """The guard, fitted as scores of the network are.

    A word is known when a fitted case has it, a number when it lies between their smallest and
    largest. Facts that a cohort does not have are not held against it.
    """
    facts = tuple(name for name in own.evidence.facts if not name.startswith(HEADER))
    if not facts:
        return None
    return _fitted(NAME, own, foreign, reference, seed, partial(_unknown, facts=facts), facts)


def header_guard_of(
    own: Side, foreign: Sequence[Side], reference: Side | None, seed: int
) -> Guard | None:
    """The guard that a portal's door could have: 1 for a case whose DICOM header says a combination
    of modality, body part and photometric interpretation that no fitted case says, or says none.

    None where the audited cohort has no headers.
    """
    facts = tuple(name for name in own.evidence.facts if name.startswith(HEADER))
    if not facts:
        return None
    unseen = partial(_unseen, facts=facts)
    found = _fitted(OF_HEADER, own, foreign, reference, seed, unseen, facts)
    return replace(found, rule="share whose header says a combination that no fitted case says")


def _fitted(
    name: str, own: Side, foreign: Sequence[Side], reference: Side | None, seed: int,
    score: Callable[[Side, Side], FloatArray], facts: tuple[str, ...],
) -> Guard:  # fmt: skip
    """On the reference where there is one, else on the audited cohort in folds."""
    if reference is not None and reference.n:
        words = f"fitted on the reference cohort, {reference.n:,} cases"
        theirs = {side.name: score(reference, side) for side in foreign}
        return Guard(Score(name, score(reference, own), theirs, words), facts)
    fold, mine = folds_of(own, seed), np.zeros(own.n)
    for at in range(FOLDS):
        held = np.flatnonzero(fold == at)
        mine[held] = score(own.where(np.flatnonzero(fold != at)), own.where(held))
    theirs = {side.name: score(own, side) for side in foreign}
    words = f"the audited cohort’s own facts; of its cases those of the other {FOLDS - 1} folds"
    return Guard(Score(name, mine, theirs, words), facts)


def _unseen(fit: Side, side: Side, facts: Sequence[str]) -> FloatArray:
    def said(one: Side) -> list[tuple[Fact, ...]]:
        there = [one.fact(name) if name in one.evidence.facts else [None] * one.n for name in facts]
        return list(zip(*there, strict=True))

    nothing = (None,) * len(facts)
    known = set(said(fit)) - {nothing}
    return np.array([float(one not in known) for one in said(side)])


def _unknown(fit: Side, side: Side, facts: Sequence[str]) -> FloatArray:
    count = np.zeros(side.n)
    for name in facts:
        if name not in fit.evidence.facts or name not in side.evidence.facts:
            continue
        known, values = fit.fact(name), side.fact(name)
        if is_number(known) and is_number(values):
            numbers = [value for value in known if isinstance(value, float)]
            if numbers:
                low, high = min(numbers), max(numbers)
                count += [isinstance(value, float) and not low <= value <= high for value in values]
        else:
            words = {value for value in known if value is not None}
            if words:
                count += [value is not None and value not in words for value in values]
    return count


def confounds(own: Side, other: Side) -> list[str]:
    """Facts and covariates of which no value, or no range of numbers, is common to two cohorts.

    Each alone tells the cohorts apart without an error: a network may have seen just that.
    """
    found = []
    for name in own.evidence.facts:
        if name in other.evidence.facts:
            said = _apart(own.fact(name), other.fact(name))
            found += [f"{name} ({said})"] if said else []
    for name in own.evidence.covariates:
        if name in other.evidence.covariates and name not in ("modality", "body_part"):
            mine, theirs = _column(own, name), _column(other, name)
            said = _apart(mine, theirs)
            found += [f"{name} ({said})"] if said else []
    return found


def _column(side: Side, name: str) -> list[Fact]:
    """A covariate as numbers where all of it are, else as words."""
    texts = [side.evidence.covariates[name][row] or None for row in side.rows]
    try:
        return [None if text is None else float(text) for text in texts]
    except ValueError:
        return list(texts)


def _apart(mine: Sequence[Fact], theirs: Sequence[Fact]) -> str:
    """How two columns are apart, in words; "" where they are not."""
    one = {value for value in mine if value is not None}
    two = {value for value in theirs if value is not None}
    if not one or not two:
        return ""
    if is_number(mine) and is_number(theirs):
        first = [value for value in one if isinstance(value, float)]
        second = [value for value in two if isinstance(value, float)]
        if max(first) < min(second) or max(second) < min(first):
            return f"{_range(second)}, not {_range(first)}"
        return ""
    if is_number(mine) != is_number(theirs) or one & two:
        return ""
    return f"{_listed(two)}, not {_listed(one)}"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _listed(values: set[Fact] | set[str | float]) -> str:
    names = sorted(str(value) for value in values)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
