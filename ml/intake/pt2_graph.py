"""The nodes of a torch.export graph, each held against the signature of an allowed operation."""

from collections.abc import Mapping

from ml.intake.pt2_types import DTYPES
from ml.intake.refusal import refuse
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Argument, Dtype, Node, Ref
from ml.program.operations import VIEWS, Operation, Parameter, named

MOST_NODES = 100_000
_IGNORED = ("torch.ops.aten.sym_constrain_range", "torch.ops.aten._assert", "_operator.")


def read_nodes(entries: Entry, file: str) -> tuple[tuple[Node, ...], Mapping[str, str]]:
    """The nodes in order, and what in-place results are called from then on.

    An operation in place becomes its plain form: whoever reads the old name afterwards is given
    the new one. Where another view of the same memory is read later, that would be wrong, and
    the network is refused.

    Raises:
        Refused: custom_op (an operation that is not allowed), model_limit.
        Malformed: arguments that the operation does not take.
    """
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    for entry in entries.items():
        if len(nodes) >= MOST_NODES:
            raise refuse("model_limit", f"The network has over {MOST_NODES:,} nodes.", file=file)
        target = entry["target"].text()
        found = named(target)
        if found is None:
            if target.startswith(_IGNORED) and not _results(entry):
                continue
            raise refuse(
                "custom_op",
                f"The network uses the operation {target[:80]!r}, which is not run here. "
                "docs/formats.md lists those that are.",
                file=file,
            )
        operation, in_place = found
        arguments = _arguments(operation, entry, renamed)
        outputs = _results(entry)
        node = Node(operation, arguments, outputs, _scope(entry))
        if in_place:
            first = next(iter(arguments.values()))
            if not isinstance(first, Ref) or len(outputs) != 1:
                raise Malformed(f"{entry.where} changes no tensor")
            for old, new in list(renamed.items()):
                if new == first.name:
                    renamed[old] = outputs[0]
            renamed[first.name] = outputs[0]
        nodes.append(node)
    _refuse_shared(nodes, entries, file)
    return tuple(nodes), renamed


def _refuse_shared(nodes: list[Node], entries: Entry, file: str) -> None:
    """In-place changes of memory that is read under another name later."""
    of_memory: dict[str, str] = {}
    changed: dict[str, set[str]] = {}  # memory -> names that hold the old numbers
    members: dict[str, set[str]] = {}
    kept = [one for one in entries.items() if named(one["target"].text())]
    for node, entry in zip(nodes, kept, strict=True):
        for name in node.uses:
            memory = of_memory.get(name, name)
            if name in changed.get(memory, ()):
                raise refuse(
                    "custom_op",
                    f"The network changes a tensor in place ({node.name[:60]!r} reads it under "
                    "another name afterwards). Write x = x + y in place of x += y there.",
                    file=file,
                )
        found = named(entry["target"].text())
        in_place = bool(found and found[1])
        first = next((a for a in node.arguments.values()), None)
        source = first.name if isinstance(first, Ref) else ""
        if in_place:
            memory = of_memory.get(source, source)
            stale = members.get(memory, {memory}) - {source}
            changed.setdefault(memory, set()).update(stale)
            of_memory[node.name] = memory
            members.setdefault(memory, {memory}).add(node.name)
        elif source and node.operation.name in VIEWS:
            memory = of_memory.get(source, source)
            for name in filter(None, node.outputs):
                of_memory[name] = memory
                members.setdefault(memory, {memory}).add(name)


def _results(entry: Entry) -> tuple[str, ...]:
    names: list[str] = []
    for output in entry["outputs"].items():
        how, value = output.only()
        if how == "as_tensor":
            names.append(value["name"].text())
        elif how == "as_sym_int":
            names.append(value["as_name"].text())
        elif how == "as_tensors":
            names += [one["name"].text() for one in value.items()]
        elif how == "as_none":
            names.append("")
        else:
            raise Malformed(f"{output.where} is a result that is not read")
    return tuple(names)


