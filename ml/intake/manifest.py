"""The YAML file that comes with a folder: read safely, checked wholly, problems as sentences."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from ml.intake.folder import Folder
from ml.intake.refusal import Problems, Refusal, Refused, refuse

MOST_BYTES = 256 * 1024
_MOST_ALIASES = 50
_SHOWN = 60  # characters of a wrong value
_SEVERAL_LINES = ("notes", "intended_use")
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control, half a character, line and paragraph breaks


def _as_text(value: object) -> object:
    """YAML reads ``version: 1.0`` or ``values: [1, 2]`` as numbers; here they are names."""
    if isinstance(value, bool):
        return "true" if value else "false"  # what YAML made of yes and no
    return str(value) if isinstance(value, int | float) else value


# The length belongs to the text, so it stands nearer to it than what makes a text of a number.
Text = Annotated[str, Field(max_length=10_000), BeforeValidator(_as_text)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(_as_text),
]

M = TypeVar("M", bound=BaseModel)


def read_yaml(folder: Folder, file: str) -> dict[str, object]:
    """The mapping in a YAML file.

    Raises:
        Refused: manifest_missing, manifest_yaml, too_large.
    """
    if file not in folder:
        raise refuse("manifest_missing", f"The folder has no {file} at its top.", file=file)
    data = folder.read(file, most=MOST_BYTES)
    return parse_yaml(data, file)


def parse_yaml(data: bytes, file: str) -> dict[str, object]:
    """The mapping in the bytes of a YAML file; see :func:`read_yaml`."""
    try:
        text = data.decode("utf-8-sig")
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
        value = None if aliases > _MOST_ALIASES else yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise refuse("manifest_yaml", f"This is not readable YAML: {first}.", file=file) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise refuse("manifest_yaml", "The file must hold 'key: value' lines.", file=file)
    return value


def validated(model: type[M], value: dict[str, object], file: str) -> M:
    """The checked manifest.

    Raises:
        Refused: manifest_invalid, once for every problem.
    """
    problems = Problems()
    for key, sign in _unprintable(value):
        problems.add(
            "manifest_invalid",
            f"'{key}' holds an unprintable character (U+{ord(sign):04X}): take it out.",
            file=file,
        )
    problems.raise_if_any()
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Refused(
            [Refusal("manifest_invalid", problem(e), file) for e in error.errors()]
        ) from None


def _unprintable(manifest: dict[str, object]) -> Iterator[tuple[str, str]]:
    """The place of every text or key that cannot be shown or stored, and the first such sign."""
    waiting: list[tuple[tuple[int | str, ...], object]] = [((), manifest)]
    seen: set[int] = set()  # aliases can make a list hold itself
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            several = bool(place) and place[-1] in _SEVERAL_LINES
            # A block text of YAML ends with a new line; a name is stripped of it below.
            sign = _first_unprintable(value if several else value.rstrip("\n"), "\n\r\t" * several)
            if sign:
                yield _where(place), sign
        if not isinstance(value, dict | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list):
            waiting += [((*place, at), item) for at, item in enumerate(value)]
            continue
        for key, item in value.items():
            sign = _first_unprintable(key, "") if isinstance(key, str) else ""
            below = (*place, ascii(key).strip("'") if sign else str(key))
            if sign:
                yield _where(below), sign
            waiting.append((below, item))


def _first_unprintable(text: str, allowed: str) -> str:
    signs = (s for s in text if s not in allowed and unicodedata.category(s) in _UNPRINTABLE)
    return next(signs, "")


def problem(error: ErrorDetails) -> str:
    """What pydantic found, as a sentence that names the key."""
    where = _where(error["loc"])
    if error["type"] == "missing":
        return f"'{where}' is missing."
    if error["type"] == "extra_forbidden":
        return f"'{where}' is not a known key; check the spelling."
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {message}" if where else message
    given = repr(error["input"])
    given = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}..."
    return f"'{where}': {message[0].lower()}{message[1:]}; got {given}."


def _where(location: Sequence[int | str]) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")
