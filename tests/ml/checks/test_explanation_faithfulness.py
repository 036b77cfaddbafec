"""Maps that say what a network used are told from those that do not, on networks that are known."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ml.checks.explanation_faithfulness import explanation_faithfulness
from ml.checks.registry import State
from ml.engine.explain import Explainer
from ml.engine.passes import PASSES
from ml.engine.program_session import as_session
from ml.engine.rankings import centre_map, edge_map, random_map
from ml.evidence.orders import RANKINGS
from ml.intake.pt2 import read_pt2
from ml.meaning import scores_of
from ml.program.randomise import layers_from_the_top, randomised
from ml.protocol import Protocol
from ml.scores import activated, finding_score
from tests.ml.checks.tried_maps import Known, N, exact, quadrant, tried_on_noise
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of

ID = "explanation-faithfulness"
ASKED = Protocol.parse({"checks": [ID], "draws": 200})


@pytest.fixture
def tried(make_evidence, tmp_path):
    return partial(tried_on_noise, make_evidence, tmp_path)


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def test_the_exact_map_of_a_network_of_one_quadrant_passes_and_its_opposite_fails(tried):
    weights = quadrant()
    true = explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED)
    false = explanation_faithfulness(tried(Known(weights), lambda one: -exact(weights)(one)), ASKED)

    assert true.state is State.PASS
    assert "better than a random map, the edges" in true.summary
    assert values(true)["gain:random"].low > 0
    assert values(true)["gain:centre"].low > 0
    assert false.state is findings(false)["gain:random"].state is State.FAIL
    assert "no better than a random map" in false.summary
    mirrored = -values(true)["order_gap:map"].value
    assert values(false)["order_gap:map"].value == pytest.approx(mirrored, rel=1e-6)
    assert len(findings(false)["gain:random"].cases) == 5
    assert findings(false)["gain:random"].action
    assert not findings(true)["gain:random"].action


def test_the_gap_is_that_of_the_linear_truth_in_log_odds(tried):
    """Not of the probability: the sigmoid is undone."""
    weights = quadrant()
    sure = values(explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED))
    half = values(explanation_faithfulness(tried(Known(weights / 2), exact(weights)), ASKED))

    assert sure["order_gap:map"].value == pytest.approx(2 * half["order_gap:map"].value, rel=1e-6)
    assert sure["order_gap:map"].unit == "log-odds"


@pytest.mark.parametrize("seed", range(6))
def test_a_map_of_random_numbers_is_no_better_than_a_random_map(tried, seed):
    weights = np.random.default_rng(seed).normal(size=(8, 8))
    source = np.random.default_rng([seed, 1])
    result = explanation_faithfulness(
        tried(Known(weights), lambda _: source.normal(size=(8, 8))), ASKED
    )

    assert result.state is not State.PASS
    assert "no better than a random map" in result.summary


def test_edges_that_pose_as_a_map_gain_nothing_over_edges(tried):
    weights = np.random.default_rng(3).normal(size=(8, 8))
    result = explanation_faithfulness(
        tried(Known(weights), lambda one: edge_map(one[..., None].astype(float))), ASKED
    )

    assert values(result)["gain:edges"].value == 0
    assert "better than a random map, the edges" not in result.summary


def test_flat_maps_and_maps_without_positive_evidence_are_states_of_their_own(tried):
    weights = quadrant()
    flat = explanation_faithfulness(tried(Known(weights), lambda _: np.zeros((8, 8))), ASKED)
    assert flat.state is State.NOT_ASSESSED
    assert "no case has both a map" in flat.summary
    assert len(findings(flat)["flat-maps"].cases) == N

    never = explanation_faithfulness(
        tried(Known(weights), lambda one: exact(weights)(one) - 100), ASKED
    )
    plain = explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED)
    told = findings(never)["order_gap:map"]
    assert told.claim.startswith("In 16 cases of 16 the map shows nothing that speaks for")
    assert len(told.cases) == N
    assert "order_gap:map" not in findings(plain)
    assert values(never)["gain:random"].value == values(plain)["gain:random"].value


def test_groups_and_replacements_are_told_apart(tried):
    weights = quadrant()
    result = explanation_faithfulness(tried(Known(weights), exact(weights)), ASKED)
    found = values(result)

    assert found["gain:random, finding present"].n == found["gain:random, finding absent"].n == 8
    right, wrong = (found[f"gain:random, answered {how}"] for how in ("rightly", "wrongly"))
    assert right.n + wrong.n == N
    whole = (right.n * right.value + wrong.n * wrong.value) / N
    assert found["gain:random"].value == pytest.approx(whole)
    both = [found[f"gain:random, {one}"].value for one in ("mean", "blur")]
    assert found["gain:random"].value == pytest.approx(np.mean(both))
    assert -1 <= found["baseline_agreement:mean and blur"].value <= 1
    forest, _, points = result.series
    assert len(forest["rows"]) == 3 + 2 + 4
    assert [row[0] for row in points["rows"]] == [f"case-{n:03d}" for n in range(N)]


def test_the_curves_of_the_chart_enclose_the_gaps_that_are_stated(tried):
    weights = quadrant()
    evidence = tried(Known(weights), exact(weights))
    result = explanation_faithfulness(evidence, ASKED)
    found, (_, curves, _) = values(result), result.series

    assert [one["title"] for one in curves["panels"]] == [
        "Grad-CAM", "a random map", "edges", "the centre",
    ]  # fmt: skip
    for panel, ranking in zip(curves["panels"], ("map", "random", "edges", "centre"), strict=True):
        lines = {order: panel["lines"][order] for order in ("morf", "lerf")}
        areas = {
            order: np.trapezoid([one["value"] for one in line], [one["share"] for one in line])
            for order, line in lines.items()
        }
        assert areas["lerf"] - areas["morf"] == pytest.approx(
            found[f"order_gap:{ranking}"].value, abs=1e-5
        )
        assert lines["morf"][0] == lines["lerf"][0], "every order starts with the whole picture"
        for one in (*lines["morf"], *lines["lerf"]):
            assert one["low"] <= one["value"] <= one["high"]
    assert "95 % intervals" in curves["subtitle"]
    first = curves["panels"][0]["lines"]["morf"][0]
    p = np.clip(evidence.perturbations.score[:, 0], 1e-7, 1 - 1e-7)
    assert first["value"] == pytest.approx(np.log(p / (1 - p)).mean(), abs=1e-5)


def test_of_too_few_patients_the_chart_says_that_it_has_no_intervals(tried):
    evidence = tried(Known(quadrant()), exact(quadrant()))
    few = replace(evidence, cluster=np.arange(N) % 4)
    _, curves, *_ = explanation_faithfulness(few, ASKED).series

    assert "without intervals: 4 " in curves["subtitle"]
    ends = [one["low"] for panel in curves["panels"] for one in panel["lines"]["lerf"]]
    assert set(ends) == {None}


def test_a_case_with_a_missing_answer_is_left_out_and_named(tried):
    weights = quadrant()
    evidence = tried(Known(weights), exact(weights))
    score = evidence.perturbations.score.copy()
    score[3, 7] = np.nan
    gone = replace(evidence, perturbations=replace(evidence.perturbations, score=score))
    result = explanation_faithfulness(gone, ASKED)

    assert values(result)["gain:random"].n == N - 1
    assert findings(result)["failed-copies"].cases == ("case-003",)


def test_what_is_missing_is_said(make_evidence, tried):
    blind = explanation_faithfulness(make_evidence(np.array([0.1, 0.9]), np.array([0, 1])), ASKED)
    assert blind.state is State.NOT_ASSESSED
    assert "no maps" in blind.reason
    evidence = tried(Known(quadrant()), exact(quadrant()))
    unsaid = replace(evidence, perturbations=replace(evidence.perturbations, score=None))
    assert "what they mean" in explanation_faithfulness(unsaid, ASKED).reason


def test_orders_that_know_nothing_hang_on_case_and_seed_alone():
    one, again, other = (random_map((7, 7), 1, name) for name in "aab")
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, random_map((7, 7), 2, "a"))
    centre = centre_map((5, 7))
    assert centre.argmax() == 2 * 7 + 3
    assert centre[0, 0] == centre[-1, -1] == centre.min()
    assert PASSES["perturb"].params["rankings"] == list(RANKINGS)


@pytest.mark.parametrize(("name", "seed"), [("tiny", 1), ("tiny", 3), ("densenet", 0)])
def test_grad_cam_of_random_weights_is_no_better_than_random(name, seed, tried):
    """Of these three the whole interval lies above 0: the map follows what little there is."""
    base = read_pt2(small(name).path)
    program = randomised(base, layers_from_the_top(base, base.outputs[0]), seed)
    manifest = manifest_of(name)
    explainer, session = Explainer(program, manifest), as_session(program, manifest)

    def score(outputs):
        declared = scores_of(manifest.model_dump(mode="json")["output"])
        return finding_score(activated(outputs, declared), declared)

    def explain(arrays):
        return explainer.maps(arrays).maps

    evidence = tried(session, explain, declared=manifest.input, score=score, each=False)
    result = explanation_faithfulness(evidence, ASKED)

    assert np.isfinite(evidence.perturbations.outputs).all()
    assert result.state is not State.PASS
    assert "no better than a random map" in result.summary
    assert abs(values(result)["gain:random"].value) < 0.05
