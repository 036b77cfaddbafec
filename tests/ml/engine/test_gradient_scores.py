"""ODIN over a program is that of the module, by autograd and by pytorch-ood; GradNorm likewise."""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.peers import peer_module
from ml.beside import wanting
from ml.checks import all_checks
from ml.engine.cost import Sizes
from ml.engine.gradient_scores import STEP, TEMPERATURE, Odin, gradient_scores_job
from ml.engine.passes import PASSES, check_of, cost_of
from ml.engine.plan import plan
from ml.engine.requested_form import GRADIENT_SCORES
from ml.evidence.passes import scores_by_case
from ml.evidence.store import table
from ml.intake.pt2 import read_pt2
from ml.protocol import Protocol
from ml.stats.ood.head_scores import gradnorm
from tests.ml.engine.small import small, stored_noise
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.intake.exported import DOUBTFUL, Doubtful, archive, doubtful

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


IDS = ["c0", "gone", "c1", "c2"]
STD = 0.25


@pytest.fixture
def cases(tmp_path):
    return stored_noise(tmp_path, IDS)


def scored(cases, tmp_path, manifest, path, batch=2):
    model = {"path": str(path), "manifest": manifest}
    asked = {"model": model, "cases": cases, "threads": 1, "device": "cpu", "batch": batch}
    result = gradient_scores_job(asked, tmp_path, QUIET)
    data = (tmp_path / result["table"]).read_bytes()
    check_of(GRADIENT_SCORES, PASSES[GRADIENT_SCORES].params, 2)(data, IDS)
    return result, scores_by_case(table(data), IDS)["odin"]


@pytest.mark.parametrize("static", [False, True])
def test_the_pass_moves_pictures_by_the_paper_s_step_in_intensities(static, cases, tmp_path):
    """Normalised by a deviation of a quarter, a step in intensities is four in what it takes."""
    manifest = merged(DOUBTFUL, {"input": {"intensity": {"scale": 255, "mean": 0.4, "std": STD}}})

    result, found = scored(cases, tmp_path, manifest, doubtful(static=static))

    assert np.isnan(found[1])
    assert result["failed"] == 1
    pixels = np.stack([np.asarray(Image.open(tmp_path / f"{name}.png")) for name in IDS
                       if name != "gone"])  # fmt: skip
    prepared = torch.from_numpy(((pixels / 255 - 0.4) / STD).astype(np.float32))[:, None]
    module = Doubtful().eval()
    first = prepared.clone().requires_grad_()
    best = torch.log_softmax(module(first) / TEMPERATURE, dim=1).max(dim=1).values
    (slope,) = torch.autograd.grad(-best.sum(), first)
    with torch.no_grad():
        warm = module(prepared - STEP / STD * slope.sign()).double() / TEMPERATURE
        unscaled = module(prepared - STEP * slope.sign()).double() / TEMPERATURE
    expected = (1 - torch.softmax(warm, dim=1).max(dim=1).values).numpy()
    assert found[[0, 2, 3]] == pytest.approx(expected, abs=1e-7)
    other = (1 - torch.softmax(unscaled, dim=1).max(dim=1).values).numpy()
    assert np.abs(found[[0, 2, 3]] - other).min() > 1e-6


def test_a_case_has_its_score_whatever_stands_beside_it(cases, tmp_path):
    _, found = scored(cases, tmp_path, DOUBTFUL, doubtful(), batch=2)
    _, alone = scored(cases, tmp_path, DOUBTFUL, doubtful(), batch=1)

    assert alone == pytest.approx(found, abs=1e-8, nan_ok=True)


def test_logits_are_looked_for_before_a_last_softmax(cases, tmp_path):
    _, found = scored(cases, tmp_path, merged(MANIFEST, {"format": "pt2"}), archive())

    near = np.array([0, 2, 3])
    assert np.isfinite(found[near]).all()
    assert (found[near] < 0.5).all()
    assert (found[near] > 0.49).all(), "at this temperature two classes are nearly alike"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"kind": "logits", "activation": "sigmoid"}, "do not exclude each other"),
        ({"kind": "probabilities"}, "No logits"),
    ],
)
def test_where_there_is_none_the_audit_goes_on_and_the_evidence_says_why(
    output, said, cases, tmp_path
):
    manifest = merged(DOUBTFUL, {"output": output})

    result, found = scored(cases, tmp_path, manifest, doubtful())

    assert np.isnan(found).all()
    assert said in result["runtime"]["no_score"]
    assert result["failed"] == 4


def test_it_is_planned_on_request_beside_foreign_cohorts_and_of_open_models_alone():
    asked = Protocol.parse({"checks": ["ood-detection"], "gradient_scores": True})

    def names(protocol, *, foreign=True, **more):
        checks = wanting(all_checks(), foreign=foreign)
        return {one.name for one in plan(protocol, checks, has_model=True, **more)}

    assert GRADIENT_SCORES in names(asked)
    assert GRADIENT_SCORES not in names(asked, foreign=False)
    assert GRADIENT_SCORES not in names(asked, walks=False)
    assert GRADIENT_SCORES not in names(Protocol.parse({"checks": ["ood-detection"]}))
    cost = cost_of(GRADIENT_SCORES, PASSES[GRADIENT_SCORES].params, Sizes())
    assert (cost.forwards, cost.backwards) == (1, 1)
