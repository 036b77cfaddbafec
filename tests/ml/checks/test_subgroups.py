import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.subgroups import subgroups
from ml.estimate import Estimate
from ml.protocol import Protocol
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.detectable import detectable_difference
from ml.stats.subgroups.gaps import max_gap
from ml.stats.subgroups.groups import Groups


@pytest.fixture
def data(rng):
    """400 cases; with ``worse``, findings of women are scored below the threshold half the time."""

    def make(worse: bool):
        present = np.arange(400) % 2
        sex = np.where(np.arange(400) // 2 % 2 == 0, "f", "m")
        scores = np.where(present == 1, 0.55, 0.05) + 0.4 * rng.random(400)
        missed = (sex == "f") & (present == 1) & (rng.random(400) < 0.5)
        return np.where(missed & worse, 0.3, scores), present, sex

    return make


def by_id(result):
    return {finding.id: finding for finding in result.findings}


def estimate(result, measure: str) -> Estimate:
    return next(e for e in result.estimates if e.id == measure)


def test_a_gap_is_a_finding_with_the_missed_cases(make_evidence, quick, data):
    scores, present, sex = data(worse=True)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    finding = by_id(result)["subgroups.sensitivity_gap:sex"]
    missed = [f"case-{k:03d}" for k in np.flatnonzero((present == 1) & (scores < 0.5))]

    assert result.state is finding.state is State.FAIL
    assert finding.claim.startswith("It finds 100 % of cases with the finding where sex = m, and ")
    assert sorted(finding.cases) == missed
    assert finding.limit.origin == "platform-default"
    assert "at most 0.1 (platform default)" in finding.why
    assert "This is more than chance explains: permutation test" in finding.why
    assert "for 3 tests together" in finding.why  # none of the AUROC: men are ranked perfectly
    assert "sex = f" in finding.action
    gap = estimate(result, "sensitivity_gap:sex")
    calls = GroupedCalls.of(scores >= 0.5, present, Groups.of(list(sex)))
    assert gap.value == max_gap(calls, "tpr").value
    assert by_id(result)["subgroups.specificity_gap.pass"].state is State.PASS


def test_groups_below_the_limit_of_all_cases_are_named(make_evidence, quick, data):
    scores, present, sex = data(worse=True)
    protocol = Protocol.parse(
        {"draws": 200, "limits": [
            {"check": "operating-point", "measure": "sensitivity", "value": 0.7,
             "direction": "min", "origin": "regulator"}]}
    )  # fmt: skip
    evidence = make_evidence(scores, present, covariates={"sex": sex})
    finding = by_id(subgroups(evidence, protocol))["subgroups.sensitivity.below"]
    # Under the default of 90 % all cases together are below as well: no news.
    known = by_id(subgroups(evidence, quick))["subgroups.sensitivity.below"]

    assert finding.state is State.CAUTION
    assert "in 1 of 2 groups: sex = f (" in finding.claim
    assert len(finding.cases) == int(((scores < 0.5) & (present == 1)).sum())
    assert known.state is State.INFO


def test_alike_groups_pass(make_evidence, quick, data):
    scores, present, sex = data(worse=False)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)

    assert result.state is State.PASS
    assert by_id(result)["subgroups.sensitivity_gap.pass"].claim == (
        "Sensitivity differs by no more than 10.0 points between groups of sex."
    )
    scored_high = scores[(sex == "f") & (present == 0)] >= 0.5
    assert estimate(result, "specificity:sex = f").value == 1 - scored_high.mean()
    assert estimate(result, "auroc:sex = f").value == 1.0
    assert estimate(result, "auroc:sex = f").n == 200


def test_one_rate_in_all_groups_lies_between_no_two(make_evidence, quick, data):
    _, present, sex = data(worse=False)
    scores = np.where(present == 1, 0.9, 0.1)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)

    titles = [str(one["title"]) for one in result.series]
    assert "Sensitivity is 100 % in every group" in titles


def test_noise_in_few_cases_is_no_verdict(make_evidence, quick, rng):
    present = np.arange(80) % 2
    scores = np.where(rng.random(80) < 0.75, present, 1 - present) * 0.8 + 0.1
    side = np.array(["left", "left", "right", "right"] * 20)
    result = subgroups(make_evidence(scores, present, covariates={"side": side}), quick)
    finding = by_id(result)["subgroups.sensitivity_gap.caution"]
    assert finding.claim.startswith("Whether sensitivity differs by more than 10.0 points")
    assert "would show a drop of" in finding.why
    assert "Groups of these sizes that are all alike show" in finding.why