def _arguments(
    operation: Operation, entry: Entry, renamed: Mapping[str, str]
) -> dict[str, Argument]:
    known = {parameter.name: parameter for parameter in operation.parameters}
    found: dict[str, Argument] = {}
    for given in entry["inputs"].items():
        name = given["name"].text()
        if name not in known:
            if name in ("layout", "device", "pin_memory", "memory_format", "non_blocking"):
                continue
            raise Malformed(f"{given.where}: {operation.name} takes no {name[:40]!r}")
        found[name] = _argument(known[name], given["arg"], renamed)
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in found:
            raise Malformed(f"{entry.where}: {operation.name} lacks {parameter.name!r}")
    # In the order of the signature, the tensor that is worked on first.
    return {name: found[name] for name in known if name in found}


def _argument(parameter: Parameter, given: Entry, renamed: Mapping[str, str]) -> Argument:
    how, value = given.only()
    if how == "as_none":
        if not parameter.optional:
            raise Malformed(f"{given.where} may not be left out")
        return None
    result = _READ[parameter.kind](how, value, renamed) if parameter.kind in _READ else _WRONG
    if result is _WRONG:
        raise Malformed(f"{given.where} is {how[:40]!r} where {parameter.kind!r} is asked")
    return result


_WRONG = ("", "wrong kind")


def _ref(name: str, renamed: Mapping[str, str]) -> Ref:
    return Ref(renamed.get(name, name))


def _tensor(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    # torch writes x * 2 as mul.Tensor with a plain number in place of the tensor.
    if how == "as_tensor":
        return _ref(value["name"].text(), renamed)
    return _number(how, value, renamed)


def _tensors(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    if how == "as_tensors":
        return tuple(_ref(one["name"].text(), renamed) for one in value.items())
    if how != "as_optional_tensors":
        return _WRONG
    found: list[Argument] = []
    for one in value.items():
        kind, inner = one.only()
        found.append(None if kind == "as_none" else _ref(inner["name"].text(), renamed))
    return tuple(found)


def _int(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    if how == "as_int":
        return value.integer()
    if how != "as_sym_int":
        return _WRONG
    kind, inner = value.only()
    return inner.integer() if kind == "as_int" else _ref(inner.text(), renamed)


def _ints(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    if how == "as_int":
        return (value.integer(),)
    if how == "as_ints":
        return tuple(one.integer() for one in value.items())
    if how == "as_sym_ints":
        return tuple(_int("as_sym_int", one, renamed) for one in value.items())
    return _WRONG


def _float(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    return value.number() if how in ("as_float", "as_int") else _WRONG


def _floats(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    return tuple(one.number() for one in value.items()) if how == "as_floats" else _WRONG


def _number(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    if how == "as_float":
        return value.number()
    if how == "as_bool":
        return value.boolean()
    return _int(how, value, renamed)


def _bool(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    return value.boolean() if how == "as_bool" else _WRONG


def _str(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    return value.text() if how == "as_string" else _WRONG


def _dtype(how: str, value: Entry, renamed: Mapping[str, str]) -> Argument:
    code = value.integer() if how in ("as_scalar_type", "as_int") else -1
    return Dtype(DTYPES[code]) if code in DTYPES else _WRONG


_READ = {
    "tensor": _tensor, "tensors": _tensors, "int": _int, "ints": _ints, "float": _float,
    "floats": _floats, "number": _number, "bool": _bool, "str": _str, "dtype": _dtype,
}  # fmt: skip


def _scope(entry: Entry) -> str:
    """The innermost module, from torch's notes beside the node."""
    notes = entry.get("metadata")
    stack = notes.get("nn_module_stack") if notes else None
    if stack is None or not isinstance(stack.value, str):
        return ""
    parts = stack.value.split(";")[-1].split(",")
    return parts[1][:200] if len(parts) > 1 else ""
