"""Uncertainty under corruption: what rises with errors, what does not, and what is not known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.checks.registry import State
from ml.checks.stress import stress
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.sampled_copies import SampledCopies
from ml.protocol import Protocol
from ml.stats.uncertainty.decomposition import entropy_parts

ID = "stress"
NOISE = Distortion("Gaussian noise", "standard deviation", (0.02, 0.04, 0.08, 0.12, 0.2))
BLUR = Distortion("Low resolution", "factor", (1.5, 2.0, 3.0, 4.0, 6.0))
KNOWN = {"noise": NOISE, "low": BLUR}
ASKED = Protocol.parse({"checks": [ID], "draws": 200, "limits": [], "stress_samples": 8})
N, T = 240, 8


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


@pytest.fixture
def sampled(make_evidence, rng):
    """A right and sure model whose answers are turned in a share of the copies.

    ``wrong`` and ``apart`` give, by corruption and severity, the share of wrong answers and how far
    samples lie apart, in log-odds; the image as it is has ``clean_wrong`` and 0.2.
    """

    def made(wrong, apart, *, clean_wrong=0.05, kind="dropout", present=None, **more):
        if present is None:
            present = rng.integers(0, 2, N)
        sign = 2 * present - 1

        def logits(share):
            turned = rng.random(N) < share
            return np.where(turned, -sign, sign) * rng.uniform(1.0, 3.0, N)

        clean = logits(clean_wrong)
        places = [(name, s) for name in wrong for s in range(1, 6)]
        copies = [logits(wrong[name][s - 1]) for name, s in places]
        away = [0.2, *(apart[name][s - 1] for name, s in places)]
        draws = rng.normal(size=(N, T))
        score = np.stack(
            [1 / (1 + np.exp(-(z[:, None] + a * draws))) for z, a in
             zip([clean, *copies], away, strict=True)], axis=1,
        )  # fmt: skip
        flat = 1 / (1 + np.exp(-np.stack(copies, axis=1)))
        both = np.stack([1 - flat, flat], axis=2)
        keys = {"corruption": tuple(n for n, _ in places), "severity": tuple(s for _, s in places)}
        evidence = make_evidence(1 / (1 + np.exp(-clean)), present, **more)
        return replace(
            evidence,
            corruptions=CaseOutputs(
                keys, both, {}, None, both, flat, {name: KNOWN[name] for name in wrong}
            ),
            corrupted_samples=SampledCopies(
                {"corruption": ("none", *keys["corruption"]), "severity": (0, *keys["severity"])},
                np.arange(N), np.stack([1 - score, score], axis=3), {}, kind, score,
            ),
        )  # fmt: skip

    return made


ERRS = {"noise": (0.06, 0.07, 0.25, 0.35, 0.45)}
RISES, STAYS = {"noise": (0.4, 0.8, 1.6, 2.0, 2.5)}, {"noise": (0.2, 0.2, 0.2, 0.2, 0.2)}


def test_a_model_whose_answers_part_as_it_errs_is_told_from_one_whose_do_not(sampled):
    honest, silent = sampled(ERRS, RISES), sampled(ERRS, STAYS)

    told, kept = stress(honest, ASKED), stress(silent, ASKED)

    found = findings(told)["doubled"]
    assert found.state is State.INFO
    assert found.claim.startswith("Under Gaussian noise at severity 3 (standard deviation: 0.08)")
    assert "its mean epistemic uncertainty rises by" in found.claim
    assert "8 samples of its dropout answer each copy, with the same masks" in found.why
    assert values(told)["epistemic_rise"].low > 0
    assert values(told)["rises_with_errors:epistemic"].value > 0.9
    quiet = findings(kept)["doubled"]
    assert quiet.state is State.CAUTION
    assert quiet.action
    assert "neither its total nor its epistemic uncertainty is shown to rise there" in quiet.claim
    assert "is not shown to rise: it changes by" in quiet.claim
    rise = values(kept)["epistemic_rise"]
    assert rise.low < 0.01
    assert rise.value == pytest.approx(0, abs=0.01)


def test_numbers_are_those_of_the_parts_paired_by_case(sampled):
    evidence = sampled(ERRS, RISES)
    result = stress(evidence, ASKED)
    score = evidence.corrupted_samples.score

    parts = [
        entropy_parts(np.stack([1 - score[:, at], score[:, at]], axis=2).transpose(1, 0, 2),
                      unit="bits")
        for at in range(6)
    ]  # fmt: skip
    rows = result.series[0]["panels"][0]["rows"]
    for severity in range(1, 6):
        for kind in ("total", "epistemic"):
            each = getattr(parts[severity], kind) - getattr(parts[0], kind)
            row = rows[severity - 1]
            assert row[f"{kind}_rise"] == pytest.approx(each.mean(), abs=1e-6)
            assert row[f"{kind}_rise_low"] < each.mean() < row[f"{kind}_rise_high"]
            assert row[f"{kind}_bits"] == pytest.approx(
                getattr(parts[severity], kind).mean(), abs=1e-6
            )
    mean = np.mean([one.epistemic for one in parts[1:]], axis=0) - parts[0].epistemic
    assert values(result)["epistemic_rise:noise"].value == pytest.approx(mean.mean())
    assert values(result)["epistemic_rise"].unit == "bits"
    errors = [(evidence.prediction.score >= 0.5) != (evidence.present == 1)]
    errors += [(evidence.corruptions.score[:, at] >= 0.5) != (evidence.present == 1)
               for at in range(5)]  # fmt: skip
    expected = stats.spearmanr(
        [one.epistemic.mean() for one in parts], [one.mean() for one in errors]
    ).statistic
    assert values(result)["rises_with_errors:epistemic"].value == pytest.approx(expected)


def test_errors_double_at_a_severity_that_is_shown_to_err_more_or_nothing_is_said_of_it(sampled):
    never = sampled({"noise": (0.05,) * 5, "low": (0.05,) * 5}, {**STAYS, "low": (0.2,) * 5})
    first = sampled({"noise": (0.0, 0.0, 0.3, 0.4, 0.5)}, RISES, clean_wrong=0.0)

    half_more = sampled({"noise": (0.5,) * 5}, STAYS, clean_wrong=0.3)

    more = stress(half_more, ASKED)
    assert all(row["accuracy_lost_low"] > 0 for row in more.series[0]["panels"][0]["rows"])
    assert findings(more)["doubled"].claim.startswith(
        "Under the one corruption that was run its errors are not shown to double"
    )
    calm = findings(stress(never, ASKED))["doubled"]
    assert calm.state is State.INFO
    assert calm.claim.startswith("Under none of 2 corruptions are its errors shown to double")
    assert "severity 3 (standard deviation: 0.08), where it first errs (0 to" in (
        findings(stress(first, ASKED))["doubled"].claim
    )


def test_of_several_corruptions_the_one_that_it_does_not_tell_is_named(sampled):
    errs = {**ERRS, "low": (0.3, 0.4, 0.45, 0.45, 0.5)}
    evidence = sampled(errs, {**RISES, "low": (0.2,) * 5}, kind="members")

    found = findings(stress(evidence, ASKED))["doubled"]

    assert found.state is State.CAUTION
    assert found.claim.startswith("Under 1 of 2 corruptions of which some severity doubles")
    assert "Under Low resolution at severity 1" in found.claim
    assert "8 members answer each copy;" in found.why
    assert "masks" not in found.why
    assert "Gaussian noise, severity 3: errors" in found.why


def test_a_copy_without_all_answers_is_left_out_and_named(sampled):
    evidence = sampled(ERRS, RISES)
    score = evidence.corrupted_samples.score.copy()
    score[7, 3, 2] = np.nan
    evidence = replace(
        evidence, corrupted_samples=replace(evidence.corrupted_samples, score=score)
    )  # fmt: skip

    result = stress(evidence, ASKED)

    assert findings(result)["failed-copies"].cases == ("case-007",)
    assert values(result)["epistemic_rise"].n == N - 1
    assert values(result)["rises_with_errors:total"].n == N - 1
    assert np.isfinite(values(result)["epistemic_rise:noise"].value)


def test_few_patients_have_a_value_and_no_interval(sampled):
    evidence = sampled(ERRS, RISES, cluster=np.arange(N) // 60, cluster_kind="patient")

    found = values(stress(evidence, ASKED))

    assert found["epistemic_rise"].value > 0
    assert found["epistemic_rise"].low is None
    assert found["rises_with_errors:epistemic"].low is None


def test_what_was_asked_and_is_not_there_is_said_with_the_way_out(sampled):
    evidence = replace(
        sampled(ERRS, RISES), corrupted_samples=None, no_samples="It has no dropout."
    )  # fmt: skip

    asked, plain = stress(evidence, ASKED), stress(evidence, replace(ASKED, stress_samples=0))

    found = findings(asked)["not-sampled"]
    assert found.state is State.NOT_ASSESSED
    assert found.why == "It has no dropout."
    assert "not-sampled" not in findings(plain)
    assert "epistemic_rise" not in values(asked)
    assert "epistemic_bits" not in asked.series[0]["panels"][0]["rows"][0]


def test_copies_of_another_pass_are_no_evidence(sampled):
    evidence = sampled(ERRS, RISES)
    other = replace(
        evidence.corrupted_samples,
        keys={"corruption": ("none",) + ("gamma",) * 5, "severity": (0, 1, 2, 3, 4, 5)},
    )

    with pytest.raises(ValueError, match="not those that were stressed"):
        stress(replace(evidence, corrupted_samples=other), ASKED)


def test_of_cases_that_were_drawn_each_has_its_own_numbers(sampled):
    evidence = sampled(ERRS, RISES)
    ran, whole = np.arange(N) % 3 == 0, evidence.corrupted_samples
    part = replace(
        evidence,
        corruptions=replace(evidence.corruptions, ran=ran),
        corrupted_samples=replace(
            whole, place=np.where(ran, np.cumsum(ran) - 1, -1), outputs=whole.outputs[ran],
            score=whole.score[ran],
        ),
    )  # fmt: skip

    found = values(stress(part, ASKED))["epistemic_rise"]

    each = [
        entropy_parts(np.stack([1 - one, one], axis=2), unit="bits").epistemic
        for one in whole.score[ran].transpose(1, 2, 0)
    ]
    assert found.n == ran.sum()
    assert found.value == pytest.approx((np.mean(each[1:], axis=0) - each[0]).mean())
