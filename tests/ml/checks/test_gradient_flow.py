"""A dead block is named and its twin is not flagged; what vanishes or is flat is named too."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.gradient_flow import gradient_flow
from ml.checks.registry import State
from ml.evidence.flow import FlowActivation, FlowLayer, GradientFlow
from ml.protocol import Protocol
from tests.ml.checks.planted import looked_at

ID = "gradient-flow"


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


def test_a_dead_block_is_named_and_its_twin_is_not_flagged(quick):
    dead = gradient_flow(looked_at("batch", drifted=False, branch="dead"), quick)
    alive = gradient_flow(looked_at("batch", drifted=False, branch="alive"), quick)

    found = findings(dead)
    assert dead.state is found["gradient_share"].state is State.FAIL
    assert "2 of 5 layers with weights move the answer in no case" in found["gradient_share"].claim
    assert "conv2, conv3" in found["gradient_share"].claim
    assert values(dead)["gradient_share"].value == 0
    assert len(found["gradient_share"].cases) == 100
    assert found["dead_units"].state is State.CAUTION
    assert "none at all is of relu2" in found["dead_units"].claim
    assert found["gradient_share"].limit.origin == "platform-default"
    assert not [one for one in alive.findings if one.state in (State.CAUTION, State.FAIL)]
    assert alive.state is State.PASS
    assert (
        "Each of 5 layers with weights moves the answer" in findings(alive)["gradient_share"].claim
    )
    assert values(alive)["dead_units"].value == 0
    # The planted block is no part of the answer: without it nothing changes.
    shown = looked_at("batch", drifted=False, branch="dead")
    plain = looked_at("batch", drifted=False)
    assert shown.prediction.score == pytest.approx(plain.prediction.score, abs=1e-3)


# On made-up evidence.


@pytest.fixture
def given(make_evidence):
    """Evidence of layers "l0", "l1", ... whose norms are given (n, layers)."""

    def made(norms, *, active=None, flat=None, **more):
        n = len(norms)
        acts = []
        if active is not None:
            acts.append(FlowActivation("relu", "relu", active.shape[1]))
        if flat is not None:
            acts += [FlowActivation(f"gate{at}", "sigmoid", 0) for at in range(flat.shape[1])]
        flow = GradientFlow(
            tuple(FlowLayer(f"l{at}", "conv2d", 9) for at in range(norms.shape[1])), tuple(acts),
            norms.astype(np.float32),
            (np.zeros((n, 0)) if flat is None else flat).astype(np.float32),
            np.zeros((n, 0), bool) if active is None else active,
        )  # fmt: skip
        return replace(make_evidence(np.full(n, 0.5), np.arange(n) % 2, **more), gradients=flow)

    return made


def test_a_layer_that_vanishes_fails_and_a_weak_one_does_not(given, quick, rng):
    norms = rng.lognormal(0, 0.3, (60, 5))
    weak, gone = norms.copy(), norms.copy()
    weak[:, 0] *= 1e-3
    gone[:, 0] *= 1e-6

    borne = gradient_flow(given(weak), quick)
    lost = gradient_flow(given(gone), quick)

    assert borne.state is State.PASS
    assert "The smallest gradient of a layer, of l0" in findings(borne)["gradient_decades"].claim
    found = findings(lost)["gradient_decades"]
    assert lost.state is found.state is State.FAIL
    assert "of 1 of 5 layers vanishes" in found.claim
    assert found.claim.endswith(": l0.")
    ratio = np.log10(gone[:, 0] / np.median(gone, axis=1)).mean()
    assert values(lost)["gradient_decades"].value == pytest.approx(ratio, abs=1e-4)
    assert findings(lost)["gradient_share"].state is State.PASS, "it has one, if a small one"


def test_a_layer_that_moves_few_answers_is_told_from_one_that_moves_none(given, quick):
    norms = np.ones((100, 3))
    norms[10:, 1] = 0
    found = gradient_flow(given(norms), quick)

    assert values(found)["gradient_share"].value == pytest.approx(0.1)
    assert findings(found)["gradient_share"].state is State.CAUTION
    assert "l1 in 10.0 % of them" in findings(found)["gradient_share"].claim
    assert set(findings(found)["gradient_share"].cases) == {
        f"case-{at:03d}" for at in range(10, 100)
    }
    few = gradient_flow(given(np.tile([1.0, 0.0, 1.0], (4, 1))), quick)
    assert findings(few)["gradient_share"].state is State.CAUTION, "four cases cannot tell"


def test_dead_units_are_those_of_no_case_and_never_a_failure(given, quick):
    active = np.ones((40, 10), bool)
    active[:, :3] = False
    active[7, 2] = True
    found = gradient_flow(given(np.ones((40, 2)), active=active), quick)
    share = values(found)["dead_units"]

    assert (share.value, share.low, share.high) == (0.2, None, 0.2)
    assert findings(found)["dead_units"].state is State.CAUTION
    assert "2 of 10 units are active in no case" in findings(found)["dead_units"].claim
    assert "relu (2 of 10)" in findings(found)["dead_units"].why
    awake = gradient_flow(given(np.ones((40, 2)), active=np.ones((40, 10), bool)), quick)
    assert findings(awake)["dead_units"].state is State.PASS


def test_the_most_saturated_gate_is_named_with_its_cases(given, quick):
    flat = np.zeros((50, 2))
    flat[:40, 1] = 0.95
    flat[40:, 1] = 0.9  # not more than
    found = gradient_flow(given(np.ones((50, 2)), flat=flat), quick)
    gate = findings(found)["saturated_share"]

    assert values(found)["saturated_share"].value == pytest.approx(0.8)
    assert gate.state is State.FAIL
    assert gate.claim.startswith("gate1 is saturated in 40 of 50 cases")
    assert set(gate.cases) == {f"case-{at:03d}" for at in range(40)}
    open_ = gradient_flow(given(np.ones((50, 2)), flat=np.zeros((50, 2))), quick)
    assert findings(open_)["saturated_share"].state is State.PASS


def test_patients_count_and_not_their_images(given, quick):
    norms = np.ones((60, 2))
    norms[:, 0] = np.repeat([1.0, 0.0], 30)
    alone = values(gradient_flow(given(norms), quick))["gradient_share"]
    patients = values(
        gradient_flow(given(norms, cluster=np.arange(60) // 5, cluster_kind="patient"), quick)
    )["gradient_share"]

    assert alone.value == patients.value == 0.5
    assert patients.high - patients.low > 1.5 * (alone.high - alone.low)


def test_tables_hold_every_layer_and_activation(given, quick):
    norms = np.ones((20, 3))
    norms[:, 2] = 0
    active, flat = np.ones((20, 4), bool), np.full((20, 1), 0.25)
    profile, acts = gradient_flow(given(norms, active=active, flat=flat), quick).series

    assert [row["layer"] for row in profile["rows"]] == ["l0", "l1", "l2"]
    assert profile["rows"][2]["values"] == [None, 0.0, 0.0]
    assert profile["rows"][0]["values"] == [1.0, 1.0, 1.0]
    assert profile["limit"] == pytest.approx(1e-4)
    assert acts["rows"] == [["relu", "relu", 4, 0, None], ["gate0", "sigmoid", None, None, 0.25]]


def test_without_gradients_or_cases_it_is_not_assessed(make_evidence, given, quick):
    blind = gradient_flow(make_evidence(np.array([0.1, 0.9]), np.array([0, 1])), quick)
    shown = given(np.full((20, 2), np.nan))
    shown = replace(shown, gradients=replace(shown.gradients, failures={"case-001": "no_image"}))
    failed = gradient_flow(shown, quick)

    assert blind.state is failed.state is State.NOT_ASSESSED
    assert "has none" in blind.reason
    assert findings(failed)["failed-cases"].cases == ("case-001",)


def test_a_protocol_may_set_its_own_lines(given):
    limits = [{"check": ID, "measure": "gradient_decades", "value": -0.5, "direction": "min",
               "origin": "pre-registered"}]  # fmt: skip
    norms = np.tile([0.01, 1.0, 1.0], (40, 1)) * np.linspace(0.9, 1.1, 40)[:, None]
    norms[:, 0] *= np.linspace(0.9, 1.1, 40)
    found = gradient_flow(given(norms), Protocol.parse({"draws": 200, "limits": limits}))

    assert found.state is State.FAIL
    assert findings(found)["gradient_share"].state is State.INFO
    assert "saturated_share" not in findings(gradient_flow(given(norms), Protocol.parse({})))
    limits[0] |= {"measure": "saturated_share", "direction": "max"}
    asked = gradient_flow(given(norms), Protocol.parse({"draws": 200, "limits": limits}))
    assert findings(asked)["saturated_share"].state is State.NOT_ASSESSED, "a team's is missed"
    assert found.series[0]["limit"] == pytest.approx(10**-0.5)
