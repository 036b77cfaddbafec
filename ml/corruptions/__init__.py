"""Corruptions of pictures, by name: what each does, how severe, in which unit."""

from ml.corruptions import ct, dicom_path, generic, mr, photo, space, ultrasound, xray
from ml.corruptions.gallery import gallery
from ml.corruptions.modality import corruptions_for, packs_for
from ml.corruptions.registry import Corruption, add, corruption, known_ids, pack

for _one in (
    *generic.CORRUPTIONS,
    *ct.CORRUPTIONS,
    *mr.CORRUPTIONS,
    *xray.CORRUPTIONS,
    *ultrasound.CORRUPTIONS,
    *photo.CORRUPTIONS,
    *dicom_path.CORRUPTIONS,
    *space.CORRUPTIONS,
):
    add(_one)

__all__ = [
    "Corruption",
    "add",
    "corruption",
    "corruptions_for",
    "gallery",
    "known_ids",
    "pack",
    "packs_for",
]
