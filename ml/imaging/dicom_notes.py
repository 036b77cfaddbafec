"""What is odd about a DICOM file that can be used all the same."""

import re
from datetime import datetime

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate")
_AGE = re.compile(r"\d{3}[DWMY]")
_FIRST_YEAR, _LAST_YEAR = 1895, 2100  # no clock: what is read today is read so tomorrow


def notes_of(data: bytes, dataset: Dataset) -> tuple[str, ...]:
    """Codes of docs/intake-codes.md, in this order, never a value of the file.

    preamble_cleared, charset_unknown, date_odd, age_odd, burned_in.
    """
    said = {
        "preamble_cleared": any(data[:128]),
        "charset_unknown": not _charsets_known(dataset),
        "date_odd": not _dates_possible(dataset),
        "age_odd": not _fits(_text(dataset, "PatientAge"), _AGE),
        "burned_in": _text(dataset, "BurnedInAnnotation").upper() == "YES",
    }
    return tuple(code for code, so in said.items() if so)


def _text(dataset: Dataset, name: str) -> str:
    return str(dataset.get(name) or "").strip()


def _fits(text: str, pattern: re.Pattern[str]) -> bool:
    return not text or pattern.fullmatch(text) is not None


def _charsets_known(dataset: Dataset) -> bool:
    named = dataset.get("SpecificCharacterSet") or ""
    return all(
        str(one) in python_encoding for one in ([named] if isinstance(named, str) else named)
    )


def _dates_possible(dataset: Dataset) -> bool:
    found: dict[str, datetime] = {}
    for name in _DATES:
        value = dataset.get(name)
        for text in value if isinstance(value, MultiValue) else [value]:
            if not text:
                continue
            try:  # the form before DICOM 3.0 had dots
                found[name] = datetime.strptime(str(text).strip().replace(".", ""), "%Y%m%d")
            except ValueError:
                return False
    born = found.get("PatientBirthDate")
    return all(_FIRST_YEAR <= one.year <= _LAST_YEAR for one in found.values()) and (
        born is None or all(born <= one for one in found.values())
    )
