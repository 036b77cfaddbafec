from dataclasses import replace

import numpy as np
import pytest

from ml.checks.mrmc import mrmc
from ml.checks.registry import State
from ml.protocol import Protocol
from ml.stats.clusters import Clusters
from ml.stats.mrmc.bdg import gallas_bdg
from ml.stats.mrmc.figures import sensitivity_figures, specificity_figures
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.study import MrmcStudy
from tests.ml.checks.mrmc.studies import (
    AIDED_FIRST,
    as_words,
    assert_not_assessed,
    estimates,
    evidence_of,
    findings,
    same,
    simulated,
)


def test_arms_are_compared_for_other_readers_and_other_cases(study, quick):
    result = mrmc(evidence_of(study), quick)
    found = estimates(result)
    # aided comes before unaided, and is the second modality of the simulation
    for inference, suffix in (
        ("RRRC", ""), ("FRRC", ":fixed-readers"), ("RRFC", ":fixed-cases")
    ):  # fmt: skip
        expected = obuchowski_rockette(study, "jackknife", inference).differences[0]
        same(found[AIDED_FIRST + suffix], expected, -1.0)
    whole = obuchowski_rockette(study)
    assert found["auroc:unaided"].value == pytest.approx(whole.means[0].value)
    assert found["auroc:aided"].low == pytest.approx(whole.means[1].low)
    finding = findings(result)[f"mrmc.{AIDED_FIRST}"]
    assert result.state is State.INFO
    assert "higher in the arm aided than in unaided" in finding.claim
    assert "other readers and other cases" in finding.why
    assert "For these readers and other cases" in finding.why
    assert "for other readers and these cases" in finding.why
    assert "readers and cases random" in found[AIDED_FIRST].convention
    assert "question “suspicion”" in found[AIDED_FIRST].convention
    assert found["auroc:R2, aided"].value == pytest.approx(whole.values[1, 1])


def test_rows_and_names_of_readers_may_come_in_any_order(study, quick):
    made = evidence_of(study)
    shuffled = np.random.default_rng(2).permutation(len(made.readings.value))
    again = replace(
        made.readings,
        case_index=made.readings.case_index[shuffled], number=made.readings.number[shuffled],
        **{
            name: [getattr(made.readings, name)[at] for at in shuffled]
            for name in ("reader", "question", "value", "arm")
        },
    )  # fmt: skip
    first, second = mrmc(made, quick), mrmc(replace(made, readings=again), quick)
    assert first == second


def test_a_limit_says_which_arm_should_be_better(study):
    limit = {
        "check": "mrmc", "measure": "auroc_difference:unaided-aided", "value": 0.0,
        "direction": "min", "origin": "pre-registered",
    }  # fmt: skip
    result = mrmc(evidence_of(study), Protocol.parse({"draws": 200, "limits": [limit]}))
    found = estimates(result)
    same(found["auroc_difference:unaided-aided"], obuchowski_rockette(study).differences[0])
    assert AIDED_FIRST not in found
    assert result.state is State.FAIL
    assert "lower in the arm unaided than in aided" in result.summary
    assert result.series[0]["limit"]["value"] == 0.0
    assert result.series[0]["rows"][0]["state"] == "fail"


def test_no_difference_is_not_said_to_be_one(quick):
    result = mrmc(evidence_of(simulated(effect=0.0)), quick)
    difference = estimates(result)[AIDED_FIRST]
    assert difference.low < 0 < difference.high
    assert "not shown to differ" in result.summary


def test_cases_behind_are_those_the_arms_read_most_differently(study, quick):
    changed = study.scores.copy()
    case = int(np.flatnonzero(study.present)[3])
    changed[0, :, case], changed[1, :, case] = -10, 10
    result = mrmc(evidence_of(replace(study, scores=changed)), quick)
    assert findings(result)[f"mrmc.{AIDED_FIRST}"].cases[0] == f"case-{case:03d}"


def test_negative_components_are_said(study, quick):
    result = mrmc(evidence_of(study), quick)
    whole = obuchowski_rockette(study)
    finding = findings(result)["mrmc.auroc-variance"]
    assert whole.components.notes()  # this study has one
    assert "negative" in finding.why
    assert f"error {whole.components.error:.3g}" in finding.claim
    assert "Cov3" in finding.claim


def test_three_arms_have_three_pairs_and_a_test_of_all(quick):
    result = mrmc(evidence_of(simulated(3), ("a", "b", "c")), quick)
    found = findings(result)
    pairs = [f"mrmc.auroc_difference:{pair}" for pair in ("a-b", "a-c", "b-c")]
    assert set(pairs) <= set(found)
    assert "one of 3 pairs, p is not adjusted" in found[pairs[0]].why
    assert "all arms alike: p" in found[pairs[0]].why


# ---- missing cells, clusters ----


def test_missing_cells_take_u_statistics(study, quick):
    holes = study.scores.copy()
    holes[np.random.default_rng(1).random(holes.shape) < 0.15] = np.nan
    holed = replace(study, scores=holes)
    result = mrmc(evidence_of(holed), quick)
    found = estimates(result)
    same(found[AIDED_FIRST], gallas_bdg(holed).differences[0], -1.0)
    assert not any("fixed" in measure for measure in found)
    assert "U-statistics" in findings(result)[f"mrmc.{AIDED_FIRST}"].why
    assert "mrmc.auroc-variance" not in findings(result)