def test_the_drop_that_the_smallest_group_would_show(make_evidence, quick, rng):
    present = np.arange(240) % 2
    scores = np.where(rng.random(240) < 0.8, present, 1 - present) * 0.8 + 0.1
    side = np.where(np.arange(240) < 60, "left", "right")
    result = subgroups(make_evidence(scores, present, covariates={"side": side}), quick)
    whole = ((scores >= 0.5) & (present == 1)).sum() / 120
    drop = detectable_difference(90, 30, whole).value
    found = next(f for f in result.findings if f.id.startswith("subgroups.sensitivity_gap"))

    assert (
        f"The smallest group compared (side = left, n = 30) would show a drop of "
        f"{drop * 100:.1f} points" in found.why
    )


def test_small_groups_are_withheld_and_said(make_evidence, quick, data):
    scores, present, sex = data(worse=False)
    site = np.where(np.arange(400) < 7, "tiny", "large").astype(object)
    site[0] = None
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex, "site": site}), quick)
    hidden = [e for e in result.estimates if e.id.endswith("site = tiny")]

    assert len(hidden) == 4
    assert all(e.value is None and "at least" in e.reason for e in hidden)
    assert by_id(result)["subgroups.withheld"].claim == (
        "1 group is too small for some value to be shown: site = tiny (6 cases)."
    )
    assert by_id(result)["subgroups.missing"].claim.endswith("site (1).")
    assert result.state is State.PASS
    rows = [row for series in result.series for row in series["rows"]]
    assert {row["state"] for row in rows if row["label"] == "site = tiny"} == {"not assessed"}


def test_a_class_too_small_withholds_what_rests_on_it(make_evidence, quick, data):
    """40 cases of a site, 3 of them without the finding: sensitivity is shown, the rest is not."""
    scores, present, _ = data(worse=False)
    site = np.full(400, "large", dtype=object)
    site[np.flatnonzero(present == 1)[:37]] = "small"
    site[np.flatnonzero(present == 0)[:3]] = "small"
    result = subgroups(make_evidence(scores, present, covariates={"site": site}), quick)

    assert estimate(result, "sensitivity:site = small").value == 1.0
    for measure in ("specificity", "auroc", "intercept"):
        hidden = estimate(result, f"{measure}:site = small")
        assert "only 3 cases without the finding" in hidden.reason


def test_a_case_without_a_score_counts_as_wrong(make_evidence, quick, data):
    scores, present, sex = data(worse=False)
    scores[np.flatnonzero((sex == "f") & (present == 1))[:40]] = np.nan
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)

    assert estimate(result, "sensitivity:sex = f").value == 0.6
    assert estimate(result, "auroc:sex = f").n == 160
    assert by_id(result)["subgroups.sensitivity_gap:sex"].state is State.FAIL
    assert by_id(result)["subgroups.failed-cases"].state is State.CAUTION


def test_calibration_that_differs_is_said(make_evidence, quick, rng):
    sex = np.array(["f", "m"] * 400)
    scores = rng.uniform(0.05, 0.95, 800)
    truth = np.where(sex == "f", scores, scores / 3)
    present = (rng.random(800) < truth).astype(int)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    finding = by_id(result)["subgroups.intercept_heterogeneity:sex"]

    assert finding.state is State.INFO
    assert finding.claim == (
        "The same score means the finding more often where sex = f than where sex = m."
    )


def test_patients_in_both_groups_are_compared_by_another_test(make_evidence, quick, data):
    scores, present, _ = data(worse=False)
    breast = np.array(["left", "right"] * 200)
    present = np.repeat(present[:200], 2)
    scores = np.where(present == 1, 0.9, 0.1)
    sick = np.flatnonzero(present == 1)
    missed = [*sick[:20:2], *sick[21:41:2]]  # ten on the left, ten on the right of others
    scores[missed] = 0.1
    result = subgroups(
        make_evidence(
            scores, present, covariates={"breast": breast}, cluster=np.arange(400) // 2,
            cluster_kind="patient",
        ),
        quick,
    )  # fmt: skip

    assert estimate(result, "sensitivity_gap:breast").value == 0
    assert estimate(result, "sensitivity_gap:breast").extra["n_clusters"] == 200


def test_without_covariates_it_says_which_columns_to_add(make_evidence, quick, data):
    scores, present, _ = data(worse=False)
    none = subgroups(make_evidence(scores, present), quick)
    useless = subgroups(make_evidence(scores, present, covariates={"x": ["a"] * 400}), quick)

    for result in (none, useless):
        assert result.state is State.NOT_ASSESSED
        assert "olumns such as sex, age" in result.reason
        assert "cases.csv" in result.reason


