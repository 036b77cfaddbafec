"""Walks over the inner form give what the module itself gives: value, gradient and dropout."""

import pytest
import torch

from ml.intake.pt2 import read_pt2
from ml.program.graph import Program, Ref
from ml.program.walk import Walker
from tests.ml.program.networks import NAMES, network

CLOSE = 1e-4  # of the largest number


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number expected."""
    return float((found - expected).abs().max() / expected.abs().max())


def last_weight(program: Program) -> str:
    """The weight of the last convolution or linear layer that the answer depends on."""
    for node in reversed(program.needed(program.outputs[:1])):
        weight = node.arguments.get("weight")
        if isinstance(weight, Ref) and node.operation.base.startswith(("conv", "linear")):
            return weight.name
    raise AssertionError("no layer with weights")


def last_convolution(program: Program) -> str:
    return [node for node in program.nodes if node.operation.base.startswith("conv")][-1].name


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_modules(name):
    net = network(name)
    program = read_pt2(net.path)
    cases = net.case()

    with torch.no_grad():
        found = Walker(program).run([cases])[program.outputs[0]]
        expected = net.answer(cases)

    assert apart(found, expected) <= CLOSE


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_input_and_the_last_layer_are_the_modules(name):
    net = network(name)
    program = read_pt2(net.path)
    walker = Walker(program)
    weight = walker.weights[last_weight(program)].requires_grad_()
    own = dict(net.module.named_parameters())[program.sources[last_weight(program)]]
    ours, theirs = net.case(2).requires_grad_(), net.case(2).requires_grad_()

    walker.run([ours])[program.outputs[0]].square().sum().backward()
    net.module.zero_grad()
    net.answer(theirs).square().sum().backward()

    assert apart(ours.grad, theirs.grad) <= CLOSE
    assert apart(weight.grad, own.grad) <= CLOSE


@pytest.mark.parametrize("name", NAMES)
def test_dropout_of_one_seed_is_the_modules(name):
    net = network(name)
    program = read_pt2(net.path)
    cases = net.case()
    if not program.dropouts:
        pytest.skip("this network drops nothing")
    try:
        net.drop()
        torch.manual_seed(11)
        with torch.no_grad():
            expected = net.answer(cases)
        torch.manual_seed(11)
        with torch.no_grad():
            found = Walker(program).run([cases], active=program.dropouts)[program.outputs[0]]
    finally:
        net.module.eval()

    assert apart(found, expected) <= CLOSE
    with torch.no_grad():
        assert not torch.equal(found, net.answer(cases)), "nothing was dropped"


def test_only_the_sites_asked_for_drop():
    net = network("unet-2d")
    program = read_pt2(net.path)
    walker, cases, last = Walker(program), net.case(), program.dropouts[-1]
    with torch.no_grad():
        still = walker.run([cases], taps=last.uses[:1])
        moved = walker.run([cases], taps=last.uses[:1], active=[last])

    assert torch.equal(still[last.uses[0]], moved[last.uses[0]]), "a site before it dropped"
    assert not torch.equal(still[program.outputs[0]], moved[program.outputs[0]])


def test_what_is_given_is_not_computed_again():
    """From the value at a cut onwards: what stands before the cut is not run."""
    net = network("densenet121")
    program = read_pt2(net.path)
    walker, cut = Walker(program), last_convolution(program)
    cases = net.case()
    with torch.no_grad():
        whole = walker.run([cases], taps=[cut])
        rest = walker.run([cases * float("nan")], given={cut: whole[cut]})

    # Everything before the cut that is still read comes from the spoilt input.
    assert torch.isnan(rest[program.outputs[0]]).any()
    head = program.nodes[-2].name
    with torch.no_grad():
        kept = walker.run([cases], taps=[head])[head]
        rest = walker.run([cases * float("nan")], given={head: kept})
        expected = net.answer(cases)
    assert apart(rest[program.outputs[0]], expected) <= CLOSE


def test_values_are_let_go_when_nobody_reads_them_any_more():
    net = network("resnet18")
    program = read_pt2(net.path)

    with torch.no_grad():
        found = Walker(program).run([net.case(1)])

    assert set(found) == set(program.outputs)


def test_training_exports_are_run_at_rest():
    """Batch normalisation uses what it has stored, whatever mode the export was made in."""
    net = network("resnet18")
    program = read_pt2(net.path)
    walker, cases = Walker(program), net.case(4)
    with torch.no_grad():
        alone = torch.cat([walker.run([one[None]])[program.outputs[0]] for one in cases])
        together = walker.run([cases])[program.outputs[0]]

    assert apart(alone, together) <= CLOSE


def test_an_unknown_tap_is_an_error():
    net = network("unet-2d")
    with pytest.raises(KeyError):
        Walker(read_pt2(net.path)).run([net.case(1)], taps=["nowhere"])
