"""The checks that read what intake found out: what they say, and when they refuse to."""

from dataclasses import replace

import pytest

from ml.checks.capability import capabilities, follows
from ml.checks.determinism import determinism
from ml.checks.intake import intake
from ml.checks.intake_points import points
from ml.checks.registry import State, all_checks
from ml.document import verdict
from ml.evidence.intake_record import sealed
from ml.evidence.tables import IntakeRecord
from ml.verdict import met_by

SMOKE = {
    "cases": 2, "deterministic": True, "repeat_difference": 0.0, "batch_difference": 0.0,
    "finite": True, "low": -1.5, "high": 2.0, "doubt": "", "seconds_per_case": 0.1,
    "runtime": {"onnxruntime": "1.32.0", "providers": ["CPUExecutionProvider"], "device": "cpu"},
}  # fmt: skip
LAYER = {
    "name": "conv9", "where": "features.9", "channels": 64, "places": [14, 14],
    "receptive_field": [99, 99], "local_field": [99, 99], "reason": "",
}  # fmt: skip
CARD = {
    "format": "onnx", "smoke": SMOKE, "gradients": True, "not_taken_over": [], "dropout_sites": 2,
    "dropout_rates": [0.5], "normalisation": {"batch_norm": 4}, "program_difference": 2e-6,
    "measured": {"flops_per_case": 15_470_000_000, "batch": "any", "map_layer": LAYER,
                 "head": {"name": "l", "where": "head", "features": 512, "outputs": 2}},
    "scan": {"files": [{"name": "m.onnx", "bytes": 9, "kind": "onnx", "use": "weights"}],
             "n_files": 1, "n_bytes": 9},
}  # fmt: skip
MANIFEST = {
    "intended_use": "For tests.",
    "operating_points": [{"name": "half", "threshold": 0.5}],
    "output": {"kind": "logits", "activation": "softmax", "classes": ["no", "yes"],
               "positive": ["yes"]},
}  # fmt: skip


@pytest.fixture
def ask(make_evidence, quick):
    def ask(check, changes=None, smoke=None, manifest=None, seal=sealed):
        card = CARD | {"smoke": SMOKE | (smoke or {})} | (changes or {})
        record = IntakeRecord(seal(card), MANIFEST | (manifest or {}))
        return check(replace(make_evidence(n=5), intake=record), quick)

    return ask


def found(result, name):
    return next(one for one in result.findings if one.id.endswith(f".{name}"))


def test_a_model_in_order_informs_and_is_no_verdict(ask):
    results = [ask(intake), ask(determinism)]

    for result in results:
        assert result.state is State.INFO
        assert {finding.state for finding in result.findings} == {State.INFO}
    assert verdict([result.state for result in results]) is State.NOT_ASSESSED
    assert found(results[0], "classes").claim.startswith("Classes as declared: no, yes, in this")
    assert "half at 0.5" in found(results[0], "operating-point").claim
    assert "99 x 99 pixels" in found(results[0], "map-layer").claim
    assert "15.5 billion" in found(results[0], "cost").claim
    assert [one.id for one in results[1].estimates] == [
        "repeat_difference", "batch_difference", "program_difference"
    ]  # fmt: skip
    assert results[1].estimates[2].value == 2e-6


@pytest.mark.parametrize("check", [intake, determinism])
def test_without_a_model_or_with_another_record_nothing_is_assessed(
    check, ask, make_evidence, quick
):
    alone = check(make_evidence([0.1, 0.9], [0, 1], source="uploaded"), quick)
    changed = ask(check, seal=lambda card: sealed(card) | {"dropout_sites": 3})
    old = ask(check, seal=lambda card: card)

    assert alone.state is changed.state is old.state is State.NOT_ASSESSED
    assert "Hand in the model itself" in alone.reason
    assert "new version" in changed.reason


@pytest.mark.parametrize(
    ("smoke", "name", "state"),
    [
        ({"deterministic": False, "repeat_difference": 1e-6}, "repeat", State.CAUTION),
        ({"deterministic": False, "repeat_difference": 1e-2}, "repeat", State.FAIL),
        ({"deterministic": False, "repeat_difference": 0.0}, "repeat", State.FAIL),
        ({"batch_difference": 9e-5}, "batch-mates", State.INFO),
        ({"batch_difference": 2e-4}, "batch-mates", State.FAIL),
    ],
)
def test_what_depends_on_more_than_the_case_is_said(smoke, name, state, ask):
    result = ask(determinism, smoke=smoke)

    assert found(result, name).state is state
    assert (result.state is state) or state is State.INFO
    assert bool(found(result, name).action) is (state is not State.INFO)


