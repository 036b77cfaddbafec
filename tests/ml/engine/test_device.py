"""Every pass computes on the device that was asked for, or says why it does not."""

import numpy as np
import pytest
import torch
from PIL import Image

from ml.engine import device as devices
from ml.engine import predict
from ml.engine.attack import attack_job
from ml.engine.corrupt import corrupt_job
from ml.engine.device import Device, resolve
from ml.engine.explain import attribute_job
from ml.engine.explain_form import RANDOMISE
from ml.engine.passes import PASSES
from ml.engine.perturb import perturb_job
from ml.engine.plan import limits_of
from ml.engine.predict import predict_job
from ml.engine.randomise import randomise_job
from ml.engine.runtime import FUSED, engine_block, of_all
from ml.engine.samples import samples_job
from ml.engine.session import ModelError, open_session
from ml.engine.smoke import noise
from ml.evidence.store import table
from ml.intake.model_manifest import ModelManifest
from ml.program.walk import Walker
from tests.ml.engine.fake_device import FakeBackEnd, watched
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.engine.test_predict import model_file
from tests.ml.engine.test_segment import MANIFEST as SEGMENTS
from tests.ml.engine.test_segment import PIXELS, Spots, case_of, exported, png
from tests.ml.intake.build import MANIFEST, QUIET, merged

CLOSE = 1e-5  # of the largest number: the plain walk against the fused one


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(predict, "_kept", {})
    found = FakeBackEnd()
    monkeypatch.setitem(devices.BACK_ENDS, "fake", found)
    return found


@pytest.fixture
def job(tmp_path):
    def make(name, **changes):
        cases = []
        for number in range(5):
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
            path = tmp_path / f"{number}.png"
            Image.fromarray(pixels).save(path)
            cases.append({"case_id": f"c{number}", "images": [str(path)]})
        cases[2]["images"] = []
        manifest = manifest_of(name).model_dump(mode="json") | changes.pop("manifest", {})
        model = {"path": str(small(name).path), "manifest": manifest}
        return {"model": model, "cases": cases, "batch": 2, "device": "fake:1", **changes}

    return make


PASSED = {
    "predict": (predict_job, {}),
    "features": (predict_job, {"features": ["penultimate", "early"]}),
    "samples": (samples_job, {"kind": "dropout", "samples": 5, "seed": 3}),
    "attribute": (attribute_job, PASSES["attribute"].params),
    "integrated gradients": (
        attribute_job, PASSES["attribute"].params | {"method": "integrated-gradients"}
    ),
    "perturb": (perturb_job, PASSES["perturb"].params | {"steps": 2}),
    "corrupt": (corrupt_job, PASSES["corrupt"].params | {"corruptions": ["gamma"]}),
    "attack": (attack_job, PASSES["attack"].params | {"iterations": 2, "eps": [0.5, 1.0, 2.0]}),
    "randomise": (randomise_job, PASSES[RANDOMISE].params | {"stages": 2}),
}  # fmt: skip


def numbers(found):
    """Every number of a table; of packed columns, what is packed."""
    rows = []
    for row in found.to_pylist():
        for value in row.values():
            if isinstance(value, bytes):
                rows += np.frombuffer(value, "<f4").tolist()
            elif isinstance(value, float):
                rows.append(value)
            elif isinstance(value, list):
                rows += value
    return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize("name", PASSED)
def test_a_pass_computes_on_the_device_and_answers_as_the_processor_does(
    name, fake, job, tmp_path, monkeypatch
):
    run, params = PASSED[name]
    expected = run(job("densenet", **params, device="cpu"), tmp_path, QUIET)
    on_cpu = table((tmp_path / expected["table"]).read_bytes())
    assert expected["runtime"]["device"] == "cpu"
    assert fake.placed == 0

    seen = watched(monkeypatch)
    result = run(job("densenet", **params), tmp_path, QUIET)
    found = table((tmp_path / result["table"]).read_bytes())

    assert len(seen) > 20
    assert [one for one in seen if not one[1]] == []
    assert fake.placed
    runtime = result["runtime"]
    assert (runtime["device"], runtime["asked_device"], runtime["why"]) == ("fake:1", "fake:1", "")
    assert "on fake" in runtime["providers"][0]
    assert found.schema == on_cpu.schema
    ours, theirs = numbers(found), numbers(on_cpu)
    assert len(ours) == len(theirs) > 0
    assert np.abs(ours - theirs).max() <= CLOSE * np.abs(theirs).max()


