"""Every operator that can be taken over, over its attributes, against onnxruntime."""

import numpy as np
import pytest

from ml.intake.onnx_program_step import HANDLERS
from tests.ml.intake.onnx_graphs import Graph, assert_alike, cases, ints, one, weights

IMAGE = cases(2, 3, 9, 8)
POSITIVE = cases(2, 3, 9, 8, low=0.1)
LINE, VOLUME = cases(2, 3, 11), cases(2, 2, 7, 6, 5)
WHOLE = cases(2, 5, dtype="int64", low=1, high=9)
F32 = np.float32


def number(value: float, dtype: type = F32) -> np.ndarray:
    return np.array(value, dtype)


TABLE: dict[str, Graph] = {}


def add(name: str, *inputs: object, **attributes: object) -> None:
    op = name.partition(" ")[0]
    key = f"{name} #{sum(one.startswith(name) for one in TABLE)}"
    TABLE[key] = one(op, *inputs, **attributes)  # type: ignore[arg-type]


# Convolutions
for how in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    for step in (1, 2, 3):
        add(f"Conv {how}", IMAGE, weights(4, 3, 3, 2), auto_pad=how, strides=[step, step])
        add(f"Conv {how} 1d", LINE, weights(4, 3, 4), auto_pad=how, strides=[step])
add("Conv plain", IMAGE, weights(4, 3, 1, 1))
add("Conv bias", IMAGE, weights(4, 3, 3, 3), weights(4), pads=[1, 1, 1, 1], strides=[2, 1])
add("Conv uneven", IMAGE, weights(4, 3, 3, 3), weights(4), pads=[0, 1, 2, 0])
add("Conv dilated", IMAGE, weights(4, 3, 2, 3), dilations=[3, 2], pads=[1, 2, 1, 2])
add("Conv groups", cases(2, 4, 8, 8), weights(6, 2, 3, 3), group=2, kernel_shape=[3, 3])
add("Conv depthwise", cases(2, 4, 8, 8), weights(8, 1, 3, 3), group=4)
add("Conv 1d", LINE, weights(4, 3, 3), weights(4), pads=[2, 1])
add("Conv 3d", VOLUME, weights(3, 2, 3, 2, 3), weights(3), pads=[1, 0, 1, 1, 0, 1])
add("Conv free sizes", cases(2, 3, 9, 8, free=(0, 2, 3)), weights(4, 3, 3, 3), pads=[1] * 4)
add("Conv free same", cases(2, 3, 9, 8, free=(0, 2, 3)), weights(4, 3, 3, 3),
    auto_pad="SAME_UPPER")  # fmt: skip
add("ConvTranspose plain", IMAGE, weights(3, 4, 2, 2), strides=[2, 2])
add("ConvTranspose bias", IMAGE, weights(3, 4, 3, 3), weights(4), pads=[1, 1, 1, 1],
    strides=[2, 2], output_padding=[1, 1])  # fmt: skip
add("ConvTranspose uneven", IMAGE, weights(3, 4, 3, 3), weights(4), pads=[0, 1, 2, 0],
    strides=[2, 2])  # fmt: skip
add("ConvTranspose groups", cases(2, 4, 5, 5), weights(4, 3, 3, 3), group=2, dilations=[2, 1])
add("ConvTranspose shape", IMAGE, weights(3, 2, 3, 3), strides=[2, 2], output_shape=[18, 16])
add("ConvTranspose shape same", IMAGE, weights(3, 2, 3, 3), strides=[2, 2],
    output_shape=[18, 16], auto_pad="SAME_UPPER")  # fmt: skip
add("ConvTranspose 1d", LINE, weights(3, 2, 4), strides=[2], pads=[1, 1])
add("ConvTranspose 3d", VOLUME, weights(2, 3, 2, 2, 2), weights(3), strides=[2, 2, 2])
for how in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    add(f"ConvTranspose {how}", IMAGE, weights(3, 2, 3, 3), strides=[2, 2], auto_pad=how)

