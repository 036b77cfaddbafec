import numpy as np
import pytest

from ml.checks import words
from ml.checks.registry import State
from ml.checks.worst_slice import worst_slice
from ml.protocol import Protocol


@pytest.fixture
def data(rng):
    def make(n: int = 800, wrong_inside: float = 0.5):
        sex = rng.choice(["f", "m"], n)
        site = rng.choice(["north", "south", "east"], n)
        age = rng.integers(30, 90, n)
        inside = (sex == "f") & (site == "north")
        present = np.arange(n) % 2
        wrong = rng.random(n) < np.where(inside, wrong_inside, 0.08)
        scores = np.where(wrong, 1 - present, present) * 0.8 + 0.1
        return scores, present, {"sex": sex, "site": site, "age": age.astype(str)}, inside, wrong

    return make


def test_a_planted_slice_is_named_with_its_cases(make_evidence, quick, data):
    scores, present, covariates, inside, wrong = data()
    result = worst_slice(make_evidence(scores, present, covariates=covariates), quick)
    finding = result.findings[0]
    found = {e.id: e for e in result.estimates}

    assert result.state is finding.state is State.FAIL
    assert f"of {inside.sum()} cases where sex = f and site = north" in finding.claim
    assert sorted(finding.cases) == [f"case-{k:03d}" for k in np.flatnonzero(inside)]
    n_wrong = int((inside & wrong).sum())
    assert set(finding.cases[:n_wrong]) == {f"case-{k:03d}" for k in np.flatnonzero(inside & wrong)}
    assert "p = 0.005" in finding.why
    assert "on the other half, which it was not found on" in finding.why
    assert finding.measure == "slice_effect_confirmed"
    judged = words.measured(found["slice_effect_confirmed"])
    assert f"Judged: {judged}; the limit is at most 0.1 (platform default)." in finding.why
    assert judged != words.measured(found["slice_effect"])
    assert found["slice_effect"].extra["slice"] == "sex = f and site = north"
    assert found["slice_error_rate"].value == pytest.approx(wrong[inside].mean())
    assert found["error_rate"].value == pytest.approx(wrong.mean())
    assert found["slice_effect_confirmed"].n == 400


def test_chance_is_called_chance(make_evidence, quick, data):
    scores, present, covariates, _, _ = data(wrong_inside=0.08)
    result = worst_slice(make_evidence(scores, present, covariates=covariates), quick)
    finding = result.findings[0]

    assert result.state is finding.state is State.INFO
    assert finding.claim.startswith("No group of cases stands out: chance alone")
    assert finding.limit == quick.limit("worst-slice", "slice_effect")  # quoted, not judged
    assert result.series[0]["title"].startswith("No group has more errors")
    assert finding.cases


def test_few_cases_are_judged_on_themselves_and_it_is_said(make_evidence, quick, data):
    scores, present, covariates, _, _ = data(n=240, wrong_inside=0.8)
    finding = worst_slice(make_evidence(scores, present, covariates=covariates), quick).findings[0]

    assert finding.measure == "slice_effect"
    assert "too few cases to confirm it on others" in finding.why
    assert finding.state is State.FAIL


def test_columns_that_the_protocol_does_not_name_are_searched_too(make_evidence, data):
    scores, present, covariates, _, _ = data()
    protocol = Protocol.parse({"subgroups": ["sex", "age: 50"], "draws": 200})
    finding = worst_slice(make_evidence(scores, present, covariates=covariates), protocol).findings[
        0
    ]

    assert "sex = f and site = north" in finding.claim
    assert "Columns (all of the cohort): sex, site, age." in finding.why
    assert "age at 50 (set by the protocol)" in finding.why


def test_failed_cases_count_as_wrong(make_evidence, quick, data):
    scores, present, covariates, inside, _ = data(wrong_inside=0.08)
    scores[np.flatnonzero(inside)[:80]] = np.nan
    result = worst_slice(make_evidence(scores, present, covariates=covariates), quick)

    assert "sex = f and site = north" in result.findings[0].claim
    assert result.findings[-1].id == "worst-slice.failed-cases"


