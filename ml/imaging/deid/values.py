"""Values that may stay: of the form their type allows, and free of words that name somebody."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from pydicom._uid_dict import UID_dictionary
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from ml.imaging.deid.procedure import Procedure

OLDEST_YEARS = 89  # above it a year of age would tell of few people
_FORMS = {
    "CS": re.compile(r"[A-Z0-9 _]{1,16}"),
    "DS": re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})? *"),
    "IS": re.compile(r" *[+-]?\d{1,12} *"),
    "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)? *"),
}
_LONGEST = 32  # characters of a number
_NUMBERS = {"US", "SS", "UL", "SL", "FL", "FD", "AT", "SV", "UV"}
_BYTES = {"OB", "OW", "OF", "OD", "OL", "OV", "OB or OW"}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+*()-]{0,31}")
_MANY_DIGITS = re.compile(r"\d{5}")  # more are a number of a device or of an order
_AGE = re.compile(r"(\d{3})([DWMY])")
_DATE = re.compile(r"\d{8}")
_DATETIME = re.compile(r"(\d{8})(\d{0,6}(?:\.\d{1,6})?)([+-]\d{4})?")
_WORD = re.compile(r"[^\W_]{3,}")


def listed(value: object) -> list[Any]:
    """The single values of an element; [] of an empty one."""
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return []
    return list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Words of three characters or more, in capitals.

    Example:
        >>> sorted(words_of(["Doe^Jane", "St. Mary's"]))
        ['DOE', 'JANE', 'MARY']
    """
    return frozenset(word for text in texts for word in _WORD.findall(text.upper()))


class Values:
    """Decides of single elements what stays of them."""

    def __init__(self, procedure: Procedure, names: frozenset[str]) -> None:
        self.procedure = procedure
        self.names = names  # words that name somebody, in this file

    def kept(self, element: DataElement, keyword: str) -> list[Any] | bytes | None:
        """The values as they are; None where one has not the form of its type."""
        if element.VR in _BYTES or " or " in element.VR:
            if isinstance(element.value, bytes):
                return bytes(element.value)
            return listed(element.value)
        values = listed(element.value)
        return values if all(self._may_stay(one, element.VR, keyword) for one in values) else None

    def _may_stay(self, value: object, vr: str, keyword: str) -> bool:
        if vr in _NUMBERS:
            return isinstance(value, (int, float))
        text = str(value)
        if vr == "UI":
            return text in UID_dictionary or text in self.procedure.classes
        known = self.procedure.values.get(keyword)
        if known is not None:
            return text in known or text == ""
        form = _FORMS.get(vr)
        if form is None or len(text) > _LONGEST or (text and form.fullmatch(text) is None):
            return False
        return vr != "CS" or not self.names_somebody(text)

    def names_somebody(self, text: str) -> bool:
        """Does it hold a word of an attribute that names somebody in this file?"""
        return bool(words_of([text]) & self.names)

    def cleaned(self, element: DataElement, keyword: str, rule: str) -> list[str] | None:
        """What a rule leaves of a text; None where it leaves nothing."""
        texts = [str(one).strip() for one in listed(element.value)]
        found = [getattr(self, f"_{rule}")(text, keyword) for text in texts]
        return None if None in found else found

    def _manufacturer(self, text: str, keyword: str) -> str | None:
        """The one name it is known by: what else was written there is not taken over."""
        padded = f" {' '.join(re.findall('[A-Z0-9]+', text.upper()))} "
        for name, told_by in self.procedure.manufacturers.items():
            if any(f" {word} " in padded for word in told_by):
                return name
        return None

    def _plain(self, text: str, keyword: str) -> str | None:
        fits = not text or (_PLAIN.fullmatch(text) and not _MANY_DIGITS.search(text))
        return text if fits and not self.names_somebody(text) else None

    def _listed(self, text: str, keyword: str) -> str | None:
        return text if not text or text.upper() in self.procedure.listed[keyword] else None

    def _structure(self, text: str, keyword: str) -> str | None:
        """A name made of the words that structures are named by, and of short numbers."""
        words = re.findall(r"[A-Z]+|[0-9]+", text.upper())
        plain = re.fullmatch(r"[A-Za-z0-9 ._+-]{1,64}", text) is not None
        ours = all(len(word) < 3 if word.isdigit() else word in self.procedure.structures
                   for word in words)  # fmt: skip
        return text if words and plain and ours and not self.names_somebody(text) else None


def age(text: str) -> str | None:
    """An age of DICOM (AS), with everybody above 89 years at 90; None of another form.

    AS has no way to say "90 or older": 090Y stands for it, as HIPAA's safe harbour
    (45 CFR 164.514(b)(2)(i)(C)) puts these ages together.

    Example:
        >>> age("095Y"), age("089Y"), age("003M"), age("old")
        ('090Y', '089Y', '003M', None)
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    return f"{OLDEST_YEARS + 1:03d}Y" if unit == "Y" and number > OLDEST_YEARS else text.strip()


def shifted(text: str, days: int) -> str | None:
    """A date (DA) or date and time (DT) some days earlier; None where no whole date stands there.

    Example:
        >>> shifted("20200304", 4), shifted("20200304112233.5+0100", 4), shifted("2020", 4)
        ('20200229', '20200229112233.5+0100', None)
    """
    found = _DATETIME.fullmatch(text.strip())
    if found is None:
        return None
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day:%Y%m%d}".rjust(8, "0") + found[2] + (found[3] or "")
