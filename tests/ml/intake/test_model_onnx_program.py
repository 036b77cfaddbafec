"""What the card of an ONNX model says of the program it becomes, or of why it becomes none."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml.engine import smoke
from ml.engine.program_session import open_program
from ml.engine.session import ModelError, open_as_program, open_session
from ml.engine.smoke import noise, program_check
from ml.intake.model_manifest import ModelManifest
from ml.intake.program import read_program
from ml.intake.refusal import Refused
from tests.ml.intake.build import MANIFEST, brightness, model_folder
from tests.ml.intake.exported import archive
from tests.ml.intake.test_model import read

DECLARED = ModelManifest.model_validate(MANIFEST)


def dropping(training: bool = False) -> onnx.ModelProto:
    """The brightness network with a dropout site before its linear layer."""
    model = brightness(
        initializers=[
            numpy_helper.from_array(np.array(0.25, np.float32), "rate"),
            numpy_helper.from_array(np.array(training), "training"),
        ]
    )
    node = helper.make_node("Dropout", ["flat", "rate", "training"], ["dropped"], name="/drop/D")
    model.graph.node.insert(2, node)
    model.graph.node[3].input[0] = "dropped"
    return model


def opaque() -> onnx.ModelProto:
    """onnxruntime runs it; local response normalisation is not taken over."""
    model = brightness()
    model.graph.node.insert(0, helper.make_node("LRN", ["image"], ["damped"], size=1, alpha=1e-9))
    model.graph.node[1].input[0] = "damped"
    return model


def test_the_card_holds_what_an_archives_card_holds(tmp_path):
    card = read(model_folder(tmp_path / "model", dropping()), tmp_path)["card"]

    assert (card["dropout_sites"], card["dropout_rates"]) == (1, [0.25])
    assert (card["gradients"], card["not_taken_over"]) == (True, [])
    assert (card["layers"], card["has_dropout"], card["normalisation"]) == (1, True, {})
    assert 0 <= card["program_difference"] < 1e-5


def test_what_cannot_be_taken_over_is_run_as_a_black_box_and_says_why(tmp_path):
    card = read(model_folder(tmp_path / "model", opaque()), tmp_path)["card"]

    assert card["gradients"] is False
    assert card["smoke"]["finite"] is True
    (reason,) = card["not_taken_over"]
    assert "LRN" in reason
    with pytest.raises(ModelError) as caught:
        open_as_program(tmp_path / "model" / "model.onnx", DECLARED)
    assert caught.value.code == "model_unloadable"


def test_a_translation_that_differs_is_not_used(tmp_path, monkeypatch):
    """Had a translator a mistake, the audit would hear of it before it relied on gradients."""

    class Wrong:
        def run(self, batch):
            return open_session(path, DECLARED).run(batch) * 1.01

    path = model_folder(tmp_path / "model") / "model.onnx"
    monkeypatch.setattr(smoke, "open_as_program", lambda path, manifest: Wrong())

    difference, why_not = program_check(path, DECLARED)
    card = read(tmp_path / "model", tmp_path)["card"]

    assert difference == pytest.approx(0.01, abs=1e-4)
    assert "other numbers" in why_not
    assert (card["gradients"], card["not_taken_over"]) == (False, [why_not])


def test_without_torch_nothing_is_compared_and_nothing_is_refused(tmp_path, monkeypatch):
    def missing(path, manifest):
        raise ModelError("format_unsupported", "torch is not installed")

    monkeypatch.setattr(smoke, "open_as_program", missing)
    card = read(model_folder(tmp_path / "model"), tmp_path)["card"]

    assert (card["gradients"], card["program_difference"]) == (True, None)


def test_an_export_in_training_is_deterministic_at_rest(tmp_path):
    card = read(model_folder(tmp_path / "model", dropping(training=True)), tmp_path)["card"]

    assert card["smoke"]["deterministic"] is True
    assert card["program_difference"] < 1e-5


def test_both_formats_open_as_programs_and_agree_with_onnxruntime(tmp_path):
    path = model_folder(tmp_path / "model") / "model.onnx"
    batch = noise(DECLARED.input, 3)

    ours, theirs = open_program(path, DECLARED), open_session(path, DECLARED)

    assert ours.runtime_json["providers"] == ["fused program on cpu"]
    assert "onnxruntime" in theirs.runtime_json
    np.testing.assert_allclose(ours.run(batch), theirs.run(batch), atol=1e-6)
    assert read_program(path, "onnx").outputs == ("scores",)
    assert read_program(archive(), "pt2").dropouts
    with pytest.raises(Refused) as caught:
        read_program(path, "safetensors")
    assert caught.value.refusals[0].code == "format_unsupported"


def test_an_output_chosen_by_name_is_found_in_the_program(tmp_path):
    """Logits beside probabilities: the manifest says which of them is meant."""
    model = brightness()
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, None))
    model.graph.output[-1].CopyFrom(model.graph.output[0])
    model.graph.output[-1].name = "logits"
    path = model_folder(tmp_path / "model", model) / "model.onnx"
    manifest = ModelManifest.model_validate(
        MANIFEST | {"output": {**MANIFEST["output"], "kind": "logits", "name": "logits"}}
    )
    batch = noise(manifest.input, 2)

    np.testing.assert_allclose(
        open_program(path, manifest).run(batch), open_session(path, manifest).run(batch), atol=1e-5
    )
