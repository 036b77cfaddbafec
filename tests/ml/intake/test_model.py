import json
import pickle
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml.intake import jobs
from ml.intake.model import read_model
from ml.intake.refusal import Refused
from tests.ml.intake.build import (
    MANIFEST,
    QUIET,
    brightness,
    codes,
    merged,
    model_folder,
    zipped,
)


def read(path, tmp_path, given=None):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    return read_model(path, out, QUIET, given)


def refused(path, tmp_path, given=None):
    with pytest.raises(Refused) as caught:
        read(path, tmp_path, given)
    assert not list((tmp_path / "out").iterdir())
    return caught


def test_a_folder_gives_manifest_card_and_stored_weights(tmp_path):
    folder = model_folder(tmp_path / "model")

    result = read(folder, tmp_path)

    card = result["card"]
    assert result["manifest"]["output"]["positive"] == ["bright"]
    assert card["operations"] == {"Flatten": 1, "Gemm": 1, "GlobalAveragePool": 1, "Softmax": 1}
    assert (card["parameters"], card["layers"], card["has_dropout"]) == (4, 1, False)
    assert (card["opset"], card["ir"]) == (17, 9)
    assert card["inputs"] == [{"name": "image", "dtype": "float", "shape": ["batch", 1, 8, 8]}]
    assert card["smoke"]["deterministic"] is True
    assert card["runtime"]["chosen"] in ("onnxruntime", "fused program")
    assert card["smoke"]["finite"] is True
    assert card["smoke"]["cases"] == 2
    stored = tmp_path / "out" / "files" / result["sha256"]
    assert stored.read_bytes() == (folder / "model.onnx").read_bytes()
    json.dumps(result)


def test_a_zip_gives_the_same(tmp_path):
    folder = model_folder(tmp_path / "model")
    first = read(folder, tmp_path)

    second = read(zipped(folder, tmp_path / "m.zip", top="inside/"), tmp_path)

    assert second["sha256"] == first["sha256"]
    assert second["manifest_sha256"] == first["manifest_sha256"]


def test_a_lone_file_takes_its_manifest_from_the_form(tmp_path):
    folder = model_folder(tmp_path / "model")

    result = read(folder / "model.onnx", tmp_path / ".", {**MANIFEST, "file": "named-elsewhere"})

    assert result["manifest"]["name"] == "Brightness"


def test_a_lone_file_without_manifest_has_a_card_and_is_not_enough(tmp_path):
    weights = model_folder(tmp_path / "model") / "model.onnx"
    inputs = {"path": str(weights)}
    (tmp_path / "out").mkdir()

    result = jobs.intake_model({**inputs, "card_only": True}, tmp_path / "out", QUIET)
    with pytest.raises(Refused) as caught:
        jobs.intake_model(inputs, tmp_path / "out", QUIET)

    assert result["manifest"] is None
    assert "smoke" not in result["card"]
    assert codes(caught) == ["manifest_missing"]


class Trap:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "model.onnx", "weights.ckpt"])
def test_a_pickle_is_refused_unopened_with_the_way_out(name, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Trap(), protocol=2))

    caught = refused(path, tmp_path)

    assert codes(caught) == ["pickle_refused"]
    assert caught.value.refusals[0].message.count("\n") == 3
    assert "torch.export.save" in caught.value.refusals[0].message
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("m/data.pkl", "pickle_refused"),
        ("m/constants.pkl", "pickle_refused"),
        ("m/archive_format", "model_corrupt"),
    ],
)
def test_zips_of_frameworks(member, code, tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"x")

    assert codes(refused(path, tmp_path)) == [code]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "format_unsupported"),
        ((64).to_bytes(8, "little") + b'{"a":1}' + bytes(100), "manifest_invalid"),
        (b"<html><body>404</body></html>", "model_not_onnx"),
        (b"\x00\x01random\xff\xfe" * 50, "model_not_onnx"),
        (b"%PDF-1.4", "model_not_onnx"),
    ],
)
def test_what_is_no_onnx(data, code, tmp_path):
    folder = model_folder(tmp_path / "model")
    (folder / "model.onnx").write_bytes(data)

    assert codes(refused(folder, tmp_path)) == [code]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("torchscript", "pickle_refused"),
        ("pt2", "manifest_invalid"),  # the file is ONNX
        ("safetensors", "manifest_invalid"),
        ("monai-bundle", "bundle_invalid"),
        ("ensemble", "manifest_invalid"),  # it names no members
        ("keras", "manifest_invalid"),
    ],
)
def test_other_formats(name, code, tmp_path):
    assert codes(refused(model_folder(tmp_path / "m", format=name), tmp_path)) == [code]


