"""The operations a network may consist of: nothing else is ever called.

``operations.txt`` holds their signatures as torch writes them, one to a line. A file names an
operation only by looking it up here; nothing is resolved from a name that a file brings.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LINE = re.compile(r"aten::(?P<name>[\w.]+)\((?P<inputs>.*)\) -> (?P<outputs>.+)")
_ALIASES = re.compile(r"(?<=Tensor)\([a-z!>\- |*]+\)")  # which memory is looked at: "(a -> *)"
_PARTS = re.compile(r", (?![^\[]*\])")
# Of where and how a tensor is kept the walk decides, not the file.
_OF_STORAGE = {"layout", "device", "pin_memory", "memory_format", "non_blocking"}
DROPOUTS = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}
# The result may share memory with the first argument.
VIEWS = {
    "alias", "chunk", "contiguous", "detach", "expand", "expand_as", "flatten.using_ints",
    "movedim.int", "movedim.intlist", "narrow", "permute", "reshape", "select.int", "slice.Tensor",
    "split.Tensor", "split_with_sizes", "squeeze", "squeeze.dim", "squeeze.dims", "swapaxes", "t",
    "to.device", "to.dtype", "to.dtype_layout", "transpose.int", "type_as", "unbind.int",
    "unflatten.int", "unfold", "unsqueeze", "view", "_unsafe_view",
}  # fmt: skip


# Python's own operators, which torch writes where sizes are computed with.
_OF_SIZES = {
    "_operator.add": "add.int", "_operator.sub": "sub.int", "_operator.mul": "mul.int",
    "_operator.floordiv": "floordiv.int", "_operator.mod": "remainder.int",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One argument of an operation.

    Attributes:
        kind: "tensor", "tensors", "int", "ints", "float", "floats", "number", "bool", "str" or
            "dtype".
        optional: None is allowed.
        required: it has no default.
        keyword: it is given by name only.
    """

    name: str
    kind: str
    optional: bool
    required: bool
    keyword: bool


@dataclass(frozen=True)
class Operation:
    """An allowed operation: name and overload ("conv2d", "add.Tensor"), and what it takes."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str  # "tensor", "tensors", "int" or several tensors: "tensor tensor"

    @property
    def base(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_dropout(self) -> bool:
        return self.base in DROPOUTS


@cache
def allowed() -> dict[str, Operation]:
    """Every allowed operation by its name.

    Example:
        >>> [one.name for one in allowed()["linear"].parameters]
        ['input', 'weight', 'bias']
    """
    lines = Path(__file__).with_name("operations.txt").read_text("utf-8").splitlines()
    return {one.name: one for one in map(signature, lines)}


def named(target: str) -> tuple[Operation, bool] | None:
    """The operation that a file calls ``torch.ops.aten.NAME.OVERLOAD``, and whether in place.

    Example:
        >>> found = named("torch.ops.aten.relu_.default")
        >>> found[0].name, found[1], named("torch.ops.aten.from_file.default"), named("os.system")
        ('relu', True, None, None)
    """
    if target in _OF_SIZES:
        return allowed()[_OF_SIZES[target]], False
    prefix = "torch.ops.aten."
    if not target.startswith(prefix):
        return None
    name = target.removeprefix(prefix).removesuffix(".default")
    if name in allowed():
        return allowed()[name], False
    base, dot, overload = name.partition(".")
    found = allowed().get(base.removesuffix("_") + dot + overload) if base.endswith("_") else None
    return None if found is None else (found, True)


def signature(line: str) -> Operation:
    """An operation from the line that torch writes of it; only our own lines come here."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a signature: {line!r}")
    keyword, parameters = False, []
    for part in filter(None, _PARTS.split(_ALIASES.sub("", match["inputs"]))):
        if part == "*":
            keyword = True
            continue
        kind, _, rest = part.partition(" ")
        name, equals, _ = rest.partition("=")
        if name not in _OF_STORAGE:
            parameters.append(Parameter(name, _kind(kind), kind.endswith("?"), not equals, keyword))
    outputs = _PARTS.split(_ALIASES.sub("", match["outputs"]).strip("()"))
    returns = " ".join(_kind(part.split(" ")[0]) for part in outputs)
    return Operation(match["name"], tuple(parameters), returns)


def _kind(text: str) -> str:
    plain = text.replace("?", "")
    many = "[" in plain
    base = plain.partition("[")[0]
    one = {"Tensor": "tensor", "SymInt": "int", "Scalar": "number", "ScalarType": "dtype"}.get(
        base, base
    )
    return one + ("s" if many else "")
