"""Reader studies; every reading here is simulated (Roe and Metz 1997)."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.mrmc import mrmc
from ml.checks.registry import State
from ml.estimate import check_json
from ml.evidence.tables import Evidence, Prediction, Question, Readings
from ml.protocol import Protocol
from ml.stats.clusters import Clusters
from ml.stats.mrmc.bdg import gallas_bdg
from ml.stats.mrmc.curve import average_curve, reader_curve
from ml.stats.mrmc.figures import sensitivity_figures, specificity_figures
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.simulate import simulate, structure
from ml.stats.mrmc.standalone import model_against_readers
from ml.stats.mrmc.study import MrmcStudy

SCORE = Question("suspicion", "interval", ("-20", "20"))
ARMS = ("unaided", "aided")
AIDED_FIRST = "auroc_difference:aided-unaided"


def simulated(arms=2, readers=4, with_finding=24, without=30, effect=0.8):
    drawn = simulate(
        structure("HL", modalities=arms, effect=effect if arms > 1 else 0.0),
        readers, with_finding, without, seed=5,
    )  # fmt: skip
    return replace(drawn, scores=np.round(drawn.scores, 3))


def evidence_of(study, arms=ARMS, question=SCORE, *, model=None, answer=None, **changes):
    """The study as a cohort's readings, one row per score there is."""
    rows = [
        (case, f"R{j + 1}", arms[i], float(study.scores[i, j, case]))
        for i in range(len(arms))
        for j in range(study.scores.shape[1])
        for case in range(len(study.cases))
        if not np.isnan(study.scores[i, j, case])
    ]
    answers = [answer(row[3]) if answer else f"{row[3]:.17g}" for row in rows]
    readings = Readings(
        np.array([row[0] for row in rows], dtype=np.int64), [row[1] for row in rows],
        [question.id] * len(rows), answers,
        np.array([np.nan if answer else row[3] for row in rows]), {question.id: question},
        exchangeable=False, arm=() if arms == ("",) else [row[2] for row in rows],
    )  # fmt: skip
    present = study.present.astype(np.int64)
    prediction = None
    if model is not None:
        prediction = Prediction(
            ("absent", "present"), ("present",), "probabilities",
            np.stack([1 - model, model], axis=1), model,
        )  # fmt: skip
    n = len(study.cases)
    made = Evidence(
        tuple(f"case-{at:03d}" for at in range(n)), np.arange(n), "case",
        tuple("present" if y else "absent" for y in present), present, ("absent", "present"),
        ("present",), prediction=prediction, readings=readings,
    )  # fmt: skip
    return replace(made, **changes)


def estimates(result):
    return {estimate.id: estimate for estimate in result.estimates}


def findings(result):
    return {finding.id: finding for finding in result.findings}


def same(found, expected, sign=1.0):
    assert found.value == pytest.approx(sign * expected.value)
    ends = [expected.low, expected.high][:: int(sign)]
    assert [found.low, found.high] == pytest.approx([sign * end for end in ends])
    assert found.extra["p"] == pytest.approx(expected.extra["p"])


@pytest.fixture(scope="module")
def study():
    return simulated()


@pytest.fixture(scope="module")
def alone(study):
    return study.part(modalities=[0])


@pytest.fixture(scope="module")
def scores(study):
    rng = np.random.default_rng(8)
    latent = rng.normal(size=len(study.cases)) + 1.6 * study.present
    return 1 / (1 + np.exp(-latent))


def as_words(study):
    """The same readings as present or absent."""
    question = Question("finding", "nominal", ("present", "absent"))
    return question, lambda score: "present" if score >= 0.75 else "absent"


# ---- arms ----


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


# ---- a model, or readers alone ----


def test_the_model_against_an_average_reader(alone, scores, quick):
    result = mrmc(evidence_of(alone, ("",), model=scores), quick)
    found = estimates(result)
    cube = np.concatenate([scores[None, None], alone.scores], axis=1)
    both = MrmcStudy(cube, alone.present, ("x",), ("model", *alone.readers), alone.cases)
    expected = model_against_readers(both, 0)
    same(found["auroc_difference:model-readers"], expected.difference, -1.0)
    assert found["auroc:model"].value == pytest.approx(expected.model)
    assert "the model fixed" in found["auroc_difference:model-readers"].convention
    assert "model minus readers" in found["auroc_difference:model-readers"].convention
    finding = findings(result)["mrmc.auroc_difference:model-readers"]
    assert finding.limit.value == -0.05
    assert finding.limit.origin == "platform-default"
    assert "allowed to be 0.050 behind" in finding.why
    assert "other readers and other cases" in finding.why
    assert result.estimates[0].id == "auroc_difference:model-readers"


@pytest.mark.parametrize(("turn", "state"), [(1.0, State.PASS), (-1.0, State.FAIL)])
def test_a_perfect_model_passes_and_a_reversed_one_fails(alone, quick, turn, state):
    model = np.where(alone.present, 0.5 + 0.4 * turn, 0.5 - 0.4 * turn)
    result = mrmc(evidence_of(alone, ("",), model=model), quick)
    assert result.state is state
    finding = findings(result)["mrmc.auroc_difference:model-readers"]
    assert ("behind: shown" in finding.why) == (turn > 0)
    assert finding.cases
    assert bool(finding.action) == (turn < 0)


def test_cases_the_model_failed_on_are_counted(alone, scores, quick):
    failed = scores.copy()
    failed[[0, 30]] = np.nan
    result = mrmc(evidence_of(alone, ("",), model=failed), quick)
    why = findings(result)["mrmc.auroc_difference:model-readers"].why
    assert "2 cases left out" in why
    assert "2 for want of a score of the model" in why
    assert estimates(result)["auroc_difference:model-readers"].n == 52
    assert estimates(result)["auroc:readers-beside-model"].n == 52


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (slice(20, 54), "only 4 cases with the finding and 30 without"),
        (slice(0, 28), "only 24 cases with the finding and 4 without"),
    ],
)
def test_a_model_without_common_cases_is_not_compared(alone, scores, quick, kept, said):
    failed = np.full(54, np.nan)
    failed[kept] = scores[kept]
    result = mrmc(evidence_of(alone, ("",), model=failed), quick)
    assert findings(result)["mrmc.model"].state is State.NOT_ASSESSED
    assert said in findings(result)["mrmc.model"].claim
    assert estimates(result)["auroc:readers"].value is not None


def test_a_model_beside_two_arms_has_no_default_limit(study, scores, quick):
    result = mrmc(evidence_of(study, model=scores), quick)
    for arm in ARMS:
        finding = findings(result)[f"mrmc.auroc_difference:model-readers:{arm}"]
        assert finding.limit is None
        assert f"in the arm {arm}" in finding.claim


def test_readers_alone(alone, quick):
    result = mrmc(evidence_of(alone, ("",)), quick)
    same_mean = obuchowski_rockette(alone).means[0]
    found = estimates(result)["auroc:readers"]
    assert (found.value, found.low) == pytest.approx((same_mean.value, same_mean.low))
    assert "Readers reach a mean AUROC" in result.summary
    assert result.state is State.INFO
    assert not any("difference" in measure for measure in estimates(result))


# ---- scales ----


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


def assert_not_assessed(result, sentence):
    assert result.state is State.NOT_ASSESSED
    assert sentence in result.reason
    assert result.reason.endswith(".")


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
