"""The tables that masks of changed copies leave: their columns, their rows, what they cost.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from ml.engine.cost import Cost
from ml.estimate import JsonObject, JsonValue
from ml.evidence.forms import Form, Key
from ml.evidence.mask_copies import BACK, COUNTS, STRUCTURE

STRUCTURES = "structures"  # how many the model marks; a pass without it is of scores
REFERENCES = "references"  # case id -> file of its reference mask, as a job is told
_NUMBERS = {True: (*COUNTS, *BACK), False: COUNTS}


def of_masks(params: Mapping[str, JsonValue]) -> bool:
    """Whether a pass compares masks, and no scores.

    Example:
        >>> of_masks({"structures": 1}), of_masks({"batch": 8})
        (True, False)
    """
    return STRUCTURES in params


def mask_copies_form(
    params: JsonObject, first: str, second: str, wanted: Sequence[tuple[str, int]], *, back: bool
) -> Form:
    """A row for each case, version and structure, with three sizes in pixels.

    Args:
        params: of the pass.
        first, second: what tells versions apart: corruption and severity, move and step.
        wanted: the versions, in their order.
        back: with the sizes of the case's own mask, moved there and back.
    """
    structures = range(int(cast(int, params[STRUCTURES])))
    keys: dict[str, list[Key]] = {
        first: [one for one, _ in wanted for _ in structures],
        second: [step for _, step in wanted for _ in structures],
        STRUCTURE: [at for _ in wanted for at in structures],
    }
    return Form(keys=keys, numbers=_NUMBERS[back])


def mask_copies_cost(
    params: JsonObject, versions: int, row_bytes: int, *, also: int = 0, back: bool = False
) -> Cost:
    """Of one case: every copy once.

    Args:
        also: forwards of the picture as it is.
    """
    rows = versions * int(cast(int, params[STRUCTURES]))
    return Cost(versions + also, 0, rows * (row_bytes + 8 * (1 + len(_NUMBERS[back]))))
