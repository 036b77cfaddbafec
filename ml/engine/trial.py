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
SECONDS = 1.0  # of measuring; what takes longer is run once
_MOST_ROUNDS = 10
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
    seconds = _measured(sessions, cases)
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


def _measured(sessions: Mapping[str, Session], cases: Float32Array) -> dict[str, float]:
    """The least seconds per case of each, run in turn: as few cases as show a slow one."""
    slow = _seconds(next(iter(sessions.values())), cases[:2])
    cases = cases[:2] if slow > SECONDS / 4 else cases
    least = dict.fromkeys(sessions, np.inf)
    spent = 0.0
    for at in range(_MOST_ROUNDS):
        for name, session in sessions.items():
            took = _seconds(session, cases)
            least[name] = min(least[name], took / len(cases))
            spent += took
        if spent > SECONDS and at > 0:
            break
    return least


def _seconds(session: Session, cases: Float32Array) -> float:
    began = time.process_time()
    session.run(cases)
    return time.process_time() - began
