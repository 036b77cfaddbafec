"""The cases of a pass that is too dear for all of them."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import cast

from ml.drawn import drawn
from ml.engine.attack_form import ATTACK
from ml.engine.blot_form import BLOT
from ml.engine.explain_form import PERTURB, RANDOMISE
from ml.engine.passes import CORRUPT, GRADIENTS, MOVE, NORMALISE
from ml.engine.requested_form import CORRUPT_SAMPLES
from ml.estimate import JsonObject, JsonValue
from ml.protocol import DEFAULT_EXPLANATION_CASES, Protocol

MOST, SEED = "most_cases", "cases_seed"
BY, LABEL = "cases_by", "label"  # drawn in equal numbers of those with and without the finding
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
    if most is None:
        return {}
    balanced: JsonObject = {BY: LABEL} if name == PERTURB else {}
    return {MOST: most, SEED: protocol.seed} | balanced


def cases_of(
    params: JsonObject,
    case_ids: Sequence[str],
    catalogue: Mapping[str, JsonValue] | None = None,
) -> list[str]:
    """The cases that a pass is run on, in the order of the cohort.

    Each case has a number of its own, drawn by the seed and its id alone, and those of the lowest
    are taken: another order of the cohort draws the same cases, and a larger number of cases
    draws these and more. Some passes take as many with the finding as without it, as far as there
    are any, so that a rare finding is among them; which answer a case gets is not known yet.

    Args:
        params: of the pass.
        catalogue: of the cohort, for its labels; None where nothing is known of it.

    >>> cases_of({"most_cases": 2, "cases_seed": 1}, ["a", "b", "c", "d"])
    ['a', 'c']
    >>> cases_of({}, ["a", "b"])
    ['a', 'b']
    """
    if MOST not in params or len(case_ids) <= cast(int, params[MOST]):
        return list(case_ids)
    number = {case_id: drawn(params[SEED], case_id).random() for case_id in case_ids}
    ordered = sorted(case_ids, key=number.__getitem__)
    if params.get(BY) == LABEL and catalogue is not None:
        present, turns = _present(catalogue), {of: count() for of in (True, False, None)}
        turn = {case_id: next(turns[present.get(case_id)]) for case_id in ordered}
        ordered.sort(key=turn.__getitem__)  # stable: of one turn by number
    taken = set(ordered[: cast(int, params[MOST])])
    return [case_id for case_id in case_ids if case_id in taken]


def _present(catalogue: Mapping[str, JsonValue]) -> dict[str, bool | None]:
    """Case id -> whether its label is a finding; None where it has no label."""
    positive = cast(list[JsonValue], catalogue.get("positive") or [])
    return {
        str(case["case_id"]): None if case.get("label") is None else case["label"] in positive
        for case in cast(list[JsonObject], catalogue["cases"])
    }
