"""Reading the values of a protocol: what breaks a rule is said, and the default is taken."""

from collections.abc import Mapping

from ml.limits import finite_number


class Values:
    """Collects every problem of a mapping instead of stopping at the first.

    Attributes:
        mapping: as it was written.
        problems: one sentence for each value that is none.
    """

    def __init__(self, mapping: Mapping[str, object]) -> None:
        self.mapping = mapping
        self.problems: list[str] = []

    def text(self, key: str) -> str:
        value = self.mapping.get(key)
        if value is not None and not isinstance(value, str):
            self.problems.append(f"'{key}' must be text, got {value!r}.")
        return value if isinstance(value, str) else ""

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self.mapping.get(key)
        if value is None:
            return default
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            self.problems.append(f"'{key}' must be a list of names, got {value!r}.")
            return default
        if len(set(value)) < len(value):
            self.problems.append(f"'{key}' names something twice: {', '.join(value)}.")
        return tuple(value)

    def share(self, key: str, default: float, low: float, high: float) -> float:
        """A number between two others, neither of which it may be."""
        value = self.mapping.get(key)
        number = default if value is None else finite_number(value)
        if number is None or not low < number < high:
            self.problems.append(
                f"'{key}' must be a number between {low:g} and {high:g}, got {value!r}."
            )
            return default
        return number

    def between_0_and_1(self, key: str) -> float | None:
        value = self.mapping.get(key)
        if value is None:
            return None
        number = finite_number(value)
        if number is None or not 0 < number < 1:
            self.problems.append(f"'{key}' must be a number between 0 and 1, got {value!r}.")
        return number

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self.mapping.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.problems.append(
                f"'{key}' must be a whole number from {low:,} to {high:,}, got {value!r}."
            )
            return default
        return value

    def flag(self, key: str) -> bool:
        value = self.mapping.get(key)
        if not isinstance(value, bool | None):
            self.problems.append(f"'{key}' must be true or false, got {value!r}.")
        return value is True
