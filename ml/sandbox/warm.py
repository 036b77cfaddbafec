"""A child that is kept for the next job of the same model, so that its start is paid once."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml.sandbox import levels
from ml.sandbox.launch import CannotStart, Child
from ml.sandbox.messages import Answers, Event, Job, Limits, Outcome
from ml.sandbox.parent import CHILD_MODULE, work

MOST_JOBS = 50  # of one child, so that what a library leaks is given back
IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Two folders of one job; all that the child sees but for the shared one."""

    inputs: Path
    out: Path


class WarmChild:
    """At most one child at a time, started when a job comes, ended when it was idle for long.

    Args:
        base: a folder that is this child's; it exists.
        limits: of every job.
        reads: what every job may read besides.
        module: the child's entry.
        idle_seconds: after which a child without a job is ended, so that it holds no memory.

    What it may see is settled when it starts, so every job has its folders below the same two. Use
    it for one model of one team only: a job could see what an earlier one left behind in memory.
    The kernel ends the child with the thread that called :meth:`run` first.
    """

    def __init__(
        self,
        base: Path,
        limits: Limits,
        *,
        reads: Sequence[Path] = (),
        module: str = CHILD_MODULE,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.base, self.limits, self.reads, self.module = base, limits, reads, module
        self.idle_seconds = idle_seconds
        self.lock = threading.RLock()
        self.child: Child | None = None
        self.isolation: levels.Isolation | None = None
        self.left = 0
        self.timer: threading.Timer | None = None
        for folder in (self.shared, base / "in", base / "out"):
            folder.mkdir(exist_ok=True)

    @property
    def shared(self) -> Path:
        """A folder that every job may read: for the model."""
        return self.base / "shared"

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Folders for one job, gone afterwards."""
        inputs = Path(tempfile.mkdtemp(dir=self.base / "in"))
        out = self.base / "out" / inputs.name
        out.mkdir()
        try:
            yield Place(inputs, out)
        finally:
            shutil.rmtree(inputs, ignore_errors=True)
            shutil.rmtree(out, ignore_errors=True)

    def run(
        self,
        job: Job,
        *,
        on_event: Callable[[Event], None] | None = None,
        tick: Callable[[], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        answers: Answers | None = None,
    ) -> Outcome:
        """As :func:`ml.sandbox.parent.run`; the job's files lie in a :meth:`place`."""
        with self.lock:
            self._stop_timer()
            started = time.monotonic()
            try:
                ready = self._start()
            except (levels.Unavailable, CannotStart) as problem:
                return Outcome("crashed", reason=f"{problem} Nothing was opened.")
            assert self.child is not None
            assert self.isolation is not None
            self.left -= 1
            well = False
            try:
                outcome = work(
                    self.child, job, self.isolation, self.limits, started, on_event, tick,
                    should_stop, ready=ready, keep=True, answers=answers,
                )  # fmt: skip
                well = outcome.state == "done" and self.left > 0
            finally:
                if not well:
                    self.close()
            if well:
                self._start_timer()
            return outcome

    def _start(self) -> bool:
        """See that there is a child; whether it has stood ready before."""
        if self.child is not None and self.child.runs():
            return True
        self.close()
        self.isolation = levels.choose(self.limits.isolation)
        self.child = Child(
            self.isolation,
            self.limits,
            self.module,
            read=[self.shared, self.base / "in", *self.reads],
            write=[self.base / "out"],
            jobs=MOST_JOBS,
        )
        self.left = MOST_JOBS
        return False

    def close(self) -> None:
        """End the child, if there is one. The next job starts another."""
        with self.lock:
            self._stop_timer()
            if self.child is not None:
                self.child.close()
                self.child = None

    def _start_timer(self) -> None:
        self.timer = threading.Timer(self.idle_seconds, self._idle)
        self.timer.daemon = True
        self.timer.start()

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _idle(self) -> None:
        with self.lock:
            if self.timer is threading.current_thread():  # no job has come meanwhile
                self.close()
