"""Which DICOM files are images in a syntax that is read here, told by the names they carry."""

from pydicom.dataset import Dataset
from pydicom.uid import UID, MPEGTransferSyntaxes

from ml.imaging.picture import ImageError

# What pydicom reads with the two plug-ins that come along; others are named and refused.
_SYNTAX = "1.2.840.10008.1.2"
READ = frozenset(
    {
        _SYNTAX, f"{_SYNTAX}.1", f"{_SYNTAX}.2", f"{_SYNTAX}.1.99", f"{_SYNTAX}.5",  # native, RLE
        *(f"{_SYNTAX}.4.{number}" for number in (50, 51, 57, 70)),  # JPEG
        *(f"{_SYNTAX}.4.{number}" for number in (80, 81)),  # JPEG-LS
        *(f"{_SYNTAX}.4.{number}" for number in (90, 91, 201, 202, 203)),  # JPEG 2000
    }
)  # fmt: skip
_ROOT = "1.2.840.10008."
DICOMDIR = _ROOT + "1.3.10"
SEGMENTATIONS = (_ROOT + "5.1.4.1.1.66.4", _ROOT + "5.1.4.1.1.66.7")
_NO_IMAGE = {
    **dict.fromkeys(SEGMENTATIONS, "a segmentation: put it under masks"),
    _ROOT + "5.1.4.1.1.481.2": "a dose distribution, not an image",
}
_KINDS = (  # by the beginning of the SOP class
    (_ROOT + "5.1.4.1.1.104.", "a document that was wrapped up, not an image"),
    (_ROOT + "5.1.4.1.1.88.", "a report, not an image"),
    (_ROOT + "5.1.4.1.1.9.", "a waveform, not an image"),
    (_ROOT + "5.1.4.1.1.481.", "a plan or structures of radiotherapy, not an image"),
)
_VIDEO = "a video, not an image. Send single frames"
_VIDEOS = {_ROOT + f"5.1.4.1.1.77.1.{number}.1" for number in (1, 2, 4)}


def check_syntax(syntax: UID) -> None:
    """See that a transfer syntax is read here; one that is not named at all is let through.

    Raises:
        ImageError: unsupported_syntax, unsupported_sop.
    """
    if not syntax or syntax in READ:
        return
    if syntax in MPEGTransferSyntaxes:
        raise ImageError("unsupported_sop", f"The file is {_VIDEO}.")
    named = str(syntax)[:64] if syntax.is_private or syntax.name == syntax else syntax.name
    raise ImageError(
        "unsupported_syntax",
        f"The transfer syntax {named} is not read. Store the file uncompressed, as Explicit VR "
        "Little Endian.",
    )


def check_kind(dataset: Dataset) -> None:
    """See that the SOP class is no other kind of file.

    Raises:
        ImageError: unsupported_sop, dicomdir_refused.
    """
    meta = getattr(dataset, "file_meta", None) or Dataset()
    kind = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    if kind == DICOMDIR or "DirectoryRecordSequence" in dataset:
        raise ImageError(
            "dicomdir_refused",
            "The file is a DICOMDIR; files that it names are not followed. Name the images.",
        )
    said = _NO_IMAGE.get(kind) or (_VIDEO if kind in _VIDEOS else None)
    said = said or next((says for start, says in _KINDS if kind.startswith(start)), None)
    if said:
        raise ImageError("unsupported_sop", f"The file is {said}.")