def test_clusters_are_dealt_as_wholes(make_evidence, quick, data):
    scores, present, covariates, _, _ = data()
    result = worst_slice(
        make_evidence(
            scores, present, covariates=covariates, cluster=np.arange(800) // 2,
            cluster_kind="patient",
        ),
        quick,
    )  # fmt: skip

    assert "losses dealt anew to 400 patients" in result.findings[0].why


def test_without_an_error_or_a_group_there_is_nothing_to_search(make_evidence, quick):
    present = np.arange(100) % 2
    sex = {"sex": ["f", "f", "m", "m"] * 25}
    right = worst_slice(make_evidence(present * 0.8 + 0.1, present, covariates=sex), quick)
    one = {"sex": ["f"] * 100}
    scores = (np.arange(100) % 3 == 0) * 0.8
    alone = worst_slice(make_evidence(scores, present, covariates=one), quick)

    assert right.state is State.NOT_ASSESSED
    assert "same loss" in right.reason
    assert alone.state is State.NOT_ASSESSED
    assert "no level of a column" in alone.reason


def test_limits_come_from_the_protocol(make_evidence, data):
    scores, present, covariates, _, _ = data()
    limit = {"check": "worst-slice", "measure": "slice_effect", "value": 0.9, "direction": "max",
             "origin": "pre-registered"}  # fmt: skip
    evidence = make_evidence(scores, present, covariates=covariates)
    lax = worst_slice(evidence, Protocol.parse({"draws": 200, "limits": [limit]}))
    none = worst_slice(evidence, Protocol.parse({"draws": 200, "limits": []}))

    assert lax.state is State.PASS
    assert none.state is State.INFO
    assert "no limit set" in none.findings[0].why


def mixed(rng, n: int = 800, extra: float = 0.0):
    """Findings are missed in 60 %, false alarms are 4 %; one site has nine findings in ten."""
    site = rng.choice(["screening", "clinic"], n, p=[0.75, 0.25])
    present = (rng.random(n) < np.where(site == "clinic", 0.9, 0.2)).astype(int)
    base = np.where(present == 1, 0.6, 0.04)
    wrong = rng.random(n) < np.minimum(base + extra * (site == "clinic"), 1)
    scores = np.where(wrong, 1 - present, present) * 0.8 + 0.1
    return scores, present, {"site": site, "sex": rng.choice(["f", "m"], n)}, wrong


def test_a_slice_does_not_fail_by_its_mix(make_evidence, quick, rng):
    """Four in ten more errors at the clinic, all of them because it sees the harder class."""
    scores, present, covariates, wrong = mixed(rng)
    clinic = covariates["site"] == "clinic"
    assert wrong[clinic].mean() - wrong[~clinic].mean() > 0.3

    result = worst_slice(make_evidence(scores, present, covariates=covariates), quick)
    finding = result.findings[0]
    effect = next(e for e in result.estimates if e.id == "slice_effect")

    assert finding.state is State.INFO
    assert finding.claim.startswith("No group of cases stands out")
    assert finding.limit == quick.limit("worst-slice", "slice_effect")
    assert effect.low < 0.1 < wrong[clinic].mean() - wrong[~clinic].mean()
    assert effect.extra["expected"] > wrong[~clinic].mean() + 0.25


def test_a_slice_that_is_worse_than_its_mix_fails_and_says_what_was_expected(
    make_evidence, quick, rng
):
    scores, present, covariates, wrong = mixed(rng, 1600, extra=0.35)
    clinic = covariates["site"] == "clinic"
    result = worst_slice(make_evidence(scores, present, covariates=covariates), quick)
    finding = result.findings[0]
    share = present[clinic].mean()
    others = [wrong[~clinic & (present == c)].mean() for c in (0, 1)]
    expected = share * others[1] + (1 - share) * others[0]

    assert finding.state is State.FAIL
    assert "where site = clinic; of others with the same share with the finding, it would be " in (
        finding.claim
    )
    assert finding.claim.endswith(f"wrong in {words.per_cent(expected)}.")
    assert "who are weighted to the share inside; unweighted they are answered wrongly in " in (
        finding.why
    )
    effect = next(e for e in result.estimates if e.id == "slice_effect")
    assert effect.value == pytest.approx(wrong[clinic].mean() - expected)
