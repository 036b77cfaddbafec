"""Listening to a child that may say anything: bounded lines in, one outcome out."""

import json
import re
import signal
from collections import deque
from collections.abc import Callable, Sequence

from ml.estimate import JsonObject, JsonValue
from ml.intake.refusal import MOST_REFUSALS, Refusal
from ml.sandbox.messages import Event, Limits, Outcome, State

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal
_LINE = 2000  # characters of a log line that are kept
_EVENT_BYTES = 256 * 1024  # of printed lines that are passed on while the child works
_BROKE: dict[int, str] = {
    signal.SIGSEGV: "It broke (segmentation fault) while it worked on what it was given.",
    signal.SIGBUS: "It broke (bus error) while it worked on what it was given.",
    signal.SIGILL: "It broke (illegal instruction); a library may need a newer processor.",
    signal.SIGFPE: "It broke (arithmetic error) while it worked on what it was given.",
    signal.SIGABRT: "It gave up (abort) while it worked on what it was given.",
    signal.SIGSYS: "It was ended for a system call of a kind that is not allowed to it.",
}


class Ears:
    """Everything heard of one child; memory is bounded whatever it prints."""

    def __init__(
        self,
        limits: Limits,
        on_event: Callable[[Event], None] | None,
        number: str,
        walls: Sequence[str],
    ) -> None:
        self.limits = limits
        self.number = number  # of the job; a closing message without it is of no job of ours
        self.walls = set(walls)  # that must stand before the job begins
        self.ready = False
        self.unconfined = ""
        self.messages = 0
        self.on_event = on_event
        self.log: deque[str] = deque(maxlen=limits.log_lines)
        self.heard = 0
        self.printed = 0
        self.pending = {"events": b"", "output": b""}
        self.progress: Event | None = None
        self.asked: JsonObject | None = None  # a question that nobody has taken up yet
        self.last: JsonObject = {}  # the closing message: result, refused or error

    @property
    def too_much(self) -> bool:
        return self.heard > self.limits.output_bytes or self.messages > self.limits.messages

    def hear(self, source: str, piece: bytes) -> None:
        self.heard += len(piece)
        *lines, rest = (self.pending[source] + piece).split(b"\n")
        if source == "output" and self.printed > _EVENT_BYTES:
            # Nobody is told any more, and these are all that are kept: a flood costs us little.
            lines = lines[-self.limits.log_lines :]
        for line in lines:
            self._line(source, line)
        if source == "output" and len(rest) > _LINE:  # a line without end is cut into lines
            self._line(source, rest)
            rest = b""
        elif len(rest) > self.limits.message_bytes:
            self.heard = self.limits.output_bytes + 1
            rest = b""
        self.pending[source] = rest
        if self.progress is not None:  # only the newest: a flood of reports is one report
            self._tell(self.progress)
            self.progress = None

    def finish(self, rest: Sequence[tuple[str, bytes]]) -> None:
        """Take what was left in the pipes, and the last line without its newline."""
        for source, piece in rest:
            if not self.too_much:
                self.hear(source, piece)
        for source, line in self.pending.items():
            if line:
                self._line(source, line)

    def _line(self, source: str, line: bytes) -> None:
        if source == "output":
            self._log(line.decode("utf-8", "replace")[:_LINE])
            return
        self.messages += 1
        if self.messages > self.limits.messages:
            return
        message = _json_object(line)
        kind = message.get("event")
        if kind == "ready":
            self._ready(message.get("walls"))
        elif kind == "unconfined":
            self.unconfined = str(message.get("message", ""))[:_LINE]
        elif kind == "log":
            self._log(str(message.get("line", ""))[:_LINE])
        elif kind == "progress":
            done, total = message.get("done"), message.get("total")
            if isinstance(done, int) and isinstance(total, int):
                self.progress = Event("progress", {"done": done, "total": total})
        elif kind == "ask" and message.get("id") == self.number:
            question = message.get("question")
            self.asked = question if isinstance(question, dict) else {}
        elif kind in ("result", "refused", "error") and message.get("id") == self.number:
            self.last = message
        else:
            self._log("(the child sent a message that cannot be read)")

    def _ready(self, walls: JsonValue) -> None:
        stand = {str(wall) for wall in walls} if isinstance(walls, list) else set()
        if stand == self.walls:
            self.ready = True
        else:
            self.unconfined = f"missing: {', '.join(sorted(self.walls - stand)) or 'none'}"

    def _log(self, line: str) -> None:
        line = _COLOURS.sub("", line)
        if not line.isprintable():
            line = "".join(char if char.isprintable() else " " for char in line)
        line = line.rstrip()
        if not line:
            return
        self.log.append(line)
        if self.printed <= _EVENT_BYTES:
            self.printed += len(line)
            self._tell(Event("log", {"line": line}))

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)

    def outcome(
        self,
        ended_because: str | None,
        exit_code: int,
        seconds: float,
        *,
        problem: str = "",
        oom_killed: bool = False,
    ) -> Outcome:
        """Weigh what was said against how the process ended.

        Args:
            ended_because: why the parent ended it, if it did.
            exit_code: of the process; negative for a signal; 0 of one that waits for more.
            seconds: that it took.
            problem: what is wrong with the files it left.
            oom_killed: whether the kernel ended it for its memory.
        """
        state, reason = self._verdict(ended_because, exit_code)
        if oom_killed and state == "crashed":
            state, reason = "out_of_memory", self._memory_sentence(self.limits.resident_bytes)
        if problem and state in ("done", "refused"):
            state, reason = "crashed", problem
        result, refusals = self.last.get("result"), self.last.get("refusals")
        scan = self.last.get("scan") if state == "refused" else None
        return Outcome(
            state=state,
            result=result if state == "done" and isinstance(result, dict) else {},
            refusals=_refusals(refusals) if state == "refused" else [],
            scan=scan if isinstance(scan, dict) else {},
            reason=reason,
            log=list(self.log),
            seconds=seconds,
            exit_code=exit_code,
        )

    def _verdict(self, ended_because: str | None, exit_code: int) -> tuple[State, str]:
        said = self.last.get("event")
        if self.unconfined or (not self.ready and ended_because is None and exit_code > 0):
            why = self.unconfined or (self.log[-1] if self.log else f"code {exit_code}")
            return "crashed", f"Its isolation could not be set up, so nothing was opened: {why}"
        if said == "result" and ended_because is None and isinstance(self.last["result"], dict):
            return "done", ""
        if said == "refused" and ended_because is None and _refusals(self.last.get("refusals")):
            return "refused", ""
        if ended_because == "stopped":
            return "stopped", "It was stopped on request."
        if ended_because == "timed_out":
            return "timed_out", f"It took longer than {self.limits.wall_seconds:g} seconds."
        if ended_because is not None and ended_because != "too_much":
            return "crashed", ended_because
        if self.too_much:
            return "crashed", "It printed more than is allowed and was stopped."
        if said == "error":
            return self._error()
        return self._signal(exit_code)

    def _error(self) -> tuple[State, str]:
        if self.last.get("kind") == "out_of_memory":
            return "out_of_memory", self._memory_sentence(self.limits.memory_bytes)
        return "crashed", f"It failed: {self.last.get('message') or self.last.get('kind')}"

    def _signal(self, exit_code: int) -> tuple[State, str]:
        if exit_code == -signal.SIGXCPU:
            return "timed_out", f"It used more than {self.limits.cpu_seconds} seconds of processor."
        if exit_code == -signal.SIGABRT and any("bad_alloc" in line for line in self.log):
            return "out_of_memory", self._memory_sentence(self.limits.memory_bytes)
        if exit_code == -signal.SIGKILL:
            return "crashed", "It was killed from outside, often because memory ran out."
        if -exit_code in _BROKE:
            return "crashed", _BROKE[-exit_code]
        if exit_code < 0:
            return "crashed", f"It was ended by signal {-exit_code}."
        return "crashed", f"It ended with code {exit_code} and no result."

    @staticmethod
    def _memory_sentence(limit: int | None) -> str:
        allowed = "" if limit is None else f" ({limit / 1024**3:.3g} GiB)"
        return f"It needed more memory than is allowed{allowed}."


def _json_object(line: bytes) -> dict[str, JsonValue]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refusals(value: JsonValue) -> list[Refusal]:
    rows = value[: MOST_REFUSALS + 1] if isinstance(value, list) else []
    return [Refusal.from_json(row) for row in rows if isinstance(row, dict)]
