"""The masks of one case in words: how large each is, and how far every two of them overlap."""

from dataclasses import dataclass
from typing import Any

from portal.reports.frozen import Case, Frozen
from portal.ui import numbers

_WORDS = {
    "reference": "Reference",
    "model": "Model",
    "consensus": "Majority of all readers",
    "others": "Majority of the other readers",
}


@dataclass(frozen=True)
class Marked:
    whose: str
    size: str


@dataclass(frozen=True)
class Pair:
    a: str
    b: str
    dice: str
    is_undefined: bool


@dataclass(frozen=True)
class Sheet:
    """One structure of one case."""

    structure: str
    marked: list[Marked]
    pairs: list[Pair]


def sheets(frozen: Frozen, case: Case) -> list[Sheet]:
    by_structure: dict[str, list[list[Any]]] = {}
    for pair in case.masks:
        by_structure.setdefault(pair[0], []).append(pair)
    unit = (frozen.cohort.get("masks") or {}).get("unit", "")
    return [_sheet(name, pairs, unit) for name, pairs in by_structure.items()]


def _sheet(name: str, pairs: list[list[Any]], unit: str) -> Sheet:
    sizes: dict[str, float | None] = {}
    for _, a, b, size_a, size_b, _ in pairs:
        sizes.setdefault(a, size_a)
        if not b.startswith(("others", "consensus")):  # a majority is nobody's mask
            sizes.setdefault(b, size_b)
    order = sorted(sizes, key=lambda whose: (whose != "reference", whose != "model", whose))
    return Sheet(
        structure=name,
        marked=[Marked(whose_words(whose), size_words(sizes[whose], unit)) for whose in order],
        pairs=[
            Pair(whose_words(a), whose_words(b), dice_words(dice), dice is None)
            for _, a, b, _, _, dice in pairs
        ],
    )


def whose_words(whose: str) -> str:
    """
    >>> [whose_words(name) for name in ("model", "reader:r1", "others", "others:reader:r1")]
    ['Model', 'Reader r1', 'Majority of the other readers', 'Majority without reader r1']
    """
    if whose.startswith("reader:"):
        return f"Reader {whose.removeprefix('reader:')}"
    if whose.startswith("others:reader:"):
        return f"Majority without reader {whose.removeprefix('others:reader:')}"
    return _WORDS.get(whose, whose)


def size_words(size: float | None, unit: str) -> str:
    """
    >>> [size_words(size, "ml") for size in (0.0, 12.3456, 0.0123)], size_words(7, "")
    (['nothing marked', '12.3 ml', '0.012 ml'], '7')
    """
    if size is None:
        return numbers.NOT_KNOWN
    if size == 0:
        return "nothing marked"
    places = 0 if unit in ("voxels", "pixels", "") else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{numbers.decimal(size, places)} {unit}".strip()


def dice_words(dice: float | None) -> str:
    return "both empty" if dice is None else numbers.decimal(dice)