def test_a_folder_of_nothing_known(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.txt").write_text("a")
    (tmp_path / "m" / "b.txt").write_text("b")

    assert codes(refused(tmp_path / "m", tmp_path)) == ["manifest_missing"]


def test_a_missing_weights_file(tmp_path):
    folder = model_folder(tmp_path / "m", file="../other.onnx")

    assert codes(refused(folder, tmp_path)) == ["file_missing"]


def external():
    model = brightness()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model


def external_in_a_node():
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    return brightness(nodes=[node])


def looping():
    body = helper.make_graph([], "body", [], [])
    node = helper.make_node("Loop", ["", ""], ["x"], body=body)
    return brightness(nodes=[node])


def custom():
    return brightness(nodes=[helper.make_node("Evil", ["flat"], ["x"], domain="com.evil")])


def function():
    model = brightness()
    model.functions.add(name="f", domain="local")
    return model


def huge_fill():
    shape = numpy_helper.from_array(np.array([100_000, 100_000], np.int64), "shape")
    node = helper.make_node("ConstantOfShape", ["shape"], ["x"])
    return brightness(nodes=[node], initializers=[shape])


def huge_tensor():
    model = brightness()
    model.graph.initializer[0].dims[0] = 1 << 40
    return model


def lying_tensor():
    model = brightness()
    model.graph.initializer[0].dims[0] = 7
    return model


def unsorted():
    model = brightness()
    model.graph.node.reverse()
    return model


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (external, "external_data"),
        (external_in_a_node, "external_data"),
        (looping, "model_limit"),
        (custom, "custom_op"),
        (function, "model_limit"),
        (huge_fill, "model_limit"),
        (huge_tensor, "model_limit"),
        (lying_tensor, "model_corrupt"),
        (unsorted, "model_corrupt"),
        (lambda: brightness(shape=("batch", 1, 10**9, 8)), "model_limit"),
        (lambda: brightness(shape=("batch", 3, 8, 8), weights=((1, 2),) * 3), "model_shape"),
        (lambda: brightness(shape=("batch", 1, 8, 9)), "model_shape"),
        (lambda: brightness(weights=((1.0,),)), "model_shape"),
        (lambda: brightness(softmax=False), "output_kind"),
        (lambda: brightness(weights=((np.nan, 1.0),)), "non_finite_output"),
        (lambda: brightness(ir=99), "opset_unsupported"),
        (lambda: brightness(opset=99), "opset_unsupported"),
        (onnx.ModelProto, "model_not_onnx"),
    ],
)
def test_networks_that_are_turned_down(make, code, tmp_path):
    folder = model_folder(tmp_path / "m")
    (folder / "model.onnx").write_bytes(make().SerializeToString() or b"\n\x00")

    assert codes(refused(folder, tmp_path)) == [code]


def test_a_graph_for_one_case_at_a_time_is_run_so(tmp_path):
    folder = model_folder(tmp_path / "m", brightness(shape=(1, 1, 8, 8)))

    assert read(folder, tmp_path)["card"]["smoke"]["finite"] is True


def test_logits_are_accepted_as_declared(tmp_path):
    folder = model_folder(tmp_path / "m", brightness(softmax=False), output={"kind": "logits"})

    assert read(folder, tmp_path)["manifest"]["output"]["kind"] == "logits"


def test_probabilities_that_do_not_add_up(tmp_path):
    node = helper.make_node("Sigmoid", ["scores_"], ["scores"])
    model = brightness(softmax=False, weights=((1.0, 10.0),))
    model.graph.node[-1].output[0] = "scores_"
    model.graph.node.append(node)

    folder = model_folder(tmp_path / "m", model, output={"activation": None})
    assert codes(refused(folder, tmp_path)) == ["output_kind"]

    model_folder(folder, model, output={"activation": "sigmoid"})
    assert read(folder, tmp_path)["manifest"]["output"]["activation"] == "sigmoid"


def test_the_manifest_has_its_own_address(tmp_path):
    first = read(model_folder(tmp_path / "a"), tmp_path)
    second = read(model_folder(tmp_path / "b", input={"intensity": {"scale": 1}}), tmp_path)

    assert first["sha256"] == second["sha256"]
    assert first["manifest_sha256"] != second["manifest_sha256"]
    assert merged(MANIFEST, {})["name"] == first["manifest"]["name"]
