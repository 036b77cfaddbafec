"""An edge detector that poses as an explanation fails, maps of a trained network pass."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats

from ml.checks.explanation_sanity import explanation_sanity
from ml.checks.registry import State
from ml.engine import changes
from ml.engine.cases import Case
from ml.engine.cost import Sizes
from ml.engine.drawn_cases import drawing
from ml.engine.explain import Explainer
from ml.engine.passes import PASSES, cost_of
from ml.evidence.compared_maps import ComparedMaps, compared_of, written
from ml.evidence.passes import CaseMaps, maps_of, of_passes
from ml.protocol import Protocol
from tests.ml.checks.mapped import CASES, IDS, Spots, edges, left_by, picture, trained, walked

ID = "explanation-sanity"
SMOOTHGRAD = {"map_samples": 4, "map_noise": 0.15, "map_seed": 3}


@pytest.fixture
def asked():
    return Protocol.parse({"checks": [ID], "draws": 200})


@pytest.fixture
def given(make_evidence):
    def made(maps, **more):
        n = len(maps.score)
        return replace(
            make_evidence(np.full(n, 0.5), np.arange(n) % 2, **more), randomisations=maps
        )

    return made


@cache
def of_the_trained():
    return walked(trained()[0])


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def made_up(rng, like, *, n=40, classes=None, noise=0.0):
    """Maps of a network in 7 stages and 2 draws; those that know nothing are `like` the map."""
    keys = [("cascading", at) for at in range(7)] + [("independent", at) for at in range(7)]
    keys += [("redrawn", 1), ("redrawn", 2), ("noise", 1), ("noise", 2), ("other class", 1)]
    own = rng.normal(size=(n, 8, 8))
    maps = np.stack([own] * len(keys), axis=1)
    for at, (order, stage) in enumerate(keys):
        if order in ("cascading", "redrawn") and stage:
            maps[:, at] = like * own + np.sqrt(1 - like**2) * rng.normal(size=own.shape)
        elif order == "noise":
            maps[:, at] += noise * stage * own
        elif order == "other class":
            maps[:, at] = np.nan if classes is None else classes * own
    columns = {"order": tuple(o for o, _ in keys), "stage": tuple(s for _, s in keys)}
    nothing = np.full(maps.shape[:2], np.nan)
    return CaseMaps(columns, maps.astype(np.float32), np.zeros(maps.shape[:2]), nothing)


def test_maps_of_a_trained_network_pass(given, asked):
    _, accuracy = trained()
    found = explanation_sanity(given(of_the_trained()), asked)
    similar = values(found)["map_similarity"]

    assert accuracy > 0.9
    assert found.state is State.PASS, findings(found)
    assert similar.n == CASES
    assert similar.low < similar.value < similar.high < 0.5
    assert "When all that was learned is taken away, this map" in found.findings[0].claim
    assert findings(found)["map_survives"].limit.origin == "platform-default"
    assert values(found)["map_survives"].high < 0.5


def test_an_edge_detector_that_poses_as_an_explanation_fails(given, asked, monkeypatch):
    monkeypatch.setattr(Explainer, "_computed", edges)
    found = explanation_sanity(given(walked(trained()[0])), asked)
    similar = findings(found)["map_survives"]

    assert found.state is similar.state is State.FAIL
    assert "do not use it as an explanation" in similar.claim
    assert values(found)["map_similarity"].value == pytest.approx(1.0)
    assert values(found)["complexity_rise"].value == pytest.approx(0.0)
    assert set(similar.cases) == set(IDS)
    assert findings(found)["class_survives"].state is State.FAIL
    assert "whichever class is asked for" in findings(found)["class_survives"].claim


def test_noise_moves_maps_by_what_the_pass_did(given, asked):
    maps = of_the_trained()
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    own = maps.maps[:, 0].reshape(CASES, -1).astype(float)
    copies = [maps.maps[:, keys.index(("noise", at))].reshape(CASES, -1) for at in range(1, 5)]
    far = [np.linalg.norm(one - own, axis=1) / np.linalg.norm(own, axis=1) for one in copies]

    found = values(explanation_sanity(given(maps), asked))["map_sensitivity"]
    assert found.value == pytest.approx(np.max(far, axis=0).mean(), abs=1e-6)
    assert 0 < found.value < 0.5
    assert min(np.abs(one - two).max() for one in copies for two in copies if one is not two) > 0


def test_the_other_class_has_a_map_of_its_own_score():
    net, maps = trained()[0], of_the_trained()
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    at = keys.index(("other class", 1))

    images = torch.tensor(np.stack([picture(n) for n in range(CASES)])[:, None] / 255).float()
    with torch.no_grad():
        logits = net(images).numpy()
    assert maps.score[:, at] == pytest.approx(logits[:, 0], abs=1e-3)
    assert maps.score[:, 0] == pytest.approx(logits[:, 1] - logits[:, 0], abs=1e-3)


def test_a_network_of_one_score_has_no_other_class_and_no_case_fails(given, asked):
    torch.manual_seed(1)
    left = left_by(Spots(1), classes=1, noises=1)
    maps = maps_of(left, IDS)
    assert set(left["error"].to_pylist()) == {None, "no_layer", "no_class"}
    assert left["error"].to_pylist().count("no_class") == CASES
    found = explanation_sanity(given(maps), asked)

    assert maps.failures == {}
    assert values(found)["class_survives"].value is None
    assert findings(found)["class_survives"].state is State.NOT_ASSESSED
    assert "scores one" in findings(found)["class_survives"].claim


def test_every_draw_is_another_one():
    maps = of_the_trained()
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    one, two, three = (
        maps.maps[:, keys.index(key)] for key in (("cascading", 3), ("redrawn", 1), ("redrawn", 2))
    )
    assert min(np.abs(a - b).max() for a, b in ((one, two), (one, three), (two, three))) > 1e-3


def test_noise_is_a_hundredth_of_the_range_and_of_each_case_its_own(monkeypatch):
    given = []
    monkeypatch.setattr(changes, "explain", lambda _: lambda _, arrays: given.append(arrays))
    arrays = np.zeros((2, 1, 64, 64), np.float32)
    arrays[:, :, 0, 0] = 5.0
    cases = [Case("a", ()), Case("b", ())]
    changes.noisy(None, 7, 1)(cases, arrays)
    changes.noisy(None, 7, 1)(cases[1:], arrays[1:])
    noise = given[0] - arrays

    assert noise.std(axis=(1, 2, 3)) == pytest.approx([0.05, 0.05], rel=0.05)
    assert np.abs(noise[0] - noise[1]).max() > 0.05
    assert np.array_equal(given[1][0], given[0][1]), "whatever lies beside it"


def test_maps_of_some_cases_lie_at_their_rows():
    left = left_by(trained()[0], orders=["cascading"], stages=1, redrawn=0, noises=0)
    some = maps_of(left, (IDS[1], "not-drawn", IDS[0], *IDS[2:]))
    whole = maps_of(left, IDS)

    assert whole.ran is None
    assert some.ran.tolist() == [True, False, *[True] * (CASES - 1)]
    assert np.isnan(some.maps[1]).all()
    assert np.isnan(some.score[1]).all()
    assert np.array_equal(some.maps[[2, 0]], whole.maps[:2])


def test_fifty_cases_are_drawn():
    assert drawing("randomise", Protocol())["most_cases"] == 50


# On made-up maps.


def test_complexity_rises_where_a_sharp_map_becomes_even(given, asked, rng):
    maps = made_up(rng, 0.0)
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    maps.maps[:, keys.index(("cascading", 0))] = np.eye(8) / 8  # 8 places of 64
    for at, (order, stage) in enumerate(keys):
        if order in ("cascading", "redrawn") and stage:
            maps.maps[:, at] = 1.0
    found = values(explanation_sanity(given(maps), asked))

    assert found["complexity_rise"].value == pytest.approx(np.log(64) - np.log(8))
    assert found["map_similarity"].value is None, "an even map has no ranks"
    assert found["map_survives"].value is None


def test_draws_are_averaged_and_cases_listed_furthest_first(given, asked, rng):
    maps = made_up(rng, 0.9, classes=-1.0)
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    unlearned = [keys.index(one) for one in (("cascading", 6), ("redrawn", 1), ("redrawn", 2))]
    by_hand = np.array([
        np.mean([stats.spearmanr(one[0].ravel(), one[at].ravel()).statistic for at in unlearned])
        for one in maps.maps
    ])  # fmt: skip
    found = explanation_sanity(given(maps), asked)

    assert values(found)["map_similarity"].value == pytest.approx(by_hand.mean(), abs=1e-9)
    assert found.state is State.FAIL
    expected = [f"case-{at:03d}" for at in np.argsort(-by_hand) if by_hand[at] > 0.5]
    assert list(findings(found)["map_survives"].cases) == expected
    assert values(found)["class_similarity"].value == pytest.approx(-1)
    assert findings(found)["class_survives"].state is State.PASS


def test_a_limit_inside_the_interval_is_not_decided(given, asked, rng):
    found = explanation_sanity(given(made_up(rng, 0.9, n=3, classes=0.95)), asked)
    stays = values(found)["map_survives"]

    assert stays.low < 0.5 < stays.high
    assert findings(found)["map_survives"].state is State.CAUTION
    assert "not decided" in findings(found)["map_survives"].claim
    assert findings(found)["class_survives"].state is State.CAUTION


def test_the_opposite_map_is_told_by_its_size(given, asked, rng):
    found = values(explanation_sanity(given(made_up(rng, -1.0, classes=1.0)), asked))

    assert found["map_similarity"].value == pytest.approx(-1)
    assert found["map_similarity_unsigned"].value == pytest.approx(1)


def test_the_largest_change_counts(given, asked, rng):
    found = values(explanation_sanity(given(made_up(rng, 0.0, noise=0.1)), asked))
    assert found["map_sensitivity"].value == pytest.approx(0.2, abs=1e-6)


def test_patients_count_and_not_their_images(given, asked, rng):
    maps = made_up(rng, 0.0, n=60, classes=-1.0)
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))
    for at, (order, stage) in enumerate(keys):
        if order in ("cascading", "redrawn") and stage:
            maps.maps[:30, at] = maps.maps[:30, 0]
    alone = values(explanation_sanity(given(maps), asked))["map_survives"]
    patients = values(
        explanation_sanity(given(maps, cluster=np.arange(60) // 5, cluster_kind="patient"), asked)
    )["map_survives"]

    assert alone.value == patients.value == 0.5
    assert patients.high - patients.low > 1.5 * (alone.high - alone.low)


def test_cases_that_were_not_drawn_or_failed_are_left_out(given, asked, rng):
    maps = made_up(rng, 0.0, classes=-1.0)
    maps.maps[:10] = np.nan
    found = explanation_sanity(given(replace(maps, failures={"case-003": "no_image"})), asked)

    assert values(found)["map_similarity"].n == 30
    assert findings(found)["failed-cases"].cases == ("case-003",)
    maps.maps[:] = np.nan
    assert explanation_sanity(given(maps), asked).reason == "No case has a map."


def test_maps_of_few_positions_and_models_without_maps_are_not_assessed(
    given, asked, rng, make_evidence
):
    maps = made_up(rng, 0.0)
    small = explanation_sanity(given(replace(maps, maps=maps.maps[:, :, :2, :4])), asked)
    edge = explanation_sanity(given(replace(maps, maps=maps.maps[:, :, :3, :3])), asked)
    blind = explanation_sanity(make_evidence(np.array([0.1, 0.9]), np.array([0, 1])), asked)

    assert small.state is blind.state is State.NOT_ASSESSED
    assert "8 positions" in small.reason
    assert edge.state is not State.NOT_ASSESSED
    assert "model with gradients" in blind.reason


def test_the_chart_and_its_table_hold_every_stage(given, asked, rng):
    forest, points = explanation_sanity(given(made_up(rng, 0.3, classes=-1.0)), asked).series

    assert [row["label"] for row in forest["rows"]][:3] == [
        "all layers, all draws", "layers of group 1", "layers of group 1 to 2, from the output",
    ]  # fmt: skip
    assert len(points["rows"]) == len(forest["rows"]) - 1 == 14
    alone = next(row for row in points["rows"] if row[0] == "layers of group 3 alone")
    assert alone[1:3] == [40, 1.0]


def keys_of(maps):
    return list(zip(maps.keys["order"], maps.keys["stage"], strict=True))


def test_a_constant_that_the_network_takes_off_again_moves_no_grad_cam(given, asked):
    found = explanation_sanity(given(of_the_trained()), asked)

    assert values(found)["shift_sensitivity"].n == CASES
    assert values(found)["shift_sensitivity"].value < 1e-3
    assert "shift_sensitivity" not in findings(found)


def test_integrated_gradients_from_a_fixed_baseline_are_moved_by_it_and_that_is_said(given, asked):
    maps = walked(trained()[0], method="integrated-gradients")
    found = explanation_sanity(given(maps), asked)
    at = keys_of(maps).index(("shifted", 1))
    own, other = (maps.maps[:, one].reshape(CASES, -1).astype(float) for one in (0, at))
    size = np.linalg.norm(own, axis=1)
    there = size > 0  # a map that is zero everywhere has no relative change
    moved = np.linalg.norm(other - own, axis=1)[there] / size[there]

    assert values(found)["shift_sensitivity"].n == there.sum()
    assert values(found)["shift_sensitivity"].value == pytest.approx(moved.mean(), rel=1e-6)
    assert moved.mean() > 0.05
    assert "A constant that changes no answer" in findings(found)["shift_sensitivity"].claim
    # The score that is explained stays: the network takes the constant off.
    assert maps.score[:, at] == pytest.approx(maps.score[:, 0], abs=1e-4)


def test_ragged_maps_are_compared_as_means_over_noisy_copies_too(given, asked):
    maps = walked(trained()[0], method="gradient")
    keys, found = keys_of(maps), values(explanation_sanity(given(maps), asked))
    noisy = [maps.maps[:, keys.index(("noise", at))] for at in range(1, 5)]
    smooth = [maps.maps[:, keys.index(("smoothed", at))] for at in range(4)]

    assert smooth[0] == pytest.approx(np.mean(noisy, axis=0), abs=1e-6)
    likeness = [
        np.mean([
            stats.spearmanr(smooth[0][case].ravel(), one[case].ravel()).statistic
            for one in smooth[1:]
        ])
        for case in range(CASES)
    ]  # fmt: skip
    assert found["map_similarity_smooth"].value == pytest.approx(np.mean(likeness), abs=1e-6)
    # All layers are permuted as in the last stage, and in the further draws.
    for at, other in ((1, ("cascading", 3)), (2, ("redrawn", 1)), (3, ("redrawn", 2))):
        plain = maps.maps[:, keys.index(other)]
        alike = [
            stats.spearmanr(smooth[at][case].ravel(), plain[case].ravel()).statistic
            for case in range(CASES)
        ]
        assert np.mean(alike) > 0.8
    assert ("smoothed", 0) not in keys_of(of_the_trained())
    assert "map_similarity_smooth" not in values(explanation_sanity(given(of_the_trained()), asked))


def test_the_plan_counts_the_copies_of_smooth_maps():
    sizes, params = Sizes(), PASSES["randomise"].params
    ragged = cost_of("randomise", params | {"method": "gradient"}, sizes).backwards
    single = cost_of("attribute", params | {"method": "gradient"}, sizes).backwards

    # Seven stages twice with one beginning, two draws, four noises, another class, a constant;
    # and four smooth maps of four copies.
    assert ragged == (13 + 2 + 4 + 1 + 1 + 4 * 4) * single


def test_further_methods_are_told_from_numbers_as_if_their_maps_had_been_kept(given, asked):
    """The same numbers as of a run in which the method is the first."""
    table = left_by(trained()[0], further=["gradient", "smoothgrad"], **SMOOTHGRAD)
    found = of_passes({"randomise": table}, IDS)
    evidence = replace(
        given(found["randomisations"]),
        further_randomisations=found["further_randomisations"],
    )
    told = values(explanation_sanity(evidence, asked))
    own = values(explanation_sanity(given(walked(trained()[0], method="gradient")), asked))

    for measure in ("map_survives", "map_similarity", "map_similarity_smooth", "map_sensitivity",
                    "shift_sensitivity", "complexity_rise", "class_similarity"):  # fmt: skip
        assert told[f"{measure}:gradient"].value == pytest.approx(own[measure].value, abs=1e-6)
    # Those of the first method are what they are without it.
    first = values(explanation_sanity(given(of_the_trained()), asked))
    assert {name: one.value for name, one in told.items() if ":" not in name} == {
        name: one.value for name, one in first.items()
    }
    # What draws nothing is not drawn again.
    assert 0.3 < told["seed_similarity:smoothgrad"].value < 1
    assert "seed_similarity:gradient" not in told
    assert "further-gradient" in findings(explanation_sanity(evidence, asked))


def test_a_further_method_that_survives_is_named(given, asked, rng):
    n, keys = 40, [("cascading", 1), ("redrawn", 1), ("noise", 1), ("other class", 1)]
    numbers = np.zeros((n, len(keys), 3))
    numbers[:, :2, 0] = 0.95
    numbers[:, 3, 0] = np.nan
    other = ComparedMaps(tuple(keys), np.ones(n, bool), numbers)
    evidence = replace(
        given(made_up(rng, 0.1)), further_randomisations={"gradient": other}
    )  # fmt: skip
    found = explanation_sanity(evidence, asked)
    named = findings(found)["further-gradient"]

    assert named.state is State.CAUTION
    assert "Gradient hardly depends on what the network learned" in named.claim
    assert len(named.cases) == n
    assert values(found)["map_survives:gradient"].value == 1
    assert findings(found)["map_survives"].state is State.PASS


def test_what_a_child_says_of_further_methods_is_read_with_care():
    assert compared_of([None, b"{}"]) == {}
    fine = written({"rise": {("noise", 1): (0.5, np.nan, 0.25)}})
    found = compared_of([fine, None])["rise"]
    assert found.mapped.tolist() == [True, False]
    assert found.of("alike", ("noise", 1))[0] == 0.5
    assert np.isnan(found.of("changed", ("noise", 1))[0])
    for wrong in (b"[]", b'{"a": 3}', b'{"a": [["x", "y", 1, 2, 3]]}', b"\xff"):
        with pytest.raises(ValueError, match="does not say"):
            compared_of([wrong])
