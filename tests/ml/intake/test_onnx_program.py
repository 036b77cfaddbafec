"""Networks exported to ONNX give the module's own numbers, gradients and dropout."""

import importlib.util
import io
import warnings
from functools import cache

import numpy as np
import onnx
import pytest
import torch

from ml.intake.onnx_graph import at_rest, read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.program.graph import Program, Ref
from ml.program.walk import Walker
from tests.ml.intake.onnx_graphs import runtime, walked
from tests.ml.program.networks import NAMES, network

CLOSE = 1e-4  # of the largest number
# Those with elementwise dropout: of whole channels (DenseNet) neither exporter keeps anything.
DROPPING = ("vit", "unet-2d", "basicunet", "dynunet", "attention-unet", "efficientnet-b0")
# Exports that keep batch normalisation as it is, so that every value is the module's own.
KEPT = (*DROPPING, "densenet121", "resnet18", "unet-3d", "segresnet")
DYNAMO = ("vit", "unet-3d", "segresnet", "dynunet")  # it takes ten times as long


def exported(name: str, exporter: str) -> bytes:
    if exporter == "dynamo" and importlib.util.find_spec("onnxscript") is None:
        pytest.skip("the exporter by torch.export needs onnxscript")
    return _exported(name, exporter)


@cache
def _exported(name: str, exporter: str) -> bytes:
    """The network's file; "dropping" switches elementwise dropout on, and keeps it."""
    net = network(name)
    example = torch.zeros((2, *net.shape))
    modes = [(part, part.training) for part in net.module.modules()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        if exporter == "dynamo":
            free = ({0: torch.export.Dim("b", min=1, max=64)},)
            made = torch.onnx.export(
                net.module, (example,), dynamo=True, dynamic_shapes=free, verbose=False
            )
            return bytes(made.model_proto.SerializeToString())
        mode = torch.onnx.TrainingMode.EVAL
        if exporter == "dropping":
            mode = torch.onnx.TrainingMode.PRESERVE
            _drop(net.module)
        file = io.BytesIO()
        torch.onnx.export(
            net.module, (example,), file, dynamo=False, opset_version=17, training=mode,
            input_names=["image"], dynamic_axes={"image": {0: "cases"}},
        )  # fmt: skip
        for part, training in modes:
            part.training = training
    return file.getvalue()


def _drop(module: torch.nn.Module) -> None:
    for part in module.modules():
        if type(part) is torch.nn.Dropout:
            part.train()


def taken_over(data: bytes) -> Program:
    return read_onnx_program(read_graph(data, "model.onnx"), "model.onnx")


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


WHOLE = list(NAMES)
FILES = [
    *((name, "script") for name in WHOLE),
    *((name, "dropping") for name in KEPT),
    *((name, "dynamo") for name in DYNAMO),
]
# In double precision its depthwise convolutions take minutes.
DIFFERENTIATED = [one for one in FILES[len(WHOLE) :] if one[0] != "efficientnet-b0"]


@pytest.mark.parametrize(("name", "exporter"), FILES)
def test_values_are_the_modules_and_onnxruntimes(name, exporter):
    net, data = network(name), exported(name, exporter)
    program, cases = taken_over(data), network(name).case()

    with torch.no_grad():
        found = Walker(program).run([cases])[program.outputs[0]]
        expected = net.answer(cases)

    assert apart(found, expected) <= CLOSE
    (theirs, *_) = runtime(at_rest(data), [cases.numpy()])
    assert apart(found, torch.from_numpy(theirs)) <= CLOSE


@pytest.mark.parametrize(("name", "exporter"), DIFFERENTIATED)
def test_gradients_at_the_input_and_the_last_convolution_are_the_modules(name, exporter):
    """In double precision: where a value is nearly 0, rounding decides on the slope beyond it."""
    net, program = network(name), taken_over(exported(name, exporter))
    walker = Walker(program)
    walker.weights = {
        name: value.double() if value.is_floating_point() else value
        for name, value in walker.weights.items()
    }
    ours, theirs = (net.case(2).double().requires_grad_() for _ in range(2))
    layer, node = _last_convolution(net.module, program)
    kept: dict[str, torch.Tensor] = {}
    hook = layer.register_forward_hook(lambda part, given, made: kept.update(made=made))

    try:
        net.module.double()
        values = walker.run([ours], taps=[node])
        found = torch.autograd.grad(values[program.outputs[0]].square().sum(), [ours, values[node]])
        answer = net.answer(theirs)
        expected = torch.autograd.grad(answer.square().sum(), [theirs, kept["made"]])
    finally:
        hook.remove()
        net.module.float()

    assert apart(values[node], kept["made"]) <= CLOSE
    for mine, own in zip(found, expected, strict=True):
        assert apart(mine, own) <= CLOSE


def _last_convolution(module: torch.nn.Module, program: Program) -> tuple[torch.nn.Module, str]:
    """The last convolution of the program, and the module that it is by its weight."""
    layers = {
        part.weight.detach().numpy().tobytes(): part
        for part in module.modules()
        if "Conv" in type(part).__name__ and isinstance(getattr(part, "weight", None), torch.Tensor)
    }
    for node in reversed(program.needed(program.outputs[:1])):
        weight = node.arguments.get("weight")
        if node.operation.base.startswith("conv"):
            assert isinstance(weight, Ref)
            return layers[program.weights[weight.name].tobytes()], node.name
    raise AssertionError("no convolution")


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_of_one_seed_is_the_modules(name):
    net, program = network(name), taken_over(exported(name, "dropping"))
    cases = net.case()
    assert program.dropouts
    try:
        _drop(net.module)
        torch.manual_seed(11)
        with torch.no_grad():
            expected = net.answer(cases)
    finally:
        net.module.eval()
    torch.manual_seed(11)
    with torch.no_grad():
        found = Walker(program).run([cases], active=program.dropouts)[program.outputs[0]]

        assert apart(found, expected) <= CLOSE
        assert not torch.equal(found, net.answer(cases)), "nothing was dropped"


class Head(torch.nn.Module):
    def __init__(self, drop: torch.nn.Module) -> None:
        super().__init__()
        self.conv, self.drop = torch.nn.Conv2d(1, 4, 3), drop
        self.head = torch.nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.conv(image).relu()).mean((2, 3)))


