"""One reader against the others, as the check of agreement says it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.checks.agreement import agreement
from ml.checks.reader_deviation import Compared
from ml.estimate import Estimate
from ml.evidence.tables import Question
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


@pytest.mark.parametrize("values", [("present", "absent"), ("no", "yes"), ("yes", "no")])
def test_what_is_compared_is_the_answer_that_means_present(ask_readers, values):
    means = "present" if "present" in values else "yes"
    other = next(value for value in values if value != means)
    answers = {"finding": [[means if x else other for x in row] for row in EAGER]}
    result = ask_readers(answers, {"finding": Question("finding", "nominal", values)})

    assert estimates(result)["reader_bias:R2"].value > 0
    assert f"with “{means}” more often" in findings(result)["agreement.reader_bias:R2"].claim


def test_numbers_are_higher_or_lower_in_their_own_unit(ask_readers, rng):
    level = rng.integers(2, 5, 60)
    table = [[str(x), str(x - 1 + int(rng.random() < 0.2)), str(x)] for x in level]
    result = ask_readers({"malignancy": table}, RATING)
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


def test_numbers_keep_their_distances(ask_readers):
    """Values 0, 10 and 50 are compared as numbers and not as places one after the other."""
    scale = {"size": Question("size", "ordinal", ("0", "10", "50"))}
    table = [["50", "10", "10"]] * 30 + [["10", "10", "10"]] * 30
    found = estimates(ask_readers({"size": table}, scale))["reader_bias:R1"]

    assert found.value == pytest.approx(20)


def test_ordered_words_are_taken_as_steps_and_said_to_be(ask_readers):
    scale = {"doubt": Question("doubt", "ordinal", ("none", "some", "much"))}
    table = [["much", "none", "none"]] * 20 + [["some", "some", "some"]] * 20
    result = ask_readers({"doubt": table}, scale)

    assert estimates(result)["reader_bias:R1"].value == pytest.approx(1.0)
    assert "as steps of the scale" in estimates(result)["reader_bias:R1"].convention
    assert (
        "] steps of the scale, on the same 40" in findings(result)["agreement.reader_bias:R1"].claim
    )


def test_answers_without_an_order_are_compared_one_by_one(ask_readers):
    scale = {"texture": Question("texture", "nominal", ("glass", "mixed", "solid"))}
    table = [["mixed", "solid", "solid"]] * 15 + [["glass", "glass", "glass"]] * 25
    result = ask_readers({"texture": table}, scale)
    found = estimates(result)

    assert found["reader_bias:R1=mixed"].value == pytest.approx(15 / 40)
    assert found["reader_bias:R1=solid"].value == pytest.approx(-15 / 40)
    assert "reader_bias:R1=glass" in found
    claim = findings(result)["agreement.reader_bias:R1=mixed"].claim
    assert "R1 answers texture with “mixed” more often" in claim
    forest = [series for series in result.series if series["kind"] == "forest"][1]
    assert [row["label"] for row in forest["rows"]] == [
        "R1, “mixed”", "R2, “mixed”", "R3, “mixed”",
    ]  # fmt: skip


def test_only_cases_of_two_readers_count(ask_readers):
    alone = [[None, 1, None]] * 20 + [[0, None, 0]] * 7
    result = ask_readers(said(EAGER + alone), BINARY)
    found = estimates(result)

    assert len(findings(result)["agreement.reader_bias:R2"].cases) == 12
    assert found["reader_bias:R2"].n == 60
    assert found["reader_bias:R1"].n == 67
    assert found["reader_bias:R2"].extra["n_apart"] == 15


def test_compared_are_only_those_who_met(ask_readers):
    """Two panels: R4 to R6 never read a case of R1 to R3."""
    rows = [[*row, None, None, None] for row in EAGER]
    rows += [[None, None, None, 1, 1, 0]] * 10 + [[None, None, None, 0, 0, 0]] * 30
    finding = findings(ask_readers(said(rows), BINARY))["agreement.reader_bias:R6"]

    assert "Compared with R4 and R5." in finding.why
    assert "on the same 40 cases" in finding.claim


def test_patients_are_the_units(ask_readers):
    """Two copies of each case in one patient tell no more than the case itself."""
    copies = said([row for row in EAGER for _ in range(2)])
    one = estimates(ask_readers(said(EAGER), BINARY))["reader_bias:R2"]
    result = ask_readers(copies, BINARY, cluster=np.arange(120) // 2, cluster_kind="patient")
    found = estimates(result)["reader_bias:R2"]

    assert "60 patients" in found.method
    assert (found.n, found.extra["n_clusters"]) == (120, 60)
    assert found.extra["p"] == pytest.approx(one.extra["p"])
    alone = estimates(ask_readers(copies, BINARY))["reader_bias:R2"]
    assert alone.extra["p"] < one.extra["p"] / 2
    assert found.high - found.low > 1.2 * (alone.high - alone.low)
    claim = findings(result)["agreement.reader_bias:R2"].claim
    assert claim.endswith("on the same 120 cases in 60 patients.")


def test_patients_of_a_reader_are_those_it_read(ask_readers):
    rows = [row for row in EAGER for _ in range(2)] + [[0, None, 0]] * 20
    cluster = np.concatenate([np.arange(120) // 2, np.arange(100, 120)])
    result = ask_readers(said(rows), BINARY, cluster=cluster, cluster_kind="patient")

    claim = findings(result)["agreement.reader_bias:R2"].claim
    assert claim.endswith("on the same 120 cases in 60 patients.")


def test_p_values_are_adjusted_for_all_readers_and_questions(ask_readers, rng):
    """Against Holm's own rule, written down again: the k-th smallest times the tests left."""
    first = [[rng.random() < 0.3 + 0.25 * (at == 1) for at in range(4)] for _ in range(80)]
    other = [[rng.random() < 0.4 for _ in range(4)] for _ in range(80)]
    answers = said(first) | {"second": said(other)["finding"]}
    scales = BINARY | {"second": Question("second", "nominal", ("absent", "present"))}
    result = ask_readers(answers, scales)
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


