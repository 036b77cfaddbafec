"""What the move pass is asked for, the rows that its table has, and what it costs.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Sequence
from typing import cast

from ml.engine.cost import Cost, Sizes
from ml.engine.mask_copies_form import mask_copies_cost, mask_copies_form, of_masks
from ml.estimate import JsonObject, JsonValue
from ml.evidence.forms import Form, Key
from ml.evidence.passes import AGREEMENT
from ml.moves import move, moves_for


def move_params(*, maps: bool, flips: Sequence[str] = ()) -> JsonObject:
    """What of its params hangs on the model and the protocol.

    Args:
        maps: the model can be looked into, so the map of each copy is taken too.
        flips: of ``ml.protocol.FLIPS``, those that are declared legal.
    """
    names: list[JsonValue] = [one.id for one in moves_for(flips)]
    return {"moves": names, "maps": maps}


def move_rows(params: JsonObject) -> list[tuple[str, int]]:
    """Move and step of every row of a case.

    Raises:
        LookupError: for a move that is not known.
    """
    names = cast(list[str], params["moves"])
    return [(name, step) for name in names for step in range(1, len(move(name).values) + 1)]


def move_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, move and step, with the outputs and how far the maps agree.

    Of a model that segments a row for each structure too, with sizes of masks.
    """
    wanted = move_rows(params)
    if of_masks(params):
        return mask_copies_form(params, "move", "step", wanted, back=True)
    keys: dict[str, list[Key]] = {
        "move": [name for name, _ in wanted],
        "step": [step for _, step in wanted],
    }
    outputs = tuple(f"output_{at}" for at in range(n_outputs))
    return Form(keys=keys, numbers=(*outputs, AGREEMENT), loose=(AGREEMENT,))


def move_cost(params: JsonObject, sizes: Sizes, row_bytes: int) -> Cost:
    """Of one case: every copy once; where maps are taken, once more, and the picture as it is."""
    rows = len(move_rows(params))
    if of_masks(params):
        return mask_copies_cost(params, rows, row_bytes, also=1, back=True)
    forwards = 2 * rows + 1 if params["maps"] else rows
    return Cost(forwards, 0, rows * (row_bytes + 8 * (sizes.outputs + 1)))
