"""Floating-point operations, against torch's own counter on the module itself."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ml.intake.pt2 import read_pt2
from ml.program.cut import shapes_of
from ml.program.flops import flops_of
from ml.program.walk import Walker
from tests.ml.program.networks import exported, network

# each kind of product once; all networks were compared when this was written
NAMES = ("vit", "unet-2d", "attention-unet")


def counted(path, shape, batch=2):
    program = read_pt2(path)
    return flops_of(program, shapes_of(Walker(program), [torch.zeros((batch, *shape))]))


def theirs(module, cases):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(cases)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", NAMES)
def test_networks_cost_what_torch_counts(name):
    net = network(name)

    expected = theirs(net.module, torch.zeros((2, *net.shape)))

    assert counted(net.path, net.shape) == pytest.approx(expected, rel=0.01)


def test_counts_what_a_layer_costs_by_hand(tmp_path):
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2),
        torch.nn.ConvTranspose2d(6, 4, 2, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 64, 5),
    ).eval()
    path = exported(module, (2, 8, 8), tmp_path / "m.pt2")

    one_case = 2 * (6 * 16 * 9) + 2 * (6 * 16 * 4 * 4) + 2 * (4 * 64 * 5)

    assert counted(path, (2, 8, 8), batch=3) == 3 * one_case
