"""Drifted statistics are found and their clean twin is not; what is immune is said to be so."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.normalisation import normalisation
from ml.checks.normalised import profile_of
from ml.checks.registry import State
from ml.evidence.normalised import AGAIN, OTHERS, STORED, Normalised, NormLayer
from ml.protocol import Protocol
from tests.ml.checks.planted import looked_at

ID = "normalisation"


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def test_a_network_that_knows_one_site_is_flagged_at_the_other_and_its_twin_is_not(quick):
    drifted = normalisation(looked_at("batch", drifted=True), quick)
    clean = normalisation(looked_at("batch", drifted=False), quick)

    assert drifted.state is State.FAIL
    found = findings(drifted)
    assert found["mean_shift:site = B"].state is State.FAIL
    assert "Images of site = B lie 3.1" in found["mean_shift:site = B"].claim
    assert found["mean_shift:site = B"].limit.measure == "mean_shift"
    assert found["mean_shift:site = B"].limit.origin == "platform-default"
    assert len(found["mean_shift:site = B"].cases) == 60
    assert found["mean_shift:site = A"].state is State.PASS
    assert found["log_variance_ratio:site = B"].state is State.FAIL
    regained = values(drifted)["accuracy_regained:site = B"]
    assert regained.value == pytest.approx(0.5)
    assert "50.0 points more of its answers" in found["accuracy_regained:site = B"].claim
    wrong = {
        case_id
        for case_id, label in zip(
            looked_at("batch", drifted=True).case_ids,
            looked_at("batch", drifted=True).label, strict=True,
        )
        if label == "none" and int(case_id[1:]) // 2 % 2
    }  # fmt: skip
    assert set(found["accuracy_regained:site = B"].cases) == wrong
    assert values(drifted)["flip_rate:site = B"].value == pytest.approx(0.5)
    assert values(drifted)["auroc_regained:site = B"].value is not None
    assert clean.state is State.PASS
    assert not [one for one in clean.findings if one.state in (State.CAUTION, State.FAIL)]
    assert values(clean)["accuracy_regained:site = B"].value == 0
    assert "as many of its answers" in findings(clean)["accuracy_regained:site = B"].claim
    assert values(clean)["mean_shift:site = B"].value < 0.05
    assert findings(clean)["mates_change"].state is State.INFO


def test_a_twin_that_counts_in_each_case_is_said_to_be_immune(quick):
    """The same brighter site: it answers as well there, and there is nothing to drift from."""
    result = normalisation(looked_at("instance", drifted=True), quick)

    assert result.state is State.INFO
    assert "from each case alone" in findings(result)["immune"].claim
    assert values(result)["mates_change"].value == 0
    assert set(values(result)) == {"mates_change"}
    assert [one["kind"] for one in result.series] == ["points"]
    shown = looked_at("instance", drifted=True)
    assert ((shown.prediction.score >= 0.5) == (shown.present == 1)).all()


def test_the_chart_has_a_line_for_each_site_and_the_table_every_layer(quick):
    profile, layers = normalisation(looked_at("batch", drifted=True), quick).series

    assert [one["drawn"] for one in profile["columns"] if one["drawn"]] == ["site = A", "site = B"]
    assert [row["layer"] for row in profile["rows"]] == [row[0] for row in layers["rows"]]
    assert profile["rows"][0]["values"][2] == pytest.approx(2.9, abs=0.2)
    assert profile["limit"] == 0.5
    assert [row[1:] for row in layers["rows"]] == [["batch", "stored", 4]] * 2


def test_limits_on_one_site_go_before_that_on_all(quick):
    limits = [
        {"check": ID, "measure": "mean_shift", "value": 0.001, "direction": "max",
         "origin": "pre-registered"},
        {"check": ID, "measure": "mean_shift:site = B", "value": 9, "direction": "max",
         "origin": "pre-registered"},
        {"check": ID, "measure": "accuracy_regained", "value": 0.05, "direction": "max",
         "origin": "pre-registered"},
        {"check": ID, "measure": "nothing", "value": 0.05, "direction": "max",
         "origin": "pre-registered"},
    ]  # fmt: skip
    protocol = Protocol.parse({"draws": 200, "limits": limits})
    found = findings(normalisation(looked_at("batch", drifted=True), protocol))

    assert found["mean_shift:site = B"].state is State.PASS
    assert found["mean_shift:site = A"].state in (State.CAUTION, State.FAIL)
    assert found["accuracy_regained:site = A"].state is State.CAUTION
    assert found["nothing"].state is State.NOT_ASSESSED
    assert found["log_variance_ratio:site = B"].state is State.INFO


def test_without_labels_the_drift_is_there_and_no_accuracy(quick):
    shown = looked_at("batch", drifted=True)
    result = normalisation(replace(shown, present=None, label=(None,) * len(shown.case_ids)), quick)

    assert findings(result)["mean_shift:site = B"].state is State.FAIL
    assert values(result)["flip_rate:site = B"].value == pytest.approx(0.5)
    assert not [one for one in values(result) if one.startswith(("accuracy", "auroc"))]


def test_an_unknown_operating_point_leaves_the_drift(quick):
    result = normalisation(
        looked_at("batch", drifted=True), replace(quick, operating_point="nowhere")
    )

    assert findings(result)["point"].state is State.NOT_ASSESSED
    assert findings(result)["mean_shift:site = B"].state is State.FAIL
    assert "flip_rate:site = B" not in values(result)


# On made-up evidence.


@pytest.fixture
def given(make_evidence, rng):
    """Evidence of one layer of four channels: (n, 4) shifts and ratios, scores by version."""

    def made(shift, *, others=None, again=None, layers=None, ran=None, **more):
        n = len(shift)
        present = np.arange(n) % 2
        score = np.where(present == 1, 0.9, 0.1)
        by = {STORED: score, OTHERS: score if others is None else others,
              AGAIN: np.full(n, np.nan) if again is None else again}  # fmt: skip
        pairs = {name: np.stack([1 - one, one], axis=1) for name, one in by.items()}
        if ran is not None:
            pairs[STORED] = np.where(ran[:, None], pairs[STORED], np.nan)
        kept = layers if layers is not None else (NormLayer("n1", "batch", True, 4, 4),)
        return replace(
            make_evidence(score, present, **more),
            normalisations=Normalised(
                kept, shift.astype(np.float32), np.ones_like(shift, np.float32), pairs,
                used={"": 0}, probabilities=pairs, score=by,
                failures={} if ran is None or ran.all() else {"case-000": "no_image"},
            ),
        )  # fmt: skip

    return made


def test_shift_and_spread_are_those_of_all_values_together(given, rng):
    """Of a group, from moments of its cases: as if every position were one long row."""
    parts = [rng.normal(rng.normal(), rng.uniform(0.5, 2), (50, 4)) for _ in range(30)]
    shift = np.stack([part.mean(0) for part in parts])
    shown = given(shift)
    ratio = np.stack([part.var(0) for part in parts]).astype(np.float32)
    looked = replace(shown.normalisations, ratio=ratio)
    whole = np.concatenate(parts)

    found = profile_of(looked, np.arange(30))

    assert found.shift == pytest.approx([np.sqrt((whole.mean(0) ** 2).mean())], rel=1e-5)
    assert found.spread == pytest.approx([np.abs(np.log(whole.var(0))).mean()], rel=1e-4)


def test_layers_count_alike_whatever_their_width(given, quick):
    layers = (NormLayer("n1", "batch", True, 3, 3), NormLayer("n2", "batch", True, 1, 1))
    shift = np.tile([1.0, 1.0, 1.0, 3.0], (20, 1))
    found = values(normalisation(given(shift, layers=layers), quick))

    assert found["mean_shift:all cases"].value == pytest.approx(2.0)


def test_intervals_are_of_patients(given, quick, rng):
    own = rng.normal(1, 0.5, (12, 4))
    shift = np.repeat(own, 5, axis=0)
    alone = values(normalisation(given(shift), quick))["mean_shift:all cases"]
    clustered = values(
        normalisation(given(shift, cluster=np.arange(60) // 5, cluster_kind="patient"), quick)
    )["mean_shift:all cases"]

    assert alone.value == clustered.value
    assert clustered.high - clustered.low > 1.7 * (alone.high - alone.low)
    assert clustered.low < clustered.value < clustered.high
    assert clustered.extra["n_clusters"] == 12


def test_an_answer_that_depends_on_others_fails_with_its_cases(given, quick):
    n = 40
    others = np.where(np.arange(n) % 2 == 1, 0.9, 0.1)
    others[[3, 8]] += 0.05
    others[5] += 0.0005  # rounding
    result = normalisation(given(np.zeros((n, 4)), others=others), quick)

    found = findings(result)["mates_change"]
    assert result.state is found.state is State.FAIL
    assert set(found.cases) == {"case-003", "case-008"}
    assert "2 of 40 cases" in found.claim
    assert values(result)["mates_change"].value == pytest.approx(0.05)


def test_what_cannot_be_looked_into_is_not_assessed(make_evidence, given, quick):
    blind = normalisation(make_evidence(np.array([0.1, 0.9]), np.array([0, 1])), quick)
    none = normalisation(given(np.zeros((20, 0)), layers=()), quick)
    failed = normalisation(given(np.zeros((20, 4)), ran=np.zeros(20, bool)), quick)

    assert blind.state is none.state is State.NOT_ASSESSED
    assert "an ONNX file that was not taken over" in blind.reason
    assert "folded into the layer before it" in none.reason
    assert failed.reason == "No case could be run."


def test_few_cases_say_nothing_and_failed_ones_are_named(given, quick):
    few = normalisation(given(np.ones((9, 4))), quick)
    ran = np.arange(20) > 0
    failed = normalisation(given(np.zeros((20, 4)), ran=ran), quick)

    assert "mean_shift:all cases" not in values(few)
    assert findings(few)["too-few"].state is State.NOT_ASSESSED
    assert findings(failed)["failed-cases"].cases == ("case-000",)
    assert values(failed)["mean_shift:all cases"].n == 19


def test_subgroups_that_a_protocol_names_are_looked_at_too(given, quick):
    shift = np.zeros((40, 4))
    shift[20:] = 2.0
    shown = given(shift, covariates={"sex": ["f"] * 20 + ["m"] * 20})
    found = values(normalisation(shown, replace(quick, subgroups=("sex",))))

    assert found["mean_shift:sex = m"].value == pytest.approx(2.0)
    assert found["mean_shift:sex = f"].value == 0
    assert found["mean_shift:all cases"].value == pytest.approx(1.0)