def test_the_fake_catches_what_is_not_placed_and_what_is_not_brought_back(fake, job, tmp_path):
    placed = Device("fake:0", "fake:0").place(torch.ones(3))
    with pytest.raises(RuntimeError, match="one of the processor"):
        placed + torch.ones(3)
    with pytest.raises(AssertionError, match="brought back"):
        placed.numpy()
    assert (placed.cpu() + torch.ones(3)).numpy().tolist() == [2, 2, 2]
    assert (placed * torch.tensor(2.0)).cpu().tolist() == [2, 2, 2]  # a GPU takes single numbers

    program = manifest_of("tiny")  # weights that stayed behind
    from ml.intake.pt2 import read_pt2

    walker = Walker(read_pt2(small("tiny").path))
    with pytest.raises(RuntimeError, match="one of the processor"):
        walker.run([placed.new_ones(2, *program.input.shape)])


def test_a_pass_that_leaves_its_weights_behind_breaks(fake, job, tmp_path, monkeypatch):
    from ml.engine import program_session

    monkeypatch.setattr(
        program_session, "_walker", lambda program, device, case, fused: Walker(program)
    )
    with pytest.raises(ModelError, match="one of the processor"):
        predict_job(job("densenet"), tmp_path, QUIET)


def test_windows_of_a_network_that_segments_are_computed_on_the_device(fake, tmp_path, monkeypatch):
    exported(tmp_path / "model.pt2", Spots(2), (16, 16))
    manifest = merged(SEGMENTS, {"input": {"patch": {"size": [16, 16], "overlap": 0.5}}})
    del manifest["input"]["size"]
    case = case_of(tmp_path, png(PIXELS))
    cases = [{"case_id": "one", "images": [str(path) for path in case.images]}]
    inputs = {"model": {"path": str(tmp_path / "model.pt2"), "manifest": manifest}, "cases": cases}

    expected = predict_job(inputs, tmp_path, QUIET)
    seen = watched(monkeypatch)
    result = predict_job(inputs | {"device": "fake"}, tmp_path, QUIET)

    assert seen
    assert all(placed for _, placed in seen)
    assert result["sha256"] == expected["sha256"], "the same mask, to the last byte"
    assert result["runtime"]["device"] == "fake:0"


class Weighted(torch.nn.Module):
    """Weighs places by their number: a row of numbers that is made of nothing."""

    def forward(self, image):
        places = torch.arange(image.shape[3], dtype=torch.float32)
        found = (image * places).mean((1, 2, 3))
        return torch.stack([found, -found], 1)


def test_what_a_network_makes_of_nothing_is_placed_too(fake, tmp_path, monkeypatch):
    """On a GPU it would be made on the processor, and could not be computed with."""
    manifest = manifest_of("tiny")
    path = exported(tmp_path / "m.pt2", Weighted(), manifest.input.sides)
    cases = noise(manifest.input, 3)
    expected = open_session(path, manifest).run(cases)

    seen = watched(monkeypatch)
    found = open_session(path, manifest, device=Device("fake:0", "fake:0")).run(cases)
    assert "arange" in str(seen)
    assert np.abs(found - expected).max() <= CLOSE * np.abs(expected).max()


# What there is not.


@pytest.mark.parametrize(
    ("asked", "name", "why"),
    [
        ("cpu", "cpu", ""),
        ("cuda", "cpu", "no device of NVIDIA"),
        ("cuda:1", "cpu", "no device of NVIDIA"),
        ("auto", "cpu", "no device of NVIDIA"),
        ("fake", "fake:0", ""),
        ("fake:1", "fake:1", ""),
        ("fake:2", "cpu", "two of them"),
        ("abacus", "cpu", "knows no device 'abacus'"),
        ("fake:x", "cpu", "knows no device 'fake:x'"),
    ],
)
def test_a_device_is_what_was_asked_for_or_the_processor_and_why(
    asked, name, why, fake, monkeypatch
):
    monkeypatch.setattr(devices, "gpu_devices", lambda: ())
    found = resolve(asked)

    assert (found.name, found.asked) == (name, asked)
    assert why in found.why
    assert bool(found.why) == bool(why)


def test_a_gpu_is_what_torch_sees_and_one_alone_is_its_first(monkeypatch):
    monkeypatch.setattr(devices, "gpu_devices", lambda: ("/dev/nvidia3",))
    assert "built without CUDA" in resolve("cuda").why

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve("auto") == Device("cuda:0", "auto", "")
    assert "torch sees 1 GPUs" in resolve("cuda:3").why
    monkeypatch.setenv(devices.ONLY_GPU, "3")  # the parent lets it see that one alone
    alone = resolve("cuda:3")
    assert (alone.name, alone.torch_name) == ("cuda:3", "cuda:0")


