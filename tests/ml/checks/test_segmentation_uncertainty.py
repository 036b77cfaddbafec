"""Doubt about masks against what they lose, on numbers written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.segmentation_uncertainty import DOUBTS, segmentation_uncertainty
from ml.engine.compare import MEASURES
from ml.engine.sampled_form import OVERLAPS, SIZES, SUMMARIES, VOXEL
from ml.engine.sampling import ONE_MASK
from ml.evidence.sampled_masks import SampledMasks
from ml.evidence.tables import MaskComparisons
from ml.protocol import Protocol

N, T = 24, 6


@pytest.fixture
def evidence_of(make_evidence):
    """Dice and pairwise Dice of each case; the volumes of samples vary by ``spread``."""

    def build(dice, agreement, *, spread=None, structures=("lesion",), kind="dropout", failed=()):
        s, n = len(structures), len(dice)
        cases = np.tile(np.arange(n), s)
        columns = {name: np.full(n * s, 50.0) for name in MEASURES}
        columns["dice"] = np.tile(np.asarray(dice, float), s)
        masks = MaskComparisons(
            structures, (), False, cases, np.repeat(np.arange(s), n), ["model"] * (n * s),
            ["reference"] * (n * s), columns, 2.0, True,
        )  # fmt: skip
        spread = 1 - np.asarray(agreement) if spread is None else np.asarray(spread)
        voxels = 100 * (1 + spread[:, None] * np.linspace(-0.5, 0.5, T))
        named = (*SIZES, VOXEL, *OVERLAPS, *SUMMARIES)
        measures = {name: np.full((n, s), 0.25) for name in named}
        measures["dice_mean"] = np.repeat(np.asarray(agreement, float)[:, None], s, axis=1)
        measures["total_inside_mean"] = 0.5 * (1 - measures["dice_mean"])
        measures["total_band_mean"] = 0.9 * (1 - measures["dice_mean"])
        found = make_evidence(n=n)
        failures = {found.case_ids[at]: "non_finite_output" for at in failed}
        for at in failed:
            voxels[at] = np.nan
            for one in measures.values():
                one[at] = np.nan
        samples = SampledMasks(
            kind, structures, measures, np.repeat(voxels[:, None], s, axis=1), failures
        )
        return replace(found, masks=masks, sampled_masks=samples)

    return build


def of(result):
    return {one.id: one for one in result.estimates}


RNG = np.random.default_rng(3)
DICE = RNG.uniform(0.3, 0.95, N)


def test_a_model_that_knows_where_it_is_wrong_and_one_that_does_not(evidence_of, quick):
    knows = segmentation_uncertainty(evidence_of(DICE, DICE), quick)
    knows_not = segmentation_uncertainty(evidence_of(DICE, 1.25 - DICE), quick)

    assert of(knows)["loss_correlation:disagreement"].value == pytest.approx(1)
    assert of(knows_not)["loss_correlation:disagreement"].value == pytest.approx(-1)
    assert "disagree more" in knows.findings[0].claim
    assert "disagree no more" in knows_not.findings[0].claim
    assert knows.state is State.INFO
    # The best order of these cases, and the worst: the mean loss of the first k, averaged over k.
    rising = np.sort(1 - DICE)
    for result, order in ((knows, rising), (knows_not, rising[::-1])):
        expected = np.mean(np.cumsum(order) / np.arange(1, N + 1))
        assert of(result)["loss_aurc:disagreement"].value == pytest.approx(expected)
    assert not knows.findings[0].cases
    assert len(knows_not.findings[0].cases) == 6
    assert knows_not.findings[0].cases[0] == f"case-{DICE.argmin():03d}"


def test_every_doubt_is_held_against_the_loss_with_an_interval(evidence_of, quick):
    agreement = np.clip(DICE + RNG.normal(0, 0.1, N), 0, 1)
    found = of(segmentation_uncertainty(evidence_of(DICE, agreement), quick))

    assert set(found) == {
        f"{measure}:{doubt}"
        for measure in ("loss_correlation", "loss_aurc", "mask_doubt") for doubt in DOUBTS
    }  # fmt: skip
    expected = np.corrcoef(1 - agreement, 1 - DICE)[0, 1]
    related = found["loss_correlation:disagreement"]
    assert related.value == pytest.approx(expected)
    assert related.low < expected < related.high
    assert found["loss_aurc:volume"].has_interval
    spread = (1 - agreement)[:, None] * np.linspace(-0.5, 0.5, T)
    variation = (1 + spread).std(axis=1, ddof=1)
    assert found["mask_doubt:volume"].value == pytest.approx(variation.mean())
    assert found["mask_doubt:band"].unit == "bits"
    assert found["mask_doubt:disagreement"].unit == ""
    # Of the epistemic part every case has the same: there is nothing to correlate.
    assert found["loss_correlation:epistemic"].value is None
    assert "same doubt" in found["loss_correlation:epistemic"].reason


def test_a_structure_that_every_sample_misses_stays_in(evidence_of, quick):
    """Sure of nothing, and wrong: the case that doubt should have warned of."""
    evidence = evidence_of(np.append(DICE, 0.0), np.append(DICE, 1.0))
    evidence.sampled_masks.voxels[-1] = 0
    for name in ("total_inside_mean", "total_band_mean", "epistemic_band_mean"):
        evidence.sampled_masks.measures[name][-1] = np.nan

    result = segmentation_uncertainty(evidence, quick)
    found = of(result)

    assert found["loss_aurc:disagreement"].n == N + 1
    assert found["loss_aurc:volume"].n == found["loss_aurc:band"].n == N
    assert found["loss_aurc:disagreement"].value > found["loss_aurc:volume"].value
    assert result.findings[0].cases[0] == f"case-{N:03d}"
    assert "In 1 case no sample" in result.findings[0].why


def test_cases_without_samples_or_dice_enter_nothing_and_are_named(evidence_of, quick):
    dice = DICE.copy()
    dice[2] = np.nan  # both masks empty
    result = segmentation_uncertainty(evidence_of(dice, DICE, failed=(5,)), quick)

    assert of(result)["loss_aurc:disagreement"].n == N - 2
    (failed,) = [one for one in result.findings if one.id.endswith("failed-cases")]
    assert failed.cases == ("case-005",)
    assert result.state is State.CAUTION
    nothing = segmentation_uncertainty(evidence_of(DICE, DICE, failed=range(N)), quick)
    assert nothing.state is State.NOT_ASSESSED
    assert "No case has" in nothing.reason


def test_a_structure_without_any_case_says_so_beside_one_that_has_some(evidence_of, quick):
    evidence = evidence_of(DICE, DICE, structures=("lesion", "organ"))
    evidence.masks.measures["dice"][N:] = np.nan

    result = segmentation_uncertainty(evidence, quick)

    assert of(result)["loss_aurc:band"].n == N
    assert of(result)["loss_aurc:band:organ"].value is None
    assert [one["kind"] for one in result.series] == ["risk-coverage", "points", "points"]


def test_further_structures_say_theirs_and_a_limit_decides(evidence_of):
    limit = {"check": "segmentation-uncertainty", "measure": "loss_correlation:disagreement",
             "value": 0.0, "direction": "min", "origin": "pre-registered"}  # fmt: skip
    protocol = Protocol.parse({"draws": 200, "limits": [limit]})
    evidence = evidence_of(DICE, DICE - 0.01 * RNG.random(N), structures=("lesion", "organ"))

    result = segmentation_uncertainty(evidence, protocol)

    assert result.state is State.PASS
    assert "loss_aurc:band:organ" in of(result)
    assert "structure “lesion”" in of(result)["loss_aurc:band"].convention
    against = 1.25 - DICE + 0.01 * RNG.random(N)  # a perfect correlation has no interval
    turned = evidence_of(DICE, against, structures=("lesion", "organ"))
    assert segmentation_uncertainty(turned, protocol).state is State.FAIL


def test_what_is_drawn_is_what_is_measured(evidence_of, quick):
    result = segmentation_uncertainty(evidence_of(DICE, DICE, kind="members"), quick)

    risk, cases = result.series
    assert risk["risk"] == "1 − Dice"
    assert "6 members" in risk["subtitle"]
    by_kind = {curve["kind"]: curve["aurc"] for curve in risk["curves"]}
    for kind, value in by_kind.items():
        assert value == pytest.approx(of(result)[f"loss_aurc:{kind}"].value, abs=1e-6)
    assert risk["error_rate"] == pytest.approx((1 - DICE).mean(), abs=1e-6)
    assert risk["curves"][0]["points"][-1] == [1.0, risk["error_rate"]]
    assert len(cases["rows"]) == N
    assert len(cases["rows"][0]) == len(cases["fields"])
    assert cases["rows"][3][1] == pytest.approx(1 - DICE[3], abs=1e-6)


@pytest.mark.parametrize("reason", [ONE_MASK, "The network has no dropout.", ""])
def test_without_samples_it_is_not_assessed_and_says_why(evidence_of, quick, reason):
    evidence = replace(evidence_of(DICE, DICE), sampled_masks=None, no_samples=reason)

    result = segmentation_uncertainty(evidence, quick)

    assert result.state is State.NOT_ASSESSED
    assert result.reason == (
        reason or "There is one mask of each case by the model, and several are needed."
    )
