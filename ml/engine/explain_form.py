"""What the passes that explain are asked for, what their tables hold, what they cost.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import cast

from ml.engine.cost import ROW, Cost, Sizes
from ml.engine.mask_copies_form import STRUCTURES, of_masks
from ml.engine.params import count, output_names, texts
from ml.estimate import JsonObject, JsonValue
from ml.evidence.compared_maps import FURTHER
from ml.evidence.forms import Form, Key
from ml.evidence.mask_copies import STRUCTURE
from ml.evidence.orders import BLIND, LINEAR, MAP, MEAN, ORDERS, order_named, subset_named
from ml.evidence.passes import (
    DEPTH,
    NOISE,
    OF_MAP,
    OTHER_CLASS,
    REDRAWN,
    RESEEDED,
    SHIFTED,
    SMOOTHED,
)
from ml.protocol import Protocol

ATTRIBUTE, PERTURB, RANDOMISE = "attribute", "perturb", "randomise"
CLASS_MAPS = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")
GRADIENT, INTEGRATED = "gradient", "integrated-gradients"
EIGEN, SCORE_CAM, ROLLOUT = "eigen-cam", "score-cam", "attention-rollout"
SMOOTH, OCCLUSION, RISE = "smoothgrad", "occlusion", "rise"
LAYER, INPUT = "layer", "input"
IG_STEPS = 32
FILL = 2  # forwards that a linear filling of a picture takes about as long as
RESEEDS = 2  # of a method that draws something at random, to see whether its maps stay
OCCLUDED = 2 + 13**2  # forwards: for the score, as it is, and with each box of a picture filled
MOST_POSITIONS = 1 << 18  # of a map that is kept
KEPT = "kept-maps"  # the need of a protocol that asks for maps which no check reads
VOLUMES = "volumes"  # of params: the maps have a depth; those of pictures do not name it
_SEED = 20261127
_MOST_NUMBERS = 1 << 14  # bytes that say how alike all maps of a case by one method are


Taken = Callable[[JsonObject], tuple[float, float]]  # forwards and backwards of one case


def _once(params: JsonObject) -> tuple[float, float]:
    """The trunk once, then the tail."""
    del params
    return 1, 0


@dataclass(frozen=True)
class Method:
    """A way of making a map, as plans, protocols and pages know it.

    Attributes:
        title: as readers know it.
        of: LAYER or INPUT, the positions that a map has a number for.
        gradient: it goes back through the network; else forwards are all that it takes.
        takes: forwards and backwards of one case, from the params. A backward counts with the
            forward that it takes; the one forward more is that of the scores.
        params: of its own, part of the evidence key; see :func:`map_params`.
        there: the engine makes it.
    """

    title: str
    of: str
    gradient: bool
    takes: Taken = _once
    params: JsonObject = field(default_factory=dict)
    there: bool = True


METHODS: dict[str, Method] = {
    "grad-cam": Method("Grad-CAM", LAYER, gradient=True),
    "grad-cam++": Method("Grad-CAM++", LAYER, gradient=True),
    "hires-cam": Method("HiResCAM", LAYER, gradient=True),
    "layer-cam": Method("LayerCAM", LAYER, gradient=True),
    EIGEN: Method("Eigen-CAM", LAYER, gradient=False),
    SCORE_CAM: Method(
        "Score-CAM", LAYER, gradient=False,
        takes=lambda params: (1 + count(params, "map_channels"), 0),
        params={"map_channels": 32},
    ),
    ROLLOUT: Method("Attention rollout", LAYER, gradient=False, takes=lambda _: (2, 0)),
    GRADIENT: Method("Gradient", INPUT, gradient=True, takes=lambda _: (1, 1)),
    INTEGRATED: Method(
        "Integrated gradients", INPUT, gradient=True, takes=lambda _: (2, IG_STEPS)
    ),
    SMOOTH: Method(
        "SmoothGrad", INPUT, gradient=True,
        takes=lambda params: (1, count(params, "map_samples")),
        params={"map_samples": 32, "map_noise": 0.15, "map_seed": _SEED},
    ),
    OCCLUSION: Method(
        "Occlusion", INPUT, gradient=False,
        takes=lambda _: (OCCLUDED, 0),  # fewer where a box reaches little: ml.engine.touched
    ),
    RISE: Method(
        "RISE", INPUT, gradient=False,
        takes=lambda params: (1 + count(params, "map_masks"), 0),
        params={"map_masks": 512, "map_cells": 7, "map_shown": 0.5, "map_seed": _SEED},
    ),
}  # fmt: skip


def methods_there() -> tuple[str, ...]:
    """The methods that the engine makes, in the order in which they are shown.

    Example:
        >>> methods_there()[0]
        'grad-cam'
    """
    return tuple(name for name, method in METHODS.items() if method.there)


def map_params(method: str, target: str = "positive") -> JsonObject:
    """What a pass is told of its maps: the method, its target, and all that the method takes.

    Example:
        >>> map_params("score-cam")
        {'method': 'score-cam', 'target': 'positive', 'map_channels': 32}
    """
    return {"method": method, "target": target, **METHODS[method].params}


MAP_PARAMS = map_params("grad-cam")


def kept_params(*, pictures: bool, structures: int = 0) -> JsonObject:
    """What is added to the params of the attribute pass; {} for pictures that get a score.

    Args:
        pictures: the model takes pictures; else volumes, whose maps have a depth.
        structures: how many a model marks; each gets a map of its own. 0: it gives scores.

    Example:
        >>> kept_params(pictures=True), kept_params(pictures=False, structures=2)
        ({}, {'volumes': True, 'structures': 2})
    """
    found: JsonObject = {} if pictures else {VOLUMES: True}
    return found | ({STRUCTURES: structures} if structures else {})


def map_form(params: JsonObject, n_outputs: int) -> Form:
    """One row for each case: the map, its sides, and the score that it explains.

    Of a model that segments a row for each structure that it can mark.
    """
    del n_outputs
    keys: dict[str, list[Key]] = {}
    if of_masks(params):
        keys[STRUCTURE] = list(range(count(params, STRUCTURES)))
    return _maps(keys, volumes=bool(params.get(VOLUMES)))


def _maps(keys: Mapping[str, Sequence[Key]], *, volumes: bool = False) -> Form:
    return Form(
        keys=keys,
        numbers=("score", "baseline_score"),
        loose=("baseline_score",),
        sides=(*((DEPTH,) if volumes else ()), "rows", "columns"),
        arrays={"map": MOST_POSITIONS},
    )


def perturb_rows(params: JsonObject) -> list[tuple[str, str, int]]:
    """Baseline, order and step of every row of a case; an order says what ranks, but of the map.

    Behind the curves stand the subsets that are drawn at random, in which a step is a draw: the
    same pictures for all that ranks.

    Example:
        >>> asked = {"baselines": ["mean"], "rankings": ["map", "edges"], "steps": 1}
        >>> [order for _, order, step in perturb_rows(asked) if step]
        ['morf', 'lerf', 'edges morf', 'edges lerf']
        >>> perturb_rows(asked | {"subset_percents": [20], "draws": 1})[-1]
        ('mean', 'edges subset-20', 1)
    """
    rankings = _rankings(params)
    orders = [order_named(ranking, order) for ranking in rankings for order in ORDERS]
    curves = product(texts(params, "baselines"), orders, range(count(params, "steps") + 1))
    sizes = [subset_named(percent) for percent in subset_percents(params)]
    subsets = [order_named(ranking, size) for ranking in rankings for size in sizes]
    draws = range(1, 1 + (count(params, "draws") if subsets else 0))
    return [*curves, *product(("mean",), subsets, draws)]


def _rankings(params: JsonObject) -> list[str]:
    return texts(params, "rankings") or [MAP]


def subset_percents(params: JsonObject) -> list[int]:
    """Sizes of the subsets of patches that are drawn; none, of params written before them."""
    return [int(cast(int, one)) for one in cast(list[JsonValue], params.get("subset_percents", []))]


def methods_of(params: JsonObject) -> dict[str, str]:
    """By what ranks, the method of its map: that of the pass, and further ones by their names.

    Example:
        >>> methods_of({"method": "grad-cam", "rankings": ["map", "gradient", "random"]})
        {'map': 'grad-cam', 'gradient': 'gradient'}
    """
    further = {name: name for name in _rankings(params) if name in METHODS}
    return {MAP: str(params.get("method", MAP_PARAMS["method"])), **further}


def tried_methods(methods: Sequence[str]) -> JsonObject:
    """Params of the passes that make maps and try them, for some methods.

    Args:
        methods: names of METHODS, the first of them the one whose maps are kept.

    Example:
        >>> tried_methods(["grad-cam", "gradient"])["rankings"]
        ['map', 'gradient', 'random', 'centre', 'edges']
    """
    first, *further = methods
    return {"rankings": [MAP, *further, *BLIND], "method": first, **_own_params(methods)}


def _own_params(methods: Sequence[str]) -> JsonObject:
    """What some methods take; what two of them take is the same of both."""
    return {key: value for name in methods for key, value in METHODS[name].params.items()}


def explaining(name: str, protocol: Protocol) -> JsonObject:
    """What a protocol says of maps, as params of a pass; {} of a pass that takes no notice."""
    methods = protocol.explanation_methods
    if name == ATTRIBUTE:
        return {"method": methods[0], **_own_params(methods[:1])}
    if name == RANDOMISE:
        further: JsonObject = {FURTHER: list(methods[1:])} if methods[1:] else {}
        return {"method": methods[0], **_own_params(methods), **further}
    if name == PERTURB:
        return tried_methods(methods) | {"steps": protocol.explanation_steps}
    return {}


def perturb_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, baseline, order and step from 0 (nothing gone) to all steps.

    With subsets, it says too how much of its map each row takes away.
    """
    wanted = perturb_rows(params)
    keys: dict[str, list[Key]] = {
        name: [row[at] for row in wanted] for at, name in enumerate(("baseline", "order", "step"))
    }
    of_map = OF_MAP if subset_percents(params) else ()
    return Form(keys=keys, numbers=(*output_names(n_outputs), *of_map))


