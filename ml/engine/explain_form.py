"""What the passes that explain are asked for, what their tables hold, what they cost.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from ml.engine.cost import ROW, Cost, Sizes
from ml.engine.mask_copies_form import STRUCTURES, of_masks
from ml.engine.params import count, output_names, texts
from ml.estimate import JsonObject
from ml.evidence.forms import Form, Key
from ml.evidence.mask_copies import STRUCTURE
from ml.evidence.orders import MAP, ORDERS, order_named
from ml.evidence.passes import DEPTH, NOISE, OTHER_CLASS, REDRAWN, SHIFTED, SMOOTHED

ATTRIBUTE, PERTURB, RANDOMISE = "attribute", "perturb", "randomise"
CLASS_MAPS = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")
GRADIENT, INTEGRATED = "gradient", "integrated-gradients"
EIGEN, SCORE_CAM, ROLLOUT = "eigen-cam", "score-cam", "attention-rollout"
SMOOTH, OCCLUSION, RISE = "smoothgrad", "occlusion", "rise"
LAYER, INPUT = "layer", "input"
IG_STEPS = 32
OCCLUDED = 2 + 13**2  # forwards: for the score, as it is, and with each box of a picture filled
MOST_POSITIONS = 1 << 18  # of a map that is kept
KEPT = "kept-maps"  # the need of a protocol that asks for maps which no check reads
VOLUMES = "volumes"  # of params: the maps have a depth; those of pictures do not name it
_SEED = 20261127


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

    Example:
        >>> asked = {"baselines": ["mean"], "rankings": ["map", "edges"], "steps": 1}
        >>> [order for _, order, step in perturb_rows(asked) if step]
        ['morf', 'lerf', 'edges morf', 'edges lerf']
    """
    orders = [
        order_named(ranking, order)
        for ranking in texts(params, "rankings") or [MAP]
        for order in ORDERS
    ]
    return list(product(texts(params, "baselines"), orders, range(count(params, "steps") + 1)))


def perturb_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, baseline, order and step from 0 (nothing gone) to all steps."""
    wanted = perturb_rows(params)
    keys: dict[str, list[Key]] = {
        name: [row[at] for row in wanted] for at, name in enumerate(("baseline", "order", "step"))
    }
    return Form(keys=keys, numbers=output_names(n_outputs))


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
    return _maps({"order": [one for one, _ in wanted], "stage": [one for _, one in wanted]})


def map_cost(params: JsonObject, sizes: Sizes) -> Cost:
    if of_masks(params):  # a map of each structure, one after the other
        n = count(params, STRUCTURES)
        one = map_cost({key: value for key, value in params.items() if key != STRUCTURES}, sizes)
        return Cost(n * one.forwards, n * one.backwards, n * one.bytes)
    forwards, backwards = METHODS[str(params["method"])].takes(params)
    return Cost(forwards, backwards, ROW + 8 * 4 + 4 * sizes.positions)


def perturb_cost(params: JsonObject, sizes: Sizes) -> Cost:
    steps, baselines = count(params, "steps"), len(texts(params, "baselines"))
    # The whole picture is every curve's first, and a baseline the last of all orders.
    orders = len(ORDERS) * len(texts(params, "rankings") or [MAP])
    pictures = 1 + baselines * (orders * (steps - 1) + 1)
    found = map_cost(params, sizes)
    size = len(perturb_rows(params)) * (ROW + 8 * sizes.outputs)
    return Cost(found.forwards + pictures, found.backwards, size)


def randomise_cost(params: JsonObject, sizes: Sizes) -> Cost:
    one, rows = map_cost(params, sizes), len(randomise_rows(params))
    smooth = sum(order == SMOOTHED for order, _ in randomise_rows(params))
    maps = rows - len(texts(params, "orders")) + 1  # the network as it is begins each order
    maps += smooth * (count(params, "noises") - 1)
    return Cost(maps * one.forwards, maps * one.backwards, rows * one.bytes)
