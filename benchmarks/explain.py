"""Maps from a kept cut against the gradient on the module itself; what a backward costs.

In seconds of the processor, of one thread.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from benchmarks.engine import Exported, alike, exported, first_of
from benchmarks.faithful import tried_maps
from benchmarks.measuring import Result, Skipped, alternated, attempted, seconds
from benchmarks.occluded import occlusion

CASES, RUNS, SHORT_RUNS = 16, 5, 100
NETWORKS = ("DenseNet121", "ResNet18", "SEResNet50", "EfficientNet-B0", "ViT-S/16")
OCCLUDED = ("VGG16", "ResNet18", "ResNet50", "DenseNet121")
MOST_SECONDS = 0.005  # for the maps of 16 cases of DenseNet121 whose cut is kept


def run(only: str = "") -> Iterator[Result | Skipped]:
    """All comparisons, or those whose network has this text in its name."""
    comparisons: list[partial[Any]] = [
        *(partial(from_a_kept_cut, name) for name in NETWORKS),
        *(partial(with_its_forward, name) for name in NETWORKS),
        partial(from_a_kept_cut_against_captum, "DenseNet121"),
        partial(a_backward, "DenseNet121"),
        partial(features_beside_outputs, "DenseNet121"),
        *(partial(occlusion, name) for name in OCCLUDED),
    ]
    yield from attempted(*(one for one in comparisons if only.lower() in one.args[0].lower()))
    yield from tried_maps(only)


def from_a_kept_cut(name: str) -> Result:
    """Maps of one class for cases that have been run, against running the module again."""

    net = _net(name)
    ours, peer = _attributor(net), on_the_module(net)
    weights = _one_class()
    cached = ours.forward([net.cases])
    agree = alike(ours.class_map(cached, weights), peer(ours))
    # So short that a busy machine would take most of it: seconds of the processor, one thread.
    own = statistics.median(
        seconds(lambda: ours.class_map(cached, weights), time.process_time)
        for _ in range(SHORT_RUNS)
    )
    theirs = statistics.median(seconds(lambda: peer(ours), time.process_time) for _ in range(3))
    # Of DenseNet121 the goal is a time; the ratio says how often that is kept.
    timed = name == "DenseNet121"
    return Result(
        name=f"explain: Grad-CAM of {name} from a kept cut",
        ours=own,
        peer=MOST_SECONDS if timed else theirs,
        peer_name="the time set for it" if timed else "autograd on the module, with its forward",
        ratio=(MOST_SECONDS if timed else theirs) / own,
        goal=1,
        unit="s",
        n=f"{CASES} cases of {net.cases.shape[-1]} x {net.cases.shape[-1]}, {_threads()}; "
        f"the module with its forward takes {theirs:.3g} s",
        agree=agree,
    )


def from_a_kept_cut_against_captum(name: str) -> Result:
    """The same against Captum's LayerGradCam of the module's layer, all cases in one batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        from captum.attr import LayerGradCam

    net = _net(name)
    ours, weights = _attributor(net), _one_class()
    cached = ours.forward([net.cases])
    layer = _layer(net, ours.forward([net.cases[:2]]).between[0])
    captum = LayerGradCam(net.module, layer)

    def theirs() -> Any:
        return captum.attribute(net.cases, target=1)[:, 0].detach()

    agree = alike(ours.class_map(cached, weights), theirs())
    own = statistics.median(
        seconds(lambda: ours.class_map(cached, weights), time.process_time)
        for _ in range(SHORT_RUNS)
    )
    peer = statistics.median(seconds(theirs, time.process_time) for _ in range(RUNS))
    return Result(
        name=f"explain: Grad-CAM of {name} from a kept cut, against Captum",
        ours=own,
        peer=peer,
        peer_name="Captum's LayerGradCam, with its forward",
        ratio=peer / own,
        goal=100,
        unit="s",
        n=f"{CASES} cases of {net.cases.shape[-1]} x {net.cases.shape[-1]}, {_threads()}",
        agree=agree,
    )


