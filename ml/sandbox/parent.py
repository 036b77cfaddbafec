"""The parent's side: start a child for one job, watch it, end it, say how it went."""

import contextlib
import os
import select
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ml.sandbox.ears import Ears
from ml.sandbox.messages import Event, Job, Limits, Outcome, job_line

PROJECT_ROOT = Path(__file__).parents[2]
CHILD_MODULE = "ml.sandbox.child"
TICK_SECONDS = 0.5
_PIECE = 1 << 16
_PASSED_ON = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")  # what a GPU needs to be found


def run(
    job: Job,
    *,
    limits: Limits | None = None,
    on_event: Callable[[Event], None] | None = None,
    tick: Callable[[], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    module: str = CHILD_MODULE,
) -> Outcome:
    """Run one job in a child process and wait for its end.

    Args:
        job: what to do; its inputs and results are JSON, never pickled.
        limits: what the child may use.
        on_event: called with every log line and progress report, within bounds.
        tick: called at least once a second; what it raises ends the child and goes on up.
        should_stop: asked at every tick; True ends the child.
        module: the child's entry; another one only in tests.

    Returns:
        The outcome; a child that misbehaves is an outcome, not an exception.
    """
    limits = limits or Limits()
    started = time.monotonic()
    ears = Ears(limits, on_event)
    with _Child(job, limits, module) as child:
        ended_because = _watch(child, ears, started, limits, tick, should_stop)
        exit_code = child.end()
        ears.finish(child.rest())
    return ears.outcome(ended_because, exit_code, time.monotonic() - started)


def _watch(
    child: "_Child",
    ears: Ears,
    started: float,
    limits: Limits,
    tick: Callable[[], None] | None,
    should_stop: Callable[[], bool] | None,
) -> str | None:
    """Listen until the child ends; the reason for which we ended it, or None."""
    next_tick = started
    while child.runs():
        now = time.monotonic()
        if now - started > limits.wall_seconds:
            return "timed_out"
        if now >= next_tick:
            next_tick = now + TICK_SECONDS
            if tick is not None:
                tick()
            if should_stop is not None and should_stop():
                return "stopped"
        wait = min(next_tick - now, started + limits.wall_seconds - now)
        for source, piece in child.read(max(wait, 0.0)):
            ears.hear(source, piece)
        if ears.too_much:
            return "too_much"
    return None


class _Child:
    """A process in a session of its own, and the two pipes we listen on."""

    def __init__(self, job: Job, limits: Limits, module: str) -> None:
        self.job, self.limits, self.module = job, limits, module
        self.selector = selectors.DefaultSelector()

    def __enter__(self) -> "_Child":
        events, events_of_child = os.pipe()
        try:
            with tempfile.TemporaryFile() as stdin:  # a file, so that writing never blocks us
                stdin.write(job_line(self.job, self.limits, os.getpid()))
                stdin.seek(0)
                self.process = subprocess.Popen(
                    # -P: the working folder holds files of strangers and is no place for modules
                    [sys.executable, "-P", "-s", "-m", self.module, str(events_of_child)],
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(events_of_child,),
                    cwd=self.job.out_dir,
                    env=environment(os.environ),
                    start_new_session=True,
                )
        except BaseException:
            os.close(events)
            raise
        finally:
            os.close(events_of_child)
        assert self.process.stdout is not None
        self.pipes = {"events": events, "output": self.process.stdout.fileno()}
        for source, descriptor in self.pipes.items():
            os.set_blocking(descriptor, False)
            self.selector.register(descriptor, selectors.EVENT_READ, source)
        self.exit_notice = os.pidfd_open(self.process.pid)
        self.selector.register(self.exit_notice, selectors.EVENT_READ, "exit")
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.selector.close()
        os.close(self.exit_notice)
        os.close(self.pipes["events"])
        assert self.process.stdout is not None
        self.process.stdout.close()

    def runs(self) -> bool:
        # Not poll(): that would free the process id while we may still signal its group.
        return not select.select([self.exit_notice], [], [], 0)[0]

    def read(self, seconds: float) -> list[tuple[str, bytes]]:
        """What arrived within that time, in pieces."""
        heard = []
        for key, _ in self.selector.select(seconds):
            if key.data == "exit":
                continue
            piece = _read(key.fd)
            if piece == b"":  # the child closed it
                self.selector.unregister(key.fd)
            elif piece:
                heard.append((str(key.data), piece))
        return heard

    def rest(self) -> list[tuple[str, bytes]]:
        """What is left in the pipes of a process that has ended; never more than they hold."""
        return [
            (source, piece)
            for source, descriptor in self.pipes.items()
            for _ in range(16)
            if (piece := _read(descriptor))
        ]

    def end(self) -> int:
        """End the whole process group, wait for the child, and give its exit code."""
        if self.process.returncode is not None:
            return self.process.returncode
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def _read(descriptor: int) -> bytes | None:
    """Up to one piece; empty when the other end is closed, None when nothing is there yet."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What a child gets to see: nothing of ours but where the code is and how to find a GPU."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108  # a name some libraries ask for; nothing is kept there
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUNBUFFERED": "1",
        # One thread unless the job asks for more: results must not depend on the machine.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Few arenas and no returning of pages: less address space, and faster (docs/adr/0004).
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "8589934592",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
        **{name: own[name] for name in _PASSED_ON if name in own},
    }
