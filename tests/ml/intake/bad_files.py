"""Files that are not what they should be, each made on the spot, by the row of the matrix."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import HTJ2KLossless

PRIVATE = "1.2.826.0.1.3680043.2.1143.99.1"
JPEG_XL = "1.2.840.10008.1.2.4.110"
MPEG4 = "1.2.840.10008.1.2.4.102"
Made = Callable[[Path], bytes]


def fixture(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def changed(name: str = "CT_small.dcm", *, syntax: str | None = None, **tags: Any) -> Made:
    """One of pydicom's test files with other attributes; None takes one away."""

    def make(_: Path) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(str(get_testdata_file(name)))
            dataset.preamble = bytes(128)
            for tag, value in tags.items():
                if value is None:
                    delattr(dataset, tag)
                elif isinstance(value, DataElement):
                    dataset[value.tag] = value
                else:
                    setattr(dataset, tag, value)
            file = io.BytesIO()
            dataset.save_as(file)
            return file.getvalue() if syntax is None else named(file.getvalue(), syntax)

    return make


def bomb(name: str) -> Made:
    """A file that shared/attack/make_dicom_bombs.py has made."""
    return lambda bombs: (bombs / name).read_bytes()


def raw(data: bytes) -> Made:
    return lambda _: data


def of_stream(name: str, change: Callable[[bytes], bytes], **more: Any) -> Made:
    """The one compressed frame of a file, changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(str(get_testdata_file(name)))
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    return changed(name, PixelData=encapsulate([change(stream)]), **more)


def corrupt(name: str, start: int, **more: Any) -> Made:
    """Its bytes from a place on are turned over, the last two left."""
    return of_stream(
        name, lambda s: s[:start] + bytes(b ^ 0xFF for b in s[start:-2]) + s[-2:], **more
    )


def shortened(name: str, share: float) -> Made:
    return of_stream(name, lambda stream: stream[: int(share * len(stream))])


def after_uid(data: bytes, keyword: bytes, old: bytes, new: bytes) -> bytes:
    """Another value of the same length in an element, past what a writer would allow."""
    at = data.index(keyword)
    return data[:at] + data[at:].replace(old, new, 1)


def replaced(data: bytes, group: int, element: int, text: str) -> bytes:
    """A file with another UID, whatever it holds; past what a writer would allow."""
    head = struct.pack("<HH2s", group, element, b"UI")
    at = data.index(head)
    (length,) = struct.unpack_from("<H", data, at + 6)
    value = text.encode() + b"\0" * (len(text) % 2)
    return data[:at] + head + struct.pack("<H", len(value)) + value + data[at + 8 + length :]


def named(data: bytes, syntax: str) -> bytes:
    """A file that says it is in another transfer syntax."""
    changed = replaced(data, 2, 0x10, syntax)
    (length,) = struct.unpack_from("<I", data, 140)
    return changed[:140] + struct.pack("<I", length + len(changed) - len(data)) + changed[144:]


def uid(text: str) -> Made:
    """CT_small with another SOPInstanceUID."""
    return lambda _: replaced(fixture("CT_small.dcm"), 8, 0x18, text)


def preamble(start: bytes) -> Made:
    return raw(start.ljust(128, b"\0") + fixture("CT_small.dcm")[128:])


def zipped_text() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", b"x" * 300)
    return file.getvalue()


def dicomdir() -> bytes:
    data = fixture("dicomdirtests/DICOMDIR")
    named = b"77654033\\CR1\\6154"
    assert named in data
    return data.replace(named, b"..\\..\\..\\etc\\x".ljust(len(named)), 1)


ROWS_UL = DataElement(0x00280010, "UL", 128)
SHORT_PALETTE = DataElement(0x00281201, "OW", bytes(20))

# Row of the matrix, code, input. Where the matrix has another name, ADR 55 says why.
REFUSED: list[tuple[str, str, Made]] = [
    ("B1", "empty_file", bomb("empty.dcm")),
    ("B2", "no_dataset", bomb("preamble_only.dcm")),
    ("B3", "image_unsupported", raw(fixture("CT_small.dcm")[132:])),
    ("B4", "image_unsupported", raw(zipped_text())),
    ("B6", "decompression_limit", bomb("deflate_bomb_1GiB.dcm")),
    ("B6-cut", "truncated", raw(fixture("image_dfl.dcm")[:-200])),
    ("B7", "pixel_limit", bomb("rle_bomb_2GiB.dcm")),
    ("B8", "pixel_limit", bomb("huge_dims_rle.dcm")),
    ("B9", "pixel_length", bomb("huge_dims_native.dcm")),
    ("B10", "pixel_length", bomb("frames_2e31.dcm")),
    ("B11-vr", "bad_vr", changed(Rows=ROWS_UL)),
    ("B11-several", "bad_vr", changed(Rows=[128, 128])),
    ("B11-frames", "bad_vr", raw(after_uid(
        changed(NumberOfFrames=12)(Path()), struct.pack("<HH", 0x28, 8), b"12", b"1A"))),
    ("B12-zero", "bad_pixel_module", changed(Rows=0)),
    ("B12-absent", "missing_attribute", changed(Rows=None)),
    ("B13-seven", "bad_pixel_module", changed(BitsAllocated=7)),
    ("B13-sixty-four", "bad_pixel_module", changed(BitsAllocated=64)),
    ("B13-stored", "bad_pixel_module", changed(BitsStored=17)),
    ("B14-100", "nesting_limit", bomb("nest_100.dcm")),
    ("B14-300", "nesting_limit", bomb("nest_300.dcm")),
    ("B14-20000", "nesting_limit", bomb("nest_20000.dcm")),
    ("B15", "element_limit", bomb("1M_elements.dcm")),
    ("B16", "truncated", bomb("len_4GB_truncated.dcm")),
    ("B17", "truncated", bomb("undef_len_noend.dcm")),
    ("B20-letters", "bad_uid", uid("1.2.x")),
    ("B20-long", "bad_uid", uid("1." * 32 + "12")),
    ("B20-empty", "bad_uid", uid("")),
    ("B21", "unsupported_syntax", changed(syntax=PRIVATE)),
    ("B21-named", "unsupported_syntax", changed(syntax=JPEG_XL)),
    ("B23", "decode_failed", corrupt("MR_small_jp2klossless.dcm", 40)),
    ("B23-high", "decode_failed", corrupt("MR_small_jp2klossless.dcm", 40, syntax=HTJ2KLossless)),
    ("B23-cut", "decode_failed", shortened("MR_small_jp2klossless.dcm", 0.6)),
    ("B23-size", "decode_failed", changed("MR_small_jp2klossless.dcm", Rows=128)),
    ("B23-jpeg", "decode_failed", shortened("SC_rgb_jpeg_gdcm.dcm", 0.6)),
    ("B23-frames", "pixel_length", changed("examples_ybr_color.dcm", NumberOfFrames=31)),
    ("B24", "bad_lut", changed(
        "examples_palette.dcm", RedPaletteColorLookupTableData=SHORT_PALETTE)),
    ("B25-zero", "bad_rescale", changed(RescaleSlope=0)),
    ("B25-nan", "bad_rescale", changed(RescaleSlope="NaN")),
    ("B25-huge", "bad_rescale", changed(RescaleSlope="1e308", RescaleIntercept="1e308")),
    ("B25-window", "bad_rescale", changed(WindowCenter=1, WindowWidth=0)),
    ("B30", "uid_conflict", changed(PixelData=bytes(128 * 128 * 2))),
    ("B33", "dicomdir_refused", raw(dicomdir())),
    ("B34", "unsupported_sop", raw(fixture("test-SR.dcm"))),
    ("B35-document", "unsupported_sop", changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")),
    ("B35-video", "unsupported_sop", changed(syntax=MPEG4)),
]  # fmt: skip

SCRIPT = "<script>alert(1)</script>\x1b[31m^=cmd|' /C calc'!A0"
OTHER = "1.2.3.4"  # so that no two files are one

# Row, what is noted about it, input.
ACCEPTED: list[tuple[str, tuple[str, ...], Made]] = [
    ("B5-plain", (), changed()),
    ("B5-pe", ("preamble_cleared",), preamble(b"MZ")),
    ("B5-elf", ("preamble_cleared",), preamble(b"\x7fELF")),
    ("B5-html", ("preamble_cleared",), preamble(b"<html><script>alert(1)</script>")),
    ("B5-tiff", ("preamble_cleared",), preamble(b"II*\0")),
    ("B18", ("charset_unknown",), changed(
        "MR_small.dcm", SpecificCharacterSet="ISO_IR 999", PatientName="A\\B")),
    ("B19", ("duplicate_pixels",), changed(PatientName=SCRIPT, SOPInstanceUID=OTHER)),
    ("B22-big", (), changed("MR_small_bigendian.dcm")),
    ("B22-implicit", ("duplicate_pixels",), changed("MR_small_implicit.dcm", SOPInstanceUID="1.9")),
    ("B24-inverted", ("duplicate_pixels",), changed(
        PhotometricInterpretation="MONOCHROME1", SOPInstanceUID="1.5")),
    ("B29", ("date_odd", "age_odd", "duplicate_pixels"), changed(
        StudyDate="29991332", PatientAge="ABC", SOPInstanceUID="1.6")),
    ("B31", ("duplicate_pixels",), changed(SOPInstanceUID="1.2.3.4.5")),
    ("B36", ("burned_in", "duplicate_pixels"), changed(
        BurnedInAnnotation="YES", SOPInstanceUID="1.7")),
    ("deflated", (), changed("image_dfl.dcm")),
]  # fmt: skip
