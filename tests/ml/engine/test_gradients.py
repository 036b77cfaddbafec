"""Gradients are autograd's on the module; units and ends are counted; batches play no part."""

import numpy as np
import pytest
import torch

from ml.engine.gradients import gradients_job
from ml.engine.passes import GRADIENTS, PASSES, check_of, most_bytes_of
from ml.engine.plan import plan
from ml.engine.session import ModelError
from ml.evidence.flow import flow_of
from ml.evidence.store import table
from ml.intake.pt2 import read_pt2
from ml.program.flow import activations, flat_share, weighted
from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.protocol import Protocol
from tests.ml.engine.small import small
from tests.ml.engine.test_normalise import IDS, job, pictures  # noqa: F401
from tests.ml.intake.build import QUIET
from tests.ml.program.networks import exported

PARAMS = PASSES[GRADIENTS].params


def done(job, folder, **changes):  # noqa: F811
    params = PARAMS | changes
    result = gradients_job({**job, **params}, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    check_of(GRADIENTS, params, 2)(data, IDS)
    assert len(data) <= most_bytes_of(GRADIENTS, params, 2, len(IDS))
    return result, flow_of(table(data), IDS)


def by_hand(module, case, names):
    """Of the largest logit, before the softmax: the gradient's norm times that of the weights."""
    module.zero_grad()
    seen = []
    hook = module.head.register_forward_hook(lambda _, given, found: seen.append(found))
    module(case[None])
    hook.remove()
    seen[0].max().backward()
    weights = [dict(module.named_parameters())[f"{name}.weight"] for name in names]
    return [float(one.grad.norm() * one.detach().norm()) for one in weights]


def test_norms_are_autograds_on_the_module(job, tmp_path):  # noqa: F811
    _, flow = done(job, tmp_path)
    module, names = small("tiny").module, ["first", "second", "head"]

    assert [(one.name, one.weights) for one in flow.layers] == [
        ("first", 36), ("second", 216), ("head", 12),
    ]  # fmt: skip
    expected = [by_hand(module, case, names) for case in pictures(job)]
    assert flow.norms[flow.ran] == pytest.approx(np.array(expected), rel=1e-4)
    assert flow.failures == {"c3": "no_image"}
    assert not flow.ran[3]


def test_a_unit_is_active_where_it_is_above_zero_anywhere(job, tmp_path):  # noqa: F811
    _, flow = done(job, tmp_path)
    module, cases = small("tiny").module, pictures(job)
    with torch.no_grad():
        one = torch.relu(module.norm(module.first(cases)))
        two = torch.relu(module.second(one))

    assert [one.units for one in flow.cutting] == [4, 6]
    expected = torch.cat([(value > 0).flatten(2).any(2) for value in (one, two)], dim=1)
    assert np.array_equal(flow.active[flow.ran], expected.numpy())
    assert 0 < flow.active[flow.ran].mean() < 1
    assert not flow.active[3].any()


def test_a_layers_scale_plays_no_part(job, tmp_path):  # noqa: F811
    """Ten times the weights and a tenth of the next ones: the same network, the same numbers."""
    _, flow = done(job, tmp_path)
    module = type(small("tiny").module)()
    module.load_state_dict(small("tiny").module.state_dict())
    with torch.no_grad():
        module.second.weight *= 10
        module.second.bias *= 10
        module.head.weight /= 10
    exported(module.eval(), (1, 8, 8), tmp_path / "scaled.pt2")
    job["model"]["path"] = str(tmp_path / "scaled.pt2")
    _, scaled = done(job, tmp_path)

    assert scaled.norms[scaled.ran] == pytest.approx(flow.norms[flow.ran], rel=1e-4)


class Gated(torch.nn.Module):
    """A gate that is pushed to its end by its bias, and a part that answers nothing."""

    def __init__(self, push):
        super().__init__()
        torch.manual_seed(4)
        self.first, self.unused = torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(1, 4, 3)
        self.gate, self.head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)
        with torch.no_grad():
            self.gate.bias.fill_(push)

    def forward(self, image):
        found = torch.tanh(self.first(image)).mean((2, 3))
        found = found + 0 * self.unused(image).mean((2, 3))
        return self.head(found * torch.sigmoid(self.gate(found)))


