"""The Open Inference Protocol, version 2: what is sent, and what may come back.

https://github.com/kserve/open-inference-protocol (HTTP/REST), with Triton's extension for binary
tensors. Answers are a stranger's: everything is held against what was asked for. No numpy, so
that the process that speaks to the network starts fast and is small.
"""

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.endpoint.connection import Answer
from ml.endpoint.problem import EndpointError

BINARY_HEADER = "Inference-Header-Content-Length"
HEAD_BYTES = 1 << 16  # of an answer, besides its numbers
NUMBER_BYTES = 64  # of one number as text, generously
_MOST_TENSORS, _MOST_VERSIONS, _MOST_SIDES = 20, 100, 8
_WORD = re.compile(r"[A-Za-z0-9_./:+ ()-]{1,120}")
_FORMATS = {"FP16": "e", "FP32": "f", "FP64": "d"}
DATATYPES = ("FP32", "FP16", "FP64", "UINT8")


@dataclass(frozen=True)
class Outputs:
    shape: tuple[int, ...]
    values: bytes  # float64, little-endian, row by row
    version: str  # of the model, as the answer states it; empty where it does not


def request_body(
    cases: bytes, shape: Sequence[int], *, tensor: str, output: str, datatype: str, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """The body of an inference request, and its headers.

    Args:
        cases: float32, little-endian, prod(shape) of them.
        shape: (n, ...) of the cases.
        tensor, output: names of the input and the output.
        datatype: of the input, one of ``DATATYPES``; UINT8 is rounded and cut to 0..255.
        binary: numbers follow the JSON as bytes.

    Example:
        >>> body, _ = request_body(
        ...     struct.pack("<2f", 0.5, 1), (1, 2),
        ...     tensor="image", output="scores", datatype="FP32", binary=False,
        ... )
        >>> json.loads(body)["inputs"][0]["data"]
        [0.5, 1.0]
    """
    numbers = struct.unpack(f"<{math.prod(shape)}f", cases)
    sent: dict[str, Any] = {"name": tensor, "shape": list(shape), "datatype": datatype}
    wanted: dict[str, Any] = {"name": output}
    if not binary:
        sent["data"] = _as_bytes(numbers) if datatype == "UINT8" else numbers
        head = json.dumps({"inputs": [sent], "outputs": [wanted]}, allow_nan=False).encode()
        return head, {"Content-Type": "application/json"}
    raw = _packed(numbers, datatype)
    sent["parameters"] = {"binary_data_size": len(raw)}
    wanted["parameters"] = {"binary_data": True}
    head = json.dumps({"inputs": [sent], "outputs": [wanted]}).encode()
    headers = {"Content-Type": "application/octet-stream", BINARY_HEADER: str(len(head))}
    return head + raw, headers


def _as_bytes(numbers: Sequence[float]) -> list[int]:
    return [min(255, max(0, round(number))) for number in numbers]


def _packed(numbers: Sequence[float], datatype: str) -> bytes:
    if datatype == "UINT8":
        return bytes(_as_bytes(numbers))
    try:
        return struct.pack(f"<{len(numbers)}{_FORMATS[datatype]}", *numbers)
    except OverflowError:
        raise EndpointError(
            "endpoint_refused", "The prepared pictures hold numbers too large for FP16."
        ) from None


def most_bytes(numbers: int) -> int:
    """The bytes that an answer with so many numbers can have."""
    return HEAD_BYTES + numbers * NUMBER_BYTES


def read_outputs(answer: Answer, *, model: str, output: str, shape: Sequence[int]) -> Outputs:
    """The numbers of an inference answer.

    Args:
        answer: with status 200.
        model: that was asked.
        output: name of the tensor that was asked for.
        shape: (n, k) that it must hold, whatever axes of length 1 lie between.

    Raises:
        EndpointError: endpoint_protocol, endpoint_changed.
    """
    head, raw = _head(answer)
    if head.get("model_name") != model:
        raise EndpointError("endpoint_changed", "Its answer is of another model than was asked.")
    tensors = _tensors(head, "outputs")
    found = [
        (tensor, piece) for tensor, piece in _with_raw(tensors, raw) if tensor["name"] == output
    ]
    if len(found) != 1:
        raise _broken(f"it gives the output '{output}' {len(found)} times")
    tensor, piece = found[0]
    sides, n = tensor["shape"], math.prod(shape)
    if sides[:1] != [shape[0]] or math.prod(sides) != n:
        raise _broken(
            f"the output has the shape {sides}, {list(shape)} was declared by the classes"
        )
    if tensor["datatype"] not in _FORMATS:
        raise _broken("the output is not of the datatypes FP16, FP32 and FP64")
    values = _numbers(tensor, n) if piece is None else _unpacked(piece, tensor["datatype"], n)
    return Outputs(tuple(sides), struct.pack(f"<{n}d", *values), _version(head))


def _head(answer: Answer) -> tuple[dict[str, Any], bytes | None]:
    """The JSON of an answer, and what follows it as bytes."""
    length = answer.headers.get(BINARY_HEADER.lower())
    if length is None:
        return _json(answer.body), None
    if not length.isascii() or not length.isdigit() or len(length) > 9:
        raise _broken("it names no length of its head")
    if int(length) > len(answer.body):
        raise _broken("its head is longer than all of it")
    return _json(answer.body[: int(length)]), answer.body[int(length) :]


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _broken("it is no JSON") from None
    if not isinstance(value, dict):
        raise _broken("it is no JSON object")
    return value


def _tensors(head: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Name, datatype and shape of the tensors of an answer, as far as they are such."""
    listed = head.get(key)
    if not isinstance(listed, list) or len(listed) > _MOST_TENSORS:
        raise _broken(f"'{key}' is no list of tensors")
    for tensor in listed:
        sides = tensor.get("shape") if isinstance(tensor, dict) else None
        whole = isinstance(sides, list) and len(sides) <= _MOST_SIDES
        if not whole or not all(type(side) is int and -1 <= side < 2**31 for side in sides or []):
            raise _broken(f"a tensor of '{key}' has no shape")
        for field in ("name", "datatype"):
            if not _is_word(tensor.get(field)):
                raise _broken(f"a tensor of '{key}' has no {field}")
    return listed


def _with_raw(
    tensors: Sequence[dict[str, Any]], raw: bytes | None
) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    """Each tensor with its bytes, where it has any; all bytes must be somebody's."""
    rest = raw or b""
    for tensor in tensors:
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            yield tensor, None
            continue
        if type(size) is not int or not 0 <= size <= len(rest):
            raise _broken("an output has another size than it says")
        yield tensor, rest[:size]
        rest = rest[size:]
    if rest:
        raise _broken("bytes are left over")


def _numbers(tensor: Mapping[str, Any], n: int) -> list[float]:
    """The n numbers of ``data``, which may be nested in rows or flat."""
    found: list[float] = []
    waiting = [tensor.get("data")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif type(value) is int or type(value) is float:
            found.append(_float(value))
        else:
            raise _broken("the output holds something that is no number")
    if len(found) != n:
        raise _broken(f"the output has {len(found)} numbers, its shape says {n}")
    return found


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _unpacked(piece: bytes, datatype: str, n: int) -> Sequence[float]:
    form = f"<{n}{_FORMATS[datatype]}"
    if len(piece) != struct.calcsize(form):
        raise _broken("the output has another number of bytes than its shape says")
    return struct.unpack(form, piece)


def _version(head: Mapping[str, Any]) -> str:
    stated = head.get("model_version")
    if stated is None or stated == "":
        return ""
    if not _is_word(stated):
        raise _broken("its model_version is no version")
    return str(stated)


def read_metadata(answer: Answer, *, model: str) -> dict[str, Any]:
    """What a server says of a model: platform, versions, inputs, outputs; nothing else is kept.

    Raises:
        EndpointError: endpoint_protocol, endpoint_changed.
    """
    value = _json(answer.body)
    if value.get("name") != model:
        raise EndpointError("endpoint_changed", "Its metadata is of another model than was asked.")
    versions = value.get("versions") or []
    if not isinstance(versions, list) or len(versions) > _MOST_VERSIONS:
        raise _broken("'versions' is no list")
    if not all(_is_word(version) for version in versions):
        raise _broken("'versions' holds something that is no version")
    tensors = {
        key: [
            {"name": one["name"], "datatype": one["datatype"], "shape": one["shape"]}
            for one in _tensors({key: value.get(key) or []}, key)
        ]
        for key in ("inputs", "outputs")
    }
    platform = value.get("platform")
    platform = platform if _is_word(platform) else ""
    return {"platform": platform, "versions": versions, **tensors}


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _broken(what: str) -> EndpointError:
    return EndpointError("endpoint_protocol", f"Its answer cannot be used: {what}.")
