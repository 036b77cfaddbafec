"""Maps that a pass takes beside what it is run for, where they can be had."""

from collections.abc import Callable

from ml.engine.predict import Asked
from ml.engine.session import ModelError
from ml.estimate import JsonObject, JsonValue
from ml.imaging.preprocess import Float32Array

Maps = Callable[[Float32Array], Float32Array]  # of prepared cases (n, ...): (n, rows, columns)


def maps_beside(asked: Asked, inputs: JsonObject) -> tuple[Maps | None, JsonObject]:
    """How maps are taken, and what the evidence says of them.

    Args:
        inputs: of the job; maps, whether they are asked for, and with them method and target.

    Returns:
        None where nobody asks for maps, or this network has none that is a picture: then the
        evidence says why, under "no_map".

    Raises:
        ModelError: for any other fault of the model.
    """
    if not inputs["maps"]:
        return None, {}
    from ml.engine.explain import explainer_of  # torch is loaded where it is asked for

    try:
        explainer = explainer_of(asked, inputs)
    except ModelError as error:
        if error.code != "map_layer":
            raise
        return None, {"no_map": error.message}
    if len(explainer.sides) != 2:
        return None, {"no_map": "The positions of its map layer form no grid."}
    return lambda arrays: explainer.maps(arrays).maps, {
        "map_layer": explainer.attributor.layer.name,
        "map_sides": list[JsonValue](explainer.sides),
        "map_device": explainer.device.name,
    }
