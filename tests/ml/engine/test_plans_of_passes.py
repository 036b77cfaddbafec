"""Needs of checks become passes, and each declares what it costs."""

from dataclasses import replace

import pytest

from ml.checks.capability import OF_VOLUMES
from ml.checks.registry import Check, CheckResult, State
from ml.engine.cost import BACKWARD, Cost, Sizes, estimate
from ml.engine.explain_form import FILL, METHODS
from ml.engine.passes import PASSES, cost_of
from ml.engine.plan import PassPlan, colour_of, limits_of, plan
from ml.evidence.methods import TITLES
from ml.protocol import Protocol
from ml.sandbox.child import JOBS


@pytest.mark.parametrize(
    ("modality", "colour", "own", "n"),
    [("MR", "gray", "mr-motion", 21), ("CT", "rgb", "ct-metal", 17), ("", "rgb", "gamma", 9)],
)
def test_a_cohorts_own_corruptions_are_run(modality, colour, own, n):
    protocol, checks = asking("prediction", "corruptions")
    passes = plan(protocol, checks, has_model=True, modality=modality, colour=colour)

    (planned,) = (one for one in passes if one.name == "corrupt")

    assert own in planned.params["corruptions"]
    assert len(planned.params["corruptions"]) == n


def test_the_colour_is_that_of_the_pictures_a_model_takes():
    assert colour_of({"input": {"colour": "rgb"}}) == "rgb"
    assert colour_of({"input": {}}) == colour_of({}) == "gray"


def test_every_pass_has_its_job():
    assert set(PASSES) <= set(JOBS)


def test_what_volumes_can_be_asked_is_known_without_the_engine():
    assert {one.need for one in PASSES.values() if one.volumes} | {"features"} == OF_VOLUMES


def asking(*needs):
    protocol = Protocol.parse({"checks": ["discrimination"], "limits": []})
    return protocol, [
        Check("discrimination", "t", "t", needs, lambda e, p: CheckResult(State.INFO, "t", "t"))
    ]


def names(*needs, **facts):
    protocol, checks = asking(*needs)
    return [one.name for one in plan(protocol, checks, has_model=True, **facts)]


def test_needs_become_passes_in_order():
    everything = (
        *("randomisations", "moves", "corruptions", "perturbations", "attributions", "prediction"),
    )

    assert names("prediction") == ["predict"]
    assert names(*everything) == ["predict", "attribute", "perturb", "corrupt", "move", "randomise"]
    assert names(*everything, walks=False) == ["predict", "corrupt", "move"]
    assert names("corruptions", has_images=False) == []
    assert names("features", walks=False) == []
    of_volumes = names("features", "corruptions", "moves", "attributions", pictures=False)
    assert of_volumes == ["predict", "corrupt", "move"]


def test_outputs_of_every_pass_are_computed_by_the_runtime_of_predict():
    protocol, checks = asking(
        *("prediction", "perturbations", "corruptions", "moves", "attributions")
    )
    card = {"runtime": {"chosen": "onnxruntime", "batch": 4, "seconds_per_case": {}}}
    found = {one.name: one.params for one in plan(protocol, checks, has_model=True, card=card)}

    for name in ("predict", "perturb", "corrupt", "move"):
        assert (found[name]["runtime"], found[name]["batch"]) == ("onnxruntime", 4)
    assert "runtime" not in found["attribute"]
    assert "runtime" not in PASSES["corrupt"].params


def test_one_forward_serves_outputs_and_features():
    protocol, checks = asking("prediction", "features")
    (both,) = plan(protocol, checks, has_model=True)

    assert both == PassPlan("predict", {"batch": 8, "features": ["penultimate", "early"]})
    protocol, checks = asking("features")
    assert plan(protocol, checks, has_model=True) == (both,)
    protocol, checks = asking("prediction")
    assert plan(protocol, checks, has_model=True) == (PassPlan("predict", {"batch": 8}),)


def test_checks_call_methods_as_the_engine_does():
    assert {name: one.title for name, one in METHODS.items()} == TITLES


def test_passes_are_told_what_each_method_of_a_protocol_takes():
    """Those that make maps of the first, those that try several of all; the default as before."""
    protocol, checks = asking("prediction", "attributions", "perturbations", "randomisations")
    chosen = replace(protocol, explanation_methods=("score-cam", "smoothgrad", "rise"))
    params = {one.name: one.params for one in plan(chosen, checks, has_model=True)}
    own = {name: METHODS[name].params for name in chosen.explanation_methods}

    assert {one["method"] for name, one in params.items() if name != "predict"} == {"score-cam"}
    assert own["score-cam"].items() <= params["attribute"].items()
    for name in ("perturb", "randomise"):
        every = {key: value for each in own.values() for key, value in each.items()}
        assert every.items() <= params[name].items()
    assert params["randomise"]["further"] == ["smoothgrad", "rise"]
    usual = {one.name: one.params for one in plan(protocol, checks, has_model=True)}
    assert "further" not in usual["randomise"]
    assert usual["attribute"] == PASSES["attribute"].params


def test_every_pass_declares_what_it_costs():
    sizes = Sizes(outputs=3, positions=49, features=1024)
    costs = {name: cost_of(name, one.params, sizes) for name, one in PASSES.items()}

    assert costs["attribute"].forwards == 1
    assert costs["corrupt"].forwards == 30
    assert costs["move"].forwards == 20
    assert costs["perturb"].forwards == 2 + 2 + 3 * 8 * 9 + FILL * 8 * 9 + 3 * 16
    assert costs["randomise"].forwards == 1 + 2 * 6 + 2 + 4 + 1 + 1
    assert (costs["attack"].forwards, costs["attack"].backwards) == (15, 1 + 9 * 5)
    assert all(one.bytes > 0 for one in costs.values())
    assert cost_of("predict", {"batch": 8}, sizes) == Cost(1, 0, 64 + 24)
    features = {"features": ["penultimate"]}
    assert cost_of("predict", features, sizes).forwards == 1
    assert cost_of("predict", features, sizes, by_onnxruntime=True).forwards == 2
    assert cost_of("compare-masks", {}, sizes).forwards == 0
    for kind, forwards in (("dropout", 30), ("members", 1)):
        found = cost_of("samples", {"kind": kind, "samples": 30}, sizes)
        assert (found.forwards, found.bytes) == (forwards, 30 * (64 + 24))
    gradients = cost_of("attribute", {"method": "integrated-gradients"}, sizes)
    assert (gradients.forwards, gradients.backwards) == (2, 32)


def test_an_estimate_adds_what_passes_declare():
    found = estimate([(Cost(1, 0, 10), 100), (Cost(2, 1, 20), 50)], 0.1)

    assert found.seconds == pytest.approx(0.1 * (100 + 50 * (2 + BACKWARD)))
    assert found.bytes == 2000


def test_long_passes_have_longer_limits_than_predict():
    assert limits_of("corrupt").wall_seconds > limits_of("predict").wall_seconds
    assert limits_of("corrupt").memory_bytes
    assert limits_of("perturb", device="cuda").gpu
