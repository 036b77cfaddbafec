"""Forwards and MC dropout of the engine against torch, onnxruntime and the machine's arithmetic."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from benchmarks.measuring import Result, Skipped, attempted, least, seconds
from ml.engine.room import by_batch, chosen_batch
from ml.engine.session import Session
from ml.engine.trial import OF_A_PROGRAM, measured

SIDE, BATCH, SAMPLES, RUNS = 224, 8, 30, 9
NETWORKS = (
    "DenseNet121", "ResNet18", "ResNet50", "SEResNet50", "EfficientNet-B0", "ViT-S/16", "UNet",
)  # fmt: skip
COMPILED = NETWORKS  # by torch.compile, which takes half a minute for each
OF_THE_LIMIT = {"DenseNet121": 0.65, "ResNet18": 0.85, "ResNet50": 0.85}


# One thread, and seconds of the processor: so an audit runs them, one process for each core.
THREADS, CLOCK = 1, time.process_time


def run(only: str = "") -> Iterator[Result | Skipped]:
    """All comparisons, or those whose network has this text in its name."""
    comparisons: list[partial[Any]] = [
        *(partial(against_runtimes, name) for name in NETWORKS),
        *(partial(against_compiled, name) for name in COMPILED),
        *(partial(against_arithmetic, name) for name in OF_THE_LIMIT),
        partial(dropout_against_a_loop, "DenseNet121, dropout before the head", goal=40),
        partial(dropout_against_a_loop, "DenseNet121, dropout in block 4", goal=15),
        partial(dropout_against_a_loop, "BasicUNet, dropout in the bottleneck", goal=1.5),
    ]
    yield from attempted(*(one for one in comparisons if only.lower() in one.args[0].lower()))


@dataclass(frozen=True)
class Exported:
    module: Any
    program: Any
    cases: Any
    found: list[Any] = field(default_factory=list)  # of the module, kept between measurements


@dataclass(frozen=True)
class Chosen:
    """A network, and what the engine's trial takes for it.

    Attributes:
        name: of the runtime.
        at_once: cases.
        of: the call that runs any cases so.
    """

    net: Exported
    name: str
    at_once: int
    of: Callable[[Any], Any]

    def run(self) -> Any:
        """All cases of the network."""
        return self.of(self.net.cases)


@cache
def chosen(name: str) -> Chosen:
    """Measured as at intake, among the same three."""
    import torch

    from ml.engine.fused import prepared
    from ml.program.to_onnx import to_onnx
    from ml.program.walk import Walker

    net = exported(name)
    output = net.program.outputs[0]
    plain, fused = Walker(net.program), prepared(net.program, [tuple(net.cases.shape[1:])])
    session = _opened(to_onnx(net.program, [tuple(net.cases.shape[1:])]))

    def onnxruntime(cases: Any) -> Any:
        found = session.run([output], {net.program.inputs[0].name: cases.numpy()})[0]
        return torch.from_numpy(found)

    runs: dict[str, Callable[[Any], Any]] = {
        OF_A_PROGRAM[0]: lambda cases: plain.run([cases])[output],
        OF_A_PROGRAM[1]: lambda cases: fused.run([cases])[output],
        OF_A_PROGRAM[2]: onnxruntime,
    }
    with torch.inference_mode():
        took = measured({name: _of_some(run, net.cases) for name, run in runs.items()}, BATCH)
        best = min(took, key=took.__getitem__)
        some = net.cases.numpy()
        as_one = cast(Session, SimpleNamespace(
            fixed_batch=None, fitted=[], run=lambda array: runs[best](torch.from_numpy(array))
        ))  # fmt: skip
        at_once = min(BATCH, chosen_batch(by_batch(as_one, some, took[best])))
    return Chosen(net, best, at_once, partial(_in_parts, runs[best], at_once=at_once))


def _of_some(run: Callable[[Any], Any], cases: Any) -> Callable[[int], Any]:
    return lambda n: run(cases[:n])


def _in_parts(run: Callable[[Any], Any], cases: Any, at_once: int) -> Any:
    """All cases, so many at once."""
    import torch

    return torch.cat([first_of(run(part)) for part in cases.split(at_once)])


def against_runtimes(name: str) -> Result:
    """The runtime that the engine chooses, against the fastest of three others at one batch."""
    import torch

    ours = chosen(name)
    net = ours.net
    last = net.cases.to(memory_format=torch.channels_last)
    laid = exported(name).module.to(memory_format=torch.channels_last)
    session = onnx_session(net)
    given = session.get_inputs()[0].name
    runs: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "torch, eager": (net.module, net.cases),
        "torch, channels last": (laid, last),
        "onnxruntime": (
            lambda cases: torch.from_numpy(session.run(None, {given: cases.numpy()})[0]), net.cases,
        ),
    }  # fmt: skip
    peers = {
        f"{peer}, {n} at once": partial(_in_parts, run, cases, n)
        for peer, (run, cases) in runs.items()
        for n in (BATCH, 2)
    }
    with torch.inference_mode():
        first = {peer: min(seconds(call, CLOCK) for _ in range(3)) for peer, call in peers.items()}
        fastest = min(first, key=first.__getitem__)
        took = least(ours.run, peers[fastest], RUNS, CLOCK)
        agree = alike(ours.run(), first_of(net.module(net.cases)))
    return Result(
        name=f"engine: forward of {name} by {ours.name}, {ours.at_once} at once",
        ours=took.ours,
        peer=took.peer,
        peer_name=f"the fastest of {len(peers)}, here {fastest}",
        ratio=took.peer / took.ours,
        goal=0.95,
        unit="s of the processor",
        n=f"{BATCH} cases of {SIDE} x {SIDE}, {THREADS} thread, {took.words}",
        agree=agree,
    )


def against_compiled(name: str) -> Result | Skipped:
    """The runtime that the engine chooses, against torch.compile with its weights frozen."""
    import torch
    import torch._inductor.config as inductor

    if shutil.which("g++") is None:
        return Skipped(f"engine: {name} against torch.compile", "it needs a C++ compiler, g++")
    ours = chosen(name)
    net = ours.net
    with inductor.patch(freezing=True), torch.inference_mode():
        began = time.perf_counter()
        compiled: Callable[[Any], Any] = torch.compile(net.module)
        expected = first_of(compiled(net.cases))
        compiling = time.perf_counter() - began
        took = least(ours.run, lambda: compiled(net.cases), RUNS, CLOCK)
        agree = alike(ours.run(), expected)
    torch._dynamo.reset()
    return Result(
        name=f"engine: forward of {name} by {ours.name}, {ours.at_once} at once",
        ours=took.ours,
        peer=took.peer,
        peer_name=f"torch.compile, frozen, compiled in {compiling:.0f} s",
        ratio=took.peer / took.ours,
        goal=0.95,
        unit="s of the processor",
        n=f"{BATCH} cases of {SIDE} x {SIDE}, {THREADS} thread, {took.words}",
        agree=agree,
    )


def against_arithmetic(name: str) -> Result:
    """The share of the machine's arithmetic: a large convolution says what it can do."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    chose = chosen(name)
    net = chose.net
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        expected = first_of(net.module(net.cases))
    last = torch.channels_last
    weight = torch.randn(256, 256, 3, 3).contiguous(memory_format=last)
    pictures = torch.randn(BATCH, 256, 56, 56).contiguous(memory_format=last)
    work = 2 * BATCH * 256 * 256 * 9 * 56 * 56
    with torch.inference_mode():
        agree = alike(chose.run(), expected)
        peak = partial(torch.conv2d, pictures, weight, padding=1)
        took = least(chose.run, peak, RUNS, CLOCK)
    one = took.peer
    bound = one * counted.get_total_flops() / work
    return Result(
        name=f"engine: arithmetic of {name} by {chose.name}, {chose.at_once} at once",
        ours=took.ours,
        peer=bound,
        peer_name=f"the limit of {work / one / 1e9:.0f} GFLOP/s",
        ratio=bound / took.ours,
        goal=OF_THE_LIMIT[name],
        unit="s",
        n=f"{BATCH} cases, {counted.get_total_flops() / 1e9:.1f} GFLOP, least of {RUNS} runs",
        agree=agree,
    )


