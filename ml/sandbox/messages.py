"""What parent and child say to each other, and the limits a child lives under."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from ml.estimate import JsonObject, JsonValue
from ml.intake.refusal import Refusal

GIB = 1024**3
MIB = 1024**2

State = Literal["done", "refused", "crashed", "timed_out", "out_of_memory", "stopped"]


@dataclass(frozen=True)
class Limits:
    """What one child may use. None means: not limited."""

    wall_seconds: float = 1800.0
    cpu_seconds: int | None = 3600
    memory_bytes: int | None = 8 * GIB  # address space; None where a GPU maps more than it uses
    file_bytes: int | None = 8 * GIB  # of any one file it writes
    open_files: int | None = 256
    message_bytes: int = 4 * MIB  # of one line on the pipe
    output_bytes: int = 64 * MIB  # of all it says and prints before it is stopped
    log_lines: int = 200  # kept: the last ones


@dataclass(frozen=True)
class Job:
    kind: str  # key of the table in ml.sandbox.child
    inputs: JsonObject
    out_dir: Path  # the only folder the job writes to; it exists


@dataclass(frozen=True)
class Event:
    """Something the child said while it worked."""

    kind: Literal["log", "progress"]
    fields: dict[str, JsonValue]  # log: line; progress: done, total


@dataclass(frozen=True)
class Outcome:
    """How a job ended. Nothing in it was trusted from the child but JSON of a bounded size."""

    state: State
    result: JsonObject = field(default_factory=dict)  # when done
    refusals: list[Refusal] = field(default_factory=list)  # when refused
    reason: str = ""  # a sentence, when neither done nor refused
    log: list[str] = field(default_factory=list)  # the last lines
    seconds: float = 0.0
    exit_code: int | None = None  # negative: ended by that signal


@dataclass(frozen=True)
class Reporter:
    """The child's way to speak while it works."""

    log: Callable[[str], None]
    progress: Callable[[int, int], None]  # done, total


JobFunction = Callable[[JsonObject, Path, Reporter], JsonObject]


def job_line(job: Job, limits: Limits, parent_pid: int) -> bytes:
    """The one line a child gets."""
    message = {
        "kind": job.kind,
        "inputs": job.inputs,
        "out_dir": str(job.out_dir),
        "limits": asdict(limits),
        "parent_pid": parent_pid,
    }
    return json.dumps(message).encode() + b"\n"
