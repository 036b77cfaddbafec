"""Small moves: what flips is found and named, what holds is shown to, and the rest is said."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.scored import OperatingPoint
from ml.checks.shift_consistency import shift_consistency
from ml.checks.shifted import shifted_cases
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.tables import Prediction
from ml.limits import REQUESTED_LIMITS
from ml.moves import moves_for
from ml.protocol import FLIPS, Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean
from ml.stats.proportion import proportion
from tests.ml.checks.planted import moved

ID = "shift-consistency"
MOVES = moves_for(FLIPS)
STEPS = [(one.id, step) for one in MOVES for step in range(1, len(one.values) + 1)]


@pytest.fixture
def quick():
    return Protocol.parse({"checks": [ID], "draws": 200})


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def listed(chosen):
    return {f"case-{at:03d}" for at in np.flatnonzero(chosen)}


@pytest.fixture
def shifted(make_evidence):
    """Evidence whose moved scores are those of the images as they are but where they are given."""

    def made(score, by=None, *, present=None, ran=None, failures=None, agreement=None, **more):
        evidence = make_evidence(score, present, **more)
        changed = by or {}
        scores = np.stack([np.asarray(changed.get(key, score), float) for key in STEPS], axis=1)
        probabilities = np.stack([1 - scores, scores], axis=2)
        maps = None
        if agreement is not None:
            maps = np.stack([np.broadcast_to(agreement.get(key, np.nan), len(scores))
                             for key in STEPS], axis=1)  # fmt: skip
        return replace(
            evidence,
            moves=CaseOutputs(
                {"move": tuple(m for m, _ in STEPS), "step": tuple(s for _, s in STEPS)},
                probabilities, failures or {}, ran, probabilities, scores,
                {m.id: Distortion(m.title, m.parameter, m.values, m.said) for m in MOVES}, maps,
            ),
        )  # fmt: skip

    return made


def sure(rng, n=200):
    """Scores far from a half."""
    return np.where(rng.random(n) < 0.5, rng.uniform(0.02, 0.2, n), rng.uniform(0.8, 0.98, n))


def test_a_network_that_skips_pixels_is_flagged_and_its_twin_is_not(quick):
    flawed = shift_consistency(moved(skips=True), quick)
    clean = shift_consistency(moved(skips=False), quick)

    found = findings(flawed)["flip_rate"]
    assert found.state is flawed.state is State.FAIL
    (asked,) = [one for one in REQUESTED_LIMITS
                if (one.check, one.measure) == ("shift-consistency", "flip_rate")]  # fmt: skip
    assert found.limit == asked
    assert (
        found.claim == "In 40 of 80 cases the answer changes when the picture is shifted by 1 "
        "pixel."
    )
    assert set(found.cases) == {f"w{number:04d}" for number in range(1, 80, 2)}, "the woven ones"
    assert "0 of these have a score within 0.1 of the threshold of 0.5" in found.why
    held = findings(clean)["flip_rate"]
    assert held.state is clean.state is State.PASS
    assert held.claim.startswith("In none of 80 cases does a small move")
    assert held.cases == ()
    assert values(clean)["flip_rate"].high < 0.05
    # Half a pixel moves its score and turns no answer; four pixels are a period.
    rows = {(row[0], row[2]): row for row in flawed.series[1]["rows"]}
    assert [rows["Translation", pixels][4] for pixels in (0.5, 1.0, 2.0)] == [0.0, 0.5, 0.5]
    assert rows["Translation", 0.5][7] > 0.02
    assert values(flawed)["score_change"].low > 10 * values(clean)["score_change"].high
    # The maps of what sums over all places alike lie where the picture lies.
    assert values(clean)["map_agreement"].low > 0.8
    assert values(flawed)["map_agreement"].high < values(clean)["map_agreement"].low


def test_small_moves_alone_count_and_the_worst_is_named(shifted, quick, rng):
    score = sure(rng)
    first, more, late = (np.zeros(200, bool) for _ in range(3))
    first[:9], more[:30], late[100:] = True, True, True
    result = shift_consistency(
        shifted(
            score,
            {
                ("rotation", 1): np.where(first, 1 - score, score),
                ("crop", 2): np.where(more, 1 - score, score),
                # None of these is small.
                ("translation", 4): np.where(late, 1 - score, score),
                ("rotation", 3): np.where(late, 1 - score, score),
                ("padding", 3): np.where(late, 1 - score, score),
                ("mirror-up-down", 1): np.where(late, 1 - score, score),
            },
        ),
        quick,
    )

    found, measured = findings(result), values(result)
    assert measured["flip_rate"].value == 30 / 200
    assert set(found["flip_rate"].cases) == listed(more)
    assert found["flip_rate"].claim == (
        "In 30 of 200 cases the answer changes when the picture is cropped by 4 %."
    )
    assert found["flip_rate"].state is State.FAIL
    assert measured["flip_rate:translation"].value == 0.5
    assert set(found["flip_rate:translation"].cases) == listed(late)
    assert measured["flip_rate:rotation"].value == (9 + 100) / 200
    assert "in 9 when the picture is turned by 1 degree, in 0 when it is turned by 15" in (
        found["flip_rate:rotation"].claim
    )
    assert "In 100 of 200 cases the answer changes when the picture is mirrored top to bottom" in (
        found["flip_rate:mirror-up-down"].claim
    )
    assert found["flip_rate:mirror-left-right"].claim == (
        "Mirror, left to right: the answer stays in all 200 cases."
    )
    assert found["flip_rate:mirror-left-right"].state is State.INFO


def test_where_moves_turn_different_cases_both_numbers_are_said(shifted, quick, rng):
    score, at = sure(rng), np.arange(200)
    result = shift_consistency(
        shifted(
            score,
            {
                ("translation", 1): np.where(at < 12, 1 - score, score),
                ("padding", 1): np.where((at >= 10) & (at < 15), 1 - score, score),
            },
        ),
        quick,
    )

    assert findings(result)["flip_rate"].claim == (
        "In 15 of 200 cases the answer changes under a small move of the picture; most often when "
        "the picture is shifted by half a pixel, in 12 of 200."
    )
    by = {("rotation", 1): np.where(at == 0, 1 - score, score),
          ("crop", 1): np.where(at == 1, 1 - score, score)}  # fmt: skip
    alike = findings(shift_consistency(shifted(score, by), quick))["flip_rate"]
    assert "for example when the picture is turned by 1 degree, in 1 of 200" in alike.claim


def test_close_calls_are_told_from_sure_answers(shifted, quick):
    """Three of five that change lie within 0.1 of the threshold, which is not a half."""
    score = np.array([0.21, 0.35, 0.38, 0.9, 0.05, *[0.99] * 95])
    other = np.where(np.arange(100) < 5, np.where(score >= 0.3, 0.1, 0.8), score)
    evidence = shifted(score, {("translation", 2): other}, points=(("ours", 0.3),))
    found = findings(shift_consistency(evidence, quick))["flip_rate"]

    assert "3 of these have a score within 0.1 of the threshold of 0.3" in found.why
    # The farthest from the threshold first, so that the most telling cases are seen.
    assert found.cases == tuple(f"case-{at:03d}" for at in (3, 4, 0, 2, 1))
    assert "Let a reader decide" in found.action


def test_intervals_are_by_patient(shifted, quick, rng):
    score, patient = sure(rng, 120), np.arange(120) // 4
    turned = np.isin(patient, [1, 5, 9])
    evidence = shifted(
        score, {("crop", 1): np.where(turned, 1 - score, score)}, cluster=patient,
        cluster_kind="patient",
    )  # fmt: skip
    found = values(shift_consistency(evidence, quick))

    clusters = Clusters.of(patient, "patient")
    expected = proportion("flip_rate", turned, clusters)
    assert (found["flip_rate"].low, found["flip_rate"].high) == (expected.low, expected.high)
    assert found["flip_rate"].high > proportion("flip_rate", turned).high + 0.02
    # One of nine small copies of these cases changes.
    change = np.where(turned, np.abs(1 - 2 * score), 0.0) / 9
    mean = case_mean("score_change", change, clusters, Settings(200, quick.seed, 0.95))
    assert found["score_change"].value == pytest.approx(mean.value)
    assert found["score_change"].low == pytest.approx(mean.low)


def test_copies_that_failed_are_left_out_and_named(shifted, quick, rng):
    score = sure(rng, 100)
    holes = np.where(np.arange(100) < 4, np.nan, score)
    turned = np.where(np.arange(100) < 10, 1 - score, score)
    evidence = shifted(
        score, {("translation", 1): holes, ("rotation", 1): turned},
        failures={f"case-{at:03d}": "non_finite_output" for at in range(4)},
    )  # fmt: skip
    result = shift_consistency(evidence, quick)

    found, measured = findings(result), values(result)
    assert (measured["flip_rate"].n, measured["flip_rate"].value) == (96, 6 / 96)
    assert measured["flip_rate:rotation"].value == 0.1
    assert set(found["failed-copies"].cases) == listed(np.arange(100) < 4)
    assert found["failed-copies"].state is State.CAUTION
    assert "failed-cases" not in found
    # The rate of one move has more cases than that of all: then both numbers are said.
    assert "most often when the picture is turned by 1 degree, in 10 of 100" in (
        found["flip_rate"].claim
    )


def test_cases_without_a_label_count_and_those_not_drawn_do_not(shifted, quick, rng):
    score = sure(rng, 100)
    score[7] = np.nan
    ran = np.arange(100) < 50
    turned = np.where(np.arange(100) % 10 == 0, 1 - score, score)
    evidence = shifted(score, {("crop", 1): turned}, ran=ran, failures={"case-007": "no_image"})
    result = shift_consistency(evidence, quick)

    measured = values(result)["flip_rate"]
    assert evidence.present is None
    assert (measured.n, measured.value) == (49, 5 / 49)
    assert "Run on 49 of 99 cases, drawn by the seed" in findings(result)["flip_rate"].why
    assert findings(result)["failed-cases"].cases == ("case-007",)


def test_kinds_are_answered_by_the_most_probable(shifted, quick):
    """Of three kinds, none is above a half: the threshold does not decide, the order does."""
    n = 60
    rows = np.tile([0.45, 0.38, 0.17], (n, 1))
    rows[20:] = [0.6, 0.3, 0.1]
    evidence = shifted(np.full(n, 0.3))
    classes = ("a", "b", "c")
    copies = np.repeat(rows[:, None], len(STEPS), axis=1)
    at = STEPS.index(("translation", 2))
    copies[:12, at], copies[30:33, at] = [0.38, 0.45, 0.17], [0.2, 0.3, 0.5]
    prediction = Prediction(classes, ("b", "c"), "probabilities", rows, rows[:, 1:].sum(axis=1), {})
    evidence = replace(
        evidence, classes=classes, positive=("b", "c"), prediction=prediction,
        moves=replace(
            evidence.moves, outputs=copies, probabilities=copies, score=copies[:, :, 1:].sum(axis=2)
        ),
    )  # fmt: skip
    found = findings(shift_consistency(evidence, quick))["flip_rate"]

    assert found.claim.startswith("In 15 of 60 cases the answer changes when")
    assert "In 12 of these the two most probable kinds lie within 0.1" in found.why
    assert set(found.cases) == listed(np.isin(np.arange(n), [*range(12), *range(30, 33)]))


def test_maps_are_measured_where_there_are_some(shifted, quick, rng):
    score = sure(rng, 40)
    without = shift_consistency(shifted(score), quick)
    assert not any(one.startswith("map_agreement") for one in values(without))
    assert without.series[1]["rows"][0][10:] == [None] * 3

    lower = np.where(np.arange(40) < 20, 0.5, np.nan)
    agreement = {("translation", 1): 0.9, ("translation", 2): lower, ("crop", 5): 0.1}
    found = values(shift_consistency(shifted(score, agreement=agreement), quick))
    assert found["map_agreement"].value == pytest.approx((0.7 + 0.9) / 2), "small moves alone"
    assert found["map_agreement:translation"].value == pytest.approx(0.8)
    assert found["map_agreement:crop"].value == pytest.approx(0.1)
    assert found["map_agreement:rotation"].value is None
    assert found["map_agreement:rotation"].reason


def test_a_limit_on_one_move_and_on_maps_is_judged(shifted, rng):
    score = sure(rng, 100)
    limit = {"check": ID, "origin": "pre-registered", "direction": "max", "value": 0.02}
    protocol = Protocol.parse(
        {
            "checks": [ID], "draws": 200,
            "limits": [
                limit | {"measure": "flip_rate:translation"},
                limit | {"measure": "map_agreement", "direction": "min", "value": 0.9},
            ],
        }
    )  # fmt: skip
    by = {("translation", 5): np.where(np.arange(100) < 30, 1 - score, score)}
    spread = rng.uniform(0.2, 0.6, 100)
    result = shift_consistency(shifted(score, by, agreement={("crop", 1): spread}), protocol)

    found = findings(result)
    assert found["flip_rate:translation"].state is State.FAIL
    assert found["map_agreement"].state is State.FAIL
    assert found["flip_rate"].state is State.INFO, "no limit is set on it"
    assert "correlate by 0." in found["map_agreement"].claim


def test_few_cases_cannot_hold_the_limit(shifted, quick, rng):
    found = findings(shift_consistency(shifted(sure(rng, 20)), quick))["flip_rate"]

    assert found.state is State.CAUTION
    assert "'shift_cases' in the protocol" in found.action


def test_what_cannot_be_said_is_not_assessed(shifted, make_evidence, quick):
    evidence = shifted(np.linspace(0.1, 0.9, 30))
    named = Protocol.parse({"checks": [ID], "operating_point": "nobody’s"})
    assert "does not declare" in shift_consistency(evidence, named).reason
    raw = replace(evidence, moves=replace(evidence.moves, score=None, probabilities=None))
    assert "without a model that says" in shift_consistency(raw, quick).reason
    never = replace(evidence, moves=replace(evidence.moves, ran=np.zeros(30, bool)))
    assert shift_consistency(never, quick).reason == "No case with a score was moved."
    black = shift_consistency(make_evidence(np.array([0.1, 0.9])), quick)
    assert "No moved images were run" in black.reason


def test_the_chart_and_the_table_hold_every_step(shifted, quick, rng):
    score = sure(rng, 100)
    by = {("translation", 1): np.where(np.arange(100) < 7, 1 - score, score)}
    forest, points = shift_consistency(shifted(score, by), quick).series

    assert [row["label"] for row in forest["rows"]][:3] == [
        "any small move", "shifted by half a pixel", "shifted by 1 pixel",
    ]  # fmt: skip
    assert len(forest["rows"]) == 1 + len(STEPS) == 1 + len(points["rows"])
    assert forest["rows"][0]["limit"]["value"] == 0.05
    assert "limit" not in forest["rows"][1]
    assert points["rows"][0][:5] == ["Translation", "pixels of the model's input", 0.5, 100, 0.07]
    assert points["rows"][0][7] == pytest.approx(np.abs(1 - 2 * score[:7]).sum() / 100, abs=1e-6)
    assert {len(row) for row in points["rows"]} == {len(points["fields"])}


def test_the_margin_is_to_the_threshold(shifted):
    evidence = shifted(np.array([0.2, 0.7]))
    found = shifted_cases(evidence, evidence.moves, evidence.prediction, OperatingPoint(0.5, ""))

    assert found.margin == pytest.approx([0.3, 0.2])
    assert {(move, step) for move, step, _ in found.small()} == {
        ("translation", 1), ("translation", 2), ("translation", 3), ("rotation", 1),
        ("rotation", 2), ("crop", 1), ("crop", 2), ("padding", 1), ("padding", 2),
    }  # fmt: skip
