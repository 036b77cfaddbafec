"""JSON from a stranger, looked into step by step: a wrong type is a sentence, not a crash."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TO_THE_END = 2**63 - 1  # how torch writes the end of a slice that has none
LARGEST = 2**53  # whole numbers beyond this no size or axis can be


class Malformed(Exception):
    """The JSON is not what the format says; the message names the place."""


@dataclass(frozen=True)
class Entry:
    """A value of a JSON document, with the way to it."""

    value: Any
    where: str

    @classmethod
    def of(cls, value: Any, where: str) -> "Entry":
        return cls(value, where)

    def __getitem__(self, key: str) -> "Entry":
        if not isinstance(self.value, dict) or key not in self.value:
            raise Malformed(f"{self.where} lacks {key[:80]!r}")
        return Entry(self.value[key], f"{self.where}.{key[:80]}")

    def get(self, key: str) -> "Entry | None":
        """As with brackets; None where it is missing or null."""
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return self[key]

    def items(self) -> Iterator["Entry"]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise Malformed(f"{self.where} is no list")
        return (Entry(one, f"{self.where}[{at}]") for at, one in enumerate(self.value))

    def pairs(self) -> Iterator[tuple[str, "Entry"]]:
        """Keys and values of an object."""
        if not isinstance(self.value, dict):
            raise Malformed(f"{self.where} is no object")
        return ((key, self[key]) for key in self.value)

    def only(self) -> tuple[str, "Entry"]:
        """Key and value of an object with one key: how the format says which of several it is."""
        if not isinstance(self.value, dict) or len(self.value) != 1:
            raise Malformed(f"{self.where} is not one of several kinds")
        key = next(iter(self.value))
        return key, self[key]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise Malformed(f"{self.where} is no text")
        return self.value

    def text_or(self, key: str, other: str) -> str:
        found = self.get(key)
        return found.text()[:80] if found else other

    def integer(self) -> int:
        if type(self.value) is int and self.value == _TO_THE_END:
            return LARGEST
        if type(self.value) is not int or abs(self.value) > LARGEST:
            raise Malformed(f"{self.where} is no whole number of a possible size")
        return self.value

    def number(self) -> float:
        """A float; the format writes the infinite ones as words."""
        words = {"Infinity": float("inf"), "-Infinity": float("-inf")}
        if isinstance(self.value, str) and self.value in words:
            return words[self.value]
        if type(self.value) not in (int, float):
            raise Malformed(f"{self.where} is no number")
        return float(self.value)

    def boolean(self) -> bool:
        if type(self.value) is not bool:
            raise Malformed(f"{self.where} is neither true nor false")
        return self.value
