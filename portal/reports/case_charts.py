"""Small drawings of one case: its score on a line with the threshold, its readings as dots."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from portal.reports.gallery import score_text
from portal.ui import numbers
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.words import fits, wrap

_WIDTH = 380.0
_LINE = 28.0
_DOT = 4.5
_LEADING = 13.0  # from one line of words to the next
_MOST_LINES = 3


def score_line(
    score: float, threshold: float | None, finding: str, palette: str = "page"
) -> SafeString:
    """0 to 1 with the model's score as a square and the threshold as the plumb line."""
    drawing = Drawing(_WIDTH, 58, palette=palette)
    x = Linear(0, 1, 8, _WIDTH - 8)
    drawing.path(f"M{x.start:g} {_LINE:g}H{x.end:g}", "ax")
    if threshold is not None:
        drawing.plumb_line(x.clamped(threshold), 10, _LINE + 5)
    at = x.clamped(score)
    drawing.rect(at - 5, _LINE - 5, 10, 10, "sm-f")
    drawing.text(*_beside(at, 14), "sm-t", _anchor(at))
    drawing.text(x.start, 54, "0 absent")
    drawing.text(x.end, 54, "1 present", "end")
    words = f"The score of {finding} is {score_text(score)} on a line from 0 to 1"
    if threshold is not None:
        drawing.text(x.clamped(threshold), 54, numbers.plain(threshold), "mid")
        words += f"; called present from {numbers.plain(threshold)}"
    return drawing.render(words + ".")


def _beside(at: float, y: float) -> tuple[float, float, str]:
    return (min(max(at, 8), _WIDTH - 8), y, "Model")


def _anchor(at: float) -> str:
    return "end" if at > _WIDTH - 30 else "mid" if at > 30 else "in"


def readings_line(
    question: str,
    values: Sequence[str],
    answers: Sequence[tuple[str, float]],
    palette: str = "page",
) -> SafeString:
    """Answers of one question as dots; equal answers stand on top of each other.

    `values`: the possible answers in order; `answers`: (reader, position), positions count
    from 0 along `values`, or are the numbers themselves where `values` is empty.
    """
    places = [place for _, place in answers]
    low, high = (0.0, len(values) - 1.0) if values else (min(places), max(places))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    tallest = max(places.count(place) for place in places)
    line = 14 + 11.0 * tallest
    ticks, key = _ticks(values, low, high)
    deepest = max((len(lines) for _, lines in ticks), default=1) + len(key)
    drawing = Drawing(_WIDTH, line + 11 + _LEADING * deepest, palette=palette)
    inset = _WIDTH / (2 * len(values)) if values else 20.0  # as much room for each answer
    x = Linear(low, high, inset, _WIDTH - inset)
    drawing.path(f"M8 {line:g}H{_WIDTH - 8:g}", "ax")
    stacked: dict[float, int] = {}
    for reader, place in answers:
        k = stacked.get(place, 0)
        stacked[place] = k + 1
        drawing.circle(x(place), line - 7 - 11 * k, _DOT, "sr-f", hint=reader)
    for place, lines in ticks:
        for row, words in enumerate(lines):
            drawing.text(x(place), line + 16 + row * _LEADING, words, "mid")
    for row, words in enumerate(key):
        drawing.text(0, line + 16 + (row + deepest - len(key)) * _LEADING, words, "t2")
    said = ", ".join(f"{reader}: {_said(values, place)}" for reader, place in answers)
    return drawing.render(f"Answers to {question}: {said}.")


def _ticks(
    values: Sequence[str], low: float, high: float
) -> tuple[list[tuple[float, list[str]]], list[str]]:
    """The words under each place, and a key where the answers are too long to stand there."""
    if not values:
        return [(low, [numbers.plain(low)]), (high, [numbers.plain(high)])], []
    room = _WIDTH / len(values) - 6
    if all(fits(value, room, _MOST_LINES) for value in values):
        return [(float(k), wrap(value, room)) for k, value in enumerate(values)], []
    named = [f"{k + 1}: {value}" for k, value in enumerate(values)]
    key = [line for words in named for line in wrap(words, _WIDTH)]
    return [(float(k), [str(k + 1)]) for k in range(len(values))], key


def _said(values: Sequence[str], place: float) -> str:
    return values[int(place)] if values else numbers.plain(place)
