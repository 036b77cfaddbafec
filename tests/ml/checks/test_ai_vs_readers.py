from dataclasses import replace

import numpy as np
import pytest

from ml.checks.ai_vs_readers import ai_vs_readers
from ml.checks.registry import State
from ml.evidence.tables import Question
from ml.protocol import Protocol

BINARY = {"finding": Question("finding", "nominal", ("absent", "present"))}
RATING = {"malignancy": Question("malignancy", "ordinal", ("1", "2", "3", "4", "5"))}
WORDS = ("absent", "present")


def estimates(result):
    return {estimate.id: estimate for estimate in result.estimates}


def findings(result):
    return {finding.id: finding for finding in result.findings}


@pytest.fixture
def panel():
    """400 cases, three readers who err in one of ten, and the truth."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 400)
    answers = np.where(rng.random((400, 3)) < 0.1, 1 - truth[:, None], truth[:, None])
    return truth, [[WORDS[code] for code in row] for row in answers]


@pytest.fixture
def run(make_evidence, make_readings, quick):
    def run(scores, table, *, exchangeable=False, protocol=quick, scales=BINARY, **more):
        readings = make_readings(dict.fromkeys(scales, table), scales, exchangeable=exchangeable)
        return ai_vs_readers(make_evidence(scores, readings=readings, **more), protocol)

    return run


def test_a_model_as_good_as_the_readers_passes(run, panel):
    truth, table = panel
    rng = np.random.default_rng(5)
    model = np.where(rng.random(400) < 0.08, 1 - truth, truth)
    result = run(np.where(model == 1, 0.9, 0.1), table)
    found = estimates(result)

    assert result.state is State.PASS
    assert found["interchangeability"].value == pytest.approx(0, abs=0.04)
    assert found["alt_winning_rate"].value == 1
    assert "3 of 3 readers" in findings(result)["ai-vs-readers.alt_winning_rate"].claim
    assert "0.05 (platform default)" in findings(result)["ai-vs-readers.interchangeability"].why
    assert all("finding" in estimate.convention for estimate in result.estimates)


def test_a_worse_model_fails_and_its_cases_are_named(run, panel):
    truth, table = panel
    scores = np.where(truth == 1, 0.9, 0.1)
    scores[:100] = 1 - scores[:100]
    result = run(scores, table)
    finding = findings(result)["ai-vs-readers.interchangeability"]

    assert result.state is State.FAIL
    assert finding.action
    assert {f"case-{at:03d}" for at in range(3)} <= set(finding.cases)
    assert "adds" in finding.claim
    assert estimates(result)["interchangeability"].value > 0.1
    assert "worse" in findings(result)["ai-vs-readers.loo_kappa:difference"].claim
    # every case named is one where the model is further from the readers than they are
    for case in finding.cases:
        row = int(case[5:])
        model = WORDS[int(scores[row] > 0.5)]
        share = np.mean([answer == model for answer in table[row]])
        pairs = np.mean([table[row][a] == table[row][b] for a, b in ((0, 1), (0, 2), (1, 2))])
        assert share < pairs


def test_a_better_model_is_said_to_be_better(run, panel):
    truth, table = panel
    result = run(np.where(truth == 1, 0.9, 0.1), table)

    assert estimates(result)["interchangeability"].high < 0
    assert "takes away" in result.summary
    assert "better" in findings(result)["ai-vs-readers.loo_kappa:difference"].claim
    assert estimates(result)["individual_agreement"].low > 1


def test_single_readers(run, panel):
    truth, table = panel
    result = run(np.where(truth == 1, 0.9, 0.1), table)
    found = estimates(result)

    for reader in ("R1", "R2", "R3"):
        assert found[f"loo_kappa:{reader}"].value is not None
        assert found[f"loo_kappa:model-beside-{reader}"].value is not None
    labels = [row["label"] for row in result.series[0]["rows"]]
    assert labels == ["R1", "R2", "R3", "Mean of readers", "Model"]
    assert result.series[1]["limit"]["value"] == 0.05
    assert result.series[1]["rows"][0]["state"] == "pass"


def test_exchangeable_readers(run, panel):
    truth, table = panel
    named = run(np.where(truth == 1, 0.9, 0.1), table)
    result = run(np.where(truth == 1, 0.9, 0.1), table, exchangeable=True)
    found = estimates(result)

    assert found["interchangeability"] == estimates(named)["interchangeability"]
    assert found["alt_winning_rate"].value is None
    assert "numbered within a case" in found["alt_winning_rate"].reason
    assert found["alt_advantage"].value is not None
    assert not any(measure.startswith("loo_kappa:R") for measure in found)
    assert [row["label"] for row in result.series[0]["rows"]] == ["Readers", "Model"]
    assert "ai-vs-readers.alt_winning_rate" not in findings(result)


def test_patients_are_the_units(run, panel):
    truth, table = panel
    result = run(
        np.where(truth == 1, 0.9, 0.1), table, cluster=np.arange(400) // 8, cluster_kind="patient"
    )

    assert "50 patients" in estimates(result)["interchangeability"].method
    assert "50 patients" in findings(result)["ai-vs-readers.interchangeability"].why


def test_cases_without_a_score_or_a_second_reader_are_left_out(run, panel):
    truth, table = panel
    table = [list(row) for row in table]
    table[0] = ["present", None, None]
    scores = np.where(truth == 1, 0.9, 0.1)
    scores[1] = np.nan
    result = run(scores, table)

    assert estimates(result)["interchangeability"].n == 398
    assert estimates(result)["loo_kappa:difference"].n == 398


def test_an_ordinal_question_has_weights(make_evidence, make_readings, quick, rng):
    """A model whose classes are the readers' own scale."""
    values = RATING["malignancy"].values
    level = rng.integers(0, 5, 60)
    given = np.clip(level[:, None] + rng.integers(-1, 2, (60, 3)), 0, 4)
    readings = make_readings(
        {"malignancy": [[values[code] for code in row] for row in given]}, RATING
    )
    evidence = make_evidence(np.full(60, 0.5), readings=readings)
    prediction = replace(
        evidence.prediction, classes=values, positive=("5",), probabilities=np.eye(5)[level]
    )
    found = estimates(ai_vs_readers(replace(evidence, prediction=prediction), quick))

    assert "quadratic weights" in found["loo_kappa:difference"].convention
    assert "most probable class" in found["interchangeability"].convention