def dropout_against_a_loop(name: str, goal: float) -> Result:
    """All samples of a batch, against the module run again for each: the same samples."""
    import torch

    from ml.engine.dropout import DropoutSampler, in_torch_order

    net = exported(name)
    dropping = [part for part in net.module.modules() if getattr(part, "p", 0) == 0.3]
    sites = [one for one in net.program.dropouts if one.arguments["p"] == 0.3]
    case = [tuple(net.cases.shape[1:])]
    parts = {
        how: DropoutSampler(net.program, sites, case, fused=True, written=how == "onnxruntime")
        for how in ("fused program", "onnxruntime")
    }
    # What the trial decides for a model: which of the two runs what is computed once.
    trunks = {how: partial(_trunk, one, net.cases) for how, one in parts.items()}
    tried = measured(trunks, BATCH)
    trunk = min(tried, key=tried.__getitem__)
    sampler = parts[trunk]
    keys = [str(at) for at in range(BATCH)]

    def ours() -> Any:
        torch.manual_seed(1)
        found = sampler.sample([net.cases], keys, samples=SAMPLES, draw=in_torch_order)
        return found[net.program.outputs[0]]

    def loop() -> Any:
        torch.manual_seed(1)
        for part in dropping:
            part.train()
        with torch.inference_mode():
            found = torch.stack([first_of(net.module(net.cases)) for _ in range(SAMPLES)])
        net.module.eval()
        return found

    agree = alike(ours(), loop())
    took = least(ours, loop, max(1, RUNS // 3), CLOCK)
    return Result(
        name=f"engine: MC dropout of {name}, the trunk by {trunk}",
        ours=took.ours,
        peer=took.peer,
        peer_name="torch in a loop",
        ratio=took.peer / took.ours,
        goal=goal,
        unit="s",
        n=f"{BATCH} cases, {SAMPLES} samples, {len(sites)} sites, {took.words}",
        agree=agree,
    )


def _trunk(sampler: Any, cases: Any, n: int) -> Any:
    return sampler.trunk.run([cases[:n]])


def exported(name: str, batch: int | None = None) -> Exported:
    """A network with settled statistics, its program, and as many cases."""
    import torch

    from ml.intake.pt2 import read_pt2

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    module, channels = built(name)
    for name_of, stored in module.named_buffers():
        if name_of.endswith("running_mean"):
            stored.normal_(0, 0.1)
        elif name_of.endswith("running_var"):
            stored.uniform_(0.5, 1.5)
    module.eval()
    cases = torch.rand(batch or BATCH, channels, SIDE, SIDE)
    free = ({0: torch.export.Dim("batch")},)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        torch.export.save(torch.export.export(module, (cases[:2],), dynamic_shapes=free), path)
        return Exported(module, read_pt2(path), cases)


def _vgg16() -> Any:
    """The layout of Simonyan and Zisserman (2015), weights by chance."""
    from torch import nn

    layers: list[Any] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = (nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.ReLU(), nn.Linear(512, 3))
    return nn.Sequential(*layers, *head)


def built(name: str) -> tuple[Any, int]:
    """The module and how many channels it takes."""
    import torch
    from monai.networks import nets

    if name.startswith("DenseNet121"):
        net = nets.DenseNet121(2, 3, 3, dropout_prob=0.3 if "block 4" in name else 0.0)
        if "block 4" in name:
            for block in ("denseblock1", "denseblock2", "denseblock3"):
                for part in getattr(net.features, block).modules():
                    if isinstance(part, torch.nn.Dropout2d):
                        part.p = 0.0
        if "head" in name:
            net.class_layers.out = torch.nn.Sequential(torch.nn.Dropout(0.3), net.class_layers.out)
        return net, 3
    if name == "VGG16":
        return _vgg16(), 3
    if name.startswith("BasicUNet"):
        net = nets.BasicUNet(2, 1, 2)
        net.down_4.add_module("dropout", torch.nn.Dropout2d(0.3))
        return net, 1
    if name == "SEResNet50":
        return nets.SEResNet50(spatial_dims=2, in_channels=3, num_classes=3), 3
    if name == "EfficientNet-B0":
        return nets.EfficientNetBN("efficientnet-b0", pretrained=False, num_classes=3), 3
    if name == "ViT-S/16":
        return nets.ViT(3, (SIDE, SIDE), (16, 16), 384, 1536, 12, 6, classification=True,
                        num_classes=3, spatial_dims=2), 3  # fmt: skip
    if name == "UNet":
        return nets.UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2,
                         norm="batch"), 1  # fmt: skip
    make = {"ResNet18": nets.resnet18, "ResNet50": nets.resnet50}[name]
    return make(spatial_dims=2, n_input_channels=3, num_classes=3), 3


def onnx_session(net: Exported) -> Any:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(net.module, (net.cases,), path, dynamo=False, input_names=["cases"],
                          dynamic_axes={"cases": {0: "batch"}}, opset_version=17)  # fmt: skip
        return _opened(path.read_bytes())


def _opened(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options)


def first_of(answer: Any) -> Any:
    return answer[0] if isinstance(answer, tuple) else answer


def alike(found: Any, expected: Any) -> bool:
    apart = float((found - expected).abs().max())
    return bool(np.isfinite(apart)) and apart <= 1e-4 * float(expected.abs().max())
