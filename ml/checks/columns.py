"""Covariates as groups of cases: which columns serve, and where a number is cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.evidence.tables import Evidence
from ml.protocol import Protocol, subgroup_parts
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.subgroups.groups import Groups, binned

FEW_NUMBERS = 6  # a column of numbers with more different values is cut
MOST_LEVELS = 20  # of a column of words; beyond, it names cases rather than groups


@dataclass(frozen=True)
class Column:
    """One covariate of the cases looked at."""

    name: str
    groups: Groups
    how: str = ""  # where a number was cut, in words

    def label(self, group: str) -> str:
        """A group in words: "sex = f", "age ≥ 65"."""
        return group_label(self.name, group, cut=bool(self.how))

    @property
    def missing(self) -> int:
        return int((~self.groups.known).sum())


@dataclass(frozen=True)
class Columns:
    """What of a cohort's covariates can be compared, and why the rest cannot."""

    usable: tuple[Column, ...]
    left_out: tuple[str, ...]  # a phrase each
    unknown: tuple[str, ...]  # named by the protocol, not in the cohort
    declared: bool  # named by the protocol; else all columns are looked at

    @property
    def said(self) -> str:
        """How columns were chosen and cut, for the sentence under a finding."""
        origin = "named by the protocol" if self.declared else "all of the cohort"
        names = ", ".join(column.name for column in self.usable)
        cuts = "; ".join(f"{c.name} {c.how}" for c in self.usable if c.how)
        text = f"Columns ({origin}): {names}."
        return f"{text} Numbers are cut: {cuts}." if cuts else text

    def findings(self, check: str) -> list[Finding]:
        """Columns that the protocol names in vain, and those that do not make groups."""
        found = []
        if self.unknown:
            found.append(
                Finding(
                    f"{check}.unknown-columns", State.NOT_ASSESSED,
                    f"The protocol names {', '.join(self.unknown)}, which this cohort has no "
                    "column for.",
                    action="Add the column to cases.csv, or correct its name in the protocol.",
                )
            )  # fmt: skip
        if self.left_out:
            found.append(
                Finding(
                    f"{check}.left-out-columns", State.NOT_ASSESSED,
                    f"Not compared: {'; '.join(self.left_out)}.",
                )
            )  # fmt: skip
        return found


def group_label(name: str, group: str, *, cut: bool) -> str:
    """
    >>> group_label("sex", "f", cut=False), group_label("age", "≥ 65", cut=True)
    ('sex = f', 'age ≥ 65')
    """
    return f"{name} {group}" if cut else f"{name} = {group}"


def columns_of(
    evidence: Evidence, protocol: Protocol, rows: IntArray, *, every: bool = False
) -> Columns:
    """The columns a protocol names (all when it names none), as groups of some rows.

    Numbers are cut where the protocol says, else at the tertiles of these rows.

    Args:
        every: take all columns of the cohort, whichever the protocol names.
    """
    wanted = dict(subgroup_parts(text) for text in protocol.subgroups)
    whole: dict[str, tuple[float, ...]] = dict.fromkeys(evidence.covariates, ())
    names = whole | wanted if every or not wanted else wanted
    usable, left_out, unknown = [], [], []
    for name, cuts in names.items():
        if name not in evidence.covariates:
            unknown.append(name)
            continue
        texts = [evidence.covariates[name][row] for row in rows]
        found = _column(name, texts, cuts)
        if isinstance(found, str):
            left_out.append(found)
        else:
            usable.append(found)
    return Columns(tuple(usable), tuple(left_out), tuple(unknown), names is wanted)


def _column(name: str, texts: Sequence[str | None], cuts: tuple[float, ...]) -> Column | str:
    """The column, or the phrase that says why it makes no groups."""
    levels = {text for text in texts if text}
    if len(levels) < 2:
        return f"{name} (the same for every case)" if levels else f"{name} (empty)"
    numbers = _numbers(texts)
    if numbers is not None and (cuts or len(levels) > FEW_NUMBERS):
        groups = binned(numbers, cuts or None)
        if groups.count < 2:
            return f"{name} (nearly all cases have the same value)"
        origin = "set by the protocol" if cuts else "tertiles"
        how = f"at {_edges(groups)} ({origin})"
        return Column(name, groups, how)
    if cuts:
        return f"{name} (the protocol cuts it, but it holds words)"
    if len(levels) > MOST_LEVELS:
        return f"{name} ({words.count(len(levels))} different values)"
    return Column(name, Groups.of(texts))


def _edges(groups: Groups) -> str:
    lower = [name.split(" to < ")[0] for name in groups.names[1:-1]]
    return ", ".join([*lower, groups.names[-1].removeprefix("≥ ")])


def _numbers(texts: Sequence[str | None]) -> FloatArray | None:
    """The column as numbers, NaN where empty; None when it holds anything else."""
    try:
        values = np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return None
    given = np.array([bool(text) for text in texts])
    return values if np.isfinite(values[given]).all() else None
