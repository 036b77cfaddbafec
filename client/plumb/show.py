"""Words for a terminal: tables, sizes, one line that is written over."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

Json = dict[str, Any]
_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size(n_bytes: float) -> str:
    for unit, per_unit in _UNITS:
        if n_bytes >= per_unit:
            return f"{n_bytes / per_unit:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO | None = None) -> None:
    cells = [["" if cell is None else str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        print(line.rstrip(), file=out or sys.stdout)


def refusals(found: Sequence[Json]) -> None:
    def place(refusal: Json) -> str:
        row = f", row {refusal['row']}" if refusal.get("row") else ""
        return f"{refusal.get('file') or ''}{row}".strip(", ")

    rows: list[tuple[str, str, str]] = []
    for refusal in found:
        first, *more = str(refusal["message"]).splitlines() or [""]
        rows.append((refusal["code"], place(refusal), first))
        rows += [("", "", line) for line in more]  # such as the lines of a recipe
    table(("CODE", "WHERE", "WHY"), rows, sys.stderr)


def scan(found: Json) -> None:
    """What lay in an upload that was refused, told by first bytes."""
    if not found.get("files"):
        return
    n = found["n_files"]
    counted = f"{n:,} file{'s'[: n != 1]}, {size(found['n_bytes'])}"
    print(f"\nIn the upload: {counted}", file=sys.stderr)
    rows = [(row["name"], row["kind"], size(row["bytes"]), row["use"]) for row in found["files"]]
    table(("FILE", "WHAT IT IS", "SIZE", "REFUSED FOR"), rows, sys.stderr)


def intake_verdict(found: Json | None) -> None:
    """What intake says of a model: the sentence, then what is open and what cannot be done."""
    if found is None:
        return
    print(found["sentence"])
    shown = [row for row in found["points"] if row["state"] in ("caution", "fail")]
    shown += [row for row in found["capabilities"] if row["state"] == "not assessed"]
    for row in shown:
        word = "not available" if row["state"] == "not assessed" else row["state"]
        action = f" {row['action']}" if row["action"] else ""
        print(f"{word}: {row['title']}: {row['says']}.{action}")


class Line:
    """Standard error: one line that is written over on a terminal, a line per change elsewhere."""

    def __init__(self) -> None:
        self.last = ""
        self.over = sys.stderr.isatty()

    def say(self, text: str, *, passing: bool = False) -> None:
        """`passing`: of use only while somebody watches."""
        if text == self.last or (passing and not self.over):
            return
        if self.over:
            room = shutil.get_terminal_size().columns - 1
            shown = text[:room].ljust(min(len(self.last), room))
            print(f"\r{shown}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        self.last = text

    def end(self) -> None:
        if self.over and self.last:
            print(file=sys.stderr)
        self.last = ""


def progress(audit: Json, *, with_left: bool = True) -> str:
    """Where an audit is, in one line."""
    told = audit["progress"]
    text = f"{audit['reference']} {audit['state']}: {told['done']} of {told['total']}"
    if audit["state"] == "running":
        text += f", {told['now']}"
    left = told["left"]
    if left and with_left:
        text += f", about {duration(left['seconds'])} left"
    return text


def verdict(audit: Json) -> str:
    """How an audit ended."""
    if audit["state"] == "sealed":
        return f"{audit['reference']} sealed: {audit['verdict']}"
    if audit["state"] == "failed":
        return f"{audit['reference']} failed. {audit['failure']}"
    return f"{audit['reference']} {audit['state']}."
