from dataclasses import replace

import numpy as np
import pytest

from ml.checks.agreement import agreement
from ml.checks.registry import State
from ml.evidence.tables import Question
from ml.protocol import Protocol

RATING = {"malignancy": Question("malignancy", "ordinal", ("1", "2", "3", "4", "5"))}
BINARY = {"finding": Question("finding", "nominal", ("absent", "present"))}


def estimates(result):
    return {estimate.id: estimate for estimate in result.estimates}


@pytest.fixture
def four_raters(rng):
    """30 cases, four answers around a common level, some missing."""
    level = rng.integers(1, 6, 30)
    table = [
        [
            None if rng.random() < 0.1 else str(np.clip(level[case] + rng.integers(-1, 2), 1, 5))
            for _ in range(4)
        ]
        for case in range(30)
    ]
    return {"malignancy": table}


def test_identified_readers_get_every_measure(make_evidence, make_readings, four_raters, quick):
    result = agreement(make_evidence(n=30, readings=make_readings(four_raters, RATING)), quick)
    found = estimates(result)

    for measure in ("alpha", "kappa_fleiss", "kappa_conger", "kappa_weighted", "icc"):
        assert found[measure].value is not None, measure
    assert "kappa_weighted:linear" in found
    assert "kappa_weighted:R1-R2" in found
    assert "ICC(2,1)" in found["icc"].convention
    assert all("malignancy" in estimate.convention for estimate in result.estimates)
    assert "ordinal" in found["alpha"].convention
    kinds = [series["kind"] for series in result.series]
    assert kinds == ["agreement-matrix", "forest", "rating-distribution"]
    assert result.series[0]["labels"] == ["R1", "R2", "R3", "R4"]
    assert result.series[0]["values"][0][0] is None


def test_exchangeable_readers_get_nothing_that_belongs_to_one(
    make_evidence, make_readings, four_raters, quick
):
    readings = make_readings(four_raters, RATING, exchangeable=True)
    result = agreement(make_evidence(n=30, readings=readings), quick)
    found = estimates(result)

    assert found["alpha"].value is not None
    assert found["kappa_fleiss"].value is not None
    assert "ICC(1,1)" in found["icc"].convention
    for measure in ("kappa_conger", "kappa_weighted"):
        assert found[measure].value is None
        assert "only numbered within a case" in found[measure].reason
    assert "agreement-matrix" not in [series["kind"] for series in result.series]


