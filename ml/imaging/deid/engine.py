"""One DICOM file becomes one that says who it is of to nobody without the key."""

import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ml.imaging.deid.burned_in import BurnedIn, burned_in, looked_at
from ml.imaging.deid.covariates import covariates
from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.pixels import cleaned_pixels
from ml.imaging.deid.procedure import MEANINGS, ObjectClass, Procedure, Row, procedure
from ml.imaging.deid.values import Values, words_of
from ml.imaging.deid.walk import Walk, names_in
from ml.imaging.dicom import read_dicom
from ml.imaging.picture import ImageError


@dataclass(frozen=True)
class Deidentified:
    """A file that was written anew, and what was done. Nothing here says what was removed."""

    data: bytes
    sop_instance_uid: str  # the new one
    patient: str  # pseudonym
    kind: ObjectClass
    rows: Counter[Row]  # (tag, keyword, action) -> how often
    options: tuple[str, ...]  # codes of DICOM PS3.16, CID 7050, that are true of it
    covariates: Mapping[str, str]
    burned_in: BurnedIn
    pixels_changed: tuple[str, ...]  # what was blanked around the pixels, in words


def deidentify(data: bytes, identity: Identity) -> Deidentified:
    """De-identify one DICOM file. Its pixels are not looked at: see :func:`seen`.

    Source: DICOM PS3.15 Annex E, as `procedure.json` states it; docs/de-identification.md.

    Args:
        data: the whole file.
        identity: under whose key UIDs, pseudonyms and shifts are made.

    Raises:
        ImageError: deid_class, deid_form, deid_unreadable, or a code of the reader of DICOM. No
            message repeats anything of the file.
    """
    with _in_silence():
        try:
            return _deidentified(read_dicom(data), identity)
        except ImageError as error:
            raise ImageError(error.code, _SAID.get(error.code, error.message)) from None
        except RecursionError:
            raise ImageError(
                "nesting_limit", "The sequences in this file are nested too deeply."
            ) from None
        except MemoryError:
            raise
        except Exception:  # its words may repeat values of the file
            raise ImageError("deid_unreadable", _SAID["deid_unreadable"]) from None


_SAID = {
    "truncated": "The DICOM file cannot be read.",
    "unsupported_syntax": "The transfer syntax of this DICOM file is not known.",
    "deid_unreadable": "The DICOM file cannot be written anew without what identifies a patient.",
}


def _deidentified(source: Dataset, identity: Identity) -> Deidentified:
    rules = procedure()
    kind = rules.classes.get(str(source.get("SOPClassUID") or ""))
    if kind is None:
        raise ImageError(
            "deid_class",
            "For this kind of DICOM object there is no table that says what may stay of it. "
            "docs/de-identification.md lists the kinds that have one.",
        )
    if not str(source.get("SOPInstanceUID") or ""):
        raise ImageError("deid_form", "The DICOM file has no SOPInstanceUID to make a new one of.")
    values = Values(rules, words_of(names_in(source, rules)))
    # Without an identifier a patient is known by the study alone.
    patient = str(source.get("PatientID") or source.get("StudyInstanceUID") or "")
    walk = Walk(rules, kind.rules, identity, patient, values)
    made = walk.dataset(source)
    made.PatientID = made.PatientName = walk.pseudonym
    _check_needed(source, made, [name for name in rules.needed if name in kind.rules])
    made.file_meta = _meta(source, made)
    changed = cleaned_pixels(made)
    options = _options(walk, kind)
    _mark(made, rules, options)
    return Deidentified(
        data=_written(made),
        sop_instance_uid=str(made.SOPInstanceUID),
        patient=walk.pseudonym,
        kind=kind,
        rows=walk.rows,
        options=options,
        covariates=covariates(source, values),
        burned_in=burned_in(source, kind, rules),
        pixels_changed=changed,
    )


def _check_needed(source: Dataset, made: Dataset, needed: Iterable[str]) -> None:
    lost = [name for name in needed if name in source and name not in made]
    if lost:
        raise ImageError(
            "deid_form",
            f"{', '.join(lost)}: the value has not the form that DICOM gives it, so it cannot "
            "stay, and without it the pixels cannot be read.",
        )


def _meta(source: Dataset, made: Dataset) -> FileMetaDataset:
    """Made anew: senders, private information and the preamble are not taken over."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = _syntax(source)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "PLUMBLINE"
    return meta


def _syntax(source: Dataset) -> UID:
    said = source.file_meta.get("TransferSyntaxUID") if hasattr(source, "file_meta") else None
    if said:
        return UID(str(said))
    implicit, little = source.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _options(walk: Walk, kind: ObjectClass) -> tuple[str, ...]:
    true = {
        "113100": True,
        "113104": kind.key == "SR",
        "113107": walk.shifted,
        "113108": walk.of_patient,
        "113111": walk.private,
    }
    return tuple(code for code, holds in true.items() if holds)


def _mark(made: Dataset, rules: Procedure, options: tuple[str, ...]) -> None:
    """Say in the file what was done (PS3.3 C.7.1.1 and C.12.1, PS3.16 CID 7050)."""
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = f"Plumbline {rules.version}, allow-list after PS3.15 Annex E"
    made.LongitudinalTemporalInformationModified = "MODIFIED" if "113107" in options else "REMOVED"
    codes = []
    for code in options:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = code, "DCM"
        item.CodeMeaning = MEANINGS[code]
        codes.append(item)
    made.DeidentificationMethodCodeSequence = Sequence(codes)


def _written(made: Dataset) -> bytes:
    if made.file_meta.TransferSyntaxUID.is_compressed and "PixelData" in made:
        made["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


def seen(done: Deidentified, picture: Image.Image | None) -> Deidentified:
    """The same, after a look for text in the picture; see `ml.imaging.deid.text_marks`."""
    return replace(done, burned_in=looked_at(done.burned_in, picture, done.kind))


@contextmanager
def _in_silence() -> Iterator[None]:
    """What pydicom warns of and logs repeats values."""
    logger = logging.getLogger("pydicom")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
