"""The reliability diagram: what was predicted against what happened, and the scores beneath."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.histogram import split_bars
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

FEW = 10  # bins with fewer cases are drawn hollow and without an interval
_TOP, _BOTTOM = 28.0, 238.0
_BARS = 304.0
_SAME = 1e-6  # two edges that are one
_ALONE = 10.0  # width of the band around a bin without neighbours


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    x, y = Linear(0, 1, LEFT, RIGHT), Linear(0, 1, _BOTTOM, _TOP)
    drawing = Drawing(WIDTH, 378, palette=palette)
    y_axis(drawing, y, "Observed fraction with the finding")
    band = series.get("band") or []
    for run in _runs(series, band):
        _band(drawing, run, x, y)
    drawing.path(f"M{x(0):.1f} {y(0):.1f}L{x(1):.1f} {y(1):.1f}", "ref")
    drawing.text(330, y(0.72), "perfect")
    bins = [b for b in series["bins"] if b["n"] and b["observed"] is not None]
    _curve(drawing, bins, x, y, _runs(series, [b for b in bins if b["n"] >= FEW]))
    _remark(drawing, bins, band, x, y)
    _scores(drawing, series, x)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _runs(series: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of bins that lie side by side: no line is drawn across a bin that is left out."""
    bins = {b["mean"]: b for b in series["bins"] if b["n"]}  # empty bins may be left out
    run: list[dict[str, Any]] = []
    for row in rows:
        own, before = bins.get(row["mean"]), bins.get(run[-1]["mean"]) if run else None
        if run and not (own and before and abs(own["low"] - before["high"]) < _SAME):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _band(drawing: Drawing, run: list[dict[str, Any]], x: Linear, y: Linear) -> None:
    """Where a perfect model would fall; a bin alone has a bar of its own."""
    if len(run) == 1:
        at, low, high = x(run[0]["mean"]), y(run[0]["low"]), y(run[0]["high"])
        drawing.rect(at - _ALONE / 2, high, _ALONE, max(low - high, 0.0), "rn-b")
        return
    drawing.area(
        [(x(b["mean"]), y(b["low"])) for b in run],
        [(x(b["mean"]), y(b["high"])) for b in run],
        "rn-b",
    )


def _curve(
    drawing: Drawing,
    bins: list[dict[str, Any]],
    x: Linear,
    y: Linear,
    runs: Iterable[list[dict[str, Any]]],
) -> None:
    full = [b for b in bins if b["n"] >= FEW]
    for b in full:
        if b.get("observed_low") is not None and b.get("observed_high") is not None:
            low, high = y(b["observed_low"]), y(b["observed_high"])
            drawing.path(f"M{x(b['mean']):.1f} {low:.1f}V{high:.1f}", "wh")
    for run in runs:
        if len(run) > 1:
            drawing.polyline([(x(b["mean"]), y(b["observed"])) for b in run], "sm-l")
    for b in bins:
        hint = f"{numbers.count(b['events'])} of {numbers.count(b['n'])}"
        few = b["n"] < FEW
        drawing.circle(
            x(b["mean"]), y(b["observed"]), 3 if few else 3.6, "sm-h" if few else "sm-f", hint=hint
        )
    if len(full) < len(bins):
        drawing.text(RIGHT, _BOTTOM - 8, f"hollow: fewer than {FEW} cases", "end")


def _remark(
    drawing: Drawing,
    bins: list[dict[str, Any]],
    band: list[dict[str, float]],
    x: Linear,
    y: Linear,
) -> None:
    """Say what the fullest bin means, when chance does not explain it."""
    if not bins:
        return
    fullest = max(bins, key=lambda b: b["n"])
    nearest = min(band, key=lambda b: abs(b["mean"] - fullest["mean"]), default=None)
    if nearest is None or nearest["low"] <= fullest["observed"] <= nearest["high"]:
        return
    px, py = x(fullest["mean"]), min(max(y(fullest["observed"]), 44.0), 206.0)
    side: tuple[str, ...] = ("end",) if px > WIDTH / 2 else ()
    at = px - 10 if side else px + 10
    low, high = _edge(fullest["low"]), _edge(fullest["high"])
    counts = f"{numbers.count(fullest['events'])} of {numbers.count(fullest['n'])}"
    drawing.text(at, py + 4, f"{counts} scored {low} to {high}", "tb", *side)
    drawing.text(
        at, py + 18, f"have the finding ({numbers.percent(fullest['observed'])})", "t2", *side
    )


def _edge(value: float) -> str:
    return numbers.plain(round(value, 3))


def _scores(drawing: Drawing, series: dict[str, Any], x: Linear) -> None:
    histogram = series.get("histogram")
    if histogram:
        present, absent = sum(histogram["present"]), sum(histogram["absent"])
        split_bars(drawing, histogram, x, _BARS, height=22, root=True)
        drawing.text(x(0.5), _BARS - 27, f"present, n = {numbers.count(present)}", "pos-t", "mid")
        drawing.text(x(0.5), _BARS + 36, f"absent, n = {numbers.count(absent)}", "neg-t", "mid")
    name = "Predicted probability" + (" (bar height: square root of count)" if histogram else "")
    x_axis(drawing, x, _BARS, name, labels_at=_BARS + 54 if histogram else _BARS + 15)


def sentence(series: dict[str, Any]) -> str:
    bins = [b for b in series["bins"] if b["n"] and b["observed"] is not None]
    if not bins:
        return "Reliability diagram without a filled bin."
    fullest = max(bins, key=lambda b: b["n"])
    outside = sum(
        1
        for b in bins
        for c in (series.get("band") or [])
        if abs(c["mean"] - b["mean"]) < 1e-9 and not c["low"] <= b["observed"] <= c["high"]
    )
    return (
        f"Reliability diagram of {len(bins)} bins. The fullest holds "
        f"{numbers.counted(fullest['n'], 'case')} scored {_edge(fullest['low'])} to "
        f"{_edge(fullest['high'])}, of which {numbers.percent(fullest['observed'])} have "
        f"the finding. {outside} of {len(bins)} bins lie outside the band of a perfect model."
    )


def table(series: dict[str, Any]) -> Table:
    band = {round(b["mean"], 9): b for b in series.get("band") or []}
    head = ("From", "To", "n", "With finding", "Mean score", "Observed", "Low", "High")
    rows = []
    for b in series["bins"]:
        near = band.get(round(b["mean"], 9)) if b["mean"] is not None else None
        rows.append(
            (
                *(b["low"], b["high"], b["n"], b["events"], b["mean"], b["observed"]),
                *(b.get("observed_low"), b.get("observed_high")),
                *((near["low"], near["high"]) if near else (None, None)),
            )
        )
    return build((*head, "Band low", "Band high"), rows)
