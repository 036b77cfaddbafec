"""Attacks stay within eps, turn the answer of the audit, and are the same in any batch."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from ml.checks.scored import operating_point
from ml.engine import predict
from ml.engine.attack import Attack, Network, attack_job
from ml.engine.attack_form import ATTACK, eps_of
from ml.engine.attack_target import Target
from ml.engine.cost import Sizes
from ml.engine.passes import PASSES, cost_of
from ml.engine.plan import plan
from ml.engine.predict import Asked
from ml.engine.session import ModelError
from ml.evidence.tables import Prediction
from ml.imaging.intensity import to_unit
from ml.protocol import Protocol
from tests.ml.engine.attacked_networks import (
    PARAMS,
    SIDE,
    Single,
    Steep,
    Weighed,
    done,
    job_of,
    manifest_for,
    picture_files,
    prepared,
)
from tests.ml.engine.test_predict import model_file
from tests.ml.intake.build import MANIFEST, QUIET, brightness, merged

EPS = [one / 255 for one in eps_of(PARAMS)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No test is given what another one opened."""
    monkeypatch.setattr(predict, "_kept", {})


def attack_of(job):
    asked = Asked.of(job)
    network = Network(asked)
    target = Target.of(asked.manifest, job, inside=network.logits != network.output)
    return Attack(network, target, asked.manifest.input, job), asked


def test_no_copy_leaves_eps_or_the_range(tmp_path):
    paths = picture_files(tmp_path, 3, low=0, high=3) + picture_files(tmp_path, 3, low=253)
    manifest = manifest_for(input={"size": SIDE, "intensity": {"scale": 255, "mean": 0.4}})
    job = job_of(Steep(4.0), manifest, paths, tmp_path)
    attack, asked = attack_of(job)

    for at in range(len(paths)):
        array = prepared(asked, at)
        before, made = to_unit(array, attack.declared), attack.copies("c", array)
        assert set(made.moved) == {"noise", "fgsm", "pgd"}
        for moves in made.moved.values():
            for eps, copy in zip(EPS, made.room.copied(moves).numpy(), strict=True):
                after = to_unit(copy, attack.declared)
                assert after.min() >= -1e-6
                assert after.max() <= 1 + 1e-6
                away = np.abs(after - before)
                assert away.max() <= eps + 1e-6
                inside = (before > eps) & (before < 1 - eps)
                assert away[inside] == pytest.approx(eps, abs=1e-6) or moves is made.moved["pgd"]


def test_what_resizing_took_beyond_the_range_is_moved_inwards_alone(tmp_path):
    job = job_of(Steep(4.0), manifest_for(), picture_files(tmp_path, 1), tmp_path)
    attack, asked = attack_of(job)
    array = prepared(asked, 0)
    array[0, 0, :2] = (-0.1, 1.1)

    moves = attack.copies("c", array).moved
    for one in moves.values():
        assert (one[:, 0, 0, 0] >= 0).all()
        assert (one[:, 0, 0, 1] <= 0).all()
        assert (one.abs().amax((1, 2, 3)).numpy() <= np.array(EPS) * (1 + 1e-5)).all()


