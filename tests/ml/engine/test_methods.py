"""Maps by every method on networks whose answer is known by hand."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch

from ml.engine.attribute import Attributor
from ml.engine.explain import Explainer
from ml.engine.explain_form import METHODS
from ml.engine.methods import noise_of, rise_masks
from ml.engine.smoke import noise
from ml.intake.pt2 import read_pt2
from tests.ml.engine.known_maps import (
    DARK,
    PLAIN,
    REACH,
    SIDE,
    Quadrant,
    Squares,
    Weighted,
    cases_of,
    explainer_for,
    manifest,
    mapped,
    program_of,
    weights_of,
)
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.program.networks import exported

# A score that is a sum with weights.


@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
def test_of_a_sum_with_weights_the_gradient_is_the_weights(method):
    found = mapped(Weighted, method, cases_of()).maps

    assert found == pytest.approx(np.broadcast_to(weights_of(), found.shape), abs=1e-6)


def test_of_a_sum_with_weights_integrated_gradients_are_exact_and_complete():
    cases = cases_of()
    found = mapped(Weighted, "integrated-gradients", cases)

    assert found.maps == pytest.approx(weights_of() * (cases[:, 0] - DARK), abs=1e-5)
    total = found.maps.sum((1, 2))
    assert total == pytest.approx(found.score - found.baseline_score, abs=1e-4)
    assert found.baseline_score == pytest.approx(3 + DARK * weights_of().sum(), abs=1e-4)


def test_of_a_sum_with_weights_the_picture_itself_is_the_layer():
    cases, weights = cases_of(), weights_of()

    exact = {"hires-cam": weights * cases[:, 0], "layer-cam": weights.clip(0) * cases[:, 0],
             "grad-cam": weights.mean() * cases[:, 0]}  # fmt: skip
    for method, expected in exact.items():
        assert mapped(Weighted, method, cases).maps == pytest.approx(expected, abs=1e-6)
    # One channel, the picture itself from 0 to 1, counts what the score gains over the darkest.
    low, high = (end(cases, axis=(2, 3), keepdims=True) for end in (np.min, np.max))
    shown = (cases - low) / (high - low) * (cases - DARK)
    gains = (shown[:, 0] * weights).sum((1, 2), keepdims=True)
    assert mapped(Weighted, "score-cam", cases).maps == pytest.approx(gains * cases[:, 0], rel=1e-4)


def test_rise_is_the_mean_score_of_what_shows_a_position_less_that_of_all():
    cases, weights = cases_of(), weights_of()
    masks = rise_masks((SIDE, SIDE), range(60), 3, 3, 0.5).numpy().astype(float)
    found = mapped(Weighted, "rise", cases)

    scores = 3 + ((DARK + masks[None] * (cases - DARK)) * weights).sum((2, 3))  # (n, masks)
    expected = np.einsum("nm,mij->nij", scores, masks) / masks.sum(0)
    expected -= scores.mean(1)[:, None, None]
    assert found.maps == pytest.approx(expected, abs=1e-4)
    assert np.isnan(found.baseline_score).all()


def test_many_masks_of_rise_come_near_to_what_other_masks_expect():
    """Of a sum with weights: how a position is shown together with each other, times its part."""
    cases, weights = cases_of(1), weights_of()
    others = rise_masks((SIDE, SIDE), range(20_000), 99, 4, 0.5).flatten(1).numpy()
    parts = (weights * (cases[0, 0] - DARK)).ravel()
    expected = np.cov(others.T) @ parts / 0.5
    found = mapped(Weighted, "rise", cases, map_masks=6000, map_cells=4).maps.ravel()

    assert np.corrcoef(found, expected)[0, 1] > 0.97
    assert found == pytest.approx(expected, abs=0.2 * np.abs(expected).max())
    few = mapped(Weighted, "rise", cases, map_masks=60, map_cells=4).maps.ravel()
    assert np.abs(few - expected).mean() > 3 * np.abs(found - expected).mean()


def test_masks_of_rise_show_by_chance_are_smooth_and_hang_on_the_seed_alone():
    masks = rise_masks((32, 24), range(400), 1, 7, 0.3)

    assert masks.shape == (400, 32, 24)
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6
    assert masks.mean() == pytest.approx(0.3, abs=0.01)
    assert masks.mean(0).min() > 0.2
    assert masks.mean(0).max() < 0.4
    steps = masks.diff(dim=1).abs().max()
    assert steps <= 1 / 5 + 1e-6, "a cell of 5 pixels is crossed in as many steps"
    bends = masks.diff(n=2, dim=1).abs().amax(dim=(0, 2))
    assert bends.min() > 0.01, "cells begin anywhere, by a shift of each mask's own"
    assert torch.equal(rise_masks((32, 24), range(7, 9), 1, 7, 0.3), masks[7:9])
    assert not torch.equal(rise_masks((32, 24), range(7, 9), 2, 7, 0.3), masks[7:9])
    assert rise_masks((6, 4, 5), range(2), 1, 2, 0.5).shape == (2, 6, 4, 5)


# A score that is a sum of squares.


def test_noise_of_smoothgrad_is_a_share_of_the_declared_range():
    cases = cases_of()
    found = mapped(Squares, "smoothgrad", cases).maps

    drawn = np.mean([noise_of((1, SIDE, SIDE), 3, at)[0] for at in range(5)], axis=0)
    assert found == pytest.approx(cases[:, 0] + 0.15 * REACH * drawn, abs=1e-5)
    assert np.std([noise_of((500,), 3, at) for at in range(40)]) == pytest.approx(1, abs=0.02)
    assert mapped(Squares, "gradient", cases).maps == pytest.approx(cases[:, 0], abs=1e-6)


def test_colours_have_ranges_of_their_own():
    class Colours(torch.nn.Module):
        def forward(self, image):
            found = (image * image).sum((1, 2, 3)) / 4
            return torch.stack([-found, found], 1)

    path = Path(mkdtemp(prefix="plumbline-known-")) / "m.pt2"
    program = read_pt2(exported(Colours().eval(), (3, SIDE, SIDE), path))
    of = {"colour": "rgb", "intensity": {"scale": 255, "mean": [0, 0, 0], "std": [1, 0.5, 0.25]}}
    colour = manifest_of("tiny", input=of)
    cases = np.zeros((1, 3, SIDE, SIDE), "f4")
    params = {"map_samples": 1, "map_noise": 0.1, "map_seed": 3}
    found = Explainer(program, colour, method="smoothgrad", params=params).maps(cases).maps

    each = noise_of((3, SIDE, SIDE), 3, 0) * 0.1 * np.array([1, 2, 4])[:, None, None]
    assert found[0] == pytest.approx(each.sum(0), abs=1e-6)


# A score that reads one quadrant.


@pytest.mark.parametrize(
    "method", ["hires-cam", "layer-cam", "gradient", "integrated-gradients", "smoothgrad"]
)
def test_what_a_network_does_not_read_is_zero(method):
    found = np.abs(mapped(Quadrant, method, cases_of()).maps)
    # A filter of 3 reaches one pixel beyond what is read; the layer itself does not.
    end = SIDE // 2 + (METHODS[method].of == "input")

    assert found[:, :end, :end].sum() > 0
    assert found[:, end:].max() == 0
    assert found[:, :, end:].max() == 0


def test_rise_finds_the_quadrant_that_is_read():
    found = mapped(Quadrant, "rise", cases_of(), map_masks=6000, map_cells=4).maps
    corner = np.abs(found[:, :4, :4]).mean((1, 2))
    far = np.abs(found[:, 6:, 6:]).mean((1, 2))

    assert (corner > 5 * far).all()


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "score-cam", "eigen-cam"])
def test_one_weight_for_a_whole_channel_shows_what_is_not_read_too(method):
    """The known limit of these methods, as docs/explanations.md says."""
    found = np.abs(mapped(Quadrant, method, cases_of()).maps)

    assert found[:, 4:, 4:].max() > 0


# Eigen-CAM.


@pytest.mark.parametrize("name", ["densenet", "tiny", "vit"])
def test_eigen_cam_is_the_first_component_of_numpy(name):
    explainer = Explainer(read_pt2(small(name).path), manifest_of(name), method="eigen-cam")
    cases = noise(manifest_of(name).input, 3)
    found = explainer.maps(cases).maps

    ours = explainer.attributor
    values = ours.activations(ours.forward([torch.from_numpy(cases)])).flatten(2).numpy()
    for one, value in zip(found, values.astype(float), strict=True):
        centred = value.T - value.T.mean(axis=0)  # positions x channels
        _, _, across = np.linalg.svd(centred, full_matrices=False)
        expected = centred @ across[0]
        expected = expected if expected @ centred.mean(axis=1) > 0 else -expected
        assert one.ravel() == pytest.approx(expected, abs=1e-4 * np.abs(expected).max())
        assert np.corrcoef(one.ravel(), value.mean(axis=0))[0, 1] > 0


def test_eigen_cam_knows_no_class_and_is_zero_where_nothing_varies():
    cases = cases_of()
    program, given = program_of(Quadrant), manifest(**PLAIN)
    positive, largest = (
        Explainer(program, given, method="eigen-cam", target=target).maps(cases)
        for target in ("positive", "predicted")
    )

    assert np.array_equal(positive.maps, largest.maps)
    assert not np.array_equal(positive.score, largest.score)
    flat = explainer_for(Weighted, "eigen-cam")
    assert np.abs(flat.maps(np.ones((1, 1, SIDE, SIDE), "f4")).maps).max() == 0


# Score-CAM.


def test_score_cam_takes_the_channels_that_vary_most():
    cases = cases_of()

    def found(channels):
        return mapped(Quadrant, "score-cam", cases, map_channels=channels).maps

    ours = Attributor(program_of(Quadrant), [(1, SIDE, SIDE)], layer="seen")
    module = Quadrant().eval()
    values = ours.activations(ours.forward([torch.from_numpy(cases)]))
    for channels in (1, 2, 4):
        assert found(channels) == pytest.approx(by_hand(module, cases, values, channels), abs=1e-5)
    assert np.array_equal(found(4), found(32))


def log_odds(module, case):
    other, positive = module(case)[0]
    return positive - other


def by_hand(module, cases, values, channels):
    with torch.no_grad():
        nothing = log_odds(module, torch.full((1, 1, SIDE, SIDE), DARK))
        maps = []
        for case, value in zip(torch.from_numpy(cases), values, strict=True):
            order = sorted(range(len(value)), key=lambda at: -float(value[at].var()))
            total = torch.zeros(SIDE, SIDE)
            for at in order[:channels]:
                mask = (value[at] - value[at].min()) / (value[at].max() - value[at].min())
                gain = log_odds(module, (DARK + mask * (case - DARK))[None]) - nothing
                total += gain * value[at]
            maps.append(total.numpy())
    return np.stack(maps)