def small(drop: torch.nn.Module, *, training: bool, dynamo: bool = False) -> onnx.ModelProto:
    module = Head(drop).eval()
    module.drop.train(training)
    example, file = torch.zeros(1, 1, 8, 8), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            made = torch.onnx.export(module, (example,), dynamo=True, verbose=False)
            return made.model_proto
        torch.onnx.export(
            module, (example,), file, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE
        )
    return onnx.load_model_from_string(file.getvalue())


def test_an_export_at_rest_has_lost_its_dropout():
    """What docs/formats.md says of the exporters holds for the version that is installed."""
    program = taken_over(small(torch.nn.Dropout(0.3), training=False).SerializeToString())

    assert not program.dropouts


@pytest.mark.parametrize("dynamo", [False, True])
def test_dropout_that_trains_stays_in_the_export_with_its_rate(dynamo):
    if dynamo:
        pytest.importorskip("onnxscript")
    data = small(torch.nn.Dropout(0.3), training=True, dynamo=dynamo).SerializeToString()
    program = taken_over(data)

    (site,) = program.dropouts
    assert site.arguments["p"] == 0.3
    assert site.scope == "drop"


def test_an_export_that_trains_is_at_rest_in_onnxruntime_too():
    """onnxruntime draws where a file says training; an audit's plain forward never does."""
    data = bytes(small(torch.nn.Dropout(0.3), training=True).SerializeToString())
    image = np.ones((1, 1, 8, 8), np.float32)

    (drawn,) = runtime(data, [image])  # each process draws alike in every session, or not
    (still,) = runtime(at_rest(data), [image])
    (expected,) = walked(taken_over(data), [image])

    assert np.abs(drawn - expected).max() > 1e-3, "nothing is shown by this test"
    np.testing.assert_allclose(still, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("exporter", "folded"),
    [("script", "layer1.0.conv2"), ("dynamo", "layer1.0.bn2")],  # each names it its own way
)
def test_nodes_carry_the_module_they_were_written_in(exporter, folded):
    program = taken_over(exported("resnet18", exporter))

    scopes = {node.scope for node in program.nodes}
    assert any(scope.startswith("layer4.1") for scope in scopes)
    assert folded in scopes


def test_weights_keep_their_names_and_values():
    net, program = network("unet-2d"), taken_over(exported("unet-2d", "script"))
    own = {name: value.detach().numpy() for name, value in net.module.named_parameters()}

    same = [name for name in program.sources if name in own]
    assert len(same) > 10
    assert all((program.weights[name] == own[name]).all() for name in same)
