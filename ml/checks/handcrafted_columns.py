"""What a logistic regression may look at instead of a network: numbers of images and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.evidence.described import OF_BOTH, OF_FILES, CaseImages
from ml.evidence.facts import Fact, is_number
from ml.evidence.tables import Evidence, FloatArray, IntArray

Of = Literal["pixels", "files", "both"]
_MOST_WORDS = 20  # of one fact that get a column of their own, the most frequent first


@dataclass(frozen=True)
class Column:
    """One number of each case.

    Attributes:
        name: as a page says it.
        of: "pixels" for what the image shows, "files" for how it was written, "both" for what
            hangs on both.
        values: (n,) NaN where a case does not have it.
    """

    name: str
    of: Of
    values: FloatArray


def columns_of(evidence: Evidence, described: CaseImages, rows: IntArray) -> list[Column]:
    """Every number that varies over some rows; where some cases lack it, that too is one.

    A word of the files, such as the colour mode, is a column of 0 and 1 for each of its values.
    """
    found = [
        Column(name, _of(name), described.numbers[rows, at])
        for at, name in enumerate(described.names)
    ]
    for name, every in evidence.facts.items():
        found += _of_fact(name, [every[row] for row in rows])
    found += [
        Column(f"{one.name} is missing", one.of, np.isnan(one.values).astype(np.float64))
        for one in found
        if np.isnan(one.values).any()
    ]
    return [one for one in found if _varies(one.values)]


def facts_columns(evidence: Evidence, rows: IntArray) -> list[Column]:
    """The numbers and words of the files alone that vary over some rows."""
    found = [
        column
        for name, every in evidence.facts.items()
        for column in _of_fact(name, [every[row] for row in rows])
    ]
    return [one for one in found if _varies(one.values)]


def _of(name: str) -> Of:
    return "both" if name in OF_BOTH else "files" if name in OF_FILES else "pixels"


def _of_fact(name: str, values: Sequence[Fact]) -> list[Column]:
    if is_number(values):
        numbers = [np.nan if value is None else value for value in values]
        return [Column(name, "files", np.array(numbers, dtype=np.float64))]
    words = np.array([str(value or "") for value in values])
    known, counts = np.unique(words[words != ""], return_counts=True)
    named = known[np.argsort(-counts, kind="stable")][:_MOST_WORDS]
    if known.size == 2 and (words != "").all():
        named = named[:1]  # the other is its opposite
    return [
        Column(f"{name} {word}", "files", (words == word).astype(np.float64))
        for word in named.tolist()
    ]


def _varies(values: FloatArray) -> bool:
    known = values[~np.isnan(values)]
    return bool(known.size and np.ptp(known) > 0)
