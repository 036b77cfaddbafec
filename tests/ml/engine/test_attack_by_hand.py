"""Attacks are those of plain torch on the module itself: of cross-entropies, one eps at a time."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ml.engine import predict
from ml.engine.attack_form import attack_rows, eps_of
from ml.engine.predict import Asked
from tests.ml.engine.attacked_networks import (
    PARAMS,
    Single,
    done,
    job_of,
    manifest_for,
    picture_files,
    prepared,
)
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of

EPS = [one / 255 for one in eps_of(PARAMS)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No test is given what another one opened."""
    monkeypatch.setattr(predict, "_kept", {})


def step(module, case, loss, size, moved, most):
    moved = moved.clone().requires_grad_()
    loss(module, moved).backward()
    with torch.no_grad():
        further = moved + size * moved.grad.sign()
        return further.clamp(case - most, case + most).clamp(0, 1)


def by_hand(module, case, loss, method, most):
    if method == "fgsm":
        return step(module, case, loss, most, case, most)
    moved = case
    for _ in range(10):
        moved = step(module, case, loss, most / 4, moved, most)
    return moved


def of_class(module, image):
    """Against the most probable class of the picture itself, which ``label`` holds."""
    return functional.cross_entropy(module(image), module.label)


def of_finding(module, image):
    """Against "b" or "not b", as the picture itself is answered."""
    shares = torch.softmax(module(image), 1)[:, 1]
    return functional.binary_cross_entropy(shares, module.label.float())


def of_logit(module, image):
    return functional.binary_cross_entropy_with_logits(module.logit(image)[:, 0], module.label)


def compared(found, module, cases, loss, label_of):
    places = {row: at for at, row in enumerate(attack_rows(PARAMS))}
    worst, turned = 0.0, 0
    for n, case in enumerate(cases):
        with torch.no_grad():
            own = module(case[None])
        module.label = label_of(own)
        assert found.outputs[n, 0] == pytest.approx(own[0].numpy(), abs=1e-5)
        for method in ("fgsm", "pgd"):
            for eps, written in zip(EPS, eps_of(PARAMS), strict=True):
                moved = by_hand(module, case[None], loss, method, eps)
                with torch.no_grad():
                    expected = module(moved)[0].numpy()
                at = places[method, f"{written:g}"]
                worst = max(worst, np.abs(found.outputs[n, at] - expected).max())
                turned += np.abs(expected - own[0].numpy()).max() > 1e-3
    assert worst <= 1e-5
    assert turned >= len(cases), "nothing was moved"


@pytest.mark.parametrize(("classes", "loss"), [(["c", "b", "a"], of_class), ([], of_finding)])
def test_attacks_are_those_of_plain_torch_on_a_densenet(classes, loss, tmp_path):
    net, paths = small("densenet"), picture_files(tmp_path, 3, side=32)
    manifest = manifest_of("densenet", output={"activation": "softmax"})
    cases = [{"case_id": f"c{at}", "images": [str(path)]} for at, path in enumerate(paths)]
    model = {"path": str(net.path), "manifest": manifest.model_dump(mode="json")}
    job = {"model": model, "cases": cases, **PARAMS, "classes": classes}
    _, found = done(job, tmp_path)

    asked = Asked.of(job)
    pictures = torch.from_numpy(np.stack([prepared(asked, at) for at in range(3)]))

    def label_of(own):
        if loss is of_class:
            return own.argmax(1)
        return torch.softmax(own, 1)[:, 1] >= 0.5

    compared(found, net.module, pictures, loss, label_of)


@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize("bias", [0.3, -0.3])
def test_attacks_are_those_of_plain_torch_on_a_single_number(sigmoid, bias, tmp_path):
    module = Single(sigmoid=sigmoid, bias=bias).eval()
    kind = "probabilities" if sigmoid else "logits"
    manifest = manifest_for(classes=["spot"], output={"kind": kind})
    job = job_of(module, manifest, picture_files(tmp_path, 3), tmp_path)
    _, found = done(job, tmp_path)

    asked = Asked.of(job)
    pictures = torch.from_numpy(np.stack([prepared(asked, at) for at in range(3)]))
    compared(
        found, module, pictures, of_logit,
        lambda own: ((own if sigmoid else torch.sigmoid(own))[:, 0] >= 0.5).float(),
    )  # fmt: skip
