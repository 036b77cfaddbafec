"""Where a program attends: products of a softmax, or of torch's own attention, with values."""

from dataclasses import dataclass

from ml.program.graph import Node, Program, Ref
from ml.program.places import producers, source_of

_PRODUCTS = {"matmul": ("self", "other"), "bmm": ("self", "mat2")}


@dataclass(frozen=True)
class Attention:
    """One place where a program attends.

    Attributes:
        node: the softmax whose result is the attention, or torch's own attention.
        whole: it is torch's own, whose result has been multiplied with the values already.
    """

    node: Node
    whole: bool


def attentions(program: Program, output: str) -> tuple[Attention, ...]:
    """Every attention that an output depends on, in the order they run.

    Either ``scaled_dot_product_attention``, or a softmax along the last axis whose result, through
    dropout and copies, is multiplied from the right by a computed value: of two positions, the
    result says how much the first takes from the second.

    Args:
        output: name of a value.

    Example:
        >>> from ml.program.graph import Port
        >>> from ml.program.operations import allowed
        >>> softmax, product = allowed()["softmax.int"], allowed()["matmul"]
        >>> nodes = (Node(softmax, {"self": Ref("x"), "dim": -1}, ("a",)),
        ...     Node(product, {"self": Ref("a"), "other": Ref("x")}, ("b",)))
        >>> program = Program((Port("x", (None, 4, 4), "float32"),), {}, nodes, ("b",))
        >>> [one.node.name for one in attentions(program, "b")]
        ['a']
    """
    made = producers(program)
    found = []
    for node in program.needed((output,)):
        if node.operation.base == "scaled_dot_product_attention":
            found.append(Attention(node, whole=True))
            continue
        left = _left(node, program)
        source = None if left is None else made.get(source_of(left, made))
        if source is not None and source.operation.base == "softmax":
            found.append(Attention(source, whole=False))
    return tuple(found)


def _left(node: Node, program: Program) -> str | None:
    """What a product of two computed values takes from the left, along its last axis."""
    base = node.operation.base
    if base in _PRODUCTS:
        pair = tuple(node.arguments.get(key) for key in _PRODUCTS[base])
    elif base == "einsum" and _along_the_last(str(node.arguments.get("equation"))):
        given = node.arguments.get("tensors")
        pair = given if isinstance(given, tuple) else ()
    else:
        return None
    if len(pair) != 2 or not all(isinstance(one, Ref) for one in pair):
        return None
    names = [one.name for one in pair if isinstance(one, Ref)]
    return None if set(names) & set(program.weights) else names[0]


def _along_the_last(equation: str) -> bool:
    """Whether an einsum of two sums over the last axis of the first.

    >>> _along_the_last("bhxy,bhyd->bhxd"), _along_the_last("bhxy,bhxd->bhyd")
    (True, False)
    """
    given, arrow, result = equation.replace(" ", "").partition("->")
    parts = given.split(",")
    if not arrow or len(parts) != 2 or not parts[0]:
        return False
    return parts[0][-1] in parts[1] and parts[0][-1] not in result
