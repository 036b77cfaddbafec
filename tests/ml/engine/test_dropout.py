"""MC dropout with the trunk run once: the samples of the plain loop, and of no batch or shard."""

import pytest
import torch

from ml.engine.dropout import DropoutSampler, in_torch_order, seeded
from ml.engine.written import WrittenWalker
from ml.intake.pt2 import read_pt2
from ml.program.cut import cut_at_dropout
from ml.program.walk import Walker
from tests.ml.program.networks import NAMES, exported, network
from tests.ml.program.test_walk import apart

STILL = {"resnet18", "resnet50", "seresnet50"}  # they have no dropout site
DROPPING = [name for name in NAMES if name not in STILL]


def plain_loop(program, cases, sites, samples):
    """What a user writes: the whole network again for every sample."""
    walker = Walker(program)
    with torch.no_grad():
        return torch.stack(
            [walker.run([cases], active=sites)[program.outputs[0]] for _ in range(samples)]
        )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", DROPPING)
def test_samples_are_those_of_the_plain_loop(name, fused):
    net = network(name)
    program, cases = read_pt2(net.path), net.case(2)
    last = program.dropouts[-2:]
    sampler = DropoutSampler(program, last, [net.shape], fused=fused)

    torch.manual_seed(5)
    expected = plain_loop(program, cases, last, 4)
    torch.manual_seed(5)
    found = sampler.sample([cases], ["a", "b"], samples=4, draw=in_torch_order, rows=5)

    assert apart(found[program.outputs[0]], expected) <= 1e-5
    assert found[program.outputs[0]].std(dim=0).max() > 0


@pytest.mark.parametrize("fused", [False, True])
def test_a_trunk_in_onnxruntime_gives_the_same_samples(fused):
    net = network("unet-2d")
    program, cases = read_pt2(net.path), net.case(3)
    sites = program.dropouts[-2:]
    written = DropoutSampler(program, sites, [net.shape], fused=fused, written=True)
    plain = DropoutSampler(program, sites, [net.shape])
    keys = ["a", "b", "c"]

    found, expected = (
        one.sample([cases], keys, samples=4, draw=seeded(3))[program.outputs[0]]
        for one in (written, plain)
    )

    assert isinstance(written.trunk, WrittenWalker)
    assert apart(found, expected) <= 1e-5
    with pytest.raises(KeyError):
        written.trunk.run([cases], taps=["x"])


@pytest.mark.parametrize("name", DROPPING)
def test_all_sites_together_are_those_of_the_module(name):
    net = network(name)
    program, cases = read_pt2(net.path), net.case(1)
    sampler = DropoutSampler(program, program.dropouts, [net.shape])
    try:
        net.drop()
        torch.manual_seed(8)
        with torch.no_grad():
            expected = torch.stack([net.answer(cases) for _ in range(3)])
    finally:
        net.module.eval()
    torch.manual_seed(8)
    found = sampler.sample([cases], ["a"], samples=3, draw=in_torch_order)

    assert apart(found[program.outputs[0]], expected) <= 1e-4


@pytest.mark.parametrize("name", ["densenet121", "vit", "unet-2d"])
def test_a_sample_depends_on_seed_case_and_number_alone(name):
    net = network(name)
    program, cases = read_pt2(net.path), net.case(3)
    output = program.outputs[0]
    sampler = DropoutSampler(program, program.dropouts[-2:], [net.shape])

    whole = sampler.sample([cases], ["a", "b", "c"], samples=5, draw=seeded(1))[output]
    fewer = sampler.sample([cases], ["a", "b", "c"], samples=2, draw=seeded(1), rows=1)[output]
    alone = sampler.sample([cases[2:]], ["c"], samples=5, draw=seeded(1))[output]
    other = sampler.sample([cases], ["a", "b", "c"], samples=5, draw=seeded(2))[output]

    assert apart(fewer, whole[:2]) <= 1e-5
    assert apart(alone, whole[:, 2:]) <= 1e-5
    assert apart(other, whole) > 1e-3


def test_masks_keep_the_share_they_should_and_the_mean():
    net = network("unet-2d")
    program = read_pt2(net.path)
    sampler = DropoutSampler(program, program.dropouts, [net.shape])
    site = sampler.sites[0]
    mask = torch.cat(
        [seeded(7)(sample, ["a", "b"], [site])[0] for sample in range(200)], dim=site.axis
    )

    kept = (mask > 0).float().mean().item()
    spread = (site.rate * (1 - site.rate) / mask.numel()) ** 0.5
    assert kept == pytest.approx(1 - site.rate, abs=5 * spread)
    assert sorted(mask.unique().tolist()) == pytest.approx([0, 1 / (1 - site.rate)])


def test_the_trunk_holds_nothing_that_a_site_touches():
    program = read_pt2(network("densenet121").path)
    last = program.dropouts[-1]
    cut = cut_at_dropout(program, [last])

    assert last.name not in cut.between
    assert len(cut.tail.nodes) < 20
    assert len(cut.trunk.nodes) + len(cut.tail.nodes) <= len(program.nodes)
    assert not cut.tail.dropouts, "in the tail a site is a product with its mask"


class Two(torch.nn.Module):
    """Two answers, of which dropout touches one."""

    def __init__(self, dropout: torch.nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.dropout = (
            torch.nn.Linear(4, 3),
            torch.nn.Linear(4, 2),
            dropout,
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.first(self.dropout(x)), self.second(x)


def test_an_answer_that_no_site_touches_is_there_as_often(tmp_path):
    module = Two(torch.nn.Dropout(0.5)).eval()
    program = read_pt2(exported(module, (4,), tmp_path / "two.pt2"))
    sampler = DropoutSampler(program, program.dropouts, [(4,)])
    cases = torch.randn(3, 4)

    found = sampler.sample([cases], list("abc"), samples=6, draw=seeded(0))

    moved, still = (found[name] for name in program.outputs)
    assert moved.shape == (6, 3, 3)
    assert still.shape == (6, 3, 2)
    assert moved.std(dim=0).min() > 0
    assert still.std(dim=0).max() == 0


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_at_the_ends(rate, tmp_path):
    module = Two(torch.nn.Dropout(rate)).eval()
    program = read_pt2(exported(module, (4,), tmp_path / "two.pt2"))
    sampler = DropoutSampler(program, program.dropouts, [(4,)])
    cases = torch.randn(2, 4)
    expected = module.first(cases * (1 - rate)).detach()

    for draw in (seeded(0), in_torch_order):
        found = sampler.sample([cases], ["a", "b"], samples=2, draw=draw)[program.outputs[0]]
        assert apart(found, expected.expand(2, 2, 3)) <= 1e-6


def test_alpha_dropout_and_no_site_are_refused_in_words(tmp_path):
    module = Two(torch.nn.AlphaDropout(0.5)).eval()
    program = read_pt2(exported(module, (4,), tmp_path / "alpha.pt2"))

    with pytest.raises(ValueError, match="alpha dropout"):
        DropoutSampler(program, program.dropouts, [(4,)])
    with pytest.raises(ValueError, match="no dropout site"):
        DropoutSampler(program, [], [(4,)])
