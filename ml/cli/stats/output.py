"""Whatever a measure returns, as JSON."""

import dataclasses
import math
import re
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
        return {_key(key): jsonable(value) for key, value in made.items()}
    if isinstance(made, np.ndarray | np.generic):
        return jsonable(made.tolist())
    if isinstance(made, list | tuple):
        return [jsonable(value) for value in made]
    if isinstance(made, float):
        return made if math.isfinite(made) else None
    if made is None or isinstance(made, str | bool | int):
        return made
    raise TypeError(f"{type(made).__name__} has no form in JSON")


def _key(key: object) -> str:
    """A name; two names, as of two modalities, stand side by side."""
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


_PLACED = re.compile(r"(.*:)(\d+)")


def labelled(made: JsonValue, labels: Mapping[str, list[str]]) -> JsonValue:
    """The same, saying which answer, case and reader a place in it stands for.

    Args:
        made: an answer in JSON, whose estimates of one answer end in its place, ":0".
        labels: names in the order of the arrays; "answers", "cases" and so on.

    Example:
        >>> labelled([{"id": "specific_agreement:1"}], {"answers": ["no", "yes"]})
        [{'id': 'specific_agreement:yes'}]
        >>> labelled({"p": 0.5}, {"answers": ["no", "yes"]})
        {'answers': ['no', 'yes'], 'p': 0.5}
    """
    if isinstance(made, dict) and "id" not in made:
        wanted = labels if any(isinstance(part, list) for part in made.values()) else {
            name: names for name, names in labels.items() if name == "answers"
        }  # fmt: skip
        told: dict[str, JsonValue] = {name: list(names) for name, names in wanted.items()}
        return told | {name: _named(part, labels.get("answers", [])) for name, part in made.items()}
    return _named(made, labels.get("answers", []))


def _named(made: JsonValue, answers: list[str]) -> JsonValue:
    """Estimates of one answer, here and within, by its name."""
    if isinstance(made, list):
        return [_named(part, answers) for part in made]
    if isinstance(made, dict):
        found = _PLACED.fullmatch(str(made.get("id", "")))
        if found and int(found[2]) < len(answers):
            return made | {"id": found[1] + answers[int(found[2])]}
    return made