# Pooling
for op, more in (
    ("MaxPool", {}),
    ("AveragePool", {"count_include_pad": 0}),
    ("AveragePool", {"count_include_pad": 1}),
):
    for ceil in (0, 1):
        for pads in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 2]):
            for step in (1, 2, 3):
                add(f"{op} {more}", cases(2, 3, 10, 9), kernel_shape=[3, 3], pads=pads,
                    strides=[step, step], ceil_mode=ceil, opset=19, **more)  # fmt: skip
    for how in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        add(f"{op} {how}", IMAGE, kernel_shape=[2, 3], strides=[2, 2], auto_pad=how, **more)
    add(f"{op} 1d", LINE, kernel_shape=[3], strides=[2], pads=[1, 1], **more)
    add(f"{op} 3d", VOLUME, kernel_shape=[2, 2, 2], strides=[2, 2, 2], **more)
add("MaxPool dilated", IMAGE, kernel_shape=[2, 2], dilations=[2, 3])
add("MaxPool wide pads", IMAGE, kernel_shape=[2, 2], pads=[1, 1, 1, 1], strides=[2, 2])
for shape in (LINE, IMAGE, VOLUME):
    add("GlobalAveragePool", shape)
    add("GlobalMaxPool", shape)
for mode in ("constant", "reflect", "edge"):
    add(f"Pad {mode}", IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0), mode=mode)
    add(f"Pad {mode} channels", IMAGE, ints(0, 1, 1, 0, 0, 2, 0, 0), mode=mode)
    add(f"Pad {mode} cut", IMAGE, ints(0, 0, -1, 2, 0, 0, 0, -2), mode=mode)
    add(f"Pad {mode} axes", IMAGE, ints(2, 1, 1, 2), None, ints(-1, 2), mode=mode, opset=18)
add("Pad value", IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0), number(2.5))
add("Pad wrap", IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0), mode="wrap", opset=19)

# Layers
add("BatchNormalization", IMAGE, weights(3), weights(3), weights(3), weights(3, low=0.1),
    epsilon=1e-3)  # fmt: skip
add("BatchNormalization 2d", cases(4, 5), weights(5), weights(5), weights(5), weights(5, low=0.1))
for shape in (LINE, IMAGE, VOLUME):
    add("InstanceNormalization", shape, weights(shape.shape[1]), weights(shape.shape[1]))
add("GroupNormalization", cases(2, 6, 5, 5), weights(6), weights(6), num_groups=3, opset=21)
add("LayerNormalization", cases(2, 5, 6), weights(6), weights(6), epsilon=1e-3)
add("LayerNormalization axis", cases(2, 5, 6), weights(5, 6), weights(5, 6), axis=1)
add("LayerNormalization no bias", cases(2, 5, 6), weights(6), axis=-1)
add("LayerNormalization wide", cases(2, 5, 6), weights(6), weights(6), axis=1)
add("RMSNormalization", cases(2, 5, 6), weights(6), epsilon=1e-3, opset=23)
for power in (1, 2):
    add("LpNormalization", cases(2, 5, 6), axis=1, p=power)
for a in (0, 1):
    for b in (0, 1):
        left = cases(5, 4, free=()) if a else cases(4, 5)
        for third in (None, weights(3), weights(1, 3), weights(4, 3), number(2.0)):
            add(f"Gemm {a}{b}", left, weights(*((3, 5) if b else (5, 3))), third, transA=a,
                transB=b)  # fmt: skip
            add(f"Gemm scaled {a}{b}", left, weights(*((3, 5) if b else (5, 3))), third, transA=a,
                transB=b, alpha=0.5, beta=2.0)  # fmt: skip
add("MatMul dense", cases(2, 5), weights(5, 3))
add("MatMul tokens", cases(2, 4, 5), weights(5, 3))
add("MatMul vector", cases(2, 4, 5), weights(5))
add("MatMul batched", cases(2, 4, 5), weights(2, 5, 3))
add("MatMul two", cases(2, 2, 4, 5), cases(2, 2, 5, 3))
add("Einsum", cases(2, 3, 4), cases(2, 5, 4), equation="bij, bkj -> bik")
add("Einsum transpose", cases(2, 3, 4), equation="bij->bji")
for op in ("Softmax", "LogSoftmax"):
    add(op, cases(2, 3, 4))
    for axis in (0, 1, -1):
        add(f"{op} axis", cases(2, 3, 4), axis=axis)
        add(f"{op} old", cases(2, 3, 4), axis=axis, opset=11)
    add(f"{op} old flat", cases(2, 3, 1, 1), opset=11)
