"""How large a compressed picture says itself that it is, told without decoding it."""

import struct
from typing import NamedTuple

_SIZ = b"\xff\x4f\xff\x51"  # how every JPEG 2000 codestream begins
_JP2 = b"\x00\x00\x00\x0cjP  "
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic conditioning
_JPEG_LS = 0xF7
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


class Size(NamedTuple):
    rows: int
    columns: int
    samples: int  # components


def size_of(stream: bytes) -> Size | None:
    """Rows, columns and components of a JPEG, JPEG-LS or JPEG 2000 stream; None where it is none.

    Decoders allocate by these numbers, whatever the DICOM header around them says.

    Example:
        >>> size_of(bytes.fromhex("ffd8 ffc0 000b 08 0010 0020 01 011100"))
        Size(rows=16, columns=32, samples=1)
        >>> size_of(b"something else") is None
        True

    Source:
        ITU-T T.81, B.2.2 (JPEG); T.87, C.2.2 (JPEG-LS); T.800, A.5.1 (JPEG 2000)
    """
    try:
        if stream.startswith(_JP2):
            return _jpeg_2000(stream[_codestream_at(stream) :])
        return _jpeg_2000(stream) if stream.startswith(_SIZ) else _jpeg(stream)
    except (struct.error, IndexError):
        return None


def _codestream_at(stream: bytes) -> int:
    """Where the codestream of a JP2 file begins."""
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", stream, at)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", stream, at + 8), 16
        if kind == b"jp2c":
            return at + head
        if length < head:
            raise IndexError
        at += length


def _jpeg_2000(stream: bytes) -> Size | None:
    if not stream.startswith(_SIZ):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    (samples,) = struct.unpack_from(">H", stream, 40)
    return Size(bottom - top, right - left, samples)


def _jpeg(stream: bytes) -> Size | None:
    if not stream.startswith(b"\xff\xd8"):
        return None
    at = 2
    while True:
        if stream[at] != 0xFF:
            return None
        marker = stream[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker in _ALONE:
            at += 2
        elif (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME) or marker == _JPEG_LS:
            rows, columns, samples = struct.unpack_from(">HHB", stream, at + 5)
            return Size(rows, columns, samples)
        else:
            at += 2 + struct.unpack_from(">H", stream, at + 2)[0]
