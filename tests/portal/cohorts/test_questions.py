"""What readers answered, question by question"""

from typing import Any

import pytest

from portal.cohorts.questions import answer_text, questions


def reading(case_id: str, score: float | None = None, label: str | None = None) -> dict[str, Any]:
    return {"case_id": case_id, "question": "q", "score": score, "label": label}


def asked(readings: list[dict[str, Any]], **spec: Any) -> Any:
    declared = {"q": {"position": 0, "scale": "ordinal", "values": []} | spec}
    return questions({"questions": declared, "readings": readings})[0]


def test_counts_every_declared_value_and_the_readers_of_each_case() -> None:
    found = asked([reading("a", 1.0), reading("a", 3.0), reading("b", 3.0)], values=["1", "2", "3"])

    assert (found.n_readings, found.n_cases) == (3, 2)
    assert found.per_case == ((2, 1), (1, 1))
    assert (found.series["values"], found.series["counts"]) == (["1", "2", "3"], [1, 0, 2])
    assert found.series["title"] == "“3” is said most often: 2 of 3"


def test_a_number_finds_its_value_however_that_is_written() -> None:
    found = asked([reading("a", 1.0)], values=["1.0", "2.0"])

    assert found.series["counts"] == [1, 0]


def test_an_interval_scale_is_cut_into_bins() -> None:
    scores = [reading(f"c{n}", float(n)) for n in range(17)]

    found = asked(scores, scale="interval", values=["0", "16"])

    assert found.series["values"][0] == "0 to 2"
    assert found.series["counts"] == [2, 2, 2, 2, 2, 2, 2, 3]


def test_a_question_nobody_answered_is_kept() -> None:
    found = asked([], values=["1", "2"])

    assert (found.n_readings, found.series) == (0, None)


def test_the_first_declared_comes_first() -> None:
    spec = {"scale": "nominal", "values": ["x", "y"]}
    declared = {"b": spec | {"position": 0}, "a": spec | {"position": 1}}

    assert [q.id for q in questions({"questions": declared, "readings": []})] == ["b", "a"]


@pytest.mark.parametrize(
    ("score", "label", "said"), [(4.0, None, "4"), (None, "solid", "solid"), (0.25, None, "0.25")]
)
def test_answers_are_written_as_given(score: float | None, label: str | None, said: str) -> None:
    assert answer_text({"score": score, "label": label}) == said
