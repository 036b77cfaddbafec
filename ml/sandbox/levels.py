"""How well a child can be locked in on this machine: found out by trying, chosen at run time."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ml.estimate import JsonObject
from ml.sandbox import bubble, landlock, seccomp, view

Level = Literal["namespaces", "landlock", "limits"]
LEVELS: tuple[Level, ...] = ("namespaces", "landlock", "limits")  # the strongest first
_TRY_SECONDS = 20

WARNING = (
    "Models and images are opened without isolation: the child process has limits, but sees the "
    "files and the network of its user. Accept them only from people you know; docs/sandbox.md "
    "says how to switch isolation on."
)


class Unavailable(Exception):
    """The level that was asked for cannot be had here; says why."""


@dataclass(frozen=True)
class Isolation:
    level: Level
    walls: tuple[str, ...]  # what stands around the child
    missing: tuple[str, ...] = ()  # why a higher level is not in use, a sentence each

    def to_json(self) -> JsonObject:
        """For the runtime beside a result."""
        return {"level": self.level, "walls": list(self.walls)}


def choose(wanted: str = "auto") -> Isolation:
    """The level to run under.

    Args:
        wanted: a level, or ``auto`` for the strongest that works here. With ``auto`` the variable
            SANDBOX of the environment may name one.

    Raises:
        Unavailable: if there is no such level, or a named one does not work here; it is never
            replaced by a lower one.
    """
    if wanted == "auto":
        wanted = os.environ.get("SANDBOX") or "auto"
    if wanted not in ("auto", *LEVELS):
        raise Unavailable(f"SANDBOX is '{wanted}'; it can be auto, {', '.join(LEVELS)}.")
    missing: list[str] = []
    for level in LEVELS:
        if wanted not in ("auto", level):
            continue
        walls, problem = _tried(level)
        if not problem:
            return Isolation(level, walls, tuple(missing))
        missing.append(problem)
    raise Unavailable(f"The isolation '{wanted}' does not work on this machine: {missing[0]}")


def _tried(level: Level) -> tuple[tuple[str, ...], str]:
    """The walls of a level, and why it cannot be had (empty if it can)."""
    if level == "limits":
        return ("limits", *(["seccomp"] if seccomp.available() else [])), ""
    if not seccomp.available():
        return (), "The kernel or the processor's architecture has no filter for system calls."
    if level == "landlock":
        walls = ("limits", "landlock", "seccomp")
        return walls, "" if landlock.abi() >= 1 else "The kernel has no Landlock."
    both = ["landlock"] if landlock.abi() >= 1 else []
    return ("limits", *both, "seccomp", "namespaces"), _namespaces()


@cache
def _namespaces() -> str:
    """Why bubblewrap does not work here; empty if it does. Tried once per process."""
    program = bubble.program()
    if program is None:
        return "bubblewrap is not installed."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        seen = bubble.View(view.code("ml"), [], [folder])
        words = [*bubble.command(program, seen, work=folder), sys.executable, "-I", "-S", "-c", ""]
        try:
            tried = subprocess.run(
                words, capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not start: {error}"
    if tried.returncode == 0:
        return ""
    said: Sequence[str] = tried.stderr.strip().splitlines() or [f"code {tried.returncode}"]
    return f"bubblewrap cannot make namespaces: {said[-1][:200]}"


def warning(isolation: Isolation) -> str:
    """What an operator must read of this level; empty for those that isolate."""
    return WARNING if isolation.level == "limits" else ""
