"""A checkpoint of ``torch.save`` read by a small machine of our own: tensors out, nothing run.

The pickle inside is taken apart opcode by opcode. Only plain containers, numbers, texts, storages
and the two functions that put tensors together are known, and even these are never called: they
become descriptions, and the numbers are read from the zip as an archive's are. Everything else is
refused before anything of it could happen.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ml.intake.folder import is_zip
from ml.intake.pt2_archive import Archive, open_archive
from ml.intake.pt2_weights import MOST_BYTES, strided
from ml.intake.refusal import Refused, refuse
from ml.intake.schema import Malformed
from ml.program.graph import Array

MOST_PICKLE = 64 * 1024**2
MOST_OPCODES = 2_000_000
MOST_HELD = 200_000  # of the stack, and of the memo
MOST_TENSORS = 100_000
_DTYPES = {
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Long": "<i8",
    "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?",
}  # fmt: skip
_STATES = ("state_dict", "model_state_dict", "model", "network", "net")
_TENSOR, _PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
_ORDERED = "collections OrderedDict"
_GLOBALS = {_TENSOR, _PARAMETER, _ORDERED} | {f"torch {name}Storage" for name in _DTYPES}
_HOW = (
    "Save the weights alone, as safetensors: "
    'safetensors.torch.save_model(model, "model.safetensors").'
)


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str  # of _DTYPES
    key: str


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Mark:
    pass


class _Foreign(Exception):
    """Something that is no plain tensor, container or number; the text says what."""


def read_checkpoint(path: Path, *, file: str | None = None) -> tuple[dict[str, Array], list[str]]:
    """The tensors of a checkpoint by name, and sentences on where in it they were.

    Args:
        path: the file, a zip as torch writes it since version 1.6.
        file: what to call it in a refusal; absent: its name.

    Raises:
        Refused: archive_*, model_corrupt, model_limit or pickle_refused; whatever the bytes are,
            nothing else is raised, and no code of the file is run.
    """
    name = file or path.name
    if not is_zip(path):
        raise refuse(
            "pickle_refused",
            "Checkpoints are read as torch has written them since version 1.6, as a zip; this is "
            f"none, and whatever it is can run code. {_HOW}",
            file=name,
        )
    with open_archive(path, name) as archive:
        try:
            return _read(archive)
        except _Foreign as foreign:
            raise refuse(
                "pickle_refused",
                f"The checkpoint holds {foreign}; only tensors in dictionaries are read, because "
                f"anything else can run code. {_HOW}",
                file=name,
            ) from None
        except (Malformed, ValueError, IndexError, TypeError, OverflowError) as error:
            raise refuse(
                "model_corrupt",
                f"This is no sound checkpoint of torch.save: {str(error)[:200]}. {_HOW}",
                file=name,
            ) from None


def _read(archive: Archive) -> tuple[dict[str, Array], list[str]]:
    if archive.has("constants.pkl"):
        raise _Foreign("a TorchScript program")
    if archive.has("byteorder") and archive.read("byteorder", 16) != b"little":
        raise Malformed("its numbers are not little-endian")
    found, notes = _state(_Machine(archive.name).run(archive.read("data.pkl", MOST_PICKLE)))
    if len(found) > MOST_TENSORS:
        raise _limit(archive.name, f"over {MOST_TENSORS:,} tensors")
    records: dict[str, bytes] = {}
    arrays, total = {}, 0
    for name, tensor in found.items():
        key = tensor.storage.key
        if key not in records:
            records[key] = archive.read(f"data/{key}", MOST_BYTES)
        kind = np.dtype(_DTYPES[tensor.storage.kind])
        array = strided(records[key], kind, tensor.sizes, tensor.strides, tensor.offset, name[:80])
        if tensor.storage.kind == "BFloat16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        total += array.nbytes
        if total > MOST_BYTES:  # views of one storage may add up to anything
            raise _limit(archive.name, f"over {MOST_BYTES:,} bytes")
        arrays[name] = array
    return arrays, notes


def _limit(file: str, what: str) -> Refused:
    return refuse("model_limit", f"The tensors of the checkpoint are {what}.", file=file)


def _state(value: Any) -> tuple[dict[str, _Tensor], list[str]]:
    """The dictionary of tensors: the whole, or the only one of the usual names below it."""
    if not isinstance(value, dict):
        raise _Foreign("no dictionary")
    if _is_state(value):
        return value, []
    inside = [key for key in _STATES if _is_state(value.get(key))]
    if len(inside) != 1:
        raise _Foreign("no dictionary of tensors, or several")
    return value[inside[0]], [f"The weights are those under {inside[0]!r} of the checkpoint."]


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(one, _Tensor) for key, one in value.items())
    )


@dataclass
class _Machine:
    """Takes a pickle apart. Its values are Python's plain ones and the descriptions above."""

    file: str
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, data: bytes) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count >= MOST_OPCODES or max(len(self.stack), len(self.memo)) > MOST_HELD:
                raise _limit(self.file, "described by a pickle without end")
            if opcode.name == "STOP":
                break
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name]())
            elif opcode.name in _GIVEN:
                self.stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise _Foreign(f"an object that is made by {opcode.name}")
        if len(self.stack) != 1:
            raise Malformed("its pickle ends in the middle")
        return self.stack[0]

    def pop(self) -> Any:
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise Malformed("its pickle takes more than there is")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        found = []
        while self.stack and not isinstance(self.stack[-1], _Mark):
            found.append(self.stack.pop())
        if not self.stack:
            raise Malformed("its pickle lacks a mark")
        self.stack.pop()
        return found[::-1]

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Malformed("its pickle adds to what is no container")
        return self.stack[-1]

    def take_tuple(self, count: int) -> None:
        parts = [self.pop() for _ in range(count)]
        self.stack.append(tuple(parts[::-1]))

    def set_items(self, items: list[Any]) -> None:
        whole = self.top(dict)
        if len(items) % 2:
            raise Malformed("its pickle sets a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise _Foreign("a dictionary whose keys are no names")
            whole[key] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def remember(self, place: int | None) -> None:
        if not self.stack:
            raise Malformed("its pickle remembers nothing")
        self.memo[len(self.memo) if place is None else int(place)] = self.stack[-1]

    def recall(self, place: int) -> None:
        if int(place) not in self.memo:
            raise Malformed("its pickle recalls what was not remembered")
        self.stack.append(self.memo[int(place)])

    def find(self, name: str) -> None:
        if name not in _GLOBALS:
            raise _Foreign(f"{name.replace(' ', '.')[:120]!r}")
        self.stack.append(_Global(name))

    def find_on_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Malformed("its pickle names something by what is no text")
        self.find(f"{module} {name}")

    def storage(self) -> None:
        said = self.pop()
        if not (isinstance(said, tuple) and len(said) == 5 and said[0] == "storage"):
            raise _Foreign("a reference to something outside")
        kind, key = said[1], said[2]
        known = isinstance(kind, _Global) and kind.name.endswith("Storage")
        if not known or not isinstance(key, str) or not key.isascii() or not key.isalnum():
            raise _Foreign("a storage that is none of torch's")
        self.stack.append(_Storage(kind.name.removeprefix("torch ").removesuffix("Storage"), key))

    def put_together(self) -> None:
        """What pickle would do by calling: here a description comes out."""
        given, function = self.pop(), self.pop()
        name = function.name if isinstance(function, _Global) else ""
        if not isinstance(given, tuple):
            raise Malformed("its pickle calls without arguments")
        if name == _ORDERED and not given:
            self.stack.append({})
        elif name == _TENSOR and len(given) >= 6:
            self.stack.append(_tensor(*given[:4]))
        elif name == _PARAMETER and given and isinstance(given[0], _Tensor):
            self.stack.append(given[0])
        else:
            raise _Foreign("a call of something that is no tensor")

    def set_state(self) -> None:
        """Attributes of a dictionary: torch keeps versions of modules there, which say nothing."""
        self.pop()
        self.top(dict)


def _tensor(storage: Any, offset: Any, sizes: Any, strides: Any) -> _Tensor:
    whole = [*sizes, *strides] if isinstance(sizes, tuple) and isinstance(strides, tuple) else [""]
    if not isinstance(storage, _Storage) or any(type(one) is not int for one in [offset, *whole]):
        raise Malformed("a tensor without storage, or of no shape")
    return _Tensor(storage, offset, sizes, strides)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "MARK": _Mark,
}  # fmt: skip
_GIVEN = {
    "BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
}  # fmt: skip
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, argument: None,
    "FRAME": lambda machine, argument: None,
    "TUPLE": lambda machine, argument: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, argument: machine.take_tuple(1),
    "TUPLE2": lambda machine, argument: machine.take_tuple(2),
    "TUPLE3": lambda machine, argument: machine.take_tuple(3),
    "SETITEM": lambda machine, argument: machine.set_item(),
    "SETITEMS": lambda machine, argument: machine.set_items(machine.pop_to_mark()),
    "APPEND": lambda machine, argument: machine.append([machine.pop()]),
    "APPENDS": lambda machine, argument: machine.append(machine.pop_to_mark()),
    "BINPUT": lambda machine, argument: machine.remember(argument),
    "LONG_BINPUT": lambda machine, argument: machine.remember(argument),
    "MEMOIZE": lambda machine, argument: machine.remember(None),
    "BINGET": lambda machine, argument: machine.recall(argument),
    "LONG_BINGET": lambda machine, argument: machine.recall(argument),
    "GLOBAL": lambda machine, argument: machine.find(argument),
    "STACK_GLOBAL": lambda machine, argument: machine.find_on_stack(),
    "BINPERSID": lambda machine, argument: machine.storage(),
    "REDUCE": lambda machine, argument: machine.put_together(),
    "BUILD": lambda machine, argument: machine.set_state(),
}
