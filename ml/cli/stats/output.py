"""Whatever a measure returns, as JSON."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from ml.estimate import Estimate, JsonValue
from ml.stats.clusters import Clusters


def jsonable(made: object) -> JsonValue:
    """Estimates as they are written everywhere, results field by field, arrays as lists.

    NaN in an array is an undefined entry and becomes null; so does infinity, which JSON lacks.

    Example:
        >>> jsonable(np.array([1.0, np.nan]))
        [1.0, None]
    """
    if isinstance(made, Estimate):
        return made.to_json()
    if isinstance(made, Clusters):
        return made.words
    if dataclasses.is_dataclass(made) and not isinstance(made, type):
        fields = [field.name for field in dataclasses.fields(made)]
        return {name: jsonable(getattr(made, name)) for name in fields if name[0] != "_"}
    if isinstance(made, Mapping):
        return {str(key): jsonable(value) for key, value in made.items()}
    if isinstance(made, np.ndarray | np.generic):
        return jsonable(made.tolist())
    if isinstance(made, list | tuple):
        return [jsonable(value) for value in made]
    if isinstance(made, float):
        return made if math.isfinite(made) else None
    if made is None or isinstance(made, str | bool | int):
        return made
    raise TypeError(f"{type(made).__name__} has no form in JSON")
