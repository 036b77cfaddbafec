"""What intake found odd about an image and took all the same, in words for the page of its case."""

from collections.abc import Mapping
from typing import Any

# By the codes of docs/intake-codes.md; what has no words here is shown by its code.
WORDS = {
    "preamble_cleared": "Something stood before the DICOM header, where another program’s file "
    "can hide; zeros are stored in its place.",
    "charset_unknown": "Its character set is not known, so its texts were read as ASCII.",
    "date_odd": "A date in its header cannot be right.",
    "age_odd": "The patient’s age in its header is none.",
    "burned_in": "The file says that text is burned into its pixels: look for names.",
    "duplicate_pixels": "An earlier image of this cohort has the same pixels.",
    "series_geometry": "The slices of this case make no volume: one is missing, there twice, or "
    "lies otherwise than the rest. A model of volumes gives no answer to it.",
    "series_identity": "The files of this case are of several series or patients. A model of "
    "volumes gives no answer to it.",
    "gantry_tilt": "Slices are shifted against each other (a tilted gantry), and are not "
    "straightened.",
    "not_transverse": "Slices were not acquired transverse; axes are turned for models.",
}


def oddities_of(listed: Mapping[str, Any], case_id: str, position: int) -> list[str]:
    """Sentences about one image of a case, in the order in which intake noted them.

    Args:
        listed: the catalogue.
        position: of the image in its case, from 0.
    """
    for case in listed["cases"]:
        if case["case_id"] == case_id and position < len(case["images"]):
            notes = case["images"][position].get("notes", ())
            return [WORDS.get(code, str(code)) for code in notes]
    return []
