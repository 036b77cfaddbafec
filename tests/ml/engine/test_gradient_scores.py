"""ODIN over a program is that of the module, by autograd and by pytorch-ood; GradNorm likewise."""

from functools import cache

import numpy as np
import pytest
import torch

from benchmarks.peers import peer_module
from ml.engine.gradient_scores import STEP, TEMPERATURE, Odin
from ml.intake.pt2 import read_pt2
from ml.stats.ood.head_scores import gradnorm
from tests.ml.engine.small import small

NAMES = ["densenet", "resnet"]


@cache
def given(name):
    net = small(name)
    return net, read_pt2(net.path), net.case(4)


def by_autograd(net, cases, temperature, step):
    """As the paper says it, on the module."""
    first = cases.clone().requires_grad_()
    warm = net.answer(first) / temperature
    best = torch.log_softmax(warm, dim=1).max(dim=1).values
    (slope,) = torch.autograd.grad(-best.sum(), first)
    with torch.no_grad():
        warm = net.answer(cases - step * slope.sign()) / temperature
    return (1 - torch.softmax(warm.double(), dim=1).max(dim=1).values).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("temperature", "step"), [(TEMPERATURE, STEP), (10.0, 0.02)])
def test_odin_is_that_of_the_module(name, temperature, step):
    net, program, cases = given(name)

    found = Odin(program, temperature=temperature, step=step).scores([cases])

    expected = by_autograd(net, cases, temperature, step)
    assert found == pytest.approx(expected, abs=2e-6)
    still = by_autograd(net, cases, temperature, 0.0)
    assert np.all(expected < still)  # the move makes every answer surer
    assert np.abs(found - expected).max() < 0.05 * np.abs(still - expected).min()


def test_odin_agrees_with_pytorch_ood():
    try:
        theirs = peer_module("pytorch_ood.detector.odin").ODIN
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: `make bench` does that")
    net, program, cases = given("densenet")

    found = Odin(program, temperature=10.0, step=0.02).scores([cases])

    peer = theirs(net.answer, eps=0.02, temperature=10.0).predict(cases)
    assert found - 1 == pytest.approx(peer.numpy(), abs=2e-6)


def test_cases_do_not_depend_on_their_batch_and_inputs_stay_as_they_are():
    _, program, cases = given("densenet")
    before = cases.clone()
    ours = Odin(program)

    together = ours.scores([cases])

    alone = np.concatenate([ours.scores([cases[at : at + 1]]) for at in range(4)])
    assert together == pytest.approx(alone, abs=1e-6)
    assert torch.equal(cases, before)
    assert cases.grad is None


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"step": -1.0}, {"step": float("nan")}])
def test_refusals(wrong):
    _, program, _ = given("densenet")
    with pytest.raises(ValueError, match="above 0"):
        Odin(program, **wrong)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradnorm_of_the_last_layer_takes_no_gradient(temperature):
    """By autograd for each case, and by pytorch-ood where it is there."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 4)
    features = torch.randn(5, 6)
    found = gradnorm(features.numpy(), layer(features).detach().numpy(), temperature)

    for at in range(5):
        layer.zero_grad()
        shares = torch.log_softmax(layer(features[at]) / temperature, dim=0)
        (-shares.mean()).backward()
        assert found[at] == pytest.approx(-float(layer.weight.grad.abs().sum()), rel=1e-5)
    try:
        theirs = peer_module("pytorch_ood.detector.gradnorm").GradNorm
    except ModuleNotFoundError:
        return
    peer = theirs(layer, lambda name: name == "weight", temperature=temperature).predict(features)
    assert found == pytest.approx(peer.numpy(), rel=1e-5)
