"""What the check of agreement says of single readers: findings, limits and the chart."""

import numpy as np
import pytest

from ml.checks.registry import State
from ml.evidence.tables import Question
from ml.protocol import Protocol
from tests.ml.checks.test_reader_deviation import (
    BINARY,
    EAGER,
    estimates,
    findings,
    said,
)


def test_says_who_which_way_how_far_and_on_how_many_cases(ask_readers):
    result = ask_readers(said(EAGER), BINARY)
    found = estimates(result)["reader_bias:R2"]
    low, high = (f"{100 * end:.1f}" for end in (found.low, found.high))
    finding = findings(result)["agreement.reader_bias:R2"]

    # R2 says present on 22 of 60, the others on 10 and on 1.5 of the 3 that R1 has alone.
    assert found.value == pytest.approx(22 / 60 - 11.5 / 60)
    assert finding.claim == (
        "R2 answers finding with “present” more often than the other readers: by 17.5 points "
        f"[{low}, {high}], on the same 60 cases."
    )
    assert "R2 gives this answer in 36.7 % of these cases, the other readers in 19.2 %" in (
        finding.why
    )
    assert "Compared with R1 and R3." in finding.why
    assert finding.state is State.INFO
    assert "agreement.reader_bias" not in findings(result)  # that nobody differs
    assert 0 < found.low < found.value < found.high


def test_cases_are_those_where_it_stands_alone_on_its_side(ask_readers):
    found = findings(ask_readers(said(EAGER), BINARY))

    eager = found["agreement.reader_bias:R2"]
    assert eager.cases == tuple(f"case-{at:03d}" for at in range(12))
    assert "On 12 cases R2 gave it and no other reader did." in eager.why


def test_the_other_direction(ask_readers):
    """The same cases with present and absent exchanged: R2 now says present less often."""
    result = ask_readers(said([[1 - x for x in row] for row in EAGER]), BINARY)
    finding = findings(result)["agreement.reader_bias:R2"]
    found = estimates(result)["reader_bias:R2"]

    assert found.high < 0
    assert f"less often than the other readers: by 17.5 points [{-100 * found.high:.1f}, " in (
        finding.claim
    )
    assert finding.cases == tuple(f"case-{at:03d}" for at in range(12))
    assert "On 12 cases every other reader gave it and R2 did not." in finding.why


def test_nobody_stands_out(ask_readers, rng):
    table = [[rng.random() < 0.4 for _ in range(3)] for _ in range(60)]
    result = ask_readers(said(table), BINARY)
    finding = findings(result)["agreement.reader_bias"]

    assert finding.claim == (
        "No reader is shown to answer finding differently from the others on the same cases."
    )
    assert finding.state is State.INFO
    assert "is not ruled out" in finding.why
    widest = max(
        (e for e in result.estimates if e.id.startswith("reader_bias:")), key=lambda e: abs(e.value)
    )
    assert finding.measure == widest.id
    assert f"Widest: {widest.id[-2:]}, {'less' if widest.value < 0 else 'more'} by " in finding.why
    assert not any(name.startswith("agreement.reader_bias:") for name in findings(result))


@pytest.mark.parametrize(("n", "told"), [(29, False), (30, True)])
def test_thirty_shared_cases_are_needed(ask_readers, n, told):
    table = [[1 - (at % 3 == 0), at % 3 == 0, 0] for at in range(n)] + [[1, None, None]] * 9
    result = ask_readers(said(table), BINARY)
    few = findings(result).get("agreement.reader_bias.few")

    assert (estimates(result)["reader_bias:R2"].value is not None) is told
    assert (few is None) is told
    if few is not None:
        assert few.state is State.NOT_ASSESSED
        assert "R1 (29 cases), R2 (29 cases), R3 (29 cases) on finding" in few.claim
        assert len([s for s in result.series if s["kind"] == "forest"]) == 1  # that of alpha


