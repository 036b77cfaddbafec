"""What the attack pass is asked for, what its table holds, what it costs. Nothing loads torch."""

from collections.abc import Mapping, Sequence
from typing import cast

from ml.engine.cost import ROW, Cost, Sizes
from ml.estimate import JsonObject, JsonValue
from ml.evidence.forms import Form, Key
from ml.evidence.passes import AS_IT_IS, ATTACKS, SLOPE
from ml.protocol import Protocol

ATTACK, NEED = "attack", "attacks"
POINT, CLASSES = "operating_point", "classes"
GREYS = 255  # what eps are counted in: the intensity range is 0..1 of it

PARAMS: JsonObject = {
    "batch": 8,
    "methods": list[JsonValue](ATTACKS),
    "eps": [0.25, 0.5, 1.0, 2.0, 4.0],  # of 255
    "iterations": 10,  # of PGD
    "stride": 0.25,  # of PGD: of eps, each iteration
    "seed": 20261127,
}


def attack_rows(params: JsonObject) -> list[tuple[str, str]]:
    """Method and eps (of 255, as it is written) of every row of a case; first the picture itself.

    >>> attack_rows({"methods": ["fgsm"], "eps": [0.5, 1.0]})
    [('none', '0'), ('fgsm', '0.5'), ('fgsm', '1')]
    """
    sizes = [f"{one:g}" for one in eps_of(params)]
    return [(AS_IT_IS, "0"), *((name, eps) for name in methods_of(params) for eps in sizes)]


def attack_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, method and eps, with the outputs; see ``ml.engine.attack``."""
    wanted = attack_rows(params)
    keys: dict[str, list[Key]] = {
        "method": [name for name, _ in wanted],
        "eps": [eps for _, eps in wanted],
    }
    return Form(keys=keys, numbers=(*(f"output_{at}" for at in range(n_outputs)), SLOPE))


def attack_cost(params: JsonObject, sizes: Sizes) -> Cost:
    """One backward for FGSM and the first step of PGD, one for each eps and further step."""
    rows, n_eps = len(attack_rows(params)), len(eps_of(params))
    wanted = methods_of(params)
    steps = int(cast(int, params["iterations"])) - 1 if "pgd" in wanted else 0
    backwards = 1 + n_eps * steps
    return Cost(rows - 1, backwards, rows * (ROW + 8 * (sizes.outputs + 1)))


def answering(protocol: Protocol, catalogue: Mapping[str, JsonValue] | None) -> JsonObject:
    """What says which answer an attack turns, as params: the operating point, and the classes.

    Args:
        catalogue: of the cohort; None where it is not known: answers are then present or absent.
    """
    classes = cast(list[JsonValue], (catalogue or {}).get("classes") or [])
    return {POINT: protocol.operating_point, CLASSES: list(classes)}


def methods_of(params: JsonObject) -> list[str]:
    return [str(one) for one in cast(list[JsonValue], params["methods"])]


def eps_of(params: JsonObject) -> list[float]:
    """Of 255, rising."""
    return [float(cast(float, one)) for one in cast(Sequence[JsonValue], params["eps"])]
