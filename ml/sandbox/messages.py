"""What parent and child say to each other, and the limits a child lives under."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

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
    resident_bytes: int | None = 8 * GIB  # memory in use, where a control group can be made
    tasks: int | None = 512  # threads, where they can be counted; processes it may not start
    out_bytes: int | None = 64 * GIB  # of all files in its folder
    out_files: int | None = 500_000
    tmp_bytes: int = 64 * MIB  # of its /tmp, where it has one of its own
    message_bytes: int = 4 * MIB  # of one line on the pipe
    messages: int = 200_000  # lines on the pipe
    output_bytes: int = 64 * MIB  # of all it says and prints before it is stopped
    log_lines: int = 200  # kept: the last ones
    isolation: str = "auto"  # or a level of ml.sandbox.levels, which is then insisted on
    gpu: bool = False  # let it at the devices and the driver of a GPU
    gpu_index: int = 0  # which one; where it can be told apart, no other one is seen
    network: bool = False  # let it open connections: of ml.endpoint.caller alone


@dataclass(frozen=True)
class Job:
    kind: str  # key of the table in ml.sandbox.child
    inputs: JsonObject
    out_dir: Path  # the only folder the job writes to; it exists
    reads: tuple[Path, ...] = ()  # what it may read besides the paths that `inputs` names

    def readable(self) -> list[Path]:
        """What the job may read: `reads`, and where our own code puts a path among its inputs.

        Other words of the inputs, such as a manifest's, are a stranger's and open nothing.
        """
        model, cases = self.inputs.get("model"), self.inputs.get("cases")
        named = [self.inputs.get("path"), model.get("path") if isinstance(model, dict) else None]
        for case in cases if isinstance(cases, list) else []:
            if not isinstance(case, dict):
                continue
            images, masks = case.get("images"), case.get("masks")
            named += images if isinstance(images, list) else []
            named += masks.values() if isinstance(masks, dict) else []
        return [*self.reads, *(Path(name) for name in named if isinstance(name, str))]


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
    scan: JsonObject = field(default_factory=dict)  # when refused: the child's list of the files
    reason: str = ""  # a sentence, when neither done nor refused
    log: list[str] = field(default_factory=list)  # the last lines
    seconds: float = 0.0
    exit_code: int | None = None  # negative: ended by that signal
    isolation: JsonObject = field(default_factory=dict)  # level and walls it was computed behind


class Answers(Protocol):
    """What a parent does about the questions of a child. A child may ask whatever it likes."""

    @property
    def busy(self) -> bool:
        """A question is open; the child waits."""

    def ask(self, question: JsonObject, out_dir: Path) -> None:
        """Begin with a question; files that it names lie in the job's folder. Does not block."""

    def wait(self, seconds: float) -> JsonObject | None:
        """The answer, if there is one within that time."""

    def close(self) -> None:
        """Nothing more will be asked."""


def _nobody(question: JsonObject) -> JsonObject:
    raise RuntimeError(f"nobody answers {question}")


@dataclass(frozen=True)
class Reporter:
    """The child's way to speak while it works."""

    log: Callable[[str], None]
    progress: Callable[[int, int], None]  # done, total
    ask: Callable[[JsonObject], JsonObject] = _nobody  # the parent, who answers where it can
    walls: tuple[str, ...] = ()  # that stand around this process


JobFunction = Callable[[JsonObject, Path, Reporter], JsonObject]


def job_line(job: Job, number: str) -> bytes:
    """The line that asks a child for a job; its closing message repeats the number."""
    message = {
        "id": number,
        "kind": job.kind,
        "inputs": job.inputs,
        "out_dir": str(job.out_dir),
    }
    return json.dumps(message).encode() + b"\n"
