"""The child process: locks itself in, does its jobs one after the other, says how they went."""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import cast

from ml.estimate import JsonObject, JsonValue
from ml.intake.refusal import Refused
from ml.sandbox.confine import confine, renew_cpu
from ml.sandbox.messages import JobFunction, Reporter

# Imported by name, because the limits must hold before anything heavy is loaded.
JOBS: Mapping[str, str] = {
    "intake": "ml.intake.jobs:intake_any",
    "intake-model": "ml.intake.jobs:intake_model",
    "intake-cohort": "ml.intake.jobs:intake_cohort",
    "intake-predictions": "ml.intake.jobs:intake_predictions",
    "deidentify": "ml.imaging.deid.job:deidentify_job",
    "predict": "ml.engine.predict:predict_job",
    "samples": "ml.engine.samples:samples_job",
    "seen": "ml.engine.seen:seen_job",
    "worsened": "ml.engine.worsened:worsened_job",
    "region": "ml.engine.region:region_job",
    "compare-masks": "ml.engine.compare:compare_job",
    "describe": "ml.engine.describe:describe_job",
    "attribute": "ml.engine.explain:attribute_job",
    "perturb": "ml.engine.perturb:perturb_job",
    "corrupt": "ml.engine.corrupt:corrupt_job",
    "move": "ml.engine.move:move_job",
    "blot": "ml.engine.blot:blot_job",
    "randomise": "ml.engine.randomise:randomise_job",
    "localise": "ml.engine.localise:localise_job",
    "gradients": "ml.engine.gradients:gradients_job",
    "normalise": "ml.engine.normalise:normalise_job",
    "attack": "ml.engine.attack:attack_job",
    "corrupt-samples": "ml.engine.corrupt_samples:corrupt_samples_job",
    "gradient-scores": "ml.engine.gradient_scores:gradient_scores_job",
}

_LINE = 2000  # characters of one log line
Say = Callable[..., None]


class WithoutPandas(PathFinder):
    """Finds every module but pandas, which no job uses.

    pyarrow loads it, where it is installed, before it takes any list: half a second of every child.
    """

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        return None if fullname == "pandas" else super().find_spec(fullname, path, target)


def leave_pandas_out() -> None:
    """Have pandas look as if it were not installed, in this process."""
    sys.meta_path[:] = [WithoutPandas if one is PathFinder else one for one in sys.meta_path]


def main(jobs: Mapping[str, str] = JOBS) -> int:
    """Do the jobs that stdin names; answer on the descriptor named on the command line."""
    events = os.fdopen(int(sys.argv[1]), "wb")

    def say(event: str, **fields: JsonValue) -> None:
        events.write(json.dumps({"event": event, **fields}, allow_nan=False).encode() + b"\n")
        events.flush()

    setup = json.loads(sys.stdin.buffer.readline())
    try:
        walls: list[JsonValue] = list(confine(setup))
    except OSError as error:
        say("unconfined", message=str(error)[:_LINE])
        return 1
    leave_pandas_out()
    say("ready", walls=walls)
    while line := sys.stdin.buffer.readline():
        renew_cpu(setup["limits"])
        if not _work(json.loads(line), jobs, say, tuple(map(str, walls))):
            return 1
    return 0


def _work(job: JsonObject, jobs: Mapping[str, str], say: Say, walls: tuple[str, ...]) -> bool:
    """Do one job; whether another may follow in the same process."""
    number = job["id"]

    def ask(question: JsonObject) -> JsonObject:
        say("ask", id=number, question=question)
        return cast(JsonObject, json.loads(sys.stdin.buffer.readline()))

    reporter = Reporter(
        log=lambda line: say("log", line=line[:_LINE]),
        progress=lambda done, total: say("progress", done=done, total=total),
        ask=ask,
        walls=walls,
    )
    try:
        module, _, name = jobs[str(job["kind"])].partition(":")
        function = cast(JobFunction, getattr(importlib.import_module(module), name))
        inputs, out_dir = cast(JsonObject, job["inputs"]), Path(str(job["out_dir"]))
        say("result", id=number, result=function(inputs, out_dir, reporter))
    except Refused as refused:
        refusals: list[JsonValue] = [refusal.to_json() for refusal in refused.refusals]
        say("refused", id=number, refusals=refusals, scan=refused.scan)
    except MemoryError:
        message = "The memory limit was reached."
        say("error", id=number, kind="out_of_memory", message=message)
        return False
    except Exception as error:
        traceback.print_exc()
        code = getattr(error, "code", None)  # of our own: stable, and asked for by people
        message = f"{error} ({code})" if isinstance(code, str) else str(error)
        say("error", id=number, kind=type(error).__name__, message=message[:_LINE])
        return False
    return True


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # native libraries may hang or crash while a finished process is torn down
