"""Which runtime computes a model's outputs: a short measured trial at intake, which is recorded.

It is measured once, where the model comes in; whoever computes evidence of it takes what is on
the card, so that no two workers decide differently.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.engine.session import ModelError, Session
from ml.engine.smoke import noise
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array

BATCH = 8
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


def trial(opened: Callable[[str], Session], names: Sequence[str], declared: Input) -> JsonObject:
    """Measure every runtime that gives the same answer; the quickest is chosen.

    Seconds are those of the processor, which a busy machine changes little, and the least of
    some runs in turn.

    Args:
        opened: the model, opened to be run by a runtime; what comes may be run by another one.
        names: of ``ml.engine.runtime.RUNTIMES``; the first must work.
        declared: of the manifest.

    Returns:
        chosen, batch (cases at once: fewer where they do not fit into memory), threads,
        seconds_per_case {runtime: seconds}, not_used {runtime: why}.

    Raises:
        ModelError, MemoryError: of the first.
    """
    cases = noise(declared, BATCH)
    sessions, not_used = _those_that_agree(opened, names, cases)
    seconds = measured({name: _runs(session, cases) for name, session in sessions.items()})
    chosen = min(seconds, key=seconds.__getitem__)
    per_case: dict[str, JsonValue] = {name: round(s, 6) for name, s in seconds.items()}
    return {
        "chosen": chosen,
        "batch": min([BATCH, *sessions[chosen].fitted]),
        "threads": 1,
        "seconds_per_case": per_case,
        "not_used": cast(JsonValue, not_used),
    }


def _those_that_agree(
    opened: Callable[[str], Session], names: Sequence[str], cases: Float32Array
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
        elif not np.abs(found - expected).max() <= CLOSE * np.abs(expected).max():  # or NaN
            not_used[name] = _REASONS["apart"]
        else:
            sessions[name] = session
    return sessions, not_used


def _runs(session: Session, cases: Float32Array) -> Callable[[int], object]:
    return lambda n: session.run(cases[:n])


def measured(runs: Mapping[str, Callable[[int], object]], most: int = BATCH) -> dict[str, float]:
    """The least processor seconds per case of each, run in turn.

    Args:
        runs: by name, what runs so many cases.
        most: cases at once; of a slow one two are enough.
    """
    slow = _seconds(next(iter(runs.values())), 2)
    n = min(2, most) if slow > SECONDS / 4 else most
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