def randomise_rows(params: JsonObject) -> list[tuple[str, int]]:
    """Order and stage of every row of a case; then what else is changed, and how often.

    Maps of the input by gradients are ragged, so of these there are smooth ones too: of the network
    as it is, with all layers permuted, and by each further draw.
    """
    method = METHODS[str(params["method"])]
    ragged = method.gradient and method.of == INPUT
    further = {
        REDRAWN: range(1, 1 + count(params, "redrawn")),
        NOISE: range(1, 1 + count(params, "noises")),
        OTHER_CLASS: range(1, 2),
        SHIFTED: range(1, 2),
        RESEEDED: range(1, 1 + (RESEEDS if "map_seed" in method.params else 0)),
        SMOOTHED: range(2 + count(params, "redrawn") if ragged else 0),
    }
    return [
        *product(texts(params, "orders"), range(1 + count(params, "stages"))),
        *((name, at) for name, stages in further.items() for at in stages),
    ]


def randomise_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, order and stage; stage 0 is the network as it is."""
    del n_outputs
    wanted = randomise_rows(params)
    keys: dict[str, list[Key]] = {
        "order": [one for one, _ in wanted], "stage": [one for _, one in wanted],
    }  # fmt: skip
    form = _maps(keys)
    further = texts(params, FURTHER)
    return replace(form, blobs={FURTHER: len(further) * _MOST_NUMBERS}) if further else form


def map_cost(params: JsonObject, sizes: Sizes) -> Cost:
    if of_masks(params):  # a map of each structure, one after the other
        n = count(params, STRUCTURES)
        one = map_cost({key: value for key, value in params.items() if key != STRUCTURES}, sizes)
        return Cost(n * one.forwards, n * one.backwards, n * one.bytes)
    forwards, backwards = METHODS[str(params["method"])].takes(params)
    return Cost(forwards, backwards, ROW + 8 * 4 + 4 * sizes.positions)


def perturb_cost(params: JsonObject, sizes: Sizes) -> Cost:
    steps, baselines = count(params, "steps"), texts(params, "baselines")
    # The whole picture is every curve's first, and a baseline the last of all orders; where all of
    # a picture that is filled linearly is gone, that is the mean.
    changed = len(ORDERS) * len(_rankings(params)) * (steps - 1)
    ends = {MEAN if name == LINEAR else name for name in baselines}
    subsets = len(subset_percents(params)) * (count(params, "draws") if "draws" in params else 0)
    pictures = 1 + len(baselines) * changed + len(ends) + subsets
    fills = FILL * changed if LINEAR in baselines else 0
    maps = sum(
        (map_cost({**params, "method": one}, sizes) for one in methods_of(params).values()),
        start=Cost(0),
    )
    size = len(perturb_rows(params)) * (ROW + 8 * (sizes.outputs + len(OF_MAP)))
    return Cost(maps.forwards + pictures + fills, maps.backwards, size)


def randomise_cost(params: JsonObject, sizes: Sizes) -> Cost:
    one, rows = map_cost(params, sizes), len(randomise_rows(params))
    smooth = sum(order == SMOOTHED for order, _ in randomise_rows(params))
    maps = rows - len(texts(params, "orders")) + 1  # the network as it is begins each order
    maps += smooth * (count(params, "noises") - 1)
    own = Cost(maps * one.forwards, maps * one.backwards, rows * one.bytes)
    for method in texts(params, FURTHER):  # their maps are let go, and numbers are kept
        other = randomise_cost({**params, "method": method, FURTHER: []}, sizes)
        own += Cost(other.forwards, other.backwards, _MOST_NUMBERS // 4)
    return own
