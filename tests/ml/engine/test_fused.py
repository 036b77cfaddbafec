"""The fused executor gives what the plain walk gives, whatever it joins."""

import pytest
import torch

from ml.engine import fused
from ml.engine.fused import FusedWalker, prepared
from ml.engine.fusing.plan import steps_of
from ml.engine.fusing.steps import Known
from ml.intake.pt2 import read_pt2
from ml.program.cut import shapes_of
from ml.program.fold import folded
from ml.program.graph import Program
from ml.program.walk import Walker
from tests.ml.program.networks import NAMES, exported, network
from tests.ml.program.test_walk import apart

CLOSE = 1e-5


def both(program: Program, cases: torch.Tensor, linear: bool) -> tuple[torch.Tensor, torch.Tensor]:
    name = program.outputs[0]
    with torch.no_grad():
        plain = Walker(program).run([cases])[name]
    return FusedWalker(program, [cases[:2]], linear=linear).run([cases])[name], plain


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_the_plain_walks(name, linear):
    net = network(name)
    found, plain = both(read_pt2(net.path), net.case(3), linear)

    assert apart(found, plain) <= CLOSE


@pytest.mark.parametrize("name", ["densenet121", "resnet18", "vit", "unet-2d"])
def test_the_batch_does_not_change_an_answer(name):
    net = network(name)
    program, cases = read_pt2(net.path), net.case(5)
    walker = FusedWalker(program, [cases[:2]])

    together = walker.run([cases])[program.outputs[0]]
    alone = torch.cat([walker.run([one[None]])[program.outputs[0]] for one in cases])

    assert apart(alone, together) <= CLOSE


def test_inputs_are_not_written_over():
    net = network("unet-2d")
    program, cases = read_pt2(net.path), net.case(2)
    before = cases.clone()

    FusedWalker(program, [cases]).run([cases])

    assert torch.equal(cases, before)


def test_taps_are_what_the_plain_walk_has_there():
    net = network("densenet121")
    program, cases = read_pt2(net.path), net.case(2)
    names = [node.name for node in program.nodes if node.operation.base in ("cat", "relu")][5:60:9]
    walker = FusedWalker(program, [cases], keep=names)

    found = walker.run([cases], taps=names)
    with torch.no_grad():
        plain = Walker(program).run([cases], taps=names)

    assert max(apart(found[name], plain[name]) for name in names) <= CLOSE
    with pytest.raises(KeyError):
        FusedWalker(program, [cases]).run([cases], taps=names)


def test_a_densenet_needs_few_steps():
    """If a rule stops to apply, the answer stays right and only the time tells: this tells too."""
    net = network("densenet121")
    program = folded(read_pt2(net.path))
    walker = Walker(program)
    with torch.inference_mode():
        shapes = shapes_of(walker, [net.case(2)])
        steps = steps_of(Known(walker, shapes, frozenset(program.outputs)), linear=True)

    convolutions = [node for node in program.nodes if node.operation.name == "conv2d"]
    joins = [node for node in program.nodes if node.operation.base == "cat"]
    # Beside these: the last normalisation with its relu, four poolings, a flattening, the head.
    assert len(steps) <= len(convolutions) + len(joins) + 8


