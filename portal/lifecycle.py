"""The life of a noun as a table: which state may follow which. Code, tests and docs read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import TextChoices


class IllegalMove(Exception):
    """The table has no arrow between these two states."""


@dataclass(frozen=True)
class Lifecycle:
    noun: str
    first: TextChoices
    next: Mapping[TextChoices, frozenset[TextChoices]]

    def check_move(self, old: str, new: str) -> None:
        arrows = {str(state): {str(s) for s in after} for state, after in self.next.items()}
        if str(new) not in arrows[str(old)]:
            raise IllegalMove(f"{self.noun} cannot go from {old} to {new}")

    def as_mermaid(self) -> str:
        arrows = [
            f"    {old.name} --> {new.name}"
            for old, after in self.next.items()
            for new in sorted(after, key=lambda state: state.name)
        ]
        return "\n".join(["stateDiagram-v2", f"    [*] --> {self.first.name}", *arrows])