def test_runtimes_that_differ_are_a_caution(ask):
    result = ask(determinism, {"program_difference": 5e-4})

    assert found(result, "runtimes").state is State.CAUTION


@pytest.mark.parametrize(
    ("changes", "smoke", "name", "state"),
    [
        ({"notes": ["One.", "Two."]}, {}, "note-2", State.CAUTION),
        ({}, {"doubt": "They add up to 1."}, "activation", State.CAUTION),
        ({}, {"finite": False}, "finite", State.FAIL),
        ({"gradients": False, "not_taken_over": ["LSTM."]}, {}, "gradients", State.INFO),
    ],
)
def test_doubts_of_the_record_are_findings(changes, smoke, name, state, ask):
    assert found(ask(intake, changes, smoke), name).state is state


def test_what_the_author_left_out_informs(ask):
    result = ask(intake, manifest={"intended_use": "", "operating_points": []})

    assert result.state is State.INFO
    assert "0.5 is taken" in found(result, "operating-point").claim
    assert found(result, "intended-use").action


def test_ids_of_findings_are_their_own(ask):
    result = ask(intake, {"notes": ["One.", "Two."]})

    ids = [finding.id for finding in result.findings]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"gradients": False, "not_taken_over": ["LSTM."]}, "gradients", "black box: LSTM."),
        ({"dropout_sites": 0}, "dropout", "no dropout layer"),
        ({"dropout_rates": [0.0]}, "dropout", "2 dropout layers of the rate 0"),
        ({"measured": {"reason": "No torch."}}, "map-layer", "No torch"),
        ({"measured": CARD["measured"] | {"map_layer": {"reason": "No."}}}, "map-layer", "No"),
    ],
)
def test_a_card_says_what_cannot_be_done_and_why(changes, name, words):
    rows = {row.id: row for row in capabilities(CARD | changes)}

    assert rows[name].state is State.NOT_ASSESSED
    assert words in rows[name].says
    assert rows["runtime"].says == "onnxruntime 1.32.0: CPUExecutionProvider"


def test_a_place_that_sees_all_says_through_what():
    layer = LAYER | {"receptive_field": None, "local_field": [35, 35], "reason": "A mean of all."}
    rows = {row.id: row for row in capabilities(
        CARD | {"measured": CARD["measured"] | {"map_layer": layer, "batch": 1}}
    )}  # fmt: skip

    assert (
        "the whole picture (A mean of all); its convolutions alone 35 x 35"
        in rows["map-layer"].says
    )
    assert rows["batch"].says.startswith("1 at once")


def test_an_old_card_says_only_what_it_holds():
    assert [row.id for row in capabilities({"format": "onnx"})] == ["dropout"]
    assert [point.id for point in points({"format": "onnx"}, {})][:2] == ["contents", "trial"]


@pytest.mark.parametrize(
    ("gradients", "dims", "can", "cannot"),
    [
        (True, 2, ["gradient-flow", "normalisation", "adversarial-lite"], []),
        (True, 3, ["gradient-flow", "normalisation"], ["adversarial-lite"]),
        (False, 2, [], ["gradient-flow", "normalisation", "adversarial-lite"]),
    ],
)
def test_what_looks_into_a_network_follows_where_that_can_be_done(gradients, dims, can, cannot):
    met = met_by(
        CARD | {"gradients": gradients}, MANIFEST | {"format": "onnx", "input": {"dims": dims}}
    )
    rows = {row.id: row for row in follows(met, all_checks())}

    assert {name for name in (*can, *cannot) if rows[name].state is State.PASS} == set(can)
    for name in cannot:
        assert rows[name].state is State.NOT_ASSESSED
        assert "can be looked into" in rows[name].says


def test_every_check_has_a_line_and_what_it_lacks():
    rows = {row.id: row for row in follows(frozenset({"prediction", "intake"}), all_checks())}

    assert rows["discrimination"].says == "with a cohort that has reference labels"
    assert rows["intake"].state is State.PASS
    assert rows["calibration"].says == "needs probabilities"
    assert rows["mrmc"].state is State.INFO
    masks = follows(frozenset({"predicted-masks"}), all_checks(), "segmentation")
    assert "discrimination" not in {row.id for row in masks}
