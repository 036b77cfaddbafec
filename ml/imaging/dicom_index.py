"""What DICOMweb needs to know of one DICOM file: its names, its attributes, where its pixels lie.

Runs in the child of intake only. Whoever hands the file out later reads ranges and never parses.
"""

import io
import json
import re
import warnings
from typing import Any, cast

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragmented_frames
from pydicom.tag import BaseTag

from ml.estimate import JsonObject
from ml.imaging.picture import ImageError

MOST_INLINE = 1024  # bytes of base64 that stand in the attributes themselves
MOST_ELEMENT = 256 * 1024  # of JSON of one element
MOST_ATTRIBUTES = 1024 * 1024  # of JSON of all
PIXELS = 0x7FE00010
_GROUP_LENGTH = 0  # the element of a group that says how long it is: of no use to anybody
_PALETTE = {
    *(0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203),
    *(0x00281221, 0x00281222, 0x00281223),
}
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_ITEM = b"\xfe\xff\x00\xe0"


def indexed(data: bytes) -> JsonObject:
    """One row of the index.

    Args:
        data: a file in a little endian, explicit or compressed syntax, whose pixels were decoded.

    Returns:
        study, series, instance (UIDs), syntax, frames (number), pixels (offset and length in the
        file where they are native, else None), fragments (of each frame offsets and lengths, []
        where native), bulk (offset and length of every other value that is not in the attributes)
        and attributes (DICOM JSON, PS3.18 annex F, with BulkDataURI ``bulkdata/N`` by their place
        in ``bulk`` and ``bulkdata/pixels``).

    Raises:
        ImageError: ``no_uid`` where the file does not say who it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as where the file is first read
        dataset = pydicom.dcmread(io.BytesIO(data))
        bulk: list[tuple[int, int]] = []
        syntax = dataset.file_meta.TransferSyntaxUID
        frames = int(dataset.get("NumberOfFrames") or 1)
        start, value = dataset["PixelData"].file_tell or 0, dataset.PixelData
        if syntax.is_compressed:
            pixels, fragments = None, _fragments(data, start, value, frames)
        else:
            start = start if data[start : start + len(value)] == value else data.rindex(value)
            pixels, fragments = [start, len(value)], []
        attributes = _attributes(dataset, data, bulk)
        return cast(JsonObject, {
            "study": _uid(dataset, "StudyInstanceUID"),
            "series": _uid(dataset, "SeriesInstanceUID"),
            "instance": _uid(dataset, "SOPInstanceUID"),
            "syntax": str(syntax),
            "frames": frames,
            "pixels": pixels,
            "fragments": fragments,
            "bulk": [list(one) for one in bulk],
            "attributes": attributes,
        })  # fmt: skip


def _uid(dataset: Dataset, name: str) -> str:
    value = str(dataset.get(name) or "")
    if not _UID.fullmatch(value) or len(value) > 64:
        raise ImageError("no_uid", f"{name} is missing or no UID.")
    return value


def _fragments(data: bytes, start: int, value: bytes, frames: int) -> list[list[list[int]]]:
    """Of each frame the places of its fragments in the file."""
    if data[start : start + 4] != _ITEM:  # after the length, which some readers count in
        start = data.index(value[:64] if len(value) > 64 else value)
    at = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")  # behind the offsets
    found = []
    for parts in generate_fragmented_frames(value, number_of_frames=frames):
        places = []
        for part in parts:
            at += 8  # tag and length of the item
            if data[at : at + len(part)] != part:
                raise ImageError("decode_failed", "The frames do not lie where the file says.")
            places.append([at, len(part)])
            at += len(part)
        found.append(places)
    if len(found) != frames:
        raise ImageError("decode_failed", "The file has another number of frames than it says.")
    return found


def _attributes(dataset: Dataset, data: bytes, bulk: list[tuple[int, int]]) -> dict[str, Any]:
    """DICOM JSON of all that can be said in it; what cannot is left out."""
    found: dict[str, Any] = {}
    total = 0
    for tag in sorted(dataset.keys()):
        if tag == PIXELS or tag.element == _GROUP_LENGTH:
            continue
        said = _element(dataset, tag, data, bulk)
        if said is not None and total + said[1] <= MOST_ATTRIBUTES:
            found[f"{tag:08X}"] = said[0]
            total += said[1]
    found["7FE00010"] = {"vr": dataset["PixelData"].VR, "BulkDataURI": "bulkdata/pixels"}
    if not found.get("00080060", {}).get("Value"):
        found["00080060"] = {"vr": "CS", "Value": ["OT"]}
    if not found.get("00080016", {}).get("Value"):
        found["00080016"] = {"vr": "UI", "Value": [_SECONDARY_CAPTURE]}
    return dict(sorted(found.items()))


def _element(
    dataset: Dataset, tag: BaseTag, data: bytes, bulk: list[tuple[int, int]]
) -> tuple[dict[str, Any], int] | None:
    """The element and its size in JSON; None where it has no JSON, or too much of it."""
    before = len(bulk)

    def place(element: DataElement) -> str:
        at = data.find(element.value)  # wherever the same bytes lie, they are the value
        if at < 0:
            raise ValueError("the value is not in the file as it is")
        bulk.append((at, len(element.value)))
        return f"bulkdata/{len(bulk) - 1}"

    try:
        most = MOST_ELEMENT if tag in _PALETTE else MOST_INLINE
        said = dataset[tag].to_json_dict(place, most)
        size = len(json.dumps(said, allow_nan=False))
    except Exception:  # pydicom raises whatever its values stumble on
        said, size = {}, MOST_ELEMENT + 1
    if size <= MOST_ELEMENT:
        return said, size
    del bulk[before:]
    return None
