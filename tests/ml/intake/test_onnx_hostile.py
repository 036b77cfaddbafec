"""ONNX files as a stranger may send them: run, or refused with a code, whatever is in them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ml.intake.model import read_model
from ml.intake.program import read_program
from ml.intake.refusal import Refused
from tests.ml.intake.build import QUIET
from tests.ml.intake.onnx_graphs import cases, ints, of, one, weights
from tests.ml.intake.onnx_mutants import sound

ROOT = Path(__file__).parents[3]
CODES = {
    "ran", "memory", "model_not_onnx", "model_corrupt", "model_limit", "model_shape",
    "model_failed", "model_unloadable", "custom_op", "opset_unsupported", "external_data",
}  # fmt: skip
BIG = 10**9


def code_of(model: onnx.ModelProto | bytes, tmp_path: Path) -> str:
    """The code of its refusal: where it is read as a program, and where it comes in."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(Refused) as caught:
        read_program(path, "onnx")
    return caught.value.refusals[0].code


def test_damaged_files_are_run_or_refused_and_nothing_else(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "tests.ml.intake.onnx_mutants", "3", "200", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr[-2000:]
    counts = json.loads(found.stdout)
    assert sum(counts.values()) == 200
    assert set(counts) <= CODES
    assert counts["ran"] >= 10
    assert counts["model_corrupt"] >= 10


@pytest.mark.parametrize("field", ["weight", "attribute"])
def test_numbers_in_another_file_are_never_followed(field, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(144))
    tensor = TensorProto(name="w1", data_type=TensorProto.FLOAT, dims=[4, 1, 3, 3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    model = sound()
    (place,) = [at for at, one in enumerate(model.graph.initializer) if one.name == "w1"]
    if field == "weight":
        model.graph.initializer[place].CopyFrom(tensor)
    else:
        del model.graph.initializer[place]
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w1"], value=tensor))

    assert code_of(model, tmp_path) == "external_data"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_in_place_of_the_file_is_not_followed(link, tmp_path):
    """A symbolic link is refused; a hard link is the file itself, and is read for what it is."""
    secret = tmp_path / "secret.txt"
    secret.write_text("nothing of a network")
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    link(secret, folder / "model.onnx")
    (folder / "README.md").write_text("two files make a folder")

    with pytest.raises(Refused) as caught:
        read_model(folder, out, QUIET)

    assert caught.value.refusals[0].code in {
        os.symlink: {"archive_link"}, os.link: {"manifest_missing", "model_not_onnx"},
    }[link]  # fmt: skip
    assert not list(out.rglob("*secret*"))


def test_operators_of_other_domains_are_refused(tmp_path):
    model = sound()
    model.graph.node[2].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))

    assert code_of(model, tmp_path) == "custom_op"


@pytest.mark.parametrize("op", ["Loop", "If", "Scan", "SequenceMap"])
def test_loops_and_branches_are_refused(op, tmp_path):
    model = sound()
    inner = helper.make_graph([helper.make_node("Identity", ["i"], ["o"])], "inner", [], [])
    model.graph.node.append(helper.make_node(op, ["image"], ["more"], body=inner))

    assert code_of(model, tmp_path) == "model_limit"


def test_functions_are_refused(tmp_path):
    model = sound()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], body, opsets))

    assert code_of(model, tmp_path) == "model_limit"


def test_a_weight_that_declares_two_gigabytes_is_refused(tmp_path):
    model = sound()
    model.graph.initializer[0].dims[:] = [2**29, 1, 1, 1]

    assert code_of(model, tmp_path) == "model_limit"


@pytest.mark.parametrize(
    "made",
    [
        one("ConstantOfShape", ints(BIG, 1)),
        one("Expand", weights(1, 1), ints(BIG, 4)),
        one("Tile", weights(4, 1), ints(BIG, 1)),
        one("Pad", weights(4, 1), ints(0, BIG, 0, BIG)),
        one("Resize", weights(1, 1, 4, 4), None, None, ints(1, 1, BIG, 2), mode="nearest"),
        one("Conv", cases(1, 1, 8, 8), weights(1, 1, 1, 1), pads=[0, BIG, 0, 0]),
        one("Range", np.array(0), np.array(BIG), np.array(1)),
    ],
    ids=lambda made: made.model.graph.node[0].op_type,
)
def test_values_of_a_thousand_million_numbers_are_refused(made, tmp_path):
    model = onnx.ModelProto.FromString(made.data)
    if not model.graph.input:  # a network takes something
        model.graph.input.append(helper.make_tensor_value_info("image", 1, ["n", 1]))
    for info in model.graph.output:
        for dim in info.type.tensor_type.shape.dim:
            dim.dim_param = "n"

    assert code_of(model, tmp_path) in {"model_limit", "custom_op"}


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "says"),
    [
        ("Resize", (cases(2, 3, 8, 8), None, np.array([1, 1, 2, 2], np.float32)),
         {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, "asymmetric"),
        ("Resize", (cases(2, 3, 8, 8), None, np.array([1, 1, 0.5, 0.5], np.float32)),
         {"mode": "linear", "antialias": 1, "opset": 18}, "antialias"),
        ("Det", (cases(2, 3, 3),), {}, "Det"),
        ("LRN", (cases(2, 3, 8, 8),), {"size": 3}, "LRN"),
        ("RandomUniformLike", (cases(2, 3),), {}, "RandomUniformLike"),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_refused_by_name(op, inputs, attributes, says, tmp_path):
    with pytest.raises(Refused) as caught:
        one(op, *inputs, **attributes).program()

    (refusal, *_) = caught.value.refusals
    assert refusal.code == "custom_op"
    assert op in refusal.message
    assert says in refusal.message


def test_every_operator_that_is_not_known_is_named_at_once():
    nodes = [
        helper.make_node("LRN", ["image"], ["a"], size=3),
        helper.make_node("LRN", ["a"], ["b"], size=3),
        helper.make_node("Det", ["b"], ["c"]),
    ]
    with pytest.raises(Refused) as caught:
        of(nodes, {"image": cases(2, 3, 4, 4)}, ["c"]).program()

    said = [refusal.message for refusal in caught.value.refusals]
    assert len(said) == 2
    assert "LRN (2 times)" in said[1]


def test_older_opsets_are_refused(tmp_path):
    model = one("Relu", cases(2, 3), opset=10).model

    assert code_of(model, tmp_path) == "opset_unsupported"


def test_what_nobody_reads_need_not_be_known():
    """Of an operator that no output depends on nothing is asked."""
    nodes = [
        helper.make_node("LRN", ["image"], ["unused"], size=3),
        helper.make_node("Relu", ["image"], ["scores"]),
    ]
    program = of(nodes, {"image": cases(2, 3, 4, 4)}, ["scores"]).program()

    assert [node.operation.name for node in program.nodes] == ["relu"]
