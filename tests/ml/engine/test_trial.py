"""A runtime is chosen by measuring it, among those that give the same answer."""

import json
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from ml.checks import all_checks
from ml.engine import predict, program_session, room, trial
from ml.engine.plan import _predict_params, _samples_params, plan
from ml.engine.predict import predict_job
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN, RUNTIMES, quickest
from ml.engine.session import ModelError, Session, open_session
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from tests.ml.engine.test_predict import stored_image
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.intake.exported import archive

DECLARED = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})
PT2 = ModelManifest.model_validate(DECLARED)


@dataclass(frozen=True)
class Fake(Session):
    """Answers the mean of a case, after some time."""

    name: str = PLAIN
    seconds: float = 0.0
    factor: float = 1.0
    most: int = 100  # cases that fit into memory
    sizes: list[int] = field(default_factory=list)
    fixed_batch: int | None = None
    n_classes: int = 1

    @property
    def runtime(self):
        return self.name

    @property
    def runtime_json(self):
        return {"providers": [self.name], **self.fitted_json}

    def _raw(self, piece):
        self.sizes.append(len(piece))
        if len(piece) > self.most:
            raise MemoryError
        until = time.process_time() + self.seconds * len(piece)
        while time.process_time() < until:
            pass
        return self.factor * piece.reshape(len(piece), -1).mean(1, keepdims=True)


def tried(cores=1, **sessions):
    known = {name.replace("_", " "): one for name, one in sessions.items()}

    def opened(name, threads=1):
        if isinstance(known[name], Exception):
            raise known[name]
        return known[name]

    return trial.trial(opened, list(known), PT2.input, cores=cores)


@pytest.fixture(autouse=True)
def _batches_are_not_measured(monkeypatch):
    monkeypatch.setattr(room, "SECONDS", 0)


def test_the_quickest_is_chosen_and_all_are_recorded(monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.05)
    found = tried(
        program=Fake(seconds=0.003),
        fused_program=Fake(name=FUSED, seconds=0.001),
        onnxruntime=Fake(name=ONNXRUNTIME, seconds=0.002),
    )

    assert (found["chosen"], found["batch"], found["threads"]) == (FUSED, 8, 1)
    measured = found["seconds_per_case"]
    assert measured[FUSED] == pytest.approx(0.001, rel=0.5)
    assert measured[PLAIN] > measured[ONNXRUNTIME] > measured[FUSED]
    assert found["not_used"] == {}
    assert found["seconds_by_batch"] == {}
    assert found["parallel"] == {"cores": 1, "reason": "There is one core."}
    json.dumps(found)


@pytest.mark.parametrize(
    ("session", "why"),
    [
        (Fake(name=FUSED, factor=1.001), "another answer"),
        (Fake(name=FUSED, factor=float("nan")), "another answer"),
        (Fake(name=PLAIN), "does not apply"),
        (Fake(name=FUSED, most=0), "memory"),
        (ModelError("model_failed", "it broke"), "does not apply"),
        (MemoryError(), "memory"),
    ],
)
def test_what_is_quick_and_wrong_is_not_chosen(session, why, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.01)
    found = tried(program=Fake(seconds=0.002), fused_program=session)

    assert found["chosen"] == PLAIN
    assert why in found["not_used"][FUSED]
    assert list(found["seconds_per_case"]) == [PLAIN]


def test_a_slow_model_is_measured_with_few_cases(monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.04)
    slow = Fake(seconds=0.02)
    tried(program=slow)

    assert set(slow.sizes) == {2}  # eight would take more than two seconds' worth
    assert len(slow.sizes) <= 2 + trial._LEAST_ROUNDS


def test_what_is_far_behind_is_measured_once(monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.01)
    behind = Fake(name=FUSED, seconds=0.004)
    tried(program=Fake(seconds=0.001), fused_program=behind)

    assert behind.sizes == [2, 8]


def test_a_batch_that_does_not_fit_is_halved_once_and_remembered():
    session = Fake(most=3)
    cases = np.arange(10, dtype=np.float32).reshape(10, 1)

    assert session.run(cases).ravel().tolist() == list(range(10))
    assert session.sizes[:2] == [10, 5]
    assert session.runtime_json["cases_at_once"] == 3
    session.sizes.clear()
    assert session.run(cases).ravel().tolist() == list(range(10))
    assert session.sizes == [3, 3, 3, 1]
    with pytest.raises(MemoryError):
        Fake(most=0).run(cases)
    assert tried(program=Fake(most=4))["batch"] == 4