def test_readers_who_hardly_differ_or_have_few_patients_are_named(ask_readers):
    table = [[1, 0, 0]] * 4 + [[0, 0, 0]] * 56
    few = findings(ask_readers(said(table), BINARY))["agreement.reader_bias.few"]
    assert "R2 (60 cases, 4 answered differently)" in few.claim

    eight = {"cluster": np.arange(60) % 8, "cluster_kind": "patient"}
    patients = findings(ask_readers(said(EAGER), BINARY, **eight))
    assert "R2 (60 cases, 15 answered differently, 8 patients)" in (
        patients["agreement.reader_bias.few"].claim
    )
    assert "agreement.reader_bias:R2" not in patients
    # Apart on every case, but by other amounts, and of so few patients: still not to be told.
    volume = {"volume": Question("volume", "interval", ())}
    table = [[str(at), str(at + 4 + at % 3), str(at)] for at in range(60)]
    apart = findings(ask_readers({"volume": table}, volume, **eight))
    assert "R2 (60 cases, 60 answered differently, 8 patients)" in (
        apart["agreement.reader_bias.few"].claim
    )


def test_a_reader_who_differs_on_every_case_alike_is_said_without_an_interval(ask_readers):
    """Nothing varies, so there is no interval; it would be absurd to call it not assessed."""
    volume = {"volume": Question("volume", "interval", ())}
    table = [[str(10 * at), str(10 * at + 4), str(10 * at)] for at in range(40)]
    result = ask_readers({"volume": table}, volume)
    found, finding = estimates(result)["reader_bias:R2"], findings(result)[
        "agreement.reader_bias:R2"
    ]  # fmt: skip

    assert (found.value, found.low, found.high) == (4.0, None, None)
    assert finding.claim == (
        "R2 answers volume higher than the other readers: by 4.000, on each of the same 40 cases."
    )
    assert "alike on every case" in finding.why
    assert len(finding.cases) == 40


def test_of_two_readers_nobody_is_the_odd_one(ask_readers):
    table = [row[:2] for row in EAGER]
    result = ask_readers(said(table), BINARY)
    found = estimates(result)
    finding = findings(result)["agreement.reader_bias:R2"]

    assert found["reader_bias:R1"].value == pytest.approx(-found["reader_bias:R2"].value)
    assert "more often than R1: by 15.0 points" in finding.claim
    assert "cannot show which of them is the odd one" in finding.why
    assert "agreement.reader_bias:R1" not in findings(result)  # the same again
    # One comparison is one test: nothing to adjust.
    for reader in ("R1", "R2"):
        extra = found[f"reader_bias:{reader}"].extra
        assert extra["p_adjusted"] == pytest.approx(extra["p"])


def test_a_deviation_pushes_the_others_and_it_is_said(ask_readers):
    table = [[0, 1, 0]] * 30 + [[0, 0, 0]] * 30
    found = findings(ask_readers(said(table), BINARY))

    assert "R2" in found["agreement.reader_bias:R2"].claim
    for reader in ("R1", "R2", "R3"):
        assert "Within a case deviations balance" in found[f"agreement.reader_bias:{reader}"].why


def test_a_further_question_has_one_sentence_for_its_widest(ask_readers):
    scales = BINARY | {"second": Question("second", "nominal", ("absent", "present"))}
    far = said([[0, 1, 0]] * 30 + [[0, 0, 0]] * 30)["finding"]
    result = ask_readers(said([[0, 0, 1]] * 30 + [[0, 0, 0]] * 30) | {"second": far}, scales)
    found = findings(result)

    second = [name for name in found if name.endswith(":second")]
    assert second == ["agreement.reader_bias:R2:second"]
    assert "Also beyond chance: R1, less by 25.0 points" in found[second[0]].why
    assert "agreement.reader_bias:R1" in found  # of the first question everybody
    assert estimates(result)["reader_bias:R3:second"].value == pytest.approx(-0.25)