def test_what_chance_gives_among_many_is_not_claimed(ask_readers):
    """By itself R1 is beyond chance; among eight readers it is not, and nothing is claimed."""
    rows = [[int((case + 3 * reader) % 8 == 0) for reader in range(8)] for case in range(64)]
    for case in range(1, 64, 8):
        rows[case][0] = 1
    result = ask_readers(said(rows), BINARY)
    found = estimates(result)["reader_bias:R1"]

    assert found.low > 0
    assert found.extra["p"] < 0.05 < found.extra["p_adjusted"]
    assert "agreement.reader_bias:R1" not in findings(result)
    assert "agreement.reader_bias" in findings(result)


def test_the_rule_at_its_edges(ask_readers):
    """P equal to the level counts; an interval that only touches no deviation does not."""

    def one(p, low, high):
        estimate = Estimate("reader_bias:R1", 0.2, low, high, n=60, extra={"n_apart": 20})
        return Compared(None, "R1", "x", estimate, p, ("R2",), np.zeros(0), Clusters.singles(60))

    assert one(0.5, 0.1, 0.3).deviates(0.5)
    assert not one(0.5000001, 0.1, 0.3).deviates(0.5)
    assert not one(0.001, 0.0, 0.3).deviates(0.5)
    assert not one(0.001, -0.1, 0.3).deviates(0.5)
    assert not one(None, None, None).deviates(0.5)


def test_cases_lie_widest_first(ask_readers, rng):
    volume = {"volume": Question("volume", "interval", ())}
    table = [[str(x), str(x + 1 + 3 * (at == 50) + at % 2), str(x)]
             for at, x in enumerate(rng.integers(1, 90, 60))]  # fmt: skip
    cases = findings(ask_readers({"volume": table}, volume))["agreement.reader_bias:R2"].cases

    assert cases[:2] == ("case-050", "case-001")
    assert len(cases) == 60


def test_numbered_readings_belong_to_nobody(ask_readers):
    result = ask_readers(said(EAGER), BINARY, exchangeable=True)
    found = estimates(result)

    assert found["reader_bias"].value is None
    assert "only numbered within a case" in found["reader_bias"].reason
    assert not any("reader_bias" in finding.id for finding in result.findings)
    assert len([series for series in result.series if series["kind"] == "forest"]) == 1


def test_readers_together_are_tested(ask_readers):
    found = estimates(ask_readers(said(EAGER), BINARY))["reader_heterogeneity"]
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
