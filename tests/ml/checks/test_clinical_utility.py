import numpy as np
import pytest

from ml.checks.clinical_utility import clinical_utility
from ml.checks.registry import State
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.utility.net_benefit import decision_curve, net_benefit


@pytest.fixture
def useful(rng):
    """Calibrated scores of 600 cases."""
    scores = rng.beta(0.6, 1.4, 600)
    return scores, (rng.random(600) < scores).astype(int)


def by_id(result):
    return {finding.id: finding for finding in result.findings}


def test_a_useful_model_passes(make_evidence, quick, useful):
    scores, present = useful
    result = clinical_utility(make_evidence(scores, present), quick)
    finding = by_id(result)["clinical-utility.net_benefit_gain"]
    gain = net_benefit(scores, present, 0.5, settings=Settings(200), against="better")

    assert result.state is finding.state is State.PASS
    assert finding.claim == (
        f"At a threshold probability of 0.5 it is worth {gain.value * 1000:.0f} net findings found "
        "per 1,000 cases more than treating no one; there it finds "
        f"{(scores[present == 1] >= 0.5).mean() * 100:.1f} % of the {present.sum()} cases with the "
        "finding (sensitivity) and misses "
        f"{((scores < 0.5) & (present == 1)).sum()}."
    )
    assert "does not say that it finds enough" in finding.why
    assert "a false alarm is taken to cost 1.000 of what a finding found is worth" in finding.why
    assert "at least 0 (platform default)" in finding.why
    misses = [f"case-{k:03d}" for k in np.flatnonzero((scores < 0.5) & (present == 1))]
    assert list(finding.cases[: len(misses)]) == misses
    assert len(finding.cases) == int(((scores >= 0.5) != (present == 1)).sum())


def test_noise_is_worth_less_than_treating_no_one(make_evidence, quick, rng):
    present = (np.arange(400) % 10 == 0).astype(int)
    result = clinical_utility(make_evidence(rng.random(400), present), quick)
    finding = result.findings[0]

    assert finding.state is State.FAIL
    assert "less than treating no one; there it finds" in finding.claim
    assert "Do not act on it" in finding.action


def test_the_range_is_the_protocols_and_the_rival_changes(make_evidence, useful):
    protocol = Protocol.parse(
        {"operating_point": 0.05, "decision_thresholds": [0.04, 0.1], "draws": 200}
    )
    result = clinical_utility(make_evidence(*useful), protocol)
    (series,) = result.series

    assert "treating everyone" in result.findings[0].claim
    assert min(row["threshold"] for row in series["rows"]) == 0.04
    assert max(row["threshold"] for row in series["rows"]) == 0.1
    assert 0.05 in {row["threshold"] for row in series["rows"]}
    assert "0.04 to 0.1 (set by the protocol)" in by_id(result)["clinical-utility.range"].why


def test_a_prevalence_from_outside(make_evidence, useful):
    scores, present = useful
    protocol = Protocol.parse({"prevalence": 0.02, "draws": 200})
    result = clinical_utility(make_evidence(scores, present), protocol)
    known = net_benefit(scores, present, 0.5, settings=Settings(200), prevalence=0.02)

    assert next(e for e in result.estimates if e.id == "net_benefit").value == known.value
    assert "2.0 % (set by the protocol, taken as known)" in result.findings[0].why
    assert result.series[0]["prevalence"] == 0.02
    assert result.findings[0].state is State.FAIL  # false alarms outweigh at 2 %


def test_series_is_the_curve(make_evidence, quick, useful):
    scores, present = useful
    (series,) = clinical_utility(make_evidence(scores, present), quick).series
    row = next(row for row in series["rows"] if row["threshold"] == 0.5)

    assert series["kind"] == "decision-curve"
    assert row["net_benefit"] == pytest.approx(
        ((scores >= 0.5) & (present == 1)).mean() - ((scores >= 0.5) & (present == 0)).mean(),
        abs=1e-6,
    )
    assert row["low"] < row["net_benefit"] < row["high"]
    assert row["treat_all"] == pytest.approx(2 * present.mean() - 1, abs=1e-6)


def test_intervals_respect_patients(make_evidence, quick, useful):
    scores, present = (np.repeat(column, 3) for column in useful)
    patient = np.repeat(np.arange(600), 3)
    result = clinical_utility(
        make_evidence(scores, present, cluster=patient, cluster_kind="patient"), quick
    )
    gain = result.estimates[0]
    known = net_benefit(
        scores, present, 0.5, Clusters.of(patient, "patient"), Settings(200), against="better"
    )

    assert (gain.low, gain.high) == (known.low, known.high)
    assert "600 patients" in gain.method
    assert "600 patients" in by_id(result)["clinical-utility.range"].why


def test_where_it_is_better_is_said_in_stretches(make_evidence, quick, useful):
    finding = by_id(clinical_utility(make_evidence(*useful), quick))["clinical-utility.range"]
    grid = np.linspace(0.01, 0.5, 50).round(6)
    curve = decision_curve(*useful, grid, settings=Settings(200))
    sure = grid[curve.advantage_low > 0]
    stretches = finding.why.split("interval: ")[1].split(" (bootstrap")[0].split(", ")

    assert stretches[0].split(" to ")[0] == f"{sure[0]:g}"
    assert stretches[-1].split(" to ")[-1] == f"{sure[-1]:g}"
    assert sure[0] > grid[curve.advantage > 0][0]
    assert finding.state is State.INFO
    assert "than treating everyone and than treating no one" in finding.claim
    assert "With the whole 95 % interval: 0." in finding.why


def test_not_assessed(make_evidence, quick, useful):
    scores, present = useful
    one = clinical_utility(make_evidence(scores, np.ones(600)), quick)
    all_or_none = clinical_utility(
        make_evidence(scores, present), Protocol.parse({"operating_point": 1.0})
    )
    unknown = clinical_utility(
        make_evidence(scores, present), Protocol.parse({"operating_point": "triage"})
    )

    assert one.state is State.NOT_ASSESSED
    assert "with and without" in one.reason
    assert "infinitely" in all_or_none.reason
    assert "'triage'" in unknown.reason
    empty = clinical_utility(make_evidence(np.full(600, np.nan), present), quick)
    assert "no score for any" in empty.reason


def test_few_patients_have_no_interval(make_evidence, quick, useful):
    scores, present = useful
    result = clinical_utility(
        make_evidence(scores, present, cluster=np.arange(600) // 100, cluster_kind="patient"),
        quick,
    )

    assert "only 6 patients" in result.findings[0].why
    assert "only 6 patients" in by_id(result)["clinical-utility.range"].why
    assert {row["low"] for row in result.series[0]["rows"]} == {None}


def test_failed_cases_are_left_out_and_said(make_evidence, quick, useful):
    scores, present = useful
    scores[:5] = np.nan
    result = clinical_utility(make_evidence(scores, present), quick)

    assert result.estimates[0].n == 595
    assert by_id(result)["clinical-utility.failed-cases"].state is State.CAUTION
