"""The child process: takes limits upon itself, does one job, says how it went, ends."""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ml.estimate import JsonObject, JsonValue
from ml.intake.refusal import Refused
from ml.sandbox.messages import JobFunction, Reporter

# Imported by name, because the limits must hold before anything heavy is loaded.
JOBS: Mapping[str, str] = {
    "intake": "ml.intake.jobs:intake_any",
    "intake-model": "ml.intake.jobs:intake_model",
    "intake-cohort": "ml.intake.jobs:intake_cohort",
    "intake-predictions": "ml.intake.jobs:intake_predictions",
    "predict": "ml.engine.predict:predict_job",
    "compare-masks": "ml.engine.compare:compare_job",
}

_PR_SET_PDEATHSIG = 1
_LINE = 2000  # characters of one log line


def main(jobs: Mapping[str, str] = JOBS) -> int:
    """Read the job from stdin, run it, answer on the descriptor named on the command line."""
    events = os.fdopen(int(sys.argv[1]), "wb")
    job = json.loads(sys.stdin.buffer.readline())
    limit_self(job["limits"])
    die_with_parent(int(job["parent_pid"]))

    def say(event: str, **fields: JsonValue) -> None:
        events.write(json.dumps({"event": event, **fields}, allow_nan=False).encode() + b"\n")
        events.flush()

    reporter = Reporter(
        log=lambda line: say("log", line=line[:_LINE]),
        progress=lambda done, total: say("progress", done=done, total=total),
    )
    try:
        module, _, name = jobs[job["kind"]].partition(":")
        function = cast(JobFunction, getattr(importlib.import_module(module), name))
        say("result", result=function(job["inputs"], Path(job["out_dir"]), reporter))
    except Refused as refused:
        refusals: list[JsonValue] = [refusal.to_json() for refusal in refused.refusals]
        say("refused", refusals=refusals)
    except MemoryError:
        say("error", kind="out_of_memory", message="The memory limit was reached.")
        return 1
    except Exception as error:
        traceback.print_exc()
        say("error", kind=type(error).__name__, message=str(error)[:_LINE])
        return 1
    return 0


def limit_self(limits: JsonObject) -> None:
    """Set what cannot be taken back. A limit above the machine's own is lowered to it."""
    for name, kind in (
        ("memory_bytes", resource.RLIMIT_AS),
        ("file_bytes", resource.RLIMIT_FSIZE),
        ("open_files", resource.RLIMIT_NOFILE),
    ):
        value = limits.get(name)
        if isinstance(value, int):
            _lower(kind, value, value)
    cpu = limits.get("cpu_seconds")
    if isinstance(cpu, int):
        _lower(resource.RLIMIT_CPU, cpu, cpu + 2)  # first SIGXCPU, which says why; then SIGKILL
    _lower(resource.RLIMIT_CORE, 0, 0)


def _lower(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to end this process with its parent, even when that is killed outright."""
    with contextlib.suppress(OSError, AttributeError):  # other systems have no such call
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it was gone before we asked
        os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # native libraries may hang or crash while a finished process is torn down
