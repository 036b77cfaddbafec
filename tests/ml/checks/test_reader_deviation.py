"""One reader against the others, as the check of agreement says it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.checks.agreement import agreement
from ml.checks.reader_deviation import Compared
from ml.checks.registry import State
from ml.estimate import Estimate
from ml.evidence.tables import Question
from ml.protocol import Protocol
from ml.stats.clusters import Clusters

RATING = {"malignancy": Question("malignancy", "ordinal", ("1", "2", "3", "4", "5"))}
BINARY = {"finding": Question("finding", "nominal", ("absent", "present"))}
WORDS = {True: "present", False: "absent"}


def estimates(result):
    return {estimate.id: estimate for estimate in result.estimates}


def findings(result):
    return {finding.id: finding for finding in result.findings}


def said(table):
    """Rows of True, False and None as answers."""
    return {"finding": [[None if x is None else WORDS[bool(x)] for x in row] for row in table]}


# 60 cases: on 12 only R2 says present, on 3 only R1 does, on 10 all do.
EAGER = [[0, 1, 0]] * 12 + [[1, 0, 0]] * 3 + [[1, 1, 1]] * 10 + [[0, 0, 0]] * 35


@pytest.fixture
def ask(make_evidence, make_readings, quick):
    def ask(answers, scales=BINARY, protocol=quick, **more):
        table = next(iter(answers.values()))
        exchangeable = more.pop("exchangeable", False)
        readings = make_readings(answers, scales, exchangeable=exchangeable)
        return agreement(make_evidence(n=len(table), readings=readings, **more), protocol)

    return ask


def test_says_who_which_way_how_far_and_on_how_many_cases(ask):
    result = ask(said(EAGER))
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
    assert 0 < found.low < found.value < found.high


def test_cases_are_those_where_it_stands_alone_on_its_side(ask):
    found = findings(ask(said(EAGER)))

    eager = found["agreement.reader_bias:R2"]
    assert eager.cases == tuple(f"case-{at:03d}" for at in range(12))
    assert "On 12 cases R2 gave it and no other reader did." in eager.why


def test_the_other_direction(ask):
    """The same cases with present and absent exchanged: R2 now says present less often."""
    result = ask(said([[1 - x for x in row] for row in EAGER]))
    finding = findings(result)["agreement.reader_bias:R2"]
    found = estimates(result)["reader_bias:R2"]

    assert found.high < 0
    assert f"less often than the other readers: by 17.5 points [{-100 * found.high:.1f}, " in (
        finding.claim
    )
    assert finding.cases == tuple(f"case-{at:03d}" for at in range(12))
    assert "On 12 cases every other reader gave it and R2 did not." in finding.why


@pytest.mark.parametrize("values", [("present", "absent"), ("no", "yes"), ("yes", "no")])
def test_what_is_compared_is_the_answer_that_means_present(ask, values):
    means = "present" if "present" in values else "yes"
    other = next(value for value in values if value != means)
    answers = {"finding": [[means if x else other for x in row] for row in EAGER]}
    result = ask(answers, {"finding": Question("finding", "nominal", values)})

    assert estimates(result)["reader_bias:R2"].value > 0
    assert f"with “{means}” more often" in findings(result)["agreement.reader_bias:R2"].claim


def test_numbers_are_higher_or_lower_in_their_own_unit(ask, rng):
    level = rng.integers(2, 5, 60)
    table = [[str(x), str(x - 1 + int(rng.random() < 0.2)), str(x)] for x in level]
    result = ask({"malignancy": table}, RATING)
    found = estimates(result)["reader_bias:R2"]
    finding = findings(result)["agreement.reader_bias:R2"]
    apart = [float(row[1]) - (float(row[0]) + float(row[2])) / 2 for row in table]

    assert found.value == pytest.approx(np.mean(apart))
    assert finding.claim.startswith(
        f"R2 answers malignancy lower than the other readers: by {-np.mean(apart):.3f} ["
    )
    assert "the answers as numbers" in found.convention
    assert "lies below that of every other reader" in finding.why
    assert list(finding.cases) == [f"case-{at:03d}" for at in range(60) if apart[at] < 0]


def test_numbers_keep_their_distances(ask):
    """Values 0, 10 and 50 are compared as numbers and not as places one after the other."""
    scale = {"size": Question("size", "ordinal", ("0", "10", "50"))}
    table = [["50", "10", "10"]] * 30 + [["10", "10", "10"]] * 30
    found = estimates(ask({"size": table}, scale))["reader_bias:R1"]

    assert found.value == pytest.approx(20)


def test_ordered_words_are_taken_as_steps_and_said_to_be(ask):
    scale = {"doubt": Question("doubt", "ordinal", ("none", "some", "much"))}
    table = [["much", "none", "none"]] * 20 + [["some", "some", "some"]] * 20
    result = ask({"doubt": table}, scale)

    assert estimates(result)["reader_bias:R1"].value == pytest.approx(1.0)
    assert "as steps of the scale" in estimates(result)["reader_bias:R1"].convention
    assert (
        "] steps of the scale, on the same 40" in findings(result)["agreement.reader_bias:R1"].claim
    )


def test_answers_without_an_order_are_compared_one_by_one(ask):
    scale = {"texture": Question("texture", "nominal", ("solid", "mixed", "glass"))}
    table = [["mixed", "solid", "solid"]] * 15 + [["glass", "glass", "glass"]] * 25
    result = ask({"texture": table}, scale)
    found = estimates(result)

    assert found["reader_bias:R1=mixed"].value == pytest.approx(15 / 40)
    assert found["reader_bias:R1=solid"].value == pytest.approx(-15 / 40)
    assert "reader_bias:R1=glass" in found
    claim = findings(result)["agreement.reader_bias:R1=mixed"].claim
    assert "R1 answers texture with “mixed” more often" in claim
    forest = [series for series in result.series if series["kind"] == "forest"][1]
    assert [row["label"].partition(",")[0] for row in forest["rows"]] == ["R1", "R2", "R3"]


def test_only_cases_of_two_readers_count(ask):
    alone = [[None, 1, None]] * 20 + [[0, None, 0]] * 7
    found = estimates(ask(said(EAGER + alone)))

    assert found["reader_bias:R2"].n == 60
    assert found["reader_bias:R1"].n == 67
    assert found["reader_bias:R2"].extra["n_apart"] == 15


def test_compared_are_only_those_who_met(ask):
    """Two panels: R4 to R6 never read a case of R1 to R3."""
    rows = [[*row, None, None, None] for row in EAGER]
    rows += [[None, None, None, 1, 1, 0]] * 10 + [[None, None, None, 0, 0, 0]] * 30
    finding = findings(ask(said(rows)))["agreement.reader_bias:R6"]

    assert "Compared with R4 and R5." in finding.why
    assert "on the same 40 cases" in finding.claim


def test_patients_are_the_units(ask):
    """Two copies of each case in one patient tell no more than the case itself."""
    copies = said([row for row in EAGER for _ in range(2)])
    one = estimates(ask(said(EAGER)))["reader_bias:R2"]
    result = ask(copies, cluster=np.arange(120) // 2, cluster_kind="patient")
    found = estimates(result)["reader_bias:R2"]

    assert "60 patients" in found.method
    assert (found.n, found.extra["n_clusters"]) == (120, 60)
    assert (found.low, found.high) == pytest.approx((one.low, one.high))
    assert found.extra["p"] == pytest.approx(one.extra["p"])
    assert estimates(ask(copies))["reader_bias:R2"].extra["p"] < one.extra["p"] / 2
    claim = findings(result)["agreement.reader_bias:R2"].claim
    assert claim.endswith("on the same 120 cases in 60 patients.")


def test_p_values_are_adjusted_for_all_readers_and_questions(ask, rng):
    """Against Holm's own rule, written down again: the k-th smallest times the tests left."""
    first = [[rng.random() < 0.3 + 0.25 * (at == 1) for at in range(4)] for _ in range(80)]
    other = [[rng.random() < 0.4 for _ in range(4)] for _ in range(80)]
    answers = said(first) | {"second": said(other)["finding"]}
    scales = BINARY | {"second": Question("second", "nominal", ("absent", "present"))}
    result = ask(answers, scales)
    found = [e for e in result.estimates if e.id.startswith("reader_bias:")]
    assert len(found) == 8

    so_far = 0.0
    for place, one in enumerate(sorted(found, key=lambda e: e.extra["p"])):
        so_far = max(so_far, min(1.0, (8 - place) * one.extra["p"]))
        assert one.extra["p_adjusted"] == pytest.approx(so_far)
    table = np.array(first, dtype=float)
    apart = table[:, 1] - np.delete(table, 1, axis=1).mean(axis=1)
    p = estimates(result)["reader_bias:R2"].extra["p"]
    assert p == pytest.approx(stats.ttest_1samp(apart, 0).pvalue)
    assert "Holm, 8 tests" in findings(result)["agreement.reader_bias:R2"].why


