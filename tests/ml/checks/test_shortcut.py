"""What the check of shortcuts says of planted effects, and of their clean twins."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.shortcut import shortcut
from ml.evidence.blotted import CHANGES, ELSEWHERE, FILL, GIVEN, MEAN, Blotted, BlottedPlace
from ml.protocol import Protocol

N = 80
LEFT, RIGHT = (0.1, 0.0, 0.6, 0.15), (0.05, 0.8, 0.1, 0.15)
RULER = BlottedPlace(LEFT, "ruler", "", False, 4.2, 0.9)
LETTER = BlottedPlace(RIGHT, "mark", "", False, 0.3, 0.8)


@pytest.fixture
def asked():
    return Protocol.parse({"checks": ["shortcut"], "draws": 400})


@pytest.fixture
def made(make_evidence):
    """Evidence whose scores move by ``effects`` of each place, for what is taken out and put in."""

    def build(*effects, places=(RULER, LETTER), everywhere=0.0, covariates=None, seed=1, **more):
        rng = np.random.default_rng(seed)
        present = np.arange(N) % 2
        has = np.stack([rng.random(N) < 0.5 for _ in places], axis=1)
        score = 0.4 + 0.2 * present + rng.normal(0, 0.03, N)
        for at, effect in enumerate(effects):
            score = score + effect.get("shows", 0.0) * has[:, at]
        after = np.full((N, len(places), len(CHANGES)), np.nan)
        for at, effect in enumerate(effects):
            for change in CHANGES:
                # Taken out of those that have it; put into those that have not.
                here = has[:, at] == (change not in (GIVEN, ELSEWHERE[GIVEN]))
                own = {MEAN: -effect.get("out", 0), FILL: -effect.get("out", 0),
                       GIVEN: effect.get("in", 0)}.get(change, 0.0)  # fmt: skip
                moved = score + own + everywhere + rng.normal(0, 0.02, N)
                after[here, at, CHANGES.index(change)] = moved[here]
        evidence = make_evidence(score.clip(0, 1), present, covariates=covariates, **more)
        outputs = np.stack([1 - after, after], axis=3)
        blots = Blotted(
            tuple(places), has.astype(float), outputs, np.ones(N, bool), {}, after.clip(0, 1)
        )
        return replace(evidence, blots=blots)

    return build


NOTHING = {"out": 0.0, "in": 0.0}
PLANTED = {"out": 0.3, "in": 0.3, "shows": 0.3}


def findings(result):
    return {one.id.removeprefix("shortcut."): one for one in result.findings}


def values(result):
    return {one.id: one for one in result.estimates}


def test_a_place_that_moves_answers_when_taken_out_and_put_in_fails_with_its_cases(made, asked):
    result = shortcut(made(PLANTED, NOTHING), asked)

    said = findings(result)
    found = said["reliance:ruler at the left"]
    assert result.state is State.FAIL
    assert found.state is State.FAIL
    assert found.claim.startswith("Its answer hangs on a ruler (strokes that repeat) at the left")
    assert "positives turn negative" in found.claim
    assert found.cases
    assert found.limit.value == 0.05
    assert "Take it out of the images" in found.action
    estimates = values(result)
    assert estimates["removed:ruler at the left"].value == pytest.approx(-0.3, abs=0.02)
    assert estimates["put_in:ruler at the left"].value == pytest.approx(0.3, abs=0.02)
    assert estimates["reliance"].value == pytest.approx(0.3, abs=0.02)
    assert not any("mark" in name for name in said)


def test_its_clean_twin_passes_and_says_what_is_not_excluded(made, asked):
    result = shortcut(made(NOTHING, NOTHING), asked)

    said = findings(result)["reliance"]
    assert said.state is State.PASS
    assert "At none of 2 places" in said.claim
    assert "is not excluded" in said.why


def test_what_any_change_does_is_no_reliance(made, asked):
    result = shortcut(made(NOTHING, NOTHING, everywhere=0.25), asked)

    assert findings(result)["reliance"].state is State.PASS


@pytest.mark.parametrize("half", [{"out": 0.3, "in": 0.0}, {"out": 0.0, "in": 0.3},
                                  {"out": 0.3, "in": -0.3}])  # fmt: skip
def test_one_direction_alone_is_not_enough(half, made, asked):
    """A fill may hide a body, a transplant may cover one: both must agree."""
    result = shortcut(made(half, NOTHING), asked)

    assert not any(one.startswith("reliance:") for one in findings(result))
    assert values(result)["reliance:ruler at the left"].low in (0.0, None)


def test_it_may_speak_against_the_finding(made, asked):
    result = shortcut(made({"out": -0.25, "in": -0.25, "shows": -0.25}, NOTHING), asked)

    found = findings(result)["reliance:ruler at the left"]
    assert found.state is State.FAIL
    assert "negatives turn positive" in found.claim


def test_intervals_hold_for_all_places_at_once(made, asked):
    one = shortcut(made(NOTHING, places=(RULER,)), asked)
    many = [replace(LETTER, box=(0.1 * at, 0.5, 0.1, 0.1)) for at in range(7)]
    several = shortcut(made(*[NOTHING] * 8, places=(RULER, *many)), asked)

    assert values(one)["reliance:ruler at the left"].level == pytest.approx(0.95)
    assert values(several)["reliance:ruler at the left"].level == pytest.approx(1 - 0.05 / 8)
    assert "removed:ruler at the left" not in values(one), "the table of the chart has it"


def test_seeds_of_nothing_are_seldom_flagged(made, asked):
    flagged = sum(
        any(one.startswith("reliance:") for one in findings(
            shortcut(made(NOTHING, NOTHING, seed=seed), asked)))
        for seed in range(60)
    )  # fmt: skip
    assert flagged <= 3


def test_a_drawn_region_is_answered_even_where_nothing_hangs_on_it(made, asked):
    region = BlottedPlace((0.4, 0.4, 0.1, 0.1), "region", "name tag", False, None, None)
    result = shortcut(made(NOTHING, places=(region,)), asked)

    said = findings(result)["region:name tag"]
    assert said.state is State.INFO
    assert "With the region “name tag” filled from around it" in said.claim


def test_without_a_place_that_some_have_and_others_not_it_says_what_to_do(made, asked):
    evidence = made(NOTHING, places=(RULER,))
    everyone = replace(evidence.blots, has=np.ones((N, 1)))
    result = shortcut(replace(evidence, blots=everyone), asked)

    said = findings(result)["reliance"]
    assert said.state is State.NOT_ASSESSED
    assert "shortcut_regions" in said.action


def site(marked):
    return {"site": ["B" if one else "A" for one in marked]}


def test_a_site_that_moves_answers_of_one_label_fails_and_its_twin_does_not(made, asked):
    marked = np.random.default_rng(4).random(N) < 0.5
    evidence = made(NOTHING, NOTHING, covariates=site(marked))
    assert findings(shortcut(evidence, asked))["dependence"].state in (State.PASS, State.INFO)

    score = (evidence.prediction.score + 0.3 * marked).clip(0, 1)
    moved = replace(evidence, prediction=replace(evidence.prediction, score=score))
    said = findings(shortcut(moved, asked))["dependence:site B"]

    assert said.state is State.FAIL
    assert "get a P(finding) that is 0.2" in said.claim or "0.3" in said.claim
    assert said.cases


def test_a_site_that_goes_with_the_label_alone_is_told_and_not_judged(made, asked):
    """The label by metadata: the cohort's doing. Given the label, nothing hangs on the site."""
    rng = np.random.default_rng(3)
    marked = rng.random(N) < np.where(np.arange(N) % 2, 0.9, 0.1)
    result = shortcut(made(NOTHING, NOTHING, covariates=site(marked)), asked)

    found = values(result)
    assert found["auroc:label by metadata"].low > 0.65
    assert found["auroc:answer by metadata"].value is not None
    assert findings(result)["dependence"].state in (State.PASS, State.INFO)


