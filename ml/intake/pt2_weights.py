"""The weights of a torch.export archive: raw little-endian numbers with sizes and strides."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.intake.pt2_archive import Archive
from ml.intake.pt2_types import dtype_of
from ml.intake.refusal import refuse
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Array

MOST_BYTES = 4 * 1024**3  # of one stored record
_FOLDERS = (
    ("data/weights", "data/weights/model_weights_config.json"),
    ("data/constants", "data/constants/model_constants_config.json"),
)


def read_weights(archive: Archive) -> dict[str, Array]:
    """Every stored tensor by the name it has in the module.

    Raises:
        Refused: pickle_refused, model_limit, and as ``Archive.read``.
        Malformed: sizes and strides that reach outside what is stored.
    """
    found: dict[str, Array] = {}
    records: dict[str, bytes] = {}
    for folder, config in _FOLDERS:
        if not archive.has(config):
            continue
        for name, entry in Entry.of(archive.json(config), config)["config"].pairs():
            pickled = entry.get("use_pickle")
            if pickled is not None and pickled.boolean():
                raise refuse(
                    "pickle_refused",
                    "A weight of the archive is a pickle, which can run code. Export plain "
                    "tensors: move subclasses to torch.Tensor first.",
                    file=archive.name,
                )
            path = f"{folder}/{entry['path_name'].text()}"
            if path not in records:
                records[path] = archive.read(path, MOST_BYTES)
            found[name] = _tensor(records[path], entry["tensor_meta"])
    return found


def _tensor(record: bytes, meta: Entry) -> Array:
    kind = np.dtype(dtype_of(meta["dtype"])).newbyteorder("<")
    sizes, strides = ([_whole(size) for size in meta[key].items()] for key in ("sizes", "strides"))
    return strided(record, kind, sizes, strides, _whole(meta["storage_offset"]), meta.where)


def strided(
    record: bytes, kind: np.dtype[Any], sizes: Sequence[int], strides: Sequence[int], offset: int,
    where: str,
) -> Array:  # fmt: skip
    """A tensor out of stored numbers, held against what is stored before it is looked at.

    Args:
        record: the bytes of one storage.
        kind: of its numbers, little-endian.
        sizes, strides, offset: of the tensor, in numbers.
        where: what to call it in an error.

    Raises:
        Malformed: sizes and strides that reach outside, or repeat what is stored.
    """
    if len(sizes) != len(strides) or len(sizes) > 8 or min([offset, *sizes, *strides]) < 0:
        raise Malformed(f"{where} has {len(sizes)} sizes and {len(strides)} strides")
    held = len(record) // kind.itemsize
    reach = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if 0 not in sizes and reach >= held:
        raise Malformed(f"{where} reaches beyond the {held:,} numbers stored")
    if math.prod(sizes) > max(held, 1):
        raise Malformed(f"{where} repeats the numbers stored")
    flat = np.frombuffer(record, kind, count=held)
    if 0 in sizes:
        return np.zeros(sizes, kind.newbyteorder("="))
    steps = [stride * kind.itemsize for stride in strides]
    seen = np.lib.stride_tricks.as_strided(flat[offset:], sizes, steps, writeable=False)
    return np.ascontiguousarray(seen).astype(kind.newbyteorder("="), copy=False).reshape(sizes)


def _whole(entry: Entry) -> int:
    how, value = entry.only()
    size = value.integer() if how == "as_int" else -1
    if size < 0:
        raise Malformed(f"{entry.where} is no size")
    return size
