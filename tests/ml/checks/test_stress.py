"""Stress: what breaks is found, what does not is shown to bear it, and the rest is said."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.stress import stress
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.tables import Prediction
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import mean_difference

ID = "stress"
NOISE = Distortion(
    "Gaussian noise", "standard deviation, as a share", (0.02, 0.04, 0.08, 0.12, 0.2)
)
BLUR = Distortion("Low resolution", "factor on the size of a pixel", (1.5, 2.0, 3.0, 4.0, 6.0))


def values(result):
    return {one.id: one for one in result.estimates}


def step(result, corruption, severity):
    """What the table of the chart holds of one severity."""
    panels = {panel["corruption"]: panel for panel in result.series[0]["panels"]}
    return panels[corruption]["rows"][severity - 1]


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.fixture
def corrupted(make_evidence):
    """Evidence whose corrupted scores are given by corruption: (severities, n)."""

    def made(score, present, by, *, ran=None, failures=None, distortions=None, **more):
        evidence = make_evidence(score, present, **more)
        known = distortions or {"noise": NOISE, "low": BLUR}
        rows = np.concatenate([np.asarray(by[name], float) for name in by])
        names = [(name, at + 1) for name in by for at in range(len(by[name]))]
        scores = rows.T
        return replace(
            evidence,
            corruptions=CaseOutputs(
                {"corruption": tuple(n for n, _ in names), "severity": tuple(s for _, s in names)},
                np.stack([1 - scores, scores], axis=2), failures or {}, ran,
                np.stack([1 - scores, scores], axis=2), scores,
                {name: known[name] for name in by},
            ),
        )  # fmt: skip

    return made


def strong(rng, n=400):
    """A model that is nearly always right, and surely."""
    present = rng.integers(0, 2, n)
    return present, (2 * present - 1) * rng.uniform(2, 6, n)


def test_a_model_that_collapses_under_noise_is_flagged_and_its_twin_is_not(corrupted, quick, rng):
    present, logits = strong(rng)
    steps = [logits + rng.normal(0, 0.3, logits.size) for _ in range(5)]
    # From severity 2 on, a third and more of the cases is answered by the coin, and surely.
    falls = [
        np.where(rng.random(logits.size) < share, rng.choice([-5, 5], logits.size), one)
        for share, one in zip((0.0, 0.4, 0.6, 0.8, 1.0), steps, strict=True)
    ]
    low = [sigmoid(one) for one in steps]

    broken = stress(
        corrupted(sigmoid(logits), present, {"noise": [sigmoid(f) for f in falls], "low": low}),
        quick,
    )
    sound = stress(corrupted(sigmoid(logits), present, {"noise": low, "low": low}), quick)

    found = findings(broken)["severity_borne:noise"]
    assert found.state is broken.state is State.FAIL
    told = (
        "Gaussian noise is too much for it from severity 2 (standard deviation, as a share: 0.04)"
    )
    assert told in found.claim
    assert values(broken)["severity_borne:noise"].value == 1
    wrong = (falls[1] >= 0) != (present == 1)
    assert set(found.cases) == {f"case-{at:03d}" for at in np.flatnonzero(wrong)}
    assert findings(broken)["severity_borne:low"].state is State.PASS
    borne = findings(sound)["severity_borne:borne"]
    assert borne.state is State.PASS
    assert "It bears 2 corruptions as far as is asked" in borne.claim
    assert "Low resolution, severity 2 (factor on the size of a pixel: 2)" in borne.why
    assert (
        "Low resolution is borne up to severity 5" in findings(broken)["severity_borne:low"].claim
    )
    assert findings(broken)["accuracy_loss"].state is State.FAIL
    assert findings(broken)["accuracy_loss"].cases == found.cases
    assert findings(sound)["accuracy_loss"].state is State.PASS
    assert sound.state is State.PASS
    sure = findings(broken)["error_when_sure"]
    assert sure.state is State.FAIL
    assert "Most often under Gaussian noise" in sure.why
    assert findings(sound)["error_when_sure"].state is State.PASS


def test_sure_errors_are_those_that_claim_it(corrupted, quick, rng):
    """A model that errs as often, but loses its confidence with the image, is not flagged."""
    present, logits = strong(rng)
    flips = rng.random((5, logits.size)) < np.array([[0.1], [0.2], [0.3], [0.3], [0.3]])
    boasting = sigmoid(np.where(flips, -logits - 1, logits))
    doubting = sigmoid(np.where(flips, -0.1 * np.sign(logits), logits))

    loud = stress(corrupted(sigmoid(logits), present, {"noise": boasting}), quick)
    quiet = stress(corrupted(sigmoid(logits), present, {"noise": doubting}), quick)

    assert step(loud, "noise", 3)["accuracy_lost"] == step(quiet, "noise", 3)["accuracy_lost"] > 0.2
    claimed = np.maximum(boasting, 1 - boasting) >= 0.95
    assert values(loud)["error_when_sure"].value == pytest.approx(
        flips[claimed].sum() / claimed.sum()
    )
    assert findings(loud)["error_when_sure"].state is State.FAIL
    assert findings(quiet)["error_when_sure"].state is State.PASS
    listed = findings(loud)["error_when_sure"].cases
    assert set(listed) == {f"case-{at:03d}" for at in np.flatnonzero((flips & claimed).any(axis=0))}


def test_losses_are_paired_by_case_and_drawn_by_patient(corrupted, quick, rng):
    n = 120
    present = rng.integers(0, 2, n)
    score = rng.random(n)
    worse = np.stack([np.where(rng.random(n) < 0.1 * s, 1 - score, score) for s in range(1, 6)])
    patient = np.arange(n) // 4

    result = stress(
        corrupted(score, present, {"noise": worse}, cluster=patient, cluster_kind="patient"), quick
    )

    def right(p):
        return ((p >= 0.5) == (present == 1)).astype(float)

    for severity in (1, 5):
        found = step(result, "noise", severity)
        expected = mean_difference(
            "x", right(score), right(worse[severity - 1]), Clusters.of(patient, "patient"),
            Settings(200, quick.seed, quick.level),
        )  # fmt: skip
        ends = [found[f"accuracy_lost{end}"] for end in ("", "_low", "_high")]
        assert ends == pytest.approx([expected.value, expected.low, expected.high], abs=1e-6)
    assert "30 patients" in values(result)["accuracy_loss"].method
    flips = step(result, "noise", 5)["flip_rate"]
    assert flips == pytest.approx(((score >= 0.5) != (worse[4] >= 0.5)).mean(), abs=1e-6)


def test_mild_flips_name_the_cases_of_the_two_mildest_severities(corrupted, quick, rng):
    present, logits = strong(rng, n=60)
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    for severity, case in ((0, 7), (1, 9), (2, 11)):
        by[severity, case] = 1 - clean[case]

    found = findings(stress(corrupted(clean, present, {"noise": by}), quick))["flip_rate:mild"]

    assert set(found.cases) == {"case-007", "case-009"}
    assert "In 2 of 60 cases" in found.claim


def test_what_few_cases_cannot_tell_is_a_caution(corrupted, quick, rng):
    present, logits = strong(rng, n=24)
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    by[:, 3] = 1 - clean[3]

    found = findings(stress(corrupted(clean, present, {"noise": by}), quick))

    assert found["severity_borne:noise"].state is State.CAUTION
    assert "cannot be told from 24 cases" in found["severity_borne:noise"].claim


def test_corruptions_that_stay_open_are_one_finding(corrupted, quick, rng):
    present, logits = strong(rng, n=24)
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    by[:, 3] = 1 - clean[3]

    found = findings(stress(corrupted(clean, present, {"noise": by, "low": [clean] * 5}), quick))

    one = found["severity_borne:open"]
    assert one.state is State.CAUTION
    assert (one.measure, one.cases) == ("severity_borne:noise", ("case-003",))
    assert "'stress_cases' in the protocol" in one.action
    assert found["accuracy_loss"].state is State.CAUTION
    assert "severity_borne:low" not in found


def test_the_case_that_is_shown_falls_where_it_is_first_too_much(corrupted, quick, rng):
    present, logits = strong(rng, n=80)
    present[3], logits[3] = 1, -4.0  # wrong as it is, so no corruption makes it wrong
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    by[1:, 10:] = 1 - by[1:, 10:]  # from severity 2 on
    by[2:, 5] = 1 - by[2:, 5]  # one falls later
    by[0, 2] = 1 - clean[2]  # and one sooner, and neither is an example of severity 2
    evidence = corrupted(clean, present, {"noise": by, "low": [clean] * 5})

    panels = {one["corruption"]: one for one in stress(evidence, quick).series[0]["panels"]}

    assert panels["noise"]["first_too_much"] == 2
    shown = panels["noise"]["shown"]
    assert shown["case"] == "case-010"
    assert shown["right"] == [True, True, False, False, False, False]
    assert shown["scores"] == [round(float(one), 6) for one in (clean[10], *by[:, 10])]
    assert panels["low"]["first_too_much"] is None
    assert panels["low"]["shown"]["case"] == "case-000"
    assert panels["low"]["shown"]["right"] == [True] * 6


def test_a_case_is_shown_only_where_each_of_its_copies_was_answered(corrupted, quick, rng):
    present, logits = strong(rng, n=40)
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    by[4, :2] = np.nan
    lost = np.full((5, 40), np.nan)
    evidence = corrupted(clean, present, {"noise": by, "low": lost})

    panels = {one["corruption"]: one for one in stress(evidence, quick).series[0]["panels"]}

    assert panels["noise"]["shown"]["case"] == "case-002"
    assert panels["low"]["shown"] is None


def test_what_the_protocol_chose_is_said(corrupted, quick, rng):
    present, logits = strong(rng, n=60)
    evidence = corrupted(sigmoid(logits), present, {"noise": [sigmoid(logits)] * 5})
    chosen = replace(evidence, corruptions=replace(evidence.corruptions, offered=21))

    of_all, of_some = stress(evidence, quick), stress(chosen, quick)

    assert "; 1 corruption. Severity 0" in of_all.series[0]["subtitle"]
    assert "1 of 21 corruptions, chosen by the protocol" in of_some.series[0]["subtitle"]
    assert "chosen by" not in of_all.series[0]["subtitle"]
    said = "Over the one corruption that was run and all severities"
    assert findings(of_some)["mean_accuracy_loss"].claim.startswith(said)
    assert findings(of_all)["mean_accuracy_loss"].claim.startswith("Over all corruptions and all")


def test_only_cases_that_were_drawn_count(corrupted, quick, rng):
    present, logits = strong(rng, n=100)
    clean = sigmoid(logits)
    ran = np.arange(100) < 40
    by = np.where(ran, np.stack([clean] * 5), np.nan)

    result = stress(corrupted(clean, present, {"noise": by}, ran=ran), quick)

    assert values(result)["accuracy"].n == 40
    assert "failed-copies" not in findings(result)
    assert "40 of 100 cases, drawn by the seed" in findings(result)["severity_borne:noise"].why
    assert "40 of 100 cases" in result.series[0]["subtitle"]


def test_a_copy_that_failed_is_said_and_left_out(corrupted, quick, rng):
    present, logits = strong(rng, n=60)
    clean = sigmoid(logits)
    by = np.stack([clean] * 5)
    by[4, 2] = np.nan

    result = stress(
        corrupted(clean, present, {"noise": by}, failures={"case-002": "non_finite_output"}), quick
    )

    assert findings(result)["failed-copies"].cases == ("case-002",)
    assert (step(result, "noise", 5)["n"], step(result, "noise", 4)["n"]) == (59, 60)
    assert values(result)["mean_accuracy_loss"].n == 59


def test_the_margin_is_the_protocols_and_may_be_on_the_auroc(corrupted, rng):
    present, logits = strong(rng)
    by = [sigmoid(np.where(rng.random(logits.size) < 0.15, -logits, logits)) for _ in range(5)]
    evidence = corrupted(sigmoid(logits), present, {"noise": by})

    def asked(measure, margin):
        limits = [
            {"check": ID, "measure": measure, "value": margin, "direction": "max",
             "origin": "pre-registered"},
            {"check": ID, "measure": "severity_borne", "value": 3, "direction": "min",
             "origin": "literature"},
        ]  # fmt: skip
        protocol = Protocol.parse({"draws": 200, "limits": limits})
        return findings(stress(evidence, protocol))["severity_borne:noise"]

    assert asked("accuracy_loss", 0.05).state is State.FAIL
    assert asked("accuracy_loss", 0.3).state is State.PASS
    assert "Accepted is 30 points (pre-registered)" in asked("accuracy_loss", 0.3).why
    assert "It must bear severity 3 (literature)" in asked("accuracy_loss", 0.3).why
    ranked = asked("auroc_loss", 0.05)
    assert ranked.state is State.FAIL
    assert "the AUROC loses 0." in ranked.claim


def test_without_a_margin_nothing_is_judged(corrupted, rng):
    present, logits = strong(rng, n=60)
    evidence = corrupted(sigmoid(logits), present, {"noise": [1 - sigmoid(logits)] * 5})
    result = stress(evidence, Protocol.parse({"draws": 200, "limits": []}))
    assert {one.state for one in result.findings} <= {State.INFO, State.NOT_ASSESSED}
    assert "loss of accuracy is 100.0 points" in findings(result)["severity_borne:noise"].claim


def test_a_model_of_kinds_is_held_against_its_kinds(corrupted, quick, rng):
    label = rng.integers(0, 3, 90)
    names = ("none", "benign", "malignant")
    probabilities = 0.8 * np.eye(3)[label] + 0.2 / 3
    evidence = corrupted(1 - probabilities[:, 0], (label > 0).astype(int),
                         {"noise": [1 - probabilities[:, 0]] * 5})  # fmt: skip
    swapped = probabilities[:, [0, 2, 1]]  # benign for malignant: the finding is there all the same
    many = np.stack([swapped] * 5, axis=1)
    evidence = replace(
        evidence, classes=names, positive=names[1:], label=tuple(names[at] for at in label),
        prediction=Prediction(names, names[1:], "probabilities", probabilities,
                              1 - probabilities[:, 0]),
        corruptions=replace(evidence.corruptions, outputs=many, probabilities=many),
    )  # fmt: skip

    result = stress(evidence, quick)

    first = step(result, "noise", 1)
    assert first["accuracy_lost"] == pytest.approx((label > 0).mean(), abs=1e-6)
    assert first["auroc_lost"] == 0


def test_raw_outputs_without_a_meaning_are_not_assessed(corrupted, quick, rng):
    present, logits = strong(rng, n=30)
    evidence = corrupted(sigmoid(logits), present, {"noise": [sigmoid(logits)] * 5})
    bare = replace(evidence, corruptions=replace(evidence.corruptions, score=None))
    assert stress(bare, quick).state is State.NOT_ASSESSED


def test_the_panels_hold_what_was_measured(corrupted, quick, rng):
    present, logits = strong(rng, n=80)
    clean = sigmoid(logits)
    by = np.stack([np.where(rng.random(80) < 0.1 * s, 1 - clean, clean) for s in range(1, 6)])

    series = stress(corrupted(clean, present, {"noise": by}), quick).series[0]

    row = series["panels"][0]["rows"][3]
    right = (by[3] >= 0.5) == (present == 1)
    assert row["value"] == 0.12
    assert row["accuracy"] == pytest.approx(right.mean())
    assert row["low"] <= row["accuracy"] <= row["high"]
    assert row["brier"] == pytest.approx(((by[3] - present) ** 2).mean(), abs=1e-6)
    assert row["claimed"] == pytest.approx(np.maximum(by[3], 1 - by[3]).mean(), abs=1e-6)
    assert series["line"] == pytest.approx(1.0 - 0.05)


def flipped(rng, logits, shares):
    """A share of the cases answered wrongly at each severity."""
    return rng.random((5, logits.size)) < np.array(shares)[:, None]


def test_a_model_that_fails_without_doubt_is_flagged_and_its_doubting_twin_is_not(
    corrupted, quick, rng
):
    present, logits = strong(rng)
    flips = flipped(rng, logits, (0.0, 0.3, 0.4, 0.5, 0.5))
    boasting = sigmoid(np.where(flips, -logits, logits))  # as sure as before, and wrong
    doubting = sigmoid(np.where(flips, -0.1 * np.sign(logits), logits))
    clean = sigmoid(logits)

    loud, quiet = (
        stress(corrupted(clean, present, {"noise": one, "low": [clean] * 5}), quick)
        for one in (boasting, doubting)
    )

    told = findings(loud)["unnoticed"]
    assert told.state is State.CAUTION
    assert "Under 1 corruption that is too much for it, its doubt is not shown to rise: " in (
        told.claim
    )
    assert "Gaussian noise at severity 2 (standard deviation, as a share: 0.04) costs" in told.claim
    assert set(told.cases) == {f"case-{at:03d}" for at in np.flatnonzero(flips[1])}
    heard = findings(quiet)["unnoticed"]
    assert heard.state is State.INFO
    assert heard.claim == ("Under the one corruption that is too much for it, its doubt rises too.")
    assert heard.cases == ()
    assert (told.measure, heard.measure) == ("entropy_rise:noise",) * 2


def test_one_silent_corruption_among_two_is_named(corrupted, quick, rng):
    present, logits = strong(rng)
    flips = flipped(rng, logits, (0.3, 0.3, 0.4, 0.5, 0.5))
    boasting = sigmoid(np.where(flips, -logits, logits))
    doubting = sigmoid(np.where(flips, -0.1 * np.sign(logits), logits))

    found = findings(
        stress(corrupted(sigmoid(logits), present, {"noise": doubting, "low": boasting}), quick)
    )["unnoticed"]

    assert "Under 1 of 2 corruptions that are too much for it" in found.claim
    assert "Low resolution at severity 1" in found.claim
    assert "Gaussian noise, severity 1" in found.why


def test_where_nothing_breaks_there_is_nothing_to_notice(corrupted, quick, rng):
    present, logits = strong(rng)
    result = stress(corrupted(sigmoid(logits), present, {"noise": [sigmoid(logits)] * 5}), quick)
    assert "unnoticed" not in findings(result)


def test_the_rise_of_doubt_is_paired_by_case_and_drawn_by_patient(corrupted, quick, rng):
    n = 120
    present, logits = strong(rng, n)
    copies = np.stack([sigmoid(logits / (1 + s) + rng.normal(0, 0.2, n)) for s in range(5)])
    copies[4, 7] = np.nan
    patient = np.arange(n) // 4

    result = stress(
        corrupted(
            sigmoid(logits), present, {"noise": copies}, cluster=patient, cluster_kind="patient",
            failures={"case-007": "non_finite_output"},
        ),
        quick,
    )  # fmt: skip

    def bits(p):
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    clean = bits(sigmoid(logits))
    settings = Settings(200, quick.seed, quick.level)
    row = step(result, "noise", 3)
    expected = mean_difference(
        "x", bits(copies[2]), clean, Clusters.of(patient, "patient"), settings
    )
    ends = [row[f"entropy_rise{end}"] for end in ("", "_low", "_high")]
    assert ends == pytest.approx([expected.value, expected.low, expected.high], abs=1e-6)
    found = values(result)["entropy_rise:noise"]
    assert found.value == pytest.approx(
        (bits(np.delete(copies, 7, axis=1)).mean(axis=0) - np.delete(clean, 7)).mean()
    )
    assert (found.n, found.unit) == (n - 1, "bits")
    assert "30 patients" in found.method
    assert values(result)["entropy_rise"].value == pytest.approx(found.value)


@pytest.mark.parametrize(
    ("scale", "words"), [(0.3, "rises by"), (3.0, "falls by"), (1.0, "is not shown to rise:")]
)
def test_the_rise_over_all_is_said_in_words_and_judged_where_asked(corrupted, rng, scale, words):
    present, logits = strong(rng)
    limit = {"check": ID, "measure": "entropy_rise", "value": 0.0, "direction": "min",
             "origin": "pre-registered"}  # fmt: skip
    evidence = corrupted(sigmoid(logits), present, {"noise": [sigmoid(scale * logits)] * 5})
    bare, asked = (
        findings(stress(evidence, Protocol.parse({"draws": 200, "limits": limits})))["entropy_rise"]
        for limits in ([], [limit])
    )
    assert f"the entropy of its answers {words}" in bare.claim
    assert bare.state is State.INFO
    judged = {0.3: State.PASS, 3.0: State.FAIL}
    if scale in judged:
        assert asked.state is judged[scale]


def test_who_became_wrong_without_doubt_is_listed_and_nobody_else(corrupted, quick, rng):
    """One doubtful answer among silent errors shows no rise; nor is it silent itself."""
    present, logits = strong(rng)
    flips = flipped(rng, logits, (0.3, 0.3, 0.3, 0.3, 0.3))
    flips[:, :3] = [True, True, False]
    copies = np.where(flips, -logits, logits)
    copies[:, 1] = -0.1 * np.sign(logits[1])  # wrong, and in doubt
    present[2] = 1 - present[2]  # wrong all along

    found = findings(stress(corrupted(sigmoid(logits), present, {"noise": sigmoid(copies)}), quick))

    told = found["unnoticed"]
    assert told.state is State.CAUTION
    assert "case-000" in told.cases
    assert not {"case-001", "case-002"} & set(told.cases)
