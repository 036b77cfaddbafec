"""How much of a machine a model's outputs take: cases at once, and threads against processes.

Measured for the one runtime that a trial has chosen, in about a second. What would take more time
or memory than there is for a trial is not tried, and nothing is said of it.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import numpy as np

from ml.engine.runtime import MOST_BATCH, MOST_CORES, WORTH
from ml.engine.session import ModelError, Session
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array

BATCH = 8  # cases at once where nothing else is known to be quicker
SECONDS = 0.75  # of measuring batches; and as much for threads against processes
BETTER = 0.95  # of the usual number's seconds: a size that is not that much quicker is not taken
CLEARLY = 0.9  # and of processes' seconds, for threads: they take a core from another model
_SIZES = (BATCH, 4, 2, 1, 16, MOST_BATCH)
_OF_SLOW, _MORE = (BATCH, 2), 7  # sizes and times the seconds, where eight cases outlast these
_TIMES = 3  # each size, as far as there is time
_ROUNDS, _MOST_ROUNDS = 2, 20
_LEAST_LIMIT = 8 << 30  # of memory, where none is set
_SHARE = 4  # a trial takes no more than this part of the memory a child may have


def by_batch(session: Session, cases: Float32Array, seconds: float) -> dict[int, float]:
    """Processor seconds per case of batches of several sizes, as far as time and memory allow.

    Of a slow network eight cases and two are compared, for which it has some seconds: what eight
    leave in memory may be more than the caches hold: a ResNet18 was a fifth quicker by two.

    Args:
        session: its ``fitted`` is written to where a batch does not fit.
        cases: (n, ...) some to fill batches with.
        seconds: that a case takes, about.

    Returns:
        By cases at once, the least of the rounds; {} for a graph that insists on a number, and
        where eight cases take too long.
    """
    found: dict[int, float] = {}
    if session.fixed_batch:
        return found
    slow, held = BATCH * seconds > SECONDS, _Memory()
    sizes, left = (_OF_SLOW, _MORE * SECONDS) if slow else (_SIZES, SECONDS)
    if BATCH * seconds > left:
        return found  # nothing could be held against the usual number
    for _ in range(_TIMES):
        for n in sizes:
            if n * seconds > left or held.would_be_short(n) or n > min([n, *session.fitted]):
                continue
            batch = np.concatenate([cases] * -(-n // len(cases)))[:n]
            began = time.process_time()
            session.run(batch)
            took = time.process_time() - began
            left -= took
            held.note(n)
            if n <= min([n, *session.fitted]):  # else it was run in halves
                found[n] = min(took / n, found.get(n, np.inf))
    return found


def chosen_batch(seconds: Mapping[int, float]) -> int:
    """The usual number of cases at once, or the quickest where that spares a twentieth.

    Args:
        seconds: per case, by cases at once.

    Example:
        >>> chosen_batch({8: 0.010, 16: 0.0095}), chosen_batch({8: 0.010, 16: 0.008})
        (8, 16)
    """
    if BATCH not in seconds:
        return BATCH
    best = min(seconds, key=seconds.__getitem__)
    usual = seconds[BATCH]
    return best if seconds[best] < min(BETTER * usual, usual - WORTH) else BATCH


def processes_or_threads(
    opened: Callable[[int], Session],
    session: Session,
    cases: Float32Array,
    seconds: float,
    cores: int | None = None,
) -> JsonObject:
    """Are all cores better used by one case each, or all for one batch?

    Processes are stood in for by threads of this one that run the session side by side: each
    computes with one thread, as a worker's process does, and they share caches and memory as
    processes do. Seconds are those of a clock.

    Args:
        opened: the model, to be computed with so many threads.
        session: the model, computed with one thread; it may be run by several at once.
        cases: (n, ...) some.
        seconds: that a case takes, about.
        cores: that this process may use; by default, as the system says.

    Returns:
        cores; one_thread_each, all_threads: seconds per case; quicker: "processes" or "threads",
        which must be clearly quicker. With reason in place of the last three where they were not
        measured.
    """
    cores = min(cores or len(os.sched_getaffinity(0)), MOST_CORES)
    if cores == 1:
        return {"cores": 1, "reason": "There is one core."}
    batch = cases[: session.fixed_batch or 2]
    if len(batch) * seconds * (_ROUNDS + 1) > SECONDS:
        return {"cores": cores, "reason": "A case takes too long to try it."}
    try:
        with ThreadPoolExecutor(cores) as pool:
            side_by_side = partial(_side_by_side, pool, session, batch, cores)
            side_by_side()  # torch counts threads for each thread: these have one from here on
            many = opened(cores)
            if many.runtime != session.runtime:
                why = "With several threads another runtime takes over."
                return {"cores": cores, "reason": why}
            each, together = _in_turn(side_by_side, lambda: many.run(batch))
    except (MemoryError, ModelError):
        return {"cores": cores, "reason": "With several threads it cannot be run."}
    finally:
        _one_thread_again()
    each, together = each / (cores * len(batch)), together / len(batch)
    return {
        "cores": cores,
        "one_thread_each": round(each, 6),
        "all_threads": round(together, 6),
        "quicker": "threads" if together < CLEARLY * each else "processes",
    }


def _side_by_side(
    pool: ThreadPoolExecutor, session: Session, batch: Float32Array, cores: int
) -> None:
    start = Barrier(cores)  # so that each is run by a thread of its own

    def run(_: int) -> None:
        start.wait()
        session.run(batch)

    list(pool.map(run, range(cores)))


def _in_turn(*runs: Callable[[], object]) -> list[float]:
    """The least seconds of each, run in turn: a busy moment of the machine meets all of them."""
    for run in runs:
        run()  # the first finds its caches cold
    least, spent = [np.inf] * len(runs), 0.0
    for done in range(_MOST_ROUNDS):
        if spent > SECONDS and done >= _ROUNDS:
            break
        for at, run in enumerate(runs):
            began = time.perf_counter()
            run()
            took = time.perf_counter() - began
            least[at], spent = min(least[at], took), spent + took
    return least


def _one_thread_again() -> None:
    """torch has one number of threads for a whole process."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


class _Memory:
    """What batches have taken so far, and whether a larger one may be tried."""

    def __init__(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        self.room = (limit if limit != resource.RLIM_INFINITY else _LEAST_LIMIT) // _SHARE
        self.at_rest, self.peak, self.of_one = _resident(), _peak(), 0.0

    def note(self, n: int) -> None:
        """A batch of n was run. One that takes less than the process ever held says nothing."""
        peak = _peak()
        self.of_one = max(0, peak - self.at_rest) / n if peak > self.peak else 0.0

    def would_be_short(self, n: int) -> bool:
        return n * self.of_one > self.room


def _peak() -> int:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()
