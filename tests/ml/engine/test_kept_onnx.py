"""A program kept as ONNX gives the evidence that it would give without, and needs no torch."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from ml.engine import kept_onnx
from ml.engine.device import BACK_ENDS, Device
from ml.engine.kept_onnx import keep, key_of, open_kept
from ml.engine.program_session import program_of
from ml.engine.runtime import ONNXRUNTIME
from ml.engine.session import open_session
from ml.intake import model as intake
from ml.intake.model_manifest import ModelManifest
from ml.intake.program_file import onnx_beside
from ml.intake.safetensors_file import read_safetensors, write_safetensors
from tests.ml.engine.fake_device import FakeBackEnd
from tests.ml.engine.test_predict import stored_image
from tests.ml.intake.build import MANIFEST, merged
from tests.ml.intake.exported import archive, exported_folder
from tests.ml.intake.test_model import read
from tests.ml.intake.test_model_by_name import NAMED, folder_of

DECLARED = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})
PT2 = ModelManifest.model_validate(DECLARED)
# What a job over pictures has no use for; all of it takes long to load.
UNUSED = ("torch", "monai", "onnx", "pydicom", "nibabel", "scipy", "pandas", "django")
CHILD = """
import json, sys
from pathlib import Path
from ml.engine.predict import predict_job
from ml.sandbox.child import leave_pandas_out
from ml.sandbox.messages import Reporter
leave_pandas_out()
said = Reporter(log=lambda line: None, progress=lambda done, total: None)
found = predict_job(json.loads(sys.argv[1]), Path(sys.argv[2]), said)
print(json.dumps([found, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(archive().read_bytes())
    return path


@pytest.fixture
def kept(weights):
    assert keep(weights, program_of(weights, PT2), PT2) is not None
    return weights


@pytest.fixture
def chosen(monkeypatch):
    """A trial that chooses onnxruntime, whatever this machine would."""
    found = {"chosen": ONNXRUNTIME, "batch": 8, "seconds_per_case": {}, "not_used": {}}
    monkeypatch.setattr(intake, "trial", lambda *given: found)


def shard(model, manifest, tmp_path, out):
    images = {f"c{shade}": str(stored_image(tmp_path, shade)) for shade in (10, 90, 200)}
    inputs = {
        "model": {"path": str(model), "manifest": manifest},
        "cases": [{"case_id": name, "images": [path]} for name, path in images.items()],
        "runtime": ONNXRUNTIME,
        "device": "cuda",  # as workers ask, who cannot know what there is
    }
    (tmp_path / out).mkdir()
    command = [sys.executable, "-c", CHILD, json.dumps(inputs), str(tmp_path / out)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, modules = json.loads(said)
    found.pop("seconds")
    return found, set(modules), (tmp_path / out / found["table"]).read_bytes()


@pytest.mark.parametrize("kind", ["pt2", "by name"])
def test_the_evidence_is_the_same_and_no_torch_is_loaded(kind, chosen, tmp_path):
    by_name = kind == "by name"
    folder = folder_of(tmp_path / "m") if by_name else exported_folder(tmp_path / "m")
    result = read(folder, tmp_path)
    stored = tmp_path / "out" / "files" / result["sha256"]
    file = onnx_beside(stored)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == result["card"]["onnx_sha256"]
    assert by_name == ("program_sha256" in result["card"])

    quick, modules, table = shard(stored, result["manifest"], tmp_path, "with")
    file.unlink()
    slow, others, same = shard(stored, result["manifest"], tmp_path, "without")

    assert sorted(modules & set(UNUSED)) == []
    assert "torch" in others, "the test looks at the wrong process"
    assert table == same
    assert quick == slow
    assert quick["runtime"]["torch"], "the evidence forgets who wrote the network"
    assert quick["reusable"] is True


def test_nothing_is_kept_of_what_another_runtime_is_to_run(monkeypatch, tmp_path):
    found = {"chosen": "fused program", "batch": 8, "seconds_per_case": {}, "not_used": {}}
    monkeypatch.setattr(intake, "trial", lambda *given: found)
    result = read(exported_folder(tmp_path / "m"), tmp_path)

    assert "onnx_sha256" not in result["card"]
    assert not onnx_beside(tmp_path / "out" / "files" / result["sha256"]).exists()


def changed(path, change):
    """The kept file with other tensors or metadata."""
    stored = read_safetensors(onnx_beside(path))
    tensors = {name: one.copy() for name, one in stored.tensors.items()}
    metadata = dict(stored.metadata)
    change(tensors, metadata)
    write_safetensors(onnx_beside(path), tensors, metadata)


def flip(tensors, metadata):
    tensors["network"][tensors["network"].size // 2] ^= 1


def rename(tensors, metadata):
    """Of the graph, which no answer tells: only the hash does."""
    data = tensors["network"].tobytes()
    assert b"program" in data
    tensors["network"] = np.frombuffer(data.replace(b"program", b"Program"), np.uint8)


def another_network(tensors, metadata):
    """Whose hash is right: the one thing wrong is that it is no network."""
    tensors["network"] = np.frombuffer(b"no network", np.uint8)
    metadata["sha256"] = hashlib.sha256(b"no network").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        flip,
        rename,
        another_network,
        lambda tensors, metadata: metadata.__setitem__("key", "another"),
        lambda tensors, metadata: metadata.pop("key"),
        lambda tensors, metadata: metadata.__setitem__("made_by", "[]"),
        lambda tensors, metadata: metadata.__setitem__("made_by", "{"),
        lambda tensors, metadata: tensors.pop("network"),
        lambda tensors, metadata: tensors.pop("answer"),
        # What another machine would find: its answer to noise is not the plain walk's.
        lambda tensors, metadata: tensors.__setitem__("answer", tensors["answer"] + 1e-3),
        lambda tensors, metadata: tensors.__setitem__("answer", tensors["answer"] * np.nan),
        lambda tensors, metadata: tensors.__setitem__("answer", tensors["answer"][:, :1]),
    ],
)
def test_what_is_damaged_or_does_not_fit_is_not_there(change, kept):
    changed(kept, lambda *stored: None)
    assert open_kept(kept, PT2) is not None
    changed(kept, change)

    assert open_kept(kept, PT2) is None
    assert open_session(kept, PT2, runtime=ONNXRUNTIME).runtime == ONNXRUNTIME, "no way is left"


def test_what_is_no_such_file_is_not_there(kept):
    onnx_beside(kept).write_bytes(b"no safetensors")
    assert open_kept(kept, PT2) is None
    onnx_beside(kept).unlink()
    assert open_kept(kept, PT2) is None


def test_it_is_not_used_where_another_runtime_or_a_device_is_asked_for(kept, monkeypatch):
    def never(*given, **named):
        raise AssertionError("it was opened")

    monkeypatch.setattr(kept_onnx, "open_kept", never)
    none = Device("cpu", "cuda", "There is none.")
    with pytest.raises(AssertionError, match="opened"):
        open_session(kept, PT2, runtime=ONNXRUNTIME, device=none)
    open_session(kept, PT2, runtime="fused program")
    open_session(kept, PT2)
    monkeypatch.setitem(BACK_ENDS, "fake", FakeBackEnd())
    open_session(kept, PT2, runtime=ONNXRUNTIME, device=Device("fake:0", "fake:0"))


def test_the_key_holds_all_that_it_depends_on(kept, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.write_bytes(b"other weights")
    wide = PT2.model_copy(update={"input": PT2.input.model_copy(update={"size": (9, 8)})})
    scaled = PT2.input.intensity.model_copy(update={"scale": 128.0})
    darker = PT2.model_copy(update={"input": PT2.input.model_copy(update={"intensity": scaled})})
    by_name = ModelManifest.model_validate(NAMED)
    keys = {key_of(kept, PT2), key_of(other, PT2), key_of(kept, wide), key_of(kept, darker)}
    keys.add(key_of(kept, by_name))
    with monkeypatch.context() as patch:
        patch.setattr(kept_onnx, "ENGINE_VERSION", "another")
        keys.add(key_of(kept, PT2))
    for package in ("torch", "monai", "onnx", "onnxruntime"):
        monkeypatch.setattr(
            kept_onnx, "version_of", lambda name, one=package: "9" if name == one else "1"
        )
        keys.add(key_of(kept, PT2))
    assert len(keys) == 10
