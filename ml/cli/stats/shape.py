"""What a kind of table is made of: its columns, what else it must be told, and what is read."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ml.cli.stats.columns import Table
from ml.stats.clusters import Clusters


@dataclass(frozen=True)
class Column:
    option: str
    default: str
    words: str


@dataclass(frozen=True)
class Flag:
    """Something a shape must be told that is no column."""

    option: str
    default: str | None
    words: str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Given:
    """What a table holds for a measure."""

    arrays: tuple[object, ...]  # in the order of the measure's first parameters
    clusters: Clusters | None  # of the rows of the arrays
    named: Mapping[str, object] = field(default_factory=dict)  # by parameter, if it has that
    labels: Mapping[str, list[str]] = field(default_factory=dict)  # what places in arrays stand for


@dataclass(frozen=True)
class Shape:
    words: str
    columns: tuple[Column, ...]
    read: Callable[[Table | None, argparse.Namespace], Given]
    n_arrays: int
    flags: tuple[Flag, ...] = ()
    named: tuple[str, ...] = ()  # parameters it gives by name

    @property
    def has_table(self) -> bool:
        return bool(self.columns)


def of_file(table: Table | None) -> Table:
    assert table is not None  # shapes with columns are read with one
    return table
