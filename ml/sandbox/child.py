"""The child process: locks itself in, does its jobs one after the other, says how they went."""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
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
    "predict": "ml.engine.predict:predict_job",
    "samples": "ml.engine.samples:samples_job",
    "seen": "ml.engine.seen:seen_job",
    "compare-masks": "ml.engine.compare:compare_job",
    "attribute": "ml.engine.explain:attribute_job",
    "perturb": "ml.engine.perturb:perturb_job",
    "corrupt": "ml.engine.corrupt:corrupt_job",
    "randomise": "ml.engine.randomise:randomise_job",
}

_LINE = 2000  # characters of one log line
Say = Callable[..., None]


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
        say("refused", id=number, refusals=refusals)
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
