"""Networks trained on simulated pictures to have one fault, each beside a twin that has none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from ml.checks.calibration import calibration
from ml.checks.foreign_scores import GRADIENTS, LABELS
from ml.checks.ood_detection import ood_detection
from ml.checks.registry import State
from ml.checks.selective_prediction import selective_prediction
from ml.checks.uncertainty import uncertainty
from ml.evidence.tables import Samples
from ml.protocol import Protocol
from ml.zoo.spots import spots
from ml.zoo.trained import Recipe, ensemble_logits, features_of, logits_of, trained

CLEAR = (0.5, 0.8)  # contrast of spots that can all be seen
BY_HEART = Recipe(
    growth=8, blocks=(2,), dropout=0.0, steps=250, batch=32, decay=0.0, loss=0.05, flip=False
)
MEMBERS = 2
NOTICED = {
    "check": "ood-detection", "measure": "ood_auroc:far/mahalanobis", "value": 0.9,
    "direction": "min", "origin": "pre-registered",
}  # fmt: skip


@pytest.fixture(scope="session")
def test_pictures():
    return spots(600, seed=2, contrast=CLEAR)


@pytest.fixture(scope="session")
def members(test_pictures):
    """Logits of two members each: trained without error on true labels, and on labels of which
    four in ten are turned round."""
    pictures, labels = spots(240, seed=1, contrast=CLEAR)
    turned = np.random.default_rng(0).random(labels.size) < 0.4
    return {
        name: ensemble_logits(
            [trained(pictures, given, seed, BY_HEART) for seed in range(MEMBERS)],
            test_pictures[0],
        )
        for name, given in (("sound", labels), ("boasting", np.where(turned, 1 - labels, labels)))
    }


@pytest.fixture
def of_members(members, test_pictures, make_evidence):
    """Evidence of the first member alone, or of all as an ensemble."""

    def made(name, *, ensemble=False):
        answers = special.softmax(members[name], axis=2)
        used = answers.mean(axis=0) if ensemble else answers[0]
        evidence = make_evidence(used[:, 1], test_pictures[1])
        if not ensemble:
            return evidence
        samples = Samples("members", ("absent", "present"), answers, answers[:, :, 1])
        return replace(evidence, samples=samples)

    return made


def values(result):
    return {one.id: one for one in result.estimates}


def state_of(result, name):
    return next(one.state for one in result.findings if one.id.endswith(f".{name}"))


def test_a_network_that_learned_noise_by_heart_is_too_sure_and_its_twin_is_not(of_members, quick):
    boasting, sound = (calibration(of_members(name), quick) for name in ("boasting", "sound"))
    assert state_of(boasting, "ece_top_label") is State.FAIL
    assert state_of(sound, "ece_top_label") is State.PASS
    assert values(boasting)["slope"].high < 1, "the logits are too far apart"


def test_where_it_claims_to_be_sure_it_errs_and_its_twin_does_not(of_members, quick):
    boasting, sound = (
        selective_prediction(of_members(name), quick) for name in ("boasting", "sound")
    )
    assert state_of(boasting, "error_when_sure") is State.FAIL
    assert state_of(sound, "error_when_sure") is State.PASS


def test_more_answers_of_its_kind_do_not_make_it_honest(of_members, quick):
    """A case in which members agree and each is sure, called wrongly: nothing warns of it."""
    boasting, sound = (
        values(uncertainty(of_members(name, ensemble=True), quick))["error_rate:trust"]
        for name in ("boasting", "sound")
    )
    assert boasting.low > sound.high
    assert sound.value < 0.01


def standardised(pictures):
    """Each picture with mean 0 and standard deviation 1: what it lacks, no later layer has."""
    axes = (1, 2, 3)
    middle, spread = pictures.mean(axes, keepdims=True), pictures.std(axes, keepdims=True)
    return (pictures - middle) / spread


@pytest.fixture(scope="session")
def told_apart():
    """By network, the result of `ood-detection` on pictures that a scanner made stronger."""
    pictures, labels = spots(300, seed=1, contrast=CLEAR)
    own, _ = spots(120, seed=3, contrast=CLEAR)
    far = 3 * spots(120, seed=4, contrast=CLEAR)[0] + 0.5
    found = {}
    for name, seen in (("seeing", lambda given: given), ("blind", standardised)):
        network = trained(seen(pictures), labels, 0, BY_HEART)
        cohorts = [
            _cohort(logits_of(network, seen(one)), features_of(network, seen(one)), prefix)
            for one, prefix in ((own, "c"), (far, "f"))
        ]
        asked = Protocol.parse({"checks": ["ood-detection"], "draws": 200, "limits": [NOTICED]})
        found[name] = ood_detection(replace(cohorts[0], foreign={"far": cohorts[1]}), asked)
    return found


def _cohort(logits, features, prefix):
    from tests.ml.checks.test_ood_detection import cohort

    return cohort(features, (np.eye(2), 0.0), logits=logits, prefix=prefix)


def test_a_network_that_sees_no_strength_is_blind_by_every_score_and_its_twin_is_not(told_apart):
    seeing, blind = (
        {
            name: values(told_apart[one])[f"ood_auroc:far/{name}"]
            for name in LABELS
            if name not in {"mutual-information", *GRADIENTS}
        }
        for one in ("seeing", "blind")
    )
    assert max(one.low for one in seeing.values()) > 0.95
    assert {name: one.value for name, one in blind.items() if one.value > 0.65} == {}
    assert state_of(told_apart["blind"], "ood_auroc:far/mahalanobis") is State.FAIL
    assert state_of(told_apart["seeing"], "ood_auroc:far/mahalanobis") is State.PASS


def test_the_blind_network_answers_foreign_pictures_as_surely_as_its_own(told_apart):
    share = values(told_apart["blind"])["confident_findings"]
    assert share.low > 0.3, "half of them have a spot, which it calls"
