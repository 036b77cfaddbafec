"""Which runtime computes a model's outputs, on how many cases at once, by how many threads.

A short trial at intake measures it, and it is recorded.

It is measured once, where the model comes in; whoever computes evidence of it takes what is on
the card, so that no two workers decide differently.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ml.engine.room import BATCH, by_batch, chosen_batch, processes_or_threads
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN, quickest
from ml.engine.session import FloatArray, ModelError, Session
from ml.engine.smoke import noise
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array

SECONDS = 1.0  # of measuring for each
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 10
_HOPELESS = 1.5  # times the quickest after a round: it is not measured again
CLOSE = 1e-4  # of the largest number of the answer that all are held against
# The first is what all are held against: the plain walk, or the runtime of the file itself.
OF_A_PROGRAM = (PLAIN, FUSED, ONNXRUNTIME)
OF_ONNX = (ONNXRUNTIME, FUSED)
_REASONS = {
    "other": "It does not apply to this network, or is not installed.",
    "apart": "On noise it gives another answer.",
    "memory": "It does not fit into memory.",
}


class Opened(Protocol):
    def __call__(self, name: str, threads: int = 1) -> Session:
        """The model, opened to be run by a runtime; what comes may be run by another one."""


def trial(
    opened: Opened, names: Sequence[str], declared: Input, *, cores: int | None = None
) -> JsonObject:
    """Measure every runtime that gives the same answer; one is chosen, see ``quickest``.

    Seconds are those of the processor, which a busy machine changes little, and the least of
    some runs in turn.

    Args:
        opened: the model.
        names: of ``ml.engine.runtime.RUNTIMES``; the first must work.
        declared: of the manifest.
        cores: that this process may use; by default, as the system says.

    Returns:
        chosen, batch (cases at once), threads, seconds_per_case {runtime: seconds}, not_used
        {runtime: why}; of the chosen runtime: seconds_by_batch {cases at once: seconds per case},
        parallel, see :func:`ml.engine.room.processes_or_threads`.

    Raises:
        ModelError, MemoryError: of the first.
    """
    cases = noise(declared, BATCH)
    sessions, not_used = _those_that_agree(opened, names, cases)
    seconds = measured({name: _runs(session, cases) for name, session in sessions.items()})
    chosen = quickest(seconds, FUSED if names[0] == PLAIN and FUSED in seconds else names[0])
    session = sessions.pop(chosen)
    sessions.clear()  # what was not chosen need not be in memory for what follows
    batches = by_batch(session, cases, seconds[chosen])
    parallel = processes_or_threads(
        lambda threads: opened(chosen, threads), session, cases, seconds[chosen], cores
    )
    return {
        "chosen": chosen,
        "batch": min([chosen_batch(batches), *session.fitted]),
        "threads": parallel["cores"] if parallel.get("quicker") == "threads" else 1,
        "seconds_per_case": _rounded(seconds),
        "not_used": dict[str, JsonValue](not_used),
        "seconds_by_batch": _rounded({str(n): took for n, took in sorted(batches.items())}),
        "parallel": parallel,
    }


def _rounded(seconds: Mapping[str, float]) -> JsonObject:
    return {name: round(took, 6) for name, took in seconds.items()}


def _those_that_agree(
    opened: Opened, names: Sequence[str], cases: Float32Array
) -> tuple[dict[str, Session], dict[str, str]]:
    first = opened(names[0])
    expected = first.run(cases[:2])
    sessions, not_used = {names[0]: first}, {}
    for name in names[1:]:
        try:
            session = opened(name)
            found = session.run(cases[:2]) if session.runtime == name else None
        except ModelError:
            found = None
        except MemoryError:
            not_used[name] = _REASONS["memory"]
            continue
        if found is None:
            not_used[name] = _REASONS["other"]
        elif not close(found, expected):
            not_used[name] = _REASONS["apart"]
        else:
            sessions[name] = session
    return sessions, not_used


def close(found: FloatArray, expected: FloatArray) -> bool:
    """Whether two answers are near enough to stand for each other; never where one is NaN."""
    same = found.shape == expected.shape
    return same and bool(np.abs(found - expected).max() <= CLOSE * np.abs(expected).max())


def same_answer(session: Session, cases: Float32Array, expected: FloatArray) -> bool:
    """Whether a session gives an answer that is known; not where it breaks."""
    try:
        return close(session.run(cases), expected)
    except ModelError:
        return False


def _runs(session: Session, cases: Float32Array) -> Callable[[int], object]:
    return lambda n: session.run(cases[:n])


def measured(runs: Mapping[str, Callable[[int], object]], most: int = BATCH) -> dict[str, float]:
    """The least processor seconds per case of each, run in turn.

    Args:
        runs: by name, what runs so many cases.
        most: cases at once, as an audit runs them; two where so many would take over two seconds,
            though a runtime that is the quickest for two need not be so for more.
    """
    slow = _seconds(next(iter(runs.values())), 2)
    n = min(2, most) if slow > SECONDS / 2 else most
    least, spent = dict.fromkeys(runs, np.inf), 0.0
    for at in range(_MOST_ROUNDS):
        ahead = min(least.values())
        for name, run in runs.items():
            if at and least[name] > _HOPELESS * ahead:
                continue
            took = _seconds(run, n)
            least[name] = min(least[name], took / n)
            spent += took
        # One round may meet a busy moment of the machine; three seldom do.
        if spent > SECONDS * len(runs) and at >= _LEAST_ROUNDS - 1:
            break
    return least


def _seconds(run: Callable[[int], object], n: int) -> float:
    began = time.process_time()
    run(n)
    return time.process_time() - began
