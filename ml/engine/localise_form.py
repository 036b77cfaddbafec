"""What the localise pass is asked for, what its table holds, what it costs. Nothing loads torch."""

from collections.abc import Mapping
from typing import cast

from ml.engine.cost import ROW, Cost, Sizes
from ml.engine.explain_form import MAP_PARAMS, map_cost, map_params
from ml.engine.params import texts
from ml.estimate import JsonObject, JsonValue
from ml.evidence.forms import Form, Key
from ml.evidence.localised import AGAINST, NUMBERS, READER, REFERENCE, SHOWN
from ml.evidence.orders import BLIND, MAP
from ml.protocol import Protocol

LOCALISE, NEED = "localise", "localisations"
MASKS = "masks"  # case id -> whose mask -> its file, as a job is told
READERS = "readers"
MOST_READERS = 10  # whose masks are compared; rows grow with their square

PARAMS: JsonObject = {"batch": 8, **MAP_PARAMS, "seed": 20261128, READERS: []}


def localise_rows(params: JsonObject) -> list[tuple[str, str]]:
    """What is held against whose mask, of every row of a case.

    Maps are held against every mask, and the mask of a reader, as a map of 0 and 1, against those
    of the others.

    >>> localise_rows({"readers": ["anna"]})[3:]
    [('edges', 'reference'), ('map', 'reader:anna'), ('random', 'reader:anna'), \
('centre', 'reader:anna'), ('edges', 'reader:anna'), ('reader:anna', 'reference')]
    """
    readers = [READER + name for name in texts(params, READERS)]
    masks = [REFERENCE, *readers]
    maps = [(shown, mask) for mask in masks for shown in (MAP, *BLIND)]
    return [*maps, *((one, mask) for one in readers for mask in masks if mask != one)]


def localise_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case and comparison; null where there is no mask, or nothing is defined."""
    del n_outputs
    wanted = localise_rows(params)
    keys: dict[str, list[Key]] = {
        SHOWN: [shown for shown, _ in wanted],
        AGAINST: [mask for _, mask in wanted],
    }
    return Form(keys=keys, numbers=NUMBERS, loose=NUMBERS)


def localise_cost(params: JsonObject, sizes: Sizes) -> Cost:
    """At most: every case has a mask."""
    found = map_cost(params, sizes)
    rows = len(localise_rows(params))
    return Cost(found.forwards, found.backwards, rows * (ROW + 8 * len(NUMBERS)))


def masks_in(catalogue: Mapping[str, JsonValue]) -> dict[str, dict[str, str]]:
    """Case id -> whose mask -> SHA-256, of a cohort of labels; cases without any are left out."""
    found: dict[str, dict[str, str]] = {}
    for case in cast(list[JsonObject], catalogue["cases"]):
        whose: dict[str, str] = {}
        if case.get("mask") is not None:
            whose[REFERENCE] = str(cast(JsonObject, case["mask"])["sha256"])
        for reader, mask in cast(dict[str, JsonObject], case.get("reader_masks") or {}).items():
            whose[READER + reader] = str(mask["sha256"])
        if whose:
            found[str(case["case_id"])] = whose
    return found


def finding_masks_of(name: str, catalogue: Mapping[str, JsonValue]) -> dict[str, dict[str, str]]:
    """As ``masks_in``, where a pass holds maps against them; {} of any other pass."""
    return masks_in(catalogue) if name == LOCALISE else {}


def localising(protocol: Protocol, catalogue: Mapping[str, JsonValue]) -> JsonObject:
    """What the pass is told of a protocol and a cohort: the map is that of its first method."""
    return map_params(protocol.explanation_methods[0]) | readers_in(catalogue)


def readers_in(catalogue: Mapping[str, JsonValue]) -> JsonObject:
    """Whose masks are compared, as params: the readers of most cases, by name."""
    counted: dict[str, int] = {}
    for whose in masks_in(catalogue).values():
        for one in whose:
            if one.startswith(READER):
                counted[one] = counted.get(one, 0) + 1
    taken = sorted(counted, key=lambda one: (-counted[one], one))[:MOST_READERS]
    return {READERS: list[JsonValue](sorted(one.removeprefix(READER) for one in taken))}
