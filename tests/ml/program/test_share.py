"""Of a convolution over a concatenation, the part that no dropout touches is computed once."""

import pytest
import torch
from torch import nn

from ml.engine.dropout import DropoutSampler, in_torch_order
from ml.intake.pt2 import read_pt2
from ml.program.cut import cut_at_dropout, shapes_of, zeros
from ml.program.fold import folded
from ml.program.share import share_convolutions
from ml.program.walk import Walker
from tests.ml.engine.test_dropout import plain_loop
from tests.ml.program.networks import exported, network
from tests.ml.program.test_walk import apart

SIDES = {1: (8,), 2: (8, 6), 3: (4, 6, 8)}


class Joined(nn.Module):
    """Encoder, dropout, and a decoder that reads the encoder beside it."""

    def __init__(self, dims: int, *, transposed: bool = False, groups: int = 1) -> None:
        super().__init__()
        plain = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
        back = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
        self.first, self.second = plain(1, 4, 3, padding=1), plain(4, 2, 1)
        self.dropout = nn.Dropout(0.5)
        self.last = (back if transposed else plain)(10, 4, 3, stride=2, padding=1, groups=groups)
        self.norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims](4)
        self.norm.running_mean.normal_()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        still = self.first(x)
        moved = self.second(self.dropout(still.relu()))
        # A piece that stays on each side of one that does not, and one of both kinds again.
        both = torch.cat([still, moved, still.tanh()], dim=1)
        return self.norm(self.last(both)).relu(), still


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_samples_stay_and_the_tail_has_fewer_channels(dims, transposed, tmp_path):
    torch.manual_seed(dims)
    module = Joined(dims, transposed=transposed).eval()
    case = (1, *SIDES[dims])
    program = read_pt2(exported(module, case, tmp_path / "joined.pt2"))
    cases = torch.randn(3, *case)
    sampler = DropoutSampler(program, program.dropouts, [case], shared=True)

    torch.manual_seed(1)
    found = sampler.sample([cases], list("abc"), samples=4, draw=in_torch_order)
    torch.manual_seed(1)
    expected = plain_loop(program, cases, program.dropouts, 4)

    assert apart(found[program.outputs[0]], expected) <= 1e-5
    # What is an output and passes between the parts too is there for every sample.
    still = module(cases)[1].detach()
    assert apart(found[program.outputs[1]], still.expand(4, *still.shape)) <= 1e-6
    moved = [name for name in sampler.cut.tail.weights if name.endswith(".moved.weight")]
    assert [sampler.cut.tail.weights[name].shape[0 if transposed else 1] for name in moved] == [2]


def test_a_layer_in_groups_is_left_as_it_is(tmp_path):
    program = read_pt2(exported(Joined(2, groups=2).eval(), (1, 8, 6), tmp_path / "joined.pt2"))
    cut = cut_at_dropout(program, program.dropouts)
    shapes = shapes_of(Walker(program), zeros(program, [(1, 8, 6)]))

    assert share_convolutions(cut, shapes) is cut


def test_the_decoder_of_a_u_net_reads_half_of_its_channels_once():
    net = network("unet-2d")
    program = read_pt2(net.path)
    inner = program.dropouts[len(program.dropouts) // 2]
    shapes = shapes_of(Walker(program), zeros(program, [net.shape]))

    cut = share_convolutions(cut_at_dropout(program, [inner]), shapes)

    assert [name for name in cut.between if name.endswith(".still")]
    with torch.no_grad():
        cases = net.case(2)
        trunk = Walker(cut.trunk).run([cases])
        masks = [torch.ones(2, *[1] * 3) for _ in cut.sites]
        found = Walker(cut.tail).run([*(trunk[name] for name in cut.between), *masks])
        expected = Walker(folded(program)).run([cases])
    assert apart(found[program.outputs[0]], expected[program.outputs[0]]) <= 1e-5
