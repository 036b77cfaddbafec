from dataclasses import replace

import numpy as np
import pytest

from ml.checks.mrmc import mrmc
from ml.checks.registry import State
from ml.estimate import check_json
from ml.evidence.tables import Question
from ml.stats.mrmc.curve import average_curve, reader_curve
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from tests.ml.checks.mrmc.studies import (
    AIDED_FIRST,
    assert_not_assessed,
    estimates,
    evidence_of,
    findings,
    same,
    simulated,
)


def test_the_declared_order_is_the_direction(alone, quick):
    """Falling ends, or an order from present to absent, turn the score; nothing else does."""
    rising = estimates(mrmc(evidence_of(alone, ("",)), quick))["auroc:readers"].value
    falling = Question("suspicion", "interval", ("20", "-20"))
    turned = mrmc(evidence_of(alone, ("",), falling), quick)
    assert estimates(turned)["auroc:readers"].value == pytest.approx(1 - rising)
    grades = ("none", "low", "high")

    def grade(score):
        return grades[int(score > 0) + int(score > 1.5)]

    upward = mrmc(evidence_of(alone, ("",), Question("q", "ordinal", grades), answer=grade), quick)
    down = Question("q", "ordinal", grades[::-1])
    downward = mrmc(evidence_of(alone, ("",), down, answer=grade), quick)
    value = estimates(upward)["auroc:readers"].value
    assert value > 0.7
    assert estimates(downward)["auroc:readers"].value == pytest.approx(1 - value)
    assert "from none (absent) to high (present)" in upward.estimates[0].convention


def test_what_is_left_out_is_counted(study, quick):
    made = evidence_of(study)
    present = made.present.copy()
    present[:3] = -1
    again = replace(
        made.readings,
        case_index=np.r_[made.readings.case_index, made.readings.case_index[-1]],
        number=np.r_[made.readings.number, 1.0],
        **{
            name: [*getattr(made.readings, name), getattr(made.readings, name)[-1]]
            for name in ("reader", "question", "value", "arm")
        },
    )  # fmt: skip
    result = mrmc(replace(made, present=present, readings=again), quick)
    why = findings(result)[f"mrmc.{AIDED_FIRST}"].why
    assert "3 read cases have no label" in why
    assert "1 second answers" in why
    assert estimates(result)[AIDED_FIRST].n == 51


def test_a_reader_of_few_cases_is_left_out_by_name(study, quick):
    holes = study.scores.copy()
    holes[:, 3, 4:] = np.nan
    result = mrmc(evidence_of(replace(study, scores=holes)), quick)
    same(
        estimates(result)[AIDED_FIRST],
        obuchowski_rockette(study.part(readers=[0, 1, 2])).differences[0],
        -1.0,
    )
    finding = findings(result)["mrmc.few-cases"]
    assert finding.state is State.CAUTION
    assert "R4 in aided (4 with the finding, 0 without)" in finding.claim


# ---- not assessed ----


def test_readers_without_identity(study, quick):
    made = evidence_of(study)
    numbered = replace(made, readings=replace(made.readings, exchangeable=True))
    assert_not_assessed(mrmc(numbered, quick), "no identity")


def test_no_labels_and_no_readings(study, quick):
    assert_not_assessed(mrmc(evidence_of(study, present=None), quick), "no reference labels")
    assert_not_assessed(mrmc(evidence_of(study, readings=None), quick), "no readings")


def test_labels_of_other_cases(study, quick):
    made = evidence_of(study.part(modalities=[0]), ("",))
    n = len(made.case_ids)
    more = replace(
        made, case_ids=(*made.case_ids, "other"), cluster=np.arange(n + 1),
        label=(*made.label, "present"), present=np.r_[np.full(n, -1), 1],
    )  # fmt: skip
    assert_not_assessed(mrmc(more, quick), "No case with a label was read")


@pytest.mark.parametrize(("kind", "word"), [(1, "has"), (0, "lacks")])
def test_one_class_only(study, quick, kind, word):
    made = evidence_of(study, present=np.full(54, kind))
    assert_not_assessed(mrmc(made, quick), f"was read {word} the finding")