class Odd(torch.nn.Module):
    """What the rules must leave alone, or join with care."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.point = torch.nn.Conv2d(8, 8, 1, bias=False)
        self.wide = torch.nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm2d(8) for _ in range(2))
        self.head = torch.nn.Linear(32, 3)
        with torch.no_grad():
            for norm in (self.norm, *self.norms):
                norm.weight.copy_(torch.tensor([1.0, -1.5, 0.5, -0.2, 2.0, 0.7, -1.0, 1.0]))
                norm.bias.uniform_(-1, 1)
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        read_twice = self.norms[0](first)  # the convolution is read below as well
        signs = self.point(torch.relu(self.norm(first)))  # factors of both signs
        pixel = signs.mean(dim=(2, 3), keepdim=True)
        total = self.wide(torch.nn.functional.gelu(read_twice)) + pixel  # another shape
        shortcut = torch.relu(self.wide(total) + total)
        view = shortcut.flatten(2)  # shares memory with what relu gave
        again = torch.relu(view - 0.5) + view
        grown = torch.cat([signs, torch.relu(signs)], 1)
        more = torch.cat([grown, first, shortcut], 1)
        padded = self.wide(torch.relu(self.norms[1](first)))  # normalisation before padding
        doubled = padded + padded
        pooled = more.mean(dim=(2, 3)) + grown.mean(dim=(2, 3)).repeat(1, 2)
        return self.head(pooled) + again.mean(dim=(1, 2))[:, None] + doubled.mean()


@pytest.mark.parametrize("linear", [False, True])
def test_what_rules_must_leave_alone(linear, tmp_path):
    torch.manual_seed(3)
    module = Odd().eval()
    program = read_pt2(exported(module, (1, 9, 7), tmp_path / "odd.pt2"))
    cases = torch.randn(3, 1, 9, 7)
    with torch.no_grad():
        expected = module(cases)

    found, plain = both(program, cases, linear)

    assert apart(plain, expected) <= CLOSE
    assert apart(found, expected) <= CLOSE


def test_slopes_join_their_layer_where_there_is_one(tmp_path):
    torch.manual_seed(6)
    slopes = [torch.nn.PReLU(), torch.nn.PReLU(4), torch.nn.LeakyReLU(0.3), torch.nn.GELU()]
    with torch.no_grad():
        slopes[1].weight.copy_(torch.tensor([0.1, 0.9, -0.4, 0.5]))
    ups = [torch.nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=2), torch.nn.Conv2d(4, 4, 3)] * 2
    module = torch.nn.Sequential(
        *(part for pair in zip(ups, slopes, strict=True) for part in pair)
    ).eval()
    program = read_pt2(exported(module, (4, 8, 7), tmp_path / "slopes.pt2"))
    cases = torch.randn(3, 4, 8, 7)
    with torch.no_grad():
        expected = module(cases)

    assert apart(both(program, cases, True)[0], expected) <= CLOSE
    assert len(FusedWalker(program, [cases])._steps) == 5  # four layers, and the many slopes


class Leaning(torch.nn.Module):
    """A slope after what nobody else reads, and after what is read again."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = torch.nn.functional.leaky_relu(x * 2, 0.3)
        read = x + 1
        return own + torch.nn.functional.leaky_relu(read, 0.2) * read


def test_a_slope_writes_over_what_nobody_else_reads(tmp_path):
    program = read_pt2(exported(Leaning().eval(), (2, 6, 5), tmp_path / "leaning.pt2"))
    cases = torch.randn(3, 2, 6, 5)

    assert apart(both(program, cases, True)[0], Leaning()(cases)) <= CLOSE


def test_a_normalisation_with_a_factor_of_zero_is_not_made_a_clamp(tmp_path):
    torch.manual_seed(4)
    norm = torch.nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.0, 1.0]))
        norm.bias.copy_(torch.tensor([0.7, 0.1]))
    module = torch.nn.Sequential(
        torch.nn.MaxPool2d(2), norm, torch.nn.ReLU(), torch.nn.Conv2d(2, 3, 1)
    ).eval()
    program = read_pt2(exported(module, (2, 8, 8), tmp_path / "zero.pt2"))
    cases = torch.randn(2, 2, 8, 8)
    with torch.no_grad():
        expected = module(cases)

    assert apart(both(program, cases, True)[0], expected) <= CLOSE


def test_pictures_are_run_fused_and_all_else_as_it_is(monkeypatch):
    picture, volume = network("unet-2d"), network("unet-3d")
    program = read_pt2(picture.path)

    assert isinstance(prepared(program, [picture.shape]), FusedWalker)
    assert isinstance(prepared(read_pt2(volume.path), [volume.shape]), Walker)
    monkeypatch.setattr(fused, "CLOSE", 0.0)
    assert isinstance(prepared(program, [picture.shape]), Walker), "another answer was accepted"


def test_what_cannot_be_fused_is_run_as_it_is(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("could not create a primitive")

    net = network("unet-2d")
    monkeypatch.setattr(fused, "steps_of", fail)
    assert isinstance(prepared(read_pt2(net.path), [net.shape]), Walker)


def test_a_network_that_answers_no_numbers_is_run_as_it_is(tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2)).eval()
    module[1].running_var.fill_(-1.0)  # its root is not a number
    program = read_pt2(exported(module, (1, 8, 8), tmp_path / "nan.pt2"))

    assert isinstance(prepared(program, [(1, 8, 8)]), Walker)
