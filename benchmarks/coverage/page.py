"""The page that holds the coverage table, made from the stored results."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.coverage.simulating import HIGH, LOW, NOMINAL
from ml.estimate import JsonObject

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "interval-coverage.md"
RESULTS = Path(__file__).with_name("results.json")

_COLUMNS = (
    "measure", "population and sample", "interval", "true value", "samples", "coverage %", "±",
    "below", "above", "mean width", "bias", "without",
)  # fmt: skip
_HEAD = (
    "# How often the intervals hold the truth\n\n"
    "Made by `python -m benchmarks.coverage`: samples are drawn from populations whose true value "
    "is known, and\nit is counted how often the {nominal:.0f} % interval holds it. Where the "
    "coverage lies outside {low:.0f} to {high:.0f} %,\nthe reason stands below the table. *Below* "
    "and *above*: intervals that lie wholly below or above the truth,\nin %. *±*: Monte Carlo "
    "standard error. *Without*: samples that gave no interval, in %. Nothing here is real data.\n"
    f"\n| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"
)


def stored() -> dict[str, JsonObject]:
    """The stored results by name of scenario."""
    if not RESULTS.exists():
        return {}
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {row["name"]: row for row in rows}


def outside(row: JsonObject) -> bool:
    return not LOW <= float(str(row["coverage"])) <= HIGH


def page(rows: Sequence[JsonObject]) -> str:
    head = _HEAD.format(nominal=NOMINAL * 100, low=LOW * 100, high=HIGH * 100)
    notes: list[str] = []
    for row in rows:
        if outside(row) and row["reason"] not in notes:
            notes.append(str(row["reason"]))
    return head + "".join(_line(row, notes) for row in rows) + _reasons(notes)


def _line(row: JsonObject, notes: list[str]) -> str:
    def per_cent(key: str) -> str:
        return f"{float(str(row[key])) * 100:.1f}"

    mark = f" ({notes.index(str(row['reason'])) + 1})" if outside(row) else ""
    cells = (
        row["measure"], row["design"], row["method"], f"{float(str(row['truth'])):.4g}",
        f"{row['runs']:,}", per_cent("coverage") + mark, per_cent("error"), per_cent("below"),
        per_cent("above"), f"{float(str(row['width'])):.3f}", f"{float(str(row['bias'])):+.4f}",
        per_cent("without"),
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def _reasons(notes: list[str]) -> str:
    if not notes:
        return "\nNo coverage lies outside.\n"
    lines = "".join(f"{at}. {note or 'no reason is known'}\n" for at, note in enumerate(notes, 1))
    return f"\n## Reasons\n\n{lines}"