def test_one_reader(study, quick):
    one = study.part(readers=[0])
    assert_not_assessed(mrmc(evidence_of(one), quick), "One reader scored at least 5")
    holes = study.scores.copy()
    holes[1, 1:] = np.nan
    only = evidence_of(replace(study, scores=holes))
    assert_not_assessed(mrmc(only, quick), "in the arm aided")


def test_readers_of_few_cases(study, quick):
    few = study.scores.copy()
    few[:, :, 4:50] = np.nan
    assert_not_assessed(mrmc(evidence_of(replace(study, scores=few)), quick), "No reader scored")


def test_no_scored_question(study, quick):
    question = Question("shape", "nominal", ("round", "oval", "other"))
    made = evidence_of(study, question=question, answer=lambda score: "oval")
    assert_not_assessed(mrmc(made, quick), "No question asks readers to score the finding")


def test_an_interval_scale_without_ends_has_no_direction(study, quick):
    made = evidence_of(study, question=Question("suspicion", "interval", ()))
    assert_not_assessed(mrmc(made, quick), "Nobody declared what a higher answer")


def test_few_patients(study, quick):
    made = evidence_of(study, cluster=np.arange(54) % 9, cluster_kind="patient")
    assert_not_assessed(mrmc(made, quick), "only 9 patients")


# ---- degenerate, and charts ----


@pytest.mark.parametrize("constant", [True, False])
def test_readers_without_spread_have_no_interval_but_a_reason(study, scores, quick, constant):
    flat = np.zeros_like(study.scores) if constant else np.broadcast_to(
        study.present * 1.0, study.scores.shape
    )  # fmt: skip
    for made in (
        evidence_of(replace(study, scores=flat)),
        evidence_of(replace(study, scores=flat).part(modalities=[0]), ("",), model=scores),
    ):
        result = mrmc(made, quick)
        for estimate in result.estimates:
            check_json(estimate.id, estimate.to_json())
            assert estimate.has_interval or estimate.reason
        for series in result.series:
            check_json("series", series)
    difference = estimates(mrmc(evidence_of(replace(study, scores=flat)), quick))[AIDED_FIRST]
    assert difference.value == 0
    assert not difference.has_interval


def test_charts(study, alone, scores, quick):
    result = mrmc(evidence_of(study), quick)
    differences, readers, roc = result.series
    assert [row["label"] for row in differences["rows"]] == [
        "aided-unaided", "aided-unaided, these readers", "aided-unaided, these cases"
    ]  # fmt: skip
    labels = [row["label"] for row in readers["rows"]]
    assert labels[:2] == ["R1, aided", "R2, aided"]
    assert labels[4] == "Mean of readers, aided"
    assert len(labels) == 10
    assert roc["kind"] == "reader-roc"
    assert [curve["label"] for curve in roc["curves"]] == ["aided", "unaided"]
    assert [one["label"] for one in roc["curves"][0]["readers"]] == ["R1", "R2", "R3", "R4"]
    # points on straight lines are left out, the line is the same
    whole, drawn = average_curve(study, 1), np.array(roc["curves"][0]["points"])
    assert len(drawn) < len(whole)
    assert np.interp(whole[:, 0], *drawn.T) == pytest.approx(whole[:, 1], abs=1e-5)
    beside = mrmc(evidence_of(alone, ("",), model=scores), quick).series[-1]
    assert [curve["role"] for curve in beside["curves"]] == ["readers", "model"]


def test_a_curve_of_many_steps_is_drawn_with_few_points(quick):
    many = simulated(1, 2, 300, 300)
    curves = mrmc(evidence_of(many, ("",)), quick).series[-1]["curves"]
    exact = reader_curve(many, 0, 0)
    assert len(exact) > 500
    drawn = np.array(curves[0]["readers"][0]["points"])
    assert len(drawn) <= 101
    last = np.searchsorted(exact[:, 0], drawn[:, 0] + 1e-5, "right") - 1  # upper ends of steps
    assert drawn[:, 1] == pytest.approx(exact[last, 1], abs=0.004)  # less than two cases
