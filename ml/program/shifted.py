"""A program that takes a constant off its picture first."""

from collections.abc import Mapping
from dataclasses import replace

from ml.program.graph import Argument, Node, Program, Ref
from ml.program.operations import allowed

_NAME = "picture without the constant"


def shifted(program: Program, by: float) -> Program:
    """The network whose answer to a picture plus a constant is the program's to the picture.

    Args:
        by: the constant, which is taken off the first input.

    Source:
        Kindermans et al. (2019), The (un)reliability of saliency methods, doi
        10.1007/978-3-030-28954-6_14; there the bias of the first layer takes it off, which is not
        the same where that layer pads.

    Example:
        >>> from ml.program.graph import Port
        >>> relu = Node(allowed()["relu"], {"self": Ref("x")}, ("y",))
        >>> found = shifted(Program((Port("x", (None, 3), "float32"),), {}, (relu,), ("y",)), 0.5)
        >>> [(node.operation.name, node.uses) for node in found.nodes]
        [('add.Scalar', ('x',)), ('relu', ('picture without the constant',))]
    """
    name = program.inputs[0].name
    first = Node(allowed()["add.Scalar"], {"self": Ref(name), "other": -by}, (_NAME,))
    nodes = (replace(one, arguments=_read_from(one.arguments, name)) for one in program.nodes)
    return replace(program, nodes=(first, *nodes))


def _read_from(arguments: Mapping[str, Argument], name: str) -> dict[str, Argument]:
    return {key: _renamed(argument, name) for key, argument in arguments.items()}


def _renamed(argument: Argument, name: str) -> Argument:
    if isinstance(argument, Ref):
        return Ref(_NAME) if argument.name == name else argument
    if isinstance(argument, tuple):
        return tuple(_renamed(one, name) for one in argument)
    return argument
