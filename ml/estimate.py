"""The shape of every result: a value with its interval, n, convention and method."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]

_DECIMALS = 10  # beyond the precision of any input; keeps files short and comparable
_PLAIN = frozenset({"fraction", "ratio"})  # said of numbers that are counted in nothing
_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


@dataclass(frozen=True)
class Estimate:
    """One measure of one set of cases.

    Attributes:
        id: measure id, lower case, e.g. ``auroc``; a further question or group is qualified
            after a colon, e.g. ``alpha:texture``.
        value: the estimate in the measure's own unit; None when it is undefined.
        low, high: ends of the interval; one of them may be None (one-sided bound).
        level: coverage of the interval, 0..1; None when there is no interval.
        n: rows that entered the value (cases, or as ``convention`` says).
        n_events: rows with the finding among them, where that has a meaning.
        convention: which of several customary definitions this is.
        method: how the interval was made, with draws and seed where it was simulated.
        reason: a sentence, required when ``value`` is None; also says why an interval is missing.
        extra: further numbers that belong to the value (numerator, denominator, clusters), and
            its ``unit`` where it has one.

    Raises:
        ValueError: for NaN or infinity anywhere, or an undefined value without a reason.

    Example:
        >>> Estimate("sensitivity", 0.5, n=2, n_events=2).to_json()["value"]
        0.5
    """

    id: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = 0.95
    n: int = 0
    n_events: int | None = None
    convention: str = ""
    method: str = ""
    reason: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "level"):
            number = getattr(self, name)
            if number is None:
                continue
            if not math.isfinite(number):
                raise ValueError(f"{self.id}: {name} must be finite or None, got {number}")
            object.__setattr__(self, name, float(number))
        if self.value is None and not self.reason:
            raise ValueError(f"{self.id}: an undefined value needs a reason")
        if self.value is None and (self.low is not None or self.high is not None):
            raise ValueError(f"{self.id}: an undefined value has no interval")
        object.__setattr__(self, "n", int(self.n))
        object.__setattr__(self, "extra", MappingProxyType(dict(self.extra)))
        check_json(self.id, dict(self.extra))
        if self.low is None and self.high is None:
            object.__setattr__(self, "level", None)

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, and estimates cross process borders.
        values = (self.id, self.value, self.low, self.high, self.level, self.n, self.n_events)
        return type(self), (*values, self.convention, self.method, self.reason, dict(self.extra))

    @property
    def has_interval(self) -> bool:
        return self.low is not None or self.high is not None

    @property
    def unit(self) -> str:
        """What value and interval are counted in, "mm"; "" of a number without a dimension."""
        return unit_in(self.extra)

    def in_unit(self, unit: str) -> "Estimate":
        """The same numbers, saying what they are counted in.

        Example:
            >>> Estimate("hd95", 3.5).in_unit("mm").unit
            'mm'
        """
        return replace(self, extra={**self.extra, "unit": unit}) if unit else self

    def renamed(self, new_id: str, *, convention: str | None = None) -> "Estimate":
        """The same numbers under a qualified id, e.g. for another question."""
        return replace(
            self, id=new_id, convention=self.convention if convention is None else convention
        )

    def to_json(self) -> JsonObject:
        """A JSON-ready object; numbers rounded to ten decimals."""
        return {
            "id": self.id,
            "convention": self.convention,
            "value": rounded(self.value),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "level": rounded(self.level),
            "n": self.n,
            "n_events": None if self.n_events is None else int(self.n_events),
            "method": self.method,
            "reason": self.reason,
            "extra": dict(self.extra),
        }


def undefined(
    measure: str, reason: str, *, n: int = 0, n_events: int | None = None, convention: str = ""
) -> Estimate:
    """An estimate that says in a sentence why it has no value."""
    return Estimate(
        measure, None, n=n, n_events=n_events, convention=convention, level=None, reason=reason
    )


def unit_in(extra: Mapping[str, JsonValue]) -> str:
    """The unit that is written behind a number.

    >>> unit_in({"unit": "mm"}), unit_in({"unit": "fraction"}), unit_in({})
    ('mm', '', '')
    """
    unit = str(extra.get("unit") or "")
    return "" if unit in _PLAIN else unit


def rounded(number: float | None, decimals: int = _DECIMALS) -> float | None:
    """Rounded for a file; None stays None and minus zero becomes zero."""
    return None if number is None else round(float(number), decimals) + 0.0


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun in the form that belongs to it.

    >>> counted(1, "case"), counted(3000, "case"), counted(0, "diagnosis", "diagnoses")
    ('1 case', '3,000 cases', '0 diagnoses')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def objects_in(value: JsonValue) -> list[JsonObject]:
    """The objects of a list; [] of anything else.

    >>> objects_in([{"a": 1}, 2]), objects_in(None)
    ([{'a': 1}], [])
    """
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def check_json(where: str, value: object) -> None:
    """Refuse what a JSON file cannot hold honestly (NaN, infinity, foreign types).

    Raises:
        ValueError: naming ``where`` and the value.
    """
    if value is None or isinstance(value, str | bool | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: {value} has no place in a result")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{where}: keys must be text, got {key!r}")
            check_json(f"{where}.{key}", item)
    elif isinstance(value, list | tuple):
        for item in value:
            check_json(where, item)
    else:
        raise ValueError(f"{where}: {type(value).__name__} is not a JSON value")