def test_what_chance_gives_among_many_is_not_claimed(ask):
    """By itself R1 is beyond chance; among eight readers it is not, and nothing is claimed."""
    rows = [[int((case + 3 * reader) % 8 == 0) for reader in range(8)] for case in range(64)]
    for case in range(1, 64, 8):
        rows[case][0] = 1
    result = ask(said(rows))
    found = estimates(result)["reader_bias:R1"]

    assert found.low > 0
    assert found.extra["p"] < 0.05 < found.extra["p_adjusted"]
    assert "agreement.reader_bias:R1" not in findings(result)
    assert "agreement.reader_bias" in findings(result)


def test_the_rule_at_its_edges(ask):
    """P equal to the level counts; an interval that only touches no deviation does not."""

    def one(p, low, high):
        estimate = Estimate("reader_bias:R1", 0.2, low, high, n=60, extra={"n_apart": 20})
        return Compared(None, "R1", "x", estimate, p, ("R2",), np.zeros(0), Clusters.singles(60))

    assert one(0.5, 0.1, 0.3).deviates(0.5)
    assert not one(0.5000001, 0.1, 0.3).deviates(0.5)
    assert not one(0.001, 0.0, 0.3).deviates(0.5)
    assert not one(0.001, -0.1, 0.3).deviates(0.5)
    assert not one(None, None, None).deviates(0.5)


