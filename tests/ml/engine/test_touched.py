"""Windows give what whole forwards give, whatever a network is made of."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch import nn

from ml.engine.occlusion import Grid, Occlusion
from ml.engine.touched import TouchedForwards
from ml.intake.pt2 import read_pt2
from ml.program.places import logits_of
from tests.ml.engine.small import CLASSIFIERS, small
from tests.ml.program.networks import Network, exported
from tests.ml.program.test_walk import apart

CLOSE = 1e-5  # of the largest number


class Branches(nn.Module):
    """Strides, dilation, groups, pools, a shortcut and a join: all that windows are cut for."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 8, 5, stride=2, padding=(2, 1))
        self.norm = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.same = nn.Conv2d(8, 4, (3, 1), padding="same")
        self.act = nn.PReLU(8)
        self.last = nn.Conv2d(12, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.norm(self.first(x * 0.5 - 0.25))
        x = nn.functional.max_pool2d(self.act(x), 3, stride=2, padding=1)
        x = x + torch.sigmoid(self.wide(x))
        x = torch.cat([nn.functional.silu(self.same(x)), x], 1)
        x = nn.functional.avg_pool2d(x, 2, padding=1)
        return self.head(self.last(x).relu().mean((2, 3)))


class ChannelsLast(nn.Module):
    """Takes pictures as Keras does, and turns them first."""

    def __init__(self):
        super().__init__()
        self.inner = Branches()

    def forward(self, x):
        return self.inner(x.permute(0, 3, 1, 2))


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 4, 3, stride=2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = nn.functional.max_pool3d(self.first(x).relu(), 2)
        return self.head(self.second(x).relu().amax((2, 3, 4)))


KINDS = {
    "branches": (Branches, (2, 60, 52)),
    "channels last": (ChannelsLast, (60, 52, 2)),
    "volumes": (Volumes, (1, 20, 24, 20)),
}


@cache
def made(name):
    kind, shape = KINDS[name]
    torch.manual_seed(1)
    module = kind().eval()
    for key, value in module.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return Network(module, shape, exported(module, shape, Path(mkdtemp()) / "net.pt2"))


def axes_of(name):
    return (1, 2) if name == "channels last" else tuple(range(2, 1 + len(KINDS[name][1])))


def forwards(net, axes, boxes):
    program = read_pt2(net.path)
    return TouchedForwards(program, net.shape, boxes, axes, logits_of(program, program.outputs[0]))


def by_hand(net, case, fill, boxes, axes):
    """The module's answer to each copy with a box filled."""
    copies = []
    for box in boxes:
        copy = case.clone()
        place = [slice(None)] * copy.dim()
        for axis, (first, last) in zip(axes, box, strict=True):
            place[axis] = slice(int(first), int(last) + 1)
        copy[tuple(place)] = fill.expand_as(copy)[tuple(place)]
        copies.append(copy)
    with torch.no_grad():
        return net.answer(torch.cat(copies))


@pytest.mark.parametrize("name", KINDS)
def test_windows_give_what_the_module_gives(name):
    net, axes = made(name), axes_of(name)
    sides = [net.shape[axis - 1] for axis in axes]
    boxes = np.array([
        [[0, 4] for _ in axes],
        [[side - 3, side - 1] for side in sides],
        [[side // 2, side // 2 + 6] for side in sides],
        [[0, 2], *([side - 4, side - 1] for side in sides[1:])],
    ])  # fmt: skip
    ours = forwards(net, axes, boxes)
    case, fill = net.case(1), torch.full((1, *(1 for _ in net.shape)), 0.7)

    assert ours.plan.saved > 0.3
    assert len(ours.plan.head) >= 3
    expected = by_hand(net, case, fill, boxes, axes)
    assert apart(ours.run(case, fill), expected) <= CLOSE
    assert apart(ours.run(case, fill, np.array([3, 1])), expected[[3, 1]]) <= CLOSE


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_networks_of_every_kind_give_what_they_give_whole(name):
    net = small(name)
    boxes = Grid.over(net.shape[1:]).boxes[::23]
    ours = forwards(net, (2, 3), boxes)
    case, fill = net.case(1), torch.zeros(1, 1, 1, 1)

    found = ours.run(case, fill)
    assert apart(found, by_hand(net, case, fill, boxes, (2, 3))) <= CLOSE
    assert 0 <= ours.plan.saved < 1


def test_what_takes_the_whole_picture_is_not_run_on_windows():
    """A gate of SENet needs the mean of all places: nothing behind it is left out."""
    net = small("seresnet")
    ours = forwards(net, (2, 3), Grid.over(net.shape[1:]).boxes)

    gates = [node for node in ours.plan.tail.nodes if node.operation.base == "sigmoid"]
    assert gates
    assert "sigmoid" not in {node.operation.base for node in ours.plan.head}


def test_a_box_that_no_place_sees_changes_nothing():
    """Between the pixels that a stride of three takes."""

    class Sparse(nn.Module):
        def forward(self, x):
            return nn.functional.conv2d(x, torch.ones(1, 1, 1, 1), stride=3).flatten(1)

    net = Network(Sparse(), (1, 9, 9), exported(Sparse(), (1, 9, 9), Path(mkdtemp()) / "net.pt2"))
    boxes = np.array([[[1, 2], [1, 2]], [[3, 3], [0, 0]]])
    ours = forwards(net, (2, 3), boxes)
    case = net.case(1)
    found = ours.run(case, torch.full((1, 1, 1, 1), 5.0))

    assert torch.equal(found[0], net.answer(case)[0])
    assert found[1].tolist() != net.answer(case)[0].tolist()
    assert found[1, 3] == 5


def test_the_arithmetic_saved_is_that_of_the_windows():
    """One convolution of 1 x 1, on boxes of a quarter: three quarters are not computed again."""

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 1)

        def forward(self, x):
            return self.conv(x).amax((2, 3))

    module = One()
    net = Network(module, (1, 16, 16), exported(module, (1, 16, 16), Path(mkdtemp()) / "net.pt2"))

    assert forwards(net, (2, 3), np.array([[[0, 7], [8, 15]]])).plan.saved == 0.75
    # A window of all but a row is no window.
    assert forwards(net, (2, 3), np.array([[[0, 14], [0, 15]]])).plan.saved == 0


def test_a_graph_of_several_inputs_is_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return (x + y).mean((2, 3))

    path = Path(mkdtemp()) / "net.pt2"
    example = (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
    torch.export.save(torch.export.export(Two(), example), path)
    program = read_pt2(path)

    with pytest.raises(ValueError, match="several inputs"):
        TouchedForwards(program, (1, 8, 8), np.zeros((1, 2, 2), int), (2, 3), program.outputs[0])


class Additive(nn.Module):
    """Two scores: the sum of all pixels of the left half, and twice that of all."""

    def forward(self, x):
        left = x[..., : x.shape[-1] // 2].sum((1, 2, 3))
        return torch.stack([left, 2 * x.sum((1, 2, 3))], 1)


def additive(shape=(1, 28, 28), batch=None):
    path = Path(mkdtemp()) / "net.pt2"
    if batch is None:
        return read_pt2(exported(Additive(), shape, path))
    torch.export.save(torch.export.export(Additive(), (torch.zeros(batch, *shape),)), path)
    return read_pt2(path)


@pytest.mark.parametrize("batch", [None, 4])
def test_occlusion_of_an_additive_network_is_what_each_box_holds(batch):
    program = additive(batch=batch)
    ours = Occlusion(program, (1, 28, 28), (2, 3), program.outputs[0])
    case = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    found = ours.maps(case, torch.tensor([[1.0, 0.0]]))[0]

    # What a box takes away: what stands above the mean in the left half, pixel by pixel.
    excess = (case - case.mean())[0, 0].double()
    excess[:, 14:] = 0
    total, count = torch.zeros(28, 28, dtype=torch.float64), torch.zeros(28, 28)
    for row in range(0, 25, 2):
        for column in range(0, 25, 2):
            box = (slice(row, row + 4), slice(column, column + 4))
            total[box] += excess[box].sum()
            count[box] += 1
    assert torch.allclose(found, (total / count)[::2, ::2], atol=1e-4)
    assert torch.equal(found[:, 8:], torch.zeros(14, 6, dtype=torch.float64))
    assert (found[:, 6:8] != 0).all()  # the seventh cells share boxes with the left half


def test_each_case_is_explained_for_its_own_score():
    program = additive()
    ours = Occlusion(program, (1, 28, 28), (2, 3), program.outputs[0])
    cases = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(4))
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
    found = ours.maps(cases, weights)

    assert torch.allclose(found[0], ours.maps(cases[:1], weights[:1])[0])
    assert torch.allclose(found[1], ours.maps(cases[1:2], weights[1:2])[0])
    assert (found[0][:, 8:] == 0).all()
    assert (found[1][:, 8:] != 0).any()


def test_whole_forwards_and_windows_give_one_map(monkeypatch):
    net = made("branches")
    program = read_pt2(net.path)
    output = logits_of(program, program.outputs[0])
    cases, weights = net.case(2), torch.eye(3)[:2]
    windows = Occlusion(program, net.shape, (2, 3), output)
    monkeypatch.setattr("ml.engine.occlusion._WORTH", 2.0)
    whole = Occlusion(program, net.shape, (2, 3), output)

    assert windows.touched is not None
    assert whole.touched is None
    assert apart(windows.maps(cases, weights), whole.maps(cases, weights)) <= CLOSE
    assert windows.maps(cases, weights).shape == (2, *windows.grid.cells)


def test_boxes_lie_in_the_picture_and_cover_every_cell():
    for sides in ((224, 224), (30, 17), (5, 3), (1, 1), (100,), (40, 64, 50)):
        grid = Grid.over(sides)
        boxes, covers = grid.boxes, grid.covers

        assert (boxes[..., 0] >= 0).all()
        assert (boxes[..., 1] < np.array(sides)).all()
        assert (boxes[..., 1] >= boxes[..., 0]).all()
        assert covers.any(axis=0).all()
        assert (boxes[..., 1].max(axis=0) == np.array(sides) - 1).all()