add("Dropout", IMAGE, number(0.3))
add("Dropout old", IMAGE, ratio=0.3, opset=11)
for mode in ("linear", "nearest", "cubic"):
    for edge in ("zeros", "border", "reflection"):
        add(f"GridSample {mode} {edge}", IMAGE, cases(2, 4, 5, 2, low=-1.3, high=1.3), mode=mode,
            padding_mode=edge, align_corners=1, opset=20)  # fmt: skip
add("GridSample old", IMAGE, cases(2, 4, 5, 2, low=-1, high=1), mode="bilinear", opset=16)
heads = [cases(2, 3, n, 8) for n in (5, 7, 7)]
add("Attention", *heads, opset=23)
add("Attention mask", *heads, weights(5, 7), scale=0.3, opset=23)
add("Attention causal", *[cases(2, 3, 5, 8)] * 3, is_causal=1, opset=23)
add("Attention groups", cases(2, 4, 5, 8), *[cases(2, 2, 7, 8)] * 2, opset=23)

# Activations
for op in ("Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round",
           "Sin", "Cos", "Softplus", "Softsign", "HardSwish", "LeakyRelu", "Elu", "Selu", "Celu",
           "HardSigmoid", "ThresholdedRelu", "Identity"):  # fmt: skip
    add(op, IMAGE)
for op in ("Log", "Sqrt", "Reciprocal"):
    add(op, POSITIVE)
add("Mish", IMAGE, opset=18)
add("Gelu", IMAGE, opset=20)
add("Gelu tanh", IMAGE, approximate="tanh", opset=20)
add("LeakyRelu slope", IMAGE, alpha=0.3)
add("Elu alpha", IMAGE, alpha=0.5)
add("Selu alpha", IMAGE, alpha=1.5, gamma=0.7)
add("Celu alpha", IMAGE, alpha=0.5)
add("HardSigmoid torch", IMAGE, alpha=1 / 6, beta=0.5)
add("ThresholdedRelu alpha", IMAGE, alpha=0.4)
add("PRelu channels", IMAGE, weights(3, 1, 1))
add("PRelu one", IMAGE, weights(1))
add("PRelu one of many axes", IMAGE, weights(1, 1, 1))
add("PRelu last axis", IMAGE, weights(8))
add("PRelu everywhere", IMAGE, weights(3, 9, 8))
add("Clip", IMAGE, number(-1), number(0.5))
add("Clip low", IMAGE, number(-1))
add("Clip high", IMAGE, None, number(0.5))
add("Clip none", IMAGE)
add("Not", cases(2, 4, dtype="bool"))
add("IsNaN", IMAGE)

# Arithmetic and comparisons
for op in ("Add", "Sub", "Mul", "Div"):
    add(op, IMAGE, cases(2, 3, 9, 8, low=0.5))
    add(f"{op} channels", IMAGE, weights(3, 1, 1, low=0.5))
    add(f"{op} number", IMAGE, number(0.7))
    add(f"{op} from number", number(0.7), POSITIVE)
    add(f"{op} wider", cases(2, 1, 4), weights(3, 1, low=0.5))
    add(f"{op} whole", WHOLE, ints(2, 3, 4, 5, 6))
add("Div negative whole", cases(2, 5, dtype="int64", low=-9, high=9), ints(2, 3, -4, 5, -6))
add("Pow", POSITIVE, number(2.0))
add("Pow tensor", POSITIVE, weights(8, low=0.5))
add("Pow whole exponent", POSITIVE, number(3, np.int64))
add("Mod", WHOLE, ints(2, 3, 4, 5, 6))
add("Mod float", IMAGE, number(0.7), fmod=1)
for op in ("Min", "Max", "Sum", "Mean"):
    add(f"{op} one", IMAGE)
    add(f"{op} three", IMAGE, weights(3, 1, 1), weights(8))
for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
    add(op, WHOLE, ints(2, 3, 4, 5, 6))
    add(f"{op} number", WHOLE, number(4, np.int64))