def test_a_scale_the_model_does_not_have(make_evidence, make_readings, quick):
    readings = make_readings({"malignancy": [["1", "2"]] * 20}, RATING)
    result = ai_vs_readers(make_evidence(np.full(20, 0.9), readings=readings), quick)

    assert result.state is State.NOT_ASSESSED
    assert "no such scale" in result.reason


def test_one_reader_per_case(run):
    result = run(np.full(20, 0.9), [["present"]] * 20)

    assert result.state is State.NOT_ASSESSED
    assert "second reading" in result.reason


def test_no_common_case(run):
    """The model failed wherever two readers answered."""
    scores = np.array([np.nan] * 10 + [0.9] * 10)
    table = [["present", "absent"]] * 10 + [["present", None]] * 10

    assert run(scores, table).state is State.NOT_ASSESSED


def test_everybody_agrees(run):
    result = run(np.full(20, 0.9), [["present", "present"]] * 20)
    found = estimates(result)

    assert found["interchangeability"].value == 0
    assert found["loo_kappa:difference"].value is None
    # All alike: nothing varies, so there is no interval, and a limit is not held without one.
    assert findings(result)["ai-vs-readers.interchangeability"].state is State.CAUTION


def test_without_limits_it_is_information(run, panel):
    truth, table = panel
    result = run(
        np.where(truth == 1, 0.9, 0.1), table, protocol=Protocol.parse({"draws": 200, "limits": []})
    )

    assert result.state is State.INFO
    assert result.series[1]["limit"] is None


def test_no_difference_is_not_said_to_be_one(run, panel):
    truth, table = panel
    rng = np.random.default_rng(5)
    model = np.where(rng.random(80) < 0.1, 1 - truth[:80], truth[:80])
    result = run(np.where(model == 1, 0.9, 0.1), table[:80])
    found = estimates(result)["loo_kappa:difference"]

    assert found.low < 0 < found.high
    assert "about as well" in findings(result)["ai-vs-readers.loo_kappa:difference"].claim


def test_the_ceiling_case_by_case(run):
    """Three readers: pairs agree wholly or in one of three; the model with 3, 2, 1 or 0 of them."""
    table = [["present"] * 3, ["present", "present", "absent"], ["absent", "absent", "present"],
             ["absent"] * 3] * 5  # fmt: skip
    ceiling = run(np.full(20, 0.9), table).series[2]

    assert ceiling["kind"] == "reader-ceiling"
    assert ceiling["readers"] == [0, 0, 0, 10, 0, 0, 0, 0, 0, 10]
    assert ceiling["model"] == [5, 0, 0, 5, 0, 0, 5, 0, 0, 5]
    assert ceiling["readers_mean"] == pytest.approx(2 / 3)
    assert ceiling["model_mean"] == pytest.approx(0.5)
