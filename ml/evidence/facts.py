"""What files say of a case without a look at its pixels: kind, size, colours, declared words."""

from collections.abc import Mapping, Sequence
from typing import Any

Fact = str | float | None
MODALITY, BODY_PART = "modality", "body part"
HEADER = "header "  # before the DICOM attribute, in the name of a fact
# Columns of a cohort that say where images come from, the most telling first.
ORIGINS = (
    *("site", "hospital", "centre", "center", "institution", "scanner", "manufacturer"),
    *("device", "vendor", "scanner_model", "field_strength"),
)
_DECLARED = {"modality": MODALITY, "body_part": BODY_PART, "bodypartexamined": BODY_PART}


def facts_of(catalogue: Mapping[str, Any]) -> dict[str, tuple[Fact, ...]]:
    """By fact, one value for each case of a catalogue, in its order; {} where no case has an image.

    Modality and body part are columns of ``cases.csv`` (``modality``, ``body_part``) where there
    are such, else the modality is that of the whole cohort. The others are measured on the files.

    Args:
        catalogue: as intake wrote it.

    Returns:
        Words: modality, body part, file type, colour mode, and of DICOM files what their header
        says ("header Modality"). Numbers: width, height, bits, images,
        frames. None where a case does not have it.
    """
    cases: Sequence[Mapping[str, Any]] = catalogue["cases"]
    if not any(case["images"] for case in cases):
        return {}
    found: dict[str, list[Fact]] = {
        "file type": [_one(case, "media_type") for case in cases],
        "colour mode": [_one(case, "mode") for case in cases],
        "bits": [_largest(case, "bits") for case in cases],
        "width": [_largest(case, "width") for case in cases],
        "height": [_largest(case, "height") for case in cases],
        "images": [float(len(case["images"])) for case in cases],
        "frames": [_largest(case, "frames") for case in cases],
    }
    whole = str(catalogue.get("modality") or "").strip() or None
    declared: dict[str, list[Fact]] = {MODALITY: [whole] * len(cases)}
    for column in catalogue["covariates"]:
        name = _DECLARED.get(str(column).lower())
        if name is not None:
            own = [case["covariates"].get(column) for case in cases]
            declared[name] = [text or (whole if name == MODALITY else None) for text in own]
    found = {**declared, **found, **_of_headers(cases)}
    return {name: tuple(values) for name, values in found.items() if any(values)}


def _of_headers(cases: Sequence[Mapping[str, Any]]) -> dict[str, list[Fact]]:
    """What headers of DICOM files say of their kind, by attribute."""
    names = {name for case in cases for image in case["images"] for name in image.get("header", ())}
    found: dict[str, list[Fact]] = {}
    for name in sorted(names):
        said = [
            {image["header"][name] for image in case["images"] if name in image.get("header", ())}
            for case in cases
        ]
        found[HEADER + name] = [", ".join(sorted(words)) or None for words in said]
    return found


def is_number(values: Sequence[Fact]) -> bool:
    """Whether a fact is measured; else it is a word."""
    return all(value is None or isinstance(value, float) for value in values)


def _one(case: Mapping[str, Any], key: str) -> Fact:
    words = sorted({str(image[key]) for image in case["images"] if key in image})
    return ", ".join(words) or None


def _largest(case: Mapping[str, Any], key: str) -> Fact:
    return max((float(image[key]) for image in case["images"] if key in image), default=None)