for op in ("And", "Or", "Xor"):
    add(op, cases(2, 4, dtype="bool"), np.array([True, False, True, False]))
add("Where", cases(2, 4, dtype="bool"), weights(2, 4), weights(1, 4))
for to in (1, 6, 7, 9, 10, 11):
    add(f"Cast {to}", cases(2, 4, low=0.4, high=3), to=to)
add("CastLike", WHOLE, weights(1))

# Reductions: axes were an attribute, and became an input
for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
           "ReduceLogSumExp", "ReduceSumSquare", "ReduceLogSum", "ReduceProd"):  # fmt: skip
    given = cases(2, 3, 4, low=0.2, high=1.5)
    for keep in (0, 1):
        for axes in ([1], [-1, 1], [2]):
            if op != "ReduceSum":
                add(f"{op} attribute", given, axes=axes, keepdims=keep, opset=12)
            add(f"{op} input", given, ints(*axes), keepdims=keep, opset=18)
    add(f"{op} all", given, opset=18)
add("ReduceMax whole", WHOLE, ints(1), opset=18)
add("ReduceSum whole", WHOLE, ints(1), opset=18)
add("ReduceSum old", IMAGE, axes=[2, 3], opset=11)
for op in ("ArgMax", "ArgMin"):
    add(op, IMAGE, axis=1, keepdims=0)
    add(f"{op} kept", IMAGE, axis=-1)
add("CumSum", IMAGE, number(2, np.int64))
add("CumSum reverse", IMAGE, number(1, np.int64), reverse=1)

# Shapes and places
add("Flatten", IMAGE)
for axis in (0, 2, 3, 4, -1):
    add("Flatten axis", IMAGE, axis=axis)
add("Flatten volume", VOLUME, axis=3)
add("Transpose", IMAGE)
add("Transpose perm", IMAGE, perm=[0, 2, 3, 1])
for shape in ((0, -1), (-1, 72), (0, 0, 72), (0, 3, -1, 4), (-1,), (2, 216)):
    add("Reshape", IMAGE, ints(*shape))
add("Squeeze", cases(2, 1, 4, 1), ints(1, -1))
add("Squeeze attribute", cases(2, 1, 4, 1), axes=[3], opset=11)
add("Squeeze all", cases(1, 1, 4, 1, free=()))
add("Unsqueeze", cases(2, 4), ints(1, -1))
add("Unsqueeze attribute", cases(2, 4), axes=[0, 3], opset=11)
for shape in ((2, 3, 4), (1, 1), (5, 1, 3, 4), (3, 4)):
    add("Expand", cases(2, 3, 1) if len(shape) == 2 else cases(2, 1, 4), ints(*shape))
add("Tile", cases(2, 3), ints(2, 3))
for axis in (1, -1, 2):
    add("Concat", IMAGE, IMAGE, axis=axis)
add("Concat stored", cases(2, 3), weights(2, 3), axis=1)
add("Split", IMAGE, axis=3, results=4)
add("Split sizes", IMAGE, ints(1, 2), axis=1, results=2)
add("Split attribute", IMAGE, split=[4, 5], axis=2, results=2, opset=11)
add("Split uneven", IMAGE, axis=2, num_outputs=2, results=2, opset=18)
for start, end, axis, by in (
    ([1], [3], [2], [1]), ([-3], [10000], [2], [1]), ([0], [-1], [3], [2]),
    ([-1], [-10000], [2], [-1]), ([7], [1], [2], [-3]), ([1, 2], [5, 2**40], [2, 3], [2, 1]),
    ([-100], [4], [3], [1]), ([100], [-100], [3], [-2]), ([5], [2], [3], [1]),
):  # fmt: skip
    add("Slice", IMAGE, ints(*start), ints(*end), ints(*axis), ints(*by))
