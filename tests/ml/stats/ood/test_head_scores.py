"""Scores that know the last layer, by hand and against a layer of torch."""

import numpy as np
import pytest
import torch
from scipy import special

from ml.stats.ood.head_scores import Head, hopfield, linear_head, react, react_threshold

RNG = np.random.default_rng(3)


def layer(d=12, classes=4):
    torch.manual_seed(0)
    return torch.nn.Linear(d, classes)


def seen(linear, n=60):
    """Features as a pass stores them: after a ReLU, in single precision."""
    features = np.maximum(RNG.normal(size=(n, linear.in_features)), 0).astype(np.float32)
    with torch.no_grad():
        logits = linear(torch.from_numpy(features)).numpy()
    return features.astype(float), logits.astype(float)


def test_the_layer_is_found_from_what_it_does():
    linear = layer()
    head = linear_head(*seen(linear))

    assert head.weights == pytest.approx(linear.weight.detach().numpy().T, abs=1e-5)
    assert head.bias == pytest.approx(linear.bias.detach().numpy(), abs=1e-5)
    assert head.origin @ head.weights + head.bias == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_feature_that_is_never_on_does_not_hide_the_others():
    linear = layer()
    features, _ = seen(linear)
    features[:, 5] = 0
    with torch.no_grad():
        logits = linear(torch.from_numpy(features.astype(np.float32))).numpy()
    head = linear_head(features, logits)
    expected = linear.weight.detach().numpy().T.copy()
    expected[5] = 0
    assert head.weights == pytest.approx(expected, abs=1e-5)


def test_what_is_not_known_is_said():
    features, logits = seen(layer())
    assert "too few" in linear_head(features[:12], logits[:12])
    assert "no linear" in linear_head(features, special.log_softmax(logits, axis=1))
    assert "move together" in linear_head(np.c_[features, features[:, 0]], logits)
    with pytest.raises(ValueError, match="60 rows"):
        linear_head(features, logits[:5])


def test_react_by_hand():
    """Two features cut at 2: (5, 1) becomes (2, 1), so logits are (2 + 1 + 1, 2 - 1)."""
    head = Head(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([1.0, 0.0]))
    got = react(np.array([[5.0, 1.0], [2.0, 1.0], [0.0, 0.0]]), head, 2.0)
    both = -np.log(np.exp(4.0) + np.exp(1.0))
    assert got == pytest.approx([both, both, -np.log(np.e + 1)])
    with pytest.raises(ValueError, match="2 features"):
        react(np.zeros((1, 3)), head, 1.0)


def test_react_threshold_is_a_share_of_all_activations():
    assert react_threshold(np.arange(101.0).reshape(1, -1), 0.9) == pytest.approx(90)
    with pytest.raises(ValueError, match="training"):
        react_threshold(np.zeros((0, 3)))


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["cut at 0", "ties", "unlike its sample"])
def test_react_threshold_of_many_numbers_is_their_quantile(kind, share):
    numbers = np.random.default_rng(8).normal(size=(2000, 200)).astype(np.float32)
    if kind == "cut at 0":
        numbers = np.maximum(numbers, 0)
    elif kind == "ties":
        numbers = numbers.round(1)
    else:  # every seventh, which a sample of them all takes, is far above the rest
        numbers.reshape(-1)[::7] += 1e3
    expected = np.quantile(numbers.astype(float), share)

    assert react_threshold(numbers, share) == pytest.approx(expected, rel=1e-12, abs=0)
    assert react_threshold(numbers.astype(float), share) == pytest.approx(
        expected, rel=1e-12, abs=0
    )


def test_hopfield_by_hand():
    training = np.array([[1.0, 3.0], [3.0, 5.0], [0.0, 2.0]])
    classes = np.array([0, 0, 2])  # the patterns are (2, 4) and (0, 2)
    asked = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    got = hopfield(asked, np.array([0, 2, 1]), training, classes)
    assert got.tolist() == [-6.0, -2.0, 0.0]
    with pytest.raises(ValueError, match="each row"):
        hopfield(asked, np.array([0]), training, classes)