def test_evidence_says_what_computed_it_and_what_was_asked(job, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "gpu_devices", lambda: ())
    monkeypatch.setattr(predict, "_kept", {})
    result = predict_job(job("densenet", device="cuda:1", runtime=FUSED), tmp_path, QUIET)

    runtime = result["runtime"]
    assert (runtime["device"], runtime["asked_device"]) == ("cpu", "cuda:1")
    assert "NVIDIA" in runtime["why"]
    assert result["reusable"], "it is what the processor gives anywhere"
    block = engine_block(runtime)
    assert (block["device"], block["asked_device"]) == ("cpu", "cuda:1")
    assert "why" not in engine_block(runtime | {"asked_device": "auto"})
    both = of_all([{"device": "cpu", "why": "No."}, {"device": "cuda:0", "why": ""}])
    assert (both["device"], both["why"]) == ("cpu, cuda:0", "No.")


def test_onnxruntime_is_asked_for_cuda_only_where_it_has_it(fake, tmp_path, monkeypatch):
    import onnxruntime as ort

    from ml.engine import session as sessions

    manifest = ModelManifest.model_validate(MANIFEST)
    gpu, path, asked = Device("cuda:1", "cuda:1"), model_file(tmp_path), []
    real = ort.InferenceSession

    def spy(data, options, providers):
        asked.append(providers)
        return real(data, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort, "InferenceSession", spy)
    found = open_session(path, manifest, device=gpu).runtime_json
    assert asked.pop() == ["CPUExecutionProvider"]
    assert (found["device"], found["asked_device"]) == ("cpu", "cuda:1")
    assert "without CUDA" in found["why"]

    monkeypatch.setattr(ort, "get_available_providers", lambda: [sessions._CUDA])
    found = open_session(path, manifest, device=gpu).runtime_json
    (name, options), _ = asked.pop()
    assert (name, options["device_id"], options["use_tf32"]) == (sessions._CUDA, "1", "0")
    assert "could not start it" in found["why"]

    found = open_session(path, manifest, device=Device("fake:0", "fake:0")).runtime_json
    assert "does not know fake:0" in found["why"]


# Fewer digits.


def cast(job, **changes):
    return job("densenet", manifest={"runtime": {"autocast": "bfloat16"}}, **changes)


def test_autocast_is_used_where_the_manifest_declares_it_and_on_a_gpu_only(fake, job, tmp_path):
    full = predict_job(job("densenet"), tmp_path, QUIET)
    exact = numbers(table((tmp_path / full["table"]).read_bytes()))
    assert set(fake.casts) == {None}
    assert "precision" not in full["runtime"]

    less = predict_job(cast(job), tmp_path, QUIET)
    rough = numbers(table((tmp_path / less["table"]).read_bytes()))
    assert "bfloat16" in fake.casts
    assert less["runtime"]["precision"] == "autocast bfloat16"
    assert not less["reusable"], "under the key of float32 it would be found as such"
    apart = np.abs(rough - exact).max() / np.abs(exact).max()
    assert 1e-5 < apart < 0.1

    kept = predict_job(cast(job, device="cpu"), tmp_path, QUIET)
    assert kept["runtime"]["precision"] == "float32"
    assert "on a GPU only" in kept["runtime"]["why_precision"]
    assert kept["reusable"]
    same = numbers(table((tmp_path / kept["table"]).read_bytes()))
    assert np.abs(same - exact).max() <= CLOSE * np.abs(exact).max()


def test_gradients_keep_every_digit(fake, job, tmp_path):
    attribute_job(cast(job, **PASSES["attribute"].params), tmp_path, QUIET)
    assert set(fake.casts) == {None}
    predict._kept.clear()
    samples_job(cast(job, kind="dropout", samples=2, seed=1), tmp_path, QUIET)
    assert "bfloat16" in fake.casts


def test_a_manifest_that_declares_nothing_keeps_its_hash_and_onnx_declares_nothing():
    assert "runtime" not in ModelManifest.model_validate(MANIFEST).model_dump(mode="json")
    with pytest.raises(ValueError, match="autocast belongs to pt2, safetensors"):
        ModelManifest.model_validate(MANIFEST | {"runtime": {"autocast": "float16"}})
    wrong = merged(MANIFEST, {"format": "pt2", "runtime": {"autocast": "int8"}})
    with pytest.raises(ValueError, match="float16"):
        ModelManifest.model_validate(wrong)


def test_a_child_on_a_gpu_gets_that_gpu_and_no_limit_of_address_space():
    limits = limits_of("predict", device="cuda:2")
    assert (limits.gpu, limits.gpu_index, limits.memory_bytes) == (True, 2, None)
