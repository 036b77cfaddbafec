"""A program kept beside its weights is the program that would be built, or none."""

import json
import math

import numpy as np
import pytest
import torch

from ml.engine import by_name
from ml.engine.by_name import open_by_name
from ml.intake.model_manifest import ModelManifest
from ml.intake.program_file import beside, key_of, read_program_file, write_program
from ml.intake.safetensors_file import read_safetensors, write_safetensors
from ml.program.graph import Dtype, Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.program.walk import Walker
from tests.ml.intake.test_bundle import module, weights
from tests.ml.intake.test_model import read
from tests.ml.intake.test_model_by_name import NAMED, folder_of

MANIFEST = ModelManifest.model_validate(NAMED)


def small():
    """Every kind of argument; one weight that the file holds, one rounded, one of its own."""
    node = allowed()
    return Program(
        (Port("x", (None, 2), "float32"),),
        {
            "w": np.eye(2, dtype=np.float32), "half": np.array([1.5, 2], dtype=np.float32),
            "own": np.array(3, dtype=np.int64),
        },
        (
            Node(node["linear"], {"input": Ref("x"), "weight": Ref("w"), "bias": None}, ("a",),
                 "head"),
            Node(node["clamp"], {"self": Ref("a"), "min": -math.inf, "max": 2}, ("b",)),
            Node(node["cat"], {"tensors": (Ref("b"), Ref("a")), "dim": 1}, ("c",)),
            Node(node["to.dtype"], {"self": Ref("c"), "dtype": Dtype("float64")}, ("d",)),
        ),
        ("d",),
        {"w": "fc.weight", "half": "fc.half"},
        {"torch": "1"},
    )  # fmt: skip


GIVEN = {"net.fc.weight": np.eye(2, dtype=np.float32), "net.fc.half": np.array([1.5, 2], "<f2")}


def test_what_is_kept_is_what_is_read(tmp_path):
    program, path = small(), tmp_path / "m.program"
    write_program(path, program, GIVEN, "k")
    found = read_program_file(path, GIVEN, "k")

    assert found is not None
    assert (found.inputs, found.nodes, found.outputs) == (
        program.inputs, program.nodes, program.outputs,
    )  # fmt: skip
    assert (found.sources, found.notes) == (program.sources, program.notes)
    for name, array in program.weights.items():
        assert found.weights[name].dtype == array.dtype
        assert np.array_equal(found.weights[name], array)
    assert list(read_safetensors(path).tensors) == ["own"], "weights are kept twice"


def damaged(path, change):
    stored = read_safetensors(path)
    graph = json.loads(stored.metadata["program"])
    change(graph)
    write_safetensors(path, stored.tensors, {**stored.metadata, "program": json.dumps(graph)})


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["nodes"][0].__setitem__(0, "os.system"),
        lambda graph: graph["nodes"][0][1].__setitem__("command", "true"),
        lambda graph: graph["nodes"][0][1].pop("weight"),
        lambda graph: graph["nodes"][0][1].__setitem__("input", {"ref": "nobody"}),
        lambda graph: graph["nodes"][3][1].__setitem__("dtype", {"dtype": "load"}),
        lambda graph: graph["nodes"][0].pop(),
        lambda graph: graph["weights"].__setitem__("w", ["no such tensor", "float32"]),
        lambda graph: graph["weights"].__setitem__("w", ["net.fc.weight", "object"]),
        lambda graph: graph.pop("outputs"),
        lambda graph: graph.__setitem__("nodes", 3),
    ],
)
def test_what_is_damaged_is_not_there(change, tmp_path):
    path = tmp_path / "m.program"
    write_program(path, small(), GIVEN, "k")
    damaged(path, lambda graph: None)
    assert read_program_file(path, GIVEN, "k") is not None
    damaged(path, change)

    assert read_program_file(path, GIVEN, "k") is None


def test_what_is_no_file_of_this_key_is_not_there(tmp_path):
    path = tmp_path / "m.program"
    assert read_program_file(path, GIVEN, "k") is None
    path.write_bytes(b"no safetensors")
    assert read_program_file(path, GIVEN, "k") is None
    write_program(path, small(), GIVEN, "k")
    assert read_program_file(path, GIVEN, "another key") is None


def test_the_key_holds_all_that_a_program_depends_on(tmp_path, monkeypatch):
    one = tmp_path / "one"
    one.write_bytes(b"1")
    other = tmp_path / "other"
    other.write_bytes(b"2")
    arguments = {**MANIFEST.architecture.arguments, "growth_rate": 5}
    deeper = MANIFEST.architecture.model_copy(update={"arguments": arguments})
    wide = MANIFEST.input.model_copy(update={"size": (64, 40)})
    keys = {
        key_of(one, MANIFEST),
        key_of(other, MANIFEST),
        key_of(one, MANIFEST.model_copy(update={"architecture": deeper})),
        key_of(one, MANIFEST.model_copy(update={"input": wide})),
    }
    monkeypatch.setattr("ml.intake.program_file.ENGINE_VERSION", "another")
    assert len(keys | {key_of(one, MANIFEST)}) == 5


def test_a_network_is_exported_once_and_answers_the_same(tmp_path, monkeypatch):
    result = read(folder_of(tmp_path / "m"), tmp_path)
    stored = tmp_path / "out" / "files" / result["sha256"]
    size = stored.stat().st_size

    def never(*given, **named):
        raise AssertionError("it was built again")

    with monkeypatch.context() as patch:
        patch.setattr(by_name, "build", never)
        program = open_by_name(stored, MANIFEST)
        beside(stored).write_bytes(b"damaged")
        with pytest.raises(AssertionError, match="built again"):
            open_by_name(stored, MANIFEST)

    assert len(result["card"]["program_sha256"]) == 64
    assert size == (weights() / "model.safetensors").stat().st_size
    cases = torch.randn(2, 1, 32, 40)
    with torch.no_grad():
        found = Walker(program).run([cases])[program.outputs[0]]
        assert (found - module()(cases)).abs().max() <= 1e-5
