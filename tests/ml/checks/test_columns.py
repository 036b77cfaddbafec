import numpy as np
import pytest

from ml.checks.columns import columns_of
from ml.checks.registry import State
from ml.protocol import Protocol

N = 60
ROWS = np.arange(N)


@pytest.fixture
def found(make_evidence):
    def find(columns, subgroups=(), **options):
        protocol = Protocol.parse({"subgroups": list(subgroups)})
        return columns_of(make_evidence(n=N, covariates=columns), protocol, ROWS, **options)

    return find


def test_words_are_groups_and_numbers_are_cut(found):
    columns = found({"sex": ["f", "m"] * 30, "age": [str(20 + k) for k in range(N)]})
    sex, age = columns.usable

    assert sex.groups.names == ("f", "m")
    assert sex.label("f") == "sex = f"
    assert age.groups.sizes.tolist() == [20, 20, 20]
    assert age.label(age.groups.names[0]) == "age < 39.6667"
    assert "all of the cohort): sex, age" in columns.said
    assert "age at 39.6667, 59.3333 (tertiles)" in columns.said


def test_the_protocol_says_which_columns_and_where_to_cut(found):
    columns = found(
        {"sex": ["f", "m"] * 30, "age": [str(20 + k) for k in range(N)]},
        [{"age": [50, 65]}],
    )

    assert [column.name for column in columns.usable] == ["age"]
    assert columns.usable[0].groups.names == ("< 50", "50 to < 65", "≥ 65")
    assert columns.usable[0].groups.sizes.tolist() == [30, 15, 15]
    assert columns.said == (
        "Columns (named by the protocol): age. Numbers are cut: age at 50, 65 (set by the "
        "protocol)."
    )


def test_every_column_for_a_search(found):
    columns = found(
        {"sex": ["f", "m"] * 30, "age": [str(k) for k in range(N)]}, [{"age": [30]}], every=True
    )

    assert [column.name for column in columns.usable] == ["sex", "age"]
    assert columns.usable[1].groups.names == ("< 30", "≥ 30")
    assert not columns.declared


def test_few_numbers_are_levels(found):
    (grade,) = found({"grade": ["1", "2", "3"] * 20}).usable

    assert grade.groups.names == ("1", "2", "3")
    assert grade.label("2") == "grade = 2"


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["GE"] * N, "(the same for every case)"),
        ([None] * N, "(empty)"),
        ([f"A{k}" for k in range(N)], "(60 different values)"),
        (["0"] * 53 + [str(k) for k in range(7)], "(nearly all cases have the same value)"),
    ],
)
def test_what_makes_no_groups_is_said(found, column, said):
    columns = found({"x": column})

    assert columns.usable == ()
    assert columns.left_out == (f"x {said}",)
    (finding,) = columns.findings("subgroups")
    assert (finding.state, finding.claim) == (State.NOT_ASSESSED, f"Not compared: x {said}.")


def test_words_cannot_be_cut(found):
    assert found({"x": ["a", "b"] * 30}, ["x: 3"]).left_out == (
        "x (the protocol cuts it, but it holds words)",
    )


def test_a_column_the_cohort_does_not_have(found):
    columns = found({"sex": ["f", "m"] * 30}, ["sex", "site"])

    assert [column.name for column in columns.usable] == ["sex"]
    assert "names site, which this cohort has no column for" in columns.findings("x")[0].claim


def test_missing_entries_belong_to_no_group(found):
    (age,) = found({"age": [None, ""] + [str(k) for k in range(58)]}).usable

    assert age.missing == 2
    assert age.groups.sizes.sum() == 58


def test_infinity_is_a_word(found):
    assert found({"x": ["inf", "1"] * 30}).usable[0].groups.names == ("1", "inf")
