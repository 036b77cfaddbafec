"""Reading the params of a pass, which are JSON."""

from typing import cast

from ml.estimate import JsonObject, JsonValue


def output_names(n: int) -> tuple[str, ...]:
    """Columns of the outputs of a model.

    >>> output_names(2)
    ('output_0', 'output_1')
    """
    return tuple(f"output_{at}" for at in range(n))


def texts(params: JsonObject, key: str) -> list[str]:
    """A list of names; empty where there is none.

    >>> texts({"corruptions": ["blur"]}, "corruptions"), texts({}, "corruptions")
    (['blur'], [])
    """
    return [str(one) for one in cast(list[JsonValue], params.get(key) or [])]


def count(params: JsonObject, key: str) -> int:
    """A whole number.

    >>> count({"steps": 10}, "steps")
    10

    Raises:
        KeyError: if it is not among them.
    """
    return int(cast(int, params[key]))