def test_unknown_operating_point_and_no_scores(make_evidence, data):
    scores, present, sex = data(worse=False)
    evidence = make_evidence(scores, present, covariates={"sex": sex})
    named = Protocol.parse({"operating_point": "triage", "draws": 200})

    assert "'triage'" in subgroups(evidence, named).reason
    empty = make_evidence(np.full(400, np.nan), present, covariates={"sex": sex})
    assert "no score for any" in subgroups(empty, named).reason


def test_limits_of_one_covariate_and_of_one_group(make_evidence, data):
    scores, present, sex = data(worse=True)

    def limit(measure, value, direction):
        return {"check": "subgroups", "measure": measure, "value": value,
                "direction": direction, "origin": "pre-registered"}  # fmt: skip

    protocol = Protocol.parse(
        {"draws": 200, "limits": [
            limit("sensitivity_gap", 0.01, "max"), limit("sensitivity_gap:sex", 0.95, "max"),
            limit("sensitivity:sex = f", 0.9, "min"), limit("sensitivity:sex = x", 0.9, "min"),
        ]}
    )  # fmt: skip
    found = by_id(subgroups(make_evidence(scores, present, covariates={"sex": sex}), protocol))

    assert found["subgroups.sensitivity_gap.pass"].limit.value == 0.95
    assert found["subgroups.sensitivity:sex = f"].state is State.FAIL
    assert found["subgroups.sensitivity:sex = x"].state is State.NOT_ASSESSED
    assert found["subgroups.auroc_gap:sex" if "subgroups.auroc_gap:sex" in found
                 else "subgroups.auroc_gap.info"].limit is None  # fmt: skip


def test_every_finding_names_an_estimate_that_is_there(make_evidence, quick, data):
    for worse in (True, False):
        scores, present, sex = data(worse=worse)
        result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
        known = {e.id for e in result.estimates}
        assert {f.measure for f in result.findings if f.measure} <= known
        assert len(known) == len(result.estimates)
        assert len({f.id for f in result.findings}) == len(result.findings)


def five_sites(make_evidence, sizes, found):
    """Cases with the finding at five sites, ``found`` of ``sizes`` called; one site of the rest."""
    site = np.repeat(list("abcde"), sizes)
    hit = np.concatenate([np.arange(n) < k for n, k in zip(sizes, found, strict=True)])
    present = np.r_[np.ones(site.size), np.zeros(40)]
    scores = np.r_[np.where(hit, 0.9, 0.1), np.full(40, 0.1)]
    return make_evidence(scores, present, covariates={"site": [*site, *["a"] * 40]})


def test_a_gap_that_chance_explains_does_not_fail(make_evidence, quick):
    """The largest of ten noisy differences: 25.8 points, with chance at 18.5 and p = 0.16."""
    evidence = five_sites(make_evidence, (15, 26, 30, 40, 40), (14, 23, 23, 27, 31))
    result = subgroups(evidence, quick)
    finding = by_id(result)["subgroups.sensitivity_gap.caution"]
    gap = estimate(result, "sensitivity_gap:site")

    assert gap.value == pytest.approx(14 / 15 - 27 / 40)
    assert gap.low == 0
    assert gap.high > gap.value
    assert "all 10 pairs together (Bonferroni)" in gap.method
    assert finding.claim == (
        "Whether sensitivity differs by more than 10.0 points between groups of site cannot be "
        "told: chance alone gives groups of these sizes "
        f"{chance_of(result, 'sensitivity_gap')} on average."
    )
    assert result.state is State.CAUTION


def chance_of(result, gap):
    why = next(f.why for f in result.findings if f"{gap}" in f.id)
    return why.partition("that are all alike show ")[2].partition(" on average")[0]


def test_a_gap_beyond_chance_and_limit_fails_among_many_groups(make_evidence, quick):
    evidence = five_sites(make_evidence, (40, 40, 40, 40, 40), (38, 37, 38, 39, 12))
    finding = by_id(subgroups(evidence, quick))["subgroups.sensitivity_gap:site"]

    assert finding.state is State.FAIL


