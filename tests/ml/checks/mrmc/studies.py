"""Reader studies; every reading here is simulated (Roe and Metz 1997)."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.evidence.tables import Evidence, Prediction, Question, Readings
from ml.stats.mrmc.simulate import simulate, structure

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


def as_words(study):
    """The same readings as present or absent."""
    question = Question("finding", "nominal", ("present", "absent"))
    return question, lambda score: "present" if score >= 0.75 else "absent"


def assert_not_assessed(result, sentence):
    assert result.state is State.NOT_ASSESSED
    assert sentence in result.reason
    assert result.reason.endswith(".")
