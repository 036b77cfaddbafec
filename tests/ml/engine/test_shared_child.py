"""Passes of one audit share a process: none of them finds anything changed by those before it."""

import json

import numpy as np
import pytest

from ml.engine import predict
from ml.engine.explain_form import ATTRIBUTE, PERTURB, RANDOMISE
from ml.engine.passes import PASSES
from ml.engine.plan import PREDICT, PassPlan, job_of_shard
from ml.engine.predict import Asked
from ml.engine.runtime import FUSED, ONNXRUNTIME
from ml.sandbox.messages import Job, Limits
from ml.sandbox.warm import WarmChild
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.engine.test_predict import stored_image

MANIFEST = manifest_of("tiny").model_dump(mode="json")
WALKS = [PassPlan(name, PASSES[name].params) for name in (ATTRIBUTE, PERTURB, RANDOMISE)]
ANSWERS = [PassPlan(PREDICT, {"batch": 8, "runtime": one}) for one in (FUSED, ONNXRUNTIME)]
FEATURES = PassPlan(PREDICT, {"batch": 8, "runtime": FUSED, "features": ["penultimate"]})


@pytest.fixture
def tables(tmp_path):
    """`tables(passes)`: what each pass leaves, all of them done by one child in this order."""
    model = tmp_path / "weights"
    model.write_bytes(small("tiny").path.read_bytes())
    images = {f"c{shade}": [stored_image(tmp_path, shade)] for shade in (10, 90, 200)}

    def run(passes):
        base = tmp_path / f"child-{len(list(tmp_path.glob('child-*')))}"
        base.mkdir()
        reads = [model, *(path for (path,) in images.values())]
        child, found = WarmChild(base, Limits(wall_seconds=300), reads=reads), {}
        try:
            for planned in passes:
                with child.place() as place:
                    job = job_of_shard(
                        planned, model_path=model, manifest=MANIFEST, shard=list(images),
                        images=images, out_dir=place.out,
                    )  # fmt: skip
                    outcome = child.run(Job(job.kind, job.inputs, place.out))
                    assert outcome.state == "done", outcome.reason
                    table = (place.out / str(outcome.result["table"])).read_bytes()
                found[planned.name, json.dumps(planned.params)] = table
        finally:
            child.close()
        return found

    return run


def test_what_a_pass_leaves_does_not_depend_on_what_came_before_it(tables):
    forth = [*ANSWERS, FEATURES, *WALKS]

    one, other = tables(forth), tables(forth[::-1])

    assert len(one) == len(forth)
    assert one == other


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Jobs over a file of ten bytes."""
    monkeypatch.setattr(predict, "_kept", {})
    monkeypatch.setattr(predict, "_asked_by", {})
    (tmp_path / "weights").write_bytes(bytes(10))
    inputs = {"model": {"path": str(tmp_path / "weights"), "manifest": MANIFEST}, "cases": []}
    return lambda: Asked.of(inputs)


@pytest.mark.parametrize(("most", "again"), [(10, False), (9, True)])
def test_of_a_large_file_the_things_of_one_pass_are_open_at_a_time(most, again, asked, monkeypatch):
    monkeypatch.setattr(predict, "MOST_SHARED", most)
    made = []

    def thing(name):
        return lambda: made.append(name) or np.zeros(1)

    answers, more, walk = asked(), asked(), asked()
    first = answers.opened("session", thing("session"))
    assert more.opened("session", thing("session")) is first, "the next shard opens it again"
    program = walk.opened("program", thing("program"))
    walk.opened("explainer", thing("explainer"))
    assert walk.opened("program", thing("program")) is program, "a job loses what it is using"
    assert ("session" in predict._kept) is not again
    assert (asked().opened("session", thing("session")) is not first) is again
    assert made == ["session", "program", "explainer", *(["session"] if again else [])]


def test_another_file_or_manifest_is_another_model(asked, tmp_path):
    first = asked().opened("session", lambda: np.zeros(1))
    assert asked().opened("session", lambda: np.zeros(1)) is first
    (tmp_path / "weights").write_bytes(bytes(11))
    assert asked().opened("session", lambda: np.zeros(1)) is not first
