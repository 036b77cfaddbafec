"""Places of a program that an audit looks at: its logits, its features, where all data narrows."""

from collections.abc import Iterable, Mapping, Sequence

from ml.program.graph import Array, Node, Program, Ref

# They give what they are given, or its parts elsewhere: at rest, or in another shape.
_SILENT = {"alias", "clone", "contiguous", "detach", "lift_fresh_copy", "to", "_to_copy"}
_RESHAPING = {"flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze", "unflatten"}
SOFTMAXES = frozenset({"softmax", "log_softmax"})
_ACTIVATIONS = {*SOFTMAXES, "sigmoid"}
_LINEAR = {"linear": "input", "addmm": "mat1", "mm": "self", "matmul": "self"}
_WEIGHT = {"linear": "weight", "addmm": "mat2", "mm": "mat2", "matmul": "other"}
_CHANNELS_FIRST = ("conv", "batch_norm", "instance_norm", "group_norm", "max_pool", "avg_pool",
                   "adaptive", "upsample", "pixel_")  # fmt: skip
_CHANNELS_LAST = ("linear", "addmm", "layer_norm", "rms_norm")
# Operations that leave every number at its place.
_PLACED = {"relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "mish", "silu", "tanh",
           "sigmoid", "hardswish", "hardsigmoid", "hardtanh", "add", "mul", "clamp", "cat",
           "dropout", "feature_dropout", *_SILENT}  # fmt: skip


def logits_of(program: Program, output: str) -> str:
    """The value before the last softmax or sigmoid of an output; the output itself without one.

    Gradients of a probability vanish where it is close to 0 or 1, those of its logit do not.
    """
    node = _activation(program, output)
    return output if node is None else _first(node)


def activation_of(program: Program, output: str) -> str | None:
    """Which softmax or sigmoid an output is the answer of, by the operation's base name."""
    node = _activation(program, output)
    return None if node is None else node.operation.base


def _activation(program: Program, output: str) -> Node | None:
    made = producers(program)
    name = output
    while (node := made.get(name)) is not None:
        if node.operation.base in _ACTIVATIONS:
            return node
        if node.operation.base not in _SILENT | _RESHAPING and not node.operation.is_dropout:
            return None
        name = _first(node)
    return None


def features_of(program: Program, output: str) -> str | None:
    """What the last linear layer on the way to an output reads (the penultimate features).

    Where there is none, as in networks that segment, what the last convolution reads. None where
    the network has neither.
    """
    made = producers(program)
    needed = program.needed((output,))
    for layers in (_linear_input, _convolution_input):
        for node in reversed(needed):
            name = layers(node, program.weights)
            if name is not None:
                return source_of(name, made)
    return None


def _linear_input(node: Node, weights: Mapping[str, Array]) -> str | None:
    base = node.operation.base
    if base not in _LINEAR or (base == "linear" and not _is_weight(node, "weight", weights)):
        return None
    source = node.arguments.get(_LINEAR[base])
    weight = node.arguments.get(_WEIGHT[base])
    if not isinstance(source, Ref) or not isinstance(weight, Ref) or source.name in weights:
        return None
    # A product of two computed values, as attention takes, has no weights; a weight that was
    # transposed on its way has been through other nodes.
    return source.name if weight.name in weights or base in ("linear", "addmm") else None


def _convolution_input(node: Node, weights: Mapping[str, Array]) -> str | None:
    source = node.arguments.get("input")
    if not node.operation.base.startswith("conv") or not isinstance(source, Ref):
        return None
    return source.name if _is_weight(node, "weight", weights) else None


def _is_weight(node: Node, key: str, weights: Mapping[str, Array]) -> bool:
    argument = node.arguments.get(key)
    return isinstance(argument, Ref) and argument.name in weights


def source_of(name: str, made: Mapping[str, Node]) -> str:
    """The value that dropout and copies pass on: tapped there, a fused program stays the same."""
    while (node := made.get(name)) is not None and (
        node.operation.is_dropout or node.operation.base in _SILENT
    ):
        name = _first(node)
    return name


