"""Comments and application data inside compressed pictures: blanked in place, pixels untouched."""

JPEG = ("1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.6", "1.2.840.10008.1.2.4.7",
        "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")  # fmt: skip
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.92",
             "1.2.840.10008.1.2.4.93", "1.2.840.10008.1.2.4.20")  # fmt: skip
# What decoders read: JFIF's version and density, Adobe's and HP's transforms of colour.
_READ = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12), 0xE8: (b"mrfx", 5)}
_ALONE = {0x01, *range(0xD0, 0xD8)}
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_SOT, _SOD, _J2K_COM = 0x90, 0x93, 0x64


def blanked(frame: bytes, syntax: str) -> bytes:
    """The frame with zeros where text may stand: same length, same pixels.

    A JPEG is walked from marker to marker (ITU-T T.81 Annex B; JPEG-LS: T.87), a JPEG 2000
    codestream through its main header and the headers of its tile parts (T.800 Annex A). Other
    encodings have no place for text and stay as they are.
    """
    data = bytearray(frame)
    if syntax.startswith(JPEG):
        _jpeg(data)
    elif syntax.startswith(JPEG_2000):
        _jpeg_2000(data)
    return bytes(data)


def _zero(data: bytearray, start: int, end: int) -> None:
    end = min(end, len(data))
    if start < end:
        data[start:end] = bytes(end - start)


def _length(data: bytearray, at: int) -> int:
    return max(2, int.from_bytes(data[at : at + 2], "big"))


def _jpeg(data: bytearray) -> None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return  # damaged: its decoder will say so
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker == _EOI:
            break
        else:
            end = at + 2 + _length(data, at + 2)
            if marker == _COM or 0xE0 <= marker <= 0xEF:
                _application(data, marker, at + 4, end)
            at = _after_scan(data, end) if marker == _SOS else end
    _zero(data, at + 2, len(data))  # behind the end of the picture


def _application(data: bytearray, marker: int, start: int, end: int) -> None:
    """Blank a segment, but for what a decoder reads of it."""
    begins, kept = _READ.get(marker, (b"\0", 0))
    if kept and data[start:end].startswith(begins):
        start += kept
    _zero(data, start, end)


def _after_scan(data: bytearray, at: int) -> int:
    """Where the next marker is: in a scan FF is followed by a byte below 80, or by a restart."""
    while (at := data.find(0xFF, at)) >= 0 and at + 1 < len(data):
        following = data[at + 1]
        if following >= 0x80 and following not in _ALONE and following != 0xFF:
            return at
        at += 1
    return len(data)


def _jpeg_2000(data: bytearray) -> None:
    at = data.find(b"\xff\x4f\xff\x51")  # behind the boxes of a whole file, if there are any
    if at < 0:
        return
    at += 2
    part = part_end = 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _SOD:
            if part_end <= part:  # to the end of the codestream
                return
            at = part_end
            continue
        if marker == _EOI:
            _zero(data, at + 2, len(data))
            return
        end = at + 2 + _length(data, at + 2)
        if marker == _SOT:
            part, part_end = at, at + int.from_bytes(data[at + 6 : at + 10], "big")
        elif marker == _J2K_COM:
            _zero(data, at + 6, end)
        at = end
