"""Uncertainty: what is measured, which cases stand behind it, and what is never faked."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.checks.registry import State
from ml.checks.sampled import sampled_cases
from ml.checks.scored import OperatingPoint
from ml.checks.uncertainty import uncertainty
from ml.evidence.tables import Samples
from ml.protocol import Protocol
from ml.stats.discrimination.auroc import auroc
from tests.ml.checks.wavering import wavering


@pytest.fixture
def make(make_sampled):
    return make_sampled


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id: one for one in result.findings}


def entropy(p):
    return stats.entropy([p, 1 - p], base=2)


def test_the_parts_are_those_of_a_second_computation(make, quick, rng):
    samples, present = wavering(rng)

    found = values(uncertainty(make(samples, present), quick))

    total = entropy(samples.mean(axis=0))
    aleatoric = np.mean([entropy(one) for one in samples], axis=0)
    assert found["mean_uncertainty:total"].value == pytest.approx(total.mean())
    assert found["mean_uncertainty:aleatoric"].value == pytest.approx(aleatoric.mean())
    assert found["mean_uncertainty:epistemic"].value == pytest.approx((total - aleatoric).mean())
    assert found["mean_uncertainty:total"].unit == "bits"
    share = (total - aleatoric).sum() / total.sum()
    assert found["epistemic_share"].value == pytest.approx(share)
    assert found["epistemic_share"].low < share < found["epistemic_share"].high
    mean = samples.mean(axis=0)
    variance = samples.var(axis=0).sum() / (mean * (1 - mean)).sum()
    assert found["epistemic_share:variance"].value == pytest.approx(variance)
    wrong = ((mean >= 0.5) != (present == 1)).astype(int)
    assert 10 < wrong.sum() < 60
    for kind, doubt in {
        "total": total, "aleatoric": aleatoric, "epistemic": total - aleatoric,
        "epistemic_variance": samples.var(axis=0),
    }.items():  # fmt: skip
        expected = auroc(doubt, wrong)
        one = found[f"auroc_failure:{kind}"]
        assert (one.value, one.low) == pytest.approx((expected.value, expected.low))
        order = np.argsort(doubt, kind="stable")
        risks = np.cumsum(wrong[order]) / np.arange(1, wrong.size + 1)
        assert found[f"aurc:{kind}"].value == pytest.approx(risks.mean(), abs=1e-6)
        related = np.corrcoef(doubt, wrong)[0, 1]
        assert found[f"error_correlation:{kind}"].value == pytest.approx(related)
    half = entropy(samples[:15].mean(axis=0)) - np.mean([entropy(s) for s in samples[:15]], axis=0)
    change = 1 - half.sum() / (total - aleatoric).sum()
    assert found["sampling_change"].value == pytest.approx(change)


def test_wrong_is_what_the_model_as_used_calls_wrongly(make, quick, rng):
    """Not the mean of the samples: dropout is switched off where the score comes from."""
    samples, present = wavering(rng)
    score = np.where(present == 1, 0.3, 0.1)  # nothing is called present at 0.5

    result = uncertainty(make(samples, present, score=score, points=(("screen", 0.2),)), quick)
    at_half = uncertainty(
        make(samples, present, score=score), replace(quick, operating_point=0.5)
    )  # fmt: skip

    assert values(result)["auroc_failure:total"].value is None
    assert "no pair" in values(result)["auroc_failure:total"].reason
    assert values(result)["error_correlation:total"].reason == (
        "Not estimated: every answer is right."
    )
    assert [series["kind"] for series in result.series] == ["uncertainty-scatter"]
    rates = [values(at_half)[f"error_rate:{g}"].extra.get("numerator", 0) for g in GROUPS]
    assert sum(rates) == present.sum()


GROUPS = ("trust", "expert-review", "re-acquire", "both")


def four_groups(sure=25):
    """So many sure cases, and five each: sure and contradicting, unsure alike, both; 30 samples."""
    turns = np.tile([0.02, 0.98], 15)[:, None]
    sure, unsure = np.full((30, sure), 0.02), np.full((30, 5), 0.45)
    apart = np.where(np.arange(5) >= 0, turns, turns)
    both = np.tile([0.2, 0.8], 15)[:, None] + np.zeros(5)
    return np.concatenate([sure, apart, unsure, both], axis=1)


def test_every_group_is_a_finding_with_its_cases(make, quick):
    samples = four_groups(sure=200)
    present = np.zeros(215, dtype=int)
    present[[0, 1, 201, 211]] = 1

    result = uncertainty(make(samples, present), quick)

    found, ids = findings(result), [f"case-{at:03d}" for at in range(215)]
    assert set(found["uncertainty.expert-review"].cases) == set(ids[200:205])
    assert set(found["uncertainty.re-acquire"].cases) == set(ids[205:210])
    assert set(found["uncertainty.both"].cases) == set(ids[210:215])
    trust = found["uncertainty.trust"]
    assert trust.cases == ("case-000", "case-001")  # wrong, and nothing warns of them
    assert trust.claim == (
        "In 200 of 215 cases neither kind of its uncertainty is high; 1.0 % of them are called "
        "wrongly."
    )
    assert "Listed: 2 cases called wrongly all the same." in trust.why
    for name in GROUPS:
        one = found[f"uncertainty.{name}"]
        assert (one.state, bool(one.action)) == (State.INFO, True)
        assert "limits set on half of the patients, for at most 10.0 % of right" in one.why
    assert "limits set by right answers" in result.series[0]["subtitle"]


def test_the_limits_are_of_right_answers_and_tried_on_other_patients(make, quick, rng):
    samples, present = wavering(rng, n=300)
    patients = {"cluster": np.arange(300) // 3, "cluster_kind": "patient"}
    evidence = make(samples, present, **patients)

    result = uncertainty(evidence, quick)

    sampled = sampled_cases(evidence, evidence.samples, OperatingPoint(0.5, ""), quick.seed)
    sets = set(evidence.cluster[sampled.setting].tolist())
    assert sets.isdisjoint(evidence.cluster[~sampled.setting].tolist())
    assert len(sets) == 50
    right = (samples.mean(axis=0) >= 0.5) == (present == 1)
    for kind, limit in result.series[0]["limits"].items():
        doubt = sampled.bits[kind]
        own = np.sort(doubt[sampled.setting & right])
        assert limit == pytest.approx(own[int(np.ceil(0.9 * (own.size + 1))) - 1], abs=1e-6)
        others = doubt[~sampled.setting & right]
        one = values(result)[f"high_when_right:{kind}"]
        assert one.value == pytest.approx((others > sampled.high[kind]).mean())
        assert one.extra["denominator"] == others.size
    expert = findings(result)["uncertainty.expert-review"]
    rate = values(result)["high_when_right:epistemic"]
    assert f"of {rate.extra['denominator']} (epistemic)" in expert.why
    another = replace(quick, seed=quick.seed + 1)
    assert uncertainty(evidence, another).series[0]["limits"] != result.series[0]["limits"]
    assert uncertainty(evidence, quick).series[0]["limits"] == result.series[0]["limits"]


@pytest.mark.parametrize("labels", [12, 0])
def test_too_few_right_answers_leave_the_quartile(make, quick, labels):
    present = np.full(40, -1)
    present[:labels] = 0

    result = uncertainty(make(four_groups(), present), quick)

    one = values(result)["high_when_right:epistemic"]
    assert one.value is None
    assert ("at least 9 are needed" if labels else "no case has a label") in one.reason
    assert set(findings(result)["uncertainty.both"].cases) == {
        f"case-{k:03d}" for k in range(35, 40)
    }
    why = findings(result)["uncertainty.expert-review"].why
    assert "third quartile of this cohort" in why
    assert ("too few to set a limit" if labels else "Without labels no limit can be set") in why
    assert "third quartiles" in result.series[0]["subtitle"]


def test_an_uncertainty_that_warns_of_nothing_fails_and_its_twin_passes(make, quick, rng):
    samples, present = wavering(rng, n=300)
    honest = findings(uncertainty(make(samples, present), quick))
    # The same spread on the wrong side: surest where it is wrong.
    score = samples.mean(axis=0)
    sure = np.abs(score - 0.5) > np.median(np.abs(score - 0.5))
    blind = np.where(sure, (score < 0.5), (score >= 0.5)).astype(int)
    blind = np.where(rng.random(300) < 0.15, 1 - blind, blind)
    dishonest = findings(uncertainty(make(samples, blind), quick))

    assert honest["uncertainty.auroc_failure:total"].state is State.PASS
    one = dishonest["uncertainty.auroc_failure:total"]
    assert one.state is State.FAIL
    assert one.limit.value == 0.5
    assert "Do not rely on its uncertainty" in one.action
    total = entropy(score)
    wrong = (score >= 0.5) != (blind == 1)
    listed = {f"case-{at:03d}" for at in np.flatnonzero(wrong & (total <= np.median(total)))}
    assert set(one.cases) == listed
    assert len(listed) > 50


def test_samples_that_have_settled_pass_and_those_that_drift_fail(make, quick, rng):
    samples, present = wavering(rng, n=200)
    settled = findings(uncertainty(make(samples, present), quick))
    drifting = samples.copy()
    drifting[15:] = np.clip(drifting[15:] * 0.3, 0.001, 1)  # the second half answers otherwise

    moved = findings(uncertainty(make(drifting, present), quick))

    assert settled["uncertainty.sampling_change"].state is State.PASS
    one = moved["uncertainty.sampling_change"]
    assert one.state is State.FAIL
    assert "'dropout_samples'" in one.action
    assert len(one.cases) > 0
    few = uncertainty(make(samples[:6], present, kind="members"), quick)
    assert values(few)["sampling_change"].value is None
    assert findings(few)["uncertainty.sampling_change"].state is State.NOT_ASSESSED


def test_without_labels_cases_are_still_sorted(make, quick):
    evidence = make(four_groups())

    result = uncertainty(evidence, quick)

    found = findings(result)
    assert len(found["uncertainty.trust"].cases) == 25
    assert "called wrongly" not in found["uncertainty.trust"].claim
    assert values(result)["auroc_failure:total"].reason.startswith("Not estimated: no case has")
    assert [series["kind"] for series in result.series] == ["uncertainty-scatter"]
    assert {row[5] for row in result.series[0]["rows"]} == {None}


def test_cases_without_samples_are_named_and_enter_nothing(make, quick, rng):
    samples, present = wavering(rng)
    samples[:, 3] = np.nan
    score = np.nan_to_num(samples.mean(axis=0), nan=0.5)

    result = uncertainty(
        make(samples, present, score=score, failures={"case-003": "non_finite_output"}), quick
    )

    failed = findings(result)["uncertainty.failed-cases"]
    assert (failed.state, failed.cases) == (State.CAUTION, ("case-003",))
    assert "non_finite_output: 1" in failed.why
    assert len(result.series[0]["rows"]) == 119
    assert values(result)["mean_uncertainty:total"].n == 119


def test_clusters_widen_the_intervals(make, quick, rng):
    samples, present = wavering(rng, n=60)
    twice = np.repeat(samples, 4, axis=1)
    evidence = make(
        twice, np.repeat(present, 4), cluster=np.repeat(np.arange(60), 4), cluster_kind="patient"
    )
    alone = make(twice, np.repeat(present, 4))

    clustered, single = (values(uncertainty(one, quick)) for one in (evidence, alone))

    for name in ("auroc_failure:total", "aurc:total", "epistemic_share", "error_rate:trust",
                 "mean_uncertainty:epistemic"):  # fmt: skip
        # Of fewer patients other halves set the limits of the groups.
        apart = 0.02 if name == "error_rate:trust" else 1e-6
        assert clustered[name].value == pytest.approx(single[name].value, abs=apart)
        wide, narrow = (one[name].high - one[name].low for one in (clustered, single))
        assert wide > 1.3 * narrow, name


def test_the_score_alone_is_compared_with_where_it_is_not_the_samples_mean(make, quick, rng):
    samples, present = wavering(rng)

    dropout, members = (
        uncertainty(make(samples, present, score=samples[0], kind=kind), quick)
        for kind in ("dropout", "members")
    )

    score, wrong = samples[0], (samples[0] >= 0.5) != (present == 1)
    expected = auroc(entropy(score), wrong.astype(int)).value
    assert values(dropout)["auroc_failure:score"].value == pytest.approx(expected)
    assert f"has {expected:.3f}" in findings(dropout)["uncertainty.auroc_failure:total"].why
    assert not [name for name in values(members) if name.endswith(":score")]
    assert "alone" not in findings(members)["uncertainty.auroc_failure:total"].why
    assert [curve["kind"] for curve in members.series[1]["curves"]] == [
        "total", "aleatoric", "epistemic",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("no_samples", "reason"),
    [
        ("The network has no dropout, and is one network alone.", "has no dropout"),
        ("", "There is one answer to each case"),
    ],
)
def test_without_samples_it_is_not_assessed_and_says_why(make_evidence, quick, no_samples, reason):
    evidence = replace(make_evidence([0.1, 0.9], [0, 1]), no_samples=no_samples)

    result = uncertainty(evidence, quick)

    assert result.state is State.NOT_ASSESSED
    assert reason in result.reason
    assert result.estimates == ()


def test_nothing_is_said_of_samples_where_there_is_no_model(make_evidence, quick):
    result = uncertainty(make_evidence(present=[0, 1]), quick)

    assert result.reason.count("There is") == 1  # of what is not there nothing more is asked
    assert "neither a model nor a table" in result.reason


def test_an_unknown_operating_point_is_not_guessed(make, rng):
    samples, present = wavering(rng)
    named = Protocol.parse({"operating_point": "nowhere", "draws": 200})

    result = uncertainty(make(samples, present), named)

    assert result.state is State.NOT_ASSESSED
    assert "nowhere" in result.reason


def test_the_curve_of_risk_ends_at_the_error_rate_and_names_all_kinds(make, quick, rng):
    samples, present = wavering(rng, n=250)

    scatter, risk = uncertainty(make(samples, present), quick).series

    kinds = [curve["kind"] for curve in risk["curves"]]
    assert kinds == ["total", "aleatoric", "epistemic", "score"]
    for curve in risk["curves"]:
        assert len(curve["points"]) == 100
        assert curve["points"][-1] == [1.0, risk["error_rate"]]
    assert scatter["groups"][0]["n"] + sum(g["n"] for g in scatter["groups"][1:]) == 250
    assert sum(g["n_wrong"] for g in scatter["groups"]) == round(250 * risk["error_rate"])


def test_several_kinds_of_finding_are_one_doubt(make_evidence):
    """A model that wavers between two findings does not doubt that there is one."""
    evidence = make_evidence([0.98, 0.5], [1, 0])
    probabilities = np.array([[[0.9, 0.08, 0.02]] * 2, [[0.08, 0.9, 0.02]] * 2])
    samples = Samples(
        "members", ("a", "b", "none"), probabilities, probabilities[:, :, :2].sum(axis=2)
    )

    found = sampled_cases(evidence, samples, OperatingPoint(0.5, "set"))

    assert found.bits["epistemic"] == pytest.approx(0, abs=1e-12)