def test_ends_are_counted_and_what_is_multiplied_by_nothing_has_no_gradient(job, tmp_path):  # noqa: F811
    found = {}
    for push in (0.0, 20.0):
        exported(Gated(push).eval(), (1, 8, 8), tmp_path / "m.pt2")
        job["model"]["path"] = str(tmp_path / "m.pt2")
        found[push] = done(job, tmp_path)[1]

    open_, shut = found[0.0], found[20.0]
    assert [one.kind for one in shut.saturating] == ["tanh", "sigmoid"]
    assert (shut.flat[shut.ran, 1] == 1).all()
    assert (open_.flat[open_.ran, 1] == 0).all()
    names = [one.name for one in open_.layers]
    assert (open_.norms[open_.ran, names.index("unused")] == 0).all()
    assert (open_.norms[open_.ran, names.index("gate")] > 0).all()
    gate = names.index("gate")
    assert (shut.norms[shut.ran, gate] < 1e-4 * open_.norms[open_.ran, gate]).all()


def test_the_ends_are_those_of_the_function():
    program = read_pt2(small("tiny").path)
    assert [one.cuts for one in activations(program, program.outputs[0])] == [True, True]
    (last,) = activations_of("sigmoid")
    values = torch.tensor([[0.0, 0.0099, 0.0101, 0.5, 0.9899, 0.9901, 1.0, 0.5]])
    assert flat_share(last, values).tolist() == [0.5]
    (last,) = activations_of("tanh")
    assert flat_share(last, torch.tensor([[-0.99, 0.0, 0.97, 0.985]])).tolist() == [0.5]


def activations_of(name):
    nodes = (Node(allowed()[name], {"self": Ref("x")}, ("a",)),)
    return activations(Program((Port("x", (None, 4), "float32"),), {}, nodes, ("a",)), "a")


def test_the_table_does_not_depend_on_the_batch_or_the_run(job, tmp_path):  # noqa: F811
    first, _ = done(job, tmp_path)
    again, _ = done(job, tmp_path)
    other, _ = done(job, tmp_path, batch=5)

    assert first["sha256"] == again["sha256"] == other["sha256"]


def test_layers_are_those_that_multiply():
    program = read_pt2(small("densenet").path)
    found = weighted(program, program.outputs[0])

    kinds = {one.node.operation.base for one in found}
    assert kinds == {"conv2d", "linear"}
    convolutions = [
        one for one in small("densenet").module.modules()
        if isinstance(one, torch.nn.Conv2d | torch.nn.Linear)
    ]  # fmt: skip
    assert len(found) == len(convolutions)


class OnlyMean(torch.nn.Module):
    def forward(self, image):
        mean = image.mean((2, 3))
        return torch.cat([mean, -mean], 1)


def test_a_network_without_weights_says_so(job, tmp_path):  # noqa: F811
    exported(OnlyMean().eval(), (1, 8, 8), tmp_path / "m.pt2")
    job["model"]["path"] = str(tmp_path / "m.pt2")
    with pytest.raises(ModelError, match="No layer of the network has a gradient"):
        gradients_job({**job, **PARAMS}, tmp_path, QUIET)


def test_a_table_that_lies_is_not_believed(job, tmp_path):  # noqa: F811
    result, _ = done(job, tmp_path)
    found = table((tmp_path / result["table"]).read_bytes())
    for name, cut in (("norms", 4), ("active", 1), ("flat", -4)):
        at = found.column_names.index(name)
        changed = [
            None if one is None else one[:-cut] if cut > 0 else one + b"\0\0\0\0"
            for one in found[name].to_pylist()
        ]
        with pytest.raises(ValueError, match="other numbers than the network has layers"):
            flow_of(found.set_column(at, name, [changed]), IDS)


def test_the_pass_is_planned_for_pictures_and_volumes():
    protocol = Protocol.parse({"checks": ["gradient-flow"], "limits": []})
    for flat in (True, False):
        passes = plan(protocol, has_model=True, pictures=flat)
        assert [one.name for one in passes] == ["predict", GRADIENTS]
        assert passes[1].params["most_cases"] == 100
    assert [one.name for one in plan(protocol, has_model=True, walks=False)] == ["predict"]
