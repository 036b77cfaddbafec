"""safetensors files, read and written by ourselves: a JSON header of a stated length, then numbers.

The reading is our own because every check has to be ours: what lies where is held against the file
before a single number is read, and torch is not needed for it. The package `safetensors` is the
peer in the tests.

Source:
    https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.intake.refusal import refuse
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Array

MOST_HEADER = 16 * 1024**2  # bytes
MOST_TENSORS = 100_000
MOST_DIMENSIONS = 8
_METADATA = "__metadata__"
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """Tensors by name, and what the file says of itself. bfloat16 becomes float32, exactly."""

    tensors: Mapping[str, Array]
    metadata: Mapping[str, str]


def read_safetensors(path: Path, *, file: str | None = None) -> Stored:
    """Every tensor of a safetensors file.

    Args:
        path: the file.
        file: what to call it in a refusal; absent: its name.

    Raises:
        Refused: model_corrupt, model_limit or format_unsupported (a type of numbers that is not
            read); whatever the bytes are, nothing else is raised.
    """
    name = file or path.name
    data = path.read_bytes()
    try:
        return _read(data, name)
    except Malformed as error:
        raise refuse(
            "model_corrupt",
            f"This is no sound safetensors file: {str(error)[:300]}. Save the weights again.",
            file=name,
        ) from None


def write_safetensors(
    path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors so that equal tensors give equal bytes: wide numbers first, then by name."""
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    at = 0
    for name in order:
        array = tensors[name]
        header[name] = {
            "dtype": _NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            little = tensors[name].dtype.newbyteorder("<")
            file.write(np.ascontiguousarray(tensors[name], little).tobytes())


def _read(data: bytes, file: str) -> Stored:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise Malformed("the header is longer than the file")
    if length > MOST_HEADER:
        raise refuse(
            "model_limit", f"The header has {length:,} bytes; {MOST_HEADER:,} are read.", file=file
        )
    header = Entry.of(_json(data[8 : 8 + length]), "header")
    body = memoryview(data)[8 + length :]
    entries = dict(header.pairs())
    metadata = entries.pop(_METADATA, None)
    if len(entries) > MOST_TENSORS:
        raise refuse(
            "model_limit", f"The file holds {len(entries):,} tensors; {MOST_TENSORS:,} are read.",
            file=file,
        )  # fmt: skip
    places = [_place(name, entry, file) for name, entry in entries.items()]
    at = 0
    for place in sorted(places, key=lambda one: (one.start, one.end)):
        if place.start != at:
            raise Malformed(f"{place.where} leaves a gap, or shares bytes with another tensor")
        at = place.end
    if at != len(body):
        raise Malformed(f"the tensors take {at:,} bytes, and {len(body):,} are stored")
    said = {} if metadata is None else {key: one.text() for key, one in metadata.pairs()}
    return Stored({place.name: place.read(body) for place in places}, said)


@dataclass(frozen=True)
class _Place:
    name: str
    where: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    def read(self, body: memoryview) -> Array:
        kind = np.dtype(_DTYPES[self.dtype])
        flat: Array = np.frombuffer(body[self.start : self.end], kind)
        if self.dtype == "BF16":  # the upper half of a float32
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        elif self.dtype == "BOOL":
            flat = flat != 0
        return flat.astype(flat.dtype.newbyteorder("="), copy=False).reshape(self.shape)


def _place(name: str, entry: Entry, file: str) -> _Place:
    dtype = entry["dtype"].text()
    if dtype not in _DTYPES:
        raise refuse(
            "format_unsupported",
            f"{entry.where[:120]} has numbers of the type {dtype[:20]!r}; {', '.join(_DTYPES)} are "
            "read.",
            file=file,
        )
    shape = tuple(size.integer() for size in entry["shape"].items())
    offsets = [offset.integer() for offset in entry["data_offsets"].items()]
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise Malformed(f"{entry.where}.shape is no shape")
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
        raise Malformed(f"{entry.where}.data_offsets is no range")
    needed = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != needed:
        raise Malformed(f"{entry.where} needs {needed:,} bytes and has another number")
    return _Place(name, entry.where, dtype, shape, offsets[0], offsets[1])


def _json(text: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise Malformed("a name is in the header twice")
        return dict(pairs)

    def no_number(word: str) -> None:
        raise Malformed(f"{word} is in the header")

    if not text.startswith(b"{"):
        raise Malformed("the header is no JSON object")
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=once, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise Malformed("the header is no JSON") from None
