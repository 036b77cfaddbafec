"""What the blot pass is asked for, what its table holds, what it costs. Nothing loads torch."""

from collections.abc import Sequence
from itertools import product
from typing import cast

from ml.engine.cost import ROW, Cost, Sizes
from ml.estimate import JsonObject, JsonValue
from ml.evidence.blotted import CHANGES, HAS, PLACES
from ml.evidence.forms import Form, Key
from ml.protocol import Protocol

BLOT, NEED = "blot", "blots"
MOST_PLACES = 10  # that are searched for, beside the regions that a protocol draws
_TEXT = 1 << 16  # bytes that say where the places are
_HERE = 4  # copies of a case that has what is at a place; of one that has not, two

PARAMS: JsonObject = {"batch": 8, "seed": 20261128, "regions": [], "maps": False, "together": True}


def blot_rows(params: JsonObject) -> list[tuple[int, str]]:
    """Number of the place and change of every row of a case.

    >>> len(blot_rows({"regions": []})), blot_rows({"regions": []})[:2]
    (60, [(0, 'mean'), (0, 'mean-elsewhere')])
    """
    return list(product(range(places_in(params)), CHANGES))


def places_in(params: JsonObject) -> int:
    """How many places the table has room for."""
    return len(cast(Sequence[JsonValue], params["regions"])) + MOST_PLACES


def blot_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, place and change, with the outputs where it was made.

    The first row of a case holds where the places are; all cases hold the same.
    """
    wanted = blot_rows(params)
    keys: dict[str, list[Key]] = {
        "place": [place for place, _ in wanted],
        "change": [change for _, change in wanted],
    }
    numbers = (*(f"output_{at}" for at in range(n_outputs)), HAS)
    return Form(keys=keys, numbers=numbers, loose=numbers, blobs={PLACES: _TEXT})


def blot_cost(params: JsonObject, sizes: Sizes) -> Cost:
    """At most: every place had by every case, and a map of each."""
    rows = len(blot_rows(params))
    forwards = _HERE * places_in(params) + (1 if params["maps"] else 0)
    return Cost(forwards, 0, rows * (ROW + 8 * (sizes.outputs + 1)))


def drawn_regions(protocol: Protocol) -> JsonObject:
    """The regions that a protocol draws, as params."""
    regions: list[JsonValue] = [
        {"name": name, "box": list[JsonValue](box)} for name, box in protocol.shortcut_regions
    ]
    return {"regions": regions}