def test_order_of_exchangeable_readers_does_not_matter(
    make_evidence, make_readings, four_raters, quick
):
    turned = {"malignancy": [row[::-1] for row in four_raters["malignancy"]]}
    one, other = (
        agreement(
            make_evidence(n=30, readings=make_readings(table, RATING, exchangeable=True)), quick
        )
        for table in (four_raters, turned)
    )

    for a, b in zip(one.estimates, other.estimates, strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


def test_finding_leads_to_the_cases_readers_differ_on(make_evidence, make_readings, quick):
    table = {"malignancy": [["1", "1"], ["1", "5"], ["2", "3"], ["4", None]]}
    result = agreement(make_evidence(n=4, readings=make_readings(table, RATING)), quick)

    assert result.findings[0].cases == ("case-001", "case-002")
    assert "differ on 2 of 3 cases" in result.findings[0].why


def test_nodules_of_a_patient_are_one_cluster(make_evidence, make_readings, four_raters, quick):
    evidence = make_evidence(
        n=30, cluster=np.arange(30) // 2, cluster_kind="patient",
        readings=make_readings(four_raters, RATING),
    )  # fmt: skip

    assert "15 patients" in estimates(agreement(evidence, quick))["alpha"].method


def test_further_questions_are_qualified(make_evidence, make_readings, four_raters, quick):
    table = four_raters | {"texture": four_raters["malignancy"]}
    scales = RATING | {"texture": Question("texture", "nominal", ("1", "2", "3", "4", "5"))}
    result = agreement(make_evidence(n=30, readings=make_readings(table, scales)), quick)
    found = estimates(result)

    assert found["alpha:texture"].value is not None
    assert "texture" in found["alpha:texture"].convention
    assert len(found) == len(result.estimates)
    forest = next(series for series in result.series if series["kind"] == "forest")
    assert [row["label"] for row in forest["rows"]] == ["malignancy", "texture"]
    # The limit is drawn at the question it judges, and at no other.
    assert forest["limit"] is None
    assert forest["rows"][0]["limit"]["value"] == 0.667
    assert "limit" not in forest["rows"][1]
    assert forest["rows"][1]["state"] == "info"
    assert forest["subtitle"].endswith("; judged: malignancy; no limit is set on the others")
    assert (
        "Judged is the first question of the cohort, malignancy; no limit is set on texture."
        in result.findings[0].why
    )


def test_one_question_alone_is_drawn_against_its_limit(
    make_evidence, make_readings, four_raters, quick
):
    result = agreement(make_evidence(n=30, readings=make_readings(four_raters, RATING)), quick)
    forest = next(series for series in result.series if series["kind"] == "forest")

    assert forest["limit"]["value"] == 0.667
    assert "judged" not in forest["subtitle"]
    assert "no limit is set" not in result.findings[0].why


def test_a_further_question_with_a_limit_of_its_own_is_drawn_against_it(
    make_evidence, make_readings, four_raters
):
    table = four_raters | {"texture": four_raters["malignancy"]}
    scales = RATING | {"texture": Question("texture", "nominal", ("1", "2", "3", "4", "5"))}
    limits = [
        {"check": "agreement", "measure": measure, "value": value, "direction": "min",
         "origin": "pre-registered"}
        for measure, value in (("alpha", 0.7), ("alpha:texture", 0.2))
    ]  # fmt: skip
    protocol = Protocol.parse({"draws": 200, "limits": limits})
    result = agreement(make_evidence(n=30, readings=make_readings(table, scales)), protocol)
    forest = next(series for series in result.series if series["kind"] == "forest")

    assert [row["limit"]["value"] for row in forest["rows"]] == [0.7, 0.2]
    assert "no limit is set" not in result.findings[0].why


def test_numbers_are_not_categories(make_evidence, make_readings, quick, rng):
    table = {"volume": [[str(v), str(v + 2)] for v in rng.integers(1, 90, 20)]}
    scales = {"volume": Question("volume", "interval", ())}
    found = estimates(agreement(make_evidence(n=20, readings=make_readings(table, scales)), quick))

    assert found["alpha"].value > 0.9
    assert found["icc"].value > 0.9
    assert found["kappa_fleiss"].value is None
    assert "see the ICC" in found["kappa_fleiss"].reason


def test_words_have_no_icc(make_evidence, make_readings, quick):
    table = {"finding": [["present", "absent"], ["present", "present"], ["absent", "absent"]]}
    found = estimates(agreement(make_evidence(n=3, readings=make_readings(table, BINARY)), quick))

    assert found["icc"].value is None
    assert found["kappa_weighted"].convention.startswith("question “finding”, unweighted")


def test_answers_that_nobody_declared_are_left_out_and_said(make_evidence, make_readings, quick):
    table = {"finding": [["present", "maybe", "absent"], ["present", "present", None]] * 3}
    found = estimates(agreement(make_evidence(n=6, readings=make_readings(table, BINARY)), quick))

    assert found["alpha"].extra["n_answers"] == 12
    assert "3 answers outside the declared values left out" in found["alpha"].convention


def test_whole_numbers_may_be_written_either_way(make_evidence, make_readings, quick):
    table = {"malignancy": [["1", "2"], ["5", "4"], ["3", "3"]]}
    readings = make_readings(table, RATING)
    decimals = replace(readings, value=[f"{value}.0" for value in readings.value])
    one, other = (
        agreement(make_evidence(n=3, readings=table), quick) for table in (readings, decimals)
    )

    assert other == one


def test_one_reader_is_not_assessed(make_evidence, make_readings, quick):
    table = {"finding": [["present"], ["absent"]]}
    result = agreement(make_evidence(n=2, readings=make_readings(table, BINARY)), quick)

    assert result.state is State.NOT_ASSESSED
    assert "No case was answered by two readers" in result.reason
    assert result.series[0]["counts"] == [1, 1]


def test_model_is_one_more_reader_on_the_same_scale(make_evidence, make_readings, quick, rng):
    present = np.arange(60) % 2
    answers = [
        [("present" if rng.random() < 0.1 + 0.8 * y else "absent") for _ in range(3)]
        for y in present
    ]
    evidence = make_evidence(
        rng.random(60), present, readings=make_readings({"finding": answers}, BINARY)
    )
    result = agreement(evidence, quick)
    found = estimates(result)

    assert found["alpha:with-model"].value < found["alpha"].value
    assert found["alpha:model-difference"].value == pytest.approx(
        found["alpha:with-model"].value - found["alpha"].value
    )
    assert found["alpha:model-difference"].high < 0
    assert found["kappa_weighted:model"].value < found["kappa_weighted"].value
    matrix = result.series[0]
    assert matrix["labels"] == ["R1", "R2", "R3", "Model"]
    assert matrix["n"][3][0] == 60


def test_model_on_another_scale_is_not_compared(
    make_evidence, make_readings, four_raters, quick, rng
):
    evidence = make_evidence(
        rng.random(30), np.arange(30) % 2, readings=make_readings(four_raters, RATING)
    )
    result = agreement(evidence, quick)

    finding = next(f for f in result.findings if f.id == "agreement.model")
    assert finding.state is State.NOT_ASSESSED
    assert "malignancy" in finding.claim
    assert "alpha:with-model" not in estimates(result)


def test_model_answers_the_question_it_can(make_evidence, make_readings, four_raters, quick, rng):
    words = {"finding": [["present", "absent"], ["present", "present"], ["absent", "absent"]] * 10}
    readings = make_readings(four_raters | words, RATING | BINARY)
    result = agreement(make_evidence(rng.random(30), np.arange(30) % 2, readings=readings), quick)

    assert "“finding”" in estimates(result)["alpha:with-model"].convention
    matrices = [s for s in result.series if s["kind"] == "agreement-matrix"]
    assert [m["question"] for m in matrices] == ["malignancy", "finding"]
    assert "Model" in matrices[1]["labels"]


def test_distribution_counts_every_answer(make_evidence, make_readings, four_raters, quick):
    result = agreement(make_evidence(n=30, readings=make_readings(four_raters, RATING)), quick)
    series = result.series[-1]

    given = sum(answer is not None for row in four_raters["malignancy"] for answer in row)
    assert sum(series["counts"]) == given
    assert series["values"] == ["1", "2", "3", "4", "5"]
    assert sum(int(k) * n for k, n in series["readers_per_case"].items()) == given


def test_kappa_of_a_handful_of_cases_is_not_what_is_said_first(make_evidence, make_readings, quick):
    few = [[None, None, "present", "present"], [None, None, "absent", "absent"]] * 3
    many = [["present", "absent", None, None]] * 10 + [["absent", "absent", None, None]] * 10
    many += [["present", "present", None, None]] * 20
    table = {"finding": many + few}
    result = agreement(make_evidence(n=46, readings=make_readings(table, BINARY)), quick)

    assert result.series[0]["values"][2][3] is None
    assert result.series[0]["title"] == ("Kappa of pairs that share 30 cases is 0.500")
    assert result.series[0]["subtitle"].endswith("; blank: fewer than 30 cases in common")
    mean = estimates(result)["kappa_weighted"]
    assert mean.value == pytest.approx(0.5)
    assert mean.convention.endswith(", that share 30 cases")
    alone = make_readings({"finding": [row[2:] for row in few]}, BINARY)
    only = agreement(make_evidence(n=6, readings=alone), quick)
    assert only.series[0]["title"] == "Kappa of pairs is 1.000"
    assert "share" not in estimates(only)["kappa_weighted"].convention


def test_conger_is_not_estimated_of_panels_without_a_common_case(
    make_evidence, make_readings, quick
):
    left = [["present", "absent", None, None], ["absent", "absent", None, None]] * 10
    right = [[None, None, "present", "present"], [None, None, "absent", "present"]] * 10
    apart = make_readings({"finding": left + right}, BINARY)
    conger = estimates(agreement(make_evidence(n=40, readings=apart), quick))["kappa_conger"]

    assert conger.value is None
    assert conger.reason.startswith("Not estimated: R1 and R3 share no case (4 such pairs)")

    joined = [*left, *right, ["present", "present", "absent", "present"]]
    one = make_readings({"finding": joined}, BINARY)
    conger = estimates(agreement(make_evidence(n=41, readings=one), quick))["kappa_conger"]
    assert conger.value is not None