def single_cuts(program: Program, output: str) -> tuple[str, ...]:
    """The values through which all passes that an output hears of the inputs, in order.

    Sizes do not count, nor does what depends on no input. Inputs are named where there is one.

    Example:
        >>> from ml.program.graph import Port
        >>> from ml.program.operations import allowed
        >>> relu, add = allowed()["relu"], allowed()["add.Tensor"]
        >>> nodes = (Node(relu, {"self": Ref("x")}, ("a",)), Node(relu, {"self": Ref("a")}, ("b",)),
        ...     Node(add, {"self": Ref("a"), "other": Ref("b")}, ("c",)))
        >>> single_cuts(Program((Port("x", (None, 3), "float32"),), {}, nodes, ("c",)), "c")
        ('x', 'a', 'c')
    """
    needed = program.needed((output,))
    data = {port.name for port in program.inputs}
    for node in needed:
        if node.operation.returns != "int" and data & set(node.uses):
            data |= set(filter(None, node.outputs))
    last = {
        name: at
        for at, node in enumerate(needed)
        if node.operation.returns != "int"  # that something asks for its size keeps nothing alive
        for name in node.uses
        if name in data
    }
    last[output] = len(needed)
    live = {port.name for port in program.inputs if port.name in last}
    found = list(live) if len(live) == 1 else []
    for at, node in enumerate(needed):
        live |= {name for name in node.outputs if name in data and name in last}
        live = {name for name in live if last[name] > at}
        if len(live) == 1 and (only := next(iter(live))) not in found:
            found.append(only)
    return tuple(found)


def channel_axis(program: Program, name: str, dims: int) -> int:
    """The axis along which a value's channels lie: 1, or the last one.

    Told by the layers that made it or read it, through whatever leaves numbers at their place.

    Args:
        name: of the value.
        dims: how many axes it has, the batch included.
    """
    if dims < 3:
        return dims - 1
    made = producers(program)
    readers: dict[str, list[Node]] = {}
    for node in program.nodes:
        for one in node.uses:
            readers.setdefault(one, []).append(node)
    # Names that hold the same numbers, and whether with the second and third axis exchanged.
    seen, waiting = {name}, [(name, False)]
    while waiting:
        here, swapped = waiting.pop(0)
        around = [*readers.get(here, []), *([made[here]] if here in made else [])]
        for node in around:
            base = node.operation.base
            first = base.startswith(_CHANNELS_FIRST)
            if first or base.startswith(_CHANNELS_LAST):
                return 1 if first != swapped else dims - 1
            if base in _PLACED or _exchanges(node, dims) or _joins_positions(node):
                names = [one for one in (*node.outputs, *node.uses) if one and one not in seen]
                names = [one for one in names if one not in program.weights]
                seen.update(names)
                waiting.extend((one, swapped != _exchanges(node, dims)) for one in names)
    return 1 if dims > 3 else dims - 1


def _exchanges(node: Node, dims: int) -> bool:
    """Whether it makes channels first out of channels last, or back."""
    if node.operation.name == "permute":
        order = node.arguments["dims"]
        places = order if isinstance(order, tuple) else ()
        order = tuple(at % dims if isinstance(at, int) else at for at in places)
        return order in ((0, *range(2, dims), 1), (0, dims - 1, *range(1, dims - 1)))
    axes = {node.arguments.get(key) for key in ("dim0", "dim1")}
    return dims == 3 and node.operation.name == "transpose.int" and axes in ({1, 2}, {-1, -2})


def _joins_positions(node: Node) -> bool:
    """Whether it lays the positions of a map out in a row, behind their channels."""
    return node.operation.base == "flatten" and node.arguments.get("start_dim") in (2, -2)


def found_value(program: Program, name: str) -> str:
    """The value that a name stands for: its own, or that of the last node of a module.

    Raises:
        KeyError: if nothing is called so.
    """
    values = {one for node in program.nodes for one in node.outputs if one}
    if name in values or any(port.name == name for port in program.inputs):
        return name
    inside = [node for node in program.nodes if node.scope == name and node.name]
    if not inside:
        raise KeyError(f"there is no layer called {name!r}")
    return source_of(inside[-1].name, producers(program))


def producers(program: Program) -> dict[str, Node]:
    """The node that gives a value, by the value's name."""
    return {name: node for node in program.nodes for name in node.outputs if name}


def settled(program: Program, names: Iterable[str]) -> tuple[str, ...]:
    """Of some values, those that no normalisation or activation is still to be applied to.

    A convolution and what follows it at once are computed as one by a fused program: a value in
    between would have to be computed apart.
    """
    made, wanted = producers(program), list(names)
    bare = ("conv", "linear", "batch_norm", "add")
    return tuple(
        name for name in wanted if name in made and not made[name].operation.base.startswith(bare)
    )


def _first(node: Node) -> str:
    argument = node.arguments[node.operation.parameters[0].name]
    assert isinstance(argument, Ref)
    return argument.name


def spatial(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """The sides of a value without batch and channels."""
    return tuple(side for at, side in enumerate(shape) if at not in (0, axis))
