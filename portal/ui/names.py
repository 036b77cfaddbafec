"""Names of columns and questions as a person reads them; files and CSV keep them as handed in."""

import re
from collections.abc import Iterable
from typing import Any

_SNAKE = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")
_CAMEL = re.compile(r"[a-z]+([A-Z][a-z]+)+")
# What a last part is that counts in something.
_UNITS = {
    "px": "px", "mm": "mm", "cm": "cm", "um": "µm", "ml": "ml", "kb": "kB", "mb": "MB",
    "kib": "KiB", "mib": "MiB", "kv": "kV", "kvp": "kVp", "mas": "mAs", "ms": "ms", "hu": "HU",
    "kg": "kg", "years": "years", "days": "days", "percent": "%", "pct": "%", "hz": "Hz",
    "mgy": "mGy",
}  # fmt: skip
_SHORT = {"sd": "SD", "id": "id", "bmi": "BMI", "ct": "CT", "mr": "MR", "mri": "MRI"}
# Keys of a report whose values are written for people, by a check or by the headline.
_SENTENCES = frozenset(
    {"claim", "why", "action", "summary", "reason", "title", "subtitle", "label", "question",
     "convention", "verdict_sentence", "lead"}
)  # fmt: skip


def readable(name: str) -> str:
    """A column or question name in words; one that is no identifier stays as it is.

    >>> readable("width_px"), readable("grey_sd"), readable("near_duplicates"), readable("sex")
    ('width (px)', 'grey SD', 'near duplicates', 'sex')
    >>> readable("internalStructure"), readable("Aortic enlargement"), readable("age_years")
    ('internal structure', 'Aortic enlargement', 'age (years)')
    """
    if _CAMEL.fullmatch(name):
        return re.sub(r"(?=[A-Z])", " ", name).lower()
    if not _SNAKE.fullmatch(name):
        return name
    *parts, last = name.split("_")
    words = " ".join(_SHORT.get(part.lower(), part) for part in parts)
    if last.lower() in _UNITS:
        return f"{words} ({_UNITS[last.lower()]})"
    return f"{words} {_SHORT.get(last.lower(), last)}"


class Names:
    """The readable names of one report; two that would read the same keep their own.

    >>> Names(["width_px", "sex"]).text("AUROC is lowest where width_px < 227")
    'AUROC is lowest where width (px) < 227'
    >>> Names(["width_px", "width (px)"]).of("width_px"), Names(["noduleSize"]).of("noduleSize")
    ('width_px', 'nodule size')
    """

    def __init__(self, names: Iterable[str]) -> None:
        asked = list(dict.fromkeys(names))
        said = [readable(name) for name in asked]
        alone = [word for word in said if said.count(word) == 1]
        self._said = {
            name: word
            for name, word in zip(asked, said, strict=True)
            if word != name and word in alone and word not in asked
        }
        longest_first = sorted(self._said, key=len, reverse=True)
        any_of = "|".join(re.escape(name) for name in longest_first)
        self._pattern = re.compile(rf"(?<![\w.-])(?:{any_of})(?![\w-])") if any_of else None

    def of(self, name: str) -> str:
        return self._said.get(name, name)

    def text(self, words: str) -> str:
        """A sentence with every known name in it made readable."""
        if self._pattern is None:
            return words
        return self._pattern.sub(lambda found: self._said[found.group()], words)

    def spoken(self, value: Any, key: str = "") -> Any:
        """The same JSON, its sentences with readable names; ids and numbers untouched."""
        if isinstance(value, dict):
            return {name: self.spoken(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [self.spoken(part, key) for part in value]
        return self.text(value) if isinstance(value, str) and key in _SENTENCES else value
