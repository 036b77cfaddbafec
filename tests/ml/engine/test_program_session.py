"""A program behind the same door as onnxruntime: the same network gives the same scores."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ml.engine.cases import Case
from ml.engine.predict import predict
from ml.engine.session import ModelError, open_session
from ml.evidence.store import rows
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Job
from ml.sandbox.parent import run
from tests.ml.engine.test_predict import expected, stored_image
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.intake.exported import archive

DECLARED = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})


def session(*, static=False):
    manifest = ModelManifest.model_validate(DECLARED)
    return open_session(archive(static=static), manifest), manifest.input


@pytest.mark.parametrize("static", [False, True])
def test_scores_are_those_of_the_network(static, tmp_path):
    opened, declared = session(static=static)
    cases = [Case(f"c{s}", (stored_image(tmp_path, s),)) for s in (0, 100, 255)]

    outputs = predict(opened, declared, cases, batch=2, reporter=QUIET)

    assert opened.fixed_batch == (1 if static else None)
    for shade in (0, 100, 255):
        assert outputs.rows[f"c{shade}"] == pytest.approx(expected(shade), abs=1e-6)
    assert outputs.errors == {}


def test_whatever_the_batch_the_scores_are_the_same():
    opened, declared = session()
    cases = np.random.default_rng(3).random((7, *declared.shape), dtype=np.float32)

    whole = opened.run(cases)
    alone = np.concatenate([opened.run(one[None]) for one in cases])

    assert alone == pytest.approx(whole, abs=1e-7)
    assert (opened.run(cases) == whole).all(), "dropout is on, or the kernels do not repeat"


def test_it_runs_in_the_child_under_its_limits(tmp_path):
    image = stored_image(tmp_path, 200)
    out = tmp_path / "out"
    out.mkdir()
    inputs = {
        "model": {"path": str(archive()), "manifest": DECLARED},
        "cases": [{"case_id": "one", "images": [str(image)]}],
    }

    outcome = run(Job("predict", inputs, out))

    assert outcome.state == "done", outcome.reason
    assert outcome.result["runtime"]["device"] == "cpu"
    assert outcome.result["failed"] == 0
    json.dumps(outcome.result)
    ((case_id, scores, error),) = rows((out / outcome.result["table"]).read_bytes())
    assert (case_id, error) == ("one", "")
    assert scores == pytest.approx(expected(200), abs=1e-6)


def test_a_damaged_archive_is_a_sentence(tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive().read_bytes()[:-200])

    with pytest.raises(ModelError) as caught:
        open_session(path, ModelManifest.model_validate(DECLARED))
    assert caught.value.code == "model_unloadable"


def test_a_child_computes_alike_every_time_without_loading_a_compiler():
    """torch's own call for that loads its compiler, which takes as long as torch itself."""
    asked = """
import sys
import torch
from ml.engine.program_session import use_threads
use_threads(1)
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
assert not torch.utils.deterministic.fill_uninitialized_memory
print(*sorted({"torch._inductor", "torch._dynamo"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", done.stdout
