import pytest
import torch

from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed, named

LINEAR, RELU, DROP, ADD = (allowed()[name] for name in ("linear", "relu", "dropout", "add.Tensor"))


def node(operation, output, *uses, scope=""):
    names = [one.name for one in operation.parameters]
    return Node(operation, {n: Ref(u) for n, u in zip(names, uses, strict=False)}, (output,), scope)


def branched():
    """x -> a -> drop -> b; a -> c; b + c."""
    nodes = (
        node(RELU, "a", "x"), node(DROP, "d", "a"), node(RELU, "b", "d"), node(RELU, "c", "a"),
        node(ADD, "y", "b", "c"), node(RELU, "unused", "x"),
    )  # fmt: skip
    return Program((Port("x", (None, 3), "float32"),), {}, nodes, ("y",))


def test_the_cone_is_what_a_site_can_move():
    program = branched()

    assert [one.name for one in program.dropouts] == ["d"]
    assert [one.name for one in program.cone(program.dropouts)] == ["d", "b", "y"]


def test_what_is_needed_leaves_out_what_nobody_reads():
    program = branched()

    assert [one.name for one in program.needed(["y"])] == ["a", "d", "b", "c", "y"]
    assert [one.name for one in program.needed(["c"])] == ["a", "c"]


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ((node(RELU, "a", "b"),), ("a",), "nothing before it gives"),
        ((node(RELU, "a", "x"), node(RELU, "a", "x")), ("a",), "given twice"),
        ((node(RELU, "x", "x"),), ("x",), "given twice"),
        ((node(RELU, "a", "x"),), ("b",), "given by nothing"),
        ((node(RELU, "a", "x"),), (), "answers nothing"),
    ],
)
def test_refuses(nodes, outputs, message):
    with pytest.raises(ValueError, match=message):
        Program((Port("x", (1,), "float32"),), {}, nodes, outputs)


def test_every_allowed_signature_is_torchs_own():
    """The list is the door: a line that torch does not know, or knows otherwise, opens nothing."""
    from pathlib import Path

    import ml.program.operations as module

    lines = Path(module.__file__).with_name("operations.txt").read_text().splitlines()
    for line in lines:
        name = line.removeprefix("aten::").partition("(")[0]
        base, _, overload = name.partition(".")
        packet = getattr(torch.ops.aten, base)
        assert str(getattr(packet, overload or "default")._schema) == line


def test_every_parameter_has_the_name_and_the_kinds_torch_gives_it():
    """`Tensor(a -> *) self` of chunk, split and unbind once was a parameter "-> *) self"."""
    kinds = {
        "tensor",
        "tensors",
        "int",
        "ints",
        "float",
        "floats",
        "number",
        "bool",
        "str",
        "dtype",
    }
    for operation in allowed().values():
        base, _, overload = operation.name.partition(".")
        schema = getattr(getattr(torch.ops.aten, base), overload or "default")._schema
        ours = [one.name for one in operation.parameters]
        assert [one.name for one in schema.arguments if one.name in ours] == ours
        assert {one.kind for one in operation.parameters} <= kinds
        assert set(operation.returns.split()) <= {"tensor", "tensors", "int"}


def test_nothing_on_the_list_reaches_outside_or_draws_without_being_dropout():
    for operation in allowed().values():
        assert not {"file", "save", "load", "set_", "resize"} & set(operation.base.split("_"))
        assert "rand" not in operation.base
        if "str" in {one.kind for one in operation.parameters}:
            assert operation.base in {
                "conv1d", "conv2d", "conv3d", "pad", "div", "einsum", "gelu", "searchsorted",
            }  # fmt: skip


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default", "torch.os.system", "os.system", "aten.relu.default",
        "torch.ops.aten.relu.default.__globals__", "torch.ops.aten.", "torch.ops.aten.relu.out",
        "torch.ops.prim.device.default", "torch.ops.aten.bernoulli.default", "",
    ],
)  # fmt: skip
def test_other_names_name_nothing(target):
    assert named(target) is None