def with_its_forward(name: str) -> Result:
    """The same with nothing kept: the trunk's forward and the tail."""

    net = _net(name)
    ours, peer = _attributor(net), on_the_module(net)
    weights = _one_class()

    def anew() -> Any:
        return ours.class_map(ours.forward([net.cases]), weights)

    agree = alike(anew(), peer(ours))
    own, theirs = alternated(anew, lambda: peer(ours), max(1, RUNS // 2), time.process_time)
    return Result(
        name=f"explain: Grad-CAM of {name} with its forward",
        ours=own,
        peer=theirs,
        peer_name="autograd on the module",
        ratio=theirs / own,
        goal=1,
        unit="s",
        n=f"{CASES} cases, {_threads()}",
        agree=agree,
    )


def a_backward(name: str) -> Result:
    """A gradient of the input, in forwards of the way outputs are computed: what plans count."""

    from ml.engine.cost import BACKWARD
    from ml.engine.fused import prepared

    net = _net(name)
    ours = _attributor(net)
    walker = prepared(net.program, [tuple(net.cases.shape[1:])])
    weights = _one_class()
    theirs = net.cases.clone().requires_grad_()
    (first_of(net.module(theirs)) * weights).sum().backward()
    agree = alike(ours.gradient([net.cases], weights), theirs.grad)
    own, forward = alternated(
        lambda: ours.gradient([net.cases], weights),
        lambda: walker.run([net.cases]),
        RUNS,
        time.process_time,
    )
    return Result(
        name=f"explain: gradient of the input of {name}",
        ours=own,
        peer=BACKWARD * forward,
        peer_name=f"the {BACKWARD:g} forwards that a plan counts",
        ratio=BACKWARD * forward / own,
        goal=1,
        unit="s",
        n=f"{CASES} cases, {_threads()}; a forward takes {forward:.3g} s",
        agree=agree,
    )


def features_beside_outputs(name: str) -> Result:
    """Outputs and features of one forward, against the outputs alone."""
    import torch

    from ml.engine.fused import FusedWalker
    from ml.program.places import features_of

    net = _net(name)
    wanted = features_of(net.program, net.program.outputs[0])
    assert wanted is not None
    plain = FusedWalker(net.program, [net.cases[:2]])
    keeping = FusedWalker(net.program, [net.cases[:2]], keep=[wanted])
    output = net.program.outputs[0]
    agree = torch.equal(
        keeping.run([net.cases], taps=[wanted])[output], plain.run([net.cases])[output]
    )
    own, alone = alternated(
        lambda: keeping.run([net.cases], taps=[wanted]),
        lambda: plain.run([net.cases]),
        RUNS,
        time.process_time,
    )
    return Result(
        name=f"explain: features of {name} beside its outputs",
        ours=own,
        peer=alone,
        peer_name="the outputs alone",
        ratio=alone / own,
        goal=0.95,
        unit="s",
        n=f"{CASES} cases, {_threads()}",
        agree=agree,
    )


@cache
def _net(name: str) -> Exported:
    return exported(name, CASES)


def _one_class() -> Any:
    """The score that is explained: the second logit of every case."""
    import torch

    return torch.eye(3)[1].expand(CASES, 3)


def _attributor(net: Any) -> Any:
    from ml.engine.attribute import Attributor

    return Attributor(net.program, [tuple(net.cases.shape[1:])])


def on_the_module(net: Any) -> Callable[[Any], Any]:
    """Grad-CAM as it is usually written: a hook on the module's layer, one backward."""
    import torch

    def explain(ours: Any) -> Any:
        kept = ours.forward([net.cases[:2]]).between[0]
        part = _layer(net, kept)
        seen: list[Any] = []
        hook = part.register_forward_hook(lambda _, given, found: seen.append(found))
        try:
            found = first_of(net.module(net.cases))
        finally:
            hook.remove()
        (slope,) = torch.autograd.grad(found[:, 1].sum(), seen[-1])
        axis, layer = ours.layer.axis, ours.layer
        around = [at for at in range(1, slope.dim()) if at != axis]
        found = (slope.mean(around, keepdim=True) * seen[-1]).sum(axis).detach()
        return found.flatten(1)[:, layer.skipped :].reshape(len(found), *layer.sides)

    return explain


def _layer(net: Any, value: Any) -> Any:
    """The module whose answer to two cases is the value; found once."""
    import torch

    if net.found:
        return net.found[0]
    seen: list[tuple[Any, Any]] = []
    hooks = [
        part.register_forward_hook(lambda part, given, found: seen.append((part, found)))
        for part in net.module.modules()
    ]
    with torch.no_grad():
        net.module(net.cases[:2])
    for hook in hooks:
        hook.remove()
    same = [
        part
        for part, found in seen
        if isinstance(found, torch.Tensor) and found.shape == value.shape and alike(found, value)
    ]
    net.found.append(same[-1])
    return same[-1]


def _threads() -> str:
    import torch

    return f"{torch.get_num_threads()} threads"
