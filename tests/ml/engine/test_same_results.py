"""The same outputs whatever the batch, the shard and the number of workers: see docs/passes.md."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ml.engine.corrupt import corrupt_job
from ml.engine.passes import PASSES
from ml.engine.predict import predict_job
from ml.engine.session import open_session
from ml.engine.smoke import noise
from ml.evidence.store import table
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Job, Limits
from ml.sandbox.warm import WarmChild
from tests.ml.engine.small import small
from tests.ml.engine.test_device import job, numbers  # noqa: F401 - a fixture
from tests.ml.engine.test_features import manifest_of
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.program.networks import network

TOLERANCE = 1e-5  # of the largest output


def unet():
    declared = {
        "format": "pt2", "file": "m.pt2", "task": "segmentation",
        "input": {"size": [64, 64]}, "operating_points": [],
        "output": {"kind": "logits", "classes": ["nothing", "spot"], "activation": "softmax",
                   "positive": ["spot"]},
    }  # fmt: skip
    return network("unet-2d").path, ModelManifest.model_validate(merged(MANIFEST, declared))


def named(name):
    return unet() if name == "unet" else (small(name).path, manifest_of(name))


def apart(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("runtime", ["program", "fused program", "onnxruntime"])
@pytest.mark.parametrize("name", ["densenet", "vit", "unet"])
def test_no_batch_changes_an_output(name, runtime):
    path, manifest = named(name)
    session = open_session(path, manifest, runtime=runtime)
    cases = noise(manifest.input, 7)
    whole = session.run(cases)
    for size in (1, 2, 3, 5):
        pieces = [session.run(cases[at : at + size]) for at in range(0, len(cases), size)]
        assert apart(np.concatenate(pieces), whole) <= TOLERANCE
    turned = session.run(cases[::-1])[::-1]
    assert apart(turned, whole) <= TOLERANCE
    # What the tolerance must still see: another case, and a thousandth of an input.
    assert apart(session.run(cases + np.float32(0.001)), whole) > TOLERANCE


@pytest.mark.parametrize("name", ["densenet", "vit"])
def test_no_shard_changes_an_output(name, job, tmp_path):  # noqa: F811
    corrupted = PASSES["corrupt"].params | {"corruptions": ["gaussian-noise"]}
    for run, params in ((predict_job, {}), (corrupt_job, corrupted)):
        asked = job(name, **params, device="cpu") | {"batch": 8}
        whole = table((tmp_path / run(asked, tmp_path, QUIET)["table"]).read_bytes())
        pieces = []
        for cases in (asked["cases"][:2], asked["cases"][2:]):
            part = run(asked | {"cases": cases, "batch": 3}, tmp_path, QUIET)
            pieces.append(numbers(table((tmp_path / part["table"]).read_bytes())))
        assert apart(np.concatenate(pieces), numbers(whole)) <= TOLERANCE


def test_no_number_of_workers_changes_an_output(job, tmp_path):  # noqa: F811
    """Two children side by side, each with one thread, and one child with two threads."""
    asked = job("densenet", device="cpu")
    shards = [asked["cases"][:3], asked["cases"][3:]]

    def of_child(name, cases, threads):
        base = tmp_path / name
        base.mkdir()
        child = WarmChild(base, Limits(), reads=[tmp_path, small("densenet").path.parent])
        try:
            with child.place() as place:
                inputs = asked | {"cases": cases, "threads": threads}
                outcome = child.run(Job("predict", inputs, place.out))
                assert outcome.state == "done", outcome
                made = (place.out / str(outcome.result["table"])).read_bytes()
            return numbers(table(made))
        finally:
            child.close()

    with ThreadPoolExecutor(2) as pool:
        two = list(pool.map(lambda n: of_child(f"w{n}", shards[n], 1), range(2)))
    alone = of_child("alone", asked["cases"], 2)
    assert apart(np.concatenate(two), alone) <= TOLERANCE


def test_the_documentation_states_the_tolerance(repo_root):
    text = (repo_root / "docs" / "passes.md").read_text()
    (stated,) = re.findall(r"within (1e-\d) of the largest output", text)
    assert float(stated) == TOLERANCE
