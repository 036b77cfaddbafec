"""The page of planted shortcuts, from what was measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.shortcuts.measuring import SIDE, TESTED, TRAINED
from ml.zoo.rulers import KINDS, WITH, WITHOUT

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[2] / "docs" / "planted-shortcuts.md"
_TITLES = {
    "ruler": "a ruler at the left", "letter": "L for R in the upper right corner",
    "border": "a bright strip at the lower border", "site": "a site whose images are darker",
}  # fmt: skip


def stored() -> dict[str, Any]:
    """What was measured before; nothing where there is no file."""
    if not RESULTS.exists():
        return {"rows": []}
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def rows_of(results: Mapping[str, Any], kind: str, *, planted: bool) -> list[Mapping[str, Any]]:
    """Of one kind, planted or the twins, in the order of their seeds."""
    found = [one for one in results["rows"] if (one["kind"], one["planted"]) == (kind, planted)]
    return sorted(found, key=lambda one: one["seed"])


def page(results: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    seeds = sorted({one["seed"] for one in results["rows"]})
    table = [_line(results, kind) for kind in KINDS]
    examples = [f"- *{_TITLES[kind]}:* “{_first(results, kind)}”" for kind in KINDS]
    others = _others(results)
    return (
        "# Planted shortcuts\n\n"
        "Made by `python -m benchmarks.shortcuts FOLDER`, where FOLDER is `brain-mr` as "
        "`python -m demo build --cases all` writes it.\n\n"
        f"Real pictures ({results['title']}, {results['pictures']:,} of them, one of each group of "
        f"near-duplicates, {SIDE} x {SIDE}), into which something is drawn: planted, it is in "
        f"{WITH:.0%} of the pictures with the finding and in {WITHOUT:.0%} of the others; in the "
        "clean twin in half of each. A small DenseNet is trained on "
        f"{TRAINED} of them and audited on {TESTED} others by `python -m ml audit` with the check "
        f"[shortcut](checks/shortcut.md) as it comes. {len(seeds)} seeds ({seeds[0]} to "
        f"{seeds[-1]}), each with a split, drawing and network of its own, each run once. *Found*: "
        "a finding that fails and names the place, or the site. *Flagged*: any that fails.\n\n"
        "| drawn | found | twins flagged | AUROC, planted | AUROC, twin |\n"
        "|---|---|---|---|---|\n" + "\n".join(table) + "\n\n"
        "Seeds 0 to 9 were run before: 9, 10, 10 and 9 were found, and 0, 1, 2 and 0 twins "
        "flagged. Both strips were the left border, where skulls are cut off in some pictures; the "
        "search then learned that a body goes on beyond a strip, and new seeds were taken for this "
        "table.\n\n"
        "Trained once more on one thread, which gives other networks, and with maps of log-odds "
        "(engine 0.3.2), seeds 10 to 17: of ruler, letter and strip 8 of 8 were found and none of "
        "8 twins was flagged; of the darker site 6 of 8 were found, and 1 of 8 twins was flagged. "
        "In all three runs together 24 of 28 darker sites were found.\n\n"
        "What the first seed is told:\n\n" + "\n".join(examples) + "\n\n" + others
    )


def _line(results: Mapping[str, Any], kind: str) -> str:
    own, twins = (rows_of(results, kind, planted=planted) for planted in (True, False))
    found, flagged = sum(one["right"] for one in own), sum(bool(one["flagged"]) for one in twins)
    return (
        f"| {_TITLES[kind]} | {found} of {len(own)} | {flagged} of {len(twins)} | {_range(own)} | "
        f"{_range(twins)} |"
    )


def _range(rows: Sequence[Mapping[str, Any]]) -> str:
    values = [one["auroc"] for one in rows]
    return f"{min(values):.3f} to {max(values):.3f}"


def _first(results: Mapping[str, Any], kind: str) -> str:
    return str(next((one["claim"] for one in rows_of(results, kind, planted=True)), ""))


def _others(results: Mapping[str, Any]) -> str:
    """What else failed, which is not what was planted."""
    lines = [
        f"- {_TITLES[one['kind']]}, {'planted' if one['planted'] else 'twin'}, seed {one['seed']}: "
        + (", ".join(f"`{flag}`" for flag in one["flagged"]) or "nothing was flagged")
        for one in results["rows"]
        if (one["flagged"] and not one["planted"]) or (one["planted"] and not one["right"])
    ]
    if not lines:
        return "No twin was flagged, and nothing that was planted was missed.\n"
    return "Missed, or flagged in a twin:\n\n" + "\n".join(lines) + "\n"
