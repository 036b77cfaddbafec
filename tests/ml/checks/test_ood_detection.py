"""Foreign images: planted networks that see them and that do not, and what is never claimed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from ml.checks import foreign_scores
from ml.checks.foreign_scores import folds_of, scores_of
from ml.checks.foreign_sides import side_of
from ml.checks.ood_detection import ood_detection
from ml.checks.registry import State
from ml.evidence.tables import Evidence, Prediction, Samples
from ml.intake.model_manifest import Scores
from ml.limits import FOREIGN_LIMITS
from ml.protocol import Protocol
from ml.scores import activated
from ml.stats.ood.feature_scores import fit_gaussians, mahalanobis

CLASSES = ("none", "mass")
DECLARED = Scores(kind="logits", activation="softmax", classes=list(CLASSES), positive=["mass"])
D = 8


@pytest.fixture
def weights(rng):
    """Of the last layer of the network that all cohorts here went through."""
    return rng.normal(size=(D, 2)), np.array([0.3, -0.2])


def cohort(features, weights, *, logits=None, prefix="c", cluster=None, facts=None, images=()):
    """Evidence of one cohort whose logits are those of its features, unless they are given."""
    w, b = weights
    logits = features @ w + b if logits is None else logits
    n = len(features)
    probabilities = activated(logits, DECLARED)
    prediction = Prediction(
        CLASSES, ("mass",), "logits", probabilities, probabilities[:, 1], raw=logits
    )
    cluster = np.arange(n) if cluster is None else np.asarray(cluster)
    facts = {} if facts is None else {k: tuple(v) for k, v in facts.items()}
    return Evidence(
        tuple(f"{prefix}{at}" for at in range(n)), cluster,
        "case" if len(set(cluster.tolist())) == n else "patient",
        (None,) * n, None, CLASSES, ("mass",),
        prediction=prediction, features={"penultimate": features.astype(np.float32)},
        facts=facts, images=images,
    )  # fmt: skip


def features(rng, n, *, away=0.0):
    """Activations after a ReLU; foreign ones fire where familiar ones do not."""
    x = np.abs(rng.normal(1.0, 0.3, (n, D)))
    x[:, -2:] *= 0.2
    x[:, -2:] += away
    return x


def audit(own, foreign, *, reference=None, protocol=None):
    protocol = protocol or Protocol.parse({"checks": ["ood-detection"], "limits": [], "draws": 200})
    return ood_detection(replace(own, foreign=foreign, reference=reference), protocol)


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id: one for one in result.findings}


def test_every_score_is_there_and_has_its_five_measures(rng, weights):
    own = cohort(features(rng, 60), weights)
    result = audit(own, {"chest CT": cohort(features(rng, 40, away=3.0), weights)})

    found = values(result)
    names = set(foreign_scores.LABELS) - {"mutual-information"} - foreign_scores.GRADIENTS
    for measure in ("auroc", "aupr_out", "aupr_in", "fpr95_id_positive", "fpr95_ood_positive"):
        told = {one.partition("/")[2] for one in found if one.startswith(f"ood_{measure}:")}
        assert told == names
    assert found["ood_auroc:chest CT/knn"].value > 0.99
    assert found["ood_auroc:chest CT/knn"].low is not None
    assert "5 folds" in found["ood_auroc:chest CT/knn"].convention
    assert findings(result)["ood-detection.not-computed"].claim == (
        "Not computed: mutual information: there is one answer to each case, and several are "
        "needed."
    )
    kinds = [series["kind"] for series in result.series]
    assert kinds == ["forest", "score-histogram", "score-histogram", "points"]


def test_a_network_that_removed_the_length_of_its_features_is_blind_and_its_twin_is_not(rng):
    """Foreign images differ in how strongly features fire, which the blind one divides away."""
    w = (rng.normal(size=(D, 2)), np.zeros(2))
    direction = np.abs(rng.normal(1.0, 0.25, (160, D)))
    length = np.r_[rng.uniform(1, 1.4, 100), rng.uniform(4, 5, 60)][:, None]
    seeing = direction / np.linalg.norm(direction, axis=1, keepdims=True) * length
    blind = seeing / np.linalg.norm(seeing, axis=1, keepdims=True)

    def best(rows):
        result = audit(cohort(rows[:100], w), {"far": cohort(rows[100:], w, prefix="f")})
        found = values(result)
        return {n: found[f"ood_auroc:far/{n}"] for n in ("mahalanobis", "vim", "knn", "energy")}

    clean, planted = best(seeing), best(blind)
    assert clean["mahalanobis"].low > 0.95
    for one in planted.values():
        assert one.value < 0.65, one
        assert one.low < 0.5, one
    # Of directions alone the kNN of both networks says the same.
    assert clean["knn"].value == pytest.approx(planted["knn"].value, abs=0.02)


def test_statistics_of_the_audited_cases_themselves_would_leak(rng):
    """Wide features, few cases, and foreign cases that are no different at all."""
    n, d = 60, 50
    w = (rng.normal(size=(d, 2)), np.zeros(2))
    rows = rng.normal(size=(2 * n, d))
    own, other = cohort(rows[:n], w), cohort(rows[n:], w, prefix="f")

    mine, theirs = side_of("", own), side_of("same", other)
    leaking = fit_gaussians(mine.features, mine.predicted)
    inside, outside = mahalanobis(mine.features, leaking), mahalanobis(theirs.features, leaking)
    assert (outside[:, None] > inside).mean() > 0.95  # the fault: "all foreign are noticed"

    found = values(audit(own, {"same": other}))["ood_auroc:same/mahalanobis"]
    assert found.low < 0.5 < found.high
    third = cohort(rng.normal(size=(200, d)), w, prefix="r")
    found = values(audit(own, {"same": other}, reference=third))["ood_auroc:same/mahalanobis"]
    assert found.low < 0.5 < found.high
    assert "reference cohort, 200 cases" in found.convention


def test_folds_keep_patients_whole(rng, weights):
    side = side_of("", cohort(features(rng, 60), weights, cluster=np.repeat(np.arange(20), 3)))
    fold = folds_of(side, 7)
    assert all(len(set(fold[side.clusters.codes == one])) == 1 for one in range(20))
    assert np.bincount(fold).tolist() == [12] * 5


def test_patients_are_counted_and_slices_are_not(rng, weights):
    own = cohort(features(rng, 60), weights)
    slices = cohort(features(rng, 40, away=3.0), weights, cluster=np.repeat([0, 1], 20))
    result = audit(own, {"chest CT": slices})

    found = values(result)["ood_auroc:chest CT/knn"]
    assert (found.value, found.low, found.high) == (pytest.approx(1.0, abs=0.02), None, None)
    assert found.reason == "No interval: only 2 patients, and at least 10 are needed."
    claim = findings(result)["ood-detection.confident_findings:chest CT"].claim
    assert claim.startswith("Of 40 cases of chest CT (2 patients), ")


def test_confident_findings_are_named_and_judged(rng, weights):
    own = cohort(features(rng, 60), weights)
    sure, unsure = np.tile([0.0, 6.0], (30, 1)), np.tile([0.2, 0.0], (10, 1))
    chest = cohort(features(rng, 40), weights, logits=np.concatenate([sure, unsure]), prefix="f")
    protocol = Protocol(checks=("ood-detection",), limits=FOREIGN_LIMITS, draws=200)

    result = audit(own, {"chest CT": chest}, protocol=protocol)
    found = findings(result)["ood-detection.confident_findings"]
    assert (result.state, found.state) == (State.FAIL, State.FAIL)
    assert found.claim == (
        "30 of 40 cases of foreign cohorts are called a finding with a confidence above 0.9."
    )
    assert found.cases == tuple(f"chest CT/f{at}" for at in range(30))
    assert found.action.startswith("See that nothing reaches it but what it was made for")
    own_words = findings(result)["ood-detection.confident_findings:chest CT"]
    assert "30 are called “mass”, with a mean confidence of 0.998" in own_words.claim

    clean = replace(chest, prediction=replace(
        chest.prediction, probabilities=np.full((40, 2), 0.5), score=np.full(40, 0.5),
        raw=np.zeros((40, 2)),
    ))  # fmt: skip
    result = audit(own, {"chest CT": clean}, protocol=protocol)
    assert findings(result)["ood-detection.confident_findings"].state is not State.FAIL
    assert values(result)["confident_findings"].value == 0


def test_the_threshold_holds_its_rate_and_says_what_passes(rng, weights):
    own = cohort(features(rng, 100), weights)
    far = cohort(features(rng, 50, away=3.0), weights, prefix="f")
    same = cohort(features(rng, 400), weights, prefix="s")
    result = audit(own, {"far": far, "same": same})

    found = values(result)
    assert found["stopped:far/knn"].value > 0.9
    assert found["stopped:same/knn"].value < 0.12
    assert found["threshold:knn"].extra["attained_high"] < 0.12
    said = findings(result)["ood-detection.threshold"]
    assert "at a false alarm rate of 5.0 %" in said.claim
    assert all(case.startswith(("same/", "far/")) for case in said.cases)
    few = audit(cohort(features(rng, 15), weights), {"far": far})
    assert "at least 19 are needed" in findings(few)["ood-detection.threshold"].claim


def test_a_model_of_probabilities_has_no_logits_and_says_so(rng, weights):
    def shares(one):
        plain = replace(one.prediction, kind="probabilities", raw=one.prediction.probabilities)
        return replace(one, prediction=plain, features=None)

    own, far = cohort(features(rng, 60), weights), cohort(features(rng, 40, away=3), weights)
    plain, found = values(audit(own, {"far": far})), audit(shares(own), {"far": shares(far)})
    said = findings(found)["ood-detection.not-computed"].claim
    assert "max logit, energy: the model declares probabilities" in said
    assert "there are no features" in said
    told = values(found)
    assert "ood_auroc:far/energy" not in told
    for name in ("msp", "entropy", "gen", "kl-matching"):
        assert told[f"ood_auroc:far/{name}"].value == pytest.approx(
            plain[f"ood_auroc:far/{name}"].value
        )


def test_an_ensemble_s_mean_has_no_energy(rng, weights):
    own, far = cohort(features(rng, 60), weights), cohort(features(rng, 40, away=3), weights)

    def averaged(one):
        logs = np.log(one.prediction.probabilities)
        samples = np.stack([one.prediction.probabilities] * 3)
        return replace(
            one, prediction=replace(one.prediction, raw=logs), features=None,
            samples=Samples("members", CLASSES, samples, samples[:, :, 1]),
        )  # fmt: skip

    result = audit(averaged(own), {"far": averaged(far)})
    assert "ensemble" in findings(result)["ood-detection.not-computed"].claim
    assert values(result)["ood_auroc:far/mutual-information"].value == 0.5


def facts(n, *, mode="L", size=256.0, kind="image/png", modality="MR"):
    return {
        "modality": [modality] * n, "file type": [kind] * n, "colour mode": [mode] * n,
        "width": [size + at % 3 for at in range(n)],
    }  # fmt: skip


def test_what_the_file_alone_would_have_stopped(rng, weights):
    own = cohort(features(rng, 60), weights, facts=facts(60))
    ct = cohort(
        features(rng, 40), weights, prefix="f",
        facts=facts(40, modality="CT", mode="RGB", size=512.0),
    )  # fmt: skip
    same = cohort(features(rng, 40), weights, prefix="s", facts=facts(40))
    result = audit(own, {"CT": ct, "same": same})

    found = values(result)
    assert found["stopped:CT/file-facts"].value == 1.0
    assert found["stopped:same/file-facts"].value == 0.0
    assert found["false_alarms:file-facts"].value == 0.0
    assert found["ood_auroc:CT/file-facts"].value == 1.0
    assert found["ood_auroc:same/file-facts"].value == 0.5
    why = findings(result)["ood-detection.ood_auroc:CT/msp"].why
    for said in ("modality (CT, not MR)", "colour mode (RGB, not L)",
                 "width (512 to 514, not 256 to 258)",
                 "No score of the network tells more than the files do"):  # fmt: skip
        assert said in why
    assert "file type (" not in why
    assert "Told apart" not in findings(result)["ood-detection.ood_auroc:same/msp"].why


def test_the_guard_is_cross_fitted_too(rng, weights):
    """A width of its own for every case: known from the case itself, unknown from the others."""
    own = facts(60)
    own["colour mode"] = [f"mode {at}" for at in range(60)]
    result = audit(
        cohort(features(rng, 60), weights, facts=own),
        {"f": cohort(features(rng, 40), weights, prefix="f", facts=facts(40))},
    )
    assert values(result)["false_alarms:file-facts"].value == 1.0


def header(n, modality, part):
    return {"header Modality": [modality] * n, "header BodyPartExamined": [part] * n}


def test_what_the_header_alone_would_have_stopped(rng, weights):
    """Parts that are each familiar are foreign together; a file without a header is stopped."""
    own = {
        "header Modality": ["MR"] * 30 + ["CT"] * 30,
        "header BodyPartExamined": ["BRAIN"] * 30 + ["CHEST"] * 30,
    }
    cohorts = {
        "brain-ct": header(40, "CT", "BRAIN"),
        "same": header(40, "MR", "BRAIN"),
        "png": {"modality": ["MR"] * 40},
    }
    result = audit(
        cohort(features(rng, 60), weights, facts=own),
        {name: cohort(features(rng, 40), weights, prefix=name, facts=said)
         for name, said in cohorts.items()},
    )  # fmt: skip

    found = values(result)
    assert found["stopped:brain-ct/dicom-header"].value == 1.0
    assert found["stopped:same/dicom-header"].value == 0.0
    assert found["stopped:png/dicom-header"].value == 1.0
    assert found["false_alarms:dicom-header"].value == 0.0
    assert found["ood_auroc:brain-ct/dicom-header"].value == 1.0
    assert found["ood_auroc:same/dicom-header"].value == 0.5
    assert "ood_auroc:same/file-facts" not in found  # of facts that are measured on files
    said = findings(result)["ood-detection.header"]
    assert said.claim == "The DICOM header alone tells 80 of 120 cases apart."
    assert "a combination of Modality, BodyPartExamined that no" in said.why
    assert "does not tell more than the header does" in said.why
    assert {one.split("/")[0] for one in said.cases} == {"same"}


def test_the_guard_of_headers_is_cross_fitted(rng, weights):
    """A body part of its own for every case is never seen before; one shared by all always is."""
    own = header(60, "MR", "BRAIN")
    own["header BodyPartExamined"] = [f"PART {at}" for at in range(60)]
    result = audit(
        cohort(features(rng, 60), weights, facts=own),
        {"f": cohort(features(rng, 40), weights, prefix="f", facts=header(40, "MR", "BRAIN"))},
    )

    assert values(result)["false_alarms:dicom-header"].value == 1.0


def test_without_headers_there_is_no_guard_of_them(rng, weights):
    result = audit(
        cohort(features(rng, 60), weights, facts=facts(60)),
        {"f": cohort(features(rng, 40), weights, prefix="f", facts=header(40, "CT", "CHEST"))},
    )

    assert not [name for name in values(result) if name.endswith("dicom-header")]
    assert "ood-detection.header" not in findings(result)


def test_an_image_of_both_cohorts_is_not_foreign(rng, weights):
    hashes = tuple((f"own{at}",) for at in range(60))
    own = cohort(features(rng, 60), weights, images=hashes)
    mixed = cohort(
        features(rng, 40), weights, prefix="f",
        images=(*hashes[:5], *((f"far{at}",) for at in range(35))),
    )  # fmt: skip
    result = audit(own, {"far": mixed})
    said = findings(result)["ood-detection.shared-images"]
    assert said.cases == tuple(f"far/f{at}" for at in range(5))
    assert values(result)["confident_findings"].n == 35


def test_without_a_foreign_cohort_it_is_not_assessed(rng, weights):
    result = audit(cohort(features(rng, 60), weights), {})
    assert result.state is State.NOT_ASSESSED
    assert "'--ood' of the command line" in result.reason


def test_scores_agree_with_plain_formulas_on_a_reference(rng, weights):
    own, far, third = (
        side_of(name, cohort(features(rng, n, away=away), weights))
        for name, n, away in (("", 30, 0.0), ("far", 20, 2.0), ("r", 80, 0.0))
    )
    found = {one.name: one for one in scores_of(own, [far], third).found}
    w, b = weights
    cut = np.quantile(third.features, 0.9)
    logits = np.minimum(far.features, cut) @ w + b
    assert found["react"].foreign["far"] == pytest.approx(
        -np.log(np.exp(logits).sum(axis=1)), abs=1e-4
    )
    patterns = np.stack([
        third.features[third.predicted == one].mean(axis=0)
        if (third.predicted == one).any() else np.zeros(D) for one in (0, 1)
    ])  # fmt: skip
    expected = -(own.features * patterns[own.predicted]).sum(axis=1)
    assert found["she"].own == pytest.approx(expected)


GRADIENTS = Protocol.parse(
    {"checks": ["ood-detection"], "limits": [], "draws": 200, "gradient_scores": True}
)


def with_odin(evidence, values):
    return replace(evidence, gradient_scores={"odin": np.asarray(values, float)})


def test_scores_by_gradients_are_there_on_request_alone(rng, weights):
    own, far = cohort(features(rng, 60), weights), cohort(features(rng, 40, away=3.0), weights)
    own = with_odin(own, rng.uniform(0.4, 0.5, 60))
    far = with_odin(far, rng.uniform(0.5, 0.6, 40))

    plain, asked = audit(own, {"CT": far}), audit(own, {"CT": far}, protocol=GRADIENTS)

    found = values(asked)
    assert found["ood_auroc:CT/odin"].value == 1.0
    rows = np.concatenate([own.features["penultimate"], far.features["penultimate"]])
    logits = np.concatenate([own.prediction.raw, far.prediction.raw])
    norm = np.abs(softmax(logits, axis=1) - 0.5).sum(axis=1) * np.abs(rows).sum(axis=1)
    expected = (-norm[60:, None] > -norm[None, :60]).mean()
    assert found["ood_auroc:CT/gradnorm"].value == pytest.approx(expected)
    labels = [row["label"] for row in asked.series[0]["rows"]]
    assert {"CT: ODIN", "CT: GradNorm"} <= set(labels)
    assert findings(asked)["ood-detection.threshold"].claim.startswith("Stopping inputs whose")
    assert not any("odin" in one or "gradnorm" in one for one in values(plain))
    assert "ODIN" not in findings(plain)["ood-detection.not-computed"].claim


@pytest.mark.parametrize(
    ("own", "far", "why"),
    [
        (None, None, "ODIN: its gradients were not taken, which needs a model that can be looked"),
        (0.4, None, "ODIN: its gradients were not taken"),
        (np.nan, np.nan, "ODIN: no gradient can be taken through its input"),
        (0.4, [np.nan] + [0.5] * 39, "ODIN: of 1 case there is no gradient."),
    ],
)
def test_where_gradients_are_not_to_be_had_it_says_why(own, far, why, rng, weights):
    mine, theirs = cohort(features(rng, 60), weights), cohort(features(rng, 40), weights)
    mine = mine if own is None else with_odin(mine, np.full(60, own))
    theirs = theirs if far is None else with_odin(theirs, np.broadcast_to(far, 40))

    result = audit(mine, {"CT": theirs}, protocol=GRADIENTS)

    assert why in findings(result)["ood-detection.not-computed"].claim
    assert "ood_auroc:CT/odin" not in values(result)
    assert "ood_auroc:CT/gradnorm" in values(result), "which takes arrays that are there"


def test_findings_that_do_not_exclude_each_other_have_no_such_gradient(rng, weights):
    def several(evidence):
        loose = replace(evidence.prediction, exclusive=False)
        return with_odin(replace(evidence, prediction=loose), np.full(len(evidence.label), 0.5))

    own, far = several(cohort(features(rng, 60), weights)), several(
        cohort(features(rng, 40), weights)
    )  # fmt: skip

    claim = findings(audit(own, {"CT": far}, protocol=GRADIENTS))["ood-detection.not-computed"]

    assert "ODIN, GradNorm: its findings do not exclude each other." in claim.claim
