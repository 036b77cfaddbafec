"""Uncertainty beside the disagreement of readers: what is correlated, and what is listed."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from ml.checks.registry import State
from ml.checks.uncertainty import uncertainty
from ml.evidence.tables import Question
from tests.ml.checks.wavering import wavering

FINDING = Question("finding", "nominal", ("absent", "present"))
GRADE = Question("grade", "ordinal", ("1", "2", "3", "4", "5"))
ID = "uncertainty.reader_disagreement_correlation:total"
NAMES = [f"reader_disagreement_correlation:{kind}" for kind in ("total", "aleatoric", "epistemic")]


def entropy(p):
    return stats.entropy([p, 1 - p], base=2)


def parts(samples):
    total = entropy(samples.mean(axis=0))
    aleatoric = np.mean([entropy(one) for one in samples], axis=0)
    return {"total": total, "aleatoric": aleatoric, "epistemic": total - aleatoric}


def read(rng, doubt, readers=5):
    """Answers of readers who waver where some doubt is high."""
    yes = rng.random((doubt.size, readers)) < doubt[:, None] / 2
    return [["present" if one else "absent" for one in row] for row in yes]


def found_of(result):
    return {one.id: one for one in result.estimates}, {one.id: one for one in result.findings}


@pytest.mark.parametrize("exchangeable", [False, True])
def test_it_is_the_rank_correlation_with_pairs_that_differ(
    make_sampled, make_readings, quick, rng, exchangeable
):
    samples, present = wavering(rng, n=200)
    doubt = parts(samples)
    answers = read(rng, doubt["total"])
    answers[0][1:] = [None] * 4  # one reader alone agrees with nobody
    answers[1] = [None] * 5
    readings = make_readings({"finding": answers}, {"finding": FINDING}, exchangeable=exchangeable)

    result = uncertainty(make_sampled(samples, present, readings=readings), quick)

    estimates, findings = found_of(result)
    apart = [np.mean([a != b for a, b in combinations(row, 2)]) for row in answers[2:]]
    for kind, values in doubt.items():
        one = estimates[f"reader_disagreement_correlation:{kind}"]
        assert one.value == pytest.approx(stats.spearmanr(values[2:], apart).statistic)
        assert one.n == 198
        assert one.low < one.value < one.high
    assert "question “finding”; with the share of pairs" in one.convention
    finding = findings[ID]
    assert finding.state is State.INFO
    assert finding.claim.startswith(
        "Where readers disagree on finding, its total uncertainty is higher: rank correlation 0."
    )
    assert f"differ on {sum(value > 0 for value in apart)}." in finding.why


def test_disputed_cases_that_it_is_sure_of_are_listed(make_sampled, make_readings, quick, rng):
    samples, present = wavering(rng, n=100)
    answers = [["absent", "absent", "absent"] for _ in range(100)]
    for at in (3, 7, 95):  # the first two are the surest answers, the third is not
        answers[at][0] = "present"
    readings = make_readings({"finding": answers}, {"finding": FINDING})

    finding = found_of(uncertainty(make_sampled(samples, present, readings=readings), quick))[1][ID]

    assert set(finding.cases) == {"case-003", "case-007"}
    assert "is not shown to be higher" in finding.claim
    assert "Listed: 2 cases" in finding.why


def test_steps_between_ordered_answers_count(make_sampled, make_readings, quick, rng):
    """Of two cases on which all pairs differ, the one further apart is the more disputed."""
    samples, present = wavering(rng, n=60)
    total = parts(samples)["total"]
    wide = np.argsort(np.argsort(total)) // 15  # 0..3 steps
    answers = [["1", str(1 + steps)] for steps in wide]
    readings = make_readings({"grade": answers}, {"grade": GRADE})

    estimates, findings = found_of(
        uncertainty(make_sampled(samples, present, readings=readings), quick)
    )

    assert estimates[NAMES[0]].value == pytest.approx(stats.spearmanr(total, wide).statistic)
    assert "mean difference of pairs of readers" in estimates[NAMES[0]].convention
    assert "disagree on grade" in findings[ID].claim


def test_the_question_of_the_finding_goes_first(make_sampled, make_readings, quick, rng):
    samples, present = wavering(rng, n=60)
    answers = read(rng, parts(samples)["total"])
    grades = [["1", "3"]] * 30 + [["2", "2"]] * 30
    readings = make_readings(
        {"grade": grades, "finding": answers}, {"grade": GRADE, "finding": FINDING}
    )

    findings = found_of(uncertainty(make_sampled(samples, present, readings=readings), quick))[1]

    assert "disagree on finding" in findings[ID].claim


def test_patients_are_drawn_whole(make_sampled, make_readings, quick, rng):
    samples, present = wavering(rng, n=50)
    answers = read(rng, parts(samples)["total"])
    readings = make_readings({"finding": answers * 4}, {"finding": FINDING})
    more = {"cluster": np.tile(np.arange(50), 4), "cluster_kind": "patient"}
    four = np.tile(samples, 4), np.tile(present, 4)

    clustered, single = (
        found_of(uncertainty(make_sampled(*four, readings=readings, **kind), quick))
        for kind in (more, {})
    )

    wide, narrow = (one[0][NAMES[0]].high - one[0][NAMES[0]].low for one in (clustered, single))
    assert wide > 1.5 * narrow
    assert "200 cases in 50 patients" in clustered[1][ID].why


def test_without_two_readers_it_is_not_assessed(make_sampled, make_readings, quick, rng):
    samples, present = wavering(rng, n=60)
    alone = make_readings({"finding": [["absent"]] * 60}, {"finding": FINDING})
    alike = make_readings({"finding": [["absent", "absent"]] * 60}, {"finding": FINDING})

    for readings, says in (
        (None, "no case with an answer of the model was read by two readers"),
        (alone, "no case with an answer of the model was read by two readers"),
        (alike, "equally far apart in every case"),
    ):
        result = uncertainty(make_sampled(samples, present, readings=readings), quick)

        estimates, findings = found_of(result)
        assert [estimates[name].value for name in NAMES] == [None] * 3
        assert findings[ID].state is State.NOT_ASSESSED
        assert says in findings[ID].claim
        assert result.state is not State.NOT_ASSESSED  # the rest of the check stands
