"""The configuration of a MONAI bundle, read without any of its code: data, references, arithmetic.

MONAI's own reader imports what ``_target_`` names and evaluates what follows ``$`` as Python. Here
a ``_target_`` is only ever compared with names, and an expression may consist of numbers, lists,
references and arithmetic; the rest is refused with its text.
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.intake.folder import Folder
from ml.intake.manifest import parse_yaml
from ml.intake.refusal import Refused, refuse

MOST_BYTES = 1024**2
MOST_STEPS = 20_000  # of following references, in one bundle
DEEPEST = 40  # references to references
_ID = r"\w+(?:(?:::|#)\w+)*"
_REFERENCE = re.compile(rf"[@%]({_ID})")
_IN_EXPRESSION = re.compile(rf"@({_ID})")
_LONGEST = 500
_LARGEST = 2**53
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip


def read_config(folder: Folder, *names: str) -> tuple[dict[str, Any], str] | None:
    """The first of the named files that is there, and its name.

    Raises:
        Refused: bundle_invalid, too_large, manifest_yaml.
    """
    file = next((name for name in names if name in folder), None)
    if file is None:
        return None
    data = folder.read(file, most=MOST_BYTES)
    if not file.endswith(".json"):
        return parse_yaml(data, file), file
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise refuse("bundle_invalid", "This is no JSON.", file=file) from None
    if not isinstance(value, dict):
        raise refuse("bundle_invalid", "The file must hold one JSON object.", file=file)
    return value, file


@dataclass(frozen=True)
class Unread:
    """An expression that is not evaluated here, in the place of its value."""

    text: str


@dataclass
class Config:
    """One configuration file.

    Attributes:
        root: the whole of it.
        file: its name, for refusals.
    """

    root: Mapping[str, Any]
    file: str
    _steps: int = 0
    _open: list[str] = field(default_factory=list)  # references that are being followed
    _leaves: bool = False  # are expressions left unread, or refused?

    def resolved(self, value: Any) -> Any:
        """The value with its references and expressions worked out, as JSON would hold it.

        A ``_target_`` stays as it is: text.

        Raises:
            Refused: bundle_expression, bundle_invalid (a reference that leads nowhere, to itself,
                or on without end).
        """
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise self._invalid("References of the configuration lead on without end.")
        if isinstance(value, dict):
            return {key: self._below(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._below(one) for one in value]
        if isinstance(value, str) and value.startswith("$"):
            try:
                return self._computed(value)
            except Refused as refused:
                if not self._leaves or refused.refusals[0].code != "bundle_expression":
                    raise
                return Unread(value)
        if isinstance(value, str) and value[:1] in ("@", "%"):
            match = _REFERENCE.fullmatch(value)
            if match is None:
                raise self._refusal(value)
            return self.follow(match[1])
        return value

    def follow(self, reference: str) -> Any:
        """What a reference stands for, ``a::0::b``."""
        if reference in self._open or len(self._open) >= DEEPEST:
            raise self._invalid(f"The reference {reference[:80]!r} leads back to itself, or on.")
        place: Any = self.root
        for part in re.split(r"::|#", reference):
            if isinstance(place, dict) and part in place:
                place = place[part]
            elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
                place = place[int(part)]
            else:
                raise self._invalid(f"The reference {reference[:80]!r} leads nowhere.")
        self._open.append(reference)
        try:
            return self.resolved(place)
        finally:
            self._open.pop()

    def leave(self, reference: str) -> Any:
        """As :meth:`follow`; what is not evaluated is left in its place as :class:`Unread`.

        Of a list of transforms most can be told all the same, and the others be named.
        """
        self._leaves = True
        try:
            return self.follow(reference)
        finally:
            self._leaves = False

    def _below(self, value: Any) -> Any:
        self._open.append("")
        try:
            if len(self._open) >= 2 * DEEPEST:
                raise self._invalid("The configuration is nested too deeply.")
            return self.resolved(value)
        finally:
            self._open.pop()

    def _computed(self, text: str) -> Any:
        names: dict[str, str] = {}

        def named(match: re.Match[str]) -> str:
            return names.setdefault(match[1], f"reference_{len(names)}")

        source = _IN_EXPRESSION.sub(named, text[1:])
        if len(text) > _LONGEST:
            raise self._refusal(text)
        try:
            tree = ast.parse(source.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._refusal(text) from None
        known = {name: reference for reference, name in names.items()}
        return self._value(tree.body, known, text)

    def _value(self, node: ast.expr, known: Mapping[str, str], text: str) -> Any:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool, type(None)):
            return node.value
        if isinstance(node, ast.Name) and node.id in known:
            return self.follow(known[node.id])
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self._value(one, known, text) for one in node.elts]
        if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            return self._number(_UNARY[type(node.op)], text, self._value(node.operand, known, text))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            left, right = (self._value(one, known, text) for one in (node.left, node.right))
            if isinstance(left, list) and isinstance(right, list) and isinstance(node.op, ast.Add):
                return self._joined(left, right)
            return self._number(_BINARY[type(node.op)], text, left, right)
        raise self._refusal(text)

    def _joined(self, left: list[Any], right: list[Any]) -> list[Any]:
        self._steps += len(left) + len(right)
        if self._steps > MOST_STEPS:
            raise self._invalid("Lists of the configuration grow without end.")
        return left + right

    def _number(self, compute: Callable[..., Any], text: str, *given: Any) -> Any:
        if any(type(one) not in (int, float) or abs(one) > _LARGEST for one in given):
            raise self._refusal(text)
        try:
            return compute(*given)
        except ArithmeticError:
            raise self._refusal(text) from None

    def _refusal(self, text: str) -> Refused:
        return refuse(
            "bundle_expression",
            f"The expression {text[:120]!r} is not evaluated here: numbers, lists, references and "
            "+ - * / // % are. Write its value in its place.",
            file=self.file,
        )

    def _invalid(self, message: str) -> Refused:
        return refuse("bundle_invalid", message, file=self.file)