def test_the_choice_of_the_card_is_planned_and_part_of_the_key():
    def params(card):
        (planned,) = plan(Protocol.default(), all_checks(), has_model=True, card=card)
        return planned.params

    assert params({"runtime": {"chosen": FUSED, "batch": 4}}) == {"batch": 4, "runtime": FUSED}
    assert params({"runtime": {"chosen": FUSED, "batch": 32}}) == {"batch": 32, "runtime": FUSED}
    assert params({"runtime": {"chosen": PLAIN, "batch": 33}}) == {"batch": 8, "runtime": PLAIN}
    for card in (None, {}, {"runtime": {"chosen": "a shell"}}, {"runtime": "x"}):
        assert params(card) == {"batch": 8}


def test_features_are_taken_by_a_program_and_samples_by_what_was_chosen():
    card = {
        "runtime": {
            "chosen": ONNXRUNTIME,
            "batch": 8,
            "seconds_per_case": {PLAIN: 0.3, FUSED: 0.2, ONNXRUNTIME: 0.1},
        }
    }
    assert _predict_params(card, features=True)["runtime"] == FUSED
    assert _predict_params(card)["runtime"] == ONNXRUNTIME
    assert _samples_params(card) == {"batch": 8, "runtime": ONNXRUNTIME}
    assert _samples_params({}) == {"batch": 8}
    only = {"runtime": {"chosen": ONNXRUNTIME, "seconds_per_case": {ONNXRUNTIME: 0.1}}}
    assert _predict_params(only, features=True)["runtime"] == ONNXRUNTIME


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_program_is_run_by_what_is_asked_for(runtime):
    session = open_session(archive(), PT2, runtime=runtime)
    cases = np.random.default_rng(3).random((5, *PT2.input.shape), dtype=np.float32)
    plain = open_session(archive(), PT2, runtime=PLAIN)

    assert session.runtime == runtime
    assert session.runtime_json["torch"], "torch read it, whatever runs it"
    assert session.run(cases) == pytest.approx(plain.run(cases), abs=1e-6)
    alone = np.concatenate([session.run(one[None]) for one in cases])
    assert alone == pytest.approx(session.run(cases), abs=1e-6), "the batch changes an answer"


def shard(tmp_path, runtime):
    inputs = {
        "model": {"path": str(archive()), "manifest": DECLARED},
        "cases": [{"case_id": "one", "images": [str(stored_image(tmp_path, 200))]}],
        "runtime": runtime,
    }
    return predict_job(inputs, tmp_path, QUIET)


def test_evidence_says_what_computed_it(tmp_path):
    made = shard(tmp_path, ONNXRUNTIME)

    assert made["runtime"]["providers"] == ["CPUExecutionProvider"]
    assert made["reusable"] is True
    assert "asked" not in made["runtime"]


@pytest.mark.parametrize("fault", ["written", "wrong"])
def test_where_the_choice_cannot_be_had_the_next_is_taken_and_nobody_else_uses_it(
    fault, tmp_path, monkeypatch
):
    monkeypatch.setattr(predict, "_kept", {})
    if fault == "written":
        monkeypatch.setattr(program_session, "_written", lambda *given: None)
    else:
        monkeypatch.setattr(program_session, "agrees", lambda *given: False)

    made = shard(tmp_path, ONNXRUNTIME)

    assert made["runtime"]["providers"] == ["fused program on cpu"]
    assert made["runtime"]["asked"] == ONNXRUNTIME
    assert made["reusable"] is False


@pytest.mark.parametrize(
    ("saved", "chosen"), [(0.0009, ONNXRUNTIME), (0.0011, FUSED), (-0.01, ONNXRUNTIME)]
)
def test_what_hardly_saves_anything_does_not_decide(saved, chosen):
    assert quickest({ONNXRUNTIME: 0.05, FUSED: 0.05 - saved}, ONNXRUNTIME) == chosen


def test_features_are_walked_by_the_fused_program_where_it_hardly_matters():
    card = {"runtime": {"chosen": ONNXRUNTIME, "seconds_per_case": {PLAIN: 0.0101, FUSED: 0.0104}}}
    assert _predict_params(card, features=True)["runtime"] == FUSED
