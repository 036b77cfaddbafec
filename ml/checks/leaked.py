"""Which cases of the audited cohort are in the reference, and by what they are known again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks.memorised_sides import Copies, copies_of
from ml.evidence.tables import Evidence
from ml.stats.arrays import BoolArray


@dataclass(frozen=True)
class Leaked:
    """What n audited cases share with a reference; (n,) each.

    Attributes:
        bytes: an image of the case is a file of the reference.
        pixels: not so, but its decoded pixels are those of a case there.
        near: neither, but its thumbnail correlates above 0.99 with one there.
        patient: its patient has the id of a patient there; None where ids cannot be compared.
        copies: of images, with the case of the reference that is most alike.
        twin_of_patient: a case of the reference of the same patient; "" where there is none.
    """

    evidence: Evidence
    reference: Evidence
    bytes: BoolArray
    pixels: BoolArray
    near: BoolArray
    patient: BoolArray | None
    copies: Copies
    twin_of_patient: tuple[str, ...]

    @property
    def image(self) -> BoolArray:
        """The image is there too, exactly or nearly."""
        return np.asarray(self.bytes | self.pixels | self.near)

    @property
    def any(self) -> BoolArray:
        return self.image if self.patient is None else np.asarray(self.image | self.patient)

    @property
    def kinds(self) -> dict[str, BoolArray]:
        """By what a case is known again, the surest first."""
        found = {"bytes": self.bytes, "pixels": self.pixels, "near": self.near}
        return found if self.patient is None else {**found, "patient": self.patient}

    def ids(self, chosen: BoolArray) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in np.flatnonzero(chosen))


def leaked_of(evidence: Evidence, reference: Evidence) -> Leaked:
    """Every case held against every case of the reference, by images and by patient ids."""
    copies = copies_of(evidence, reference)
    theirs = {one for images in reference.images for one in images}
    n = len(evidence.case_ids)
    files = np.zeros(n, dtype=np.bool_)
    for at, images in enumerate(evidence.images):
        files[at] = any(one in theirs for one in images)
    pixels = np.zeros(n, dtype=np.bool_)
    if evidence.described is not None and reference.described is not None:
        seen = {one for one in reference.described.pixels if one}
        pixels = np.array([one in seen for one in evidence.described.pixels], dtype=np.bool_)
    known = _first(reference.patients, reference.case_ids)
    comparable = bool(known) and any(evidence.patients)
    twins = tuple(known.get(one, "") if one else "" for one in evidence.patients) or ("",) * n
    return Leaked(
        evidence,
        reference,
        bytes=files,
        pixels=np.asarray(pixels & ~files),
        near=copies.near,  # of what is no exact copy
        patient=np.array([bool(one) for one in twins], dtype=np.bool_) if comparable else None,
        copies=copies,
        twin_of_patient=twins,
    )


def _first(names: Sequence[str], case_ids: Sequence[str]) -> dict[str, str]:
    """The first case of each name."""
    found: dict[str, str] = {}
    for name, case_id in zip(names, case_ids, strict=False):
        if name:
            found.setdefault(name, case_id)
    return found
