"""Every method in batches, in little memory, in jobs; and what plans count for it."""

import numpy as np
import pytest

from ml.engine.attribute import Attributor
from ml.engine.cost import Cost, Sizes
from ml.engine.explain import Explainer, attribute_job, explainer_of
from ml.engine.explain_form import (
    CLASS_MAPS,
    METHODS,
    explaining,
    map_cost,
    map_params,
    methods_there,
    tried_methods,
)
from ml.engine.methods import MADE
from ml.engine.passes import PASSES, check_of, cost_of
from ml.engine.perturb import perturb_job
from ml.engine.predict import Asked, prepare_case
from ml.engine.randomise import randomise_job
from ml.engine.session import ModelError
from ml.engine.smoke import noise
from ml.evidence.passes import maps_of
from ml.evidence.store import table
from ml.intake.pt2 import read_pt2
from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.program.randomise import layers_from_the_top, randomised
from ml.protocol import Protocol
from tests.ml.engine.known_maps import FEW, Quadrant, cases_of, explainer_for, mapped
from tests.ml.engine.small import small, stored_noise
from tests.ml.engine.test_features import manifest_of
from tests.ml.intake.build import QUIET

WITHOUT_ATTENTION = [one for one in methods_there() if one != "attention-rollout"]


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


@pytest.mark.parametrize("method", methods_there())
def test_what_a_protocol_may_name_is_planned_and_can_be_opened(method):
    """The params of each pass hold all that a method takes, as first or as further method."""
    alone = cost_of("perturb", PASSES["perturb"].params | tried_methods(["gradient"]), Sizes())
    for methods in ([method], ["gradient", method]) if method != "gradient" else ([method],):
        protocol = Protocol.parse({"explanation_methods": methods})
        for name in ("attribute", "perturb", "randomise"):
            params = PASSES[name].params | explaining(name, protocol)
            chosen = methods if name != "attribute" else methods[:1]
            assert cost_of(name, params, Sizes()).forwards > 0
            assert all(set(METHODS[one].params) <= set(params) for one in chosen)
    if method != "gradient":
        both = PASSES["perturb"].params | tried_methods(["gradient", method])
        own = map_cost(map_params(method), Sizes())
        found = cost_of("perturb", both, Sizes())
        assert found.backwards == alone.backwards + own.backwards
        assert found.forwards > alone.forwards + own.forwards


def test_parts_are_taken_away_by_methods_with_params_of_their_own(tmp_path):
    model = {"path": str(small("tiny").path),
             "manifest": manifest_of("tiny").model_dump(mode="json")}  # fmt: skip
    few = {"map_samples": 2, "map_seed": 3, "map_masks": 6, "map_cells": 3, "map_channels": 2}
    params = PASSES["perturb"].params | tried_methods(["score-cam", "smoothgrad", "rise"]) | few
    params |= {"steps": 2, "baselines": ["mean"]}
    inputs = {"model": model, "cases": stored_noise(tmp_path, ["c1"]), **params}
    done = perturb_job(inputs, tmp_path, QUIET)
    data = (tmp_path / done["table"]).read_bytes()
    check_of("perturb", params, 2)(data, ["c1"])

    orders = set(table(data)["order"].to_pylist())
    assert {"morf", "smoothgrad morf", "rise lerf"} <= orders
    assert table(data)["error"].null_count == len(table(data))


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


def test_randomised_networks_are_explained_with_the_same_params(tmp_path):
    case = stored_noise(tmp_path, ["c1"])
    manifest, program = manifest_of("tiny"), read_pt2(small("tiny").path)
    model = {"path": str(small("tiny").path), "manifest": manifest.model_dump(mode="json")}
    few = {"map_samples": 2, "map_noise": 0.3, "map_seed": 3}
    params = PASSES["randomise"].params | map_params("smoothgrad") | few
    params |= {"orders": ["cascading"], "stages": 1, "redrawn": 1, "noises": 1}
    inputs = {"model": model, "cases": case, **params}
    done = randomise_job(inputs, tmp_path, QUIET)
    found = maps_of(table((tmp_path / done["table"]).read_bytes()), ["c1"])
    keys = list(zip(found.keys["order"], found.keys["stage"], strict=True))

    array = prepare_case(Asked.of(inputs).cases[0], manifest.input)[None]
    layers = layers_from_the_top(program, program.outputs[0])
    other = randomised(program, layers, int(params["seed"]))
    for key, chosen in ((("cascading", 0), program), (("cascading", 1), other)):
        expected = Explainer(chosen, manifest, method="smoothgrad", params=few).maps(array).maps
        assert found.maps[0, keys.index(key)] == pytest.approx(expected[0], abs=1e-5)


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
