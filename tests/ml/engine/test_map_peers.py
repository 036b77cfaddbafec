"""Maps beside Captum's and pytorch-grad-cam's, on the same inputs, weights and layer.

Both are installed by `make bench` only; without them these tests are skipped. pytorch-grad-cam's
maps are taken before it cuts them at zero, stretches them to 0..1 and resizes them.
"""

import importlib
import warnings
from functools import cache

import numpy as np
import pytest
import torch

from benchmarks.peers import peer_module, without_torchvision
from ml.engine.explain import Explainer
from ml.engine.methods import noise_of
from ml.intake.pt2 import read_pt2
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of

CLOSE = 2e-4  # of the largest number of a map
MEAN = {"input": {"intensity": {"scale": 255}}}  # the lowest intensity is zero, as peers have it


def peer(name, of):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        without_torchvision()
        try:
            found = importlib.import_module(name) if "captum" in name else peer_module(name)
        except ModuleNotFoundError as error:
            pytest.skip(f"{error.name} is not installed: `make bench` does that")
    return getattr(found, of)


class Proper(torch.nn.Module):
    """The answer proper alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        found = self.net(image)
        return found[0] if isinstance(found, tuple) else found


class Unsoftened(torch.nn.Module):
    """ "tiny" up to what comes before its softmax; its last map has a module."""

    def __init__(self, net):
        super().__init__()
        self.net, self.act = net, torch.nn.ReLU()

    def forward(self, image):
        net = self.net
        found = self.act(net.second(torch.relu(net.norm(net.first(image)))))
        return net.head(found.mean((2, 3)))


class Against(torch.nn.Module):
    """Of each class the log-odds against the others, which are what our maps explain."""

    def __init__(self, net):
        super().__init__()
        self.net, self.act = net, getattr(net, "act", None)

    def forward(self, image):
        logits = self.net(image)
        others = ~torch.eye(logits.shape[1], dtype=torch.bool)
        each = [logits[:, at] - logits[:, rest].logsumexp(1) for at, rest in enumerate(others)]
        return torch.stack(each, 1)


@cache
def both(name, method, **params):
    net = small(name)
    manifest = manifest_of(name, **MEAN)
    explainer = Explainer(read_pt2(net.path), manifest, method=method, params=params or None)
    return Against((Unsoftened if name == "tiny" else Proper)(net.module)), explainer


def layer_of(model, explainer, cases):
    """The module whose answer is the value of the map layer."""
    value = explainer.attributor.forward([cases]).between[0]
    seen = []
    hooks = [
        part.register_forward_hook(lambda part, given, found: seen.append((part, found)))
        for part in model.modules()
    ]
    with torch.no_grad():
        model(cases)
    for hook in hooks:
        hook.remove()
    return [
        part
        for part, found in seen
        if isinstance(found, torch.Tensor)
        and found.shape == value.shape
        and torch.allclose(found, value, atol=1e-4)
    ][-1]


def near(found, expected):
    expected = np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    assert np.ptp(expected) > 0
    return np.abs(found - expected).max() <= CLOSE * np.abs(expected).max()


# Captum 0.9.0.


@pytest.mark.parametrize("name", ["densenet", "resnet", "seresnet"])
def test_grad_cam_is_captums(name):
    grad_cam = peer("captum.attr", "LayerGradCam")
    model, explainer = both(name, "grad-cam")
    cases = small(name).case(3)
    theirs = grad_cam(model, layer_of(model, explainer, cases)).attribute(cases, target=1)

    assert near(explainer.maps(cases.numpy()).maps, theirs[:, 0].detach())


@pytest.mark.parametrize("name", ["densenet", "resnet", "vit"])
def test_the_gradient_is_captums(name):
    saliency = peer("captum.attr", "Saliency")
    model, explainer = both(name, "gradient")
    cases = small(name).case(3)
    theirs = saliency(model).attribute(cases.clone().requires_grad_(), target=1, abs=False)

    assert near(explainer.maps(cases.numpy()).maps, theirs.sum(1))


@pytest.mark.parametrize("name", ["densenet", "tiny", "vit"])
def test_integrated_gradients_are_captums_by_the_midpoint_rule(name):
    integrated = peer("captum.attr", "IntegratedGradients")
    model, explainer = both(name, "integrated-gradients")
    cases = small(name).case(3)
    theirs = integrated(model).attribute(
        cases, baselines=torch.zeros(1, *cases.shape[1:]), target=1, n_steps=32,
        method="riemann_middle",
    )  # fmt: skip

    assert near(explainer.maps(cases.numpy()).maps, theirs.sum(1).detach())


@pytest.mark.parametrize("name", ["densenet", "vit"])
def test_smoothgrad_is_captums_with_the_same_draws(name, monkeypatch):
    tunnel, saliency = peer("captum.attr", "NoiseTunnel"), peer("captum.attr", "Saliency")
    samples = 4
    model, explainer = both(name, "smoothgrad", map_samples=samples, map_noise=0.1, map_seed=5)
    cases = small(name).case(3)
    drawn = np.stack([noise_of(tuple(cases.shape[1:]), 5, at) for at in range(samples)])

    def normal(mean, sd):  # it draws all samples of a case, then those of the next
        assert mean == 0
        return torch.from_numpy(np.concatenate([drawn] * len(cases))) * sd

    monkeypatch.setattr(torch, "normal", normal)
    theirs = tunnel(saliency(model)).attribute(
        cases.clone(), nt_type="smoothgrad", nt_samples=samples, stdevs=0.1, target=1, abs=False
    )

    assert near(explainer.maps(cases.numpy()).maps, theirs.sum(1).detach())


# pytorch-grad-cam 1.5.7.


def raw_of(module, of, model, layer, cases, *, tokens=None):
    """What its method gives before it is cut, stretched and resized; and its picture."""
    kind = peer(f"pytorch_grad_cam.{module}", of)
    kept = []

    class Kept(kind):
        def get_cam_image(self, *given, **named):
            kept.append(super().get_cam_image(*given, **named))
            return kept[-1]

    scores = []

    def target(output):
        scores.append(output[1].detach())
        return output[1]

    with Kept(model, [layer], reshape_transform=tokens) as made:
        picture = made(cases.clone().requires_grad_(), [target] * len(cases))
    return kept[0], picture, scores


CAMS = [
    ("grad-cam", "grad_cam", "GradCAM"),
    ("grad-cam++", "grad_cam_plusplus", "GradCAMPlusPlus"),
    ("hires-cam", "hirescam", "HiResCAM"),
    ("layer-cam", "layer_cam", "LayerCAM"),
]


@pytest.mark.parametrize("name", ["densenet", "resnet", "seresnet"])
@pytest.mark.parametrize(("method", "module", "of"), CAMS)
def test_class_maps_are_those_of_pytorch_grad_cam(method, module, of, name):
    model, explainer = both(name, method)
    cases = small(name).case(3)
    theirs, _, _ = raw_of(module, of, model, layer_of(model, explainer, cases), cases)

    found = explainer.maps(cases.numpy()).maps
    if method == "grad-cam++":  # it adds 1e-6 to a denominator of squared gradients
        assert np.corrcoef(found.ravel(), theirs.ravel())[0, 1] > 0.99
    else:
        assert near(found, theirs)


def test_its_picture_is_our_map_cut_at_zero_and_stretched():
    """Of the layer's size, where nothing is resized."""
    model, explainer = both("tiny", "layer-cam")
    cases = small("tiny").case(2)
    found = explainer.maps(cases.numpy()).maps
    value = explainer.attributor.forward([cases]).between[0]
    assert value.shape[-2:] == cases.shape[-2:]

    raw, picture, _ = raw_of("layer_cam", "LayerCAM", model, model.act, cases)
    assert near(found, raw)
    positive = found.clip(0)
    low = positive.min((1, 2), keepdims=True)
    stretched = (positive - low) / (positive - low).max((1, 2), keepdims=True)
    assert picture == pytest.approx(stretched, abs=1e-4)


