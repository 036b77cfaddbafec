"""Is a DICOM file encoded as it says? Its elements are counted and measured, none is unpacked."""

import struct
import zlib
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from ml.imaging.picture import ImageError

MOST_ELEMENTS = 20_000  # at the top level
MOST_ELEMENTS_IN_ALL = 400_000  # with those in sequences; an item counts as four, as it costs
MOST_DEPTH = 32  # sequences within sequences; real files have ten at most
MOST_INFLATED = 256 * 1024**2  # bytes of a deflated data set
_ITEM_COSTS = 4
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_CHARACTER_SET = 0x00080005
_DEFLATED_UID = str(DeflatedExplicitVRLittleEndian).encode()
_PLAIN_UID = _DEFLATED_UID.removesuffix(b".99").ljust(len(_DEFLATED_UID), b"\0")


def inflated(data: bytes, start: int) -> bytes:
    """A deflated file as the same one without, before any library unpacks all of it.

    Args:
        data: the file.
        start: where its data set begins, behind the file meta information.

    Raises:
        ImageError: decompression_limit, truncated.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(memoryview(data)[start:], MOST_INFLATED + 1)
    except zlib.error as error:
        raise ImageError("truncated", f"The deflated data set is damaged: {error}.") from None
    if len(plain) > MOST_INFLATED:
        raise ImageError(
            "decompression_limit",
            f"The deflated data set unpacks to more than {MOST_INFLATED:,} bytes. "
            "Store it uncompressed.",
        )
    if not stream.eof:
        raise ImageError("truncated", "The deflated data set ends too early. Send it again.")
    # The new name is as long as the old one, so that all lengths before it stay right.
    return data[:start].replace(_DEFLATED_UID, _PLAIN_UID) + plain


@dataclass
class _Level:
    """A data set, or the items of a sequence, that is being walked."""

    end: int | None  # None: up to its delimiter
    items: bool
    implicit: bool
    fragments: bool = False  # items are bytes, not data sets


def check_encoding(data: bytes, start: int, syntax: str) -> None:
    """Walk over every element, also in sequences, without keeping any.

    pydicom trusts lengths, recurses into sequences and keeps silent about what is not there; so
    it is given only what this function has walked to the end.

    Args:
        data: the file, not deflated.
        start: where its data set begins.
        syntax: its transfer syntax.

    Raises:
        ImageError: truncated, element_limit, nesting_limit.

    Source:
        DICOM PS3.5, sections 7.1 and 7.5
    """
    _Walk(data, start, syntax).walk()


class _Walk:
    def __init__(self, data: bytes, start: int, syntax: str) -> None:
        self.data, self.at = data, start
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        self.tag_of = struct.Struct(f"{order}HH").unpack_from
        self.short = struct.Struct(f"{order}H").unpack_from
        self.long = struct.Struct(f"{order}I").unpack_from
        # As pydicom does: the first element says more than the name of the syntax.
        named = data[start + 4 : start + 6]
        implicit = syntax == ImplicitVRLittleEndian and not _is_vr(named)
        self.levels = [_Level(len(data), False, implicit)]
        self.elements = self.cost = 0

    def walk(self) -> None:
        while self.levels:
            level = self.levels[-1]
            if level.end is not None and self.at >= level.end:
                if self.at > level.end:
                    raise _truncated("An element is longer than the sequence that it is in.")
                self.levels.pop()
            elif self.at + 8 > len(self.data):
                if len(self.levels) > 1:
                    raise _truncated("A sequence or the compressed pixels have no end.")
                return  # less than an element: padding
            elif level.items:
                self._item(level)
            else:
                self._element(level)

    def _tag(self) -> int:
        group, element = self.tag_of(self.data, self.at)
        return int(group) << 16 | int(element)

    def _item(self, level: _Level) -> None:
        tag, length = self._tag(), int(self.long(self.data, self.at + 4)[0])
        self.at += 8
        if tag == _SEQUENCE_END and level.end is None:
            self.levels.pop()
            return
        if tag != _ITEM:
            raise _truncated("In a sequence there is something else than an item.")
        self._count(_ITEM_COSTS)
        if level.fragments:
            self._skip(length)
        elif length == _UNDEFINED:
            self.levels.append(_Level(None, False, level.implicit))
        else:
            self._fits(length)
            self.levels.append(_Level(self.at + length, False, level.implicit))

    def _element(self, level: _Level) -> None:
        tag = self._tag()
        if tag == _ITEM_END and level.end is None:
            self.at += 8
            self.levels.pop()
            return
        self._count(1)
        vr, implicit, length = self._header(tag, level.implicit)
        if vr == b"SQ" or (vr == b"UN" and length == _UNDEFINED):
            # An unknown of no length is a sequence in implicit encoding (PS3.5, 6.2.2).
            self._sequence(length, implicit or vr == b"UN")
        elif length == _UNDEFINED:
            self.levels.append(_Level(None, True, implicit, fragments=True))
        else:
            self._skip(length)

    def _header(self, tag: int, implicit: bool) -> tuple[bytes, bool, int]:
        """VR, whether it was written implicitly, length; the value comes next."""
        vr = self.data[self.at + 4 : self.at + 6]
        if implicit or not (b"AA" <= vr <= b"ZZ"):  # some writers switch within sequences
            length = int(self.long(self.data, self.at + 4)[0])
            self.at += 8
            return _vr_of(tag, length), True, length
        if vr not in _LONG:
            length = int(self.short(self.data, self.at + 6)[0])
            self.at += 8
            return vr, False, length
        if self.at + 12 > len(self.data):
            raise _truncated("The file ends within an element.")
        length = int(self.long(self.data, self.at + 8)[0])
        self.at += 12
        return vr, False, length

    def _sequence(self, length: int, implicit: bool) -> None:
        if len(self.levels) >= 2 * MOST_DEPTH:  # one level of items and one of elements each
            raise ImageError(
                "nesting_limit", f"Sequences are nested more than {MOST_DEPTH} deep in this file."
            )
        if length != _UNDEFINED:
            self._fits(length)
        end = None if length == _UNDEFINED else self.at + length
        self.levels.append(_Level(end, True, implicit))

    def _count(self, cost: int) -> None:
        self.cost += cost
        self.elements += len(self.levels) == 1
        if self.elements > MOST_ELEMENTS or self.cost > MOST_ELEMENTS_IN_ALL:
            raise ImageError(
                "element_limit",
                f"The file has more than {MOST_ELEMENTS:,} elements, or more than "
                f"{MOST_ELEMENTS_IN_ALL:,} in its sequences.",
            )

    def _fits(self, length: int) -> None:
        if self.at + length > len(self.data):
            raise _truncated(
                f"An element says that it has {length:,} bytes, {len(self.data) - self.at:,} are "
                "left in the file."
            )

    def _skip(self, length: int) -> None:
        self._fits(length)
        self.at += length


def _is_vr(two: bytes) -> bool:
    return len(two) == 2 and all(65 <= byte <= 90 for byte in two)


def _vr_of(tag: int, length: int) -> bytes:
    """What implicit encoding leaves to the dictionary; of its sequences alone it matters here."""
    try:
        return dictionary_VR(Tag(tag)).encode()
    except KeyError:
        return b"UN" if length == _UNDEFINED else b""


def _truncated(says: str) -> ImageError:
    return ImageError("truncated", f"The DICOM file is cut off or damaged. {says} Send it again.")
