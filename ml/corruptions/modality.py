"""Which packs belong to a modality, as a cohort declares it."""

import re
from typing import Literal

from ml.corruptions.registry import Corruption, pack
from ml.corruptions.space import VOLUME

Colour = Literal["gray", "rgb"]
GENERIC, DICOM_PATH = "generic", "dicom-path"

# DICOM's codes of modalities (PS3.3, C.7.3.1.1.1), and the words that people write instead.
CODES: dict[str, tuple[str, ...]] = {
    "ct": ("CT",),
    "mr": ("MR",),
    "xray": ("CR", "DX", "MG", "RF", "XA", "PX", "IO", "RG"),
    "ultrasound": ("US", "IVUS"),
    "photo": ("OP", "XC", "GM", "SM", "ES", "DMS"),
}
WORDS: dict[str, tuple[str, ...]] = {
    "ct": ("computed tomography",),
    "mr": ("mri", "magnetic resonance"),
    "xray": (
        "x-ray", "xray", "cxr", "radiograph", "radiographs", "radiography",
        "mammography", "mammogram", "mammograms",
    ),
    "ultrasound": ("ultrasound", "sonography", "echocardiography"),
    "photo": (
        "fundus", "dermoscopy", "dermatoscopy", "dermatology", "endoscopy", "colonoscopy",
        "histology", "pathology", "histopathology", "microscopy", "photograph", "photography",
    ),
}  # fmt: skip
PACKS = (GENERIC, *CODES, DICOM_PATH)
OF_VOLUMES = (GENERIC, "ct", "mr", VOLUME, DICOM_PATH)  # packs that have a meaning on volumes


def packs_for(modality: str) -> tuple[str, ...]:
    """The packs of a modality, in the order of the documentation.

    ``generic`` and ``dicom-path`` always; of the others those whose code or word is in the text.
    A text that names none of them gets none of them: nothing is guessed from the pictures.

    Args:
        modality: as ``cohort.yaml`` says it: a DICOM code, or words with one in them.

    Example:
        >>> packs_for("CT"), packs_for("none")
        (('generic', 'ct', 'dicom-path'), ('generic', 'dicom-path'))
    """
    text = f" {' '.join(re.findall(r'[a-z0-9-]+', modality.lower()))} "
    named = [
        name
        for name in CODES
        if any(f" {word.lower()} " in text for word in (*CODES[name], *WORDS[name]))
    ]
    return (GENERIC, *named, DICOM_PATH)


def corruptions_for(
    modality: str, colour: Colour = "gray", *, volumes: bool = False
) -> tuple[Corruption, ...]:
    """The corruptions of a modality's packs that pictures of that colour can suffer, or volumes.

    Volumes are of CT or MR, else the generic ones alone and those of files have a meaning.

    Example:
        >>> [one.id for one in corruptions_for("CT", volumes=True) if one.pack == "volume"]
        ['slice-thickness']
    """
    names = packs_for(modality)
    if volumes:
        known = {*names, VOLUME} if {"ct", "mr"} & set(names) else set(names)
        names = tuple(name for name in OF_VOLUMES if name in known)
    chosen = [one for name in names for one in pack(name)]
    return tuple(one for one in chosen if one.of in ("any", colour))
