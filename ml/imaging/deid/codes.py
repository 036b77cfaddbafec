"""Coded words: the code of a known scheme stays, its meaning is taken from the dictionary."""

import re
from functools import cache
from typing import cast

from pydicom.dataset import Dataset

from ml.imaging.deid.procedure import Procedure

REPLACED = "removed"
_UNTOLD = "not in the dictionary"


def is_code(item: Dataset) -> bool:
    return "CodeValue" in item or "CodeMeaning" in item or "CodingSchemeDesignator" in item


def coded(item: Dataset, procedure: Procedure) -> tuple[dict[str, str], bool]:
    """The triplet that stays of a code, and whether it is the code that was there.

    A meaning is a free text to whoever fills it in, so none is taken over. A code of a scheme that
    is not known, or that does not look like one of its scheme, becomes "removed".
    Source: DICOM PS3.3, 8.8; the meanings are those of PS3.16 as pydicom has them.
    """
    value = str(item.get("CodeValue") or "").strip()
    scheme = str(item.get("CodingSchemeDesignator") or "").strip()
    form = procedure.coding_schemes.get(scheme)
    if form is None or re.fullmatch(form, value) is None:
        return _triplet(REPLACED, f"99{REPLACED}"[:16].upper(), REPLACED), False
    meaning = _meanings().get((scheme, value), _UNTOLD)
    return _triplet(value, scheme, meaning[:64]), True


def _triplet(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


@cache
def _meanings() -> dict[tuple[str, str], str]:
    """(scheme, code) -> meaning; half a second to load, so only for files with codes."""
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    of_schemes = cast(dict[str, dict[str, dict[str, tuple[str, list[int]]]]], concepts)
    found: dict[tuple[str, str], str] = {}
    for scheme, keywords in of_schemes.items():
        for codes in keywords.values():
            for code, (meaning, *_) in codes.items():  # the shortest of several is the plain one
                found[scheme, code] = min(found.get((scheme, code), meaning), meaning, key=len)
    for old, new in mapping["SRT"].items():
        if ("SCT", new) in found:
            for scheme in ("SRT", "SNM3", "99SDM"):
                found.setdefault((scheme, old), found["SCT", new])
    return found
