"""Damaged ONNX files: ``python -m tests.ml.intake.onnx_mutants SEED COUNT FOLDER`` runs them."""

import random
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tests.ml.intake.mutants import count
from tests.ml.intake.onnx_graphs import cases, ints, of, weights

ODD = (0, 1, -1, 2, 3, 7, 63, -5, 1000, 10**6, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63))


def sound() -> onnx.ModelProto:
    """Two classes of an 8 x 8 picture, by way of most families of operators."""
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w1", "b1"], ["c1"], name="/a/Conv", auto_pad="SAME_UPPER"),
        node("BatchNormalization", ["c1", "b1", "b1", "b1", "v"], ["n1"], name="/a/Norm"),
        node("Relu", ["n1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Pad", ["p1", "pads"], ["p2"], mode="reflect"),
        node("Resize", ["p2", "", "scales"], ["u1"], mode="linear"),
        node("AveragePool", ["u1"], ["p3"], kernel_shape=[2, 2], ceil_mode=1, pads=[0, 0, 1, 1]),
        node("ConvTranspose", ["p3", "w2"], ["c2"], strides=[2, 2], pads=[1, 0, 0, 1]),
        node("InstanceNormalization", ["c2", "b2", "b2"], ["n2"]),
        node("Clip", ["n2", "low", "high"], ["k"]),
        node("Split", ["k", "parts"], ["s1", "s2"], axis=1),
        node("Mul", ["s1", "s2"], ["m"]),
        node("Slice", ["m", "from", "to", "axes", "by"], ["cut"]),
        node("Transpose", ["cut"], ["t"], perm=[0, 2, 3, 1]),
        node("Shape", ["t"], ["size"]),
        node("Gather", ["size", "first"], ["n"], axis=0),
        node("Unsqueeze", ["n", "zero"], ["n_"]),
        node("Concat", ["n_", "rest"], ["flat"], axis=0),
        node("Reshape", ["t", "flat"], ["tokens"]),
        node("Dropout", ["tokens", "rate"], ["d"]),
        node("Einsum", ["d", "d"], ["e"], equation="bij,bkj->bik"),
        node("Softmax", ["e"], ["soft"], axis=-1),
        node("MatMul", ["soft", "d"], ["at"]),
        node("LayerNormalization", ["at", "g", "g"], ["ln"]),
        node("ReduceMean", ["ln"], ["mean"], axes=[1], keepdims=0),
        node("Gather", ["mean", "order"], ["pick"], axis=1),
        node("Expand", ["pick", "wide"], ["ex"]),
        node("Gemm", ["ex", "w3", "b3"], ["logits"], transB=1, alpha=0.5),
        node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    given = {
        "image": cases(2, 1, 8, 8), "w1": weights(4, 1, 3, 3), "b1": weights(4),
        "v": weights(4, low=0.2), "pads": ints(0, 0, 1, 1, 0, 0, 1, 1),
        "scales": np.array([1, 1, 2, 2], np.float32), "w2": weights(4, 6, 3, 3), "b2": weights(6),
        "low": np.array(-1, np.float32), "high": np.array(2, np.float32), "parts": ints(3, 3),
        "from": ints(1, 2), "to": ints(9, 2**40), "axes": ints(2, 3), "by": ints(2, 3),
        "first": np.array(0, np.int64), "zero": ints(0), "rest": ints(-1, 3),
        "rate": np.array(0.2, np.float32), "g": weights(3), "order": ints(2, 0, 1),
        "wide": ints(1, 3), "w3": weights(2, 3), "b3": weights(2),
    }  # fmt: skip
    return of(nodes, given, ["scores"]).model


def mutated(rng: random.Random) -> bytes:
    """The sound file with a few bytes or a few fields changed."""
    model = sound()
    if rng.random() < 0.35:
        raw = bytearray(model.SerializeToString())
        for _ in range(rng.choice([1, 2, 5, 30])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.15 else raw)
    for _ in range(rng.choice([1, 1, 2, 4])):
        rng.choice((_node, _node, _attribute, _attribute, _weight, _weight, _port))(model, rng)
    return bytes(model.SerializeToString())


def _node(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = model.graph.node
    node = rng.choice(nodes)
    kind = rng.randrange(7)
    if kind == 0:
        node.op_type = rng.choice([rng.choice(nodes).op_type, "Loop", "Exp", "LSTM", "", "é"])
    elif kind == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(rng.choice(nodes).output)
    elif kind == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(["", "image", "w1", "flat", "no"])
    elif kind == 3 and node.input:
        del node.input[rng.randrange(len(node.input))]
    elif kind == 4:
        node.input.append(rng.choice(["image", "w1", "zero", ""]))
    elif kind == 5:
        node.output.append(f"more{rng.randrange(3)}")
    else:
        model.opset_import[0].version = rng.choice([7, 10, 11, 12, 13, 18, 19, 21, 23, 10**6])


def _attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice([one for one in model.graph.node if one.attribute])
    attribute = rng.choice(node.attribute)
    kind = rng.randrange(5)
    if kind == 0:
        node.attribute.remove(attribute)
    elif kind == 1:
        attribute.type = rng.randrange(1, 11)
    elif kind == 2 and attribute.ints:
        attribute.ints.append(rng.choice(ODD))
    elif attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(ODD)
    elif attribute.HasField("i"):
        attribute.i = rng.choice(ODD)
    elif attribute.HasField("f"):
        attribute.f = rng.choice([0.0, -1.0, float("nan"), float("inf"), 1e30])
    elif attribute.HasField("s"):
        attribute.s = rng.choice([b"SAME_LOWER", b"edge", b"ij->i", b"cubic", b"\xff", b"i..,,->"])


def _weight(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer)
    kind = rng.randrange(5)
    if kind == 0 and tensor.data_type == onnx.TensorProto.INT64:
        numbers = np.frombuffer(tensor.raw_data, np.int64).copy()
        if numbers.size:
            numbers[rng.randrange(numbers.size)] = rng.choice(ODD)
        tensor.raw_data = numbers.tobytes()
    elif kind == 1:
        tensor.data_type = rng.randrange(1, 24)
    elif kind == 2 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(ODD)
    elif kind == 3:
        tensor.dims.append(1)
    elif tensor.data_type == onnx.TensorProto.INT64:
        fresh = np.array([rng.choice(ODD) for _ in range(rng.choice([0, 1, 2, 4]))], np.int64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(fresh, tensor.name))


def _port(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = model.graph.input[0].type.tensor_type
    if rng.random() < 0.3:
        tensor.elem_type = rng.randrange(0, 24)
    elif tensor.shape.dim:
        tensor.shape.dim[rng.randrange(len(tensor.shape.dim))].dim_value = rng.choice(ODD)
    else:
        tensor.ClearField("shape")


if __name__ == "__main__":
    whole = bytes(sound().SerializeToString())
    count("onnx", whole, mutated, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