def test_a_further_question_of_few_cases_adds_no_empty_rows(ask_readers):
    scales = BINARY | {"second": Question("second", "nominal", ("absent", "present"))}
    few = [["present", "absent", "absent"]] * 20 + [[None, None, None]] * 40
    result = ask_readers(said(EAGER) | {"second": few}, scales)

    measured = [name for name in estimates(result) if name.startswith("reader_bias")]
    assert measured == ["reader_bias:R1", "reader_bias:R2", "reader_bias:R3"]
    assert "R1 (20 cases), R2 (20 cases), R3 (20 cases) on second" in (
        findings(result)["agreement.reader_bias.few"].claim
    )


def test_a_limit_holds_for_every_reader(ask_readers, quick):
    def limited(**limit):
        limit = {"check": "agreement", "measure": "reader_bias", "origin": "pre-registered"} | limit
        return Protocol.parse({"draws": 200, "limits": [limit]})

    result = ask_readers(said(EAGER), BINARY, protocol=limited(value=0.05, direction="max"))
    found = findings(result)
    of_readers = [name for name in found if name.startswith("agreement.reader_bias:")]
    assert [name[-2:] for name in of_readers] == ["R2", "R3", "R1"]  # the widest first
    assert found["agreement.reader_bias:R2"].state is State.FAIL
    assert "agree on how the question" in found["agreement.reader_bias:R2"].action
    assert found["agreement.reader_bias:R3"].state is State.PASS
    assert "R3 answers finding with “present” less often" in found["agreement.reader_bias:R3"].claim
    assert found["agreement.reader_bias:R1"].claim == (
        "R1 is not shown to answer finding differently from the other readers on the same 60 cases."
    )
    assert result.state is State.FAIL
    assert not any("not measured here" in finding.claim for finding in result.findings)
    rows = [series for series in result.series if series["kind"] == "forest"][1]["rows"]
    assert [row["state"] for row in rows] == ["pass", "fail", "pass"]
    assert rows[0]["limit"]["value"] == 0.05

    named = ask_readers(
        said(EAGER), BINARY, protocol=limited(measure="reader_bias:R9", value=0, direction="min")
    )
    assert any("reader_bias:R9, which was not measured" in f.claim for f in named.findings)


def test_no_limit_is_the_platforms_own(quick):
    assert quick.limit("agreement", "reader_bias") is None


def test_a_chart_of_every_reader(ask_readers):
    result = ask_readers(said(EAGER), BINARY)
    forest = [series for series in result.series if series["kind"] == "forest"][1]

    assert [row["label"] for row in forest["rows"]] == ["R1", "R2", "R3"]
    assert forest["title"] == "2 readers differ from the others on finding"
    assert "Share of “present” less the mean of the other readers" in forest["subtitle"]
    assert forest["rows"][1]["estimate"]["value"] == pytest.approx(0.175)
    assert [row["deviates"] for row in forest["rows"]] == [False, True, True]
    assert "Filled: deviates, p ≤ 0.05 with Holm’s correction for all 3 tests" in forest["subtitle"]


def test_the_deviation_on_most_cases_is_named_first_and_in_the_summary(ask_readers):
    """R3 gives 25 points more on a first question of 60 cases; R2 17.5 more on one of 240."""
    few = [[0, 0, int(at % 3 == 0)] for at in range(60)] + [[None] * 3] * 180
    scales = BINARY | {"nodule": Question("nodule", "nominal", ("absent", "present"))}
    answers = {**said(few), "nodule": said(EAGER * 4)["finding"]}
    result = ask_readers(answers, scales)
    told = [f.id for f in result.findings if f.id.startswith("agreement.reader_bias:")]
    eager, keen = (estimates(result)[name] for name in ("reader_bias:R2:nodule", "reader_bias:R3"))

    assert keen.value > eager.value
    assert eager.value * eager.n > keen.value * keen.n
    assert told[0] == "agreement.reader_bias:R2:nodule"
    assert (
        "Furthest from the other readers on the most cases: R2 on nodule (“present”), more by "
        in (result.summary)
    )
    assert "on 240 cases; R3 on finding (“present”), more by " in result.summary


def test_nobody_who_differs_adds_nothing_to_the_summary(ask_readers):
    alike = [[at % 2] * 3 for at in range(60)]

    assert "Furthest" not in ask_readers(said(alike), BINARY).summary
