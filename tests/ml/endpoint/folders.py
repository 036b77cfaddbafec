"""A folder to hand in for the server of these tests, and jobs on it."""

import json

import yaml

from ml.endpoint.policy import Policy
from ml.engine.corrupt import corrupt_job
from ml.engine.linked import link_of_intake
from ml.engine.predict import predict_job
from ml.engine.session import CasesFailed, ModelError
from ml.intake.jobs import intake_model
from ml.intake.refusal import Refused
from ml.sandbox.messages import Job, Limits, Outcome, Reporter
from ml.sandbox.parent import run
from tests.ml.endpoint.server import Model
from tests.ml.intake.build import merged

MANIFEST = {
    "name": "Far",
    "version": "1.0",
    "format": "endpoint",
    "endpoint": {"model": "cxr"},
    "input": {"size": [8, 8], "colour": "gray", "intensity": {"scale": 255}},
    "output": {
        "kind": "logits",
        "classes": ["dark", "bright"],
        "activation": "softmax",
        "positive": ["bright"],
    },
}
LIMITS = Limits(wall_seconds=60)
JOBS = {"intake-model": intake_model, "predict": predict_job, "corrupt": corrupt_job}


def model(**changes):
    return Model(shape=(-1, 1, 8, 8), **changes)


def policy_for(url, **changes):
    return Policy(allowed=(url,), pause=0.01, total_seconds=5.0, **changes)


def endpoint_folder(folder, url, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    manifest = merged(MANIFEST | {"url": url}, changes)
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def intake(path, out, policy, where=None):
    """The outcome of reading a folder."""
    out.mkdir(exist_ok=True)
    with link_of_intake(policy) as link:
        return (where or in_process)(Job("intake-model", {"path": str(path)}, out), link)


def in_child(job, link):
    """A job in a child without a network, the caller beside it."""
    return run(job, limits=LIMITS, answers=link)


def in_process(job, link):
    """The same job in this process, which is faster; the caller is one of its own all the same."""

    def ask(question):
        link.ask(json.loads(json.dumps(question)), job.out_dir)
        while (answer := link.wait(1.0)) is None:
            pass
        return json.loads(json.dumps(answer))

    reporter = Reporter(log=lambda line: None, progress=lambda done, total: None, ask=ask)
    try:
        return Outcome("done", JOBS[job.kind](job.inputs, job.out_dir, reporter))
    except Refused as refused:
        return Outcome("refused", refusals=refused.refusals)
    except (ModelError, CasesFailed) as error:
        return Outcome("crashed", reason=f"{error} ({error.code})")
