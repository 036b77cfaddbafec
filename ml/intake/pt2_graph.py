"""The nodes of a torch.export graph, each held against the signature of an allowed operation."""

from collections.abc import Callable, Iterable, Sequence

from ml.intake.pt2_memory import IN_PLACE_ONLY, MOST_NODES, Memory, Sizes, written
from ml.intake.pt2_types import DTYPES
from ml.intake.refusal import refuse
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Argument, Dtype, Node, Ref
from ml.program.operations import VIEWS, Operation, Parameter, named

Resolve = Callable[[str], str]  # the value that a name of the file stands for at this point
_IGNORED = ("torch.ops.aten.sym_constrain_range", "torch.ops.aten._assert", "_operator.")


def read_nodes(
    entries: Entry, given: Iterable[str], answers: Sequence[str], sizes: Sizes, file: str
) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes in order, and what the answers of the network are called in them.

    An operation in place becomes its plain form; see ``ml.intake.pt2_memory``.

    Args:
        entries: the nodes as the file lists them.
        given: names of inputs and weights.
        answers: names of what the network answers.
        sizes: of the values the file names, as far as it tells.
        file: for refusals.

    Raises:
        Refused: custom_op (an operation that is not allowed), model_limit.
        Malformed: arguments that the operation does not take.
    """
    memory, known = Memory(file, sizes), set(given)

    def resolve(name: str) -> str:
        if name not in known:
            raise Malformed(f"{name[:80]!r} is read, and nothing before gives it")
        return memory.read(name)

    for entry in entries.items():
        if len(memory.nodes) >= MOST_NODES:
            raise refuse("model_limit", f"The network has over {MOST_NODES:,} nodes.", file=file)
        target = entry["target"].text()
        found = (IN_PLACE_ONLY[target], True) if target in IN_PLACE_ONLY else named(target)
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
        arguments, outputs = _arguments(operation, entry, resolve), _results(entry)
        first = _first(entry) if in_place or operation.name in VIEWS else ""
        for name in filter(None, outputs):
            if name in known:
                raise Malformed(f"{name[:80]!r} is given twice")
            known.add(name)
        if in_place and (not first or len(outputs) != 1):
            raise Malformed(f"{entry.where} changes no tensor")
        if in_place:
            memory.nodes.append(written(memory, operation, arguments, _scope(entry), outputs[0]))
            memory.write(first, outputs[0])
        else:
            memory.nodes.append(Node(operation, arguments, outputs, _scope(entry)))
            if first:
                memory.note_view(memory.nodes[-1], first)
    resolved = tuple(resolve(name) for name in answers)
    return tuple(memory.nodes), resolved


def _first(entry: Entry) -> str:
    """The name of the tensor that an operation works on, as the file has it; "" if it is none."""
    for one in entry["inputs"].items():
        how, value = one["arg"].only()
        return value["name"].text() if how == "as_tensor" else ""
    return ""


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


def _arguments(operation: Operation, entry: Entry, resolve: Resolve) -> dict[str, Argument]:
    known = {parameter.name: parameter for parameter in operation.parameters}
    found: dict[str, Argument] = {}
    for given in entry["inputs"].items():
        name = given["name"].text()
        if name not in known:
            if name in ("layout", "device", "pin_memory", "memory_format", "non_blocking"):
                continue
            raise Malformed(f"{given.where}: {operation.name} takes no {name[:40]!r}")
        found[name] = _argument(known[name], given["arg"], resolve)
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in found:
            raise Malformed(f"{entry.where}: {operation.name} lacks {parameter.name!r}")
    # In the order of the signature, the tensor that is worked on first.
    return {name: found[name] for name in known if name in found}


def _argument(parameter: Parameter, given: Entry, resolve: Resolve) -> Argument:
    how, value = given.only()
    if how == "as_none":
        if not parameter.optional:
            raise Malformed(f"{given.where} may not be left out")
        return None
    result = _READ[parameter.kind](how, value, resolve) if parameter.kind in _READ else _WRONG
    if result is _WRONG:
        raise Malformed(f"{given.where} is {how[:40]!r} where {parameter.kind!r} is asked")
    return result


_WRONG = ("", "wrong kind")


def _ref(name: str, resolve: Resolve) -> Ref:
    return Ref(resolve(name))


def _tensor(how: str, value: Entry, resolve: Resolve) -> Argument:
    # torch writes x * 2 as mul.Tensor with a plain number in place of the tensor.
    if how == "as_tensor":
        return _ref(value["name"].text(), resolve)
    return _number(how, value, resolve)


def _tensors(how: str, value: Entry, resolve: Resolve) -> Argument:
    if how == "as_tensors":
        return tuple(_ref(one["name"].text(), resolve) for one in value.items())
    if how != "as_optional_tensors":
        return _WRONG
    found: list[Argument] = []
    for one in value.items():
        kind, inner = one.only()
        found.append(None if kind == "as_none" else _ref(inner["name"].text(), resolve))
    return tuple(found)


def _int(how: str, value: Entry, resolve: Resolve) -> Argument:
    if how == "as_int":
        return value.integer()
    if how != "as_sym_int":
        return _WRONG
    kind, inner = value.only()
    return inner.integer() if kind == "as_int" else _ref(inner.text(), resolve)


def _ints(how: str, value: Entry, resolve: Resolve) -> Argument:
    if how == "as_int":
        return (value.integer(),)
    if how == "as_ints":
        return tuple(one.integer() for one in value.items())
    if how == "as_sym_ints":
        return tuple(_int("as_sym_int", one, resolve) for one in value.items())
    return _WRONG


def _float(how: str, value: Entry, resolve: Resolve) -> Argument:
    return value.number() if how in ("as_float", "as_int") else _WRONG


def _floats(how: str, value: Entry, resolve: Resolve) -> Argument:
    return tuple(one.number() for one in value.items()) if how == "as_floats" else _WRONG


def _number(how: str, value: Entry, resolve: Resolve) -> Argument:
    if how == "as_float":
        return value.number()
    if how == "as_bool":
        return value.boolean()
    return _int(how, value, resolve)


def _bool(how: str, value: Entry, resolve: Resolve) -> Argument:
    return value.boolean() if how == "as_bool" else _WRONG


def _str(how: str, value: Entry, resolve: Resolve) -> Argument:
    return value.text() if how == "as_string" else _WRONG


def _dtype(how: str, value: Entry, resolve: Resolve) -> Argument:
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
