"""The options of a measure, taken from its own signature."""

import argparse
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

_OWN = "option_"  # before the names of a measure's options, apart from those of columns
SETTLED = frozenset({"clusters", "settings", "level"})  # said in the same way for every measure


@dataclass(frozen=True)
class Option:
    """One parameter that can be given as text."""

    name: str
    kinds: tuple[type, ...]  # float, int, str, bool; tried in this order
    choices: tuple[str, ...]  # texts that are meant literally
    default: object
    required: bool

    def parse(self, text: str) -> object:
        """The value a text stands for.

        Raises:
            ValueError: when it stands for none; argparse turns it into a message.
        """
        if text in self.choices:
            return text
        for kind in self.kinds:
            try:
                return kind(text)
            except ValueError:
                continue
        allowed = ", ".join([*self.choices, *(f"a {kind.__name__}" for kind in self.kinds)])
        raise argparse.ArgumentTypeError(f"expected {allowed}, got {text!r}")


def options_of(function: Callable[..., object], given: Sequence[str]) -> Iterator[Option]:
    """The options of a function besides what its table gives.

    Raises:
        TypeError: for a required parameter that cannot be said as text.
    """
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name in given or name in SETTLED:
            continue
        kinds, choices = _kinds(hints[name])
        required = parameter.default is inspect.Parameter.empty
        if kinds or choices:
            yield Option(name, kinds, choices, parameter.default, required)
        elif required:
            raise TypeError(f"{function.__name__} needs {name}, which no text can say")


def _kinds(hint: object) -> tuple[tuple[type, ...], tuple[str, ...]]:
    """Types and literal texts of a hint; nothing of one that a text cannot say."""
    if get_origin(hint) is Literal:
        return (), tuple(str(value) for value in get_args(hint))
    if get_origin(hint) in (types.UnionType, typing.Union):
        parts = [_kinds(part) for part in get_args(hint) if part is not type(None)]
        return (
            tuple(kind for kinds, _ in parts for kind in kinds),
            tuple(text for _, texts in parts for text in texts),
        )
    return ((hint,), ()) if hint in (float, int, str, bool) else ((), ())


def add_options(
    command: argparse.ArgumentParser,
    function: Callable[..., object],
    given: Sequence[str],
    defaults: Mapping[str, object],
    taken: Sequence[str],
) -> None:
    """Options that are left out keep the default of the measure.

    Args:
        taken: options that name columns; an option of the same name gets "-kind" behind it.
    """
    for option in options_of(function, given):
        name = option.name.replace("_", "-")
        flag = f"--{name}-kind" if name in taken else f"--{name}"
        dest = f"{_OWN}{option.name}"
        required = option.required and option.name not in defaults
        said = "" if required else f"default {defaults.get(option.name, option.default)}"
        if option.kinds == (bool,):
            command.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=said, dest=dest
            )
            continue
        choices = "|".join(option.choices)
        names = "|".join(kind.__name__.upper() for kind in option.kinds)
        command.add_argument(
            flag,
            type=option.parse,
            required=required,
            default=None,
            dest=dest,
            metavar="|".join(part for part in (choices, names) if part),
            help=said,
        )


def chosen(
    function: Callable[..., object], given: Sequence[str], arguments: argparse.Namespace
) -> dict[str, object]:
    """What was said, by parameter."""
    said = {
        option.name: getattr(arguments, f"{_OWN}{option.name}")
        for option in options_of(function, given)
    }
    return {name: value for name, value in said.items() if value is not None}
