"""How an input is turned down: a stable code, a sentence that says what to do, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.estimate import JsonObject, JsonValue

MOST_REFUSALS = 200  # beyond this nobody reads on; the rest is counted


@dataclass(frozen=True)
class Refusal:
    code: str  # stable, listed in docs/intake-codes.md
    message: str  # one plain sentence
    file: str | None = None  # path inside the folder, as given
    row: int | None = None  # of a table; the header is row 1

    def to_json(self) -> JsonObject:
        where: JsonObject = {}
        if self.file is not None:
            where["file"] = self.file
        if self.row is not None:
            where["row"] = self.row
        return {"code": self.code, "message": self.message, **where}

    @classmethod
    def from_json(cls, value: Mapping[str, JsonValue]) -> "Refusal":
        file, row = value.get("file"), value.get("row")
        return cls(
            code=str(value.get("code", "unknown")),
            message=str(value.get("message", "")),
            file=None if file is None else str(file),
            row=row if isinstance(row, int) else None,
        )


class Refused(Exception):
    """The input cannot be used; ``refusals`` says why, at least once.

    Where its files could be listed, ``scan`` holds them as :func:`ml.intake.scan.scanned` does.
    """

    def __init__(self, refusals: Sequence[Refusal], scan: JsonObject | None = None) -> None:
        super().__init__("; ".join(f"{refusal.code}: {refusal.message}" for refusal in refusals))
        self.refusals = list(refusals)
        self.scan = scan


def refuse(code: str, message: str, *, file: str | None = None, row: int | None = None) -> Refused:
    """One refusal as an exception, for ``raise refuse(...)``."""
    return Refused([Refusal(code, message, file, row)])


class Problems:
    """Collects refusals, so that somebody with forty bad rows hears of all of them at once."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.uncounted = 0

    def add(
        self, code: str, message: str, *, file: str | None = None, row: int | None = None
    ) -> None:
        self.extend([Refusal(code, message, file, row)])

    def extend(self, refusals: Sequence[Refusal]) -> None:
        room = MOST_REFUSALS - len(self.refusals)
        self.refusals += refusals[:room]
        self.uncounted += len(refusals[room:])

    @property
    def full(self) -> bool:
        return len(self.refusals) >= MOST_REFUSALS

    def raise_if_any(self) -> None:
        """Raise everything collected so far.

        Raises:
            Refused: when there was at least one problem.
        """
        if not self.refusals:
            return
        if self.uncounted:
            more = Refusal("more_problems", f"{self.uncounted} further problems are not listed.")
            raise Refused([*self.refusals, more])
        raise Refused(self.refusals)
