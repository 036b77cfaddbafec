"""The cases of a pass that is too dear for all of them."""

from collections.abc import Sequence
from typing import cast

from ml.drawn import drawn
from ml.engine.attack_form import ATTACK
from ml.engine.blot_form import BLOT
from ml.engine.explain_form import PERTURB, RANDOMISE
from ml.engine.passes import CORRUPT, GRADIENTS, MOVE, NORMALISE
from ml.engine.requested_form import CORRUPT_SAMPLES
from ml.estimate import JsonObject
from ml.protocol import DEFAULT_EXPLANATION_CASES, Protocol

MOST, SEED = "most_cases", "cases_seed"
_ENOUGH = {
    NORMALISE: 200,
    GRADIENTS: 100,
    RANDOMISE: 50,
}  # cases of passes whose number no protocol sets


def drawing(name: str, protocol: Protocol) -> JsonObject:
    """What a pass is told of its cases, as params; {} where it is run on all."""
    own = {
        CORRUPT: protocol.stress_cases,
        CORRUPT_SAMPLES: protocol.stress_cases,
        MOVE: protocol.shift_cases,
        ATTACK: protocol.attack_cases,
        PERTURB: protocol.explanation_cases,
        BLOT: protocol.shortcut_cases,
    }
    if protocol.explanation_cases < DEFAULT_EXPLANATION_CASES:  # who asked for fewer gets fewer
        own[RANDOMISE] = min(protocol.explanation_cases, _ENOUGH[RANDOMISE])
    most = {**_ENOUGH, **own}.get(name)
    return {} if most is None else {MOST: most, SEED: protocol.seed}


def cases_of(params: JsonObject, case_ids: Sequence[str]) -> list[str]:
    """The cases that a pass is run on, in the order of the cohort.

    Each case has a number of its own, drawn by the seed and its id alone, and those of the lowest
    are taken: another order of the cohort draws the same cases, and a larger number of cases
    draws these and more.

    >>> cases_of({"most_cases": 2, "cases_seed": 1}, ["a", "b", "c", "d"])
    ['a', 'c']
    >>> cases_of({}, ["a", "b"])
    ['a', 'b']
    """
    if MOST not in params or len(case_ids) <= cast(int, params[MOST]):
        return list(case_ids)
    number = {case_id: drawn(params[SEED], case_id).random() for case_id in case_ids}
    taken = set(sorted(case_ids, key=number.__getitem__)[: cast(int, params[MOST])])
    return [case_id for case_id in case_ids if case_id in taken]