def test_age_is_said_and_held_against_no_limit(made, asked):
    old = np.random.default_rng(4).random(N) < 0.5
    ages = {"age": [str(70 + at % 9) if one else str(30 + at % 9) for at, one in enumerate(old)]}
    evidence = made(NOTHING, NOTHING, covariates=ages)
    score = (evidence.prediction.score + 0.3 * old).clip(0, 1)
    moved = replace(evidence, prediction=replace(evidence.prediction, score=score))

    (said,) = [one for name, one in findings(shortcut(moved, asked)).items() if "age" in name]

    assert said.state is State.INFO
    assert "may be part of a patient" in said.why


def test_patients_carry_the_intervals(made, asked):
    evidence = made(PLANTED, NOTHING)
    pairs = replace(evidence, cluster=np.arange(N) // 4, cluster_kind="patient")

    own = values(shortcut(evidence, asked))["removed:ruler at the left"]
    patients = values(shortcut(pairs, asked))["removed:ruler at the left"]

    assert own.value == patients.value
    assert "patient" in patients.method


def test_charts_have_a_row_for_each_place(made, asked):
    result = shortcut(made(PLANTED, NOTHING), asked)

    forest, points = result.series[:2]
    assert forest["kind"] == "forest"
    assert [row["label"] for row in forest["rows"]] == [
        "ruler at the left", "mark at the upper right"
    ]  # fmt: skip
    assert "1 of 2 places" in forest["title"]
    assert len(points["rows"]) == 2
    assert len(points["fields"]) == len(points["rows"][0])


def test_an_unknown_operating_point_or_no_run_is_not_assessed(made, asked):
    unknown = Protocol.parse({"checks": ["shortcut"], "operating_point": "screening"})
    assert shortcut(made(NOTHING, NOTHING), unknown).state is State.NOT_ASSESSED
    evidence = made(NOTHING, NOTHING)
    none = replace(evidence.blots, ran=np.zeros(N, bool), failures={"case-000": "no_image"})
    result = shortcut(replace(evidence, blots=none), asked)
    assert result.state is State.NOT_ASSESSED
    assert "No case could be run" in result.reason
