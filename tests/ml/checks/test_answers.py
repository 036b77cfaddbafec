from dataclasses import replace

import numpy as np
import pytest

from ml.checks.answers import answer_tables, model_answers
from ml.evidence.tables import Prediction, Question

BINARY = Question("finding", "nominal", ("absent", "present"))


@pytest.fixture
def table_of(make_readings):
    def table(rows, *, exchangeable=False, question=BINARY):
        readings = make_readings({"finding": rows}, {"finding": question})
        return answer_tables(replace(readings, exchangeable=exchangeable), len(rows))[0]

    return table


def test_columns_are_readers_in_natural_order(make_readings):
    readings = make_readings({"finding": [["present"] * 12]}, {"finding": BINARY})

    table = answer_tables(readings, 1)[0]

    assert table.readers == tuple(f"R{at}" for at in range(1, 13))


def test_missing_answers_stay_missing(table_of):
    table = table_of([["present", None], ["absent", "present"]])

    assert table.per_case.tolist() == [1, 2]
    assert np.isnan(table.codes[0, 1])
    assert table.codes[1].tolist() == [0, 1]


def test_exchangeable_answers_fill_from_the_left(table_of):
    table = table_of([[None, "present", None], ["absent", None, "present"]], exchangeable=True)

    assert table.codes.shape == (2, 2)
    assert table.codes[0, 0] == 1
    assert table.codes[1].tolist() == [0, 1]


def test_first_of_two_answers_of_a_reader_to_a_case_stays(make_readings):
    readings = make_readings({"finding": [["present", "absent"]]}, {"finding": BINARY})
    twice = replace(readings, reader=["R1", "R1"])

    table = answer_tables(twice, 1)[0]

    assert table.codes.tolist() == [[1.0]]
    assert table.repeated == 1
    assert table.per_case.tolist() == [1]


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (("absent", "present"), [0, 1]),
        (("present", "absent"), [1, 0]),
        (("No", "Yes"), [0, 1]),
        (("Yes", "No"), [1, 0]),
    ],
)
def test_model_says_present_on_the_readers_scale(make_evidence, values, codes):
    evidence = make_evidence([0.49, 0.5, np.nan], [0, 1, 1])
    question = Question("finding", "nominal", values)

    answers = model_answers(evidence, evidence.prediction, question, 0.5)

    assert answers.codes[:2].tolist() == codes
    assert np.isnan(answers.codes[2])
    assert answers.how == f"score ≥ 0.5 reads as {values[codes[1]]}"


@pytest.mark.parametrize(
    ("values", "codes"), [(("healthy", "tumour"), [0, 1]), (("tumour", "healthy"), [1, 0])]
)
def test_classes_of_the_cohort_are_words_too(make_evidence, values, codes):
    evidence = replace(
        make_evidence([0.1, 0.9], [0, 1]), classes=("healthy", "tumour"), positive=("tumour",)
    )

    answers = model_answers(evidence, evidence.prediction, Question("q", "nominal", values), 0.5)

    assert answers.codes.tolist() == codes


def test_most_probable_class_where_readers_name_classes(make_evidence):
    probabilities = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [np.nan] * 3])
    prediction = Prediction(
        ("a", "b", "c"), ("a",), "probabilities", probabilities, np.array([0.1, 0.6, np.nan])
    )
    evidence = make_evidence(n=3)

    answers = model_answers(evidence, prediction, Question("q", "nominal", ("c", "b", "a")), 0.5)

    assert answers.codes[:2].tolist() == [0, 2]
    assert np.isnan(answers.codes[2])


@pytest.mark.parametrize("values", [("1", "2", "3"), ("left", "right"), ()])
def test_no_scale_is_guessed(make_evidence, values):
    evidence = make_evidence([0.1, 0.9], [0, 1])
    scale = "ordinal" if values else "interval"

    answers = model_answers(evidence, evidence.prediction, Question("q", scale, values), 0.5)

    assert answers.codes is None
    assert "no such scale" in answers.how


def test_answers_with_and_without_help_are_not_two_readers(make_readings):
    readings = make_readings({"finding": [["present", "absent"]] * 2}, {"finding": BINARY})
    study = replace(
        readings,
        case_index=np.concatenate([readings.case_index] * 2),
        reader=[*readings.reader] * 2,
        question=[*readings.question] * 2,
        value=[*readings.value, *["present"] * 4],
        number=np.concatenate([readings.number] * 2),
        arm=["unaided"] * 4 + ["aided"] * 4,
    )

    for exchangeable in (False, True):
        table = answer_tables(replace(study, exchangeable=exchangeable), 2)[0]

        assert table.arm == "unaided"
        assert table.codes.tolist() == [[1, 0], [1, 0]]
        assert table.repeated == 0
