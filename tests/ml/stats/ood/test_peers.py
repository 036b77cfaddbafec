"""Scores, areas and uncertainties beside pytorch-ood and torch-uncertainty, where they are there.

Both are installed by `make bench` only; without them these tests are skipped.
"""

import numpy as np
import pytest

from benchmarks.detectors import agreeing, detectors
from benchmarks.features import drawn
from benchmarks.peers import peer_module
from ml.stats.calibration.binned_error import binned_error
from ml.stats.ood.detection import detection
from ml.stats.uncertainty.decomposition import entropy_parts
from ml.stats.uncertainty.selective import area

CASES, WIDTH = 400, 24
RNG = np.random.default_rng(11)


def peer(name: str):
    pytest.importorskip("torch")
    try:
        return peer_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: `make bench` does that")


@pytest.mark.parametrize("one", detectors(CASES), ids=lambda one: one.name)
def test_scores_agree_with_pytorch_ood(one):
    peer("pytorch_ood.api")

    assert agreeing(one, drawn(CASES, WIDTH), tolerance=1e-4) is True  # it is written as JSON


def test_agreement_is_not_given_for_another_score():
    peer("pytorch_ood.api")
    known = {one.name: one for one in detectors(CASES)}
    mixed = type(known["energy"])("mixed", known["energy"].ours, known["entropy"].peer)
    scaled = type(known["GEN"])("scaled", known["GEN"].ours, known["GEN"].peer)

    assert not agreeing(mixed, drawn(CASES, WIDTH))
    assert not agreeing(scaled, drawn(CASES, WIDTH))


def _answers():
    """Probabilities (n, classes) without ties, in which single precision keeps the order."""
    rng = np.random.default_rng(12)
    p = np.exp(rng.normal(size=(CASES, 3)) * 2).astype(np.float32)
    p /= p.sum(axis=1, keepdims=True)
    truth = np.where(rng.random(CASES) < 0.3, rng.integers(0, 3, CASES), p.argmax(axis=1))
    return p, truth


@pytest.mark.parametrize(("name", "form", "n_over"), [("AURC", "aurc_trapezoid", None),
                                                      ("AUGRC", "augrc", 1)])  # fmt: skip
def test_areas_agree_with_torch_uncertainty(name, form, n_over):
    """Its areas are trapezoids over coverage 1/n..1, divided by 1 - 1/n; AUGRC by the paper is
    the mean over k/n, from which half a step at each end and that divisor are taken."""
    import torch

    theirs = getattr(peer("torch_uncertainty.metrics.classification.risk_coverage"), name)()
    p, truth = _answers()
    error = (p.argmax(axis=1) != truth).astype(int)
    theirs.update(torch.from_numpy(p), torch.from_numpy(truth))

    own = area(p.max(axis=1).astype(float), error, form=form).value

    if n_over:
        order = (-p.max(axis=1).astype(float)).argsort(kind="stable")
        ends = (error[order][0] + error.sum()) / CASES / 2
        own = (own * CASES - ends) / CASES / (1 - 1 / CASES)
    assert own == pytest.approx(float(theirs.compute()), abs=1e-6)
    plain = area(p.max(axis=1).astype(float), error, form=name.lower()).value
    assert plain != pytest.approx(float(theirs.compute()), abs=1e-5)  # another convention


@pytest.mark.parametrize("n", [40, 30])
def test_fpr_at_95_per_cent_agrees_with_torch_uncertainty(n):
    """Of 40 the 95 per cent are whole, of 30 not: it too takes the first threshold that reaches
    them by now; earlier releases took the nearest, which may lie below."""
    import torch

    module = peer("torch_uncertainty.metrics.classification.fpr")
    rng = np.random.default_rng(n)
    own, foreign = rng.normal(size=n).round(1), (rng.normal(size=n) + 1.5).round(1)
    with pytest.warns(UserWarning, match="buffer"):
        theirs = module.FPR95(pos_label=1)
    labels = torch.arange(2 * n) >= n
    theirs.update(torch.from_numpy(np.concatenate([own, foreign])), labels.long())

    found = detection(own, foreign)

    assert found.fpr95_ood_positive.value == pytest.approx(float(theirs.compute()), abs=1e-6)


def test_ranking_agrees_with_pytorch_ood():
    """But for its areas under precision and recall: trapezoids, which are another convention."""
    import torch

    theirs = peer("pytorch_ood.metrics.functional")
    rng = np.random.default_rng(4)
    own, foreign = rng.normal(size=60).round(1), (rng.normal(size=40) + 1).round(1)
    labels = torch.from_numpy(np.r_[np.zeros(60), -np.ones(40)]).long()
    given = torch.from_numpy(np.concatenate([own, foreign])), labels

    found = detection(own, foreign)

    assert found.auroc.value == pytest.approx(float(theirs.auroc(*given)), abs=1e-12)
    ours = found.fpr95_ood_positive.value
    assert ours == pytest.approx(float(theirs.fpr_at_tpr(*given)), abs=1e-12)
    for ours, positive in ((found.aupr_out.value, "ood"), (found.aupr_in.value, "id")):
        trapezoid = float(theirs.aupr(*given, positive=positive))
        assert 1e-4 < abs(ours - trapezoid) < 0.02


def test_calibration_error_agrees_with_torch_uncertainty():
    import torch

    folder = "torch_uncertainty.metrics.classification.calibration.calibration_error"
    theirs = peer(folder).TUMulticlassCalibrationError(num_classes=3, n_bins=15, norm="l1")
    p, truth = _answers()
    theirs.update(torch.from_numpy(p), torch.from_numpy(truth))

    own = binned_error(p.max(axis=1).astype(float), p.argmax(axis=1) == truth, bins=15).value

    assert own == pytest.approx(float(theirs.compute()), abs=1e-6)


def test_mutual_information_agrees_with_torch_uncertainty():
    import torch

    folder = "torch_uncertainty.metrics.classification"
    information = peer(f"{folder}.mutual_information").MutualInformation(reduction="none")
    entropy = peer(f"{folder}.entropy").Entropy(reduction="none")
    p = RNG.dirichlet(np.ones(4), size=(7, 50))  # members, cases, classes
    given = torch.from_numpy(p).transpose(0, 1)
    for one in (information, entropy):
        one.update(given)

    parts = entropy_parts(p)

    assert parts.epistemic == pytest.approx(information.compute().numpy(), abs=1e-6)
    theirs = entropy.compute().numpy()
    assert parts.aleatoric == pytest.approx(theirs, abs=1e-6)  # its entropy is of each member
