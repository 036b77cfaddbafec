import hashlib
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from ml.engine.cases import Case
from ml.engine.predict import predict, predict_job
from ml.engine.session import ModelError, open_session
from ml.evidence.store import rows
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Job, Reporter
from ml.sandbox.parent import run
from tests.ml.intake.build import MANIFEST, QUIET, brightness, merged


def model_file(tmp_path, model=None):
    path = tmp_path / "weights"
    path.write_bytes((model or brightness()).SerializeToString())
    return path


def stored_image(tmp_path, shade, size=(8, 8)):
    """A picture in a file named by its SHA-256, as intake leaves it."""
    temporary = tmp_path / "picture.png"
    Image.fromarray(np.full(size, shade, np.uint8)).save(temporary)
    return temporary.rename(tmp_path / hashlib.sha256(temporary.read_bytes()).hexdigest())


def session_of(tmp_path, model=None, **changes):
    manifest = ModelManifest.model_validate(merged(MANIFEST, changes))
    return open_session(model_file(tmp_path, model), manifest), manifest.input


def expected(shade):
    logits = np.array([5 - 10 * shade / 255, -5 + 10 * shade / 255])
    return np.exp(logits) / np.exp(logits).sum()


def test_scores_are_those_of_the_network(tmp_path):
    session, declared = session_of(tmp_path)
    cases = [Case(f"c{s}", (stored_image(tmp_path, s),)) for s in (0, 100, 255)]

    outputs = predict(session, declared, cases, batch=2, reporter=QUIET)

    for shade in (0, 100, 255):
        assert outputs.rows[f"c{shade}"] == pytest.approx(expected(shade), abs=1e-6)
    assert outputs.errors == {}
    assert set(outputs.seconds) == {"c0", "c100", "c255"}


def test_a_bad_case_costs_itself_alone(tmp_path):
    session, declared = session_of(tmp_path)
    good = stored_image(tmp_path, 100)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    changed = stored_image(tmp_path, 7)
    changed.write_bytes(good.read_bytes())
    cases = [
        Case("none", ()),
        Case("two", (good, good)),
        Case("good", (good,)),
        Case("broken", (broken,)),
        Case("gone", (tmp_path / "nowhere",)),
        Case("changed", (changed,)),
    ]

    outputs = predict(session, declared, cases, batch=8, reporter=QUIET)

    assert outputs.errors == {
        "none": "no_image",
        "two": "several_images",
        "broken": "image_unreadable",
        "gone": "image_missing",
        "changed": "image_changed",
    }
    assert list(outputs.rows) == ["good"]


def test_an_output_that_is_not_finite_is_an_error_of_its_case(tmp_path):
    log = helper.make_node("Log", ["flat"], ["log"])
    model = brightness(nodes=[log], softmax=False)
    model.graph.node[2].input[0] = "log"
    nodes = sorted(model.graph.node, key=lambda node: node.op_type == "Gemm")
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    session, declared = session_of(tmp_path, model, output={"kind": "logits"})
    cases = [Case(str(s), (stored_image(tmp_path, s),)) for s in (0, 255)]

    outputs = predict(session, declared, cases, batch=8, reporter=QUIET)

    assert outputs.errors == {"0": "non_finite_output"}
    assert list(outputs.rows) == ["255"]


@pytest.mark.parametrize("shape", [("batch", 1, 8, 8), (1, 1, 8, 8), (3, 1, 8, 8)])
def test_a_fixed_batch_gives_the_same_scores(shape, tmp_path):
    session, declared = session_of(tmp_path, brightness(shape=shape))
    cases = [Case(str(s), (stored_image(tmp_path, s),)) for s in range(0, 200, 20)]

    outputs = predict(session, declared, cases, batch=8, reporter=QUIET)

    made = np.array(list(outputs.rows.values()))
    wanted = np.array([expected(int(case_id)) for case_id in outputs.rows])
    assert made == pytest.approx(wanted, abs=1e-5)


def test_progress_is_told_after_every_batch(tmp_path):
    session, declared = session_of(tmp_path)
    cases = [Case(str(n), (stored_image(tmp_path, n),)) for n in range(5)]
    told = []
    lines = []

    reporter = Reporter(log=lines.append, progress=lambda done, total: told.append((done, total)))
    predict(session, declared, cases, batch=2, reporter=reporter)

    assert told == [(2, 5), (4, 5), (5, 5)]
    assert len(lines) == 3


def job_inputs(tmp_path, **changes):
    images = {f"c{s}": str(stored_image(tmp_path, s)) for s in (10, 200)}
    return {
        "model": {"path": str(model_file(tmp_path)), "manifest": dict(MANIFEST)},
        "cases": [{"case_id": name, "images": [path]} for name, path in images.items()],
        "batch": 8,
        **changes,
    }


def test_the_job_in_a_child_gives_the_same_bytes_every_time(tmp_path):
    outcomes = []
    for number in range(2):
        out = tmp_path / f"out{number}"
        out.mkdir()
        outcomes.append(run(Job("predict", job_inputs(tmp_path, threads=number + 1), out)))

    first, second = (outcome.result for outcome in outcomes)
    assert first["sha256"] == second["sha256"]
    assert first["runtime"]["device"] == "cpu"
    assert first["runtime"]["providers"] == ["CPUExecutionProvider"]
    assert set(first["seconds"]) == {"c10", "c200"}
    assert first["reusable"] is True
    table = rows((tmp_path / "out0" / first["table"]).read_bytes())
    assert [case_id for case_id, _, _ in table] == ["c10", "c200"]
    json.dumps(first)


def test_a_lost_file_makes_evidence_that_is_not_reused(tmp_path):
    inputs = job_inputs(tmp_path)
    inputs["cases"].append({"case_id": "gone", "images": [str(tmp_path / "nowhere")]})

    result = predict_job(inputs, tmp_path, QUIET)

    assert (result["failed"], result["reusable"]) == (1, False)
    assert rows((tmp_path / result["table"]).read_bytes())[2] == ("gone", None, "image_missing")


def test_a_model_that_cannot_be_opened_is_a_crash_with_a_reason(tmp_path):
    inputs = job_inputs(tmp_path)
    (tmp_path / "weights").write_bytes(b"nothing")
    out = tmp_path / "out"
    out.mkdir()

    outcome = run(Job("predict", inputs, out))

    assert outcome.state == "crashed"
    assert "onnxruntime cannot open the model" in outcome.reason


def test_other_numbers_of_inputs_are_named(tmp_path):
    model = brightness()
    second = helper.make_tensor_value_info("second", TensorProto.FLOAT, ["batch", 2])
    model.graph.input.append(second)
    model.graph.node.append(helper.make_node("Identity", ["second"], ["copy"]))
    model.graph.output.append(onnx.ValueInfoProto(name="copy", type=second.type))

    with pytest.raises(ModelError) as error:
        session_of(tmp_path, model)
    assert error.value.code == "model_shape"


def test_the_named_output_is_used(tmp_path):
    model = brightness()
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    model.graph.output.append(logits)
    session, _ = session_of(tmp_path, model, output={"name": "logits", "kind": "logits"})

    assert session.run(np.ones((1, 1, 8, 8), np.float32)).tolist() == [[-5, 5]]
    with pytest.raises(ModelError):
        session_of(tmp_path, model, output={"name": "nope"})
