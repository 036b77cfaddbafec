"""Receptive fields, against which pixels really move a place: gradients of the same network."""

import pytest
import torch
from torch import nn

from ml.intake.pt2 import read_pt2
from ml.program.cut import shapes_of
from ml.program.reach import Reach
from ml.program.walk import Walker
from tests.ml.program.networks import exported, network

SIZE = (21, 24)


class Branches(nn.Module):
    """A shortcut beside a dilated way, joined by concatenation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(2, 2, 3, dilation=3, padding=3)
        self.last = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        start = self.first(x)
        far = self.wide(start)
        return self.last(torch.cat([start, far, start + far], dim=1))


class UpAgain(nn.Module):
    def __init__(self, up):
        super().__init__()
        self.down = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.up = up
        self.last = nn.Conv2d(2, 2, 3)

    def forward(self, x):
        return self.last(self.up(self.down(x)))


class Last(nn.Module):
    """Channels last, as networks of Keras are exported; a slice and padding on the way."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, (3, 5), stride=(1, 2))

    def forward(self, x):
        moved = nn.functional.pad(x.permute(0, 3, 1, 2), (3, 1, 0, 2))[:, :, 1::2, 2:]
        return self.conv(moved).permute(0, 2, 3, 1)


def pair(*layers):
    return nn.Sequential(*layers)


NETWORKS = {
    "plain": (lambda: pair(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3)), (2, 3)),
    "uneven": (lambda: pair(nn.Conv2d(1, 2, (1, 5), stride=(2, 1)), nn.BatchNorm2d(2),
                            nn.Conv2d(2, 2, (3, 2), dilation=(2, 1))), (2, 3)),
    "pools": (lambda: pair(nn.AvgPool2d(2), nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(),
                           nn.AvgPool2d(3, stride=2, padding=1), nn.Conv2d(2, 2, 2)), (2, 3)),
    "adaptive": (lambda: pair(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d((5, 7)),
                              nn.Conv2d(2, 2, 2)), (2, 3)),
    "same": (lambda: pair(nn.Conv2d(1, 2, 4, padding="same"), nn.Conv2d(2, 2, 3)), (2, 3)),
    "branches": (Branches, (2, 3)),
    "transposed": (lambda: UpAgain(nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1)), (2, 3)),
    "nearest": (lambda: UpAgain(nn.UpsamplingNearest2d(scale_factor=2)), (2, 3)),
    "bilinear": (lambda: UpAgain(nn.Upsample(scale_factor=2, mode="bilinear")), (2, 3)),
    "corners": (lambda: UpAgain(nn.UpsamplingBilinear2d(scale_factor=3)), (2, 3)),
    "shuffled": (lambda: pair(nn.Conv2d(1, 8, 3, stride=2), nn.PixelShuffle(2),
                              nn.Conv2d(2, 2, 2)), (2, 3)),
    "channels-last": (Last, (1, 2)),
}  # fmt: skip


def reach_of(module, tmp_path, axes=(2, 3), shape=None):
    shape = shape or ((1, *SIZE) if axes == (2, 3) else (*SIZE, 1))
    program = read_pt2(exported(module.eval(), shape, tmp_path / "m.pt2"))
    return Reach(program, shapes_of(Walker(program), [torch.zeros((2, *shape))]), axes)


def positive(module):
    """Nothing cancels and no activation is shut, so that every pixel that can count does."""
    for value in module.parameters():
        value.data = value.data.abs() + 0.1
    return module


def moved(module, axes, axis, at):
    """First and last row or column that moves one place of the output."""
    shape = (1, 1, *SIZE) if axes == (2, 3) else (1, *SIZE, 1)
    picture = torch.rand(shape).add(0.5).requires_grad_()
    module(picture).select(axes[axis], at).sum().backward()
    along = picture.grad.abs().sum([dim for dim in range(4) if dim != axes[axis]])
    found = torch.nonzero(along).flatten()
    return int(found[0]), int(found[-1])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch's, of speed
@pytest.mark.parametrize("name", NETWORKS)
def test_places_depend_on_the_pixels_that_move_them(name, tmp_path):
    build, axes = NETWORKS[name]
    module = positive(build())
    reach = reach_of(module, tmp_path, axes)
    output = reach.program.outputs[0]

    for axis, count in enumerate(reach.places(output)):
        found = {at: reach.interval(output, axis, at) for at in range(count)}
        within = {at: ends for at, ends in found.items() if 0 <= ends[0] <= ends[1] < SIZE[axis]}
        assert len(within) >= 2
        assert within == {at: moved(module, axes, axis, at) for at in within}


@pytest.mark.parametrize(
    ("module", "size"),
    [
        # the published value: VGG16 sees 196 pixels before its last pooling
        (nn.Sequential(*[
            layer for count in (2, 2, 3, 3, 3) for layer in
            [*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(count)], nn.MaxPool2d(2)]
        ][:-1]), 196),
        (nn.Sequential(nn.Conv2d(1, 1, 7, stride=2, padding=3),
                       nn.MaxPool2d(3, stride=2, padding=1)), 11),  # where ResNets begin
    ],
)  # fmt: skip
def test_sizes_are_those_that_are_published(module, size, tmp_path):
    reach = reach_of(module, tmp_path, shape=(1, 64, 64))

    assert reach.field(reach.program.outputs[0]).size == (size, size)


def gated():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            found = self.conv(x)
            return found * self.gate(found.mean((2, 3), keepdim=True)).sigmoid()

    return Gated()


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (gated, "mean over the whole picture"),
        (lambda: pair(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2)), "mean and variance"),
        (lambda: pair(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2)), "mean and variance"),
    ],
)
def test_what_takes_the_whole_picture_says_so_and_gives_the_local_size(build, word, tmp_path):
    reach = reach_of(build(), tmp_path)

    found = reach.field(reach.program.outputs[0])

    assert found.size is None
    assert word in found.reason
    assert found.local == (3, 3)


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: pair(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1)), "whole picture"),
        (lambda: pair(nn.Conv2d(1, 2, 3), nn.Flatten()), "laid out anew"),
        (lambda: pair(nn.Conv2d(1, 2, 3), nn.ReflectionPad2d(2)), "not followed"),
    ],
)
def test_where_no_place_is_left_there_is_no_field(build, word, tmp_path):
    reach = reach_of(build(), tmp_path)

    found = reach.field(reach.program.outputs[0])

    assert (found.size, found.local) == (None, None)
    assert word in found.reason


def test_attention_is_of_the_whole_picture(tmp_path):
    net = network("vit")
    program = read_pt2(net.path)
    reach = Reach(program, shapes_of(Walker(program), [torch.zeros((2, *net.shape))]), (2, 3))

    assert reach.field(program.outputs[0]).size is None
    patches = next(node for node in program.nodes if node.operation.base == "conv2d")
    assert reach.field(patches.name).size == (16, 16)
