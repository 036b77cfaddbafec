"""The trial run finds what depends on chance, on batch-mates, or is not what is declared."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from ml.engine.session import ModelError, Session
from ml.engine.smoke import apart, doubt, noise, smoke_run
from ml.imaging.declared import Input
from ml.intake.model_manifest import ModelManifest, Scores
from tests.ml.intake.build import MANIFEST, merged

LOGITS = {"kind": "logits", "activation": "softmax"}


@dataclass(frozen=True)
class Made(Session):
    """A network of one line; `chance` gives it another number at each run."""

    answer: object = None
    chance: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def _raw(self, piece):
        return self.answer(piece.reshape(len(piece), -1).astype(float), self.chance)

    @property
    def runtime_json(self):
        return {"providers": ["made"]}


def trial(answer, batch=None, **output):
    manifest = ModelManifest.model_validate(merged(MANIFEST, {"output": LOGITS | output}))
    return smoke_run(None, manifest, Made(batch, 2, answer))


def of_case(pixels, chance):
    return np.stack([pixels.mean(1), pixels.std(1) - 3], axis=1)


def test_a_plain_network_repeats_itself_and_knows_no_batch():
    found = trial(of_case)

    assert (found["deterministic"], found["finite"]) == (True, True)
    assert found["repeat_difference"] == found["batch_difference"] == 0
    assert found["low"] < -2 < 0 < found["high"]
    assert found["doubt"] == ""


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_chance_is_seen(batch):
    found = trial(lambda x, chance: of_case(x, chance) + chance.normal(0, 0.01, (len(x), 2)), batch)

    assert found["deterministic"] is False
    assert 1e-4 < found["repeat_difference"] < 0.1


def test_batch_mates_are_seen():
    found = trial(lambda x, chance: of_case(x, chance) - 0.1 * x.mean())

    assert found["deterministic"] is True
    assert found["batch_difference"] > 1e-5


def test_the_place_in_the_batch_is_seen():
    found = trial(lambda x, chance: of_case(x, chance) + np.arange(len(x))[:, None])

    assert found["batch_difference"] > 0.1


def test_numbers_that_fail_when_a_case_is_alone_are_none():
    def of_several(x, chance):
        return of_case(x, chance) / (len(x) - 1) if len(x) > 1 else np.full((1, 2), np.nan)

    with pytest.raises(ModelError) as caught:
        trial(of_several)

    assert caught.value.code == "non_finite_output"


def test_logits_that_were_activated_already_are_doubted():
    def activated(x, chance):
        powers = np.exp(of_case(x, chance))
        return powers / powers.sum(1, keepdims=True)

    assert "add up to 1" in trial(activated)["doubt"]
    assert trial(activated, kind="probabilities")["doubt"] == ""


@pytest.mark.parametrize(
    ("rows", "doubted"),
    [
        ([[0.25, 0.75], [0.5, 0.5]], True),
        ([[0.25, 0.75], [0.5, 0.6]], False),
        ([[-0.25, 1.25], [0.5, 0.5]], False),
    ],
)
def test_only_what_adds_up_in_every_case_is_doubted(rows, doubted):
    declared = Scores(**LOGITS, classes=["a", "b"], positive=["b"])

    assert bool(doubt(np.array(rows), declared)) is doubted


def test_nothing_is_apart_from_nothing():
    assert apart(np.zeros(2), np.zeros(2)) == 0


def test_noise_for_a_network_of_volumes_already_lies_as_it_takes_them():
    sides = {"dims": 3, "size": [6, 5, 4], "orientation": "SPL"}
    plain = noise(Input.model_validate(sides), 1)

    spaced = noise(Input.model_validate({**sides, "spacing_mm": [2.0, 1.5, 0.7]}), 1)

    np.testing.assert_array_equal(spaced, plain)
