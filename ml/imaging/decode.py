"""Bytes become a picture. The first bytes say what the file is; its name says nothing."""

import io
import warnings

import numpy as np
from PIL import Image, ImageFile

from ml.imaging.nifti import is_nifti
from ml.imaging.picture import MOST_PIXELS, ImageError, Picture, short
from ml.imaging.volume import NIFTI, grey, middle_slice, volume_of_nifti

TIFF = "image/tiff"
_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "TIFF": TIFF}
_WIDE = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_TIFF_HEADS = (b"II*\0", b"MM\0*")
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # of TIFF 6.0


def media_type(data: bytes) -> str | None:
    """What the first bytes say: image/png, image/jpeg, image/tiff, DICOM, NIfTI, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[128:132] == b"DICM":
        return "application/dicom"
    if is_nifti(data):
        return NIFTI
    if data.startswith(_TIFF_HEADS):  # after DICOM, whose preamble may look so
        return TIFF
    return None


def decode(data: bytes) -> Picture:
    """Decode a PNG, JPEG, TIFF, DICOM or NIfTI file completely; of several slices the middle one.

    Size is checked before anything is decoded. Orientation tags are not applied: models see
    the pixels as they are stored.

    Raises:
        ImageError: empty_file, image_unsupported, image_unreadable, pixel_limit, or one of the
            DICOM codes of :func:`ml.imaging.dicom.decode_dicom`.
    """
    if not data:
        raise ImageError("empty_file", "The image file is empty.")
    kind = media_type(data)
    if kind == "application/dicom":
        from ml.imaging.dicom import decode_dicom  # its readers take longer to load than a picture

        return decode_dicom(data)
    if kind == NIFTI:
        return middle_slice(volume_of_nifti(data))
    if kind is None:
        raise ImageError(
            "image_unsupported",
            "This is no PNG, JPEG, TIFF, DICOM or NIfTI file, whatever its name says.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd palettes and tags are no obstacle
            return _decode_picture(data)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # the readers of formats raise whatever they stumble on
        raise ImageError(
            "image_unreadable", f"The image cannot be decoded: {short(error)}. Save it anew."
        ) from None


def _decode_picture(data: bytes) -> Picture:
    image = Image.open(io.BytesIO(data), formats=tuple(_MEDIA_TYPES))
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ImageError(
            "pixel_limit",
            f"The image has {width} x {height} pixels; at most {MOST_PIXELS:,} are decoded.",
        )
    if image.format == "TIFF":
        _check_one_page(image)
    # Other libraries in a process may have allowed half files, for all users of the decoder.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    image.load()
    eight_bits: Image.Image = image
    values, bits, inverted = None, 8, False
    if image.mode in _WIDE:
        values = np.asarray(image, dtype=np.float64)
        bits = 16
        # 65535 becomes 255; Pillow's own conversion would clip everything above 255.
        shown = np.rint(values.clip(0, 65535) / 257)
        # Of eight bits Pillow turns it over itself.
        inverted = image.format == "TIFF" and _photometric(image) == _WHITE_IS_ZERO
        eight_bits = Image.fromarray((255 - shown if inverted else shown).astype(np.uint8))
    elif image.mode == "F":
        values, bits = np.asarray(image, dtype=np.float64), 32
        if not np.isfinite(values).all():
            raise ImageError("image_unreadable", "The image holds NaN or infinity.")
        eight_bits = Image.fromarray(grey(values))
    return Picture(
        media_type=_MEDIA_TYPES[image.format or "PNG"],
        width=width,
        height=height,
        frames=1,
        bits=bits,
        mode=image.mode,
        eight_bits=eight_bits,
        values=values,
        inverted=inverted,
    )


def _check_one_page(image: Image.Image) -> None:
    """A TIFF may be a stack, or a pyramid of one picture; which page is meant nobody says."""
    try:
        image.seek(1)
    except EOFError:
        return
    raise ImageError(
        "image_unsupported", "The TIFF holds several pictures: save the one that is meant alone."
    )


def _photometric(image: Image.Image) -> int | None:
    tags = getattr(image, "tag_v2", {})
    found = tags.get(_PHOTOMETRIC)
    return None if found is None else int(found)