def test_groups_that_are_all_right_are_not_compared_with_themselves(make_evidence, quick, data):
    _, present, sex = data(worse=False)
    scores = np.where(present == 1, 0.9, 0.1)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    finding = by_id(result)["subgroups.sensitivity_gap.pass"]

    assert "Widest: sex, 100 % in every group" in finding.why
    assert " to 100 %" not in finding.why
    # No misses are no certainty: the groups' own intervals give the gap one.
    gap = estimate(result, "sensitivity_gap:sex")
    assert (gap.value, gap.low) == (0, 0)
    assert 0 < gap.high < 0.1


def test_groups_without_a_miss_and_few_cases_are_not_passed(make_evidence, quick):
    """Twelve of twelve on both sides: no gap was seen, and one of 10 points is not ruled out."""
    present = np.arange(48) % 2
    side = ["left", "left", "right", "right"] * 12
    evidence = make_evidence(np.where(present == 1, 0.9, 0.1), present, covariates={"side": side})
    finding = by_id(subgroups(evidence, quick))["subgroups.sensitivity_gap.caution"]

    assert finding.state is State.CAUTION


def test_the_smallest_group_is_that_of_all_columns_in_the_sentence(make_evidence, quick, rng):
    """Two columns share a finding; the smaller group is not in the column with the wider gap."""
    present = np.ones(160, dtype=int)
    present[120:] = 0
    scores = np.where(present == 1, 0.9, 0.1)
    scores[1:4] = 0.1
    wide = np.where(np.arange(160) % 120 < 40, "a", "b")
    small = np.where(np.arange(160) % 12 == 0, "x", "y")
    result = subgroups(make_evidence(scores, present, covariates={"wide": wide, "small": small}),
                       quick)  # fmt: skip
    finding = by_id(result)["subgroups.sensitivity_gap.caution"]

    assert "of wide, small cannot be told" in finding.claim
    assert "Widest: wide," in finding.why
    assert "The smallest group compared (small = x, n = 10)" in finding.why


def test_an_auroc_is_a_number_and_so_is_its_gap(make_evidence, quick, rng):
    present = np.arange(600) % 2
    sex = np.where(np.arange(600) // 2 % 2 == 0, "f", "m")
    good = np.where(present == 1, 0.9, 0.1) + 0.05 * rng.random(600)
    scores = np.where(sex == "f", rng.random(600), good)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    finding = by_id(result)["subgroups.auroc_gap:sex"]
    low = estimate(result, "auroc:sex = f").value

    assert finding.claim == f"The AUROC is 1.000 where sex = m, and {low:.3f} where sex = f."
    titles = [str(one["title"]) for one in result.series]
    assert any("AUROC lies between 0." in title for title in titles)
    said = [f"{finding.claim} {finding.why}" for finding in result.findings
            if "auroc" in finding.id]  # fmt: skip
    assert not any(" %" in text.replace("80 %", "").replace("95 %", "") for text in said)
    assert not any("points" in text for text in said)


def test_groups_below_the_limit_show_the_worst_and_its_limit(make_evidence, quick, data):
    """Both sexes are below 90 %; the second one is worse."""
    scores, present, sex = data(worse=False)
    miss = (present == 1) & (np.arange(400) % 3 != 0)
    worse = (present == 1) & (sex == "m")
    scores = np.where(miss | worse, 0.1, scores)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    finding = by_id(result)["subgroups.sensitivity.below"]

    assert finding.measure == "sensitivity:sex = m"
    assert finding.claim.endswith(
        "in 2 of 2 groups, lowest first: sex = m (0 %), sex = f (33.0 %)."
    )
    assert finding.limit == quick.limit("operating-point", "sensitivity")


def test_what_holds_for_every_gap_is_said_once(make_evidence, quick, data):
    scores, present, sex = data(worse=True)
    result = subgroups(make_evidence(scores, present, covariates={"sex": sex}), quick)
    said = [f for f in result.findings if "of the cohort" in f"{f.claim} {f.why}"]

    assert [f.id for f in said] == ["subgroups.columns"]
    assert said[0].claim == "Groups were made from all columns of the cohort: sex."


def test_a_measure_that_no_column_compares_keeps_its_limit(make_evidence, quick):
    """Nine findings: no group has five on each side; the limit is there and not assessed."""
    present = np.r_[np.ones(8), np.zeros(92)]
    sex = np.where(np.arange(100) % 2, "f", "m")
    evidence = make_evidence(np.where(present == 1, 0.9, 0.1), present, covariates={"sex": sex})
    finding = by_id(subgroups(evidence, quick))["subgroups.sensitivity_gap"]

    assert finding.state is State.NOT_ASSESSED
    assert finding.limit == quick.limit("subgroups", "sensitivity_gap")
