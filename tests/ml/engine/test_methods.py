"""Maps by every method on networks whose answer is known by hand."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch

from ml.engine.attribute import Attributor
from ml.engine.cost import Cost, Sizes
from ml.engine.explain import Explainer, attribute_job, explainer_of
from ml.engine.explain_form import CLASS_MAPS, METHODS, map_cost, map_params, methods_there
from ml.engine.methods import MADE, noise_of, rise_masks
from ml.engine.passes import PASSES, check_of
from ml.engine.predict import Asked
from ml.engine.session import ModelError
from ml.engine.smoke import noise
from ml.evidence.passes import maps_of
from ml.evidence.store import table
from ml.intake.pt2 import read_pt2
from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed
from tests.ml.engine.small import small, stored_noise
from tests.ml.engine.test_features import manifest_of
from tests.ml.intake.build import QUIET
from tests.ml.program.networks import exported

SIDE = 8
WITHOUT_ATTENTION = [one for one in methods_there() if one != "attention-rollout"]
FEW = {"map_samples": 5, "map_noise": 0.15, "map_masks": 60, "map_cells": 3, "map_shown": 0.5,
       "map_channels": 32, "map_seed": 3}  # fmt: skip


class Weighted(torch.nn.Module):
    """The second score is the sum of the picture with weights, plus 3."""

    def __init__(self):
        super().__init__()
        weights = torch.randn((SIDE, SIDE), generator=torch.Generator().manual_seed(4))
        self.weights = torch.nn.Parameter(weights)

    def forward(self, image):
        found = (image * self.weights).sum((1, 2, 3)) + 3
        return torch.stack([-2 * found, found], 1)


class Squares(torch.nn.Module):
    """Half the sum of squares: its gradient is the picture."""

    def forward(self, image):
        found = (image * image).sum((1, 2, 3)) / 2
        return torch.stack([-found, found], 1)


class Quadrant(torch.nn.Module):
    """Reads the upper left quadrant of four filtered pictures, and nothing else."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.filters, self.seen = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU()
        self.head = torch.nn.Linear(4, 2)
        read = torch.zeros(SIDE, SIDE)
        read[: SIDE // 2, : SIDE // 2] = 1
        self.register_buffer("read", read)

    def forward(self, image):
        return self.head((self.seen(self.filters(image)) * self.read).mean((2, 3)))


@cache
def program_of(kind):
    path = Path(mkdtemp(prefix="plumbline-known-")) / "m.pt2"
    return read_pt2(exported(kind().eval(), (1, SIDE, SIDE), path))


def manifest(**intensity):
    return manifest_of("tiny", input={"intensity": intensity})


PLAIN = {"scale": 255, "mean": 0.25, "std": 0.5}  # what the network takes goes from -0.5 to 1.5
DARK, REACH = -0.5, 2.0


def mapped(kind, method, cases, **changes):
    params = {key: FEW[key] for key in METHODS[method].params} | changes
    return explainer_for(kind, method, params).maps(cases)


def explainer_for(kind, method, params=None):
    """The layer of maps is what the filters see, or the picture itself."""
    layer = "seen" if kind is Quadrant else program_of(kind).inputs[0].name
    given = manifest(**PLAIN).model_copy(update={"target_layer": layer})
    return Explainer(program_of(kind), given, method=method, params=params)


def cases_of(n=3):
    return np.random.default_rng(8).uniform(DARK, DARK + REACH, (n, 1, SIDE, SIDE)).astype("f4")


def weights_of():
    return program_of(Weighted).weights["p_weights"]


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
            found = (image * image).sum((1, 2, 3)) / 2
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


def by_hand(module, cases, values, channels):
    with torch.no_grad():
        nothing = module(torch.full((1, 1, SIDE, SIDE), DARK))[0, 1]
        maps = []
        for case, value in zip(torch.from_numpy(cases), values, strict=True):
            order = sorted(range(len(value)), key=lambda at: -float(value[at].var()))
            total = torch.zeros(SIDE, SIDE)
            for at in order[:channels]:
                mask = (value[at] - value[at].min()) / (value[at].max() - value[at].min())
                gain = module((DARK + mask * (case - DARK))[None])[0, 1] - nothing
                total += gain * value[at]
            maps.append(total.numpy())
    return np.stack(maps)


# All of them.


@pytest.mark.parametrize("method", WITHOUT_ATTENTION)
def test_a_map_is_the_same_whatever_is_beside_it(method):
    cases = cases_of(11)
    together = mapped(Quadrant, method, cases)
    alone = mapped(Quadrant, method, cases[4:5])

    assert alone.maps[0] == pytest.approx(together.maps[4], abs=1e-5)
    assert alone.score[0] == pytest.approx(together.score[4], abs=1e-6)
    again = mapped(Quadrant, method, cases)
    assert np.array_equal(together.maps, again.maps)


@pytest.mark.parametrize("method", ["score-cam", "rise"])
def test_less_memory_takes_fewer_pictures_at_once_and_gives_the_same_map(method, monkeypatch):
    seen = []
    forward = Attributor.forward

    def noted(self, inputs):
        seen.append(len(inputs[0]))
        return forward(self, inputs)

    monkeypatch.setattr(Attributor, "forward", noted)
    params = {key: FEW[key] for key in METHODS[method].params}
    explainer = explainer_for(Quadrant, method, params)
    plain = explainer.maps(cases_of(2)).maps
    assert max(seen) == 8, "pictures of both cases fill a forward"
    seen.clear()
    explainer.fitted[:] = [1]
    assert explainer.maps(cases_of(2)).maps == pytest.approx(plain, abs=1e-5)
    assert max(seen) == 1


@pytest.mark.parametrize("method", methods_there())
def test_what_a_plan_counts_is_what_a_map_takes(method, monkeypatch):
    counted = {"forwards": 0, "backwards": 0}
    forward, slope = Attributor.forward, Attributor.gradient

    def forwards(self, inputs):
        counted["forwards"] += len(inputs[0])
        return forward(self, inputs)

    def backwards(self, inputs, weights):
        counted["backwards"] += len(inputs[0])
        return slope(self, inputs, weights)

    name = "vit" if method == "attention-rollout" else "densenet"
    params = {key: FEW[key] for key in METHODS[method].params}
    params |= {"map_channels": 6} if "map_channels" in params else {}
    explainer = Explainer(read_pt2(small(name).path), manifest_of(name), method=method,
                          params=params)  # fmt: skip
    monkeypatch.setattr(Attributor, "forward", forwards)
    monkeypatch.setattr(Attributor, "gradient", backwards)
    explainer.maps(noise(manifest_of(name).input, 4))

    found = map_cost(map_params(method) | params, Sizes())
    # The dark picture of Score-CAM is one for a batch; rollout and occlusion walk by themselves.
    more = {"score-cam": -1, "attention-rollout": 4, "occlusion": 4 * 170}.get(method, 0)
    assert counted["forwards"] + more == 4 * found.forwards
    assert counted["backwards"] == 4 * found.backwards


def test_methods_are_listed_once_and_the_engine_makes_those_that_are_there():
    assert set(MADE) == set(methods_there())
    assert set(CLASS_MAPS) < set(MADE)
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    assert map_params("grad-cam") == {"method": "grad-cam", "target": "positive"}, "an old key"
    assert map_cost(map_params("rise") | {"map_masks": 10}, Sizes()).forwards == 11
    assert map_cost(map_params("grad-cam"), Sizes(positions=0)) == Cost(1, 0, 96)
    for name, method in METHODS.items():
        assert method.gradient == (map_cost(map_params(name), Sizes()).backwards > 0) or (
            name in CLASS_MAPS
        )


@pytest.mark.parametrize("method", ["score-cam", "rise", "smoothgrad", "eigen-cam", "layer-cam"])
def test_a_job_leaves_maps_by_the_params_that_it_was_given(method, tmp_path):
    cases = stored_noise(tmp_path, ["c1", "c2"])
    model = {"path": str(small("tiny").path),
             "manifest": manifest_of("tiny").model_dump(mode="json")}  # fmt: skip
    few = {key: FEW[key] for key in METHODS[method].params}
    params = PASSES["attribute"].params | map_params(method) | few
    done = attribute_job({"model": model, "cases": cases, **params}, tmp_path, QUIET)
    data = (tmp_path / done["table"]).read_bytes()
    check_of("attribute", params, 2)(data, ["c1", "c2"])

    found = maps_of(table(data), ["c1", "c2"])
    asked = Asked.of({"model": model, "cases": cases, **params})
    again = explainer_of(asked, params)
    assert again.params == few
    assert found.maps.shape == (2, 1, *again.sides)
    assert np.isfinite(found.maps).all()
    assert np.ptp(found.maps) > 0
    if few:
        with pytest.raises(KeyError):  # what is not in the params is not in the evidence's key
            explainer_of(asked, {"method": method, "target": "positive"})


def test_of_tokens_that_are_normalised_next_gradient_times_activation_says_nothing():
    """The score does not hear how large such a token is, so the two are at right angles."""
    hires, layer = (
        Explainer(read_pt2(small("vit").path), manifest_of("vit"), method=method)
        .maps(noise(manifest_of("vit").input, 3))
        .maps
        for method in ("hires-cam", "layer-cam")
    )

    assert np.abs(hires).max() < 1e-3 * np.abs(layer).max()


def test_a_row_of_positions_is_no_mask_for_a_picture():
    five = {"self": Ref("tokens"), "dim": 1, "start": 0, "end": 5}
    nodes = (
        Node(allowed()["flatten.using_ints"], {"self": Ref("x"), "start_dim": 2}, ("row",)),
        Node(allowed()["transpose.int"], {"self": Ref("row"), "dim0": 1, "dim1": 2}, ("tokens",)),
        Node(allowed()["slice.Tensor"], five, ("five",)),
        Node(allowed()["mean.dim"], {"self": Ref("five"), "dim": (2,)}, ("out",)),
    )
    program = Program((Port("x", (None, 1, 3, 2), "float32"),), {}, nodes, ("out",))
    given = manifest_of("tiny", input={"size": [3, 2]}, target_layer="five")
    with pytest.raises(ModelError, match="no grid of the picture") as caught:
        Explainer(program, given, method="score-cam")
    assert caught.value.code == "map_layer"
