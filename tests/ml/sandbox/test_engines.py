"""Behind every wall the libraries work, and give the same numbers to the last bit."""

import importlib.util

import pytest

from ml.sandbox import levels
from ml.sandbox.messages import Job, Limits
from ml.sandbox.parent import run

LEVELS = ("namespaces", "landlock", "limits")


def outcome_at(level, kind, out, inputs=None):
    try:
        levels.choose(level)
    except levels.Unavailable as why:
        pytest.skip(str(why))
    limits = Limits(wall_seconds=120, isolation=level)
    done = run(Job(kind, inputs or {}, out), limits=limits, module="tests.ml.sandbox.engines")
    assert done.state == "done", (done.reason, done.log)
    return done


@pytest.mark.parametrize("level", LEVELS)
def test_the_readers_of_files_work(level, tmp_path):
    result = outcome_at(level, "readers", tmp_path).result

    assert "CPUExecutionProvider" in result["onnxruntime"]
    assert result["jpeg2000"] is True


@pytest.mark.parametrize(
    ("kind", "inputs"), [("torch_net", {}), ("torch_net", {"threads": 2}), ("monai_net", {})]
)
def test_networks_give_the_same_numbers_at_every_level(kind, inputs, tmp_path):
    for name in ("torch", "monai"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed (requirements-engine.txt)")
    digests = {}
    for level in LEVELS:
        out = tmp_path / level
        out.mkdir()
        digests[level] = outcome_at(level, kind, out, inputs).result["digest"]
    assert len(set(digests.values())) == 1, digests