def test_of_tokens_without_the_class_token_position_by_position():
    """Its weights of Grad-CAM are means over the grid; ours, over all tokens of the layer."""
    model, explainer = both("vit", "layer-cam")
    cases = small("vit").case(3)

    def grid(found):
        return found[:, 1:].transpose(1, 2).reshape(len(found), -1, 4, 4)

    layer = layer_of(model, explainer, cases)
    theirs, _, _ = raw_of("layer_cam", "LayerCAM", model, layer, cases, tokens=grid)
    assert near(explainer.maps(cases.numpy()).maps, theirs)


@pytest.mark.parametrize("name", ["densenet", "resnet"])
def test_eigen_cam_is_that_of_pytorch_grad_cam_but_for_the_sign(name):
    model, explainer = both(name, "eigen-cam")
    cases = small(name).case(3)
    theirs, _, _ = raw_of("eigen_cam", "EigenCAM", model, layer_of(model, explainer, cases), cases)

    for found, expected in zip(explainer.maps(cases.numpy()).maps, theirs, strict=True):
        sign = np.sign((found * expected).sum())
        assert near(found, sign * expected)


def test_score_cam_takes_the_same_pictures_and_no_softmax():
    """Of a layer as large as the input: elsewhere it stretches corner to corner."""
    model, explainer = both("tiny", "score-cam", map_channels=32)
    cases = torch.rand((2, 1, 8, 8), generator=torch.Generator().manual_seed(3))
    value = explainer.attributor.forward([cases]).between[0]

    theirs, _, scores = raw_of("score_cam", "ScoreCAM", model, model.act, cases)
    each = torch.stack(scores).reshape(len(cases), -1)
    softened = torch.einsum("nc,nchw->nhw", each.softmax(1), value)
    assert near(theirs, softened)
    with torch.no_grad():
        nothing = model(torch.zeros(1, 1, 8, 8))[0, 1]
    flat = value.flatten(2).std(dim=2) == 0  # of a channel that is the same everywhere: nothing
    gains = torch.where(flat, 0.0, each - nothing)
    assert near(explainer.maps(cases.numpy()).maps, torch.einsum("nc,nchw->nhw", gains, value))
