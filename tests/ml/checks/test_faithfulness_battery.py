"""Several methods, further replacements, and random subsets, on networks whose truth is known."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ml.checks.explanation_faithfulness import explanation_faithfulness
from ml.checks.faithfulness_measures import further_methods
from ml.checks.registry import State
from ml.engine.explain import Explainer
from ml.engine.explain_form import tried_methods
from ml.engine.program_session import as_session
from ml.intake.pt2 import read_pt2
from ml.meaning import scores_of
from ml.program.randomise import layers_from_the_top, randomised
from ml.protocol import Protocol
from ml.scores import activated, finding_score
from ml.stats.explanation.faithfulness import infidelity
from tests.ml.checks.tried_maps import Known, N, exact, quadrant, tried_on_noise
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of

ID = "explanation-faithfulness"
ASKED = Protocol.parse({"checks": [ID], "draws": 200})
WHOLE = {
    "baselines": ["mean", "blur", "noisy-linear"], "steps": 8, "seed": 5, "patches": 8,
    "subset_percents": [5, 20, 50], "draws": 16, **tried_methods(["grad-cam"]),
}  # fmt: skip
SEVERAL = WHOLE | tried_methods(["grad-cam", "gradient", "integrated-gradients"])


@pytest.fixture
def tried(make_evidence, tmp_path):
    return partial(tried_on_noise, make_evidence, tmp_path, params=WHOLE)


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def test_of_an_additive_network_the_exact_map_is_right_about_every_subset(tried):
    """Replaced by the mean its falls are the sums of the exact map: the correlation is 1."""
    weights = np.random.default_rng(8).normal(size=(8, 8)) / 4
    found = values(explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED))

    for size in (5, 20, 50):
        told = found[f"faithfulness_correlation:subsets of {size} %"]
        assert told.value == pytest.approx(1, abs=1e-5)
        assert told.n == N
    assert found["faithfulness_correlation"].value == pytest.approx(1, abs=1e-5)
    assert found["correlation_gain:random"].low > 0.7
    for other in ("random", "edges", "centre"):
        assert found[f"gain:{other}"].low > 0
    assert found["comprehensiveness_gain:random"].low > 0
    assert found["sufficiency_gain:random"].low > 0
    for replaced in ("mean", "blur", "noisy-linear"):
        assert found[f"gain:random, {replaced}"].low > 0


def test_the_opposite_map_is_wrong_about_every_subset(tried):
    weights = np.random.default_rng(8).normal(size=(8, 8)) / 4
    evidence = tried(Known(weights), lambda one: -exact(weights)(one))
    found = values(explanation_faithfulness(evidence, ASKED))

    assert found["faithfulness_correlation"].value == pytest.approx(-1, abs=1e-5)
    assert found["comprehensiveness_gain:random"].high < 0
    assert found["sufficiency_gain:random"].high < 0


def test_what_is_lost_and_what_is_left_are_the_two_halves_of_the_gap(tried):
    """LeRF minus MoRF is comprehensiveness minus sufficiency, over the steps between both ends."""
    weights = quadrant()
    found = values(explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED))

    for order in ("map", "random", "edges", "centre"):
        halves = found[f"comprehensiveness:{order}"].value - found[f"sufficiency:{order}"].value
        steps = WHOLE["steps"]
        assert found[f"order_gap:{order}"].value == pytest.approx(
            halves * (steps - 1) / steps, rel=1e-9, abs=1e-12
        )


def test_the_exact_map_of_an_additive_network_has_no_infidelity(tried):
    """In units of the logit, by what the pass left: a map of what each position is worth."""
    weights = np.random.default_rng(8).normal(size=(8, 8)) / 4
    evidence = tried(Known(weights), exact(weights))
    found = evidence.perturbations
    logits = np.log(found.score) - np.log1p(-found.score)
    at = found.version(order="subset-20")
    whole = found.version(step=0)[0]
    for row in range(N):
        sums = found.of_map["map_sum"][row, at]
        falls = logits[row, whole] - logits[row, at]
        assert infidelity(sums[:, None], np.ones(1), falls).value < 1e-9
        assert infidelity(-sums[:, None], np.ones(1), falls).value > 1e-3


def test_methods_share_what_does_not_hang_on_them_and_are_judged_apart(tried):
    weights, calls = quadrant(), []

    class Counted(Known):
        def run(self, batch):
            calls.append(len(batch))
            return super().run(batch)

    further = {
        "gradient": lambda one: -exact(weights)(one),
        "integrated-gradients": exact(weights),
    }
    alone = tried(Counted(weights), exact(weights))
    of_one = sum(calls)
    calls.clear()
    evidence = tried(Counted(weights), exact(weights), params=SEVERAL, further=further)
    result = explanation_faithfulness(evidence, ASKED)
    found, single = values(result), values(explanation_faithfulness(alone, ASKED))

    assert further_methods(evidence.perturbations) == ["gradient", "integrated-gradients"]
    assert sum(calls) - of_one == 2 * N * 3 * 2 * 7, "two methods, three replacements, two orders"
    assert of_one == N * (1 + 2 + 3 * 4 * 2 * 7 + 3 * 16)
    for name, one in single.items():
        assert found[name].value == one.value, "a further method changes nothing of the first"
    assert found["gain:random, integrated-gradients"].value == found["gain:random"].value
    assert found["gain:edges, integrated-gradients"].low > 0
    assert found["gain:random, gradient"].high < 0
    assert found["faithfulness_correlation:gradient"].value == pytest.approx(-1, abs=1e-5)
    groups = [f"gain:random, {one}, gradient" for one in ("finding present", "answered rightly")]
    assert all(found[one].value < 0 for one in groups)
    told = findings(result)
    assert "Gradient says what this network used no better than a random" in (
        told["gain:random, gradient"].claim
    )
    assert told["gain:random, gradient"].state is State.INFO, (
        "the limit is on the map that is shown"
    )
    assert told["gain:random"].state is result.state is State.PASS
    forest, *_, points = result.series
    assert points["fields"][-2:] == ["Of Gradient", "Of Integrated gradients"]
    assert any("Gradient" in row["label"] for row in forest["rows"])


def test_a_method_that_gives_no_map_leaves_the_others_as_they_are(tried):
    weights = quadrant()
    further = {
        "gradient": lambda one: np.full_like(one, np.nan),
        "integrated-gradients": np.zeros_like,
    }
    evidence = tried(Known(weights), exact(weights), params=SEVERAL, further=further)
    plain = explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED)
    result = explanation_faithfulness(evidence, ASKED)

    assert [one.id for one in result.estimates] == [one.id for one in plain.estimates]
    assert [one.value for one in result.estimates] == [one.value for one in plain.estimates]
    told = findings(result)
    assert told["no-map.gradient"].claim == "Of 16 cases there is no map by Gradient."
    assert len(told["flat-maps.integrated-gradients"].cases) == N
    assert "failed-copies" not in told
    assert "flat-maps" not in told


def test_a_further_method_without_a_map_of_one_case_costs_that_case_alone(tried):
    weights, seen = quadrant(), []

    def once_broken(one):
        seen.append(1)
        return np.full_like(one, np.nan) if len(seen) == 1 else exact(weights)(one)

    params = WHOLE | tried_methods(["grad-cam", "gradient"])
    evidence = tried(
        Known(weights), exact(weights), params=params, further={"gradient": once_broken}
    )
    found = replace(evidence.perturbations, failures={"case-000": "non_finite_output"})
    result = explanation_faithfulness(replace(evidence, perturbations=found), ASKED)

    assert values(result)["gain:random"].n == N
    assert values(result)["gain:random, gradient"].n == N - 1
    assert findings(result)["no-map.gradient"].cases == ("case-000",)
    assert "failed-cases" not in findings(result)


def test_a_map_that_is_positive_nowhere_is_told_of_each_method(tried):
    weights = quadrant()
    params = WHOLE | tried_methods(["grad-cam", "gradient"])
    further = {"gradient": lambda one: exact(weights)(one) - 100}
    result = explanation_faithfulness(
        tried(Known(weights), exact(weights), params=params, further=further), ASKED
    )
    assert len(findings(result)["order_gap:gradient"].cases) == N
    assert "order_gap:map" not in findings(result)


def test_a_replacement_that_disagrees_is_named(tried):
    """A network that reads the mean of the picture alone: by its mean nothing ever changes."""
    found = tried(Known(quadrant()), exact(quadrant()))
    score = found.perturbations.score.copy()
    at = [n for n, one in enumerate(found.perturbations.keys["baseline"]) if one == "mean"]
    score[:, at] = 0.5
    quiet = replace(found, perturbations=replace(found.perturbations, score=score))
    told = findings(explanation_faithfulness(quiet, ASKED))["gain:random"].why

    assert "Not so with parts replaced by their mean: trust it little." in told
    kept = findings(explanation_faithfulness(found, ASKED))["gain:random"].why
    assert "Not so" not in kept


def test_how_many_have_the_finding_is_said(tried):
    told = findings(explanation_faithfulness(tried(Known(quadrant()), exact(quadrant())), ASKED))
    assert "(8 with the finding, 8 without it)" in told["gain:random"].why
    assert "by their mean, a blur and what lies around them" in told["gain:random"].why


@pytest.mark.parametrize(("name", "seed"), [("tiny", 1), ("densenet", 0)])
def test_maps_of_random_weights_are_no_better_than_random(name, seed, make_evidence, tmp_path):
    """But for integrated gradients, where they are right.

    A network that has learnt nothing computes something all the same. What these say of it adds up
    to what it answers; that it has learnt nothing is for `explanation-sanity` to say.
    """
    base = read_pt2(small(name).path)
    program = randomised(base, layers_from_the_top(base, base.outputs[0]), seed)
    manifest = manifest_of(name)
    first, *others = ("grad-cam", "hires-cam", "gradient", "integrated-gradients")
    of = {one: Explainer(program, manifest, method=one) for one in (first, *others)}

    def explain(one):
        return lambda arrays: of[one].maps(arrays).maps

    def score(outputs):
        declared = scores_of(manifest.model_dump(mode="json")["output"])
        return finding_score(activated(outputs, declared), declared)

    evidence = tried_on_noise(
        make_evidence, tmp_path, as_session(program, manifest), explain(first),
        declared=manifest.input, score=score, each=False,
        params=WHOLE | tried_methods([first, *others]),
        further={one: explain(one) for one in others},
    )  # fmt: skip
    result = explanation_faithfulness(evidence, ASKED)
    found, told = values(result), findings(result)

    assert result.state is not State.PASS
    for key in ("gain:random", *(f"gain:random, {one}" for one in others[:-1])):
        assert "no better than a random map" in told[key].claim
        assert abs(found[key].value) < 0.1
    exact_one = found["gain:random, integrated-gradients"]
    assert 0 < exact_one.low < exact_one.high < 0.2
