"""A folded program has less to do and the same answer."""

import pytest
import torch

from ml.intake.pt2 import read_pt2
from ml.program.fold import folded
from ml.program.walk import Walker
from tests.ml.program.networks import NAMES, exported, network
from tests.ml.program.test_walk import apart


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_stays(name):
    net = network(name)
    program, cases = read_pt2(net.path), net.case(2)
    less = folded(program)
    with torch.no_grad():
        expected = Walker(program).run([cases])[program.outputs[0]]
        found = Walker(less).run([cases])[less.outputs[0]]

    assert apart(found, expected) <= 1e-5
    assert {node.name for node in less.dropouts} <= set(program.outputs)


def test_every_normalisation_after_a_convolution_is_gone():
    program = folded(read_pt2(network("resnet18").path))

    assert not [node for node in program.nodes if node.operation.base == "batch_norm"]
    assert set(program.weights) <= {name for node in program.nodes for name in node.uses}


def test_what_is_kept_stays_as_it_is():
    net = network("resnet18")
    program, cases = read_pt2(net.path), net.case(2)
    before = [node.name for node in program.nodes if node.operation.base == "conv2d"][:3]
    dropped = [node.name for node in read_pt2(network("unet-2d").path).dropouts]
    less = folded(program, keep=before)
    with torch.no_grad():
        expected = Walker(program).run([cases], taps=before)
        found = Walker(less).run([cases], taps=before)

    assert all(apart(found[name], expected[name]) <= 1e-5 for name in before)
    kept = folded(read_pt2(network("unet-2d").path), keep=dropped[:1])
    assert [node.name for node in kept.dropouts] == dropped[:1]


class Padded(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.pad(x.exp(), (0, 0, 0, 0), "replicate")
        return torch.nn.functional.pad(x, (0, 1, 0, 0), value=2.0)


def test_padding_by_nothing_is_left_out(tmp_path):
    program = read_pt2(exported(Padded().eval(), (1, 3, 4), tmp_path / "pad.pt2"))
    less, cases = folded(program), torch.randn(2, 1, 3, 4)

    assert [node.operation.base for node in less.nodes] == ["exp", "pad"]
    assert torch.equal(Walker(less).run([cases])[less.outputs[0]], Padded()(cases))


@pytest.mark.parametrize(("groups", "left"), [(1, 0), (2, 1)])
def test_a_transposed_convolution_takes_its_normalisation_in_unless_it_has_groups(
    groups, left, tmp_path
):
    torch.manual_seed(1)
    norm = torch.nn.BatchNorm2d(6)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    net = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=groups), norm
    ).eval()
    program, cases = (
        read_pt2(exported(net, (4, 5, 6), tmp_path / "up.pt2")),
        torch.randn(2, 4, 5, 6),
    )
    less = folded(program)

    assert sum(node.operation.base == "batch_norm" for node in less.nodes) == left
    with torch.no_grad():
        assert apart(Walker(less).run([cases])[less.outputs[0]], net(cases)) <= 1e-5