add("Slice front", cases(4, 3), ints(1), ints(3))
add("Slice all back", cases(4, 3), ints(-1), ints(-(2**63)), ints(0), ints(-1))
add("Gather one", IMAGE, number(1, np.int64), axis=1)
add("Gather last", IMAGE, number(-1, np.int64), axis=2)
add("Gather some", IMAGE, ints(2, 0, -1), axis=1)
add("Gather matrix", IMAGE, np.array([[0, 1], [2, -2]]), axis=3)
add("Gather from table", weights(6, 4), cases(2, 3, dtype="int64", low=0, high=5))
add("Gather int32", IMAGE, np.array([1, 0], np.int32), axis=1)
add("GatherElements", cases(3, 4), np.array([[0, -1], [2, 1], [3, 0]]), axis=1)
add("GatherND points", cases(3, 4, 5), np.array([[[0, 1], [2, -1]], [[1, 3], [0, 0]]]))
add("GatherND rows", cases(3, 4, 5), np.array([[2], [0]]))
add("GatherND whole", cases(3, 4, 5), np.array([[2, 1, 0], [0, 3, -1]]))
add("ScatterND points", cases(3, 4, 5), np.array([[[0, 1], [2, -1]]]), cases(1, 2, 5))
add("ScatterND rows", cases(3, 4, 5), np.array([[2], [0]]), cases(2, 4, 5))
add("ScatterND whole", cases(3, 4, 5), np.array([[2, 1, 0], [0, 3, -1]]), cases(2))
add("Trilu", cases(2, 4, 5))
add("Trilu lower", cases(2, 4, 5), number(1, np.int64), upper=0)
add("SpaceToDepth", cases(2, 3, 4, 6), blocksize=2)
add("DepthToSpace", cases(2, 12, 4, 6), blocksize=2)
add("DepthToSpace crd", cases(2, 12, 4, 6), blocksize=2, mode="CRD")

# Resizing: those modes that are not refused
NOTHING = np.array([], F32)


def resize(name: str, given: object, to: object, **attributes: object) -> None:
    by_size = isinstance(to, np.ndarray) and to.dtype == np.int64
    rest = (None, None, to) if by_size else (None, to)
    add(f"Resize {name}", given, *rest, **attributes)


for coordinates in ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"):
    for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        for to in (ints(2, 3, 18, 16), ints(2, 3, 5, 11), np.array([1, 1, 2, 0.5], F32)):
            given = cases(2, 3, 9, 8, free=()) if to.dtype == np.int64 else IMAGE
            resize(f"{coordinates} {nearest}", given, to, nearest_mode=nearest,
                   coordinate_transformation_mode=coordinates)  # fmt: skip
resize("free", cases(2, 3, 9, 8, free=(0, 2, 3)), np.array([1, 1, 2, 2], F32), mode="nearest",
       coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
for coordinates in ("half_pixel", "align_corners", "pytorch_half_pixel"):
    for mode in ("linear", "cubic"):
        for to in (ints(2, 3, 18, 16), ints(2, 3, 5, 11), np.array([1, 1, 2, 2], F32),
                   np.array([1, 1, 1.7, 2.3], F32)):  # fmt: skip
            given = cases(2, 3, 9, 8, free=()) if to.dtype == np.int64 else IMAGE
            if coordinates == "align_corners" and to.dtype != np.int64 and to[2] != 2:
                continue  # onnxruntime takes the factor, torch the sizes: refused, see below
            resize(f"{mode} {coordinates}", given, to, mode=mode, cubic_coeff_a=-0.75,
                   coordinate_transformation_mode=coordinates)  # fmt: skip
resize("line", LINE, np.array([1, 1, 2], F32), mode="linear")
resize("volume", VOLUME, np.array([1, 1, 2, 2, 2], F32), mode="linear")
resize("volume nearest", VOLUME, np.array([1, 1, 2, 2, 2], F32),
       coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
resize("axes", IMAGE, np.array([2, 2], F32), mode="linear", axes=[2, 3], opset=18)
resize("old", IMAGE, np.array([1, 1, 2, 2], F32), mode="linear", opset=13)


@pytest.mark.parametrize("name", TABLE)
def test_an_operator_gives_what_onnxruntime_gives(name):
    assert_alike(TABLE[name])


def test_the_table_leaves_no_operator_out():
    made_by_networks = {"Constant", "Shape", "Size", "ConstantOfShape", "Range", "Swish"}

    assert {name.partition(" ")[0] for name in TABLE} == set(HANDLERS) - made_by_networks
