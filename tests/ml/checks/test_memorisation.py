"""Memorisation: a network that knows 200 training images by heart, its twins, and copies."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from ml.checks.memorisation import GAP, TOLD, memorisation
from ml.checks.memorised_sides import LEAST, answers_of, copies_of
from ml.checks.registry import State
from ml.evidence.tables import Evidence, Prediction
from ml.intake.model_manifest import Scores
from ml.protocol import DEFAULT_CHECKS, Protocol
from ml.scores import activated
from ml.zoo import memory
from tests.ml.checks.images import measured

ASKED = Protocol.parse({"checks": ["memorisation"], "draws": 200})
DECLARED = Scores(
    kind="logits", activation="softmax", classes=list(memory.CLASSES), positive=["bright"]
)
TRAINING, AUDITED, FRESH = 1, 2, 3  # seeds


@pytest.fixture(scope="module")
def networks():
    def session(**more):
        made = memory.network(**more).SerializeToString()
        return onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])

    return {
        "by heart": session(memorised=True, seed=TRAINING),
        "by heart of others": session(memorised=True, seed=FRESH),
        "by brightness": session(memorised=False),
    }


def cohort(session, seed, n=200, prefix="m", *, keep=None, look=True):
    """Evidence of a cohort that a network was run on; ``keep`` takes some of its cases."""
    pixels, bright = memory.pictures(n, seed)
    chosen = np.arange(n) if keep is None else np.asarray(keep)
    pixels, bright = pixels[chosen], bright[chosen]
    (logits,) = session.run(None, {"image": (pixels[:, None] / 255).astype(np.float32)})
    logits = logits.astype(np.float64)
    probabilities = activated(logits, DECLARED)
    ids = tuple(f"{prefix}{at:04d}" for at in chosen)
    return Evidence(
        ids, np.arange(len(ids)), "case", tuple(memory.CLASSES[int(one)] for one in bright),
        bright.astype(np.int64), memory.CLASSES, ("bright",),
        prediction=Prediction(
            memory.CLASSES, ("bright",), "logits", probabilities, probabilities[:, 1], raw=logits
        ),
        described=measured(ids, pixels) if look else None,
        images=tuple((f"file {seed} {at}",) for at in chosen),
    )  # fmt: skip


def audit(session, *, n=160, look=True):
    evidence = cohort(session, AUDITED, n, prefix="a", look=look)
    return memorisation(replace(evidence, reference=cohort(session, TRAINING, look=look)), ASKED)


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.partition(".")[2]: one for one in result.findings}


def test_a_network_that_knows_its_training_images_by_heart_is_flagged(networks):
    result = audit(networks["by heart"])
    found = values(result)

    assert found[TOLD].low > 0.6
    assert found[f"{GAP}:accuracy"].low > 0.05
    assert found[f"{GAP}:auroc"].low > 0.05
    assert found[f"{GAP}:loss"].low > 0
    assert findings(result)[TOLD].state is State.FAIL
    assert findings(result)[f"{GAP}:accuracy"].state is State.FAIL
    assert findings(result)["copies"].state is State.PASS
    assert result.state is State.FAIL
    assert findings(result)[TOLD].action
    assert [one["kind"] for one in result.series] == ["forest", "score-histogram", "points"]


@pytest.mark.parametrize("name", ["by heart of others", "by brightness"])
def test_its_clean_twins_are_not(networks, name):
    """One knows other images by heart, so that both cohorts are new to it; one learnt the rule."""
    result = audit(networks[name], n=400, look=False)
    found = values(result)

    assert found[TOLD].low < 0.5 < found[TOLD].high
    assert found[TOLD].value == pytest.approx(0.5, abs=0.06)
    assert abs(found[f"{GAP}:accuracy"].value) < 0.07
    assert findings(result)[TOLD].state is State.PASS
    assert findings(result)[f"{GAP}:accuracy"].state is not State.FAIL
    assert result.state is not State.FAIL


def test_the_measures_are_those_of_their_definitions(networks):
    result = audit(networks["by heart"], n=60, look=False)
    found = values(result)
    own = answers_of(cohort(networks["by heart"], AUDITED, 60, look=False), 0.5, by_class=True)
    theirs = answers_of(cohort(networks["by heart"], TRAINING, look=False), 0.5, by_class=True)

    told = []
    for name in memory.CLASSES:
        mine, other = (one.loss[[kind == name for kind in one.kind]] for one in (own, theirs))
        wins = (other[:, None] < mine).mean() + (other[:, None] == mine).mean() / 2
        told.append(wins)
        assert found[f"{TOLD}:{name}"].value == pytest.approx(wins)
    assert found[TOLD].value == pytest.approx(np.mean(told)), "both classes are half of the cases"
    assert found[f"{GAP}:accuracy"].value == pytest.approx(own.wrong.mean() - theirs.wrong.mean())
    assert found[f"{GAP}:loss"].value == pytest.approx(own.loss.mean() - theirs.loss.mean())
    listed = findings(result)[f"{GAP}:accuracy"].cases
    assert listed == tuple(f"a{at:04d}" for at in np.flatnonzero(own.wrong))


def test_a_loss_is_that_of_the_label(networks):
    evidence = cohort(networks["by brightness"], AUDITED, 20, look=False)
    own = answers_of(evidence, 0.5, by_class=True)
    truth = np.where(
        evidence.present == 1, evidence.prediction.score, 1 - evidence.prediction.score
    )
    assert own.loss == pytest.approx(-np.log(truth.clip(LEAST)), rel=1e-6)
    renamed = replace(evidence, label=tuple("lit" if one else "unlit" for one in evidence.present))
    assert answers_of(renamed, 0.5, by_class=False).loss == pytest.approx(own.loss)


def test_a_loss_is_of_the_named_class_and_of_all_that_agree_where_the_model_knows_no_such_name():
    names, p = ("none", "glioma", "meningioma"), np.array([[0.5, 0.2, 0.3]] * 4)
    prediction = Prediction(names, ("glioma", "meningioma"), "probabilities", p, p[:, 1:].sum(1))
    labels = ("glioma", "none", "tumour", "healthy")
    evidence = Evidence(
        ("a", "b", "c", "d"), np.arange(4), "case", labels, np.array([1, 0, 1, 0]),
        (*names, "tumour", "healthy"), ("glioma", "meningioma", "tumour"), prediction=prediction,
    )  # fmt: skip
    found = answers_of(evidence, 0.5, by_class=True).loss
    assert found == pytest.approx(-np.log([0.2, 0.5, 0.5, 0.5]))


def test_another_mix_of_classes_is_no_memory(networks):
    """The bright are answered worse by a network that calls all dark; they are rare in training."""
    fewer = [at for at in range(2000) if at % 2 == 0 or at % 10 == 1]
    session = networks["by brightness"]

    def dark(evidence):
        logits = evidence.prediction.raw + np.array([4.0, 0.0])
        probabilities = activated(logits, DECLARED)
        prediction = replace(
            evidence.prediction, raw=logits, probabilities=probabilities, score=probabilities[:, 1]
        )
        return replace(evidence, prediction=prediction)

    own = dark(cohort(session, AUDITED, 400, prefix="a", look=False))
    training = dark(cohort(session, TRAINING, 2000, keep=fewer, look=False))
    result = memorisation(replace(own, reference=training), ASKED)
    sides = [answers_of(one, 0.5, by_class=True).loss for one in (training, own)]
    pooled = (sides[0][:, None] < sides[1]).mean()
    assert pooled > 0.65, "without classes it would look like memory"
    assert values(result)[TOLD].value == pytest.approx(0.5, abs=0.09)
    assert abs(values(result)[f"{GAP}:accuracy"].value) < 0.06


def test_copies_are_listed_and_held_out_of_the_comparison(networks):
    session = networks["by heart"]
    own, training = cohort(session, AUDITED, 80, prefix="a"), cohort(session, TRAINING)
    pixels = memory.pictures(80, AUDITED)[0]
    known = memory.pictures(200, TRAINING)[0]
    pixels[4] = known[50]  # the same pixels
    pixels[7] = (known[61] * 0.9 + 5).astype(np.uint8)  # another brightness and contrast
    files = list(own.images)
    files[9] = training.images[3]  # the same file
    changed = replace(
        own, described=measured(own.case_ids, pixels), images=tuple(files), reference=training
    )
    result = memorisation(changed, ASKED)
    copies = findings(result)["copies"]

    assert copies.state is State.FAIL
    assert copies.cases == ("a0004", "a0009", "a0007")
    assert "2 are exact and 1 near" in copies.claim
    rows = {row[0]: row[1:] for row in result.series[-1]["rows"]}
    assert rows["a0004"][0] == "m0050"
    assert rows["a0007"][0] == "m0061"
    assert rows["a0009"][0] == "m0003"
    assert (rows["a0004"][2:], rows["a0007"][2:], rows["a0000"][2:]) == ([1, 0], [0, 1], [0, 0])
    found = values(result)
    assert found[TOLD].n == 277
    assert (found["copies"].value, found["accuracy:copies"].n) == (3 / 80, 3)
    assert found["accuracy:others"].n == 77
    near = replace(changed, images=own.images, described=own.described)
    assert findings(memorisation(near, ASKED))["copies"].state is State.PASS


def test_without_measured_images_only_files_are_compared_and_it_says_so(networks):
    session = networks["by heart"]
    own = cohort(session, AUDITED, 60, prefix="a", look=False)
    training = cohort(session, TRAINING, look=False)
    result = memorisation(replace(own, reference=training), ASKED)
    assert findings(result)["copies"].state is State.INFO
    assert "near copies" in findings(result)["copies"].why
    shared = replace(own, images=(training.images[5], *own.images[1:]), reference=training)
    assert findings(memorisation(shared, ASKED))["copies"].cases == ("a0000",)
    assert not copies_of(own, training).by_pixels


def test_nothing_but_copies_leaves_nothing_to_compare(networks):
    session = networks["by heart"]
    own, training = cohort(session, TRAINING, prefix="a"), cohort(session, TRAINING)
    result = memorisation(replace(own, reference=training), ASKED)
    assert values(result)[TOLD].value is None
    assert findings(result)["copies"].state is State.FAIL
    assert len(findings(result)["copies"].cases) == 200
    assert values(result)["accuracy:others"].value is None


def test_patients_carry_the_interval(networks):
    session = networks["by heart"]
    own, training = (
        cohort(session, AUDITED, 160, prefix="a", look=False),
        cohort(session, TRAINING, look=False),
    )
    alone = values(memorisation(replace(own, reference=training), ASKED))[TOLD]
    few = replace(own, cluster=np.arange(160) // 20, cluster_kind="patient", reference=training)
    found = values(memorisation(few, ASKED))
    assert alone.has_interval
    assert not found[TOLD].has_interval
    assert "8 patients" in found[TOLD].reason
    assert not found[f"{GAP}:auroc"].has_interval
    assert found[TOLD].value == pytest.approx(alone.value)


def test_unlabelled_and_failed_cases_are_left_out(networks):
    session = networks["by heart"]
    own, training = (
        cohort(session, AUDITED, 60, prefix="a", look=False),
        cohort(session, TRAINING, look=False),
    )
    score = training.prediction.score.copy()
    score[3] = np.nan
    broken = replace(
        training, prediction=replace(training.prediction, score=score, failures={"m0003": "x"})
    )
    present = own.present.copy()
    present[:2] = -1
    part = replace(own, present=present, label=(None, None, *own.label[2:]), reference=broken)
    result = memorisation(part, ASKED)
    assert values(result)[TOLD].n == 58 + 199
    assert findings(result)["failed-training"].cases == ("reference/m0003",)


@pytest.mark.parametrize("what", ["none", "unlabelled"])
def test_without_a_training_cohort_it_says_what_to_give(networks, what):
    own = cohort(networks["by heart"], AUDITED, 40, prefix="a", look=False)
    if what == "unlabelled":
        own = replace(own, reference=replace(own, present=None, label=(None,) * 40))
    result = memorisation(own, ASKED)
    assert result.state is State.NOT_ASSESSED
    assert "--reference" in result.reason


def test_the_default_protocol_does_not_ask():
    assert "memorisation" not in DEFAULT_CHECKS
