"""Masks of moved copies: blocks that stay where they are are found, and what moves along passes."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.shift_consistency import shift_consistency
from ml.evidence.mask_copies import MaskCopies, Sizes
from ml.evidence.passes import Distortion
from ml.moves import moves_for
from ml.protocol import Protocol
from ml.stats.proportion import wilson
from tests.ml.checks.planted_masks import marked

ID = "shift-consistency"


@pytest.fixture
def asked():
    return Protocol.parse({"checks": [ID], "draws": 200})


def of(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def test_a_network_of_blocks_fails_and_its_cases_are_named(asked):
    result = shift_consistency(marked("blocks"), asked)

    found, said = of(result), findings(result)
    assert result.state is State.FAIL
    assert found["mask_agreement"].high < 0.9
    whole = said["mask_agreement"]
    assert whole.state is State.FAIL
    assert "Shown to be below 0.9: " in whole.why
    assert "30 of 40 cases, drawn by the seed" in whole.why
    assert whole.cases
    assert "it is shown to be below 0.9 already when it is" in said[
        "mask_agreement:translation"
    ].claim  # fmt: skip
    # To move them costs next to nothing: it is the network that does not follow.
    assert found["interpolation_agreement"].value > found["mask_agreement"].high


def test_its_smoothed_twin_moves_along(asked):
    result = shift_consistency(marked(), asked)

    found, said = of(result), findings(result)
    assert said["mask_agreement"].state is State.PASS
    assert result.state is State.PASS
    assert found["mask_agreement"].low > 0.95
    assert found["interpolation_agreement"].value > 0.95
    assert "No small move is shown to bring it below 0.9" in said["mask_agreement"].why
    # A whole shift takes pixels as they are, and a convolution does not care where they lie.
    rows = {(row[0], row[2]): row for row in result.series[1]["rows"]}
    assert rows["Translation", 2.0][4] > 0.999
    assert rows["Translation", 2.0][7] > 0.999


@pytest.fixture
def by_hand(make_evidence):
    """Copies agree with the moved mask by ``agreement`` (n,), at every step; by ``alone`` alone."""

    def build(agreement, alone=1.0, empty=(), failed=(), copies_failed=()):
        agreement = np.asarray(agreement, float)
        n, moves = agreement.size, moves_for(["left-right"])
        steps = [(one.id, step) for one in moves for step in range(1, len(one.values) + 1)]
        full = np.full((n, len(steps), 1), 100.0)
        both = full * agreement[:, None, None]
        marked = full.copy()
        for case in empty:
            marked[case] = both[case] = 0.0
        other = marked.copy()
        for case in failed:
            marked[case] = np.nan
        for case in copies_failed:
            marked[case, 3] = np.nan
        keys = {
            "move": tuple(one for one, _ in steps), "step": tuple(step for _, step in steps),
        }  # fmt: skip
        named = {one.id: Distortion(one.title, one.parameter, one.values, one.said)
                 for one in moves}  # fmt: skip
        found = replace(make_evidence(n=n), task="segmentation", classes=("disc",))
        failures = {found.case_ids[case]: "no_image" for case in (*failed, *copies_failed)}
        copies = MaskCopies(
            keys, Sizes(marked, other, both), Sizes(full, full, full * alone), failures, None, named
        )
        return replace(found, moved_masks=copies)

    return build


def test_the_least_under_small_moves_is_judged_and_mirrors_are_none(by_hand, asked):
    agreement = np.linspace(0.92, 1.0, 24)
    evidence = by_hand(agreement)
    moves, steps = evidence.moved_masks.keys["move"], evidence.moved_masks.keys["step"]
    places = list(zip(moves, steps, strict=True))
    both = evidence.moved_masks.sizes.both
    both[:, places.index(("mirror-left-right", 1))] = 0.0
    both[:, places.index(("rotation", 5))] = 10.0
    both[:12, places.index(("rotation", 2))] = 30.0
    both[12:, places.index(("translation", 3))] = 40.0

    result = shift_consistency(evidence, asked)
    found, said = of(result), findings(result)

    assert found["mask_agreement"].value == pytest.approx(0.35)
    assert found["mask_agreement:mirror-left-right"].value == 0
    assert said["mask_agreement"].state is State.FAIL
    assert "turned by 2 degrees" in said["mask_agreement"].why
    assert "turned by 15 degrees" not in said["mask_agreement"].why
    assert len(said["mask_agreement"].cases) == 24


def test_masks_that_all_agree_have_an_interval_by_how_many_they_are(by_hand, asked):
    few = of(shift_consistency(by_hand(np.ones(24)), asked))["mask_agreement"]
    many = shift_consistency(by_hand(np.ones(60)), asked)

    assert (few.value, few.high) == (1, 1)
    assert few.low == pytest.approx(1 - wilson(0.0, 24, 0.95)[1])
    assert findings(many)["mask_agreement"].state is State.PASS


def test_cases_below_the_limit_are_listed_the_least_first(by_hand, asked):
    agreement = np.full(24, 0.97)
    agreement[[4, 9]] = 0.5, 0.2
    said = findings(shift_consistency(by_hand(agreement), asked))

    assert said["mask_agreement"].cases == ("case-009", "case-004")
    limit = {"check": ID, "measure": "mask_agreement", "value": 0.4, "direction": "min",
             "origin": "pre-registered"}  # fmt: skip
    own = Protocol.parse({"checks": [ID], "draws": 200, "limits": [limit]})
    assert findings(shift_consistency(by_hand(agreement), own))["mask_agreement"].cases == (
        "case-009",
    )


def test_what_interpolation_costs_is_said_where_it_costs_more_than_is_asked(by_hand, asked):
    fine = findings(shift_consistency(by_hand(np.full(24, 0.95), alone=0.99), asked))
    coarse = findings(shift_consistency(by_hand(np.full(24, 0.7), alone=0.8), asked))

    assert "overlaps itself by 0.990" in fine["mask_agreement"].why
    assert "too fine" not in fine["mask_agreement"].why
    assert "too fine for their pixels to tell" in coarse["mask_agreement"].why


def test_empty_pairs_and_failures_are_left_out_and_named(by_hand, asked):
    agreement = np.linspace(0.9, 1.0, 24)
    result = shift_consistency(
        by_hand(agreement, empty=(0, 1), failed=(2,), copies_failed=(3,)), asked
    )

    found, said = of(result), findings(result)
    assert found["mask_agreement"].n == 21
    assert said["failed-copies"].cases == ("case-003",)
    assert said["failed-cases"].cases == ("case-002",)
    assert result.state is State.CAUTION
    nothing = shift_consistency(by_hand(agreement, failed=range(24)), asked)
    assert nothing.state is State.NOT_ASSESSED
    assert len(nothing.findings[0].cases) == 24


def test_scores_and_masks_do_not_miss_what_the_platform_asks_of_the_other(by_hand, asked):
    said = findings(shift_consistency(by_hand(np.full(24, 0.95)), asked))

    assert "flip_rate" not in said
    assert not [one for one in said.values() if one.state is State.NOT_ASSESSED]