def test_each_reader_with_cases_of_their_own(quick):
    whole = simulated(readers=3, with_finding=30, without=36)
    nested = np.full_like(whole.scores, np.nan)
    for reader in range(3):
        own = np.arange(len(whole.cases)) % 3 == reader
        nested[:, reader, own] = whole.scores[:, reader, own]
    study = replace(whole, scores=nested)
    found = estimates(mrmc(evidence_of(study), quick))
    same(found[AIDED_FIRST], gallas_bdg(study).differences[0], -1.0)


def test_each_arm_with_readers_of_its_own(study, scores, quick):
    """The readers of one arm are not taken for those of the other."""
    apart = study.scores.copy()
    apart[0, 2:], apart[1, :2] = np.nan, np.nan
    split = replace(study, scores=apart)
    found = estimates(mrmc(evidence_of(split, model=scores), quick))
    same(found[AIDED_FIRST], gallas_bdg(split).differences[0], -1.0)
    values = obuchowski_rockette(study).values
    assert found["auroc:R3, aided"].value == pytest.approx(values[1, 2])
    assert found["auroc:R1, aided"].value is None
    for arm, own in (("unaided", values[0, :2]), ("aided", values[1, 2:])):
        difference = found[f"auroc_difference:model-readers:{arm}"]
        mean = found[f"auroc:model:{arm}"].value - own.mean()
        assert difference.value == pytest.approx(mean)


def test_patients_are_left_out_as_a_whole(study, quick):
    patients = np.arange(len(study.cases)) // 2
    made = evidence_of(study, cluster=patients, cluster_kind="patient")
    found = estimates(mrmc(made, quick))
    clustered = replace(study, clusters=Clusters.of(patients, "patient"))
    same(found[AIDED_FIRST], obuchowski_rockette(clustered).differences[0], -1.0)
    assert found[AIDED_FIRST].low != estimates(mrmc(evidence_of(study), quick))[AIDED_FIRST].low
    assert "27 patients left out in turn" in found[AIDED_FIRST].method
    assert "27 patients" in found["auroc:R1, aided"].method


def test_missing_readings_of_patients_leave_their_cases_out_aloud(study, quick):
    holes = study.scores.copy()
    holes[1, 2, [4, 40]] = np.nan
    patients = np.arange(len(study.cases)) // 2
    made = evidence_of(replace(study, scores=holes), cluster=patients, cluster_kind="patient")
    result = mrmc(made, quick)
    finding = findings(result)["mrmc.partly-read"]
    assert finding.cases == ("case-004", "case-040")
    assert finding.state is State.CAUTION
    kept = np.setdiff1d(np.arange(len(study.cases)), [4, 40])
    rest = MrmcStudy(
        study.scores[:, :, kept], study.present[kept], study.modalities, study.readers,
        tuple(study.cases[at] for at in kept), Clusters.of(patients[kept], "patient"),
    )  # fmt: skip
    same(estimates(result)[AIDED_FIRST], obuchowski_rockette(rest).differences[0], -1.0)


def test_missing_readings_of_patients_without_whole_cases(study, quick):
    holes = study.scores.copy()
    holes[0, 0, ::2], holes[1, 1, 1::2] = np.nan, np.nan
    made = evidence_of(
        replace(study, scores=holes), cluster=np.arange(54) // 2, cluster_kind="patient"
    )
    assert_not_assessed(mrmc(made, quick), "no analysis here serves both")


# ---- two answers ----


def test_present_and_absent_give_sensitivity_and_specificity(study, quick):
    question, answer = as_words(study)
    result = mrmc(evidence_of(study, question=question, answer=answer), quick)
    found = estimates(result)
    called = replace(study, scores=(study.scores >= 0.75).astype(float))
    for name, figures in (
        ("sensitivity", sensitivity_figures), ("specificity", specificity_figures)
    ):  # fmt: skip
        expected = obuchowski_rockette(figures(called, 0.5))
        same(found[f"{name}_difference:aided-unaided"], expected.differences[0], -1.0)
        assert found[f"{name}:unaided"].value == pytest.approx(expected.means[0].value)
        assert found[f"{name}:R1, unaided"].value == pytest.approx(expected.values[0, 0])
    assert not any(measure.startswith("auroc") for measure in found)
    assert [one["kind"] for one in result.series] == ["forest"] * 4
    # only cases of the kind in question stand behind a rate
    listed = findings(result)["mrmc.sensitivity_difference:aided-unaided"].cases
    assert listed
    assert all(study.present[int(case[5:])] for case in listed)


def test_the_model_answers_at_its_operating_point(alone, scores, quick):
    question, answer = as_words(alone)
    made = evidence_of(alone, ("",), question, answer=answer, model=scores)
    result = mrmc(made, replace(quick, operating_point=0.7))
    hits = (scores >= 0.7)[alone.present].mean()
    assert estimates(result)["sensitivity:model"].value == pytest.approx(hits)
    assert "0.7 present" in findings(result)["mrmc.sensitivity_difference:model-readers"].why
    assert findings(result)["mrmc.specificity_difference:model-readers"].limit.value == -0.05
    named = mrmc(made, replace(quick, operating_point="screening"))
    assert findings(named)["mrmc.model"].state is State.NOT_ASSESSED
    assert "screening" in findings(named)["mrmc.model"].claim
    assert "sensitivity:readers" in estimates(named)
