"""What each class of a drawing looks like where no stylesheet reaches it: PDF and files alone.

The page gets the same looks from `frontend/src/styles/charts.css`, in light and in dark; a test
holds the two lists together.
"""

COLOURS = {
    "surface": "#ffffff",
    "sunken": "#f4f4f2",
    "ink": "#000000",
    "ink-2": "#2e363e",
    "ink-3": "#4a545e",
    "grid": "#e8e5de",
    "axis": "#8d8a82",
    "pass": "#1b6b4a",
    "caution": "#855600",
    "fail": "#a82a1e",
    "na": "#56606b",
    "info": "#2a5da8",
    "model": "#0f5c73",
    "compare": "#b4560f",
    "reader": "#6b4ba1",
    "random": "#757f89",
    "pos": "#a8472f",
    "neg": "#4e6e7c",
}

_FONT = "Inter Variable, Inter, DejaVu Sans, Arial, sans-serif"
TEXT = {"font-family": _FONT, "font-size": "11", "fill": COLOURS["ink-3"]}


def _line(colour: str, width: float, dash: str = "") -> dict[str, str]:
    look = {"stroke": COLOURS[colour], "stroke-width": f"{width:g}", "fill": "none"}
    return look | ({"stroke-dasharray": dash} if dash else {})


def _fill(colour: str, opacity: float = 1.0) -> dict[str, str]:
    look = {"fill": COLOURS[colour]}
    return look | ({"fill-opacity": f"{opacity:g}"} if opacity < 1 else {})


def _key(colour: str) -> dict[str, str]:
    return {"fill": COLOURS[colour], "stroke": COLOURS[colour]}


def _strong(colour: str) -> dict[str, str]:
    return {"fill": COLOURS[colour], "font-weight": "600"}


PRINT: dict[str, dict[str, str]] = {
    "gr": _line("grid", 1),
    "ax": _line("axis", 1),
    "ref": _line("ink-3", 1, "3 3"),
    "nil": _line("ink-2", 1.5, "5 3"),
    "lim": _line("ink", 1.25),
    "bob": _fill("ink"),
    "ok": _fill("pass", 0.09),
    "iv": {"stroke-width": "3"},
    "hol": _fill("surface"),
    "sunk": _fill("sunken"),
    "sm-l": _line("model", 2),
    "sm-f": _fill("model"),
    "sm-b": _fill("model", 0.16),
    "sm-h": _line("model", 1.25) | {"fill": COLOURS["surface"]},
    "wh": _line("model", 1.25),
    "sm-t": _strong("model"),
    "sr-l": _line("reader", 1.5),
    "sr-f": _fill("reader"),
    "sr-t": _strong("reader"),
    "sc-l": _line("compare", 2),
    "sc-b": _fill("compare", 0.16),
    "rn-b": _fill("random", 0.2),
    "pos": _fill("pos"),
    "neg": _fill("neg"),
    "pos-l": _line("pos", 2),
    "neg-l": _line("neg", 2),
    "pos-t": _strong("pos"),
    "neg-t": _strong("neg"),
    "k-pass": _key("pass"),
    "k-caution": _key("caution"),
    "k-fail": _key("fail"),
    "k-na": _key("na"),
    "k-info": _key("info"),
    "k-model": _key("model"),
    "k-dev": _key("reader"),
    "k-even": {"fill": COLOURS["surface"], "stroke": COLOURS["ink-3"]},
    "h1": _fill("reader", 0.14),
    "h2": _fill("reader", 0.3),
    "h3": _fill("reader", 0.48),
    "hm": _fill("model", 0.26),
    "dot": _fill("reader", 0.35),
    # text
    "t2": {"fill": COLOURS["ink-2"]},
    "tk": {"fill": COLOURS["ink"]},
    "tb": {"fill": COLOURS["ink"], "font-weight": "620"},
    "big": {"font-size": "12"},
    "in": {},
    "end": {"text-anchor": "end"},
    "mid": {"text-anchor": "middle"},
}


def attributes(classes: tuple[str, ...]) -> dict[str, str]:
    """Presentation attributes that say what the classes say; later classes win."""
    merged: dict[str, str] = {}
    for name in classes:
        merged |= PRINT[name]
    return merged