def test_nobody_stands_out(ask, rng):
    table = [[rng.random() < 0.4 for _ in range(3)] for _ in range(60)]
    result = ask(said(table))
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
def test_thirty_shared_cases_are_needed(ask, n, told):
    table = [[1 - (at % 3 == 0), at % 3 == 0, 0] for at in range(n)] + [[1, None, None]] * 9
    result = ask(said(table))
    few = findings(result).get("agreement.reader_bias.few")

    assert (estimates(result)["reader_bias:R2"].value is not None) is told
    assert (few is None) is told
    if few is not None:
        assert few.state is State.NOT_ASSESSED
        assert "R1 (29 cases), R2 (29 cases), R3 (29 cases) on finding" in few.claim
        assert len([s for s in result.series if s["kind"] == "forest"]) == 1  # that of alpha


def test_readers_who_hardly_differ_or_have_few_patients_are_named(ask):
    table = [[1, 0, 0]] * 4 + [[0, 0, 0]] * 56
    few = findings(ask(said(table)))["agreement.reader_bias.few"]
    assert "R2 (60 cases, 4 answered differently)" in few.claim

    eight = {"cluster": np.arange(60) % 8, "cluster_kind": "patient"}
    patients = findings(ask(said(EAGER), **eight))
    assert "R2 (60 cases, 15 answered differently, 8 patients)" in (
        patients["agreement.reader_bias.few"].claim
    )
    assert "agreement.reader_bias:R2" not in patients


def test_a_reader_who_differs_on_every_case_alike_is_said_without_an_interval(ask):
    """Nothing varies, so there is no interval; it would be absurd to call it not assessed."""
    volume = {"volume": Question("volume", "interval", ())}
    table = [[str(10 * at), str(10 * at + 4), str(10 * at)] for at in range(40)]
    result = ask({"volume": table}, volume)
    found, finding = estimates(result)["reader_bias:R2"], findings(result)[
        "agreement.reader_bias:R2"
    ]  # fmt: skip

    assert (found.value, found.low, found.high) == (4.0, None, None)
    assert finding.claim == (
        "R2 answers volume higher than the other readers: by 4.000, on each of the same 40 cases."
    )
    assert "alike on every case" in finding.why
    assert len(finding.cases) == 40


def test_of_two_readers_nobody_is_the_odd_one(ask):
    table = [row[:2] for row in EAGER]
    result = ask(said(table))
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


def test_a_deviation_pushes_the_others_and_it_is_said(ask):
    table = [[0, 1, 0]] * 30 + [[0, 0, 0]] * 30
    found = findings(ask(said(table)))

    assert "R2" in found["agreement.reader_bias:R2"].claim
    for reader in ("R1", "R2", "R3"):
        assert "Within a case deviations balance" in found[f"agreement.reader_bias:{reader}"].why