NORMS = {"scale": 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def test_a_grey_picture_stays_grey_and_colours_are_moved_by_themselves(tmp_path):
    declared = {"size": SIDE, "colour": "rgb", "intensity": NORMS}
    manifest = manifest_for(classes=["spot"], input=declared)
    paths = picture_files(tmp_path, 1) + picture_files(tmp_path, 1, channels=3)
    job = job_of(Weighed(channels=3), manifest, paths, tmp_path, channels=3)
    attack, asked = attack_of(job)

    def spread(at, method):
        made = attack.copies("c", prepared(asked, at))
        copies = made.room.copied(made.moved[method]).numpy()
        units = np.stack([to_unit(one, attack.declared) for one in copies])
        return np.ptp(units - to_unit(prepared(asked, at), attack.declared), axis=-1).max()

    for method in ("noise", "fgsm", "pgd"):
        assert spread(0, method) < 1e-6
        assert spread(1, method) == pytest.approx(2 * EPS[-1], rel=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_linear_network_is_moved_by_eps_times_its_weights(channels, tmp_path):
    """In closed form: eps times the sum of all absolute derivatives by the intensities."""
    module = Weighed(channels=channels)
    norms = {"scale": 255} if channels == 1 else NORMS
    declared = {"size": SIDE, "colour": "gray" if channels == 1 else "rgb", "intensity": norms}
    manifest = manifest_for(classes=["spot"], input=declared)
    paths = picture_files(tmp_path, 4, low=10, high=240, channels=0 if channels == 1 else 3)
    _, found = done(job_of(module, manifest, paths, tmp_path, channels=channels), tmp_path)

    weights = module.weights.detach().numpy()
    steepness = np.abs(weights / np.array(norms.get("std", [1.0]))[:, None, None]).sum()
    assert found.slope == pytest.approx([steepness] * 4, rel=1e-5)
    own = found.outputs[:, 0, 0]
    towards = np.where(own >= 0, -1.0, 1.0)
    for written, eps in zip(eps_of(PARAMS), EPS, strict=True):
        for method in ("fgsm", "pgd"):
            (at,) = found.version(method=method, eps=f"{written:g}")
            moved = found.outputs[:, at, 0] - own
            assert moved == pytest.approx(towards * eps * steepness, rel=1e-3)
        (at,) = found.version(method="noise", eps=f"{written:g}")
        assert (np.abs(found.outputs[:, at, 0] - own) < 0.6 * eps * steepness).all()


@pytest.mark.parametrize(
    ("point", "rises"), [(None, True), (0.1, False), ("strict", True), ("lax", False)]
)
def test_the_answer_that_is_turned_is_that_of_the_operating_point(point, rises, tmp_path):
    module = Single(sigmoid=True, bias=-1.1).eval()
    points = [{"name": "strict", "threshold": 0.9}, {"name": "lax", "threshold": 0.05}]
    output = {"kind": "probabilities"}
    manifest = manifest_for(classes=["spot"], output=output, operating_points=points)
    job = job_of(module, manifest, picture_files(tmp_path, 3), tmp_path)
    _, found = done({**job, "operating_point": point}, tmp_path)

    (at,) = found.version(method="fgsm", eps="4")
    own, after = found.outputs[:, 0, 0], found.outputs[:, at, 0]
    assert ((own > 0.1) & (own < 0.9)).all()
    assert ((after > own) == rises).all()


def test_the_threshold_is_that_of_the_checks():
    points = [{"name": "lax", "threshold": 0.05}, {"name": "strict", "threshold": 0.9}]
    for declared in ([], points):
        manifest = manifest_for(operating_points=declared)
        named = tuple((one["name"], one["threshold"]) for one in declared)
        prediction = Prediction(("a",), ("a",), "logits", None, np.zeros(1), operating_points=named)
        for wanted in (None, 0.25, 1, *(one["name"] for one in declared)):
            protocol = Protocol(operating_point=wanted)
            point = operating_point(prediction, protocol)
            given = Target.of(manifest, {"operating_point": wanted}, inside=True)
            assert given.threshold == point.threshold


def test_a_network_that_is_sure_is_attacked_all_the_same(tmp_path):
    """Its probabilities are 0 and 1 in float32, and the gradient of a cross-entropy is zero."""
    paths = picture_files(tmp_path, 3, high=200)
    gentle = done(job_of(Steep(4.0), manifest_for(), paths, tmp_path), tmp_path)[1]
    predict._kept.clear()
    sure = done(job_of(Steep(4.0, sharpness=1e5), manifest_for(), paths, tmp_path), tmp_path)[1]

    assert np.abs(sure.outputs[:, 0]).min() > 200
    assert sure.slope == pytest.approx(gentle.slope * 1e5 / 8, rel=1e-3)
    assert sure.outputs / 1e5 == pytest.approx(gentle.outputs / 8, abs=1e-5)


def test_saturated_activations_have_no_gradient_and_are_not_moved(tmp_path):
    paths = picture_files(tmp_path, 3, low=0, high=100)
    _, found = done(job_of(Steep(1e4), manifest_for(), paths, tmp_path), tmp_path)

    assert found.slope.tolist() == [0, 0, 0]
    for method in ("fgsm", "pgd"):
        for at in found.version(method=method):
            assert np.array_equal(found.outputs[:, at], found.outputs[:, 0])


class Rounded(torch.nn.Module):
    def forward(self, image):
        bright = (image > 0.5).to(torch.float32).mean((1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], 1)


def test_a_network_of_steps_alone_has_no_gradient(tmp_path):
    _, found = done(
        job_of(Rounded(), manifest_for(), picture_files(tmp_path, 2), tmp_path), tmp_path
    )
    assert found.slope.tolist() == [0, 0]
    assert np.isfinite(found.outputs).all()


def test_no_batch_shard_or_fixed_batch_changes_a_number(tmp_path):
    job = job_of(Single(sigmoid=False), manifest_for(classes=["spot"]), picture_files(tmp_path),
                 tmp_path)  # fmt: skip
    whole, found = done(job, tmp_path)
    other, _ = done({**job, "batch": 2}, tmp_path)
    assert whole["sha256"] == other["sha256"]
    _, part = done({**job, "cases": job["cases"][3:]}, tmp_path)
    assert np.array_equal(part.outputs, found.outputs[3:])
    assert np.array_equal(part.slope, found.slope[3:])


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_graph_for_a_number_of_cases_is_given_that_many(size, tmp_path):
    (path,) = picture_files(tmp_path, 1, side=8)
    rows = []
    for first in ("batch", size):
        file = model_file(tmp_path, brightness(shape=(first, 1, 8, 8)))
        job = {
            "model": {"path": str(file), "manifest": MANIFEST},
            "cases": [{"case_id": "c", "images": [str(path)]}], **PARAMS,
        }  # fmt: skip
        predict._kept.clear()
        rows.append(done(job, tmp_path)[1].outputs)
    assert rows[1] == pytest.approx(rows[0], abs=1e-6)
    assert np.ptp(rows[0][0, :, 0]) > 1e-3


def test_what_does_not_fit_into_memory_is_halved(tmp_path, monkeypatch):
    job = job_of(Single(sigmoid=False), manifest_for(classes=["spot"]), picture_files(tmp_path, 2),
                 tmp_path)  # fmt: skip
    _, expected = done(job, tmp_path)
    predict._kept.clear()
    walk = Network._walk

    def short(self, copies):
        if copies.requires_grad and len(copies) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return walk(self, copies)

    monkeypatch.setattr(Network, "_walk", short)
    result, found = done(job, tmp_path)
    assert found.outputs == pytest.approx(expected.outputs, abs=1e-5)
    assert result["runtime"]["copies_at_once"] == 2


def test_random_changes_hang_on_seed_and_case_alone(tmp_path):
    paths = picture_files(tmp_path, 1, low=20, high=235)
    job = job_of(Weighed(), manifest_for(classes=["spot"]), paths, tmp_path)
    attack, asked = attack_of(job)
    array = prepared(asked, 0)
    signs = attack.copies("c", array).moved["noise"]

    assert signs.abs().amax((1, 2, 3)).numpy() == pytest.approx(np.array(EPS), rel=1e-5)
    assert torch.equal(signs, attack.copies("c", array).moved["noise"])
    assert not torch.equal(signs.sign(), attack.copies("d", array).moved["noise"].sign())
    again, _ = attack_of({**job, "seed": 1})
    assert not torch.equal(signs.sign(), again.copies("c", array).moved["noise"].sign())
    assert 0.35 < (signs[0] > 0).float().mean() < 0.65
    assert torch.equal(signs[0].sign(), signs[-1].sign())


class Broken(torch.nn.Module):
    """NaN for dark pictures; a little brighter it answers."""

    def forward(self, image):
        mean = image.mean((1, 2, 3))
        return torch.stack([torch.sqrt(mean - 0.25), torch.zeros_like(mean)], 1)


def test_a_case_that_cannot_be_run_costs_itself_alone(tmp_path):
    paths = picture_files(tmp_path, 1, low=200)
    paths += [picture_files(tmp_path, 2, low=10, high=20)[1]]
    job = job_of(Broken(), manifest_for(), paths, tmp_path)
    job["cases"].append({"case_id": "gone", "images": []})
    result, found = done(job, tmp_path)

    assert found.failures == {"c1": "non_finite_output", "gone": "no_image"}
    assert result["failed"] == 2
    assert np.isfinite(found.outputs[0]).all()
    assert np.isnan(found.outputs[1:]).all()
    assert np.isnan(found.slope[1:]).all()


def test_whole_numbers_take_no_gradient(tmp_path):
    manifest = merged(MANIFEST, {"input": {"intensity": None}})
    model = brightness()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["given"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "given"
    job = {"model": {"path": str(model_file(tmp_path, model)), "manifest": manifest},
           "cases": [], **PARAMS}  # fmt: skip
    with pytest.raises(ModelError, match="whole numbers") as caught:
        attack_job(job, tmp_path, QUIET)
    assert caught.value.code == "gradient_layer"


def test_the_pass_is_planned_for_pictures_that_can_be_looked_into():
    protocol = Protocol.parse({"checks": ["adversarial-lite"], "limits": [], "attack_cases": 15,
                               "operating_point": 0.2})  # fmt: skip
    catalogue = {"classes": ["a", "b", "c"], "cases": []}
    found = {one.name: one.params for one in plan(protocol, has_model=True, catalogue=catalogue)}

    assert list(found) == ["predict", ATTACK]
    assert found[ATTACK] == PARAMS | {
        "most_cases": 15, "cases_seed": protocol.seed, "operating_point": 0.2,
        "classes": ["a", "b", "c"],
    }  # fmt: skip
    for changes in ({"walks": False}, {"pictures": False}):
        assert [one.name for one in plan(protocol, has_model=True, **changes)] == ["predict"]
    assert ATTACK not in {one.name for one in plan(Protocol.default(), has_model=True)}


def test_the_cost_is_that_of_the_walks_that_are_made(tmp_path, monkeypatch):
    walks = {True: 0, False: 0}
    walk = Network._walk

    def counting(self, copies):
        walks[torch.is_grad_enabled()] += len(copies)
        return walk(self, copies)

    monkeypatch.setattr(Network, "_walk", counting)
    job = job_of(Steep(4.0), manifest_for(), picture_files(tmp_path, 1), tmp_path)
    done(job, tmp_path)

    cost = cost_of(ATTACK, PASSES[ATTACK].params, Sizes())
    assert (cost.forwards, cost.backwards) == (walks[False], walks[True]) == (15, 46)
