"""Against Quantus 0.6.0 on the same inputs, maps and draws.

Its departures from what is measured here: the curve of PixelFlipping leaves the whole picture out;
its metrics scale maps to a largest number of 1 first, which no correlation or order notices; ROAD
counts answers that stay the same, not scores; FaithfulnessCorrelation and MaxSensitivity draw from
numpy's global state; MPRT takes absolute values and scales them, so a map of zeros aborts it.
"""

import numpy as np
import pytest

from ml.engine.baselines import taken_away
from ml.engine.rankings import Ranked
from ml.evidence.orders import MORF
from ml.imaging.linear_fill import linear_fill
from ml.stats.explanation.faithfulness import faithfulness, max_sensitivity

quantus = pytest.importorskip("quantus", reason="Quantus is not installed: `make bench` does that")
torch = pytest.importorskip("torch", reason="torch is not installed")

SIDE, N, STEPS = 16, 5, 8
QUIET = {"disable_warnings": True, "display_progressbar": False}


@pytest.fixture
def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.AvgPool2d(4),
        torch.nn.Flatten(), torch.nn.Linear(6 * 16, 3),
    ).eval()  # fmt: skip


@pytest.fixture
def given():
    source = np.random.default_rng(4)
    pictures = source.random((N, 1, SIDE, SIDE)).astype(np.float32)
    maps = source.normal(size=(N, 1, SIDE, SIDE)).astype(np.float32)
    return pictures, np.array([0, 1, 2, 1, 0]), maps


def scores(network, pictures, classes):
    with torch.no_grad():
        return network(torch.from_numpy(pictures)).numpy()[np.arange(len(pictures)), classes]


def without(pictures, masks, value=0.0):
    """Each picture with positions taken to a number."""
    return np.stack([
        taken_away(one[0][..., None], np.full((SIDE, SIDE, 1), value), mask)[..., 0][None]
        for one, mask in zip(pictures, masks, strict=True)
    ]).astype(np.float32)  # fmt: skip


def test_pixel_flipping_is_the_deletion_curve_without_its_first_point(network, given):
    pictures, classes, maps = given
    peer = quantus.PixelFlipping(
        features_in_step=SIDE**2 // STEPS, perturb_baseline=0.0, normalise=False, **QUIET
    )
    theirs = np.array(peer(network, pictures, classes, a_batch=maps, softmax=False))
    ranked = [Ranked.of(one[0], (SIDE, SIDE)) for one in maps]
    ours = np.stack([
        scores(network, without(pictures, [
            one.gone(MORF, step / STEPS).reshape(SIDE, SIDE) for one in ranked
        ]), classes)
        for step in range(1, STEPS + 1)
    ], axis=1)  # fmt: skip

    assert theirs.shape == (N, STEPS)
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_road_counts_the_answers_that_pictures_filled_linearly_keep(network, given, percent):
    """Its noise is left out; with it both would have to draw alike."""
    pictures, _, maps = given
    answers = scores(network, pictures, slice(None)).argmax(axis=1)
    peer = quantus.ROAD(percentages=[percent], noise=0.0, normalise=False, **QUIET)
    theirs = peer(network, pictures, answers, a_batch=maps, softmax=False)
    filled = []
    for one, of in zip(pictures, maps, strict=True):
        gone = np.zeros(SIDE**2, bool)  # the peer rounds down
        gone[Ranked.of(of[0], (SIDE, SIDE)).most_first[: int(SIDE**2 * percent / 100)]] = True
        filled.append(linear_fill(one[0][..., None], gone.reshape(SIDE, SIDE))[..., 0][None])
    kept = scores(network, np.stack(filled).astype(np.float32), slice(None)).argmax(axis=1)

    assert theirs[percent] == pytest.approx((kept == answers).mean())


def test_faithfulness_correlation_by_the_same_draws(network, given):
    pictures, classes, maps = given
    runs, size = 12, 40
    peer = quantus.FaithfulnessCorrelation(
        nr_runs=runs, subset_size=size, perturb_baseline=0.0, normalise=False,
        return_aggregate=False, **QUIET,
    )  # fmt: skip
    np.random.seed(7)
    theirs = peer(network, pictures, classes, a_batch=maps, softmax=False)
    np.random.seed(7)
    whole = scores(network, pictures, classes)
    drops, sums = [], []
    for _ in range(runs):
        masks = np.zeros((N, SIDE**2), bool)
        for mask in masks:
            mask[np.random.choice(SIDE**2, size, replace=False)] = True
        masks = masks.reshape(N, SIDE, SIDE)
        drops.append(whole - scores(network, without(pictures, masks), classes))
        sums.append((maps[:, 0] * masks).sum(axis=(1, 2)))
    ours = [
        faithfulness(own, fall).value
        for own, fall in zip(np.transpose(sums), np.transpose(drops), strict=True)
    ]

    assert ours == pytest.approx(theirs, abs=1e-5)


def test_largest_sensitivity_over_the_same_disturbed_maps(network, given):
    pictures, classes, _ = given
    seen = []

    def explained(model, inputs, targets, **_):
        given_to = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
        model(given_to)[torch.arange(N), torch.as_tensor(targets)].sum().backward()
        seen.append(given_to.grad.numpy()[:, :1].copy())
        return seen[-1]

    peer = quantus.MaxSensitivity(nr_samples=4, lower_bound=0.1, normalise=False, **QUIET)
    theirs = peer(network, pictures, classes, explain_func=explained, softmax=False)
    own, *disturbed = (one.reshape(N, -1) for one in seen)
    ours = [
        max_sensitivity(own[at], np.stack([one[at] for one in disturbed])).value for at in range(N)
    ]

    assert len(disturbed) == 4
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_likeness_of_maps_of_randomised_networks(network, given):
    """The network's stages are the peer's draws; likeness is Spearman's correlation of its maps."""
    pictures, classes, _ = given
    seen = []

    def explained(model, inputs, targets, **_):
        given_to = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
        model(given_to)[torch.arange(N), torch.as_tensor(targets)].sum().backward()
        seen.append(given_to.grad.numpy()[:, :1].copy())
        return seen[-1]

    peer = quantus.MPRT(abs=False, normalise=False, **QUIET)
    theirs = peer(network, pictures, classes, explain_func=explained, softmax=False)
    own, *stages = (one.reshape(N, -1) for one in seen)
    ours = [
        [faithfulness(a, b, how="spearman").value for a, b in zip(own, of, strict=True)]
        for of in stages
    ]

    layers = [row for name, row in theirs.items() if name != "original"]
    assert len(layers) == 2
    assert np.array(ours)[-2:] == pytest.approx(np.array(layers), abs=1e-6)