def test_a_further_question_has_one_sentence_for_its_widest(ask):
    scales = BINARY | {"second": Question("second", "nominal", ("absent", "present"))}
    far = said([[0, 1, 0]] * 30 + [[0, 0, 0]] * 30)["finding"]
    result = ask(said([[0, 0, 1]] * 30 + [[0, 0, 0]] * 30) | {"second": far}, scales)
    found = findings(result)

    second = [name for name in found if name.endswith(":second")]
    assert second == ["agreement.reader_bias:R2:second"]
    assert "Also beyond chance: R1, less by 25.0 points" in found[second[0]].why
    assert "agreement.reader_bias:R1" in found  # of the first question everybody
    assert estimates(result)["reader_bias:R3:second"].value == pytest.approx(-0.25)


def test_cases_lie_widest_first(ask, rng):
    volume = {"volume": Question("volume", "interval", ())}
    table = [[str(x), str(x + 1 + 3 * (at == 50) + at % 2), str(x)]
             for at, x in enumerate(rng.integers(1, 90, 60))]  # fmt: skip
    cases = findings(ask({"volume": table}, volume))["agreement.reader_bias:R2"].cases

    assert cases[:2] == ("case-050", "case-001")
    assert len(cases) == 60


def test_a_limit_holds_for_every_reader(ask, quick):
    def limited(**limit):
        limit = {"check": "agreement", "measure": "reader_bias", "origin": "pre-registered"} | limit
        return Protocol.parse({"draws": 200, "limits": [limit]})

    result = ask(said(EAGER), protocol=limited(value=0.05, direction="max"))
    found = findings(result)
    assert found["agreement.reader_bias:R2"].state is State.FAIL
    assert "agree on how the question" in found["agreement.reader_bias:R2"].action
    assert found["agreement.reader_bias:R3"].state is State.PASS
    assert result.state is State.FAIL
    assert not any("not measured here" in finding.claim for finding in result.findings)
    rows = [series for series in result.series if series["kind"] == "forest"][1]["rows"]
    assert [row["state"] for row in rows] == ["pass", "fail", "pass"]
    assert rows[0]["limit"]["value"] == 0.05

    named = ask(said(EAGER), protocol=limited(measure="reader_bias:R9", value=0, direction="min"))
    assert any("reader_bias:R9, which was not measured" in f.claim for f in named.findings)


def test_no_limit_is_the_platforms_own(quick):
    assert quick.limit("agreement", "reader_bias") is None


def test_numbered_readings_belong_to_nobody(ask):
    result = ask(said(EAGER), exchangeable=True)
    found = estimates(result)

    assert found["reader_bias"].value is None
    assert "only numbered within a case" in found["reader_bias"].reason
    assert not any("reader_bias" in finding.id for finding in result.findings)
    assert len([series for series in result.series if series["kind"] == "forest"]) == 1


def test_readers_together_are_tested(ask):
    found = estimates(ask(said(EAGER)))["reader_heterogeneity"]
    table = np.array(EAGER)[:15]  # on the others all agree
    totals = table.sum(axis=0)
    # Cochran's Q by its own formula.
    k, n = 3, table.sum(axis=1)
    q = (k - 1) * (k * (totals**2).sum() - totals.sum() ** 2) / (k * n.sum() - (n**2).sum())

    assert found.value == pytest.approx(q)
    assert found.extra["df"] == 2
    assert "chi-square, df 2, p " in found.convention


def test_answers_left_out_are_counted_here_too(make_evidence, make_readings, quick):
    readings = make_readings(said(EAGER), BINARY)
    changed = ["maybe", *readings.value[1:]]
    result = agreement(make_evidence(n=60, readings=replace(readings, value=changed)), quick)

    found = estimates(result)["reader_bias:R1"]
    assert found.n == 59
    assert "1 answers outside the declared values left out" in found.convention


def test_a_chart_of_every_reader(ask):
    result = ask(said(EAGER))
    forest = [series for series in result.series if series["kind"] == "forest"][1]

    assert [row["label"] for row in forest["rows"]] == ["R1", "R2", "R3"]
    assert (
        forest["title"] == "R2 differs from the others on finding"
        or "readers differ" in (forest["title"])
    )
    assert "Share of “present” less the mean of the other readers" in forest["subtitle"]
    assert forest["rows"][1]["estimate"]["value"] == pytest.approx(0.175)
