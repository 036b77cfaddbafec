"""Masks of corrupted copies: what noise tears is found and named, and a smoothed twin bears it."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.stress import stress
from ml.checks.stress_masks import measured_of
from ml.checks.stressed_masks import stressed_masks
from ml.evidence.mask_copies import MaskCopies, Sizes
from ml.evidence.passes import Distortion
from ml.evidence.tables import MaskComparisons
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.means import mean_difference
from tests.ml.checks.planted_masks import marked

QUICK = Settings(draws=200)
NOISE, BLUR = "gaussian-noise", "gaussian-blur"


@pytest.fixture
def asked():
    return Protocol.parse({"checks": ["stress"], "draws": 200})


def of(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix("stress."): one for one in result.findings}


def test_a_network_that_asks_each_pixel_alone_fails_under_noise(asked):
    evidence = marked("pixels")
    result = stress(evidence, asked)

    found, said = of(result), findings(result)
    assert result.state is State.FAIL
    assert found[f"severity_borne:{NOISE}"].high < 2
    torn = said[f"severity_borne:{NOISE}"]
    assert torn.state is State.FAIL
    assert "is too much for it from severity" in torn.claim
    assert "the Dice of disc loses" in torn.claim
    assert torn.limit.origin == "platform-default"
    assert "30 of 40 cases, drawn by the seed" in torn.why
    assert "whose Dice falls by more than 0.05 up to severity 2" in torn.why
    assert torn.cases
    assert said["dice_loss"].state is State.FAIL
    (series,) = result.series
    panel = series["panels"][0]
    assert panel["first_too_much"] == int(found[f"severity_borne:{NOISE}"].high) + 1
    assert panel["shown"]["case"] in torn.cases


def test_its_smoothed_twin_bears_the_same_noise(asked):
    result = stress(marked(), asked)

    found, said = of(result), findings(result)
    assert found["dice"].value > 0.95
    assert found[f"severity_borne:{NOISE}"].low >= 2
    assert said["dice_loss"].state is State.PASS
    assert result.state is State.PASS, [one.claim for one in result.findings]


def test_losses_are_those_of_the_masks_that_the_audit_compared(asked):
    """The numbers of one severity by hand, from what the two passes left."""
    evidence = marked("pixels")
    copies, masks = evidence.corrupted_masks, evidence.masks
    stressed = stressed_masks(evidence, copies, masks, 0, 0.05)
    measured = measured_of(stressed, asked, QUICK)

    at = copies.keys["severity"].index(4)
    assert copies.keys["corruption"][at] == NOISE
    clean, torn, with_disc = [], [], []
    for row, case in enumerate(masks.case_index):
        if not copies.ran[case]:
            continue
        sizes = [one[case, at, 0] for one in (copies.sizes.marked, copies.sizes.other,
                                              copies.sizes.both)]  # fmt: skip
        assert sizes[1] == masks.measures["voxels_b"][row]
        if sizes[1]:
            clean.append(masks.measures["dice"][row])
            torn.append(2 * sizes[2] / (sizes[0] + sizes[1]))
            with_disc.append((sizes[0] - masks.measures["voxels_a"][row]) / sizes[1])
    expected = mean_difference("x", clean, torn, settings=QUICK)
    loss = measured.at("dice_loss", NOISE, 4)
    assert (loss.value, loss.low, loss.high) == (expected.value, expected.low, expected.high)
    assert loss.n == expected.n == 25
    assert measured.estimates["dice"].n == 25, "where there is no disc, specks are no poor overlap"
    assert measured.at("volume_change", NOISE, 4).value == pytest.approx(np.mean(with_disc))
    empty = 30 - len(with_disc)
    invented = measured.at("invented", NOISE, 4)
    assert (invented.n, invented.value) == (empty, 1.0), "noise marks something everywhere"
    assert measured.at("missed", NOISE, 4).extra["numerator"] == 0


@pytest.fixture
def by_hand(make_evidence):
    """Two structures of n cases; the copies lose ``lost`` of the second one's pixels."""

    def build(lost, failed=(), copies_failed=()):
        s, n = 2, len(lost)
        columns = {f"voxels_{name}": np.full(n * s, 100.0) for name in ("a", "b", "both")}
        columns |= {"dice": np.ones(n * s)}
        masks = MaskComparisons(
            ("disc", "rim"), (), False, np.tile(np.arange(n), s), np.repeat(np.arange(s), n),
            ["model"] * (n * s), ["reference"] * (n * s), columns, 2.0, True,
        )  # fmt: skip
        marked = np.full((n, 5, s), 100.0)
        steps = np.arange(1, 6)[None] * np.asarray(lost)[:, None]
        marked[:, :, 1] = 100 - steps
        for case in failed:
            marked[case] = np.nan
        for case in copies_failed:
            marked[case, 2] = np.nan
        sizes = Sizes(marked, np.where(np.isnan(marked), np.nan, 100.0), marked.copy())
        keys = {"corruption": ("gamma",) * 5, "severity": (1, 2, 3, 4, 5)}
        named = {"gamma": Distortion("Gamma", "exponent", (1.2, 1.4, 1.7, 2.1, 2.6))}
        found = replace(make_evidence(n=n), task="segmentation", classes=("disc", "rim"))
        ids = [*failed, *copies_failed]
        failures = {found.case_ids[case]: "non_finite_output" for case in ids}
        copies = MaskCopies(keys, sizes, None, failures, None, named, 13)
        return replace(found, masks=masks, corrupted_masks=copies)

    return build


