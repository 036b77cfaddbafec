"""Every measure that can be asked for at the command line, and the table it needs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.cli.stats.columns import Table
from ml.cli.stats.shapes import Given
from ml.stats.bootstrap import Settings


@dataclass(frozen=True)
class Measure:
    """A public function of ``ml.stats`` and the shape of table whose arrays it takes first."""

    function: Callable[..., object]
    shape: str
    takes: int  # arrays of the shape that it takes, in their order
    fixed: Mapping[str, object] = field(default_factory=dict)  # parameters that are not asked for
    make: Callable[..., object] | None = None  # arrays and clusters -> the one argument it takes

    @property
    def summary(self) -> str:
        """The first line of the function's documentation."""
        line: str = (inspect.getdoc(self.function) or "").partition("\n")[0]
        return line if line.endswith(".") else f"{line}."

    @property
    def given(self) -> tuple[str, ...]:
        """Parameters that need no option."""
        names = list(inspect.signature(self.function).parameters)
        places = {name for name in names if name in ("categories",)} if self.takes == 2 else set()
        first = names[: 1 if self.make else self.takes]
        return (*first, *places, *self.fixed)

    def call(
        self, given: Given, table: Table | None, settings: Settings, options: Mapping[str, object]
    ) -> object:
        """The measure of a table."""
        parameters = inspect.signature(self.function).parameters
        named: dict[str, Any] = {**self.fixed, **options}
        if "settings" in parameters:
            named["settings"] = settings
        elif "level" in parameters:
            named["level"] = settings.level
        if self.make is not None:
            return self.function(self.make(*given.arrays, given.clusters), **named)
        if "clusters" in parameters and given.clusters is not None:
            named["clusters"] = given.clusters
        return self.function(*given.arrays[: self.takes], **named)


MEASURES: dict[str, Measure] = {}