def test_every_structure_is_judged_and_a_limit_that_names_one_goes_first(by_hand, asked):
    lost = np.linspace(12, 18, 100)
    result = stress(by_hand(lost), asked)

    found, said = of(result), findings(result)
    assert found["severity_borne:gamma"].low == 5, "the disc never changes"
    assert found["severity_borne:gamma:rim"].high == 0
    assert said["severity_borne:gamma"].state is State.PASS
    assert said["severity_borne:gamma:rim"].state is State.FAIL
    assert "the Dice of rim" in said["severity_borne:gamma:rim"].claim
    assert "structure “disc”" in found["dice"].convention
    assert len(result.series) == 2
    assert result.series[1]["structure"] == "rim"

    limits = [{"check": "stress", "measure": measure, "value": value, "direction": direction,
               "origin": "pre-registered"} for measure, value, direction in
              (("dice_loss", 0.05, "max"), ("severity_borne", 2.0, "min"),
               ("dice_loss:rim", 0.5, "max"))]  # fmt: skip
    own = Protocol.parse({"checks": ["stress"], "draws": 200, "limits": limits})
    result = stress(by_hand(lost), own)
    said = findings(result)
    assert said["severity_borne:gamma:rim"].state is State.PASS
    assert not [one for one in said.values() if one.state is State.NOT_ASSESSED]


def test_cases_are_listed_by_what_they_lose_and_failed_copies_are_named(by_hand, asked):
    lost = np.zeros(40)
    lost[[3, 30, 7]] = 10.0, 30.0, 20.0
    result = stress(by_hand(lost, copies_failed=(5,)), asked)

    said, found = findings(result), of(result)
    listed = said["severity_borne:gamma:rim"].cases
    assert listed == ("case-030", "case-007", "case-003")
    assert said["failed-copies"].cases == ("case-005",)
    rows = result.series[1]["panels"][0]["rows"]
    assert [row["n"] for row in rows] == [40, 40, 39, 40, 40]
    assert found["mean_dice_loss:rim"].n == 39


def test_without_a_margin_nothing_is_judged_and_a_teams_limit_on_scores_is_missed(by_hand):
    limit = {"check": "stress", "measure": "accuracy_loss", "value": 0.05, "direction": "max",
             "origin": "pre-registered"}  # fmt: skip
    own = Protocol.parse({"checks": ["stress"], "draws": 200, "limits": [limit]})
    result = stress(by_hand(np.full(40, 15.0)), own)

    said = findings(result)
    assert said["severity_borne:gamma:rim"].state is State.NOT_ASSESSED
    assert said["accuracy_loss"].state is State.NOT_ASSESSED
    assert result.series[1]["line"] is None
    assert of(result)["mean_dice_loss:rim"].value > 0.2


def test_what_the_platform_asks_of_scores_is_not_missed_with_masks(by_hand, asked):
    said = findings(stress(by_hand(np.zeros(40)), asked))

    assert not {"accuracy_loss", "error_when_sure"} & set(said)


def test_without_masks_of_copies_it_is_not_assessed_and_says_why(by_hand, asked):
    evidence = by_hand(np.zeros(40))
    result = stress(replace(evidence, corrupted_masks=None), asked)

    assert result.state is State.NOT_ASSESSED
    assert "corrupted images were marked" in result.reason
    assert "labels" not in result.reason
    nothing = stress(replace(evidence, masks=None, corrupted_masks=None), asked)
    assert "no reference masks" in nothing.reason
